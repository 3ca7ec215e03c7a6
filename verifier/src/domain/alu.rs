//! Arithmetic on scalars.
//!
//! Rules: `adjust_scalar_min_max_vals` of Linux 6.18 and the transfer functions it calls. A 32-bit
//! operation is computed as if it were a 64-bit one, as far as sums, products and bitwise
//! operators go, and then only the low half is kept; shifts differ, since bits cross the border
//! between the halves. A shift is computed only by a known amount within the width; division and
//! modulo give an unknown number.
//!
//! Soundness: the tnum and both ranges of the result each hold all results by the arguments in
//! `tnum` and `range`; for the low half since a sum's, difference's and product's low half depends
//! only on the low halves. A left shift by exactly half the width moves the low half's signed
//! interval up unchanged. A right shift brings unknown bits from the high half into the low one,
//! whose bounds then come from the tnum alone.
//!
//! Left to others: pointers, checks of the instruction's fields (a constant shift out of range, a
//! constant zero divisor), and `id`s.

use super::arithmetic::Arithmetic;
use super::range::Range;
use super::scalar::ScalarOf;
use super::tnum::Tnum;
use super::word::{Full, Word};

/// Whether an instruction works on the whole register or on its low half.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Width {
    /// The whole register.
    W64,
    /// The low half; the high half of the result is zero.
    W32,
}

/// A binary operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Alu {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    /// Shift left.
    Lsh,
    /// Shift right, unsigned.
    Rsh,
    /// Shift right, signed.
    Arsh,
    /// Unsigned division; by zero it gives zero.
    Div,
    /// Unsigned remainder; by zero it leaves the dividend.
    Mod,
    /// Signed division.
    Sdiv,
    /// Signed remainder.
    Smod,
}

/// Two numbers to go on with in place of one; see [`ScalarOf::fork_before`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fork<F: Full> {
    /// What the operand is on the path that is followed now: all ones.
    pub current: ScalarOf<F>,
    /// What it is on the path that is kept for later: zero.
    pub pushed: ScalarOf<F>,
}

impl<F: Full> ScalarOf<F> {
    /// `self op other`.
    ///
    /// Registers that differ by a constant are linked, and what a comparison teaches about one is
    /// carried over to the others by adding the difference. That is an addition like any other, of
    /// width 32 if either was made by a 32-bit addition.
    pub fn alu(&self, op: Alu, width: Width, other: &Self, how: Arithmetic) -> Self {
        let computed = match op {
            Alu::Add => self.sum(other, how),
            Alu::Sub => ScalarOf {
                bits: self.bits.minus(other.bits),
                full: self.full.minus(other.full, how),
                low: self.low.minus(other.low, how),
            },
            Alu::Mul => ScalarOf {
                bits: match how.multiplies_by_union {
                    true => self.bits.times(other.bits),
                    false => self.bits.times_by_parts(other.bits),
                },
                full: self.full.product(other.full, how),
                low: self.low.product(other.low, how),
            },
            Alu::And | Alu::Or | Alu::Xor => self.bitwise(op, other, how),
            Alu::Lsh | Alu::Rsh | Alu::Arsh => match other.shift_amount(width) {
                Some(n) => self.shift(op, width, n, how),
                None => return Self::UNKNOWN,
            },
            Alu::Div | Alu::Mod | Alu::Sdiv | Alu::Smod => return Self::UNKNOWN,
        };
        computed.kept(width, how)
    }

    /// `self + other`, with no conclusions drawn.
    pub fn sum(&self, other: &Self, how: Arithmetic) -> Self {
        ScalarOf {
            bits: self.bits.plus(other.bits),
            full: self.full.plus(other.full, how),
            low: self.low.plus(other.low, how),
        }
    }

    /// `-self`.
    pub fn negate(&self, width: Width, how: Arithmetic) -> Self {
        Self::constant(F::ZERO).alu(Alu::Sub, width, self, how)
    }

    /// The variable offset of a pointer whose variable offset was this, after `by` was added.
    ///
    /// Pointers carry no bounds of their low half, and the unsigned bounds of an offset are given
    /// up if either overflows, even where both do and a sum of numbers would keep them.
    pub fn pointer_plus(&self, by: &Self, how: Arithmetic) -> Self {
        let mut full = self.full.plus(by.full, how);
        if full.umin < self.full.umin || full.umax < self.full.umax {
            full.forget_unsigned();
        }
        ScalarOf { bits: self.bits.plus(by.bits), full, low: Range::FULL }.synced(how)
    }

    /// The variable offset of a pointer whose variable offset was this, after `by` was subtracted.
    /// What [`Self::pointer_plus`] says holds here too.
    pub fn pointer_minus(&self, by: &Self, how: Arithmetic) -> Self {
        let mut full = self.full.minus(by.full, how);
        if self.full.umin < by.full.umax {
            full.forget_unsigned();
        }
        ScalarOf { bits: self.bits.minus(by.bits), full, low: Range::FULL }.synced(how)
    }

