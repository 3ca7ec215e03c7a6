//! Arenas: memory that a program shares with user space.
//!
//! Rules: the address-space casts and arena pointers of `check_alu_op`, `adjust_reg_min_max_vals` and
//! `check_mem_access` of Linux 6.18. A fault in an arena does no harm, so a pointer into it may be
//! computed in any way and read and written anywhere.

use crate::explore::{Judged, Next, Walker};
use crate::report::Finding;
use crate::state::{Kind, Reg};
use oxbpf_isa::insn::{AtomicOp, Reg as R};

impl Walker<'_> {
    /// Takes a number as a pointer into the arena, or such a pointer as user space sees it.
    pub(super) fn cast(&mut self, dst: R, src: R, to: u16, from: u16) -> Judged<Next> {
        if !matches!((to, from), (0, 1) | (1, 0)) {
            return Err(Finding::CastSpaces.into());
        }
        if !self.has_arena {
            return Err(Finding::CastWithoutArena.into());
        }
        self.readable(src)?;
        self.writable(dst)?;
        let kind = if from == 1 { Kind::Arena } else { Kind::Scalar };
        *self.cur.reg_mut(dst.index()) = Reg { kind, ..Reg::unknown() };
        Ok(Next::Straight)
    }

    /// The address of something in the arena, which is a number until it is cast.
    pub(super) fn arena_address(map: i32) -> Reg {
        // Numbers that came from an address are not the same as others where nothing may differ.
        Reg { a: map as u32 + 1, ..Reg::unknown() }
    }

    /// Not every atomic operation can be compiled for memory that may fault.
    pub(super) fn arena_atomic(&self, base: R, op: AtomicOp, fetch: bool) -> Judged<()> {
        let reg = self.cur.reg(base.index());
        let missing = fetch && matches!(op, AtomicOp::And | AtomicOp::Or | AtomicOp::Xor);
        if reg.kind == Kind::Arena && missing {
            return Err(Finding::AtomicInto { reg: base.number(), ty: reg.type_name() }.into());
        }
        Ok(())
    }
}
