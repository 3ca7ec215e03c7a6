//! One program out of its functions: the entry point first, then each subprogram once, in the order
//! in which calls find them.
//!
//! Follows `bpf_object__reloc_code` and `bpf_prog_assign_exc_cb` of libbpf 1.7, since the order
//! decides which bytes the kernel sees. CO-RE answers are put in before calls are followed, as an
//! answer may replace a call.

use super::Object;
use super::error::{ProgramError, ProgramProblem};
use super::functions::{Function, covering};
use super::relocs::{FuncReloc, RelocTarget};
use oxbpf_isa::btf::core::{Resolution, patch};
use oxbpf_isa::btf::{Linkage, Type};
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::insn::{RawInsn, SLOT_SIZE};
use std::collections::HashMap;

/// Slots a program may have (Linux `BPF_COMPLEXITY_LIMIT_INSNS`).
const MAX_INSNS: usize = 1_000_000;

/// The answer to a CO-RE relocation at a slot of a function; none without a target.
pub(super) type CoreAnswer = (usize, Option<Resolution>);

/// A function within a linked program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub function: usize,
    /// The slot at which it begins.
    pub start: usize,
}

/// Functions put behind each other.
pub(super) struct Linked {
    pub insns: Vec<RawInsn>,
    pub parts: Vec<Part>,
    /// References of the whole, by slot.
    pub relocs: Vec<FuncReloc>,
    /// Slots whose CO-RE relocations have no answer for want of a target.
    pub unanswered: Vec<usize>,
}

impl Linked {
    /// The function that holds a slot, and the slot within it.
    pub fn locate(&self, slot: usize) -> (usize, usize) {
        let after = self.parts.partition_point(|p| p.start <= slot);
        let part = self.parts[after.saturating_sub(1)];
        (part.function, slot - part.start)
    }
}

/// Links the program that begins with function `entry`. `answers` gives the CO-RE answers of a
/// function.
pub(super) fn link<'a>(
    object: &Object,
    entry: usize,
    answers: &dyn Fn(usize) -> &'a [CoreAnswer],
) -> Result<Linked, ProgramError> {
    let out = Linked { insns: Vec::new(), parts: Vec::new(), relocs: Vec::new(), unanswered: Vec::new() };
    let mut linker = Linker { object, answers, starts: HashMap::new(), out };
    let start = linker.append(entry)?;
    linker.follow_calls(entry, start)?;
    if let Some(callback) = exception_callback(object, entry)?
        && !linker.starts.contains_key(&callback)
    {
        let start = linker.append(callback)?;
        linker.follow_calls(callback, start)?;
    }
    linker.out.relocs.sort_by_key(|r| r.insn);
    Ok(linker.out)
}

struct Linker<'a, 'b> {
    object: &'a Object,
    answers: &'a dyn Fn(usize) -> &'b [CoreAnswer],
    /// Where each function was put.
    starts: HashMap<usize, usize>,
    out: Linked,
}

impl Linker<'_, '_> {
    fn append(&mut self, function: usize) -> Result<usize, ProgramError> {
        let start = self.out.insns.len();
        let code = self.object.functions[function].insns();
        if start + code.len() > MAX_INSNS {
            return Err(self.error(function, 0, ProgramProblem::TooLarge));
        }
        self.starts.insert(function, start);
        self.out.parts.push(Part { function, start });
        self.out.insns.extend_from_slice(code);
        for (insn, answer) in (self.answers)(function) {
            match answer {
                Some(answer) => patch(&mut self.out.insns[start + insn..], answer)
                    .map_err(|error| self.error(function, *insn, ProgramProblem::Patch { error }))?,
                None => self.out.unanswered.push(start + insn),
            }
        }
        for reloc in &self.object.relocs[function] {
            self.out.relocs.push(FuncReloc { insn: start + reloc.insn, target: reloc.target.clone() });
        }
        Ok(start)
    }

    fn error(&self, function: usize, insn: usize, problem: ProgramProblem) -> ProgramError {
        ProgramError { function: self.object.functions[function].name.clone(), insn, problem }
    }

