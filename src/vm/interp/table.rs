//! Which function runs which step.

use super::memory::{Fast, Frame};
use super::{Handler, control, memory, value};
use crate::vm::memory::Access;
use crate::vm::steps::codes::*;
use std::marker::PhantomData;

/// The functions of steps, for one way of holding accesses.
pub(super) struct Table<A>(PhantomData<A>);

impl<A: Access> Table<A> {
    pub const HANDLERS: &'static [Handler; COUNT] = &handlers::<A>();
}

/// Fills the places from `$at` on, one after the other.
macro_rules! fill {
    ($t:ident, $at:expr, [$($handler:expr),* $(,)?]) => {{
        let row: &[Handler] = &[$($handler),*];
        let mut n = 0;
        while n < row.len() {
            $t[$at as usize + n] = row[n];
            n += 1;
        }
    }};
}

macro_rules! alu_row {
    ($t:ident, $($op:literal)+) => {
        $(fill!($t, ALU + 4 * $op, [
            value::alu_reg::<A, $op, false>,
            value::alu_imm::<A, $op, false>,
            value::alu_reg::<A, $op, true>,
            value::alu_imm::<A, $op, true>,
        ]);)+
    };
}

macro_rules! jump_row {
    ($t:ident, $($cond:literal)+) => {
        $(fill!($t, JUMP + 4 * $cond, [
            control::jump_reg::<A, $cond, false>,
            control::jump_imm::<A, $cond, false>,
            control::jump_reg::<A, $cond, true>,
            control::jump_imm::<A, $cond, true>,
        ]);
        fill!($t, ADD_JUMP + 4 * $cond, [
            control::add_jump::<A, $cond, false, false>,
            control::add_jump::<A, $cond, false, true>,
            control::add_jump::<A, $cond, true, false>,
            control::add_jump::<A, $cond, true, true>,
        ]);)+
    };
}

macro_rules! pair_row {
    ($t:ident, $family:ident, $handler:ident, $($one:literal)+) => {
        $(fill!($t, $family + 8 * $one, [
            value::$handler::<A, $one, 0, false>,
            value::$handler::<A, $one, 0, true>,
            value::$handler::<A, $one, 1, false>,
            value::$handler::<A, $one, 1, true>,
            value::$handler::<A, $one, 2, false>,
            value::$handler::<A, $one, 2, true>,
            value::$handler::<A, $one, 3, false>,
            value::$handler::<A, $one, 3, true>,
        ]);)+
    };
}

macro_rules! shift_row {
    ($t:ident, $($digit:literal $right:literal),+) => {
        $(fill!($t, SHIFT_PAIR + 8 * $digit, [
            value::shift_pair::<A, $right, 0, false>,
            value::shift_pair::<A, $right, 0, true>,
            value::shift_pair::<A, $right, 1, false>,
            value::shift_pair::<A, $right, 1, true>,
            value::shift_pair::<A, $right, 2, false>,
            value::shift_pair::<A, $right, 2, true>,
            value::shift_pair::<A, $right, 3, false>,
            value::shift_pair::<A, $right, 3, true>,
        ]);)+
    };
}

macro_rules! load_row {
    ($t:ident, $at:expr, $how:ident) => {
        fill!(
            $t,
            $at,
            [
                memory::load::<A, $how, u8, false>,
                memory::load::<A, $how, u16, false>,
                memory::load::<A, $how, u32, false>,
                memory::load::<A, $how, u64, false>,
                memory::load::<A, $how, u8, true>,
                memory::load::<A, $how, u16, true>,
                memory::load::<A, $how, u32, true>,
            ]
        )
    };
}

macro_rules! size_row {
    ($t:ident, $at:expr, $handler:ident, $how:ident) => {
        fill!(
            $t,
            $at,
            [
                memory::$handler::<A, $how, u8>,
                memory::$handler::<A, $how, u16>,
                memory::$handler::<A, $how, u32>,
                memory::$handler::<A, $how, u64>,
            ]
        )
    };
}

macro_rules! load_jump_row {
    ($t:ident, $($size:literal $word:ty),+) => {
        $(fill!($t, LOAD_JUMP + 8 * $size, [
            memory::load_jump::<A, Fast, $word, false, false, false>,
            memory::load_jump::<A, Fast, $word, false, false, true>,
            memory::load_jump::<A, Fast, $word, false, true, false>,
            memory::load_jump::<A, Fast, $word, false, true, true>,
            memory::load_jump::<A, Fast, $word, true, false, false>,
            memory::load_jump::<A, Fast, $word, true, false, true>,
            memory::load_jump::<A, Fast, $word, true, true, false>,
            memory::load_jump::<A, Fast, $word, true, true, true>,
        ]);)+
    };
}

