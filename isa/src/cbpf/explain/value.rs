//! What a register holds, as a formula over the packet; and what is known of formulas on a path.

use super::super::insn::{Alu, Cond, Insn, Operand, Size};
use super::super::live::{A, PLACES, X};
use super::super::{Ancillary, Dialect};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// A formula. Loads are those of the packet, which does not change while a filter runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Const(u32),
    Len,
    Load {
        size: Size,
        base: Option<Rc<Value>>,
        k: u32,
    },
    Ancillary(Ancillary),
    /// Four times the low half of the byte at `k`: the length of an IPv4 header there.
    HeaderLen(u32),
    Op(Alu, Rc<Value>, Rc<Value>),
    Neg(Rc<Value>),
    /// Too long to be told, or different from path to path.
    Something,
}

/// Formulas are not followed past this many operations.
const DEEPEST: usize = 12;

impl Value {
    fn depth(&self) -> usize {
        match self {
            Self::Op(_, a, b) => 1 + a.depth().max(b.depth()),
            Self::Neg(a) => 1 + a.depth(),
            Self::Load { base: Some(base), .. } => 1 + base.depth(),
            _ => 0,
        }
    }

    fn op(op: Alu, a: &Self, b: &Self, wide: bool) -> Self {
        match (op, a, b) {
            (_, Self::Const(a), Self::Const(b)) => op.eval(*a, *b, wide).map_or(Self::Something, Self::Const),
            (_, Self::Something, _) | (_, _, Self::Something) => Self::Something,
            (Alu::Add | Alu::Sub | Alu::Or | Alu::Xor | Alu::Lsh | Alu::Rsh, a, Self::Const(0)) => a.clone(),
            (Alu::Add | Alu::Or | Alu::Xor, Self::Const(0), b) => b.clone(),
            (Alu::Lsh, Self::Op(Alu::And, byte, mask), Self::Const(2))
            | (Alu::Mul, Self::Op(Alu::And, byte, mask), Self::Const(4)) => match (&**byte, &**mask) {
                (Self::Load { size: Size::B, base: None, k }, Self::Const(0xf)) => Self::HeaderLen(*k),
                _ => Self::bounded(op, a, b),
            },
            _ => Self::bounded(op, a, b),
        }
    }

    fn bounded(op: Alu, a: &Self, b: &Self) -> Self {
        let value = Self::Op(op, Rc::new(a.clone()), Rc::new(b.clone()));
        if value.depth() > DEEPEST { Self::Something } else { value }
    }
}

/// What all registers and scratch words hold, and what the path has found out.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct State {
    places: Box<[Value; PLACES]>,
    facts: Vec<Fact>,
}

/// The outcome of a comparison with a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    value: Value,
    cond: Cond,
    k: u32,
    holds: bool,
}

impl State {
    pub(super) fn start() -> Self {
        Self { places: Box::new(core::array::from_fn(|_| Value::Const(0))), facts: Vec::new() }
    }

    pub(super) fn a(&self) -> &Value {
        &self.places[A]
    }

    pub(super) fn operand(&self, operand: Operand) -> Value {
        match operand {
            Operand::K(k) => Value::Const(k),
            Operand::X => self.places[X].clone(),
        }
    }

    /// Forgets what nobody reads.
    pub(super) fn forget(&mut self, live: u32) {
        for (place, value) in self.places.iter_mut().enumerate() {
            if live >> place & 1 == 0 {
                *value = Value::Const(0);
            }
        }
    }

    /// An instruction that neither branches nor returns.
    pub(super) fn step(&mut self, insn: Insn, dialect: Dialect) {
        let wide = dialect == Dialect::Pcap;
        let places = &mut self.places;
        let load = |size, base, k| Value::Load { size, base, k };
        match insn {
            Insn::LoadAbs { size, k } => {
                places[A] = match Ancillary::from_offset(k) {
                    Some(Ancillary::XorX) if !wide => Value::op(Alu::Xor, &places[A], &places[X], wide),
                    Some(which) if !wide => Value::Ancillary(which),
                    _ => load(size, None, k),
                }
            }
            Insn::LoadInd { size, k } => {
                places[A] = match &places[X] {
                    Value::Const(x) => load(size, None, x.wrapping_add(k)),
                    x => load(size, Some(Rc::new(x.clone())), k),
                }
            }
            Insn::LoadImm(k) => places[A] = Value::Const(k),
            Insn::LoadXImm(k) => places[X] = Value::Const(k),
            Insn::LoadLen | Insn::LoadXLen => {
                let len = if dialect == Dialect::Seccomp { Value::Const(64) } else { Value::Len };
                places[if matches!(insn, Insn::LoadLen) { A } else { X }] = len;
            }
            Insn::LoadMem(k) => places[A] = places[k as usize].clone(),
            Insn::LoadXMem(k) => places[X] = places[k as usize].clone(),
            Insn::LoadXMsh(k) => places[X] = Value::HeaderLen(k),
            Insn::Store(k) => places[k as usize] = places[A].clone(),
            Insn::StoreX(k) => places[k as usize] = places[X].clone(),
            Insn::Tax => places[X] = places[A].clone(),
            Insn::Txa => places[A] = places[X].clone(),
            Insn::Neg => {
                places[A] = match &places[A] {
                    Value::Const(a) => Value::Const(a.wrapping_neg()),
                    a if a.depth() >= DEEPEST => Value::Something,
                    a => Value::Neg(Rc::new(a.clone())),
                }
            }
            Insn::Alu { op, by } => {
                let by = match by {
                    Operand::K(k) => Value::Const(k),
                    Operand::X => places[X].clone(),
                };
                places[A] = Value::op(op, &places[A], &by, wide);
            }
            Insn::Jump(_) | Insn::Branch { .. } | Insn::RetK(_) | Insn::RetA | Insn::RetX => {}
        }
    }

    /// Whether a comparison of `A` must come out one way, by what the path knows.
    pub(super) fn decided(&self, cond: Cond, with: &Value) -> Option<bool> {
        let Value::Const(k) = *with else { return None };
        if let Value::Const(a) = *self.a() {
            return Some(cond.holds(a, k));
        }
        if let Some(known) = self.known(self.a()) {
            return Some(cond.holds(known, k));
        }
        let same = |fact: &&Fact| fact.value == *self.a();
        let told = self.facts.iter().filter(same).find(|fact| (fact.cond, fact.k) == (cond, k));
        told.map(|fact| fact.holds)
    }

    /// The one value that the path leaves a formula.
    pub(super) fn known(&self, value: &Value) -> Option<u32> {
        let fact = |fact: &&Fact| fact.value == *value && fact.cond == Cond::Eq && fact.holds;
        self.facts.iter().find(fact).map(|fact| fact.k)
    }

    /// Remembers how a comparison of `A` came out.
    pub(super) fn learn(&mut self, cond: Cond, with: &Value, holds: bool) {
        /// More than any filter made by hand or by a compiler asks on one path to a decision.
        const MOST: usize = 256;
        if let Value::Const(k) = *with
            && self.facts.len() < MOST
        {
            let value = self.a().clone();
            self.facts.push(Fact { value, cond, k, holds });
        }
    }
}
