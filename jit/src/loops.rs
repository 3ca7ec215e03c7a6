//! Loops whose turns can be told from a register, so that fuel need not be counted turn by turn.
//!
//! Such a loop has one entry, one jump back and no loop or call of the host's inside, and a register that
//! each turn changes by the same number. What was spent is then known from how far the register
//! has come; the loop needs a comparison with the value at which the fuel is used up, and where the
//! program itself compares the register to something that stays the same, not even that: the loop runs
//! to whichever comes first, and only then is looked at which it was.

use crate::carried::{self, Carried};
use crate::flow::{Block, Func, effect, successors};
use crate::program::{Op, Src};
use crate::slots::Place;
use oxbpf_isa::insn::{AluOp, Cond, Reg, Width};

/// A loop that is counted by a register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Counted {
    /// Blocks by index in the function: the one all turns begin at, and all of them in order.
    pub head: usize,
    pub body: Vec<usize>,
    /// The operation that jumps back, and the one that says whether it does: the same, or the jump out of
    /// the loop before it.
    pub latch: u32,
    pub test: u32,
    /// The register, and what a turn adds to it.
    pub reg: Reg,
    pub step: Step,
    /// At how many bits it is counted and compared.
    pub width: Width,
    /// What the program compares the register to, when the loop runs as long as it is less, or as it is
    /// different.
    pub bound: Option<(Bound, Src)>,
    /// Blocks in which the register has been changed in this turn when they end.
    after: Vec<usize>,
    /// It is part of another loop.
    pub nested: bool,
}

/// What a turn adds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A power of two, up or down.
    By(i64),
    /// What is in a register that the loop does not change; only where the loop runs while the counted
    /// register is less.
    Reg(Reg),
}

/// How long a loop runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bound {
    /// While the register is less, unsigned; it grows.
    Less,
    /// While the register is different; it changes by one.
    Different,
}

impl Counted {
    /// Whether the register has been changed in this turn when a block of the loop ends.
    pub fn is_after(&self, block: usize) -> bool {
        self.after.binary_search(&block).is_ok()
    }

    /// Whether the register may come round before the loop ends, so that it no longer tells the turns, in
    /// fewer turns than anybody would wait for: steps of more than one at 32 bits, towards no bound.
    pub fn comes_round(&self) -> bool {
        self.width == Width::W32 && self.bound.is_none() && !matches!(self.step, Step::By(1 | -1))
    }

    pub fn has(&self, block: usize) -> bool {
        self.body.binary_search(&block).is_ok()
    }
}

/// A way back to an operation that control has come through, from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Retreat {
    /// The last operation of a block.
    pub from: u32,
    pub to: u32,
}

/// The ways back of a function: control never goes round without taking one.
pub(crate) fn retreats(ops: &[Op], func: &Func) -> Vec<Retreat> {
    let mut found = Vec::new();
    if !func.loops {
        return found;
    }
    let next = |block: usize| {
        let end = func.blocks[block].end;
        let (falls, jumps) = successors(&ops[end as usize - 1]);
        [falls.then_some(end), jumps]
    };
    // Which blocks were come to, and which of them are on the way from the entry to here.
    let mut seen = vec![false; func.blocks.len()];
    let mut on_way = vec![false; func.blocks.len()];
    let mut way: Vec<(usize, usize)> = func.block_at(func.entry).map(|b| (b, 0)).into_iter().collect();
    while let Some((block, nth)) = way.last_mut() {
        (seen[*block], on_way[*block]) = (true, true);
        let (here, which) = (*block, *nth);
        *nth += 1;
        if which == 2 {
            on_way[here] = false;
            way.pop();
            continue;
        }
        let Some((to, into)) = next(here)[which].and_then(|to| Some((to, func.block_at(to)?))) else {
            continue;
        };
        if on_way[into] {
            found.push(Retreat { from: func.blocks[here].end - 1, to });
        } else if !seen[into] {
            way.push((into, 0));
        }
    }
    found
}

