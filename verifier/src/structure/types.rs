//! That what the program says of its functions and lines fits the program (Linux
//! `check_btf_func_early`, `check_btf_func`, `check_btf_line`, `check_abnormal_return`).
//!
//! A program without such records is judged without types: then no function but the first may load
//! from the packet or tail-call, because nothing says that it returns a number.

use super::Subprog;
use crate::report::{Fault, Finding};
use oxbpf_isa::btf::{Btf, Type};
use oxbpf_isa::program::Program;

/// What can be said before the program's functions are known.
pub(super) fn check_early(program: &Program) -> Result<(), Fault> {
    let Some(btf) = &program.btf else { return Ok(()) };
    let mut previous = None;
    for func in &program.funcs {
        let fault = |finding| Err(Fault::at(func.insn as usize, finding));
        match previous {
            None if func.insn != 0 => return fault(Finding::FirstFuncInfo { insn: func.insn }),
            Some(previous) if func.insn <= previous => {
                return fault(Finding::FuncInfoOrder { insn: func.insn, previous });
            }
            _ => {}
        }
        if !matches!(btf.ty(func.type_id), Some(Type::Func { .. })) {
            return fault(Finding::FuncInfoType { id: func.type_id.0 });
        }
        previous = Some(func.insn);
    }
    Ok(())
}

/// Holds the records against the functions.
pub(super) fn check(program: &Program, subprogs: &[Subprog]) -> Result<(), Fault> {
    let typed = program.btf.as_deref().filter(|_| !program.funcs.is_empty());
    let Some(btf) = typed else { return check_untyped(subprogs) };
    if program.funcs.len() != subprogs.len() {
        return Err(Fault::of(Finding::FuncInfoCount));
    }
    for (n, (subprog, func)) in subprogs.iter().zip(&program.funcs).enumerate() {
        let fault = |finding| Err(Fault::at(subprog.start, finding));
        if subprog.start != func.insn as usize {
            return fault(Finding::FuncInfoLayout);
        }
        if n == 0 || returns_number(btf, func.type_id) {
            continue;
        }
        if subprog.has_ld_abs {
            return fault(Finding::LdAbsReturn);
        }
        if subprog.has_tail_call {
            return fault(Finding::TailCallReturn);
        }
    }
    check_lines(program, btf, subprogs)
}

fn check_untyped(subprogs: &[Subprog]) -> Result<(), Fault> {
    for subprog in subprogs.iter().skip(1) {
        if subprog.has_ld_abs {
            return Err(Fault::at(subprog.start, Finding::LdAbsUntyped));
        }
        if subprog.has_tail_call {
            return Err(Fault::at(subprog.start, Finding::TailCallUntyped));
        }
    }
    Ok(())
}

/// Whether a function returns an integer of at most eight bytes or an enumeration.
fn returns_number(btf: &Btf, func: oxbpf_isa::btf::TypeId) -> bool {
    let Some(Type::Func { proto, .. }) = btf.ty(func) else { return false };
    let Some(Type::FuncProto(proto)) = btf.ty(proto) else { return false };
    match btf.resolved(proto.ret) {
        Some((_, Type::Int { size, .. })) => size <= 8,
        Some((_, Type::Enum(_))) => true,
        _ => false,
    }
}

fn check_lines(program: &Program, btf: &Btf, subprogs: &[Subprog]) -> Result<(), Fault> {
    if program.lines.is_empty() {
        return Ok(());
    }
    let len = program.insns.len();
    let (mut previous, mut seen) = (0, 0);
    for (n, line) in program.lines.iter().enumerate() {
        let fault = |finding| Err(Fault::at(line.insn as usize, finding));
        if n > 0 && line.insn <= previous || line.insn as usize >= len {
            return fault(Finding::LineInfoOrder { n, insn: line.insn, previous, len });
        }
        if program.insns[line.insn as usize].code == 0 {
            return fault(Finding::LineInfoSlot { n });
        }
        let has = |off| btf.str_bytes(off).is_some();
        if !has(line.line_text) || !has(line.file_name) {
            return fault(Finding::LineInfoText { n });
        }
        if let Some(subprog) = subprogs.get(seen) {
            if line.insn as usize == subprog.start {
                seen += 1;
            } else if subprog.start < line.insn as usize {
                return fault(Finding::LineInfoMissing { subprog: seen });
            }
        }
        previous = line.insn;
    }
    match subprogs.len() - seen {
        0 => Ok(()),
        missing => Err(Fault::of(Finding::LineInfoShort { missing, subprog: seen })),
    }
}