    /// Walks the calls of an appended function, depth first; the explicit stack holds where each
    /// function in progress stands.
    fn follow_calls(&mut self, function: usize, start: usize) -> Result<(), ProgramError> {
        let mut stack = vec![(function, start, 0usize)];
        while let Some((function, start, insn)) = stack.pop() {
            if insn == self.object.functions[function].insns().len() {
                continue;
            }
            stack.push((function, start, insn + 1));
            let here = start + insn;
            let Some(callee) = self.callee(function, insn, here)? else { continue };
            let target = match self.starts.get(&callee).copied() {
                Some(target) => target,
                None => {
                    let target = self.append(callee)?;
                    stack.push((callee, target, 0));
                    target
                }
            };
            self.out.insns[here].imm = (target as i64 - here as i64 - 1) as i32;
        }
        Ok(())
    }

    fn is_function_address(&self, function: usize, insn: usize) -> bool {
        matches!(find_reloc(&self.object.relocs[function], insn), Some(RelocTarget::FuncAddr { .. }))
    }

    /// The function that the instruction calls or takes the address of; marks the latter.
    fn callee(&mut self, function: usize, insn: usize, here: usize) -> Result<Option<usize>, ProgramError> {
        let raw = self.out.insns[here];
        if raw.is_ldimm64() && self.is_function_address(function, insn) {
            self.out.insns[here].src = pseudo::FUNC;
        }
        let f = &self.object.functions[function];
        let relocs = &self.object.relocs[function];
        let reloc = find_reloc(relocs, insn);
        let is_call = raw.code == 0x85 && raw.src == pseudo::CALL_SUBPROG && raw.dst == 0 && raw.off == 0;
        let no_function = || self.error(function, insn, ProgramProblem::NoFunction);
        let slot = match reloc {
            Some(RelocTarget::Call { offset }) => (*offset / SLOT_SIZE as u64) as i64 + raw.imm as i64 + 1,
            Some(RelocTarget::FuncAddr { offset }) => {
                (*offset as i64).wrapping_add(raw.imm as i64) / SLOT_SIZE as i64
            }
            Some(RelocTarget::Extern(_)) => return Ok(None),
            Some(RelocTarget::Bad(problem)) => return Err(self.error(function, insn, problem.clone())),
            Some(_) if is_call => return Err(self.error(function, insn, ProgramProblem::Form)),
            Some(_) => return Ok(None),
            // A call of a static function of the same section needs no relocation.
            None if is_call && Some(f.section) == self.object.text => {
                f.offset as i64 + insn as i64 + raw.imm as i64 + 1
            }
            None if is_call => return Err(no_function()),
            None if raw.is_ldimm64() && raw.src == pseudo::FUNC => return Err(no_function()),
            None => return Ok(None),
        };
        let callee = self.object.text.zip(usize::try_from(slot).ok()).and_then(|(text, slot)| {
            let index = covering(&self.object.functions, text, slot)?;
            (self.object.functions[index].offset == slot).then_some(index)
        });
        callee.map(Some).ok_or_else(no_function)
    }
}

fn find_reloc(relocs: &[FuncReloc], insn: usize) -> Option<&RelocTarget> {
    relocs.binary_search_by_key(&insn, |r| r.insn).ok().map(|i| &relocs[i].target)
}

/// The subprogram that a declaration tag of the entry point names as its exception callback.
fn exception_callback(object: &Object, entry: usize) -> Result<Option<usize>, ProgramError> {
    let Some(btf) = &object.btf else { return Ok(None) };
    let program = &object.functions[entry];
    let error = |name: &str| ProgramError {
        function: program.name.clone(),
        insn: 0,
        problem: ProgramProblem::ExceptionCallback { name: name.to_owned() },
    };
    let mut found = None;
    for (target, callback) in &object.callbacks {
        let Some(Type::Func { name, linkage: Linkage::Global, .. }) = btf.ty(*target) else {
            return Err(error(callback));
        };
        if name != program.name {
            continue;
        }
        if found.is_some() {
            // More than one: the verifier reports it, so nothing is appended.
            return Ok(None);
        }
        let is_callback =
            |f: &Function| Some(f.section) == object.text && f.name == *callback && f.global && !f.hidden;
        let index = object.functions.iter().position(is_callback);
        found = Some(index.ok_or_else(|| error(callback))?);
    }
    Ok(found)
}
