//! Tristate numbers: what is known about a word bit by bit.
//!
//! A [`Tnum`] is a pair of words. A bit set in `mask` is unknown; any other bit is known and
//! stands in `value`. It represents the set of all words that agree with `value` outside `mask`,
//! written γ below. `value & mask` is always zero, so each set has one representation, and there
//! is no representation of the empty set.
//!
//! Rules: the operators of Linux 6.18's `kernel/bpf/tnum.c`. Addition and subtraction are the
//! optimal ones of Vishwanathan, Shachnai, Narayana and Nagarakatte, "Sound, Precise, and Fast
//! Abstract Interpretation with Tristate Numbers" (CGO 2022); multiplication is the one that
//! replaced theirs in 6.18, which unites the two accumulators an unknown bit leads to.
//!
//! Soundness: for every operator `f` over words, `x ∈ γ(a)` and `y ∈ γ(b)` imply
//! `f(x, y) ∈ γ(f♯(a, b))`. Bitwise operators act on each bit alone. In a sum, the carry into a
//! bit is monotone in the operands, so it can vary only where the sum of all minimal members and
//! the sum of all maximal ones disagree; in a difference the same holds of the borrow. A product
//! is a sum of shifted operands, one for each bit of the multiplier, and an unknown bit either
//! adds the operand or does not. The tests prove each of them for all tnums of five bits and all
//! their members.
//!
//! Left to others: what is known of the number as a whole, which is `range`.

use super::word::{Full, Word};

/// A word of which some bits are known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tnum<W: Word = u64> {
    value: W,
    mask: W,
}

impl<W: Word> Tnum<W> {
    /// Nothing is known.
    pub const UNKNOWN: Self = Tnum { value: W::ZERO, mask: W::MAX };

    /// The one word `value`.
    #[inline]
    pub fn constant(value: W) -> Self {
        Tnum { value, mask: W::ZERO }
    }

    /// Bits set in `mask` are unknown, the others are as in `value`.
    #[inline]
    pub fn new(value: W, mask: W) -> Self {
        Tnum { value: value & !mask, mask }
    }

    /// The smallest tnum that holds every word from `min` to `max`: their common leading bits.
    #[inline]
    pub fn range(min: W, max: W) -> Self {
        let leading = (min ^ max).to_u64().leading_zeros() - (64 - W::BITS);
        Tnum::new(min, W::low_mask(W::BITS - leading))
    }

    /// The known bits; zero where a bit is unknown. The least member, unsigned.
    #[inline]
    pub fn value(self) -> W {
        self.value
    }

    /// The unknown bits.
    #[inline]
    pub fn mask(self) -> W {
        self.mask
    }

    /// The greatest member, unsigned.
    #[inline]
    pub fn max(self) -> W {
        self.value | self.mask
    }

    /// Whether every bit is known.
    #[inline]
    pub fn is_const(self) -> bool {
        self.mask == W::ZERO
    }

    /// Whether no bit is known.
    #[inline]
    pub fn is_unknown(self) -> bool {
        self.mask == W::MAX
    }

    /// Whether this is exactly the word `value`.
    #[inline]
    pub fn equals_const(self, value: W) -> bool {
        self.is_const() && self.value == value
    }

    /// Whether `word` is a member.
    #[inline]
    pub fn contains(self, word: W) -> bool {
        word & !self.mask == self.value
    }

    /// Whether every member of `other` is a member of this.
    #[inline]
    pub fn includes(self, other: Self) -> bool {
        other.mask & !self.mask == W::ZERO && other.value & !self.mask == self.value
    }

    /// Whether some word is a member of both.
    #[inline]
    pub fn overlaps(self, other: Self) -> bool {
        let known = !self.mask & !other.mask;
        self.value & known == other.value & known
    }

    /// Whether every member is a multiple of `size`, a power of two. Zero means no constraint.
    #[inline]
    pub fn is_aligned(self, size: W) -> bool {
        size == W::ZERO || (self.value | self.mask) & size.minus(W::from_u64(1)) == W::ZERO
    }

    /// The words in both.
    ///
    /// If the two contradict each other in a bit there is no such word; as in the kernel the bit
    /// is then one in the result, and finding the contradiction is the caller's affair.
    #[inline]
    pub fn intersect(self, other: Self) -> Self {
        Tnum::new(self.value | other.value, self.mask & other.mask)
    }

    /// The smallest tnum that includes both.
    #[inline]
    pub fn union(self, other: Self) -> Self {
        Tnum::new(self.value, (self.value ^ other.value) | self.mask | other.mask)
    }

    /// The least member above `word`, unsigned; the greatest member if none is.
    ///
    /// The word after `word` is compared with the known bits from the top. If they agree it is a
    /// member. At the first bit where they differ either it must rise, and the bits below fall to
    /// their least, or a higher unknown bit must: adding one carries there once every other bit
    /// above and all bits below are ones.
    pub fn next_member(self, word: W) -> W {
        if word >= self.max() {
            return self.max();
        }
        let one = W::from_u64(1);
        let next = word.plus(one);
        let wrong = (next ^ self.value) & !self.mask;
        if wrong == W::ZERO {
            return next;
        }
        let up_to_wrong = W::low_mask(64 - wrong.to_u64().leading_zeros());
        let above = if next < self.value | (next & self.mask) {
            next & !up_to_wrong
        } else {
            (next | !self.mask | up_to_wrong).plus(one)
        };
        self.value | (above & self.mask)
    }

