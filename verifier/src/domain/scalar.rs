//! The product of everything known about a number.
//!
//! A [`ScalarOf`] is a tnum of the whole word, a range of the whole word and a range of its low
//! half. It represents the words that are in all three, written γ below. Most operators change
//! some of the three and then let them learn from each other, in `deduce`.
//!
//! Rules: `struct bpf_reg_state` of Linux 6.18 as far as it speaks of numbers, and
//! `reg_bounds_sanity_check`, `range_within` and `tnum_in`.

use super::arithmetic::Arithmetic;
use super::range::Range;
use super::tnum::Tnum;
use super::word::Full;

/// What is known about a number of width `F`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ScalarOf<F: Full> {
    pub(super) bits: Tnum<F>,
    pub(super) full: Range<F>,
    pub(super) low: Range<F::Half>,
}

/// What is known about the number in a register.
pub type Scalar = ScalarOf<u64>;

/// How the parts of a scalar contradict each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Violation {
    /// An interval has its least number above its greatest.
    Bounds,
    /// The tnum is a constant, and the bounds are not that constant.
    Constant,
    /// The tnum of the low half is a constant, and the bounds of the low half are not.
    LowConstant,
}

impl Violation {
    /// The kernel's words for it.
    pub fn kernel_text(self) -> &'static str {
        match self {
            Violation::Bounds => "range bounds violation",
            Violation::Constant => "const tnum out of sync with range bounds",
            Violation::LowConstant => "const subreg tnum out of sync with range bounds",
        }
    }
}

impl<F: Full> ScalarOf<F> {
    /// Any number.
    pub const UNKNOWN: Self = ScalarOf { bits: Tnum::UNKNOWN, full: Range::FULL, low: Range::FULL };

    /// The number `value`.
    #[inline]
    pub fn constant(value: F) -> Self {
        ScalarOf {
            bits: Tnum::constant(value),
            full: Range::constant(value),
            low: Range::constant(value.low()),
        }
    }

    /// What `bits` says, and what follows from it.
    pub fn from_tnum(bits: Tnum<F>, how: Arithmetic) -> Self {
        ScalarOf { bits, ..Self::UNKNOWN }.synced(how)
    }

    /// The bits that are known.
    #[inline]
    pub fn tnum(&self) -> Tnum<F> {
        self.bits
    }

    /// The bits that are known in the low half.
    #[inline]
    pub fn tnum_low(&self) -> Tnum<F::Half> {
        self.bits.low()
    }

    /// Whether the number is known. The tnum decides, as in the kernel.
    #[inline]
    pub fn is_const(&self) -> bool {
        self.bits.is_const()
    }

    /// The number, if it is known.
    #[inline]
    pub fn const_value(&self) -> Option<F> {
        self.is_const().then(|| self.bits.value())
    }

    /// The low half, if it is known.
    #[inline]
    pub fn const_value_low(&self) -> Option<F::Half> {
        let low = self.bits.low();
        low.is_const().then(|| low.value())
    }

    /// Whether nothing at all is known.
    #[inline]
    pub fn is_unknown(&self) -> bool {
        *self == Self::UNKNOWN
    }

    /// Whether `word` is one of the numbers this stands for.
    #[inline]
    pub fn contains(&self, word: F) -> bool {
        self.bits.contains(word) && self.full.contains(word) && self.low.contains(word.low())
    }

    /// Whether all bounds and bits of this lie within those of `wider`: the test by which a state
    /// seen before covers a new one.
    #[inline]
    pub fn is_within(&self, wider: &Self) -> bool {
        self.is_range_within(wider) && wider.bits.includes(self.bits)
    }

    /// Whether all bounds of this lie within those of `wider`, whatever the bits.
    #[inline]
    pub fn is_range_within(&self, wider: &Self) -> bool {
        wider.full.includes(self.full) && wider.low.includes(self.low)
    }

