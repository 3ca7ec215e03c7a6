//! Intervals: what is known of the size of a word, read as unsigned and as signed.
//!
//! A [`Range`] keeps two intervals of the same word. It represents the words that lie in both,
//! written γ below. The kernel keeps one such pair for the whole register and one for its low
//! half; the same code serves for both.
//!
//! Rules: the `scalar_min_max_*` and `scalar32_min_max_*` functions of Linux 6.18, which are the
//! same at both widths but for the shifts (in `alu`, for they move bits between the halves).
//! 6.18 differs from 6.12 in sums and differences (a pair of bounds that both overflow is still an
//! interval) and in products (all four corner products, instead of small positive factors only).
//!
//! Soundness: each operator gives bounds for every `f(x, y)` with `x ∈ γ(a)` and `y ∈ γ(b)`. An
//! interval of sums is given by the sums of its ends as exact integers; taken modulo the width it
//! is still one interval if both ends overflow equally often, and is given up otherwise. A product
//! of intervals has its extremes in the corners, and is given up if any corner overflows. Bounds
//! of bitwise operators come from the tnum of the result, which the caller passes, and from
//! `x & y <= min(x, y)` and `x | y >= max(x, y)`. The tests prove each for all ranges of four bits.
//!
//! A range may come to be contradictory (its least above its greatest) when a branch that cannot
//! be taken is followed all the same. Then every operator still answers what the kernel would,
//! for its log shows such states; see `Scalar::violation`.

use super::arithmetic::Arithmetic;
use super::tnum::Tnum;
use super::word::Word;

/// An unsigned and a signed interval of the same word; signed numbers are in two's complement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Range<W: Word> {
    pub(super) umin: W,
    pub(super) umax: W,
    pub(super) smin: W,
    pub(super) smax: W,
}

impl<W: Word> Range<W> {
    /// All words.
    pub(super) const FULL: Self = Range { umin: W::ZERO, umax: W::MAX, smin: W::SIGN, smax: W::SMAX };

    /// One word.
    #[inline]
    pub(super) fn constant(value: W) -> Self {
        Range { umin: value, umax: value, smin: value, smax: value }
    }

    /// The words from `min` to `max`, unsigned, as far as a signed interval can say the same.
    #[inline]
    pub(super) fn from_unsigned(umin: W, umax: W) -> Self {
        let (smin, smax) = if umin.sle(umax) { (umin, umax) } else { (W::SIGN, W::SMAX) };
        Range { umin, umax, smin, smax }
    }

    /// Whether both intervals hold at least one number.
    #[inline]
    pub(super) fn is_consistent(self) -> bool {
        self.umin <= self.umax && self.smin.sle(self.smax)
    }

    /// Whether there is exactly one word, and all four bounds say so.
    #[inline]
    pub(super) fn is_constant(self, value: W) -> bool {
        self == Range::constant(value)
    }

    /// Whether `word` lies in both intervals.
    #[inline]
    pub(super) fn contains(self, word: W) -> bool {
        self.umin <= word && word <= self.umax && self.smin.sle(word) && word.sle(self.smax)
    }

    /// Whether both intervals of `other` lie within those of this.
    #[inline]
    pub(super) fn includes(self, other: Self) -> bool {
        self.umin <= other.umin
            && other.umax <= self.umax
            && self.smin.sle(other.smin)
            && other.smax.sle(self.smax)
    }

    /// Whether no word lies in both, as one of the readings shows.
    #[inline]
    pub(super) fn is_apart_from(self, other: Self) -> bool {
        self.umin > other.umax
            || self.umax < other.umin
            || other.smax.slt(self.smin)
            || self.smax.slt(other.smin)
    }

    /// Drops `value` from each interval of which it is an end.
    #[inline]
    pub(super) fn drop_end(&mut self, value: W) {
        let one = W::from_u64(1);
        if self.umin == value {
            self.umin = value.plus(one);
        }
        if self.umax == value {
            self.umax = value.minus(one);
        }
        if self.smin == value {
            self.smin = value.plus(one);
        }
        if self.smax == value {
            self.smax = value.minus(one);
        }
    }

    /// Forgets the signed interval.
    #[inline]
    pub(super) fn forget_signed(&mut self) {
        (self.smin, self.smax) = (W::SIGN, W::SMAX);
    }

    /// Forgets the unsigned interval.
    #[inline]
    pub(super) fn forget_unsigned(&mut self) {
        (self.umin, self.umax) = (W::ZERO, W::MAX);
    }

    /// Keeps what lies between `min` and `max`, unsigned.
    #[inline]
    pub(super) fn meet_unsigned(&mut self, min: W, max: W) {
        self.umin = self.umin.max(min);
        self.umax = self.umax.min(max);
    }

    /// Keeps what lies between `min` and `max`, signed.
    #[inline]
    pub(super) fn meet_signed(&mut self, min: W, max: W) {
        self.smin = self.smin.smax(min);
        self.smax = self.smax.smin(max);
    }

    /// Keeps what lies in `other` too.
    #[inline]
    pub(super) fn meet(&mut self, other: Self) {
        self.meet_unsigned(other.umin, other.umax);
        self.meet_signed(other.smin, other.smax);
    }

    /// Keeps what lies between the least and the greatest member of `tnum`: those with all unknown
    /// bits clear and all set, except that a signed number is least with its sign bit set.
    #[inline]
    pub(super) fn meet_tnum(&mut self, tnum: Tnum<W>) {
        let (value, mask) = (tnum.value(), tnum.mask());
        self.meet_signed(value | (mask & W::SIGN), value | (mask & !W::SIGN));
        self.meet_unsigned(value, value | mask);
    }

