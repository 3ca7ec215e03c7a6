//! The forms that the kernel's and LLVM's text cannot tell apart, told apart.

use super::{Dialect, Names, is_helper};
use crate::insn::{Callee, Imm64, Insn, PacketBase};
use core::fmt::{self, Write};

/// A dialect with the ambiguous forms written so that they can be read back.
#[derive(Clone, Copy, Debug)]
pub struct Exact<D>(pub D);

impl<D: Dialect> Dialect for Exact<D> {
    fn insn(&self, out: &mut dyn Write, slot: usize, insn: &Insn, names: &dyn Names) -> fmt::Result {
        match *insn {
            Insn::LdImm64 { dst, imm } if !matches!(imm, Imm64::Const(_)) => {
                write!(out, "{dst} = ")?;
                value(out, imm)
            }
            Insn::Call(callee @ (Callee::Subprog(_) | Callee::Kfunc { .. } | Callee::Reg(_))) => {
                call(out, callee)
            }
            // A name that only the embedder knows says nothing to the assembler.
            Insn::Call(Callee::Helper(id)) if names.helper(id).is_some_and(|name| !is_helper(id, &name)) => {
                write!(out, "call helper#{id}")
            }
            Insn::Packet { base: PacketBase::Ind(src), size, off } if off != 0 => {
                write!(out, "r0 = *({} *)skb[{src} + {off}]", super::unsigned_type(size))
            }
            _ => self.0.insn(out, slot, insn, names),
        }
    }
}

/// Writes what a 64-bit immediate load gives, other than a constant.
pub(super) fn value(out: &mut dyn Write, imm: Imm64) -> fmt::Result {
    match imm {
        Imm64::Const(value) => write!(out, "{value:#x} ll"),
        Imm64::MapFd(fd) => write!(out, "map[fd:{fd}]"),
        Imm64::MapValue { fd, off } => write!(out, "map[fd:{fd}][0]+{off}"),
        Imm64::BtfId { id, fd: 0 } => write!(out, "btf[id:{id}]"),
        Imm64::BtfId { id, fd } => write!(out, "btf[id:{id},fd:{fd}]"),
        Imm64::Func(off) => write!(out, "func[pc{off:+}]"),
        Imm64::MapIdx(idx) => write!(out, "map[idx:{idx}]"),
        Imm64::MapIdxValue { idx, off } => write!(out, "map[idx:{idx}][0]+{off}"),
    }
}

fn call(out: &mut dyn Write, callee: Callee) -> fmt::Result {
    match callee {
        Callee::Helper(id) => write!(out, "call {id}"),
        Callee::Subprog(off) => write!(out, "call pc{off:+}"),
        Callee::Kfunc { id, btf: 0 } => write!(out, "call kfunc#{id}"),
        Callee::Kfunc { id, btf } => write!(out, "call kfunc#{id} btf:{btf}"),
        Callee::Reg(reg) => write!(out, "callx {reg}"),
    }
}
