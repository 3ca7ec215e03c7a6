//! Where functions begin, and that jumps do not leave them (Linux `add_subprog_and_kfunc`,
//! `check_subprogs`).

use crate::helper::TAIL_CALL;
use crate::report::{Fault, Finding};
use alloc::string::ToString;
use alloc::vec::Vec;
use oxbpf_isa::btf::{Kind, Linkage, Type};
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::insn::opcode::{class, jmp, mode, pseudo};
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;

const CALL: u8 = class::JMP | jmp::CALL;
const EXIT: u8 = class::JMP | jmp::EXIT;
const GOTO: u8 = class::JMP | jmp::JA;
const GOTOL: u8 = class::JMP32 | jmp::JA;

/// One function of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Subprog {
    /// Its first slot.
    pub start: usize,
    /// One past its last slot.
    pub end: usize,
    pub has_tail_call: bool,
    /// Loads from the packet by LD_ABS or LD_IND, which may end the program.
    pub has_ld_abs: bool,
}

/// Whether the instruction calls a function of the program.
pub(super) fn is_subprog_call(insn: RawInsn) -> bool {
    insn.code == CALL && insn.src == pseudo::CALL_SUBPROG
}

/// Whether the instruction takes the address of a function of the program.
pub(super) fn is_func_ref(insn: RawInsn) -> bool {
    insn.is_ldimm64() && insn.src == pseudo::FUNC
}

/// Finds the functions: the program, all that is called or has its address taken, and the
/// exception callback that a tag names.
pub(super) fn find(program: &Program, model: &KernelModel) -> Result<(Vec<Subprog>, Option<usize>), Fault> {
    let raw = &program.insns;
    let limit = model.limits().subprogs as usize;
    let callback = exception_callback(program)?;
    let mut starts = Vec::from([0usize]);
    let mut add = |from: usize, target: i64| -> Result<(), Fault> {
        let start = usize::try_from(target).ok().filter(|&t| t < raw.len());
        let start = start.ok_or(Fault::at(from, Finding::CallOutOfProgram { target }))?;
        if let Err(place) = starts.binary_search(&start) {
            if starts.len() >= limit {
                return Err(Fault::at(from, Finding::TooManySubprogs { limit }));
            }
            starts.insert(place, start);
        }
        Ok(())
    };
    for (at, &insn) in raw.iter().enumerate() {
        if is_subprog_call(insn) || is_func_ref(insn) {
            add(at, at as i64 + insn.imm as i64 + 1)?;
        }
    }
    if let Some(start) = callback {
        add(0, start as i64)?;
    }
    let ends = starts.iter().skip(1).copied().chain([raw.len()]);
    let subprogs =
        starts.iter().zip(ends).map(|(&start, end)| Subprog { start, end, ..Subprog::default() }).collect();
    Ok((subprogs, callback))
}

/// Where the function begins that a tag on the program names as its exception callback (Linux
/// `bpf_find_exception_callback_insn_off`).
fn exception_callback(program: &Program) -> Result<Option<usize>, Fault> {
    let (Some(btf), Some(main)) = (&program.btf, program.funcs.first()) else { return Ok(None) };
    let mut names = btf
        .decl_tags(main.type_id)
        .filter(|(_, component)| component.is_none())
        .filter_map(|(tag, _)| tag.strip_prefix("exception_callback:"));
    let Some(name) = names.next() else { return Ok(None) };
    let refuse = |finding| Err(Fault::of(finding));
    if names.next().is_some() {
        return refuse(Finding::ExceptionCallbacks);
    }
    let Some(id) = btf.find(name, Kind::Func) else {
        return refuse(Finding::ExceptionCallbackMissing { name: name.to_string() });
    };
    if !matches!(btf.ty(id), Some(Type::Func { linkage: Linkage::Global, .. })) {
        return refuse(Finding::ExceptionCallbackLocal { name: name.to_string() });
    }
    match program.funcs.iter().rfind(|f| f.type_id == id) {
        None => refuse(Finding::ExceptionCallbackNoFunc),
        Some(func) if func.insn == 0 => refuse(Finding::ExceptionCallbackMain),
        Some(func) => Ok(Some(func.insn as usize)),
    }
}

/// Holds jumps inside their functions and the last instruction of each to one that does not run on.
pub(super) fn check_jumps(raw: &[RawInsn], subprogs: &mut [Subprog]) -> Result<(), Fault> {
    for subprog in subprogs {
        for (at, &insn) in raw.iter().enumerate().take(subprog.end).skip(subprog.start) {
            if insn.code == CALL && insn.src == pseudo::CALL_HELPER && insn.imm == TAIL_CALL {
                subprog.has_tail_call = true;
            }
            if insn.code & class::MASK == class::LD && matches!(insn.code & mode::MASK, mode::ABS | mode::IND)
            {
                subprog.has_ld_abs = true;
            }
            if let Some(to) = jump_target(at, insn)
                && (to < subprog.start as i64 || to >= subprog.end as i64)
            {
                return Err(Fault::at(at, Finding::JumpOutOfRange { from: at, to }));
            }
            if at == subprog.end - 1 && !matches!(insn.code, EXIT | GOTO | GOTOL) {
                return Err(Fault::at(at, Finding::LastInsn));
            }
        }
    }
    Ok(())
}

/// Where a jump leads. The second slot of a wide load is looked at like any other, as the kernel
/// does; its opcode is zero and no jump.
pub(super) fn jump_target(at: usize, insn: RawInsn) -> Option<i64> {
    if !matches!(insn.code & class::MASK, class::JMP | class::JMP32)
        || matches!(insn.code & class::OP_MASK, jmp::EXIT | jmp::CALL)
    {
        return None;
    }
    let off = if insn.code == GOTOL { insn.imm as i64 } else { insn.off as i64 };
    Some(at as i64 + 1 + off)
}
