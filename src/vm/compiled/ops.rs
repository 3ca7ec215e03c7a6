//! Lowered operations as the compiler takes them.

use crate::vm::helpers::NEEDS_FUEL;
use crate::vm::linker::Table;
use crate::vm::lower::atomic_of;
use crate::vm::op::{self, Code, Form};
use crate::vm::run::Linked;
use oxbpf_isa::insn::{AtomicOp, PacketBase, Reg, Size, Width};
use oxbpf_jit::{Meaning, Op, Src};

/// The operations of a program.
pub(super) fn ops(prog: &Linked) -> Box<[Op]> {
    prog.code.ops.iter().enumerate().map(|(at, op)| one(prog, at, op)).collect()
}

fn reg(number: u8) -> Reg {
    Reg::new(number).expect("lowering gives register fields below 11")
}

fn one(prog: &Linked, at: usize, op: &op::Op) -> Op {
    let (dst, src) = (reg(op.dst), reg(op.src));
    let to = (at as i64 + 1 + op.off as i64) as u32;
    let second = |is_reg: bool| if is_reg { Src::Reg(src) } else { Src::Imm(op.imm) };
    let load = |size, signed| Op::Load { size, signed, dst, base: src, off: op.off };
    let store = |size, src| Op::Store { size, base: dst, off: op.off, src };
    let frame_load = |size, signed| Op::Load { size, signed, dst, base: Reg::FP, off: op.off };
    let frame_store = |size, src| Op::Store { size, base: Reg::FP, off: op.off, src };
    let (by_reg, by_imm) = (Src::Reg(src), Src::Imm(op.imm));
    match op.code {
        Code::Neg64 => Op::Neg { width: Width::W64, dst },
        Code::Neg32 => Op::Neg { width: Width::W32, dst },
        Code::Mov64R => Op::Mov { width: Width::W64, dst, src },
        Code::Mov32R => Op::Mov { width: Width::W32, dst, src },
        Code::MovI => Op::Const { dst, value: op.imm as u64, meaning: Meaning::Number },
        Code::Addr => Op::Const { dst, value: op.imm as u64, meaning: meaning(prog, op.imm as u64) },
        Code::Movsx64B => Op::MovSx { width: Width::W64, from: Size::B, dst, src },
        Code::Movsx64H => Op::MovSx { width: Width::W64, from: Size::H, dst, src },
        Code::Movsx64W => Op::MovSx { width: Width::W64, from: Size::W, dst, src },
        Code::Movsx32B => Op::MovSx { width: Width::W32, from: Size::B, dst, src },
        Code::Movsx32H => Op::MovSx { width: Width::W32, from: Size::H, dst, src },
        Code::Trunc16 => Op::Truncate { size: Size::H, dst },
        Code::Trunc32 => Op::Truncate { size: Size::W, dst },
        Code::Swap16 => Op::Swap { size: Size::H, dst },
        Code::Swap32 => Op::Swap { size: Size::W, dst },
        Code::Swap64 => Op::Swap { size: Size::Dw, dst },
        Code::Nop => Op::Nop,
        Code::Ld8 => load(Size::B, false),
        Code::Ld16 => load(Size::H, false),
        Code::Ld32 => load(Size::W, false),
        Code::Ld64 => load(Size::Dw, false),
        Code::LdS8 => load(Size::B, true),
        Code::LdS16 => load(Size::H, true),
        Code::LdS32 => load(Size::W, true),
        Code::St8R => store(Size::B, by_reg),
        Code::St16R => store(Size::H, by_reg),
        Code::St32R => store(Size::W, by_reg),
        Code::St64R => store(Size::Dw, by_reg),
        Code::St8I => store(Size::B, by_imm),
        Code::St16I => store(Size::H, by_imm),
        Code::St32I => store(Size::W, by_imm),
        Code::St64I => store(Size::Dw, by_imm),
        Code::LdF8 => frame_load(Size::B, false),
        Code::LdF16 => frame_load(Size::H, false),
        Code::LdF32 => frame_load(Size::W, false),
        Code::LdF64 => frame_load(Size::Dw, false),
        Code::LdFS8 => frame_load(Size::B, true),
        Code::LdFS16 => frame_load(Size::H, true),
        Code::LdFS32 => frame_load(Size::W, true),
        Code::StF8R => frame_store(Size::B, by_reg),
        Code::StF16R => frame_store(Size::H, by_reg),
        Code::StF32R => frame_store(Size::W, by_reg),
        Code::StF64R => frame_store(Size::Dw, by_reg),
        Code::StF8I => frame_store(Size::B, by_imm),
        Code::StF16I => frame_store(Size::H, by_imm),
        Code::StF32I => frame_store(Size::W, by_imm),
        Code::StF64I => frame_store(Size::Dw, by_imm),
        Code::LdAcq => Op::LoadAcquire { size: size(op.aux), dst, base: src, off: op.off },
        Code::StRel => Op::StoreRelease { size: size(op.aux), base: dst, off: op.off, src },
        Code::Atomic => {
            let (kind, fetch, wide) = atomic_of(op.aux);
            let size = if wide { Size::Dw } else { Size::W };
            let fetch = fetch || kind == AtomicOp::Cmpxchg;
            Op::Atomic { op: kind, fetch, size, base: dst, off: op.off, src }
        }
        Code::PktAbs => Op::Packet { base: PacketBase::Abs, size: size(op.aux & 3), off: op.off },
        Code::PktInd => Op::Packet { base: PacketBase::Ind(src), size: size(op.aux & 3), off: op.off },
        Code::Ja => Op::Goto { to },
        Code::MayGoto => Op::MayGoto { to },
        Code::CallSub => Op::CallSub { to },
        Code::CallHelper => {
            let (args, plain) = (arity(op.imm as usize), is_plain(op.imm as usize));
            Op::CallHelper { index: op.imm as u32, args, plain }
        }
        Code::CallReg => Op::CallReg { src },
        Code::TailCall => Op::TailCall { array: None },
        Code::Trap => Op::Trap,
        Code::Exit => Op::Exit,
        other => match op::form(other) {
            Form::Alu(op, width, is_reg) => Op::Alu { op, width, dst, src: second(is_reg) },
            Form::Jump(cond, width, is_reg) => Op::Jump { cond, width, dst, src: second(is_reg), to },
            Form::Other => Op::Trap,
        },
    }
}

