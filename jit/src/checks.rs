//! Which accesses of a function that nobody proved are held together, and what is kept at hand for it.
//!
//! Accesses of one block relative to one value of a register lie in one region whenever the lowest and
//! the highest byte do, so they are held once, before the first. Where that fails for loads with nothing
//! between them that could be seen from outside, the host does them all at once, and leaves what they give
//! where they then load it from. For other accesses, if they are in a loop, a copy of what stands there up to
//! the last asks the host for each, and traps where the interpreter does. Inside the innermost loops the remembered
//! regions are kept in registers, in functions that call nothing which could end a region.

use crate::abi::{FEW, GATHERED};
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
    pub last: u32,
    /// Whether the host may do all loads through the base up to the last at once.
    pub gathers: bool,
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
    /// The innermost loops, and what each keeps in registers; in order.
    pub kept: Vec<Keeping>,
}

/// A loop that keeps regions in registers: the operations from the one that it is entered at to the last way
/// back.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Keeping {
    pub head: u32,
    last: u32,
    pub keys: BTreeSet<Key>,
}

/// The accesses of a function that are held.
type Accesses<'a> = dyn Fn(u32) -> Option<(Reg, i32, Size, bool)> + 'a;

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
    /// The checks of a function, without accesses that are good, which are told in order. `calls` says which
    /// calls are of functions that are not put here.
    pub fn plan(
        ops: &[Op],
        func: &Func,
        retreats: &[Retreat],
        good: &[u32],
        calls: &dyn Fn(u32) -> bool,
    ) -> Checks {
        let mut checks = Checks::default();
        let access = |at: u32| access(&ops[at as usize]).filter(|_| good.binary_search(&at).is_err());
        let leaves = |at: u32, op: &Op| match op {
            Op::CallSub { .. } => calls(at),
            _ => matches!(op, Op::CallHelper { .. } | Op::CallReg { .. } | Op::TailCall { .. }),
        };
        if !func.ops(ops).any(|(at, op)| leaves(at, op)) {
            checks.kept = innermost(retreats);
        }
        for block in &func.blocks {
            checks.gather(ops, &access, block.start, block.end);
            // Copies are not worth compiling for functions that run through once.
            if !retreats.is_empty() {
                checks.group(ops, &access, block.start, block.end);
            }
            let Some(keeping) = checks.kept.iter_mut().find(|k| k.has(block.start)) else { continue };
            for at in block.start..block.end {
                let key = match (checks.groups.get(&at), access(at)) {
                    (Some(g), _) => Key { class: class(g.base), write: g.write, width: g.width },
                    (None, Some((base, _, size, write))) if !checks.covered.contains(&at) => {
                        Key { class: class(base), write, width: size.bytes() }
                    }
                    _ => continue,
                };
                keeping.keys.insert(key);
            }
        }
        checks
    }

    /// Whether an access is held with others.
    pub fn is_covered(&self, at: u32) -> bool {
        self.covered.contains(&at)
    }

    /// What the innermost loop around an operation keeps.
    pub fn keeping(&self, at: u32) -> Option<&Keeping> {
        self.kept.iter().find(|k| k.has(at))
    }

    /// The last operation of a copy that begins with a group: what is held together with something in it is in it
    /// as a whole, since nothing is held together there.
    pub fn end_of_copy(&self, at: u32) -> u32 {
        let ends = |last: u32, group: &Group| last.max(group.last);
        let mut last = at;
        loop {
            let more = self.groups.range(at..=last).map(|(_, group)| group).fold(last, ends);
            if more == last {
                return last;
            }
            last = more;
        }
    }

    /// Finds loads that the host may do at once.
    fn gather(&mut self, ops: &[Op], access: &Accesses<'_>, start: u32, end: u32) {
        let mut at = start;
        while at < end {
            let here = at;
            at += 1;
            let Some((base, _, _, false)) = access(here) else { continue };
            let (mut low, mut high) = (i64::MAX, i64::MIN);
            let mut members = Vec::new();
            for next in here..end.min(here + FEW) {
                let op = &ops[next as usize];
                match *op {
                    // Some words of contexts are wider than what is loaded.
                    Op::Load { base: b, size, off, .. } if b == base => {
                        let (from, to) =
                            (low.min(off.into()), high.max(i64::from(off) + size.bytes() as i64));
                        if size == Size::W || base == Reg::FP || to - from > GATHERED as i64 {
                            break;
                        }
                        (low, high) = (from, to);
                        members.push(next);
                    }
                    // It may trap.
                    Op::Load { .. } if access(next).is_some() => break,
                    Op::Load { .. } | Op::Const { .. } | Op::Mov { .. } | Op::MovSx { .. } | Op::Nop => {}
                    Op::Alu { .. } | Op::Neg { .. } | Op::Swap { .. } | Op::Truncate { .. } => {}
                    _ => break,
                }
                if effect(op).1 & bit(base) != 0 {
                    break;
                }
            }
            if let [_, .., last] = members[..] {
                let (low, width) = (low as i32, (high - low) as u32);
                self.groups.insert(here, Group { base, write: false, low, width, last, gathers: true });
                self.covered.extend(members);
                at = last + 1;
            }
        }
    }

    fn group(&mut self, ops: &[Op], access: &Accesses<'_>, start: u32, end: u32) {
        let mut copies = 0;
        let mut at = start;
        while at < end && copies < COPIES {
            let here = at;
            at += 1;
            let Some((base, off, size, write)) = access(here) else { continue };
            let rest = &ops[here as usize..end as usize];
            // Copies would copy what is called.
            let calls = |op: &Op| matches!(op, Op::CallSub { .. });
            if self.covered.contains(&here) || rest.len() > LONGEST || rest.iter().any(calls) {
                continue;
            }
            let (mut low, mut high) = (i64::from(off), i64::from(off) + size.bytes() as i64);
            let mut members = vec![here];
            let mut written: Regs = effect(&ops[here as usize]).1;
            for next in here + 1..end {
                let op = &ops[next as usize];
                // What is called may end regions.
                let leaves = matches!(op, Op::CallHelper { .. } | Op::CallReg { .. } | Op::TailCall { .. });
                if leaves || written & bit(base) != 0 {
                    break;
                }
                if let Some((b, off, size, w)) = access(next)
                    && (b, w) == (base, write)
                    && !self.covered.contains(&next)
                {
                    let (from, to) = (i64::from(off), i64::from(off) + size.bytes() as i64);
                    if high.max(to) - low.min(from) <= WIDEST {
                        (low, high) = (low.min(from), high.max(to));
                        members.push(next);
                    }
                }
                written |= effect(op).1;
            }
            if let [_, .., last] = members[..] {
                copies += 1;
                self.covered.extend(members);
                let (low, width) = (low as i32, (high - low) as u32);
                let group = Group { base, write, low, width, last, gathers: false };
                self.groups.insert(here, group);
            }
        }
    }
}

