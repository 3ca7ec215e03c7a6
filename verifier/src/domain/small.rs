//! Words of a few bits, over which every input of an operator can be tried.

use core::fmt;
use core::ops::{BitAnd, BitOr, BitXor, Not};

use super::word::{Full, Word};

/// A word of `N` bits, at most eight, held in the low bits of a byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Small<const N: u32>(u8);

impl<const N: u32> Small<N> {
    const LOW: u8 = (0xff_u16 >> (8 - N)) as u8;

    fn fitting(value: i64) -> Option<i64> {
        let limit = 1 << (N - 1);
        (-limit..limit).contains(&value).then_some(value)
    }

    /// Every word of this width.
    pub(super) fn all() -> impl Iterator<Item = Self> + Clone {
        (0..=Self::LOW).map(Small)
    }
}

impl<const N: u32> fmt::Debug for Small<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl<const N: u32> BitAnd for Small<N> {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Small(self.0 & other.0)
    }
}

impl<const N: u32> BitOr for Small<N> {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Small(self.0 | other.0)
    }
}

impl<const N: u32> BitXor for Small<N> {
    type Output = Self;
    fn bitxor(self, other: Self) -> Self {
        Small(self.0 ^ other.0)
    }
}

impl<const N: u32> Not for Small<N> {
    type Output = Self;
    fn not(self) -> Self {
        Small(!self.0 & Self::LOW)
    }
}

impl<const N: u32> Word for Small<N> {
    const BITS: u32 = N;
    const ZERO: Self = Small(0);
    const MAX: Self = Small(Self::LOW);
    const SIGN: Self = Small(1 << (N - 1));
    const SMAX: Self = Small(Self::LOW >> 1);

    fn from_u64(value: u64) -> Self {
        Small(value as u8 & Self::LOW)
    }
    fn to_u64(self) -> u64 {
        u64::from(self.0)
    }
    fn to_i64(self) -> i64 {
        i64::from((self.0 << (8 - N)) as i8 >> (8 - N))
    }
    fn plus(self, other: Self) -> Self {
        Small(self.0.wrapping_add(other.0) & Self::LOW)
    }
    fn minus(self, other: Self) -> Self {
        Small(self.0.wrapping_sub(other.0) & Self::LOW)
    }
    fn times(self, other: Self) -> Option<Self> {
        let product = u32::from(self.0) * u32::from(other.0);
        (product <= u32::from(Self::LOW)).then_some(Small(product as u8))
    }
    fn stimes(self, other: Self) -> Option<Self> {
        Self::fitting(self.to_i64() * other.to_i64()).map(|product| Self::from_u64(product as u64))
    }
    fn shl(self, n: u32) -> Self {
        assert!(n < N);
        Small(self.0 << n & Self::LOW)
    }
    fn shr(self, n: u32) -> Self {
        assert!(n < N);
        Small(self.0 >> n)
    }
    fn sar(self, n: u32) -> Self {
        assert!(n < N);
        Self::from_u64((self.to_i64() >> n) as u64)
    }
}

macro_rules! halves {
    ($full:literal, $half:literal) => {
        impl Full for Small<$full> {
            type Half = Small<$half>;

            fn low(self) -> Small<$half> {
                Small::from_u64(self.to_u64())
            }
            fn high(self) -> Small<$half> {
                Small::from_u64(self.to_u64() >> $half)
            }
            fn join(high: Small<$half>, low: Small<$half>) -> Self {
                Self::from_u64(high.to_u64() << $half | low.to_u64())
            }
        }
    };
}

halves!(4, 2);
halves!(6, 3);
halves!(8, 4);