/// The counted loops of a function. `inlined` says which calls are no calls; with places, registers that are
/// [`carried`] through them are looked for too.
pub(crate) fn counted(
    ops: &[Op],
    func: &Func,
    retreats: &[Retreat],
    inlined: &dyn Fn(u32) -> bool,
    places: Option<&[Place]>,
) -> Vec<Counted> {
    let preds = predecessors(ops, func);
    let back = |block: usize| {
        let last = func.blocks[block].end - 1;
        successors(&ops[last as usize]).1.filter(|&to| to <= last)
    };
    let mut found = Vec::new();
    for retreat in retreats {
        if retreat.to > retreat.from || retreats.iter().any(|r| r != retreat && r.to == retreat.to) {
            continue;
        }
        let latch = func.blocks.partition_point(|b| b.end <= retreat.from);
        let Some(head) = func.block_at(retreat.to) else { continue };
        let Some(body) = body(func, &preds, head, latch) else { continue };
        // No other jump goes back inside, to this head or another.
        if body.iter().any(|&b| b != latch && back(b).is_some()) {
            continue;
        }
        if let Some(mut counted) = look(ops, func, &preds, (head, latch), body, inlined, places) {
            counted.nested = retreats.iter().filter(|r| *r != retreat).any(|outer| {
                let latch = func.blocks.partition_point(|b| b.end <= outer.from);
                let outer = func.block_at(outer.to).and_then(|to| self::body(func, &preds, to, latch));
                outer.is_some_and(|blocks| blocks.binary_search(&head).is_ok())
            });
            found.push(counted);
        }
    }
    found
}

pub(crate) fn predecessors(ops: &[Op], func: &Func) -> Vec<Vec<usize>> {
    let mut preds = vec![Vec::new(); func.blocks.len()];
    for (index, block) in func.blocks.iter().enumerate() {
        let (falls, jumps) = successors(&ops[block.end as usize - 1]);
        for to in falls.then_some(block.end).into_iter().chain(jumps) {
            if let Some(to) = func.block_at(to) {
                preds[to].push(index);
            }
        }
    }
    preds
}

/// What leads to the latch without passing the head; none when the function's entry does.
pub(crate) fn body(func: &Func, preds: &[Vec<usize>], head: usize, latch: usize) -> Option<Vec<usize>> {
    let entry = func.block_at(func.entry)?;
    let mut body = vec![head];
    let mut todo = vec![latch];
    while let Some(block) = todo.pop() {
        if body.contains(&block) {
            continue;
        }
        if block == entry || body.len() > 64 {
            return None;
        }
        body.push(block);
        todo.extend(&preds[block]);
    }
    body.sort_unstable();
    Some(body)
}

fn look(
    ops: &[Op],
    func: &Func,
    preds: &[Vec<usize>],
    (head, latch): (usize, usize),
    body: Vec<usize>,
    inlined: &dyn Fn(u32) -> bool,
    places: Option<&[Place]>,
) -> Option<Counted> {
    let mut writes = [0u32; 10];
    let mut updates = Vec::new();
    for &block in &body {
        let block = func.blocks[block];
        for at in block.start..block.end {
            let op = &ops[at as usize];
            match op {
                Op::CallSub { .. } if inlined(at) => {}
                Op::CallSub { .. }
                | Op::CallHelper { .. }
                | Op::CallReg { .. }
                | Op::TailCall { .. }
                | Op::Trap
                | Op::Packet { .. }
                | Op::MayGoto { .. } => return None,
                _ => {}
            }
            for (number, count) in writes.iter_mut().enumerate() {
                *count += u32::from(effect(op).1 >> number & 1);
            }
            if let Some((reg, step, width)) = step(op) {
                updates.push((reg, step, width, at));
            }
        }
    }
    let last = func.blocks[latch].end - 1;
    let stays = |src: Src| match src {
        Src::Imm(_) => true,
        Src::Reg(other) => writes.get(other.index()).is_none_or(|&n| n == 0),
    };
    // A jump back may stand alone behind one that leaves the loop.
    let before = [last.wrapping_sub(1)].into_iter().find(|&at| {
        let alone = func.blocks[latch].start == last && matches!(ops[last as usize], Op::Goto { .. });
        let [pred] = preds[latch][..] else { return false };
        let leaves = matches!(ops.get(at as usize), Some(Op::Jump { to, .. })
            if func.block_at(*to).is_none_or(|b| body.binary_search(&b).is_err()));
        alone && func.blocks[pred].end == last && leaves
    });
    let test = before.unwrap_or(last);
    let bound_of = |reg: Reg, step: Step, at: Width| {
        let Op::Jump { cond, width, dst, src, .. } = ops[test as usize] else { return None };
        let cond = if before.is_some() { inverse(cond)? } else { cond };
        match (cond, step) {
            _ if dst != reg || !stays(src) || width != at => None,
            (Cond::Lt, Step::By(1..) | Step::Reg(_)) => Some((Bound::Less, src)),
            (Cond::Ne, Step::By(1 | -1)) => Some((Bound::Different, src)),
            _ => None,
        }
    };
    let mut best: Option<Counted> = None;
    for (reg, step, width, update) in updates {
        if writes[reg.index()] != 1 {
            continue;
        }
        let Some(after) = after(ops, func, &body, head, latch, update) else { continue };
        let bound = bound_of(reg, step, width);
        if let Step::Reg(by) = step
            && (bound.is_none() || !stays(Src::Reg(by)))
        {
            continue;
        }
        if best.as_ref().is_none_or(|b| b.bound.is_none() && bound.is_some()) {
            let test = if bound.is_some() { test } else { last };
            let (body, latch, nested) = (body.clone(), last, false);
            best = Some(Counted { head, body, latch, test, reg, step, width, bound, after, nested });
        }
    }
    if best.is_some() {
        return best;
    }
    let carried = carried::carried(ops, func, (head, latch), &body, places?);
    let Carried { reg, step, after } = carried.into_iter().find(|c| is_told(c.step))?;
    let (step, width, latch) = (Step::By(step), Width::W64, last);
    let (test, bound, nested) = (last, None, false);
    Some(Counted { head, body, latch, test, reg, step, width, bound, after, nested })
}