    /// Whether the bounds are those of an unknown number, whatever the bits say.
    #[inline]
    pub fn is_unbounded(&self) -> bool {
        self.full == Range::FULL && self.low == Range::FULL
    }

    /// How many low bits the number needs at most, by its unsigned bound.
    #[inline]
    pub fn needed_bits(&self) -> u32 {
        64 - self.full.umax.to_u64().leading_zeros()
    }

    /// Forgets all bounds and keeps the bits.
    #[inline]
    pub fn forget_bounds(&mut self) {
        self.full = Range::FULL;
        self.low = Range::FULL;
    }

    /// Keeps what is in `other` too, and draws the conclusions.
    pub fn intersect(&self, other: &Self, how: Arithmetic) -> Self {
        let mut both = *self;
        both.bits = both.bits.intersect(other.bits);
        both.full.meet(other.full);
        both.low.meet(other.low);
        both.synced(how)
    }

    /// Keeps the numbers from `min` to `max`, unsigned, and draws the conclusions.
    pub fn with_unsigned_bounds(&self, min: F, max: F, how: Arithmetic) -> Self {
        let mut bounded = *self;
        bounded.full.meet_unsigned(min, max);
        bounded.synced(how)
    }

    /// Keeps the numbers from `min` to `max`, signed, and draws the conclusions.
    pub fn with_signed_bounds(&self, min: F, max: F, how: Arithmetic) -> Self {
        let mut bounded = *self;
        bounded.full.meet_signed(min, max);
        bounded.synced(how)
    }

    /// Keeps the numbers that are `min` to `max`, signed, both as a whole and in their low half,
    /// and draws the conclusions. The kernel does so for error-or-size results and for hooks with
    /// a range of results.
    pub fn with_signed_bounds_both(&self, min: F::Half, max: F::Half, how: Arithmetic) -> Self {
        let mut bounded = *self;
        bounded.low.meet_signed(min, max);
        bounded.full.meet_signed(F::sext(min), F::sext(max));
        bounded.synced(how)
    }

    /// What contradicts what, if anything does.
    ///
    /// The kernel looks after every operation and every comparison. A contradiction means that
    /// the instruction cannot be reached with this state, but the kernel does not draw that
    /// conclusion: it forgets the bounds ([`Self::forget_bounds`]) and goes on, or refuses the
    /// program if it was loaded with `BPF_F_TEST_REG_INVARIANTS`.
    #[inline]
    pub fn violation(&self) -> Option<Violation> {
        if !self.full.is_consistent() || !self.low.is_consistent() {
            return Some(Violation::Bounds);
        }
        if self.bits.is_const() && !self.full.is_constant(self.bits.value()) {
            return Some(Violation::Constant);
        }
        let low = self.bits.low();
        if low.is_const() && !self.low.is_constant(low.value()) {
            return Some(Violation::LowConstant);
        }
        None
    }
}

impl Scalar {
    /// Least number, unsigned.
    #[inline]
    pub fn umin(&self) -> u64 {
        self.full.umin
    }
    /// Greatest number, unsigned.
    #[inline]
    pub fn umax(&self) -> u64 {
        self.full.umax
    }
    /// Least number, signed.
    #[inline]
    pub fn smin(&self) -> i64 {
        self.full.smin as i64
    }
    /// Greatest number, signed.
    #[inline]
    pub fn smax(&self) -> i64 {
        self.full.smax as i64
    }
    /// Least low half, unsigned.
    #[inline]
    pub fn umin32(&self) -> u32 {
        self.low.umin
    }
    /// Greatest low half, unsigned.
    #[inline]
    pub fn umax32(&self) -> u32 {
        self.low.umax
    }
    /// Least low half, signed.
    #[inline]
    pub fn smin32(&self) -> i32 {
        self.low.smin as i32
    }
    /// Greatest low half, signed.
    #[inline]
    pub fn smax32(&self) -> i32 {
        self.low.smax as i32
    }
}
