//! The dialect of LLVM's assembler and of `llvm-objdump`.

use super::{Dialect, Names, signed_type, target, unsigned_type};
use crate::insn::{AtomicOp, Callee, EndianOp, Imm64, Insn, Operand, PacketBase, Reg, Size, Width};
use core::fmt::{self, Write};

/// LLVM 19, with numbers in hexadecimal as `llvm-objdump` prints them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Llvm;

struct At(Width, Reg);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = if self.0 == Width::W32 { 'w' } else { 'r' };
        write!(f, "{letter}{}", self.1.number())
    }
}

/// A signed number in hexadecimal: `0x5`, `-0x5`.
struct Hex(i64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

/// A place in memory: `(r1 + 0x8)`, `(r10 - 0x8)`, without the parentheses.
struct Place(Reg, i16);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.1 < 0 { '-' } else { '+' };
        write!(f, "{} {sign} {:#x}", self.0, self.1.unsigned_abs())
    }
}

/// A jump offset: `+0x2`, `-0x3`.
struct Jump(i32);

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:#x}", self.0.unsigned_abs())
    }
}

impl Dialect for Llvm {
    fn insn(&self, out: &mut dyn Write, slot: usize, insn: &Insn, names: &dyn Names) -> fmt::Result {
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
                write!(out, "{dst} = addr_space_cast({src}, {to:#x}, {from:#x})")
            }
            Insn::Endian { op, size, dst } => {
                let name = if op == EndianOp::Swap { "bswap" } else { op.symbol() };
                write!(out, "{dst} = {name}{} {dst}", size.bits())
            }
            Insn::Load { size, signed, dst, base, off } => {
                let ty = if signed { signed_type(size) } else { unsigned_type(size) };
                write!(out, "{dst} = *({ty} *)({})", Place(base, off))
            }
            Insn::Store { size, base, off, src } => {
                write!(out, "*({} *)({}) = ", unsigned_type(size), Place(base, off))?;
                operand(out, Width::W64, src)
            }
            Insn::LoadAcquire { size, dst, base, off } => {
                let dst = At(access_width(size), dst);
                write!(out, "{dst} = load_acquire(({} *)({}))", unsigned_type(size), Place(base, off))
            }
            Insn::StoreRelease { size, base, off, src } => {
                let src = At(access_width(size), src);
                write!(out, "store_release(({} *)({}), {src})", unsigned_type(size), Place(base, off))
            }
            Insn::Atomic { op, fetch, size, base, off, src } => {
                atomic(out, op, fetch, size, Place(base, off), src)
            }
            Insn::Goto { off, long } => {
                let name = if long { "gotol" } else { "goto" };
                write!(out, "{name} {}", Jump(off))?;
                label(out, slot, insn, names)
            }
            Insn::MayGoto { off } => {
                write!(out, "may_goto {}", Jump(off as i32))?;
                label(out, slot, insn, names)
            }
            Insn::Jump { cond, width, dst, src, off } => {
                write!(out, "if {} {} ", At(width, dst), cond.symbol())?;
                operand(out, width, src)?;
                write!(out, " goto {}", Jump(off as i32))?;
                label(out, slot, insn, names)
            }
            Insn::Call(Callee::Helper(id) | Callee::Subprog(id) | Callee::Kfunc { id, .. }) => {
                write!(out, "call {}", Hex(id as i64))
            }
            Insn::Call(Callee::Reg(reg)) => write!(out, "callx {reg}"),
            Insn::LdImm64 { dst, imm: Imm64::Const(value) } => {
                write!(out, "{dst} = {} ll", Hex(value as i64))
            }
            Insn::LdImm64 { dst, .. } => {
                let raw = insn.encode().0;
                write!(out, "ld_pseudo\t{dst}, {:#x}, {:#x}", raw.src, raw.imm)
            }
            Insn::Packet { base: PacketBase::Abs, size, off } => {
                write!(out, "r0 = *({} *)skb[{}]", unsigned_type(size), Hex(off as i64))
            }
            Insn::Packet { base: PacketBase::Ind(src), size, .. } => {
                write!(out, "r0 = *({} *)skb[{src}]", unsigned_type(size))
            }
            Insn::Exit => out.write_str("exit"),
        }
    }
}

fn operand(out: &mut dyn Write, width: Width, src: Operand) -> fmt::Result {
    match src {
        Operand::Reg(src) => write!(out, "{}", At(width, src)),
        Operand::Imm(imm) => write!(out, "{}", Hex(imm as i64)),
    }
}

const fn access_width(size: Size) -> Width {
    if matches!(size, Size::Dw) { Width::W64 } else { Width::W32 }
}

fn atomic(out: &mut dyn Write, op: AtomicOp, fetch: bool, size: Size, place: Place, src: Reg) -> fmt::Result {
    let (ty, src) = (unsigned_type(size), At(access_width(size), src));
    let suffix = if size == Size::Dw { "_64" } else { "32_32" };
    match op {
        AtomicOp::Xchg => write!(out, "{src} = xchg{suffix}({place}, {src})"),
        AtomicOp::Cmpxchg => {
            let r0 = At(access_width(size), Reg::R0);
            write!(out, "{r0} = cmpxchg{suffix}({place}, {r0}, {src})")
        }
        _ if fetch => write!(out, "{src} = atomic_fetch_{}(({ty} *)({place}), {src})", op.mnemonic()),
        // The add that existed before the other atomics names 64-bit registers at either size.
        AtomicOp::Add => write!(out, "lock *({ty} *)({place}) += {}", src.1),
        _ => write!(out, "lock *({ty} *)({place}) {} {src}", op.symbol()),
    }
}

fn label(out: &mut dyn Write, slot: usize, insn: &Insn, names: &dyn Names) -> fmt::Result {
    match target(slot, insn).and_then(|t| names.code(t)) {
        Some(name) => write!(out, " <{name}>"),
        None => Ok(()),
    }
}
