//! Machine words the domain is written over.
//!
//! The kernel tracks a register as a 64-bit number whose low 32 bits are tracked a second time.
//! Nothing in the rules depends on those two widths, only on one being half of the other, so the
//! domain is generic: [`Word`] is an unsigned number of some width with wrapping arithmetic, and
//! [`Full`] a word that has a [`Full::Half`]. The verifier uses `u64` over `u32`; the tests run
//! the very same code over words of four and two, six and three, eight and four bits, where every
//! input can be tried.
//!
//! Signed numbers are held as words in two's complement. Their order is the unsigned order with
//! the top bit inverted, which the compiler turns back into one signed comparison.

use core::fmt;
use core::hash::Hash;
use core::ops::{BitAnd, BitOr, BitXor, Not};

/// An unsigned number of a fixed width, with wrapping arithmetic.
pub trait Word:
    Copy
    + Ord
    + Hash
    + fmt::Debug
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
{
    /// Width in bits.
    const BITS: u32;
    /// No bit set.
    const ZERO: Self;
    /// Every bit set: the greatest unsigned number, and minus one.
    const MAX: Self;
    /// Only the top bit set: the least signed number.
    const SIGN: Self;
    /// Every bit but the top one set: the greatest signed number.
    const SMAX: Self;

    /// The low bits of `value`.
    fn from_u64(value: u64) -> Self;
    /// The number, zero-extended.
    fn to_u64(self) -> u64;
    /// The number, sign-extended.
    fn to_i64(self) -> i64;

    /// The sum, modulo the width.
    fn plus(self, other: Self) -> Self;
    /// The difference, modulo the width.
    fn minus(self, other: Self) -> Self;
    /// The unsigned product, if it fits.
    fn times(self, other: Self) -> Option<Self>;
    /// The signed product, if it fits.
    fn stimes(self, other: Self) -> Option<Self>;
    /// Shifted left by `n`, which is less than the width.
    fn shl(self, n: u32) -> Self;
    /// Shifted right by `n`, which is less than the width, filling with zeros.
    fn shr(self, n: u32) -> Self;
    /// Shifted right by `n`, which is less than the width, filling with the sign.
    fn sar(self, n: u32) -> Self;

    /// Whether the number is below zero when read as signed.
    fn is_negative(self) -> bool {
        self & Self::SIGN != Self::ZERO
    }
    /// Whether this is less than `other` when both are read as signed.
    fn slt(self, other: Self) -> bool {
        (self ^ Self::SIGN) < (other ^ Self::SIGN)
    }
    /// Whether this is at most `other` when both are read as signed.
    fn sle(self, other: Self) -> bool {
        (self ^ Self::SIGN) <= (other ^ Self::SIGN)
    }
    /// The lesser of the two as signed numbers.
    fn smin(self, other: Self) -> Self {
        if other.slt(self) { other } else { self }
    }
    /// The greater of the two as signed numbers.
    fn smax(self, other: Self) -> Self {
        if self.slt(other) { other } else { self }
    }
    /// The low `bits` bits (at most the width) set.
    fn low_mask(bits: u32) -> Self {
        if bits >= Self::BITS { Self::MAX } else { !Self::MAX.shl(bits) }
    }
    /// The low `bits` bits (at least one, at most the width) read as a signed number.
    fn sign_extended(self, bits: u32) -> Self {
        let unused = Self::BITS - bits;
        self.shl(unused).sar(unused)
    }
}

/// A word that consists of two halves.
pub trait Full: Word {
    /// A word of half the width.
    type Half: Word;

    /// The low half.
    fn low(self) -> Self::Half;
    /// The high half.
    fn high(self) -> Self::Half;
    /// The word with these halves.
    fn join(high: Self::Half, low: Self::Half) -> Self;

    /// The half, zero-extended.
    fn zext(low: Self::Half) -> Self {
        Self::join(Self::Half::ZERO, low)
    }
    /// The half, sign-extended.
    fn sext(low: Self::Half) -> Self {
        Self::join(if low.is_negative() { Self::Half::MAX } else { Self::Half::ZERO }, low)
    }
}

macro_rules! native {
    ($unsigned:ty, $signed:ty) => {
        impl Word for $unsigned {
            const BITS: u32 = <$unsigned>::BITS;
            const ZERO: Self = 0;
            const MAX: Self = <$unsigned>::MAX;
            const SIGN: Self = 1 << (<$unsigned>::BITS - 1);
            const SMAX: Self = <$unsigned>::MAX >> 1;

            #[inline]
            fn from_u64(value: u64) -> Self {
                value as Self
            }
            #[inline]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }
            #[inline]
            fn to_i64(self) -> i64 {
                i64::from(self as $signed)
            }
            #[inline]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline]
            fn times(self, other: Self) -> Option<Self> {
                self.checked_mul(other)
            }
            #[inline]
            fn stimes(self, other: Self) -> Option<Self> {
                (self as $signed).checked_mul(other as $signed).map(|product| product as Self)
            }
            #[inline]
            fn shl(self, n: u32) -> Self {
                self << n
            }
            #[inline]
            fn shr(self, n: u32) -> Self {
                self >> n
            }
            #[inline]
            fn sar(self, n: u32) -> Self {
                ((self as $signed) >> n) as Self
            }
        }
    };
}

native!(u64, i64);
native!(u32, i32);

impl Full for u64 {
    type Half = u32;

    #[inline]
    fn low(self) -> u32 {
        self as u32
    }
    #[inline]
    fn high(self) -> u32 {
        (self >> 32) as u32
    }
    #[inline]
    fn join(high: u32, low: u32) -> Self {
        u64::from(high) << 32 | u64::from(low)
    }
}
