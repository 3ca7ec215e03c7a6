//! Immediate dominators, after Lengauer and Tarjan ("A Fast Algorithm for Finding Dominators in a
//! Flowgraph", 1979) in their simple form: O(edges × log blocks), whatever the shape of the graph.

use super::walk::{NONE, Walk};
use super::{BlockId, Cfg};
use alloc::vec;
use alloc::vec::Vec;

/// The tree of dominators.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub idom: Vec<Option<BlockId>>,
    /// For each block its place in a walk of the tree, and one past that of its last descendant;
    /// empty for blocks that are not reached.
    span: Vec<(usize, usize)>,
}

impl Tree {
    pub fn new(blocks: usize) -> Tree {
        Tree { idom: vec![None; blocks], span: vec![(0, 0); blocks] }
    }

    pub fn dominates(&self, a: BlockId, b: BlockId) -> bool {
        let ((start, end), (at, at_end)) = (self.span[a], self.span[b]);
        a == b || at < at_end && start <= at && at < end
    }

    /// Adds the blocks of one function.
    pub fn add(&mut self, cfg: &Cfg, walk: &Walk, number: &[usize]) {
        let dominator = immediate(cfg, walk, number);
        let count = walk.blocks.len();
        let mut size = vec![1; count];
        for at in (1..count).rev() {
            self.idom[walk.blocks[at]] = Some(walk.blocks[dominator[at]]);
            size[dominator[at]] += size[at];
        }
        // Each block takes the next free part of its dominator's span. A function reaches no more
        // blocks than it has, so its spans end where those of the next function begin.
        let base = walk.blocks[0];
        let mut free = vec![base; count];
        for at in 0..count {
            let start = if at == 0 { base } else { free[dominator[at]] };
            if at > 0 {
                free[dominator[at]] += size[at];
            }
            free[at] = start + 1;
            self.span[walk.blocks[at]] = (start, start + size[at]);
        }
    }
}

/// The position of each position's immediate dominator; the entry's is its own.
fn immediate(cfg: &Cfg, walk: &Walk, number: &[usize]) -> Vec<usize> {
    let count = walk.blocks.len();
    let mut forest =
        Forest { semi: (0..count).collect(), label: (0..count).collect(), above: vec![NONE; count] };
    let mut dominator = vec![0; count];
    // The blocks that share a semidominator, as lists threaded through one vector.
    let (mut first, mut next) = (vec![NONE; count], vec![NONE; count]);
    let mut path = Vec::new();
    for at in (1..count).rev() {
        for from in walk.predecessors(cfg, number, at) {
            let best = forest.eval(from, &mut path);
            forest.semi[at] = forest.semi[at].min(forest.semi[best]);
        }
        let semi = forest.semi[at];
        next[at] = core::mem::replace(&mut first[semi], at);
        let parent = walk.parent[at];
        forest.above[at] = parent;
        let mut member = core::mem::replace(&mut first[parent], NONE);
        while member != NONE {
            let best = forest.eval(member, &mut path);
            dominator[member] = if forest.semi[best] < forest.semi[member] { best } else { parent };
            member = next[member];
        }
    }
    for at in 1..count {
        if dominator[at] != forest.semi[at] {
            dominator[at] = dominator[dominator[at]];
        }
    }
    dominator
}

/// The part of the walk's tree that is done, with paths to its roots compressed.
struct Forest {
    semi: Vec<usize>,
    /// The position with the least semidominator between here and `above`.
    label: Vec<usize>,
    above: Vec<usize>,
}

impl Forest {
    fn eval(&mut self, at: usize, path: &mut Vec<usize>) -> usize {
        if self.above[at] == NONE {
            return at;
        }
        let mut top = at;
        while self.above[self.above[top]] != NONE {
            path.push(top);
            top = self.above[top];
        }
        while let Some(below) = path.pop() {
            let above = self.above[below];
            if self.semi[self.label[above]] < self.semi[self.label[below]] {
                self.label[below] = self.label[above];
            }
            self.above[below] = self.above[above];
        }
        self.label[at]
    }
}
