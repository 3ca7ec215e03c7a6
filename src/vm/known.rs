//! What a proof says of operations, as far as machine code is made better by it.
//!
//! Only a program that our own verifier proved has this. Facts that rest on what constant maps hold are
//! good because [`proven`](super::proven) has held the maps against their definitions, and neither side
//! can write a constant map again.

use super::lower::Lowered;
use super::op::{self, Code, Form};
use oxbpf_isa::proof::{Facts, MapUse};

/// What is known of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    /// No path leads here.
    Unreached,
    /// The jump is always taken, or never.
    Taken(bool),
    /// The load always gives this.
    Gives(u64),
    /// The helper is called with this map.
    Uses(MapUse),
}

/// What is known of the operations of a lowered program, by operation, in order.
pub(crate) fn known(code: &Lowered, facts: &Facts) -> Box<[(u32, Known)]> {
    let of = |(at, (op, &slot)): (usize, (&op::Op, &u32))| {
        let fact = facts.insn(slot as usize);
        let known = match (op.code, op::form(op.code)) {
            _ if !fact.reached => Known::Unreached,
            (Code::CallHelper | Code::TailCall, _) => Known::Uses(fact.map?),
            (_, Form::Jump(..)) if fact.taken != fact.falls_through => Known::Taken(fact.taken),
            _ => Known::Gives(fact.loaded?),
        };
        Some((at as u32, known))
    };
    code.ops.iter().zip(&code.slots).enumerate().filter_map(of).collect()
}
