//! The operations as types, made from [the table](super::ops).

use super::ops::{for_each_alu_op, for_each_atomic_op, for_each_cond, for_each_endian_op};

/// How wide an operation computes. At 32 bits the upper half of the destination becomes zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Width {
    W32,
    W64,
}

impl Width {
    /// The number of bits.
    pub const fn bits(self) -> u32 {
        match self {
            Width::W32 => 32,
            Width::W64 => 64,
        }
    }
}

/// How many bytes of memory an access touches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Size {
    B,
    H,
    W,
    Dw,
}

impl Size {
    /// Every size, narrow to wide.
    pub const ALL: [Size; 4] = [Size::B, Size::H, Size::W, Size::Dw];

    /// The number of bytes.
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }

    /// The number of bits.
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }

    /// The size of so many bytes.
    pub const fn from_bytes(bytes: u32) -> Option<Size> {
        match bytes {
            1 => Some(Size::B),
            2 => Some(Size::H),
            4 => Some(Size::W),
            8 => Some(Size::Dw),
            _ => None,
        }
    }

    /// The size bits of an opcode (RFC 9669 section 5, table 9).
    pub const fn code(self) -> u8 {
        match self {
            Size::W => 0x00,
            Size::H => 0x08,
            Size::B => 0x10,
            Size::Dw => 0x18,
        }
    }

    /// The size in the size bits of an opcode.
    pub const fn from_code(code: u8) -> Size {
        match code & 0x18 {
            0x00 => Size::W,
            0x08 => Size::H,
            0x10 => Size::B,
            _ => Size::Dw,
        }
    }

    /// Keeps the low bytes of `value` that an access of this size moves.
    pub const fn truncate(self, value: u64) -> u64 {
        truncate(value, self.bits())
    }

    /// Sign-extends the low bytes of `value` to 64 bits.
    pub const fn sign_extend(self, value: u64) -> u64 {
        let shift = 64 - self.bits();
        ((value << shift) as i64 >> shift) as u64
    }
}

/// Keeps the low `bits` of `value`.
const fn truncate(value: u64, bits: u32) -> u64 {
    value & (u64::MAX >> (64 - bits))
}

/// Reverses the bytes of the low `bits` of `value`.
const fn swap(value: u64, bits: u32) -> u64 {
    value.swap_bytes() >> (64 - bits)
}