    /// The kernel explores an operand of `and` and `or` that is zero or all ones as two constants
    /// when the other operand is one: compilers make such masks out of comparisons.
    pub fn fork_before(&self, op: Alu, other: &Self) -> Option<Fork<F>> {
        if !matches!(op, Alu::And | Alu::Or) || !other.is_const() {
            return None;
        }
        if (self.full.smin, self.full.smax) == (F::MAX, F::ZERO) {
            return Some(Fork { current: Self::constant(F::MAX), pushed: Self::constant(F::ZERO) });
        }
        if (self.low.smin, self.low.smax) == (F::Half::MAX, F::Half::ZERO) {
            return Some(Fork {
                current: self.with_low_constant(F::Half::MAX),
                pushed: self.with_low_constant(F::Half::ZERO),
            });
        }
        None
    }

    /// The same with a known low half; nothing is deduced.
    fn with_low_constant(&self, low: F::Half) -> Self {
        ScalarOf { bits: self.bits.with_low(Tnum::constant(low)), full: self.full, low: Range::constant(low) }
    }

    /// The amount to shift by, if it is known and within the width.
    fn shift_amount(&self, width: Width) -> Option<u32> {
        let (known, limit) = match width {
            Width::W64 => (self.is_const() && self.full.is_constant(self.bits.value()), F::BITS),
            Width::W32 => {
                let low = self.bits.low();
                (low.is_const() && self.low.is_constant(low.value()), F::Half::BITS)
            }
        };
        let amount = self.full.umax.to_u64();
        (known && amount < u64::from(limit)).then_some(amount as u32)
    }

    fn bitwise(&self, op: Alu, other: &Self, how: Arithmetic) -> Self {
        let bits = match op {
            Alu::And => self.bits.and(other.bits),
            Alu::Or => self.bits.or(other.bits),
            _ => self.bits.xor(other.bits),
        };
        let low = bitwise_range(op, self.low, other.low, other.bits.low(), bits.low());
        if other.is_const() && bits.is_const() {
            return Self::constant(bits.value());
        }
        let full = bitwise_range(op, self.full, other.full, other.bits, bits);
        let mut result = ScalarOf { bits, full, low };
        result.bound_by_bits(how);
        result
    }

    fn shift(&self, op: Alu, width: Width, n: u32, how: Arithmetic) -> Self {
        let mut result = match width {
            Width::W64 => self.shift_full(op, n),
            Width::W32 => self.shift_low(op, n),
        };
        match width {
            Width::W64 => result.bound_by_bits(how),
            Width::W32 => result.low.meet_tnum(result.bits.low()),
        }
        result
    }

    fn shift_full(&self, op: Alu, n: u32) -> Self {
        match op {
            Alu::Lsh => {
                let mut full = self.full.lsh(n);
                if n == F::Half::BITS {
                    full.smin = F::join(self.low.smin, F::Half::ZERO);
                    full.smax = F::join(self.low.smax, F::Half::ZERO);
                }
                ScalarOf { bits: self.bits.lsh(n), full, low: self.low.lsh(n) }
            }
            Alu::Rsh => ScalarOf { bits: self.bits.rsh(n), full: self.full.rsh(n), low: Range::FULL },
            _ => ScalarOf { bits: self.bits.arsh(n), full: self.full.arsh(n), low: Range::FULL },
        }
    }

    fn shift_low(&self, op: Alu, n: u32) -> Self {
        let (bits, range) = (self.bits.low(), self.low);
        let (bits, low) = match op {
            Alu::Lsh => (bits.lsh(n), range.lsh(n)),
            Alu::Rsh => (bits.rsh(n), range.rsh(n)),
            _ => (bits.arsh(n), range.arsh(n)),
        };
        ScalarOf { bits: Tnum::from_low(bits), full: Range::FULL, low }
    }

    /// What is left after an operation of this width, with the conclusions drawn.
    #[inline]
    fn kept(mut self, width: Width, how: Arithmetic) -> Self {
        if width == Width::W32 {
            self.zero_extend_low();
        }
        self.synced(how)
    }

    /// Makes the high half zero, and takes the bounds of the whole from the low half.
    #[inline]
    pub(super) fn zero_extend_low(&mut self) {
        self.bits = Tnum::from_low(self.bits.low());
        let low = self.low;
        let (smin, smax) = if !low.smin.is_negative() && !low.smax.is_negative() {
            (low.smin, low.smax)
        } else {
            (F::Half::ZERO, F::Half::MAX)
        };
        self.full = Range {
            umin: F::zext(low.umin),
            umax: F::zext(low.umax),
            smin: F::zext(smin),
            smax: F::zext(smax),
        };
    }
}

/// Bounds of `a op b`, where `b` has the bits `b_bits` and the result has `bits`.
fn bitwise_range<W: Word>(op: Alu, a: Range<W>, b: Range<W>, b_bits: Tnum<W>, bits: Tnum<W>) -> Range<W> {
    if b_bits.is_const() && bits.is_const() {
        return Range::constant(bits.value());
    }
    match op {
        Alu::And => a.and(b, bits),
        Alu::Or => a.or(b, bits),
        _ => Range::xor(bits),
    }
}
