//! Loops whose turns can be told from a register, so that fuel need not be counted turn by turn.
//!
//! Such a loop has one entry, one jump back and no loop or call of the host's inside, and a register that
//! each turn changes once, by the same number. What was spent is then known from how far the register
//! has come; the loop needs a comparison with the value at which the fuel is used up, and where the
//! program itself compares the register to something that stays the same, not even that: the loop runs
//! to whichever comes first, and only then is looked at which it was.

use crate::flow::{Block, Func, effect, successors};
use crate::program::{Op, Src};
use oxbpf_isa::insn::{AluOp, Cond, Reg, Width};

/// A loop that is counted by a register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Counted {
    /// Blocks by index in the function: the one all turns begin at, and all of them in order.
    pub head: usize,
    pub body: Vec<usize>,
    /// The operation that jumps back.
    pub latch: u32,
    /// The register, what a turn adds to it, and the operation that does.
    pub reg: Reg,
    pub step: Step,
    /// What the program compares the register to, when the loop runs as long as it is less, or as it is
    /// different; both at 64 bits.
    pub bound: Option<(Bound, Src)>,
    /// Blocks in which the register has been changed in this turn when they end.
    after: Vec<usize>,
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

/// The counted loops of a function. `inlined` says which calls are no calls.
pub(crate) fn counted(
    ops: &[Op],
    func: &Func,
    retreats: &[Retreat],
    inlined: &dyn Fn(u32) -> bool,
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
        if let Some(counted) = look(ops, func, head, latch, body, inlined) {
            found.push(counted);
        }
    }
    found
}

fn predecessors(ops: &[Op], func: &Func) -> Vec<Vec<usize>> {
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
fn body(func: &Func, preds: &[Vec<usize>], head: usize, latch: usize) -> Option<Vec<usize>> {
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
    head: usize,
    latch: usize,
    body: Vec<usize>,
    inlined: &dyn Fn(u32) -> bool,
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
                | Op::TailCall
                | Op::Trap
                | Op::Packet { .. }
                | Op::MayGoto { .. } => return None,
                _ => {}
            }
            for (number, count) in writes.iter_mut().enumerate() {
                *count += u32::from(effect(op).1 >> number & 1);
            }
            if let Some((reg, step)) = step(op) {
                updates.push((reg, step, at));
            }
        }
    }
    let last = func.blocks[latch].end - 1;
    let stays = |src: Src| match src {
        Src::Imm(_) => true,
        Src::Reg(other) => writes.get(other.index()).is_none_or(|&n| n == 0),
    };
    let bound_of = |reg: Reg, step: Step| {
        let Op::Jump { cond, width: Width::W64, dst, src, .. } = ops[last as usize] else { return None };
        match (cond, step) {
            _ if dst != reg || !stays(src) => None,
            (Cond::Lt, Step::By(1..) | Step::Reg(_)) => Some((Bound::Less, src)),
            (Cond::Ne, Step::By(1 | -1)) => Some((Bound::Different, src)),
            _ => None,
        }
    };
    let mut best: Option<Counted> = None;
    for (reg, step, update) in updates {
        if writes[reg.index()] != 1 {
            continue;
        }
        let Some(after) = after(ops, func, &body, head, latch, update) else { continue };
        let bound = bound_of(reg, step);
        if let Step::Reg(by) = step
            && (bound.is_none() || !stays(Src::Reg(by)))
        {
            continue;
        }
        if best.as_ref().is_none_or(|b| b.bound.is_none() && bound.is_some()) {
            best = Some(Counted { head, body: body.clone(), latch: last, reg, step, bound, after });
        }
    }
    best
}

/// A register, and what an operation adds to it, so that turns can be told by shifting or dividing.
fn step(op: &Op) -> Option<(Reg, Step)> {
    let (reg, step) = match *op {
        Op::Alu { op: AluOp::Add, width: Width::W64, dst, src: Src::Imm(imm) } => (dst, imm),
        Op::Alu { op: AluOp::Sub, width: Width::W64, dst, src: Src::Imm(imm) } => (dst, imm.checked_neg()?),
        Op::Alu { op: AluOp::Add, width: Width::W64, dst, src: Src::Reg(by) } if by != dst => {
            return Some((dst, Step::Reg(by)));
        }
        _ => return None,
    };
    (step.unsigned_abs().is_power_of_two() && step.unsigned_abs() <= 1 << 20).then_some((reg, Step::By(step)))
}

/// The blocks at whose end an operation has been executed in each turn; none when it is not executed in
/// every turn, or when some block may be reached with and without.
fn after(
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
