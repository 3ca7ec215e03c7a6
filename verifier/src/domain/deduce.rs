//! How the parts of a scalar learn from each other.
//!
//! Rules: `reg_bounds_sync` of Linux 6.18. Ranges take bounds from the bits; then, three times,
//! the low half learns from the whole and its two readings from each other, the two readings of
//! the whole learn from each other, and the whole learns from the low half; then the bits learn
//! from the bounds, and the bounds once more from the bits. Where bounds learn from bits, 6.18's
//! later stable releases also look whether only one number satisfies both. Three rounds are no fixed point, but
//! they are what the kernel does.
//!
//! Soundness: each step replaces one part by its meet with something implied by the others, so no
//! member of γ is lost. If the unsigned bounds and the bits have one number in common, that is the
//! number. For the low half: while an interval stays within one value of the high
//! half, its ends are ends of the low half too; while it goes from one value to the next, and
//! starts in the upper and ends in the lower half of the low numbers, it is an interval of signed
//! low numbers. For the whole: replacing the low half of the least number by the least low half
//! gives a bound, since a lesser number would have a lesser high half, which the least number
//! excludes, or a lesser low half.

use super::arithmetic::Arithmetic;
use super::range::Range;
use super::scalar::ScalarOf;
use super::tnum::Tnum;
use super::word::{Full, Word};

impl<F: Full> ScalarOf<F> {
    /// The same numbers, with each part told of the others.
    #[inline]
    pub(super) fn synced(mut self, how: Arithmetic) -> Self {
        if self.is_settled_constant() {
            return self;
        }
        self.bound_by_bits(how);
        for _ in 0..3 {
            let before = self;
            self.deduce_low();
            self.full.exchange();
            self.deduce_full();
            // A round that changes nothing would be repeated in vain.
            if self == before {
                break;
            }
        }
        self.learn_bits();
        self.bound_by_bits(how);
        self
    }

    /// Whether all parts agree on one number, so that there is nothing to learn.
    #[inline]
    fn is_settled_constant(&self) -> bool {
        let value = self.bits.value();
        self.bits.is_const() && self.full.is_constant(value) && self.low.is_constant(value.low())
    }

    /// Bounds of both widths learn from the bits.
    #[inline]
    pub(super) fn bound_by_bits(&mut self, how: Arithmetic) {
        self.low.meet_tnum(self.bits.low());
        self.full.meet_tnum(self.bits);
        if how.settles_single {
            self.settle_single();
        }
    }

    /// If only one member of the tnum lies within the unsigned bounds, that is the number.
    #[inline]
    fn settle_single(&mut self) {
        let Range { umin, umax, .. } = self.full;
        let next = self.bits.next_member(umin);
        if self.bits.contains(umin) {
            if next > umax {
                *self = Self::constant(umin);
            }
        } else if next == self.bits.max() || (next <= umax && self.bits.next_member(next) > umax) {
            *self = Self::constant(next);
        }
    }

    /// The bits that all numbers within the bounds share become known.
    #[inline]
    fn learn_bits(&mut self) {
        let bits = self.bits.intersect(Tnum::range(self.full.umin, self.full.umax));
        let low = bits.low().intersect(Tnum::range(self.low.umin, self.low.umax));
        self.bits = bits.with_low(low);
    }

    /// The low half learns from the whole.
    #[inline]
    fn deduce_low(&mut self) {
        let Range { umin, umax, smin, smax } = self.full;
        if umin.high() == umax.high() {
            self.low.meet_unsigned(umin.low(), umax.low());
            meet_signed_if_ordered(&mut self.low, umin.low(), umax.low());
        }
        if smin.high() == smax.high() {
            if smin.low() <= smax.low() {
                self.low.meet_unsigned(smin.low(), smax.low());
            }
            meet_signed_if_ordered(&mut self.low, smin.low(), smax.low());
        }
        meet_signed_if_straddling(&mut self.low, umin, umax);
        meet_signed_if_straddling(&mut self.low, smin, smax);
        self.low.exchange();
    }

    /// The whole learns from the low half.
    #[inline]
    fn deduce_full(&mut self) {
        let Range { umin, umax, smin, smax } = self.low;
        self.replace_low_ends(umin, umax);
        if smin <= smax {
            self.replace_low_ends(smin, smax);
        }
        self.deduce_sign_extended();
    }

    /// Bounds of the whole are brought inwards to the next number whose low half is at least
    /// `min`, and at most `max`, as far as that does not change their high half.
    #[inline]
    fn replace_low_ends(&mut self, min: F::Half, max: F::Half) {
        let full = self.full;
        self.full.meet_unsigned(F::join(full.umin.high(), min), F::join(full.umax.high(), max));
        self.full.meet_signed(F::join(full.smin.high(), min), F::join(full.smax.high(), max));
    }

    /// A number that is the sign extension of its low half, as after a sign-extending load, and
    /// whose low half is not negative, is its low half.
    #[inline]
    fn deduce_sign_extended(&mut self) {
        let Range { smin, smax, .. } = self.low;
        let least = F::sext(F::Half::SIGN);
        let greatest = F::zext(F::Half::SMAX);
        if !smin.is_negative() && least.sle(self.full.smin) && self.full.smax.sle(greatest) {
            let (min, max) = (F::sext(smin), F::sext(smax));
            self.full = Range { umin: min, umax: max, smin: min, smax: max };
            self.bits = self.bits.intersect(Tnum::range(min, max));
        }
    }
}

/// `min` to `max`, an interval of low halves, is met if it is one of signed numbers.
#[inline]
fn meet_signed_if_ordered<H: Word>(low: &mut Range<H>, min: H, max: H) {
    if min.sle(max) {
        low.meet_signed(min, max);
    }
}

/// If `min` to `max` passes from one high half to the next, from negative low halves to others,
/// their low halves are a signed interval.
#[inline]
fn meet_signed_if_straddling<F: Full>(low: &mut Range<F::Half>, min: F, max: F) {
    let next = min.high().plus(F::Half::from_u64(1));
    if next == max.high() && min.low().is_negative() && !max.low().is_negative() {
        low.meet_signed(min.low(), max.low());
    }
}