fn size(number: u8) -> Size {
    match number {
        0 => Size::B,
        1 => Size::H,
        2 => Size::W,
        _ => Size::Dw,
    }
}

/// What an address is.
fn meaning(prog: &Linked, value: u64) -> Meaning {
    if let Some(op) = prog.code.function(value) {
        return Meaning::Function(op);
    }
    if let Some(index) = prog.map_index(value) {
        return Meaning::Map(index);
    }
    let span = prog.maps.iter().find_map(|m| Some((m, m.value_span(value as usize)?)));
    match span {
        // Members that only helpers may touch make several regions of a value.
        Some((map, span)) if map.head().special().is_empty() => Meaning::Memory {
            start: span.start as u64,
            len: span.len as u64,
            writable: map.head().program_may_write(),
        },
        _ => Meaning::Number,
    }
}

/// Whether a function of the table neither takes fuel nor calls functions of the program, as those of the
/// host may.
fn is_plain(index: usize) -> bool {
    Table::own(index).is_some_and(|id| !NEEDS_FUEL.contains(&id))
}

/// How many arguments a function of the table takes that it looks at.
fn arity(index: usize) -> u8 {
    if Table::answer(index).is_some() {
        return 0;
    }
    /// `bpf_trace_printk` takes as many as its format asks for.
    const TRACE_PRINTK: i32 = 6;
    let own = Table::own(index).filter(|&id| id != TRACE_PRINTK);
    let record = own.and_then(|id| crate::vm::newest().helper(u32::try_from(id).ok()?));
    let of = |p: &oxbpf_isa::kernel::HelperProto| {
        p.args.iter().rposition(|a| *a != oxbpf_isa::kernel::Arg::UNUSED).map_or(0, |last| last as u8 + 1)
    };
    record.and_then(|r| r.protos.iter().map(of).max()).unwrap_or(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_take_what_the_facts_say() {
        let index = |id| crate::vm::helpers::ALL.iter().position(|row| row.0 == id).unwrap();
        assert_eq!([1, 2, 5, 6, 181].map(|id| arity(index(id))), [2, 4, 0, 5, 4]);
        assert_eq!(arity(100_000), 5);
        // What takes no arguments is asked without a run.
        for at in 0..crate::vm::helpers::ALL.len() {
            assert_eq!(arity(at) == 0, Table::answer(at).is_some(), "{}", crate::vm::helpers::ALL[at].1);
        }
    }
}
