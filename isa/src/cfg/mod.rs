//! The control flow of a program: functions, basic blocks, edges, dominators, loops.
//!
//! The graph exists for every program, also for one that no verifier would take: what is wrong with
//! it stands beside the graph as [`CfgFault`]s. Calls end no block, since control comes back; which
//! functions call which is told by [`Cfg::calls`].

mod dominators;
mod dot;
mod loops;
#[cfg(test)]
mod tests;
mod walk;

pub use dot::Dot;
pub use loops::Loop;

use crate::insn::{Callee, DecodeError, Imm64, Insn, RawInsn};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use walk::{NONE, Walk};

/// The index of a block.
pub type BlockId = usize;

/// How control goes from one block to another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EdgeKind {
    /// To the next instruction.
    Fallthrough,
    /// A jump without a condition.
    Jump,
    /// A jump whose condition holds.
    Taken,
}

/// An edge out of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    pub to: BlockId,
    pub kind: EdgeKind,
}

/// Instructions that run one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// First slot, and one past the last.
    pub start: usize,
    pub end: usize,
    /// The function it belongs to.
    pub function: usize,
    pub successors: Vec<Edge>,
    pub predecessors: Vec<BlockId>,
}

/// A function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    pub start: usize,
    pub end: usize,
    /// Its blocks in reverse post-order; those that its entry does not reach are left out.
    pub order: Vec<BlockId>,
}

/// A call, or an address of a function that is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// The slot of the instruction.
    pub at: usize,
    /// The function it leads to.
    pub to: usize,
    /// The address is taken, as for callbacks.
    pub by_address: bool,
}

/// What is wrong with the control flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CfgFault {
    /// The slot holds no instruction.
    Decode { at: usize, error: DecodeError },
    /// A jump leaves the program.
    JumpOutside { at: usize, to: i64 },
    /// A jump leads into another function.
    JumpAcross { at: usize, to: usize },
    /// A jump or call leads to the second slot of a wide load.
    IntoWide { at: usize, to: usize },
    /// A call leaves the program.
    CallOutside { at: usize, to: i64 },
    /// Control runs on past the end of a function.
    RunsOn { at: usize },
}

impl CfgFault {
    /// The slot of the instruction at fault.
    pub const fn at(self) -> usize {
        match self {
            CfgFault::Decode { at, .. }
            | CfgFault::JumpOutside { at, .. }
            | CfgFault::JumpAcross { at, .. }
            | CfgFault::IntoWide { at, .. }
            | CfgFault::CallOutside { at, .. }
            | CfgFault::RunsOn { at } => at,
        }
    }
}

impl fmt::Display for CfgFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "insn {}: ", self.at())?;
        match *self {
            CfgFault::Decode { error, .. } => error.fmt(f),
            CfgFault::JumpOutside { to, .. } => {
                write!(f, "the jump leads to slot {to}, outside of the program")
            }
            CfgFault::JumpAcross { to, .. } => write!(f, "the jump leads to slot {to}, in another function"),
            CfgFault::IntoWide { to, .. } => {
                write!(f, "slot {to}, where this leads, is the second half of a 64-bit immediate load")
            }
            CfgFault::CallOutside { to, .. } => {
                write!(f, "the function called, at slot {to}, is outside of the program")
            }
            CfgFault::RunsOn { .. } => {
                write!(f, "control runs on past the end of the function, expected exit or a jump")
            }
        }
    }
}

/// The control flow of a program.
#[derive(Clone, Debug)]
pub struct Cfg {
    pub functions: Vec<Function>,
    /// Ordered by first slot.
    pub blocks: Vec<Block>,
    pub calls: Vec<Call>,
    pub faults: Vec<CfgFault>,
    /// Outer loops before the inner ones.
    pub loops: Vec<Loop>,
    /// The innermost loop of each block.
    pub innermost: Vec<Option<usize>>,
    tree: dominators::Tree,
}

