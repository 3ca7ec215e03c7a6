//! The numbers of steps: families of operations in a row, and what varies within one as digits.
//!
//! A family's place is a constant; within it the digits are the operation, then width (0 for 64 bits,
//! 1 for 32), then the kind of the second operand (0 for a register, 1 for an immediate), as far as the
//! family has them.

use oxbpf_isa::insn::{AluOp, Cond, Width};

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident: $count:expr;)+) => {
        families!(@each 0; $($(#[$doc])* $name: $count;)+);
    };
    (@each $at:expr; $(#[$doc:meta])* $name:ident: $count:expr; $($rest:tt)*) => {
        $(#[$doc])*
        pub const $name: u16 = $at;
        families!(@each $name + $count; $($rest)*);
    };
    (@each $at:expr;) => {
        /// How many steps there are.
        pub const COUNT: usize = ($at) as usize;
    };
}
families! {
    /// `a = b op c`: operation, width, kind.
    ALU: 52;
    /// `if a cond b`: condition, width, kind.
    JUMP: 44;
    /// `a += imm`, then a conditional jump: likewise.
    ADD_JUMP: 44;
    /// Loads of 1, 2, 4, 8 bytes, then those of 1, 2, 4 with sign.
    LOAD: 7;
    LOAD_FRAME: 7;
    /// Stores of registers by size.
    STORE: 4;
    STORE_FRAME: 4;
    /// Stores of immediates by size.
    STORE_IMM: 4;
    STORE_IMM_FRAME: 4;
    /// `a = b + c`, then a load through a: size.
    INDEXED_LOAD: 4;
    /// `a = b + c`, then a store through a: size.
    INDEXED_STORE: 4;
    /// A load of a byte, a shift to the left of it, and an `or`: width.
    GATHER: 2;
    /// Two of add, or, and, xor on registers: first, second, width.
    PAIR: 32;
    /// A shift by an immediate, then one of those: direction, operation, width.
    SHIFT_PAIR: 16;
    /// One of those by an immediate, then by a register: first, second, width.
    IMM_PAIR: 32;
    /// By a register, then by an immediate: likewise.
    PAIR_IMM: 32;
    /// Two shifts and an `or` that are a rotation: width, direction of the first.
    ROTATE: 4;
    /// A load from the frame, then one of those: operation, width, which is the load's too.
    FRAME_PAIR: 8;
    /// A load from the frame and a store to it, of 4 or 8 bytes.
    FRAME_MOVE: 2;
    /// A load, then a jump on its equality: size (1 or 8 bytes), equal or not, width, kind.
    LOAD_JUMP: 16;
    NEG: 2;
    MOV: 1;
    MOV32: 1;
    /// Two moves.
    MOV_MOV: 1;
    CONST: 1;
    CONST_WIDE: 1;
    /// Sign extension: from 1, 2, 4 bytes to 8, then from 1, 2 to 4.
    EXTEND: 5;
    TRUNC: 2;
    /// Reversal of 2, 4, 8 bytes.
    SWAP: 3;
    NOP: 1;
    LOAD_ACQUIRE: 1;
    STORE_RELEASE: 1;
    ATOMIC: 1;
    PACKET: 2;
    GOTO: 1;
    MAY_GOTO: 1;
    CALL_SUB: 1;
    /// Calls of the machine's own helpers.
    CALL_OWN: 1;
    /// Calls of `bpf_map_lookup_elem`.
    LOOKUP: 1;
    CALL_HELPER: 1;
    CALL_REG: 1;
    TAIL_CALL: 1;
    OBSERVE: 1;
    TRAP: 1;
    EXIT: 1;
    /// Goes back to the loop that runs chains of steps.
    BREATHE: 1;
}

/// Add, or, and, xor: the operations of pairs.
pub const SIMPLE: [AluOp; 4] = [AluOp::Add, AluOp::Or, AluOp::And, AluOp::Xor];

pub fn narrow(width: Width) -> u16 {
    (width == Width::W32) as u16
}

/// The digit of an operation of pairs.
pub fn simple(op: AluOp) -> Option<u16> {
    SIMPLE.iter().position(|&o| o == op).map(|at| at as u16)
}

pub fn alu(op: AluOp, width: Width, imm: bool) -> u16 {
    ALU + op as u16 * 4 + narrow(width) * 2 + imm as u16
}

pub fn jump(family: u16, cond: Cond, width: Width, imm: bool) -> u16 {
    family + cond as u16 * 4 + narrow(width) * 2 + imm as u16
}

const _: () = assert!(AluOp::ALL.len() == 13 && Cond::ALL.len() == 11);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_in_the_order_of_their_tables() {
        assert!(AluOp::ALL.iter().enumerate().all(|(at, &op)| op as usize == at));
        assert!(Cond::ALL.iter().enumerate().all(|(at, &cond)| cond as usize == at));
    }
}
