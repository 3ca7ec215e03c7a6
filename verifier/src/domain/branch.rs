//! Comparisons: deciding them, and learning from them.
//!
//! Rules: `is_scalar_branch_taken` and `regs_refine_cond_op` of Linux 6.18. A comparison of the
//! low halves is decided from what is known of them; (in)equality of the whole is decided by the
//! low halves too. Whatever outcome is assumed, the bounds of both operands are cut at each
//! other's; inequality and bit tests teach something only against a constant.
//!
//! Soundness: a decision is given only if the bounds or bits admit no other outcome. An assumption
//! keeps every pair of members for which the outcome holds: cutting the ends of two intervals by
//! each other's loses only pairs that are ordered otherwise, an end equal to the constant that a
//! number differs from may be dropped, and a test of one bit says what that bit is.
//!
//! Left to others: pointers, and which registers are linked.

use super::alu::Width;
use super::arithmetic::Arithmetic;
use super::range::Range;
use super::scalar::ScalarOf;
use super::tnum::Tnum;
use super::word::{Full, Word};

/// A comparison of two numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cond {
    /// `a == b`
    Eq,
    /// `a != b`
    Ne,
    /// `a > b`, unsigned
    Gt,
    /// `a >= b`, unsigned
    Ge,
    /// `a < b`, unsigned
    Lt,
    /// `a <= b`, unsigned
    Le,
    /// `a > b`, signed
    Sgt,
    /// `a >= b`, signed
    Sge,
    /// `a < b`, signed
    Slt,
    /// `a <= b`, signed
    Sle,
    /// `a & b != 0`
    Set,
}

/// What may be assumed of two numbers; the comparisons with "greater" are these, turned round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fact {
    Eq,
    Ne,
    Lt,
    Le,
    Slt,
    Sle,
    Set,
    Clear,
}

impl Cond {
    /// The outcome, if `a` and `b` admit only one.
    pub fn decide<F: Full>(self, width: Width, a: &ScalarOf<F>, b: &ScalarOf<F>) -> Option<bool> {
        match width {
            Width::W32 => self.decide_at((a.bits.low(), a.low), (b.bits.low(), b.low)),
            Width::W64 => self.decide_at((a.bits, a.full), (b.bits, b.full)).or_else(|| match self {
                Cond::Eq | Cond::Ne if a.low.is_apart_from(b.low) => Some(self == Cond::Ne),
                _ => None,
            }),
        }
    }

    /// The outcome at one width, by what is known of both operands at that width.
    fn decide_at<W: Word>(self, a: (Tnum<W>, Range<W>), b: (Tnum<W>, Range<W>)) -> Option<bool> {
        let ((a_bits, a), (b_bits, b)) = (a, b);
        match self {
            Cond::Eq => decide_equality(a_bits, a, b_bits, b),
            Cond::Ne => decide_equality(a_bits, a, b_bits, b).map(|equal| !equal),
            Cond::Set if b_bits.is_const() => decide_test(a_bits, b_bits.value()),
            Cond::Set if a_bits.is_const() => decide_test(b_bits, a_bits.value()),
            Cond::Set => None,
            Cond::Gt => outcome(a.umin > b.umax, a.umax <= b.umin),
            Cond::Ge => outcome(a.umin >= b.umax, a.umax < b.umin),
            Cond::Lt => outcome(a.umax < b.umin, a.umin >= b.umax),
            Cond::Le => outcome(a.umax <= b.umin, a.umin > b.umax),
            Cond::Sgt => outcome(b.smax.slt(a.smin), a.smax.sle(b.smin)),
            Cond::Sge => outcome(b.smax.sle(a.smin), a.smax.slt(b.smin)),
            Cond::Slt => outcome(a.smax.slt(b.smin), b.smax.sle(a.smin)),
            Cond::Sle => outcome(a.smax.sle(b.smin), b.smax.slt(a.smin)),
        }
    }

    /// `a` and `b` as they are once the comparison has turned out as `holds` says, with the
    /// conclusions drawn. The result may be contradictory; see [`ScalarOf::violation`].
    pub fn assume<F: Full>(
        self,
        width: Width,
        holds: bool,
        a: &ScalarOf<F>,
        b: &ScalarOf<F>,
        how: Arithmetic,
    ) -> (ScalarOf<F>, ScalarOf<F>) {
        let (mut a, mut b) = (*a, *b);
        let (fact, turned) = self.fact(holds);
        let (first, second) = if turned { (&mut b, &mut a) } else { (&mut a, &mut b) };
        match (fact, width) {
            (Fact::Ne | Fact::Set | Fact::Clear, Width::W64) => {
                if let Some(value) = second.const_value() {
                    first.assume_constant(fact, value);
                } else if let Some(value) = first.const_value() {
                    second.assume_constant(fact, value);
                }
            }
            (Fact::Ne | Fact::Set | Fact::Clear, Width::W32) => {
                if let Some(value) = second.const_value_low() {
                    first.assume_constant_low(fact, value);
                } else if let Some(value) = first.const_value_low() {
                    second.assume_constant_low(fact, value);
                }
            }
            (_, Width::W64) => {
                assume_order(fact, &mut first.full, &mut second.full);
                if fact == Fact::Eq {
                    first.bits = first.bits.intersect(second.bits);
                    second.bits = first.bits;
                }
            }
            (_, Width::W32) => {
                assume_order(fact, &mut first.low, &mut second.low);
                if fact == Fact::Eq {
                    let low = first.bits.low().intersect(second.bits.low());
                    first.bits = first.bits.with_low(low);
                    second.bits = second.bits.with_low(low);
                }
            }
        }
        (a.synced(how), b.synced(how))
    }

