//! The dialect of the kernel's log.

use super::{Dialect, Names, signed_type, unsigned_type};
use crate::insn::{AtomicOp, Callee, EndianOp, Imm64, Insn, Operand, PacketBase, Reg, Size, Width};
use core::fmt::{self, Write};

/// Linux `print_bpf_insn`, with the opcode in parentheses before each instruction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

/// A register at a width: `r1` or `w1`.
struct At(Width, Reg);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = if self.0 == Width::W32 { 'w' } else { 'r' };
        write!(f, "{letter}{}", self.1.number())
    }
}

/// `64` in the names of atomics on eight bytes.
const fn atomic_width(size: Size) -> &'static str {
    if matches!(size, Size::Dw) { "64" } else { "" }
}

impl Dialect for Kernel {
    fn insn(&self, out: &mut dyn Write, slot: usize, insn: &Insn, names: &dyn Names) -> fmt::Result {
        write!(out, "({:02x}) ", insn.encode().0.code)?;
        match *insn {
            Insn::Alu { op, width, dst, src } => {
                write!(out, "{} {} ", At(width, dst), op.symbol())?;
                operand(out, width, src)
            }
            Insn::Neg { width, dst } => write!(out, "{} = -{}", At(width, dst), At(width, dst)),
            Insn::Mov { width, dst, src } => {
                write!(out, "{} = ", At(width, dst))?;
                operand(out, width, src)
            }
            Insn::MovSx { width, from, dst, src } => {
                write!(out, "{} = ({}){}", At(width, dst), signed_type(from), At(width, src))
            }
            Insn::AddrSpaceCast { dst, src, to, from } => {
                write!(out, "{dst} = addr_space_cast({src}, {to}, {from})")
            }
            Insn::Endian { op, size, dst } => {
                let name = if op == EndianOp::Swap { "bswap" } else { op.symbol() };
                write!(out, "{dst} = {name}{} {dst}", size.bits())
            }
            Insn::Load { size, signed, dst, base, off } => {
                let ty = if signed { signed_type(size) } else { unsigned_type(size) };
                write!(out, "{dst} = *({ty} *)({base} {off:+})")
            }
            Insn::Store { size, base, off, src } => {
                write!(out, "*({} *)({base} {off:+}) = ", unsigned_type(size))?;
                operand(out, Width::W64, src)
            }
            Insn::LoadAcquire { size, dst, base, off } => {
                write!(out, "{dst} = load_acquire(({} *)({base} {off:+}))", unsigned_type(size))
            }
            Insn::StoreRelease { size, base, off, src } => {
                write!(out, "store_release(({} *)({base} {off:+}), {src})", unsigned_type(size))
            }
            Insn::Atomic { op, fetch, size, base, off, src } => {
                let (ty, wide, name) = (unsigned_type(size), atomic_width(size), op.mnemonic());
                match op {
                    AtomicOp::Cmpxchg => {
                        write!(out, "r0 = atomic{wide}_cmpxchg(({ty} *)({base} {off:+}), r0, {src})")
                    }
                    AtomicOp::Xchg => {
                        write!(out, "{src} = atomic{wide}_xchg(({ty} *)({base} {off:+}), {src})")
                    }
                    _ if fetch => {
                        write!(out, "{src} = atomic{wide}_fetch_{name}(({ty} *)({base} {off:+}), {src})")
                    }
                    _ => write!(out, "lock *({ty} *)({base} {off:+}) {} {src}", op.symbol()),
                }
            }
            Insn::Goto { off, long: false } => write!(out, "goto pc{off:+}"),
            Insn::Goto { off, long: true } => write!(out, "gotol pc{off:+}"),
            Insn::MayGoto { off } => write!(out, "may_goto pc{off:+}"),
            Insn::Jump { cond, width, dst, src, off } => {
                write!(out, "if {} {} ", At(width, dst), cond.symbol())?;
                match src {
                    Operand::Reg(src) => write!(out, "{}", At(width, src))?,
                    Operand::Imm(imm) => write!(out, "{imm:#x}")?,
                }
                write!(out, " goto pc{off:+}")
            }
            Insn::Call(callee) => call(out, slot, callee, names),
            Insn::LdImm64 { dst, imm } => {
                write!(out, "{dst} = ")?;
                match names.imm64(slot) {
                    Some(text) => out.write_str(&text),
                    None => write!(out, "{:#x}", immediate(imm)),
                }
            }
            Insn::Packet { base: PacketBase::Abs, size, off } => {
                write!(out, "r0 = *({} *)skb[{off}]", unsigned_type(size))
            }
            Insn::Packet { base: PacketBase::Ind(src), size, off } => {
                write!(out, "r0 = *({} *)skb[{src} + {off}]", unsigned_type(size))
            }
            Insn::Exit => out.write_str("exit"),
        }
    }
}

fn operand(out: &mut dyn Write, width: Width, src: Operand) -> fmt::Result {
    match src {
        Operand::Reg(src) => write!(out, "{}", At(width, src)),
        Operand::Imm(imm) => write!(out, "{imm}"),
    }
}

/// The 64 bits as they stand in the two slots.
fn immediate(imm: Imm64) -> u64 {
    let (first, second) = Insn::LdImm64 { dst: Reg::R0, imm }.encode();
    second.map_or(0, |second| first.imm64(second))
}

fn call(out: &mut dyn Write, slot: usize, callee: Callee, names: &dyn Names) -> fmt::Result {
    match callee {
        Callee::Helper(id) => match names.helper(id) {
            Some(name) => write!(out, "call {name}#{id}"),
            None => write!(out, "call unknown#{id}"),
        },
        Callee::Subprog(off) => write!(out, "call pc{off:+}"),
        Callee::Kfunc { id, .. } => match names.kfunc(slot, id) {
            Some(name) => write!(out, "call {name}#{id}"),
            None => write!(out, "call kernel-function#{id}"),
        },
        Callee::Reg(_) => out.write_str("call unknown#0"),
    }
}