    /// Sums.
    #[inline]
    pub fn plus(self, other: Self) -> Self {
        let least = self.value.plus(other.value);
        let greatest = least.plus(self.mask.plus(other.mask));
        Tnum::new(least, (least ^ greatest) | self.mask | other.mask)
    }

    /// Differences.
    #[inline]
    pub fn minus(self, other: Self) -> Self {
        let base = self.value.minus(other.value);
        let varying = base.plus(self.mask) ^ base.minus(other.mask);
        Tnum::new(base, varying | self.mask | other.mask)
    }

    /// Negations.
    #[inline]
    pub fn negated(self) -> Self {
        Tnum::constant(W::ZERO).minus(self)
    }

    /// Bitwise conjunctions.
    #[inline]
    pub fn and(self, other: Self) -> Self {
        let ones = self.value & other.value;
        Tnum::new(ones, self.max() & other.max() & !ones)
    }

    /// Bitwise disjunctions.
    #[inline]
    pub fn or(self, other: Self) -> Self {
        let ones = self.value | other.value;
        Tnum::new(ones, (self.mask | other.mask) & !ones)
    }

    /// Bitwise exclusive disjunctions.
    #[inline]
    pub fn xor(self, other: Self) -> Self {
        Tnum::new(self.value ^ other.value, self.mask | other.mask)
    }

    /// Products.
    pub fn times(self, other: Self) -> Self {
        let one = W::from_u64(1);
        let (mut multiplier, mut addend) = (self, other);
        let mut sum = Tnum::constant(W::ZERO);
        // Once nothing is known of the sum, nothing will be.
        while multiplier.max() != W::ZERO && !sum.is_unknown() {
            if multiplier.value & one != W::ZERO {
                sum = sum.plus(addend);
            } else if multiplier.mask & one != W::ZERO {
                sum = sum.union(sum.plus(addend));
            }
            multiplier = multiplier.rsh(1);
            addend = addend.lsh(1);
        }
        sum
    }

    /// Products, as kernels before the union of partial products found them: the product of the
    /// known ones, and for each bit of this that may be set what of `other` is unknown then.
    ///
    /// A product is the sum of partial products. Of one for a known one the known part is in the
    /// product of the known ones, and its unknown part is added; of one for an unknown bit nothing
    /// is known but that it lies within the set bits of `other`.
    pub fn times_by_parts(self, other: Self) -> Self {
        let one = W::from_u64(1);
        let (mut multiplier, mut addend) = (self, other);
        let known = W::from_u64(self.value.to_u64().wrapping_mul(other.value.to_u64()));
        let mut unknown = Tnum::constant(W::ZERO);
        while multiplier.max() != W::ZERO {
            if multiplier.value & one != W::ZERO {
                unknown = unknown.plus(Tnum::new(W::ZERO, addend.mask));
            } else if multiplier.mask & one != W::ZERO {
                unknown = unknown.plus(Tnum::new(W::ZERO, addend.max()));
            }
            multiplier = multiplier.rsh(1);
            addend = addend.lsh(1);
        }
        Tnum::constant(known).plus(unknown)
    }

    /// Members shifted left by `n`, less than the width.
    #[inline]
    pub fn lsh(self, n: u32) -> Self {
        Tnum { value: self.value.shl(n), mask: self.mask.shl(n) }
    }

    /// Members shifted right by `n`, less than the width, filling with zeros.
    #[inline]
    pub fn rsh(self, n: u32) -> Self {
        Tnum { value: self.value.shr(n), mask: self.mask.shr(n) }
    }

    /// Members shifted right by `n`, less than the width, filling with the sign. An unknown sign
    /// fills with unknown bits, since value and mask are both shifted so.
    #[inline]
    pub fn arsh(self, n: u32) -> Self {
        Tnum { value: self.value.sar(n), mask: self.mask.sar(n) }
    }

    /// The low `bits` bits of the members, a multiple of eight, with their bytes in reverse
    /// order; the bits above become zero.
    #[inline]
    pub fn byte_swapped(self, bits: u32) -> Self {
        let swap = |word: W| W::from_u64(word.to_u64().swap_bytes() >> (64 - bits));
        Tnum { value: swap(self.value), mask: swap(self.mask) }
    }

    /// The low `bits` bits of the members; the bits above become zero.
    #[inline]
    pub fn truncated(self, bits: u32) -> Self {
        let low = W::low_mask(bits);
        Tnum { value: self.value & low, mask: self.mask & low }
    }
}

impl<F: Full> Tnum<F> {
    /// What is known of the low half.
    #[inline]
    pub fn low(self) -> Tnum<F::Half> {
        Tnum { value: self.value.low(), mask: self.mask.low() }
    }

    /// The low half, zero-extended to this width.
    #[inline]
    pub fn from_low(low: Tnum<F::Half>) -> Self {
        Tnum { value: F::zext(low.value), mask: F::zext(low.mask) }
    }

    /// The same with another low half.
    #[inline]
    pub fn with_low(self, low: Tnum<F::Half>) -> Self {
        Tnum { value: F::join(self.value.high(), low.value), mask: F::join(self.mask.high(), low.mask) }
    }
}
