//! Edges led past branches that earlier ones decide, and tests of one value moved together.

use super::flow::Edge;
use super::{A, ATOMS, Optimizer};
use crate::cbpf::expr::graph::BlockId;
use crate::cbpf::{Cond, Operand};

impl Optimizer<'_> {
    pub(super) fn move_edges(&mut self) {
        for index in 0..self.flow.up.len() {
            let from = self.flow.up[index];
            for way in 0..2 {
                self.move_edge(Edge { from, way });
            }
        }
        self.flow.find_edges(self.graph);
        for index in 0..self.flow.up.len() {
            let block = self.flow.up[index];
            self.pull_up(block, 0);
            self.pull_up(block, 1);
        }
    }

    /// Leads an edge as far as is known beforehand.
    fn move_edge(&mut self, edge: Edge) {
        let to = self.target(edge);
        let block = &self.graph.blocks[to];
        if block.is_leaf() {
            return;
        }
        if block.to[0] == block.to[1] && !self.conflict(edge.from, block.to[0]) {
            self.graph.blocks[edge.from].to[edge.way] = block.to[0];
            self.progress.rewrite();
        }
        while let Some(next) = self.decided(edge) {
            self.graph.blocks[edge.from].to[edge.way] = next;
            self.progress.changed = true;
            if self.graph.blocks[next].is_leaf() {
                break;
            }
        }
    }

    fn target(&self, edge: Edge) -> BlockId {
        self.graph.blocks[edge.from].to[edge.way]
    }

    /// Where the branch that `edge` leads to goes, if one of the edges before decides it.
    fn decided(&self, edge: Edge) -> Option<BlockId> {
        let to = self.target(edge);
        self.flow
            .edges_before(edge)
            .filter_map(|before| self.implied(to, before))
            .find(|&next| !self.conflict(edge.from, next))
    }

    /// Where `block` goes after a path over `edge`.
    fn implied(&self, block: BlockId, edge: Edge) -> Option<BlockId> {
        let [this, that] = [block, edge.from].map(|id| (&self.graph.blocks[id], &self.known[id]));
        let (condition, other) = (this.0.condition()?, that.0.condition()?);
        let by_constant = |with| matches!(with, Operand::K(_));
        let same_kind =
            condition.cond == other.cond && by_constant(condition.with) == by_constant(other.with);
        let a = this.1.state.0[A];
        if !same_kind || !a.is_known() || a != that.1.state.0[A] {
            return None;
        }
        if this.1.operand.is_known() && this.1.operand == that.1.operand {
            return Some(this.0.to[edge.way]);
        }
        // What equals one constant equals no other.
        let equal = edge.way == 0 && other.cond == Cond::Eq && by_constant(other.with);
        equal.then_some(this.0.to[1])
    }

    /// Whether going from `from` to `to` directly would leave something that is needed after `to`
    /// with another value.
    fn conflict(&self, from: BlockId, to: BlockId) -> bool {
        let needed = self.live.after[to];
        let (here, there) = (&self.known[from].state.0, &self.known[to].state.0);
        (0..ATOMS)
            .any(|atom| needed & 1 << atom != 0 && (here[atom] != there[atom] || !here[atom].is_known()))
    }

    /// In a chain of tests with the same outcome `shared` (0: alternatives, which lead to one place
    /// when they hold; 1: requirements, when they fail), moves a test of the value that the
    /// predecessors of `block` have loaded up to the others of that value.
    fn pull_up(&mut self, block: BlockId, shared: usize) {
        let other = 1 - shared;
        let edges = &self.flow.edges[block];
        // The last edge found stands for all.
        let Some(&entry) = edges.last() else { return };
        let value = self.known[entry.from].state.0[A];
        if edges.iter().any(|edge| self.known[edge.from].state.0[A] != value) {
            return;
        }
        let outcome = self.graph.blocks[block].to[shared];
        let in_chain = |optimizer: &Self, id: BlockId| {
            let next = &optimizer.graph.blocks[id];
            !next.is_leaf() && next.to[shared] == outcome && optimizer.flow.dominates(block, id)
        };
        let entry = Edge { from: entry.from, way: usize::from(self.graph.blocks[entry.from].to[0] != block) };
        // Down to the first test of another value.
        let mut differs = entry;
        let mut at_top = true;
        loop {
            let id = self.target(differs);
            if !in_chain(self, id) {
                return;
            }
            if self.known[id].state.0[A] != value {
                break;
            }
            differs = Edge { from: id, way: other };
            at_top = false;
        }
        // From there to the next one of this value.
        let first = self.target(differs);
        let mut same = Edge { from: first, way: other };
        loop {
            let id = self.target(same);
            if !in_chain(self, id) {
                return;
            }
            if self.known[id].state.0[A] == value {
                break;
            }
            same = Edge { from: id, way: other };
        }
        let pulled = self.target(same);
        let rest = self.graph.blocks[pulled].to[other];
        self.graph.blocks[same.from].to[same.way] = rest;
        self.graph.blocks[pulled].to[other] = first;
        if at_top {
            for index in 0..self.flow.edges[block].len() {
                let from = self.flow.edges[block][index].from;
                let way = usize::from(self.graph.blocks[from].to[0] != block);
                self.graph.blocks[from].to[way] = pulled;
            }
        } else {
            self.graph.blocks[differs.from].to[differs.way] = pulled;
        }
        self.progress.changed = true;
    }
}
