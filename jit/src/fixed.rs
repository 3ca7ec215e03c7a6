//! Loops that always make the same number of turns, so that what they cost is known beforehand.
//!
//! Such a loop is left in one place only, by a comparison of a register with a number; and the register
//! begins with a number whichever way the loop is entered. Its turns are found by going through them.

use crate::flow::{Func, effect, successors};
use crate::loops::{self, Retreat, predecessors};
use crate::program::{Meaning, Op, Src};
use oxbpf_isa::insn::{AluOp, Reg, Width};

/// What all turns of such a loop may cost together.
pub(crate) const LONGEST: i64 = 4096;

/// A loop with a number of turns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fixed {
    /// The operation that turns begin at, and the one that jumps back.
    pub head: u32,
    pub latch: u32,
    pub turns: i64,
}

/// What a turn does to the register that tells when the loop ends.
struct Turn {
    op: AluOp,
    width: Width,
    by: i64,
}

/// The loops of a function that make a number of turns, inner ones first. `inlined` says which calls are
/// no calls, `cost` what the operations from one up to another cost, but for turns of inner loops.
pub(crate) fn fixed(
    ops: &[Op],
    func: &Func,
    retreats: &[Retreat],
    inlined: &dyn Fn(u32) -> bool,
    cost: &dyn Fn(u32, u32) -> i64,
) -> Vec<Fixed> {
    let mut order: Vec<Retreat> = retreats.iter().copied().filter(|r| r.to <= r.from).collect();
    order.sort_unstable_by_key(|r| r.from);
    let preds = predecessors(ops, func);
    let mut found: Vec<Fixed> = Vec::new();
    for retreat in order {
        let alone = retreats.iter().filter(|r| r.to == retreat.to).count() == 1;
        // Only what has no loop inside: inner turns would have to be told from outer ones.
        let inner = retreats.iter().any(|r| *r != retreat && (retreat.to..retreat.from).contains(&r.from));
        if alone
            && !inner
            && let Some(turns) = turns(ops, func, &preds, retreat, inlined)
            && turns.checked_mul(cost(retreat.to, retreat.from + 1)).is_some_and(|all| all <= LONGEST)
        {
            found.push(Fixed { head: retreat.to, latch: retreat.from, turns });
        }
    }
    found
}

fn turns(
    ops: &[Op],
    func: &Func,
    preds: &[Vec<usize>],
    retreat: Retreat,
    inlined: &dyn Fn(u32) -> bool,
) -> Option<i64> {
    let head = func.block_at(retreat.to).filter(|_| retreat.to != func.entry)?;
    let latch = func.blocks.partition_point(|b| b.end <= retreat.from);
    let body = loops::body(func, preds, head, latch)?;
    let inside = |to: u32| func.block_at(to).is_some_and(|b| body.binary_search(&b).is_ok());
    // The way out: the jump back itself falls through, or one before it leaves.
    let mut ways_out = Vec::new();
    for &block in &body {
        let last = func.blocks[block].end - 1;
        let (falls, jumps) = successors(&ops[last as usize]);
        let out = falls.then_some(last + 1).into_iter().chain(jumps).filter(|&to| !inside(to));
        ways_out.extend(out.map(|to| (block, to)));
        if !falls && jumps.is_none() {
            return None;
        }
    }
    let [(test, out)] = ways_out[..] else { return None };
    let end = func.blocks[test].end - 1;
    let Op::Jump { cond, width, dst: reg, src: Src::Imm(bound), to } = ops[end as usize] else { return None };
    let stays_if = to != out;
    let mut turn = None;
    for &block in &body {
        for at in func.blocks[block].start..func.blocks[block].end {
            let op = &ops[at as usize];
            match op {
                Op::CallSub { .. } if inlined(at) => {}
                Op::CallSub { .. } | Op::CallHelper { .. } | Op::CallReg { .. } => return None,
                Op::TailCall { .. } | Op::Trap | Op::Packet { .. } | Op::MayGoto { .. } | Op::Exit => {
                    return None;
                }
                _ => {}
            }
            if effect(op).1 >> reg.number() & 1 == 0 {
                continue;
            }
            let Op::Alu { op: op @ (AluOp::Add | AluOp::Sub), width, src: Src::Imm(by), .. } = *op else {
                return None;
            };
            // Once in each turn, before the end of the turn is looked at.
            let after = loops::after(ops, func, &body, head, latch, at)?;
            if turn.replace(Turn { op, width, by }).is_some() || after.binary_search(&test).is_err() {
                return None;
            }
        }
    }
    let turn = turn?;
    let mut most = 0;
    for &pred in preds[head].iter().filter(|&&pred| pred != latch) {
        let mut value = number(ops, func, preds, pred, reg)?;
        let mut turns = 1;
        loop {
            value = turn.op.eval(turn.width, value, turn.by as u64);
            if cond.eval(width, value, bound as u64) != stays_if {
                break;
            }
            turns += 1;
            if turns > LONGEST {
                return None;
            }
        }
        most = most.max(turns);
    }
    (most > 0).then_some(most)
}

