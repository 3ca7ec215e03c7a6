//! The operation table: one row per operation.
//!
//! A row gives the variant and its documentation, its code, its symbol in the kernel's and LLVM's
//! text, its mnemonic in the assembler dialect, and its meaning. The enum, the decoder, the
//! encoder, the printers, the parsers and [`eval`](super::eval) all come from these rows, so an
//! operation of a known shape is added here and nowhere else.
//!
//! Meanings follow RFC 9669 sections 4.1 (arithmetic), 4.2 (byte swaps), 4.3 (jumps) and 5.3
//! (atomics).

/// Arithmetic on two operands.
/// Row: `Variant = code, offset, "symbol", "mnemonic", meaning at 64 bits, meaning at 32 bits`.
/// `offset` tells signed division and modulo from unsigned ones, which share their code.
macro_rules! for_each_alu_op {
    ($m:ident) => {
        $m! {
            /// Wrapping addition.
            Add = 0x00, 0, "+=", "add", |a, b| a.wrapping_add(b), |a, b| a.wrapping_add(b);
            /// Wrapping subtraction.
            Sub = 0x10, 0, "-=", "sub", |a, b| a.wrapping_sub(b), |a, b| a.wrapping_sub(b);
            /// Wrapping multiplication.
            Mul = 0x20, 0, "*=", "mul", |a, b| a.wrapping_mul(b), |a, b| a.wrapping_mul(b);
            /// Unsigned division; by zero gives zero.
            Div = 0x30, 0, "/=", "div", |a, b| a.checked_div(b).unwrap_or(0), |a, b| a.checked_div(b).unwrap_or(0);
            /// Signed division, rounding toward zero; by zero gives zero, the least value by -1 gives itself.
            Sdiv = 0x30, 1, "s/=", "sdiv",
                |a, b| if b == 0 { 0 } else { (a as i64).wrapping_div(b as i64) as u64 },
                |a, b| if b == 0 { 0 } else { (a as i32).wrapping_div(b as i32) as u32 };
            /// Bitwise or.
            Or = 0x40, 0, "|=", "or", |a, b| a | b, |a, b| a | b;
            /// Bitwise and.
            And = 0x50, 0, "&=", "and", |a, b| a & b, |a, b| a & b;
            /// Left shift; the count is taken modulo the width.
            Lsh = 0x60, 0, "<<=", "lsh", |a, b| a << (b & 63), |a, b| a << (b & 31);
            /// Logical right shift; the count is taken modulo the width.
            Rsh = 0x70, 0, ">>=", "rsh", |a, b| a >> (b & 63), |a, b| a >> (b & 31);
            /// Unsigned modulo; by zero leaves the dividend.
            Mod = 0x90, 0, "%=", "mod", |a, b| a.checked_rem(b).unwrap_or(a), |a, b| a.checked_rem(b).unwrap_or(a);
            /// Signed modulo with the sign of the dividend; by zero leaves the dividend.
            Smod = 0x90, 1, "s%=", "smod",
                |a, b| if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 },
                |a, b| if b == 0 { a } else { (a as i32).wrapping_rem(b as i32) as u32 };
            /// Bitwise exclusive or.
            Xor = 0xa0, 0, "^=", "xor", |a, b| a ^ b, |a, b| a ^ b;
            /// Arithmetic right shift; the count is taken modulo the width.
            Arsh = 0xc0, 0, "s>>=", "arsh",
                |a, b| ((a as i64) >> (b & 63)) as u64,
                |a, b| ((a as i32) >> (b & 31)) as u32;
        }
    };
}

/// Conditions of jumps.
/// Row: `Variant = code, "symbol", "mnemonic", negation, meaning at 64 bits, meaning at 32 bits`.
/// A condition without a negation among the conditions names itself.
macro_rules! for_each_cond {
    ($m:ident) => {
        $m! {
            /// Equal.
            Eq = 0x10, "==", "jeq", Ne, |a, b| a == b, |a, b| a == b;
            /// Unsigned greater.
            Gt = 0x20, ">", "jgt", Le, |a, b| a > b, |a, b| a > b;
            /// Unsigned greater or equal.
            Ge = 0x30, ">=", "jge", Lt, |a, b| a >= b, |a, b| a >= b;
            /// Some bit is set in both.
            Set = 0x40, "&", "jset", Set, |a, b| a & b != 0, |a, b| a & b != 0;
            /// Not equal.
            Ne = 0x50, "!=", "jne", Eq, |a, b| a != b, |a, b| a != b;
            /// Signed greater.
            Sgt = 0x60, "s>", "jsgt", Sle, |a, b| (a as i64) > b as i64, |a, b| (a as i32) > b as i32;
            /// Signed greater or equal.
            Sge = 0x70, "s>=", "jsge", Slt, |a, b| a as i64 >= b as i64, |a, b| a as i32 >= b as i32;
            /// Unsigned less.
            Lt = 0xa0, "<", "jlt", Ge, |a, b| a < b, |a, b| a < b;
            /// Unsigned less or equal.
            Le = 0xb0, "<=", "jle", Gt, |a, b| a <= b, |a, b| a <= b;
            /// Signed less.
            Slt = 0xc0, "s<", "jslt", Sge, |a, b| (a as i64) < b as i64, |a, b| (a as i32) < b as i32;
            /// Signed less or equal.
            Sle = 0xd0, "s<=", "jsle", Sgt, |a, b| a as i64 <= b as i64, |a, b| a as i32 <= b as i32;
        }
    };
}

/// Read-modify-write operations on memory.
/// Row: `Variant = code in imm without the fetch flag, whether it may go without fetching,
/// "symbol", "mnemonic", new value from (old, source, comparand)`.
macro_rules! for_each_atomic_op {
    ($m:ident) => {
        $m! {
            /// Wrapping addition.
            Add = 0x00, true, "+=", "add", |old, src, _cmp| old.wrapping_add(src);
            /// Bitwise or.
            Or = 0x40, true, "|=", "or", |old, src, _cmp| old | src;
            /// Bitwise and.
            And = 0x50, true, "&=", "and", |old, src, _cmp| old & src;
            /// Bitwise exclusive or.
            Xor = 0xa0, true, "^=", "xor", |old, src, _cmp| old ^ src;
            /// Exchange: the source register receives the old value.
            Xchg = 0xe0, false, "=", "xchg", |_old, src, _cmp| src;
            /// Compare with R0 and exchange: R0 receives the old value.
            Cmpxchg = 0xf0, false, "=", "cmpxchg", |old, src, cmp| if old == cmp { src } else { old };
        }
    };
}

/// Byte-order operations.
/// Row: `Variant = opcode, "kernel name", "mnemonic", meaning on the low `bits` of a value on a
/// little-endian machine`.
macro_rules! for_each_endian_op {
    ($m:ident) => {
        $m! {
            /// From the machine's order to little-endian.
            ToLe = 0xd4, "le", "le", |value, bits| truncate(value, bits);
            /// From the machine's order to big-endian.
            ToBe = 0xdc, "be", "be", |value, bits| swap(value, bits);
            /// Reverses the bytes whatever the machine's order.
            Swap = 0xd7, "bswap", "swap", |value, bits| swap(value, bits);
        }
    };
}

pub(crate) use {for_each_alu_op, for_each_atomic_op, for_each_cond, for_each_endian_op};
