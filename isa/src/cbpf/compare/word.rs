//! Words of 32 bits, each bit a function: the registers of a filter over all packets at once.
//!
//! The operations are those of [`Alu`](super::super::Alu), most by the school method.

use super::bdd::{Bit, Full, NO, Table, YES};

/// The lowest bit comes first.
pub(super) type Word = [Bit; 32];

pub(super) const ZERO: Word = [NO; 32];

pub(super) fn constant(value: u32) -> Word {
    core::array::from_fn(|i| Bit::of(value >> i & 1 != 0))
}

/// The value, when it does not depend on the packet.
pub(super) fn as_constant(word: &Word) -> Option<u32> {
    word.iter().enumerate().try_fold(0, |value, (i, &bit)| match bit {
        NO => Some(value),
        YES => Some(value | 1 << i),
        _ => None,
    })
}

impl Table {
    /// Applies an operation to each pair of bits.
    fn zip(
        &mut self,
        a: &Word,
        b: &Word,
        op: fn(&mut Self, Bit, Bit) -> Result<Bit, Full>,
    ) -> Result<Word, Full> {
        let mut out = ZERO;
        for i in 0..32 {
            out[i] = op(self, a[i], b[i])?;
        }
        Ok(out)
    }

    pub(super) fn word_and(&mut self, a: &Word, b: &Word) -> Result<Word, Full> {
        self.zip(a, b, Self::and)
    }

    pub(super) fn word_or(&mut self, a: &Word, b: &Word) -> Result<Word, Full> {
        self.zip(a, b, Self::or)
    }

    pub(super) fn word_xor(&mut self, a: &Word, b: &Word) -> Result<Word, Full> {
        self.zip(a, b, Self::xor)
    }

    /// `if f then a else b`.
    pub(super) fn select(&mut self, f: Bit, a: &Word, b: &Word) -> Result<Word, Full> {
        let mut out = ZERO;
        for i in 0..32 {
            out[i] = self.ite(f, a[i], b[i])?;
        }
        Ok(out)
    }

    fn invert(&mut self, a: &Word) -> Result<Word, Full> {
        self.word_xor(a, &constant(u32::MAX))
    }

    fn add_carry(&mut self, a: &Word, b: &Word, mut carry: Bit) -> Result<Word, Full> {
        let mut out = ZERO;
        for i in 0..32 {
            let half = self.xor(a[i], b[i])?;
            out[i] = self.xor(half, carry)?;
            carry = self.ite(half, carry, a[i])?;
        }
        Ok(out)
    }

    pub(super) fn add(&mut self, a: &Word, b: &Word) -> Result<Word, Full> {
        self.add_carry(a, b, NO)
    }

    pub(super) fn sub(&mut self, a: &Word, b: &Word) -> Result<Word, Full> {
        let not = self.invert(b)?;
        self.add_carry(a, &not, YES)
    }

    pub(super) fn mul(&mut self, a: &Word, b: &Word) -> Result<Word, Full> {
        // The rows of the side that is known stand still.
        let (rows, by) = if as_constant(a).is_some() { (b, a) } else { (a, b) };
        let mut sum = ZERO;
        for (i, &bit) in by.iter().enumerate() {
            if bit != NO {
                let row = self.word_and(&shifted(rows, i as isize), &[bit; 32])?;
                sum = self.add(&sum, &row)?;
            }
        }
        Ok(sum)
    }

    /// Quotient and remainder; what they are where `b` is zero is without meaning.
    pub(super) fn div_rem(&mut self, a: &Word, b: &Word) -> Result<(Word, Word), Full> {
        if let Some(power) = as_constant(b).filter(|b| b.is_power_of_two()) {
            let mask = constant(power - 1);
            return Ok((shifted(a, -(power.trailing_zeros() as isize)), self.word_and(a, &mask)?));
        }
        let (mut quotient, mut rest) = (ZERO, ZERO);
        for i in (0..32).rev() {
            // Should the rest outgrow 32 bits it is above the divisor whatever that is.
            let over = rest[31];
            rest = shifted(&rest, 1);
            rest[0] = a[i];
            let below = self.less(&rest, b)?;
            let fits = self.not(below)?;
            quotient[i] = self.or(over, fits)?;
            let less = self.sub(&rest, b)?;
            rest = self.select(quotient[i], &less, &rest)?;
        }
        Ok((quotient, rest))
    }

