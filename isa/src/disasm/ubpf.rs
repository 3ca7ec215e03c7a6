//! The dialect of ubpf's assembler and of the bpf_conformance vectors.

use super::{Dialect, Names, exact};
use crate::insn::{AtomicOp, Callee, EndianOp, Imm64, Insn, Operand, PacketBase, Reg, Size, Width};
use core::fmt::{self, Write};

/// Mnemonics with operands after them: `ldxdw %r0, [%r1+8]`. Nothing is ambiguous in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ubpf;

/// The letter or letters of a size in mnemonics.
pub(crate) const fn size_suffix(size: Size) -> &'static str {
    match size {
        Size::B => "b",
        Size::H => "h",
        Size::W => "w",
        Size::Dw => "dw",
    }
}

const fn width_suffix(width: Width) -> &'static str {
    if matches!(width, Width::W32) { "32" } else { "" }
}

struct R(Reg);

impl fmt::Display for R {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

struct Src(Operand);

impl fmt::Display for Src {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Operand::Reg(reg) => R(reg).fmt(f),
            Operand::Imm(imm) => write!(f, "{imm}"),
        }
    }
}

struct Place(Reg, i16);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            0 => write!(f, "[%{}]", self.0),
            off => write!(f, "[%{}{off:+}]", self.0),
        }
    }
}

impl Dialect for Ubpf {
    fn insn(&self, out: &mut dyn Write, _slot: usize, insn: &Insn, _names: &dyn Names) -> fmt::Result {
        match *insn {
            Insn::Alu { op, width, dst, src } => {
                write!(out, "{}{} {}, {}", op.mnemonic(), width_suffix(width), R(dst), Src(src))
            }
            Insn::Neg { width, dst } => write!(out, "neg{} {}", width_suffix(width), R(dst)),
            Insn::Mov { width, dst, src } => {
                write!(out, "mov{} {}, {}", width_suffix(width), R(dst), Src(src))
            }
            Insn::MovSx { width, from, dst, src } => {
                write!(out, "movsx{}{} {}, {}", from.bits(), width.bits(), R(dst), R(src))
            }
            Insn::AddrSpaceCast { dst, src, to, from } => {
                write!(out, "addr_space_cast {}, {}, {to}, {from}", R(dst), R(src))
            }
            Insn::Endian { op, size, dst } => {
                let name = if op == EndianOp::Swap { "bswap" } else { op.mnemonic() };
                write!(out, "{name}{} {}", size.bits(), R(dst))
            }
            Insn::Load { size, signed, dst, base, off } => {
                let sign = if signed { "s" } else { "" };
                write!(out, "ldx{sign}{} {}, {}", size_suffix(size), R(dst), Place(base, off))
            }
            Insn::Store { size, base, off, src } => {
                let x = if matches!(src, Operand::Reg(_)) { "x" } else { "" };
                write!(out, "st{x}{} {}, {}", size_suffix(size), Place(base, off), Src(src))
            }
            Insn::LoadAcquire { size, dst, base, off } => {
                write!(out, "load_acquire{} {}, {}", size_suffix(size), R(dst), Place(base, off))
            }
            Insn::StoreRelease { size, base, off, src } => {
                write!(out, "store_release{} {}, {}", size_suffix(size), Place(base, off), R(src))
            }
            Insn::Atomic { op, fetch, size, base, off, src } => {
                let fetch =
                    if fetch && !matches!(op, AtomicOp::Xchg | AtomicOp::Cmpxchg) { "fetch " } else { "" };
                let width = if size == Size::W { "32" } else { "" };
                write!(out, "lock {fetch}{}{width} {}, {}", op.mnemonic(), Place(base, off), R(src))
            }
            Insn::Goto { off, long: false } => write!(out, "ja {off:+}"),
            Insn::Goto { off, long: true } => write!(out, "ja32 {off:+}"),
            Insn::MayGoto { off } => write!(out, "may_goto {off:+}"),
            Insn::Jump { cond, width, dst, src, off } => {
                write!(out, "{}{} {}, {}, {off:+}", cond.mnemonic(), width_suffix(width), R(dst), Src(src))
            }
            Insn::Call(Callee::Helper(id)) => write!(out, "call {id}"),
            Insn::Call(Callee::Subprog(off)) => write!(out, "call local {off:+}"),
            Insn::Call(Callee::Kfunc { id, btf: 0 }) => write!(out, "call kfunc#{id}"),
            Insn::Call(Callee::Kfunc { id, btf }) => write!(out, "call kfunc#{id} btf:{btf}"),
            Insn::Call(Callee::Reg(reg)) => write!(out, "call {}", R(reg)),
            Insn::LdImm64 { dst, imm: Imm64::Const(value) } => write!(out, "lddw {}, {value:#x}", R(dst)),
            Insn::LdImm64 { dst, imm } => {
                write!(out, "lddw {}, ", R(dst))?;
                exact::value(out, imm)
            }
            Insn::Packet { base: PacketBase::Abs, size, off } => {
                write!(out, "ldabs{} {off}", size_suffix(size))
            }
            Insn::Packet { base: PacketBase::Ind(src), size, off } => {
                write!(out, "ldind{} {}, {off}", size_suffix(size), R(src))
            }
            Insn::Exit => out.write_str("exit"),
        }
    }
}
