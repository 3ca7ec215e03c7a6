//! One program out of its functions: the entry point first, then each subprogram once, in the order
//! in which calls find them.
//!
//! Follows `bpf_object__reloc_code` and `bpf_prog_assign_exc_cb` of libbpf 1.7, since the order
//! decides which bytes the kernel sees.

use super::Object;
use super::error::{ProgramError, ProgramProblem};
use super::functions::covering;
use super::relocs::{FuncReloc, RelocTarget};
use oxbpf_isa::btf::{Linkage, Type};
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::insn::{RawInsn, SLOT_SIZE};

/// Slots a program may have (Linux `BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_INSNS: usize = 1_000_000;

/// Functions put behind each other.
pub(super) struct Linked {
    pub insns: Vec<RawInsn>,
    /// Index of each function and the slot at which it begins.
    pub parts: Vec<(usize, usize)>,
    /// References of the whole, by slot.
    pub relocs: Vec<FuncReloc>,
}

impl Linked {
    /// The function that holds a slot, and the slot within it.
    pub fn locate(&self, slot: usize) -> (usize, usize) {
        let after = self.parts.partition_point(|&(_, start)| start <= slot);
        let (function, start) = self.parts[after.saturating_sub(1)];
        (function, slot - start)
    }
}

/// Links the program that begins with function `entry`. `code` holds the instructions of every
/// function as CO-RE left them.
pub(super) fn link(object: &Object, entry: usize, code: &[Vec<RawInsn>]) -> Result<Linked, ProgramError> {
    let mut linker = Linker {
        object,
        code,
        starts: vec![None; object.functions.len()],
        out: Linked { insns: Vec::new(), parts: Vec::new(), relocs: Vec::new() },
    };
    linker.append(entry)?;
    linker.follow_calls(entry)?;
    if let Some(callback) = exception_callback(object, entry)? {
        if linker.starts[callback].is_none() {
            linker.append(callback)?;
            linker.follow_calls(callback)?;
        }
    }
    linker.out.relocs.sort_by_key(|r| r.insn);
    Ok(linker.out)
}

struct Linker<'a> {
    object: &'a Object,
    code: &'a [Vec<RawInsn>],
    /// Where each function was put.
    starts: Vec<Option<usize>>,
    out: Linked,
}

impl Linker<'_> {
    fn append(&mut self, function: usize) -> Result<(), ProgramError> {
        let start = self.out.insns.len();
        let code = &self.code[function];
        if start + code.len() > MAX_INSNS {
            return Err(self.error(function, 0, ProgramProblem::TooLarge));
        }
        self.starts[function] = Some(start);
        self.out.parts.push((function, start));
        self.out.insns.extend_from_slice(code);
        for reloc in &self.object.relocs[function] {
            self.out.relocs.push(FuncReloc { insn: start + reloc.insn, target: reloc.target.clone() });
        }
        Ok(())
    }

    fn error(&self, function: usize, insn: usize, problem: ProgramProblem) -> ProgramError {
        ProgramError { function: self.object.functions[function].name.clone(), insn, problem }
    }

    /// Walks the calls of an appended function, depth first; the explicit stack holds where each
    /// function in progress stands.
    fn follow_calls(&mut self, function: usize) -> Result<(), ProgramError> {
        let mut stack = vec![(function, 0usize)];
        while let Some((function, insn)) = stack.pop() {
            if insn == self.code[function].len() {
                continue;
            }
            stack.push((function, insn + 1));
            let Some(callee) = self.callee(function, insn)? else { continue };
            let here = self.starts[function].unwrap_or(0) + insn;
            let start = match self.starts[callee] {
                Some(start) => start,
                None => {
                    self.append(callee)?;
                    stack.push((callee, 0));
                    self.starts[callee].unwrap_or(0)
                }
            };
            self.out.insns[here].imm = (start as i64 - here as i64 - 1) as i32;
        }
        Ok(())
    }

    /// The function that the instruction calls or takes the address of; marks the latter.
    fn callee(&mut self, function: usize, insn: usize) -> Result<Option<usize>, ProgramError> {
        let raw = self.code[function][insn];
        let relocs = &self.object.relocs[function];
        let reloc = relocs.binary_search_by_key(&insn, |r| r.insn).ok().map(|i| &relocs[i].target);
        let is_call = raw.code == 0x85 && raw.src == pseudo::CALL_SUBPROG;
        let slot = match reloc {
            Some(RelocTarget::Call { offset }) => *offset as i64 / SLOT_SIZE as i64 + raw.imm as i64 + 1,
            Some(RelocTarget::FuncAddr { offset }) => (*offset as i64 + raw.imm as i64) / SLOT_SIZE as i64,
            Some(RelocTarget::Extern(_)) => return Ok(None),
            Some(RelocTarget::Bad(problem)) => return Err(self.error(function, insn, problem.clone())),
            Some(_) if is_call => return Err(self.error(function, insn, ProgramProblem::Form)),
            Some(_) => return Ok(None),
            None if is_call => {
                self.object.functions[function].offset as i64 + insn as i64 + raw.imm as i64 + 1
            }
            None if raw.is_ldimm64() && raw.src == pseudo::FUNC => {
                return Err(self.error(function, insn, ProgramProblem::NoFunction));
            }
            None => return Ok(None),
        };
        if matches!(reloc, Some(RelocTarget::FuncAddr { .. })) {
            let here = self.starts[function].unwrap_or(0) + insn;
            self.out.insns[here].src = pseudo::FUNC;
        }
        let callee = self.object.text.zip(usize::try_from(slot).ok());
        let callee = callee.and_then(|(text, slot)| {
            let index = covering(&self.object.functions, text, slot)?;
            (self.object.functions[index].offset == slot).then_some(index)
        });
        callee.ok_or_else(|| self.error(function, insn, ProgramProblem::NoFunction)).map(Some)
    }
}

/// The subprogram that a declaration tag of the entry point names as its exception callback.
fn exception_callback(object: &Object, entry: usize) -> Result<Option<usize>, ProgramError> {
    let Some(btf) = &object.btf else { return Ok(None) };
    let program = &object.functions[entry];
    let mut found = None;
    for (_, ty) in btf.types() {
        let Type::DeclTag { name, target, component: None, .. } = ty else { continue };
        let Some(callback) = name.strip_prefix("exception_callback:") else { continue };
        let Some(Type::Func { name, linkage: Linkage::Global, .. }) = btf.ty(target) else {
            return Err(callback_error(object, entry, callback));
        };
        if name != program.name {
            continue;
        }
        if found.is_some() {
            // More than one: the verifier reports it, so nothing is appended.
            return Ok(None);
        }
        let is_callback = |f: &super::Function| !f.is_entry && f.name == callback && f.global && !f.hidden;
        let index = object.functions.iter().position(is_callback);
        found = Some(index.ok_or_else(|| callback_error(object, entry, callback))?);
    }
    Ok(found)
}

fn callback_error(object: &Object, entry: usize, callback: &str) -> ProgramError {
    ProgramError {
        function: object.functions[entry].name.clone(),
        insn: 0,
        problem: ProgramProblem::ExceptionCallback { name: callback.to_owned() },
    }
}