    /// `a` as it is once comparing it with itself, in one and the same register, has turned out as
    /// `holds` says.
    ///
    /// 6.18 does not look whether both operands are one register: it decides as it would for two
    /// ([`Self::decide`] with `a` twice), and if that is undecided it cuts the bounds of the one
    /// register for both operands, and draws the conclusions for both.
    pub fn assume_same<F: Full>(
        self,
        width: Width,
        holds: bool,
        a: &ScalarOf<F>,
        how: Arithmetic,
    ) -> ScalarOf<F> {
        let mut cut = *a;
        let (fact, _) = self.fact(holds);
        match width {
            Width::W64 => assume_order_of_same(fact, &mut cut.full),
            Width::W32 => assume_order_of_same(fact, &mut cut.low),
        }
        cut.synced(how).synced(how)
    }

    /// What holds of the operands, and whether in reverse order.
    fn fact(self, holds: bool) -> (Fact, bool) {
        match (self, holds) {
            (Cond::Eq, true) | (Cond::Ne, false) => (Fact::Eq, false),
            (Cond::Ne, true) | (Cond::Eq, false) => (Fact::Ne, false),
            (Cond::Lt, true) | (Cond::Ge, false) => (Fact::Lt, false),
            (Cond::Le, true) | (Cond::Gt, false) => (Fact::Le, false),
            (Cond::Gt, true) | (Cond::Le, false) => (Fact::Lt, true),
            (Cond::Ge, true) | (Cond::Lt, false) => (Fact::Le, true),
            (Cond::Slt, true) | (Cond::Sge, false) => (Fact::Slt, false),
            (Cond::Sle, true) | (Cond::Sgt, false) => (Fact::Sle, false),
            (Cond::Sgt, true) | (Cond::Sle, false) => (Fact::Slt, true),
            (Cond::Sge, true) | (Cond::Slt, false) => (Fact::Sle, true),
            (Cond::Set, true) => (Fact::Set, false),
            (Cond::Set, false) => (Fact::Clear, false),
        }
    }
}

impl<F: Full> ScalarOf<F> {
    /// Learns from `fact` about this and the constant `value`.
    fn assume_constant(&mut self, fact: Fact, value: F) {
        match fact {
            Fact::Ne => self.full.drop_end(value),
            Fact::Set => self.bits = bits_if_set(self.bits, value),
            _ => {
                self.forget_bounds();
                self.bits = self.bits.and(Tnum::constant(!value));
            }
        }
    }

    /// Learns from `fact` about the low half of this and the constant `value`.
    fn assume_constant_low(&mut self, fact: Fact, value: F::Half) {
        let bits = self.bits.low();
        match fact {
            Fact::Ne => self.low.drop_end(value),
            Fact::Set => self.bits = self.bits.with_low(bits_if_set(bits, value)),
            _ => {
                self.forget_bounds();
                self.bits = self.bits.with_low(bits.and(Tnum::constant(!value)));
            }
        }
    }
}

/// True if `yes`, false if `no`, in that order.
#[inline]
fn outcome(yes: bool, no: bool) -> Option<bool> {
    if yes {
        Some(true)
    } else if no {
        Some(false)
    } else {
        None
    }
}

/// Whether two numbers are equal, if that is known. Two constants are compared by their bits,
/// whatever their ranges say.
fn decide_equality<W: Word>(a_bits: Tnum<W>, a: Range<W>, b_bits: Tnum<W>, b: Range<W>) -> Option<bool> {
    if a_bits.is_const() && b_bits.is_const() {
        return Some(a_bits == b_bits);
    }
    (!a_bits.overlaps(b_bits) || a.is_apart_from(b)).then_some(false)
}

/// Whether some bit of `tested` is set in a number with `bits`, if that is known.
fn decide_test<W: Word>(bits: Tnum<W>, tested: W) -> Option<bool> {
    outcome(bits.value() & tested != W::ZERO, bits.max() & tested == W::ZERO)
}

/// Learns from (in)equality of two numbers that need not be known.
fn assume_order<W: Word>(fact: Fact, a: &mut Range<W>, b: &mut Range<W>) {
    let one = W::from_u64(1);
    match fact {
        Fact::Eq => {
            a.meet(*b);
            *b = *a;
        }
        Fact::Lt => {
            a.umax = a.umax.min(b.umax.minus(one));
            b.umin = b.umin.max(a.umin.plus(one));
        }
        Fact::Le => {
            a.umax = a.umax.min(b.umax);
            b.umin = b.umin.max(a.umin);
        }
        Fact::Slt => {
            a.smax = a.smax.smin(b.smax.minus(one));
            b.smin = b.smin.smax(a.smin.plus(one));
        }
        Fact::Sle => {
            a.smax = a.smax.smin(b.smax);
            b.smin = b.smin.smax(a.smin);
        }
        Fact::Ne | Fact::Set | Fact::Clear => {}
    }
}

/// Learns from (in)equality of a number and itself.
fn assume_order_of_same<W: Word>(fact: Fact, a: &mut Range<W>) {
    let mut other = *a;
    assume_order(fact, a, &mut other);
    a.meet(other);
}

/// The bits of a number that shares a set bit with `tested`: if that has one bit only, it is set.
fn bits_if_set<W: Word>(bits: Tnum<W>, tested: W) -> Tnum<W> {
    let one_bit = tested != W::ZERO && tested & tested.minus(W::from_u64(1)) == W::ZERO;
    if one_bit { bits.or(Tnum::constant(tested)) } else { bits }
}