impl Cfg {
    /// Builds the graph.
    pub fn new(slots: &[RawInsn]) -> Cfg {
        let code: BTreeMap<usize, Option<Insn>> =
            Insn::decode_all(slots).map(|(at, decoded)| (at, decoded.ok())).collect();
        let mut faults: Vec<CfgFault> = Insn::decode_all(slots)
            .filter_map(|(at, decoded)| decoded.err().map(|error| CfgFault::Decode { at, error }))
            .collect();
        let (functions, calls) = find_functions(slots.len(), &code, &mut faults);
        let mut cfg = Cfg {
            functions,
            blocks: Vec::new(),
            calls,
            faults,
            loops: Vec::new(),
            innermost: Vec::new(),
            tree: dominators::Tree::default(),
        };
        cfg.build_blocks(slots.len(), &code);
        cfg.walk_functions();
        cfg.faults.sort_by_key(|fault| fault.at());
        cfg
    }

    /// The block that holds a slot.
    pub fn block_of(&self, slot: usize) -> Option<BlockId> {
        let after = self.blocks.partition_point(|b| b.start <= slot);
        after.checked_sub(1).filter(|&b| slot < self.blocks[b].end)
    }

    /// The function that holds a slot.
    pub fn function_of(&self, slot: usize) -> usize {
        self.functions.partition_point(|f| f.start <= slot).saturating_sub(1)
    }

    /// The blocks of a function, in order of position.
    pub fn blocks_of(&self, function: usize) -> core::ops::Range<BlockId> {
        let start = self.blocks.partition_point(|b| b.function < function);
        start..self.blocks.partition_point(|b| b.function <= function)
    }

    /// The blocks that no path from the entry of their function reaches.
    pub fn unreachable(&self) -> impl Iterator<Item = BlockId> + '_ {
        let mut reached = vec![false; self.blocks.len()];
        for &block in self.functions.iter().flat_map(|f| &f.order) {
            reached[block] = true;
        }
        (0..self.blocks.len()).filter(move |&b| !reached[b])
    }

    /// The block that every path to `block` last goes through; none for entries and for blocks that
    /// are not reached.
    pub fn immediate_dominator(&self, block: BlockId) -> Option<BlockId> {
        self.tree.idom.get(block).copied().flatten()
    }

    /// Whether every path to `b` goes through `a`; a block dominates itself. No block dominates one
    /// of another function.
    pub fn dominates(&self, a: BlockId, b: BlockId) -> bool {
        self.tree.dominates(a, b)
    }

    /// The blocks of a loop with those of the loops inside it, in order of position.
    pub fn loop_blocks(&self, index: usize) -> impl Iterator<Item = BlockId> + '_ {
        let function = self.loops.get(index).map_or(usize::MAX, |l| self.blocks[l.header].function);
        // A loop inside comes after the one around it, so the first step below the index ends it.
        let holds = move |&b: &BlockId| {
            let around = core::iter::successors(self.innermost[b], |&l| self.loops[l].parent);
            around.take_while(|&l| l >= index).any(|l| l == index)
        };
        self.blocks_of(function).filter(holds)
    }

    fn build_blocks(&mut self, len: usize, code: &BTreeMap<usize, Option<Insn>>) {
        let mut leaders: BTreeSet<usize> = self.functions.iter().map(|f| f.start).collect();
        let mut jumps: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        for (&at, insn) in code {
            let Some(off) = insn.and_then(|i| i.jump_offset()) else {
                if matches!(insn, Some(Insn::Exit)) {
                    leaders.insert(at + 1);
                }
                continue;
            };
            let to = self.jump_target(at, at as i64 + 1 + off as i64, len, code);
            leaders.extend(to);
            leaders.insert(at + 1);
            jumps.insert(at, to);
        }
        leaders.retain(|l| code.contains_key(l));
        let starts: Vec<usize> = leaders.into_iter().collect();
        let index: BTreeMap<usize, BlockId> = starts.iter().enumerate().map(|(i, &s)| (s, i)).collect();
        for (i, &start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(len);
            let function = self.function_of(start);
            let Some((&last, insn)) = code.range(start..end).next_back() else { continue };
            let successors =
                self.successors(last, *insn, end, function, jumps.get(&last).copied().flatten(), &index);
            self.blocks.push(Block { start, end, function, successors, predecessors: Vec::new() });
        }
        for from in 0..self.blocks.len() {
            for nth in 0..self.blocks[from].successors.len() {
                let to = self.blocks[from].successors[nth].to;
                // Blocks come in order, so a second edge from the same one follows the first.
                if self.blocks[to].predecessors.last() != Some(&from) {
                    self.blocks[to].predecessors.push(from);
                }
            }
        }
    }

    fn jump_target(
        &mut self,
        at: usize,
        to: i64,
        len: usize,
        code: &BTreeMap<usize, Option<Insn>>,
    ) -> Option<usize> {
        let Some(to) = usize::try_from(to).ok().filter(|&t| t < len) else {
            self.faults.push(CfgFault::JumpOutside { at, to });
            return None;
        };
        if self.function_of(at) != self.function_of(to) {
            self.faults.push(CfgFault::JumpAcross { at, to });
            return None;
        }
        if !code.contains_key(&to) {
            self.faults.push(CfgFault::IntoWide { at, to });
            return None;
        }
        Some(to)
    }

    fn successors(
        &mut self,
        last: usize,
        insn: Option<Insn>,
        end: usize,
        function: usize,
        jump: Option<usize>,
        index: &BTreeMap<usize, BlockId>,
    ) -> Vec<Edge> {
        let mut edges = Vec::new();
        let conditional = matches!(insn, Some(Insn::Jump { .. } | Insn::MayGoto { .. }));
        let stops = matches!(insn, Some(Insn::Exit | Insn::Goto { .. }));
        if !stops {
            if end < self.functions[function].end {
                edges.extend(index.get(&end).map(|&to| Edge { to, kind: EdgeKind::Fallthrough }));
            } else {
                self.faults.push(CfgFault::RunsOn { at: last });
            }
        }
        let kind = if conditional { EdgeKind::Taken } else { EdgeKind::Jump };
        edges.extend(jump.and_then(|to| index.get(&to)).map(|&to| Edge { to, kind }));
        edges
    }

    /// Orders the blocks of each function, and finds dominators and loops.
    fn walk_functions(&mut self) {
        let count = self.blocks.len();
        let mut number = vec![NONE; count];
        let mut tree = dominators::Tree::new(count);
        let (mut loops, mut innermost) = (Vec::new(), vec![None; count]);
        for f in 0..self.functions.len() {
            let Some(entry) = self.block_of(self.functions[f].start) else { continue };
            let walk = Walk::new(self, entry, &mut number);
            tree.add(self, &walk, &number);
            loops::find(self, &walk, &number, &mut loops, &mut innermost);
            self.functions[f].order = walk.order;
        }
        (self.tree, self.loops, self.innermost) = (tree, loops, innermost);
    }
}