impl Keeping {
    fn has(&self, at: u32) -> bool {
        (self.head..=self.last).contains(&at)
    }
}

/// The loops that no other begins in, in order.
fn innermost(retreats: &[Retreat]) -> Vec<Keeping> {
    let mut loops: BTreeMap<u32, u32> = BTreeMap::new();
    for r in retreats.iter().filter(|r| r.to <= r.from) {
        let last = loops.entry(r.to).or_default();
        *last = r.from.max(*last);
    }
    let inner = loops.iter().filter(|&(&head, &last)| loops.range(head..=last).count() == 1);
    inner.map(|(&head, &last)| Keeping { head, last, keys: BTreeSet::new() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use crate::program::{Mode, Src, Unit};
    use oxbpf_isa::insn::{Cond, Width};

    fn plan(body: &[Op]) -> Checks {
        let mut ops = body.to_vec();
        let src = Src::Imm(0);
        ops.push(Op::Jump { cond: Cond::Ne, width: Width::W64, dst: Reg::R9, src, to: 0 });
        ops.push(Op::Exit);
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit::plain(&ops, &slots, Mode::Checked);
        let flow = Flow::of(&unit).unwrap();
        let back = crate::loops::retreats(&ops, &flow.funcs[0]);
        Checks::plan(&ops, &flow.funcs[0], &back, &[], &|_| true)
    }

    fn load(dst: Reg, base: Reg, off: i32) -> Op {
        Op::Load { size: Size::B, signed: false, dst, base, off }
    }

    #[test]
    fn accesses_relative_to_one_value_are_one_group() {
        let checks =
            plan(&[load(Reg::R3, Reg::R1, 4), load(Reg::R4, Reg::R1, -2), load(Reg::R5, Reg::R2, 0)]);
        let group = Group { base: Reg::R1, write: false, low: -2, width: 7, last: 1, gathers: true };
        assert_eq!(checks.groups, BTreeMap::from([(0, group)]));
        assert_eq!([0, 1, 2].map(|at| checks.is_covered(at)), [true, true, false]);
        let kept: Vec<(usize, u32)> = checks.kept[0].keys.iter().map(|k| (k.class, k.width)).collect();
        assert_eq!(kept, [(1, 7), (2, 1)]);
    }

    #[test]
    fn a_group_ends_where_its_base_changes_or_regions_may_end() {
        let call = Op::CallHelper { index: 0, args: 0, plain: false };
        assert!(plan(&[load(Reg::R1, Reg::R1, 0), load(Reg::R3, Reg::R1, 1)]).groups.is_empty());
        let checks = plan(&[load(Reg::R3, Reg::R1, 0), call, load(Reg::R4, Reg::R1, 1)]);
        assert!(checks.groups.is_empty() && checks.kept.is_empty());
        assert!(plan(&[load(Reg::R3, Reg::R1, 0), load(Reg::R4, Reg::R1, 5000)]).groups.is_empty());
        // A store is held against regions that may be written.
        let store = Op::Store { size: Size::B, base: Reg::R1, off: 1, src: Src::Imm(0) };
        assert!(plan(&[load(Reg::R3, Reg::R1, 0), store]).groups.is_empty());
    }

    #[test]
    fn a_copy_ends_where_nothing_is_held_halfway() {
        let store = |base, off| Op::Store { size: Size::B, base, off, src: Src::Imm(0) };
        let [a, b] = [Reg::R1, Reg::R2];
        let checks = plan(&[store(a, 0), store(b, 0), store(a, 9), Op::Nop, store(b, 9), Op::Nop]);
        assert_eq!([0, 1].map(|at| checks.groups[&at].last), [2, 4]);
        assert_eq!([0, 1].map(|at| checks.end_of_copy(at)), [4, 4]);
        let checks = plan(&[store(a, 0), store(a, 9), store(b, 0), store(b, 9)]);
        assert_eq!([0, 2].map(|at| checks.end_of_copy(at)), [1, 3]);
    }

    #[test]
    fn only_innermost_loops_keep_regions() {
        let back = |from, to| Retreat { from, to };
        let spans =
            |ways: &[Retreat]| -> Vec<_> { innermost(ways).iter().map(|k| (k.head, k.last)).collect() };
        assert_eq!(spans(&[back(9, 0), back(4, 2), back(6, 2), back(8, 8)]), [(2, 6), (8, 8)]);
        assert_eq!(spans(&[back(5, 5), back(9, 6)]), [(5, 5), (6, 9)]);
        // A way back to what stands behind.
        assert_eq!(spans(&[back(3, 7)]), []);
    }
}