macro_rules! define_alu_op {
    ($($(#[$doc:meta])* $v:ident = $code:literal, $off:literal, $sym:literal, $mn:literal,
        |$a64:ident, $b64:ident| $e64:expr, |$a32:ident, $b32:ident| $e32:expr;)+) => {
        /// Arithmetic on two operands, the first of which receives the result.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum AluOp { $($(#[$doc])* $v,)+ }

        impl AluOp {
            /// Every operation, in the table's order.
            pub const ALL: &'static [AluOp] = &[$(AluOp::$v,)+];

            /// The operation bits of the opcode.
            pub const fn code(self) -> u8 { match self { $(AluOp::$v => $code,)+ } }

            /// The value of the offset field: 1 for the signed forms.
            pub const fn off(self) -> i16 { match self { $(AluOp::$v => $off,)+ } }

            /// The operation of these opcode bits and this offset field.
            pub const fn from_code(code: u8, off: i16) -> Option<AluOp> {
                match (code & 0xf0, off) { $(($code, $off) => Some(AluOp::$v),)+ _ => None }
            }

            /// The assignment operator in the kernel's and LLVM's text.
            pub const fn symbol(self) -> &'static str { match self { $(AluOp::$v => $sym,)+ } }

            /// The mnemonic in the assembler dialect, without a width.
            pub const fn mnemonic(self) -> &'static str { match self { $(AluOp::$v => $mn,)+ } }

            /// The result at 64 bits.
            #[inline]
            pub fn eval64(self, a: u64, b: u64) -> u64 {
                match self { $(AluOp::$v => { let ($a64, $b64): (u64, u64) = (a, b); $e64 })+ }
            }

            /// The result at 32 bits.
            #[inline]
            pub fn eval32(self, a: u32, b: u32) -> u32 {
                match self { $(AluOp::$v => { let ($a32, $b32): (u32, u32) = (a, b); $e32 })+ }
            }
        }
    };
}

macro_rules! define_cond {
    ($($(#[$doc:meta])* $v:ident = $code:literal, $sym:literal, $mn:literal, $neg:ident,
        |$a64:ident, $b64:ident| $e64:expr, |$a32:ident, $b32:ident| $e32:expr;)+) => {
        /// The condition of a jump.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum Cond { $($(#[$doc])* $v,)+ }

        impl Cond {
            /// Every condition, in the table's order.
            pub const ALL: &'static [Cond] = &[$(Cond::$v,)+];

            /// The operation bits of the opcode.
            pub const fn code(self) -> u8 { match self { $(Cond::$v => $code,)+ } }

            /// The condition of these opcode bits.
            pub const fn from_code(code: u8) -> Option<Cond> {
                match code & 0xf0 { $($code => Some(Cond::$v),)+ _ => None }
            }

            /// The comparison operator in the kernel's and LLVM's text.
            pub const fn symbol(self) -> &'static str { match self { $(Cond::$v => $sym,)+ } }

            /// The mnemonic in the assembler dialect, without a width.
            pub const fn mnemonic(self) -> &'static str { match self { $(Cond::$v => $mn,)+ } }

            /// The condition that holds exactly when this one does not; none for [`Cond::Set`].
            pub const fn negate(self) -> Option<Cond> {
                match self { Cond::Set => None, $(#[allow(unreachable_patterns)] Cond::$v => Some(Cond::$neg),)+ }
            }

            /// Whether the condition holds at 64 bits.
            #[inline]
            pub fn eval64(self, a: u64, b: u64) -> bool {
                match self { $(Cond::$v => { let ($a64, $b64): (u64, u64) = (a, b); $e64 })+ }
            }

            /// Whether the condition holds at 32 bits.
            #[inline]
            pub fn eval32(self, a: u32, b: u32) -> bool {
                match self { $(Cond::$v => { let ($a32, $b32): (u32, u32) = (a, b); $e32 })+ }
            }
        }
    };
}

macro_rules! define_atomic_op {
    ($($(#[$doc:meta])* $v:ident = $code:literal, $plain:literal, $sym:literal, $mn:literal,
        |$old:ident, $src:ident, $cmp:ident| $e:expr;)+) => {
        /// What an atomic instruction does to memory.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum AtomicOp { $($(#[$doc])* $v,)+ }

        impl AtomicOp {
            /// Every operation, in the table's order.
            pub const ALL: &'static [AtomicOp] = &[$(AtomicOp::$v,)+];

            /// The operation bits of the immediate, without [`AtomicOp::FETCH`].
            pub const fn code(self) -> i32 { match self { $(AtomicOp::$v => $code,)+ } }

            /// The operation and the fetch flag of an immediate.
            pub const fn from_imm(imm: i32) -> Option<(AtomicOp, bool)> {
                let fetch = imm & Self::FETCH != 0;
                match imm & !Self::FETCH {
                    $($code if fetch || $plain => Some((AtomicOp::$v, fetch)),)+
                    _ => None,
                }
            }

            /// Whether the operation exists in a form that does not return the old value.
            pub const fn allows_no_fetch(self) -> bool { match self { $(AtomicOp::$v => $plain,)+ } }

            /// The assignment operator in the kernel's and LLVM's text.
            pub const fn symbol(self) -> &'static str { match self { $(AtomicOp::$v => $sym,)+ } }

            /// The name after `atomic_` or `fetch_`.
            pub const fn mnemonic(self) -> &'static str { match self { $(AtomicOp::$v => $mn,)+ } }

            /// The new content of memory, from the old content, the source register and, for
            /// [`AtomicOp::Cmpxchg`], R0. At 32 bits all three are given truncated.
            #[inline]
            pub fn eval(self, old: u64, src: u64, cmp: u64) -> u64 {
                match self { $(AtomicOp::$v => { let ($old, $src, $cmp): (u64, u64, u64) = (old, src, cmp); $e })+ }
            }
        }
    };
}

macro_rules! define_endian_op {
    ($($(#[$doc:meta])* $v:ident = $code:literal, $sym:literal, $mn:literal,
        |$value:ident, $bits:ident| $e:expr;)+) => {
        /// A change of byte order.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub enum EndianOp { $($(#[$doc])* $v,)+ }

        impl EndianOp {
            /// Every operation, in the table's order.
            pub const ALL: &'static [EndianOp] = &[$(EndianOp::$v,)+];

            /// The whole opcode.
            pub const fn code(self) -> u8 { match self { $(EndianOp::$v => $code,)+ } }

            /// The operation of a whole opcode.
            pub const fn from_code(code: u8) -> Option<EndianOp> {
                match code { $($code => Some(EndianOp::$v),)+ _ => None }
            }

            /// The function name in the kernel's and LLVM's text, without a width.
            pub const fn symbol(self) -> &'static str { match self { $(EndianOp::$v => $sym,)+ } }

            /// The mnemonic in the assembler dialect, without a width.
            pub const fn mnemonic(self) -> &'static str { match self { $(EndianOp::$v => $mn,)+ } }

            /// The result on a little-endian machine: the low `size` bytes converted, the rest zero.
            #[inline]
            pub fn eval(self, value: u64, size: Size) -> u64 {
                match self { $(EndianOp::$v => { let ($value, $bits) = (value, size.bits()); $e })+ }
            }
        }
    };
}

for_each_alu_op!(define_alu_op);
for_each_cond!(define_cond);
for_each_atomic_op!(define_atomic_op);
for_each_endian_op!(define_endian_op);

impl AluOp {
    /// The result at `width`; at 32 bits the operands are truncated and the upper half is zero.
    #[inline]
    pub fn eval(self, width: Width, a: u64, b: u64) -> u64 {
        match width {
            Width::W64 => self.eval64(a, b),
            Width::W32 => self.eval32(a as u32, b as u32) as u64,
        }
    }
}

impl Cond {
    /// Whether the condition holds at `width`.
    #[inline]
    pub fn eval(self, width: Width, a: u64, b: u64) -> bool {
        match width {
            Width::W64 => self.eval64(a, b),
            Width::W32 => self.eval32(a as u32, b as u32),
        }
    }
}

impl AtomicOp {
    /// The bit of the immediate that asks for the old value.
    pub const FETCH: i32 = 0x01;
}
