//! The shape of the graph: levels, edges, what dominates what, and which registers are needed after
//! a block.

use super::{A, X};
use crate::cbpf::expr::graph::{Block, BlockId, End, Graph};
use crate::cbpf::{Insn, Operand};
use alloc::vec;
use alloc::vec::Vec;

/// One of the two ways out of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub from: BlockId,
    /// 0 when the condition holds.
    pub way: usize,
}

/// The closest edge that every path to a block goes over.
#[derive(Clone, Copy, Default)]
struct Dominated {
    /// Whether the block has been seen on any path yet.
    reached: bool,
    by: Option<Edge>,
    /// How many edges every path goes over.
    depth: usize,
}

#[derive(Default)]
pub(super) struct Flow {
    /// The blocks by level, those that lead to others before these. The level of a block is the
    /// longest way to a leaf.
    pub down: Vec<BlockId>,
    /// The same without leaves, in order of rising level.
    pub up: Vec<BlockId>,
    /// The edges to each block. Kept from when [`find_edges`](Self::find_edges) was last called.
    pub edges: Vec<Vec<Edge>>,
    edge_dominators: Vec<Dominated>,
    /// The closest block that all paths to a block go through, and how many there are.
    dominators: Vec<Option<(BlockId, usize)>>,
    /// The numbers, in a walk over the tree of dominators, of a block and of the last one below it.
    spans: Vec<(usize, usize)>,
}

impl Flow {
    pub fn new(graph: &Graph) -> Self {
        let order = graph.postorder(0);
        let mut level = vec![0; graph.blocks.len()];
        let mut levels: Vec<Vec<BlockId>> = Vec::new();
        for &id in &order {
            let block = &graph.blocks[id];
            if !block.is_leaf() {
                level[id] = level[block.to[0]].max(level[block.to[1]]) + 1;
            }
            if levels.len() <= level[id] {
                levels.resize_with(level[id] + 1, Vec::new);
            }
            levels[level[id]].push(id);
        }
        // Within a level the last one finished comes first.
        let down: Vec<BlockId> = levels.iter().rev().flat_map(|level| level.iter().rev().copied()).collect();
        let up = levels.iter().skip(1).flat_map(|level| level.iter().rev().copied()).collect();
        let mut flow = Self { down, up, ..Self::default() };
        flow.find_dominators(graph);
        flow.number_dominators();
        flow
    }

    fn find_dominators(&mut self, graph: &Graph) {
        let count = graph.blocks.len();
        self.edge_dominators = vec![Dominated::default(); count];
        self.dominators = vec![None; count];
        for index in 0..self.down.len() {
            let id = self.down[index];
            let block = &graph.blocks[id];
            if block.is_leaf() {
                continue;
            }
            for way in 0..2 {
                let to = block.to[way];
                // Nobody asks about leaves, and finding out what all of their many edges share is slow.
                if graph.blocks[to].is_leaf() {
                    continue;
                }
                let edge = Edge { from: id, way };
                let before = self.edge_dominators[to];
                let by = if before.reached { self.common_edge(before.by, Some(edge)) } else { Some(edge) };
                let depth = by.map_or(0, |edge| self.edge_dominators[edge.from].depth + 1);
                self.edge_dominators[to] = Dominated { reached: true, by, depth };
                let block = match self.dominators[to] {
                    Some((other, _)) => self.common_block(other, id),
                    None => id,
                };
                self.dominators[to] = Some((block, self.depth(block) + 1));
            }
        }
    }

    fn depth(&self, block: BlockId) -> usize {
        self.dominators[block].map_or(0, |(_, depth)| depth)
    }

    fn common_block(&self, mut one: BlockId, mut other: BlockId) -> BlockId {
        while one != other {
            let deeper = if self.depth(one) >= self.depth(other) { &mut one } else { &mut other };
            match self.dominators[*deeper] {
                Some((next, _)) => *deeper = next,
                None => break,
            }
        }
        one
    }

    fn common_edge(&self, mut one: Option<Edge>, mut other: Option<Edge>) -> Option<Edge> {
        while one != other {
            let (a, b) = (one?, other?);
            if self.edge_dominators[a.from].depth >= self.edge_dominators[b.from].depth {
                one = self.edge_dominators[a.from].by;
            } else {
                other = self.edge_dominators[b.from].by;
            }
        }
        one
    }