    /// A shift by a distance of five bits; by more, zero when `wide`, else the low five bits count.
    pub(super) fn shift(&mut self, a: &Word, by: &Word, left: bool, wide: bool) -> Result<Word, Full> {
        let mut out = *a;
        for (i, &bit) in by.iter().take(5).enumerate() {
            let distance = if left { 1 << i } else { -(1 << i) };
            out = self.select(bit, &shifted(&out, distance), &out)?;
        }
        if wide {
            let far = self.any(&by[5..])?;
            out = self.select(far, &ZERO, &out)?;
        }
        Ok(out)
    }

    pub(super) fn any(&mut self, bits: &[Bit]) -> Result<Bit, Full> {
        bits.iter().try_fold(NO, |any, &bit| self.or(bit, any))
    }

    /// Whether both are the same.
    pub(super) fn equal(&mut self, a: &Word, b: &Word) -> Result<Bit, Full> {
        let mut same = YES;
        for i in 0..32 {
            let differ = self.xor(a[i], b[i])?;
            same = self.ite(differ, NO, same)?;
        }
        Ok(same)
    }

    /// Whether `a` is below `b`, both unsigned.
    pub(super) fn less(&mut self, a: &Word, b: &Word) -> Result<Bit, Full> {
        let mut less = NO;
        for i in 0..32 {
            let differ = self.xor(a[i], b[i])?;
            less = self.ite(differ, b[i], less)?;
        }
        Ok(less)
    }
}

/// The bits moved up by `distance`, or down if it is negative.
fn shifted(a: &Word, distance: isize) -> Word {
    core::array::from_fn(|i| {
        i.checked_add_signed(-distance).and_then(|from| a.get(from)).copied().unwrap_or(NO)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::Alu;
    use super::*;
    use proptest::prelude::*;

    /// Puts a value on variables, in the order `first`, `first + step`, …
    fn free(t: &mut Table, first: u32, step: u32, bits: u32) -> Word {
        core::array::from_fn(|i| match i as u32 {
            i if i < bits => t.var(first + step * i).unwrap(),
            _ => NO,
        })
    }

    proptest! {
        /// The value of each operation on two words of which some bits are free, where those bits are
        /// then fixed.
        #[test]
        fn operations_are_those_of_the_registers(a: u32, b in prop_oneof![any::<u32>(), 1..70u32], bits in 0..7u32) {
            let mask = (1 << bits) - 1;
            let t = &mut Table::new(1 << 20, 64);
            let mut x = constant(a & !mask);
            let mut y = constant(b & !mask);
            x[..bits as usize].copy_from_slice(&free(t, 0, 2, bits)[..bits as usize]);
            y[..bits as usize].copy_from_slice(&free(t, 1, 2, bits)[..bits as usize]);
            let (sum, difference, product) = (t.add(&x, &y).unwrap(), t.sub(&x, &y).unwrap(), t.mul(&x, &y).unwrap());
            let (quotient, rest) = t.div_rem(&x, &y).unwrap();
            let left = [false, true].map(|wide| t.shift(&x, &y, true, wide).unwrap());
            let right = [false, true].map(|wide| t.shift(&x, &y, false, wide).unwrap());
            let (less, equal) = (t.less(&x, &y).unwrap(), t.equal(&x, &y).unwrap());
            // Fixes the free bits to those of `a` and `b`.
            let mut here = YES;
            for i in 0..bits {
                for (first, value) in [(0, a), (1, b)] {
                    let var = t.var(first + 2 * i).unwrap();
                    let var = if value >> i & 1 != 0 { var } else { t.not(var).unwrap() };
                    here = t.and(here, var).unwrap();
                }
            }
            let t = core::cell::RefCell::new(t);
            let value = |word: &Word| (0..32).fold(0, |value, i| {
                value | u32::from(t.borrow_mut().and(here, word[i]).unwrap() != NO) << i
            });
            let holds = |bit: Bit| t.borrow_mut().and(here, bit).unwrap() != NO;
            prop_assert_eq!(Some(value(&sum)), Alu::Add.eval(a, b, false));
            prop_assert_eq!(Some(value(&difference)), Alu::Sub.eval(a, b, false));
            prop_assert_eq!(Some(value(&product)), Alu::Mul.eval(a, b, false));
            if b != 0 {
                prop_assert_eq!(Some(value(&quotient)), Alu::Div.eval(a, b, false));
                prop_assert_eq!(Some(value(&rest)), Alu::Mod.eval(a, b, false));
            }
            for wide in [false, true] {
                prop_assert_eq!(Some(value(&left[usize::from(wide)])), Alu::Lsh.eval(a, b, wide));
                prop_assert_eq!(Some(value(&right[usize::from(wide)])), Alu::Rsh.eval(a, b, wide));
            }
            prop_assert_eq!((holds(less), holds(equal)), (a < b, a == b));
        }
    }
}