/// The condition that holds when another does not.
fn inverse(cond: Cond) -> Option<Cond> {
    match cond {
        Cond::Eq => Some(Cond::Ne),
        Cond::Ge => Some(Cond::Lt),
        _ => None,
    }
}

/// A register, and what an operation adds to it, so that turns can be told by shifting or dividing.
fn step(op: &Op) -> Option<(Reg, Step, Width)> {
    let (reg, step, width) = match *op {
        Op::Alu { op: AluOp::Add, width: Width::W64, dst, src: Src::Reg(by) } if by != dst => {
            return Some((dst, Step::Reg(by), Width::W64));
        }
        Op::Alu { op: AluOp::Add, width, dst, src: Src::Imm(imm) } => (dst, imm, width),
        Op::Alu { op: AluOp::Sub, width, dst, src: Src::Imm(imm) } => (dst, imm.checked_neg()?, width),
        _ => return None,
    };
    let step = if width == Width::W32 { i64::from(step as i32) } else { step };
    is_told(step).then_some((reg, Step::By(step), width))
}

/// Whether turns with such a step can be told by shifting.
fn is_told(step: i64) -> bool {
    step.unsigned_abs().is_power_of_two() && step.unsigned_abs() <= 1 << 20
}

/// The blocks at whose end an operation has been executed in each turn; none when it is not executed in
/// every turn, or when some block may be reached with and without.
pub(crate) fn after(
    ops: &[Op],
    func: &Func,
    body: &[usize],
    head: usize,
    latch: usize,
    update: u32,
) -> Option<Vec<usize>> {
    // Inside the loop control only goes forwards, but for the jump back; so one walk in order will do.
    let mut at_start: Vec<Option<bool>> = vec![None; body.len()];
    let index = |block: usize| body.binary_search(&block).ok();
    at_start[index(head)?] = Some(false);
    let mut after = Vec::new();
    // The head may stand behind blocks that are only reached from it by jumps forwards; begin with it.
    let order = body.iter().filter(|&&b| b >= head).copied();
    if body.iter().any(|&b| b < head) {
        return None;
    }
    for block in order {
        let Block { start, end } = func.blocks[block];
        let executed = at_start[index(block)?]? || (start..end).contains(&update);
        if executed {
            after.push(block);
        }
        if block == latch {
            continue;
        }
        let (falls, jumps) = successors(&ops[end as usize - 1]);
        for to in falls.then_some(end).into_iter().chain(jumps) {
            let Some(to) = func.block_at(to).and_then(index) else { continue };
            match at_start[to] {
                None => at_start[to] = Some(executed),
                Some(before) if before == executed => {}
                Some(_) => return None,
            }
        }
    }
    after.contains(&latch).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use crate::program::{Mode, Unit};

    fn look_at(ops: &[Op]) -> (Vec<Retreat>, Vec<Counted>) {
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit::plain(ops, &slots, Mode::Proven);
        let flow = Flow::of(&unit).unwrap();
        let back = retreats(ops, &flow.funcs[0]);
        let loops = counted(ops, &flow.funcs[0], &back, &|_| false, None);
        (back, loops)
    }

    fn add(width: Width, dst: Reg, src: Src) -> Op {
        Op::Alu { op: AluOp::Add, width, dst, src }
    }

    fn jump(cond: Cond, dst: Reg, src: Src, to: u32) -> Op {
        Op::Jump { cond, width: Width::W64, dst, src, to }
    }

    const R2: Src = Src::Reg(Reg::R2);

    #[test]
    fn loops_that_a_register_tells_the_turns_of() {
        let up = add(Width::W64, Reg::R3, Src::Imm(1));
        let (back, loops) = look_at(&[Op::Nop, up, jump(Cond::Lt, Reg::R3, R2, 1), Op::Exit]);
        assert_eq!(back, [Retreat { from: 2, to: 1 }]);
        assert_eq!((loops[0].reg, loops[0].step), (Reg::R3, Step::By(1)));
        assert_eq!(loops[0].bound, Some((Bound::Less, R2)));
        // Compilers leave by a jump out in front of the jump back.
        let out = jump(Cond::Eq, Reg::R3, Src::Imm(9), 4);
        let (_, loops) = look_at(&[Op::Nop, up, out, Op::Goto { to: 1 }, Op::Exit]);
        assert_eq!((loops[0].test, loops[0].latch), (2, 3));
        assert_eq!(loops[0].bound, Some((Bound::Different, Src::Imm(9))));
        // A step from a register is good only towards a bound.
        let by = add(Width::W64, Reg::R3, Src::Reg(Reg::R4));
        let (_, loops) = look_at(&[Op::Nop, by, jump(Cond::Lt, Reg::R3, R2, 1), Op::Exit]);
        assert_eq!(loops[0].step, Step::Reg(Reg::R4));
        let (_, loops) = look_at(&[Op::Nop, by, jump(Cond::Ne, Reg::R3, R2, 1), Op::Exit]);
        assert!(loops.is_empty());
    }

    #[test]
    fn loops_that_no_register_tells_the_turns_of() {
        let up = add(Width::W64, Reg::R3, Src::Imm(1));
        let less = jump(Cond::Lt, Reg::R3, R2, 1);
        // By what cannot be told by shifting, or not in every turn, or something that calls.
        let maybe = jump(Cond::Eq, Reg::R5, Src::Imm(0), 3);
        let call = Op::CallHelper { index: 0, args: 0, plain: false };
        for ops in [
            vec![Op::Nop, up, up, up, less, Op::Exit],
            vec![Op::Nop, maybe, up, less, Op::Exit],
            vec![Op::Nop, call, up, less, Op::Exit],
        ] {
            assert_eq!(look_at(&ops).1, [], "{ops:?}");
        }
        // The bound changes: the register still tells the turns, but is no bound.
        let moves = add(Width::W64, Reg::R2, Src::Imm(3));
        let (_, loops) = look_at(&[Op::Nop, moves, up, less, Op::Exit]);
        assert_eq!((loops[0].reg, loops[0].bound), (Reg::R3, None));
        // At 32 bits compared at 64.
        let half = add(Width::W32, Reg::R3, Src::Imm(1));
        let (_, loops) = look_at(&[Op::Nop, half, less, Op::Exit]);
        assert_eq!(loops[0].bound, None);
    }

    #[test]
    fn a_jump_backwards_is_no_way_back_by_itself() {
        // 0: goto 3; 1: exit; 2: nop (from 3); 3: if … goto 1; 4: goto 2, which leads to 3 again.
        let ops = [
            Op::Goto { to: 3 },
            Op::Exit,
            Op::Nop,
            jump(Cond::Eq, Reg::R1, Src::Imm(0), 1),
            Op::Goto { to: 2 },
        ];
        assert_eq!(look_at(&ops).0, [Retreat { from: 2, to: 3 }]);
    }
}
