//! Narrowing, widening and byte order.
//!
//! Rules: `coerce_reg_to_size`, `coerce_reg_to_size_sx`, `coerce_subreg_to_size_sx`,
//! `zext_32_to_64` and `scalar_byte_swap` of Linux 6.18, which serve narrow loads, `mov`s with
//! sign extension and the byte order instructions. Swapping bytes scrambles the bounds, so only
//! the bits are carried over; before 6.18's later stable releases nothing was.
//!
//! Soundness: while an interval stays within one value of the bits that are cut off, its ends are
//! the ends of what is left; for sign extension its ends must agree in the new sign too. Otherwise
//! nothing but the new width is known.

use super::alu::Width;
use super::arithmetic::Arithmetic;
use super::range::Range;
use super::scalar::ScalarOf;
use super::tnum::Tnum;
use super::word::{Full, Word};

impl<F: Full> ScalarOf<F> {
    /// The low `bits` bits, zero-extended: a load of that width. `bits` is below the full width;
    /// at or above it nothing changes.
    pub fn truncate(&self, bits: u32, how: Arithmetic) -> Self {
        if bits >= F::BITS {
            return *self;
        }
        let mask = F::low_mask(bits);
        let (mut min, mut max) = (F::ZERO, mask);
        if self.full.umin & !mask == self.full.umax & !mask {
            (min, max) = (self.full.umin & mask, self.full.umax & mask);
        }
        ScalarOf {
            bits: self.bits.truncated(bits),
            full: Range { umin: min, umax: max, smin: min, smax: max },
            low: if bits < F::Half::BITS { Range::FULL } else { self.low },
        }
        .synced(how)
    }

    /// `w = w`: the low half, zero-extended, by a 32-bit move.
    pub fn zero_extend(&self, how: Arithmetic) -> Self {
        let mut extended = *self;
        extended.zero_extend_low();
        extended.synced(how)
    }

    /// Sign extension of the low `bits` bits to `width`, by a `mov` or a load. `bits` is at most
    /// half the full width, and below it for [`Width::W32`]; a load has [`Width::W64`].
    pub fn sign_extend(&self, width: Width, bits: u32, how: Arithmetic) -> Self {
        let bits = bits.clamp(1, F::Half::BITS);
        match width {
            Width::W64 => self.sign_extend_full(bits),
            Width::W32 => self.sign_extend_low(bits, how),
        }
    }

    fn sign_extend_full(&self, bits: u32) -> Self {
        if let Some(value) = self.const_value() {
            return Self::constant(value.sign_extended(bits));
        }
        if let Some((min, max)) = sign_extended_ends(self.full, bits) {
            return ScalarOf {
                bits: Tnum::range(min, max),
                full: Range { umin: min, umax: max, smin: min, smax: max },
                low: Range { umin: min.low(), umax: max.low(), smin: min.low(), smax: max.low() },
            };
        }
        let (least, greatest) = signed_limits::<F>(bits);
        ScalarOf {
            bits: Tnum::UNKNOWN,
            full: Range { smin: least, smax: greatest, ..Range::FULL },
            low: Range { smin: least.low(), smax: greatest.low(), ..Range::FULL },
        }
    }

    fn sign_extend_low(&self, bits: u32, how: Arithmetic) -> Self {
        let (tnum, low) = if let Some(value) = self.const_value() {
            let value = value.low().sign_extended(bits);
            (Tnum::constant(value), Range::constant(value))
        } else if let Some((min, max)) = sign_extended_ends(self.low, bits) {
            (Tnum::range(min, max), Range { umin: min, umax: max, smin: min, smax: max })
        } else {
            let (least, greatest) = signed_limits::<F::Half>(bits);
            (Tnum::UNKNOWN, Range { smin: least, smax: greatest, ..Range::FULL })
        };
        ScalarOf { bits: Tnum::from_low(tnum), full: self.full, low }.zero_extend(how)
    }

    /// The low `bits` bits with their bytes in reverse order, zero-extended: a byte order
    /// instruction that swaps. `bits` is 16, 32 or 64. One that does not swap is
    /// [`Self::truncate`].
    pub fn byte_swap(&self, bits: u32, how: Arithmetic) -> Self {
        let bits = bits.clamp(8, F::BITS);
        ScalarOf { bits: self.bits.byte_swapped(bits), ..Self::UNKNOWN }.truncate(bits, how).synced(how)
    }
}

/// The ends of the signed interval after sign extension from `bits` bits, if it stays an interval.
fn sign_extended_ends<W: Word>(range: Range<W>, bits: u32) -> Option<(W, W)> {
    let cut = if bits < W::BITS { W::MAX.shl(bits) } else { W::ZERO };
    if range.smin & cut != range.smax & cut {
        return None;
    }
    let (a, b) = (range.smin.sign_extended(bits), range.smax.sign_extended(bits));
    (a.is_negative() == b.is_negative()).then(|| (a.smin(b), a.smax(b)))
}

/// The least and the greatest signed number of `bits` bits.
fn signed_limits<W: Word>(bits: u32) -> (W, W) {
    let greatest = W::low_mask(bits - 1);
    (!greatest, greatest)
}