/// The number that a register holds at the end of a block, whichever way it was come to.
fn number(ops: &[Op], func: &Func, preds: &[Vec<usize>], mut block: usize, reg: Reg) -> Option<u64> {
    let entry = func.block_at(func.entry)?;
    for _ in 0..8 {
        let last = (func.blocks[block].start..func.blocks[block].end)
            .rev()
            .map(|at| &ops[at as usize])
            .find(|op| effect(op).1 >> reg.number() & 1 != 0);
        match last {
            Some(&Op::Const { value, meaning: Meaning::Number, .. }) => return Some(value),
            Some(_) => return None,
            None => {}
        }
        let [before] = preds[block][..] else { return None };
        if block == entry {
            return None;
        }
        block = before;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use crate::program::{Mode, Unit};
    use oxbpf_isa::insn::Cond;

    fn look_at(ops: &[Op]) -> Vec<i64> {
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit::plain(ops, &slots, Mode::Proven);
        let flow = Flow::of(&unit).unwrap();
        let func = &flow.funcs[0];
        let back = loops::retreats(ops, func);
        let cost = |from: u32, to: u32| i64::from(to) - i64::from(from);
        fixed(ops, func, &back, &|_| false, &cost).into_iter().map(|f| f.turns).collect()
    }

    fn number(dst: Reg, value: u64) -> Op {
        Op::Const { dst, value, meaning: Meaning::Number }
    }

    fn add(width: Width, by: i64) -> Op {
        Op::Alu { op: AluOp::Add, width, dst: Reg::R1, src: Src::Imm(by) }
    }

    fn jump(cond: Cond, width: Width, bound: i64, to: u32) -> Op {
        Op::Jump { cond, width, dst: Reg::R1, src: Src::Imm(bound), to }
    }

    #[test]
    fn turns_from_number_to_number() {
        let wide = Width::W64;
        for (from, by, cond, bound, turns) in [
            (0, 1, Cond::Lt, 10, 10),
            (0, 4, Cond::Ne, 64, 16),
            (10, -1, Cond::Ne, 0, 10),
            (10, -3, Cond::Sgt, 0, 4),
            (5, 1, Cond::Lt, 3, 1),
        ] {
            let test = jump(cond, wide, bound, 1);
            assert_eq!(look_at(&[number(Reg::R1, from), add(wide, by), test, Op::Exit]), [turns]);
            // A jump out in front of the jump back.
            let ops = [
                number(Reg::R1, from),
                add(wide, by),
                jump(cond, wide, bound, 4),
                Op::Goto { to: 5 },
                Op::Goto { to: 1 },
                Op::Exit,
            ];
            assert_eq!(look_at(&ops), [turns]);
        }
        // At 32 bits the register comes round.
        let test = jump(Cond::Ne, Width::W32, 2, 1);
        let half = add(Width::W32, 1);
        assert_eq!(look_at(&[number(Reg::R1, 0xffff_ffff), half, test, Op::Exit]), [3]);
        // Two ways in: the longer one counts.
        let ops = [
            number(Reg::R1, 7),
            Op::Jump { cond: Cond::Eq, width: wide, dst: Reg::R5, src: Src::Imm(0), to: 3 },
            number(Reg::R1, 2),
            add(wide, 1),
            jump(Cond::Lt, wide, 10, 3),
            Op::Exit,
        ];
        assert_eq!(look_at(&ops), [8]);
    }

    #[test]
    fn loops_without_a_number_of_turns() {
        let wide = Width::W64;
        let (one, test) = (add(wide, 1), jump(Cond::Ne, wide, 10, 1));
        let leave = Op::Jump { cond: Cond::Eq, width: wide, dst: Reg::R5, src: Src::Imm(0), to: 4 };
        let copied = Op::Mov { width: wide, dst: Reg::R1, src: Reg::R5 };
        for ops in [
            // It begins anywhere; it may be left elsewhere; it never comes to an end, or only after long.
            vec![copied, one, test, Op::Exit],
            vec![number(Reg::R1, 0), one, leave, test, Op::Exit],
            vec![number(Reg::R1, 1), add(wide, 2), test, Op::Exit],
            vec![number(Reg::R1, 0), one, jump(Cond::Ne, wide, 4000, 1), Op::Exit],
            // It changes twice, or the test comes first.
            vec![number(Reg::R1, 0), one, one, test, Op::Exit],
            vec![number(Reg::R1, 0), copied, one, test, Op::Exit],
        ] {
            assert_eq!(look_at(&ops), [] as [i64; 0], "{ops:?}");
        }
    }
}
