//! Which functions are put into their callers, and what operations cost.
//!
//! Small functions that call nothing of the host's and do not loop are translated where they are called,
//! in a frame below the caller's as ever. They pay nothing when they return; a call costs as much as the
//! whole function instead. So what a stretch of operations costs is known beforehand, and paid for by
//! jumps backwards and by leaving: at least what was executed.

use crate::fixed::Fixed;
use crate::flow::{Flow, Func};
use crate::program::{Op, OptLevel, Unit};

/// Operations of a function that is put into its callers, with those it calls.
const SMALL: u32 = 80;

/// Operations that are put into one function at most.
const ROOM: u32 = 1500;

/// What is put into its callers, and at what cost.
pub(crate) struct Inline {
    /// For each function the operations it has with those it calls, if it is put into its callers.
    weights: Vec<Option<u32>>,
}

impl Inline {
    pub fn plan(unit: &Unit<'_>, flow: &Flow) -> Inline {
        let mut weights = vec![None; flow.funcs.len()];
        if unit.opt == OptLevel::Fast {
            return Inline { weights };
        }
        // A callee's weight is needed for its callers; calls are at most as deep as frames.
        for _ in 0..crate::abi::MAX_FRAMES {
            let mut changed = false;
            for (index, func) in flow.funcs.iter().enumerate() {
                let known = Inline { weights };
                let weight = known.weigh(unit, flow, func);
                weights = known.weights;
                changed |= weights[index] != weight;
                weights[index] = weight;
            }
            if !changed {
                break;
            }
        }
        Inline { weights }
    }

    fn weigh(&self, unit: &Unit<'_>, flow: &Flow, func: &Func) -> Option<u32> {
        if func.loops || func.depth.is_none() {
            return None;
        }
        let mut weight = 0u32;
        for (_, op) in func.ops(unit.ops) {
            weight += 1;
            match op {
                Op::CallSub { to } => weight += self.weights[*flow.by_entry.get(to)?]?,
                Op::CallHelper { .. } | Op::CallReg { .. } | Op::TailCall { .. } | Op::MayGoto { .. } => {
                    return None;
                }
                _ => {}
            }
            if weight > SMALL {
                return None;
            }
        }
        Some(weight)
    }

    /// What calls at these operations put into the function, as long as there is room.
    pub fn into(&self, unit: &Unit<'_>, flow: &Flow, func: &Func) -> Costs {
        let first = func.blocks.first().map_or(func.entry, |b| b.start);
        let last = func.blocks.last().map_or(func.entry, |b| b.end);
        let mut total = 0;
        let mut before = Vec::with_capacity((last - first) as usize + 1);
        let mut calls = Vec::new();
        for at in first..last {
            before.push(total + i64::from(at - first));
            if let Op::CallSub { to } = &unit.ops[at as usize]
                && let Some(&callee) = flow.by_entry.get(to)
                && let Some(weight) = self.weights[callee]
                && total + i64::from(weight) <= i64::from(ROOM)
            {
                total += i64::from(weight);
                calls.push(at);
            }
        }
        before.push(total + i64::from(last - first));
        Costs { first, before, calls, fixed: Vec::new() }
    }

    /// Whether a function may be put into its callers.
    pub fn is_small(&self, func: usize) -> bool {
        self.weights[func].is_some()
    }
}

/// What the operations of a function cost, and which of its calls are no calls.
pub(crate) struct Costs {
    first: u32,
    /// For each operation from the first on, and for the end, what those before it cost.
    before: Vec<i64>,
    calls: Vec<u32>,
    /// Jumps back of loops whose turns are all paid for behind them.
    fixed: Vec<u32>,
}

impl Costs {
    /// What operations from `from` up to `to` cost; less than nothing when they stand the other way.
    pub fn between(&self, from: u32, to: u32) -> i64 {
        let at = |op: u32| {
            let inside = op.saturating_sub(self.first) as usize;
            self.before.get(inside).or(self.before.last()).copied().unwrap_or(0)
        };
        at(to) - at(from)
    }

    /// Lets the jump back of a loop cost all turns but one, so that turns themselves cost nothing.
    pub fn repeat(&mut self, turns: &Fixed) {
        let more = (turns.turns - 1) * self.between(turns.head, turns.latch + 1);
        let behind = (turns.latch + 1).saturating_sub(self.first) as usize;
        self.before.iter_mut().skip(behind).for_each(|cost| *cost += more);
        self.fixed.push(turns.latch);
    }

    /// Whether a jump back is that of a loop whose turns are paid for behind it.
    pub fn is_fixed(&self, latch: u32) -> bool {
        self.fixed.contains(&latch)
    }

    /// Whether the function called here is put here.
    pub fn is_inlined(&self, at: u32) -> bool {
        self.calls.binary_search(&at).is_ok()
    }

    /// What calls of functions put here cost, among operations from `from` up to `to`.
    pub fn of_calls(&self, from: u32, to: u32) -> i64 {
        self.between(from, to) - (i64::from(to) - i64::from(from))
    }
}