/// Where functions begin: the program, and whatever is called or has its address taken.
fn find_functions(
    len: usize,
    code: &BTreeMap<usize, Option<Insn>>,
    faults: &mut Vec<CfgFault>,
) -> (Vec<Function>, Vec<Call>) {
    let mut found = Vec::new();
    let mut starts = BTreeSet::from([0usize]);
    for (&at, insn) in code {
        let (off, by_address) = match insn {
            Some(Insn::Call(Callee::Subprog(off))) => (*off, false),
            Some(Insn::LdImm64 { imm: Imm64::Func(off), .. }) => (*off, true),
            _ => continue,
        };
        let to = at as i64 + 1 + off as i64;
        let Some(target) = usize::try_from(to).ok().filter(|&t| t < len) else {
            faults.push(CfgFault::CallOutside { at, to });
            continue;
        };
        if !code.contains_key(&target) {
            faults.push(CfgFault::IntoWide { at, to: target });
            continue;
        }
        starts.insert(target);
        found.push((at, target, by_address));
    }
    let starts: Vec<usize> = starts.into_iter().collect();
    let ends = starts.iter().skip(1).copied().chain([len]);
    let functions =
        starts.iter().zip(ends).map(|(&start, end)| Function { start, end, order: Vec::new() }).collect();
    let index = |target| starts.binary_search(&target).unwrap_or(0);
    let calls = found
        .into_iter()
        .map(|(at, target, by_address)| Call { at, to: index(target), by_address })
        .collect();
    (functions, calls)
}
