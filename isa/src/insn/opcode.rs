//! The parts of an opcode (RFC 9669 section 3) and the values that tell kinds of the same opcode
//! apart (Linux uapi `BPF_PSEUDO_*`, `BPF_LOAD_ACQ`, `BPF_STORE_REL`).

/// Instruction classes: the low three bits of an opcode.
pub mod class {
    pub const MASK: u8 = 0x07;
    pub const LD: u8 = 0x00;
    pub const LDX: u8 = 0x01;
    pub const ST: u8 = 0x02;
    pub const STX: u8 = 0x03;
    pub const ALU: u8 = 0x04;
    pub const JMP: u8 = 0x05;
    pub const JMP32: u8 = 0x06;
    pub const ALU64: u8 = 0x07;
    /// The operation bits of arithmetic and jump opcodes.
    pub const OP_MASK: u8 = 0xf0;
    /// The bit that says the second operand is a register.
    pub const X: u8 = 0x08;
}

/// Modes of loads and stores: the high three bits of an opcode.
pub mod mode {
    pub const MASK: u8 = 0xe0;
    pub const IMM: u8 = 0x00;
    pub const ABS: u8 = 0x20;
    pub const IND: u8 = 0x40;
    pub const MEM: u8 = 0x60;
    pub const MEMSX: u8 = 0x80;
    pub const ATOMIC: u8 = 0xc0;
}

/// Jump operations that are not conditions.
pub mod jmp {
    pub const JA: u8 = 0x00;
    pub const CALL: u8 = 0x80;
    pub const EXIT: u8 = 0x90;
    pub const JCOND: u8 = 0xe0;
}

/// Arithmetic operations that do not take two operands.
pub mod alu {
    pub const NEG: u8 = 0x80;
    pub const MOV: u8 = 0xb0;
}

/// Values of the source field, or of the immediate of atomics, that select a kind.
pub mod pseudo {
    pub const CONST: u8 = 0;
    pub const MAP_FD: u8 = 1;
    pub const MAP_VALUE: u8 = 2;
    pub const BTF_ID: u8 = 3;
    pub const FUNC: u8 = 4;
    pub const MAP_IDX: u8 = 5;
    pub const MAP_IDX_VALUE: u8 = 6;

    pub const CALL_HELPER: u8 = 0;
    pub const CALL_SUBPROG: u8 = 1;
    pub const CALL_KFUNC: u8 = 2;

    pub const LOAD_ACQ: i32 = 0x100;
    pub const STORE_REL: i32 = 0x110;
}