    /// Lets each interval learn from the other.
    ///
    /// An interval whose ends agree in sign is an interval under both readings. A signed interval
    /// that crosses zero is the two ends of the unsigned line; if the unsigned interval reaches
    /// only one of them, the other is void.
    #[inline]
    pub(super) fn exchange(&mut self) {
        if self.umin.sle(self.umax) {
            self.meet_signed(self.umin, self.umax);
        }
        if self.smin <= self.smax {
            self.meet_unsigned(self.smin, self.smax);
        } else if self.umax < self.smin {
            self.smin = self.umin;
            self.umax = self.umax.min(self.smax);
        } else if self.smax < self.umin {
            self.smax = self.umax;
            self.umin = self.umin.max(self.smin);
        }
    }

    /// Sums.
    #[inline]
    pub(super) fn plus(self, other: Self, how: Arithmetic) -> Self {
        let mut sum = Range {
            umin: self.umin.plus(other.umin),
            umax: self.umax.plus(other.umax),
            smin: self.smin.plus(other.smin),
            smax: self.smax.plus(other.smax),
        };
        if add_overflows(self.smin, other.smin) || add_overflows(self.smax, other.smax) {
            sum.forget_signed();
        }
        let (low, high) = (sum.umin < self.umin, sum.umax < self.umax);
        if high && !(low && how.keeps_wrapped_sums) {
            sum.forget_unsigned();
        }
        sum
    }

    /// Differences.
    #[inline]
    pub(super) fn minus(self, other: Self, how: Arithmetic) -> Self {
        let mut difference = Range {
            umin: self.umin.minus(other.umax),
            umax: self.umax.minus(other.umin),
            smin: self.smin.minus(other.smax),
            smax: self.smax.minus(other.smin),
        };
        if sub_overflows(self.smin, other.smax) || sub_overflows(self.smax, other.smin) {
            difference.forget_signed();
        }
        let (low, high) = (self.umin < other.umax, self.umax < other.umin);
        if low && !(high && how.keeps_wrapped_sums) {
            difference.forget_unsigned();
        }
        difference
    }

    /// Products, as far as the kernel version looks for their bounds.
    #[inline]
    pub(super) fn product(self, other: Self, how: Arithmetic) -> Self {
        let half = W::low_mask(W::BITS / 2);
        let is_small = |r: Self| !r.smin.is_negative() && r.umax <= half;
        if how.multiplies_signed || is_small(self) && is_small(other) {
            self.times(other)
        } else {
            Range::FULL
        }
    }

    /// Products.
    #[inline]
    pub(super) fn times(self, other: Self) -> Self {
        let mut product = Range::FULL;
        if let (Some(umin), Some(umax)) = (self.umin.times(other.umin), self.umax.times(other.umax)) {
            (product.umin, product.umax) = (umin, umax);
        }
        let corners = [
            self.smin.stimes(other.smin),
            self.smin.stimes(other.smax),
            self.smax.stimes(other.smin),
            self.smax.stimes(other.smax),
        ];
        if let [Some(a), Some(b), Some(c), Some(d)] = corners {
            product.smin = a.smin(b).smin(c.smin(d));
            product.smax = a.smax(b).smax(c.smax(d));
        }
        product
    }

    /// Conjunctions, given the tnum of the result.
    #[inline]
    pub(super) fn and(self, other: Self, result: Tnum<W>) -> Self {
        Range::from_unsigned(result.value(), self.umax.min(other.umax))
    }

    /// Disjunctions, given the tnum of the result.
    #[inline]
    pub(super) fn or(self, other: Self, result: Tnum<W>) -> Self {
        Range::from_unsigned(self.umin.max(other.umin), result.max())
    }

    /// Exclusive disjunctions, given the tnum of the result.
    #[inline]
    pub(super) fn xor(result: Tnum<W>) -> Self {
        Range::from_unsigned(result.value(), result.max())
    }

    /// Members shifted left by `n`; the sign is lost, and everything if the top bit may be shifted
    /// out. `n` may exceed the width.
    #[inline]
    pub(super) fn lsh(self, n: u32) -> Self {
        let mut shifted = Range::FULL;
        if n < W::BITS && self.umax <= W::SIGN.shr(n) {
            (shifted.umin, shifted.umax) = (self.umin.shl(n), self.umax.shl(n));
        }
        shifted
    }

    /// Members shifted right by `n` with zeros; the sign is left to be learned from the tnum.
    #[inline]
    pub(super) fn rsh(self, n: u32) -> Self {
        Range { umin: self.umin.shr(n), umax: self.umax.shr(n), ..Range::FULL }
    }

    /// Members shifted right by `n` with the sign; unsigned bounds are left to be learned.
    #[inline]
    pub(super) fn arsh(self, n: u32) -> Self {
        Range { smin: self.smin.sar(n), smax: self.smax.sar(n), ..Range::FULL }
    }
}

/// Whether the sum of two signed numbers leaves the width.
#[inline]
fn add_overflows<W: Word>(a: W, b: W) -> bool {
    let sum = a.plus(b);
    ((a ^ sum) & (b ^ sum)).is_negative()
}

/// Whether the difference of two signed numbers leaves the width.
#[inline]
fn sub_overflows<W: Word>(a: W, b: W) -> bool {
    let difference = a.minus(b);
    ((a ^ b) & (a ^ difference)).is_negative()
}
