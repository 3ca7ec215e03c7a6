//! Instructions as text, in three dialects.
//!
//! * [`Kernel`]: what the verifier's log and bpftool print (Linux `print_bpf_insn`).
//! * [`Llvm`]: what `llvm-objdump -d` prints and clang's inline assembly reads.
//! * [`Ubpf`]: mnemonics, as in ubpf, rbpf and the bpf_conformance vectors.
//!
//! The first two say less than the bytes do: a call of a subprogram reads like one of a helper, a
//! map like a number. [`Exact`] writes those few forms so that [assembling](crate::asm) gives the
//! same bytes again, and is otherwise the dialect it wraps. Bytes that are no instruction are
//! written as bytes, with the reason.

mod exact;
mod kernel;
mod llvm;
mod ubpf;

pub use exact::Exact;
pub use kernel::Kernel;
pub use llvm::Llvm;
pub use ubpf::Ubpf;
pub(crate) use ubpf::size_suffix;

use crate::insn::{DecodeError, Insn, RawInsn, Size};
use crate::kernel::HELPERS;
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::{self, Write};

/// Names that the bytes of an instruction do not hold. Every answer is optional.
pub trait Names {
    /// The helper with this number, as `bpf_map_lookup_elem`.
    fn helper(&self, id: i32) -> Option<Cow<'_, str>> {
        let _ = id;
        None
    }

    /// The kernel function that the call in this slot means.
    fn kfunc(&self, slot: usize, id: i32) -> Option<Cow<'_, str>> {
        let _ = (slot, id);
        None
    }

    /// What stands for the value of the 64-bit immediate load in this slot, such as an address.
    fn imm64(&self, slot: usize) -> Option<Cow<'_, str>> {
        let _ = slot;
        None
    }

    /// The place in the code, counted in slots, as a symbol and perhaps an offset.
    fn code(&self, slot: i64) -> Option<Cow<'_, str>> {
        let _ = slot;
        None
    }
}

/// No names at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNames;

impl Names for NoNames {}

/// A way of writing instructions.
pub trait Dialect {
    /// Writes one instruction, which begins in `slot`.
    ///
    /// # Errors
    /// Those of the writer.
    fn insn(&self, out: &mut dyn Write, slot: usize, insn: &Insn, names: &dyn Names) -> fmt::Result;

    /// Writes a slot that is no instruction as its bytes, and why.
    ///
    /// # Errors
    /// Those of the writer.
    fn bytes(&self, out: &mut dyn Write, raw: RawInsn, why: DecodeError) -> fmt::Result {
        out.write_str(".bytes")?;
        for b in raw.to_bytes(crate::insn::ByteOrder::Little) {
            write!(out, " {b:02x}")?;
        }
        write!(out, " ; {why}")
    }

    /// Writes whatever stands at the start of `slots`, the program's from `slot` on, and gives the
    /// number of slots written.
    ///
    /// # Errors
    /// Those of the writer.
    fn any(
        &self,
        out: &mut dyn Write,
        slot: usize,
        slots: &[RawInsn],
        names: &dyn Names,
    ) -> Result<usize, fmt::Error> {
        let Some(&raw) = slots.first() else { return Ok(0) };
        match Insn::decode(slots) {
            Ok(insn) => {
                self.insn(out, slot, &insn, names)?;
                Ok(insn.slots())
            }
            Err(why) => {
                self.bytes(out, raw, why)?;
                Ok(1)
            }
        }
    }
}

/// One instruction as a string.
pub fn to_string(dialect: &dyn Dialect, slot: usize, insn: &Insn, names: &dyn Names) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = dialect.insn(&mut text, slot, insn, names);
    text
}

/// What Linux calls the number that is no helper's.
pub(crate) const HELPER_0: &str = "bpf_unspec";

/// Whether Linux has a helper of this number and name, or had one.
pub(crate) fn is_helper(id: i32, name: &str) -> bool {
    let known = |bare: &str| HELPERS.iter().any(|h| h.name == bare && i64::from(h.id) == id.into());
    (id, name) == (0, HELPER_0) || name.strip_prefix("bpf_").is_some_and(known)
}

/// The type of a memory access in C.
pub(crate) const fn unsigned_type(size: Size) -> &'static str {
    match size {
        Size::B => "u8",
        Size::H => "u16",
        Size::W => "u32",
        Size::Dw => "u64",
    }
}

/// The type of a sign-extending access in C.
pub(crate) const fn signed_type(size: Size) -> &'static str {
    match size {
        Size::B => "s8",
        Size::H => "s16",
        Size::W => "s32",
        Size::Dw => "s64",
    }
}

/// The slot that a jump from `slot` arrives at.
pub(crate) fn target(slot: usize, insn: &Insn) -> Option<i64> {
    insn.jump_offset().map(|off| slot as i64 + 1 + off as i64)
}
