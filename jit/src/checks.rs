//! Which accesses of a function that nobody proved are held together, and what is kept at hand for it.
//!
//! Accesses of one block relative to one value of a register lie in one region whenever the lowest and
//! the highest byte do, so they are held once, before the first; where that fails, a copy of the rest of
//! the block holds each by itself, and traps where the interpreter does. Inside loops the remembered
//! regions are kept in registers, in functions that call nothing which could end a region.

use crate::flow::{Func, Regs, bit, effect};
use crate::loops::Retreat;
use crate::program::Op;
use crate::slots::in_frame;
use oxbpf_isa::insn::{Reg, Size};
use std::collections::{BTreeMap, BTreeSet};

/// Operations of a copy at most, and copies of one block.
const LONGEST: usize = 160;
const COPIES: usize = 2;

/// Bytes that are held together at most.
const WIDEST: i64 = 4096;

/// Accesses that are held together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    pub base: Reg,
    pub write: bool,
    /// The lowest offset, and how many bytes there are to the highest.
    pub low: i32,
    pub width: u32,
}

/// What a check compares with: of a class of pointers, for reading or writing, so many bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub class: usize,
    pub write: bool,
    pub width: u32,
}

/// How the accesses of a function are held.
#[derive(Default, Debug)]
pub(crate) struct Checks {
    /// By the operation before which the group is held.
    pub groups: BTreeMap<u32, Group>,
    /// Accesses that belong to a group.
    covered: BTreeSet<u32>,
    /// What is kept in registers.
    pub kept: BTreeSet<Key>,
}

/// An access that is held: its base, offset, size and whether it writes.
fn access(op: &Op) -> Option<(Reg, i32, Size, bool)> {
    match *op {
        Op::Load { size, base, off, .. } if !in_frame(base, off, size) => Some((base, off, size, false)),
        Op::Store { size, base, off, .. } if !in_frame(base, off, size) => Some((base, off, size, true)),
        _ => None,
    }
}

/// The class of pointers that a base register stands for.
pub(crate) fn class(base: Reg) -> usize {
    base.index() % crate::abi::CLASSES
}

impl Checks {
    /// The checks of a function. `calls` says which calls are of functions that are not put here.
    pub fn plan(ops: &[Op], func: &Func, retreats: &[Retreat], calls: &dyn Fn(u32) -> bool) -> Checks {
        let mut checks = Checks::default();
        let leaves = |at: u32, op: &Op| match op {
            Op::CallSub { .. } => calls(at),
            _ => matches!(op, Op::CallHelper { .. } | Op::CallReg { .. } | Op::TailCall),
        };
        let keeps = !func.ops(ops).any(|(at, op)| leaves(at, op));
        for block in &func.blocks {
            checks.group(ops, block.start, block.end);
            let in_loop = retreats.iter().any(|r| r.to <= block.start && block.end <= r.from + 1);
            if !keeps || !in_loop {
                continue;
            }
            for at in block.start..block.end {
                let key = match (checks.groups.get(&at), access(&ops[at as usize])) {
                    (Some(g), _) => Key { class: class(g.base), write: g.write, width: g.width },
                    (None, Some((base, _, size, write))) if !checks.covered.contains(&at) => {
                        Key { class: class(base), write, width: size.bytes() }
                    }
                    _ => continue,
                };
                checks.kept.insert(key);
            }
        }
        checks
    }

    /// Whether an access is held with others.
    pub fn is_covered(&self, at: u32) -> bool {
        self.covered.contains(&at)
    }

    fn group(&mut self, ops: &[Op], start: u32, end: u32) {
        let mut copies = 0;
        let mut at = start;
        while at < end && copies < COPIES {
            let here = at;
            at += 1;
            let Some((base, off, size, write)) = access(&ops[here as usize]) else { continue };
            // Copies would copy what is called.
            let rest = &ops[here as usize..end as usize];
            let calls = rest.iter().any(|op| matches!(op, Op::CallSub { .. }));
            if self.covered.contains(&here) || rest.len() > LONGEST || calls {
                continue;
            }
            let (mut low, mut high) = (i64::from(off), i64::from(off) + size.bytes() as i64);
            let mut members = vec![here];
            let mut written: Regs = effect(&ops[here as usize]).1;
            for next in here + 1..end {
                let op = &ops[next as usize];
                // What is called may end regions.
                let leaves = matches!(op, Op::CallHelper { .. } | Op::CallReg { .. } | Op::TailCall);
                if leaves || written & bit(base) != 0 {
                    break;
                }
                if let Some((b, off, size, w)) = access(op)
                    && (b, w) == (base, write)
                {
                    let (from, to) = (i64::from(off), i64::from(off) + size.bytes() as i64);
                    if high.max(to) - low.min(from) <= WIDEST {
                        (low, high) = (low.min(from), high.max(to));
                        members.push(next);
                    }
                }
                written |= effect(op).1;
            }
            if members.len() > 1 {
                copies += 1;
                self.covered.extend(members);
                let group = Group { base, write, low: low as i32, width: (high - low) as u32 };
                self.groups.insert(here, group);
            }
        }
    }
}