const fn handlers<A: Access>() -> [Handler; COUNT] {
    let mut t: [Handler; COUNT] = [control::breathe::<A>; COUNT];
    alu_row!(t, 0 1 2 3 4 5 6 7 8 9 10 11 12);
    jump_row!(t, 0 1 2 3 4 5 6 7 8 9 10);
    load_row!(t, LOAD, Fast);
    load_row!(t, LOAD_FRAME, Frame);
    size_row!(t, STORE, store, Fast);
    size_row!(t, STORE_FRAME, store, Frame);
    size_row!(t, STORE_IMM, store_imm, Fast);
    size_row!(t, STORE_IMM_FRAME, store_imm, Frame);
    size_row!(t, INDEXED_LOAD, indexed_load, Fast);
    size_row!(t, INDEXED_STORE, indexed_store, Fast);
    fill!(t, GATHER, [memory::gather::<A, Fast, false>, memory::gather::<A, Fast, true>]);
    pair_row!(t, PAIR, pair, 0 1 2 3);
    shift_row!(t, 0 false, 1 true);
    pair_row!(t, IMM_PAIR, imm_pair, 0 1 2 3);
    pair_row!(t, PAIR_IMM, pair_imm, 0 1 2 3);
    fill!(
        t,
        ROTATE,
        [
            value::rotate::<A, false, false>,
            value::rotate::<A, false, true>,
            value::rotate::<A, true, false>,
            value::rotate::<A, true, true>,
        ]
    );
    fill!(
        t,
        FRAME_PAIR,
        [
            memory::frame_pair::<A, Frame, u64, 0>,
            memory::frame_pair::<A, Frame, u32, 0>,
            memory::frame_pair::<A, Frame, u64, 1>,
            memory::frame_pair::<A, Frame, u32, 1>,
            memory::frame_pair::<A, Frame, u64, 2>,
            memory::frame_pair::<A, Frame, u32, 2>,
            memory::frame_pair::<A, Frame, u64, 3>,
            memory::frame_pair::<A, Frame, u32, 3>,
        ]
    );
    fill!(t, FRAME_MOVE, [memory::frame_move::<A, Frame, u64>, memory::frame_move::<A, Frame, u32>]);
    load_jump_row!(t, 0 u8, 1 u64);
    others::<A>(&mut t);
    t
}

/// Steps that come alone.
const fn others<A: Access>(t: &mut [Handler; COUNT]) {
    fill!(t, NEG, [value::neg::<A, false>, value::neg::<A, true>]);
    fill!(t, MOV, [value::mov::<A, false>, value::mov::<A, true>, value::mov_mov::<A>]);
    fill!(t, CONST, [value::constant::<A>, value::constant_wide::<A>]);
    fill!(
        t,
        EXTEND,
        [
            value::extend::<A, 0, false>,
            value::extend::<A, 1, false>,
            value::extend::<A, 2, false>,
            value::extend::<A, 0, true>,
            value::extend::<A, 1, true>,
        ]
    );
    fill!(t, TRUNC, [value::truncate::<A, false>, value::truncate::<A, true>]);
    fill!(t, SWAP, [value::swap::<A, 1>, value::swap::<A, 2>, value::swap::<A, 3>]);
    fill!(t, NOP, [value::nop::<A>]);
    fill!(t, LOAD_ACQUIRE, [memory::acquire::<A>, memory::release::<A>, memory::atomic_op::<A>]);
    fill!(t, PACKET, [control::packet::<A, false>, control::packet::<A, true>]);
    fill!(t, GOTO, [control::goto::<A>, control::may_goto::<A>]);
    fill!(
        t,
        CALL_SUB,
        [
            control::call_sub::<A>,
            control::call_own::<A>,
            control::lookup::<A>,
            control::call_helper::<A>,
            control::call_reg::<A>,
            control::tail_call::<A>,
        ]
    );
    fill!(
        t,
        OBSERVE,
        [control::observe::<A>, control::trap::<A>, control::exit::<A>, control::breathe::<A>,]
    );
}
