//! Steps that compute: arithmetic, moves, byte orders.

use super::{Regs, get, next, set};
use crate::vm::memory::Access;
use crate::vm::run::Run;
use crate::vm::steps::codes::SIMPLE;
use crate::vm::steps::{self, Limit, Pc};
use oxbpf_isa::insn::AluOp;

/// An operation at a width.
#[inline(always)]
fn eval<const NARROW: bool>(op: AluOp, a: u64, b: u64) -> u64 {
    match NARROW {
        false => op.eval64(a, b),
        true => op.eval32(a as u32, b as u32) as u64,
    }
}

macro_rules! steps {
    ($($(#[$doc:meta])* fn $name:ident[$($generic:tt)*] as $view:ident, $words:literal |$pc:ident, $s:ident, $r:ident| $body:block)+) => {
        $($(#[$doc])*
        pub(super) fn $name<A: Access, $($generic)*>($pc: Pc, $r: Regs, run: &mut Run<'_>, c: i64) -> Pc {
            // SAFETY: a step of this form begins here, in the running program, with another after it, and
            // `r` is the window of the innermost frame.
            unsafe {
                let $s = *$pc.cast::<steps::$view>();
                $body
                next::<A>($pc.add($words), $r, run, c)
            }
        })+
    };
}
steps! {
    fn alu_reg[const OP: usize, const NARROW: bool] as Regs, 1 |pc, s, r| {
        set(r, s.a, eval::<NARROW>(const { AluOp::ALL[OP] }, get(r, s.b), get(r, s.c)));
    }
    fn alu_imm[const OP: usize, const NARROW: bool] as Head, 1 |pc, s, r| {
        set(r, s.a, eval::<NARROW>(const { AluOp::ALL[OP] }, get(r, s.b), s.imm as i64 as u64));
    }
    fn pair[const ONE: usize, const TWO: usize, const NARROW: bool] as Regs, 1 |pc, s, r| {
        set(r, s.a, eval::<NARROW>(const { SIMPLE[ONE] }, get(r, s.b), get(r, s.c)));
        set(r, s.d, eval::<NARROW>(const { SIMPLE[TWO] }, get(r, s.e), get(r, s.f)));
    }
    fn shift_pair[const RIGHT: bool, const TWO: usize, const NARROW: bool] as Regs, 1 |pc, s, r| {
        let shift = const { if RIGHT { AluOp::Rsh } else { AluOp::Lsh } };
        set(r, s.a, eval::<NARROW>(shift, get(r, s.b), s.c as u64));
        set(r, s.d, eval::<NARROW>(const { SIMPLE[TWO] }, get(r, s.e), get(r, s.f)));
    }
    fn imm_pair[const ONE: usize, const TWO: usize, const NARROW: bool] as Head, 2 |pc, s, r| {
        let more = *pc.add(1).cast::<steps::Regs>();
        set(r, s.a, eval::<NARROW>(const { SIMPLE[ONE] }, get(r, s.b), s.imm as i64 as u64));
        set(r, more.a, eval::<NARROW>(const { SIMPLE[TWO] }, get(r, more.b), get(r, more.c)));
    }
    fn pair_imm[const ONE: usize, const TWO: usize, const NARROW: bool] as Regs, 2 |pc, s, r| {
        let more = *pc.add(1).cast::<Limit>();
        set(r, s.a, eval::<NARROW>(const { SIMPLE[ONE] }, get(r, s.b), get(r, s.c)));
        set(r, s.d, eval::<NARROW>(const { SIMPLE[TWO] }, get(r, s.e), more.operand as i64 as u64));
    }
    fn rotate[const NARROW: bool, const RIGHT: bool] as Regs, 1 |pc, s, r| {
        let from = get(r, s.b);
        let shift = const { if RIGHT { AluOp::Rsh } else { AluOp::Lsh } };
        set(r, s.a, eval::<NARROW>(shift, from, s.e as u64));
        let turned = match NARROW {
            false => from.rotate_left(s.c as u32),
            true => (from as u32).rotate_left(s.c as u32) as u64,
        };
        set(r, s.d, turned);
    }
    fn neg[const NARROW: bool] as Head, 1 |pc, s, r| {
        let value = get(r, s.a).wrapping_neg();
        set(r, s.a, if NARROW { value as u32 as u64 } else { value });
    }
    fn mov[const NARROW: bool] as Head, 1 |pc, s, r| {
        let value = get(r, s.b);
        set(r, s.a, if NARROW { value as u32 as u64 } else { value });
    }
    fn mov_mov[] as Regs, 1 |pc, s, r| {
        set(r, s.a, get(r, s.b));
        set(r, s.c, get(r, s.d));
    }
    fn constant[] as Head, 1 |pc, s, r| {
        set(r, s.a, s.imm as i64 as u64);
    }
    fn constant_wide[] as Head, 2 |pc, s, r| {
        set(r, s.a, *pc.add(1));
    }
    /// `FROM` is the logarithm of the bytes that count.
    fn extend[const FROM: u8, const NARROW: bool] as Head, 1 |pc, s, r| {
        let value = get(r, s.b);
        let wide = match FROM {
            0 => value as u8 as i8 as u64,
            1 => value as u16 as i16 as u64,
            _ => value as u32 as i32 as u64,
        };
        set(r, s.a, if NARROW { wide as u32 as u64 } else { wide });
    }
    fn truncate[const NARROW: bool] as Head, 1 |pc, s, r| {
        let value = get(r, s.a);
        set(r, s.a, if NARROW { value as u32 as u64 } else { value as u16 as u64 });
    }
    fn swap[const SIZE: u8] as Head, 1 |pc, s, r| {
        let value = get(r, s.a);
        set(r, s.a, match SIZE {
            1 => (value as u16).swap_bytes() as u64,
            2 => (value as u32).swap_bytes() as u64,
            _ => value.swap_bytes(),
        });
    }
    fn nop[] as Head, 1 |pc, _s, r| {}
}
