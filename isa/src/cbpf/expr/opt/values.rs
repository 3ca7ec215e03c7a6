//! Value numbers: two expressions with the same number have the same value wherever they are
//! evaluated, since a packet does not change.

use super::ATOMS;
use crate::cbpf::{Op, Operand};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The number of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(u32);

impl Number {
    /// A value nothing is known of: it is not even the same as itself.
    pub const UNKNOWN: Self = Self(0);

    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }
}

/// The values of the registers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State(pub [Number; ATOMS]);

/// An operation, its constant, and the values it takes.
type Key = (Op, u32, Number, Number);

#[derive(Default)]
pub(super) struct Values {
    numbers: BTreeMap<Key, Number>,
    /// The constant with a number, by number less one.
    constants: Vec<Option<u32>>,
}

impl Values {
    fn fresh(&mut self, constant: Option<u32>) -> Number {
        self.constants.push(constant);
        Number(self.constants.len() as u32)
    }

    pub fn constant(&mut self, value: u32) -> Number {
        let key = (Op::LdImm, value, Number::UNKNOWN, Number::UNKNOWN);
        match self.numbers.get(&key) {
            Some(&number) => number,
            None => {
                let number = self.fresh(Some(value));
                self.numbers.insert(key, number);
                number
            }
        }
    }

    /// The value of an operation that depends on a constant and the packet.
    pub fn leaf(&mut self, op: Op, k: u32) -> Number {
        self.number((op, k, Number::UNKNOWN, Number::UNKNOWN))
    }

    /// The value of an operation on other values.
    pub fn apply(&mut self, op: Op, k: u32, operands: &[Number]) -> Number {
        if operands.iter().any(|operand| !operand.is_known()) {
            return self.fresh(None);
        }
        let operand = |i| operands.get(i).copied().unwrap_or(Number::UNKNOWN);
        self.number((op, k, operand(0), operand(1)))
    }

    fn number(&mut self, key: Key) -> Number {
        match self.numbers.get(&key) {
            Some(&number) => number,
            None => {
                let number = self.fresh(None);
                self.numbers.insert(key, number);
                number
            }
        }
    }

    /// The constant that a number is of.
    pub fn known(&self, number: Number) -> Option<u32> {
        *self.constants.get((number.0 as usize).checked_sub(1)?)?
    }

    pub fn operand(&mut self, operand: Operand, state: &State) -> Number {
        match operand {
            Operand::K(k) => self.constant(k),
            Operand::X => state.0[super::X],
        }
    }
}