    /// The edges that every path over `edge` goes over, itself first, then backwards.
    pub fn edges_before(&self, edge: Edge) -> impl Iterator<Item = Edge> + '_ {
        core::iter::successors(Some(edge), |edge| self.edge_dominators[edge.from].by)
    }

    fn number_dominators(&mut self) {
        let mut children = vec![Vec::new(); self.dominators.len()];
        let mut path = Vec::new();
        for &id in &self.down {
            match self.dominators[id] {
                Some((by, _)) => children[by].push(id),
                None => path.push((id, 0)),
            }
        }
        self.spans = vec![(0, 0); self.dominators.len()];
        let mut number = 0;
        while let Some((id, done)) = path.last_mut() {
            let id = *id;
            if *done == 0 {
                self.spans[id].0 = number;
                number += 1;
            }
            match children[id].get(*done) {
                Some(&child) => {
                    *done += 1;
                    path.push((child, 0));
                }
                None => {
                    self.spans[id].1 = number - 1;
                    path.pop();
                }
            }
        }
    }

    /// Whether all paths to `block`, which is no leaf, go through `by`.
    pub fn dominates(&self, by: BlockId, block: BlockId) -> bool {
        let (first, last) = self.spans[by];
        (first..=last).contains(&self.spans[block].0)
    }

    /// Collects the edges to every block as they are now.
    pub fn find_edges(&mut self, graph: &Graph) {
        self.edges.clear();
        self.edges.resize_with(graph.blocks.len(), Vec::new);
        for &from in self.down.iter().filter(|&&id| !graph.blocks[id].is_leaf()) {
            for way in 0..2 {
                self.edges[graph.blocks[from].to[way]].push(Edge { from, way });
            }
        }
    }
}

/// Sets of registers and scratch words, as bits.
pub(super) type Atoms = u32;

/// What is needed after each block.
#[derive(Default)]
pub(super) struct Live {
    pub after: Vec<Atoms>,
}

impl Live {
    pub fn new(graph: &Graph, flow: &Flow) -> Self {
        let count = graph.blocks.len();
        let (mut before, mut after) = (vec![0; count], vec![0; count]);
        for &id in flow.down.iter().rev() {
            let block = &graph.blocks[id];
            if !block.is_leaf() {
                after[id] = before[block.to[0]] | before[block.to[1]];
            }
            let mut needed = after[id] | uses_end(block.end);
            for insn in block.stmts.iter().rev().filter(|stmt| !stmt.dead).map(|stmt| stmt.insn) {
                needed = needed & !defines(insn).map_or(0, |atom| 1 << atom) | uses(insn);
            }
            before[id] = needed;
        }
        Self { after }
    }
}

const A_BIT: Atoms = 1 << A;
const X_BIT: Atoms = 1 << X;

/// What an instruction reads.
pub(super) fn uses(insn: Insn) -> Atoms {
    match insn {
        Insn::LoadInd { .. } | Insn::Txa | Insn::StoreX(_) | Insn::RetX => X_BIT,
        Insn::LoadMem(word) | Insn::LoadXMem(word) => 1 << word,
        Insn::Store(_) | Insn::Tax | Insn::Neg | Insn::RetA => A_BIT,
        Insn::Alu { by: Operand::K(_), .. } | Insn::Branch { with: Operand::K(_), .. } => A_BIT,
        Insn::Alu { by: Operand::X, .. } | Insn::Branch { with: Operand::X, .. } => A_BIT | X_BIT,
        Insn::LoadAbs { .. } | Insn::LoadImm(_) | Insn::LoadLen | Insn::LoadXImm(_) | Insn::LoadXLen => 0,
        Insn::LoadXMsh(_) | Insn::Jump(_) | Insn::RetK(_) => 0,
    }
}

/// What the end of a block reads.
pub(super) fn uses_end(end: End) -> Atoms {
    match end {
        End::Return(_) => 0,
        End::Branch(condition) => match condition.with {
            Operand::K(_) => A_BIT,
            Operand::X => A_BIT | X_BIT,
        },
    }
}

/// What an instruction writes.
pub(super) fn defines(insn: Insn) -> Option<usize> {
    match insn {
        Insn::LoadAbs { .. } | Insn::LoadInd { .. } | Insn::LoadImm(_) | Insn::LoadMem(_) | Insn::LoadLen => {
            Some(A)
        }
        Insn::Alu { .. } | Insn::Neg | Insn::Txa => Some(A),
        Insn::LoadXImm(_) | Insn::LoadXMem(_) | Insn::LoadXLen | Insn::LoadXMsh(_) | Insn::Tax => Some(X),
        Insn::Store(word) | Insn::StoreX(word) => Some(word as usize),
        Insn::Jump(_) | Insn::Branch { .. } | Insn::RetK(_) | Insn::RetA | Insn::RetX => None,
    }
}

impl Block {
    /// The condition of its branch.
    pub(super) fn condition(&self) -> Option<crate::cbpf::expr::graph::Condition> {
        match self.end {
            End::Branch(condition) => Some(condition),
            End::Return(_) => None,
        }
    }
}
