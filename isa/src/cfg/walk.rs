//! A depth-first walk of one function, whose numbering dominators and loops are computed over.
//!
//! Everything here keeps its own stack: a program of a million jumps is no deeper for the machine
//! than one of ten.

use super::{BlockId, Cfg};
use alloc::vec::Vec;

/// Stands for "not numbered" and for "nothing".
pub(super) const NONE: usize = usize::MAX;

/// The blocks that a function's entry reaches. Positions count them in the order of the walk, so
/// that an ancestor in the tree of the walk comes before its descendants.
pub(super) struct Walk {
    /// The blocks by position.
    pub blocks: Vec<BlockId>,
    /// The position of the block it was first reached from; the entry's is its own.
    pub parent: Vec<usize>,
    /// The position of the last descendant.
    pub last: Vec<usize>,
    /// The blocks in reverse post-order.
    pub order: Vec<BlockId>,
}

impl Walk {
    /// Walks from `entry` and enters positions into `number`, which is indexed by block.
    pub fn new(cfg: &Cfg, entry: BlockId, number: &mut [usize]) -> Walk {
        let mut walk = Walk { blocks: Vec::new(), parent: Vec::new(), last: Vec::new(), order: Vec::new() };
        walk.enter(entry, 0, number);
        let mut stack = Vec::from([(entry, 0usize)]);
        while let Some((block, nth)) = stack.pop() {
            let here = number[block];
            match cfg.blocks[block].successors.get(nth) {
                Some(edge) => {
                    stack.push((block, nth + 1));
                    if number[edge.to] == NONE {
                        walk.enter(edge.to, here, number);
                        stack.push((edge.to, 0));
                    }
                }
                None => {
                    walk.last[here] = walk.blocks.len() - 1;
                    walk.order.push(block);
                }
            }
        }
        walk.order.reverse();
        walk
    }

    fn enter(&mut self, block: BlockId, parent: usize, number: &mut [usize]) {
        number[block] = self.blocks.len();
        self.blocks.push(block);
        self.parent.push(parent);
        self.last.push(0);
    }

    /// Whether `a` is on the path of the tree from the entry to `b`, its end included.
    pub fn is_ancestor(&self, a: usize, b: usize) -> bool {
        a <= b && b <= self.last[a]
    }

    /// The positions of the reached predecessors of the block at a position.
    pub fn predecessors<'a>(
        &self,
        cfg: &'a Cfg,
        number: &'a [usize],
        at: usize,
    ) -> impl Iterator<Item = usize> + use<'a> {
        cfg.blocks[self.blocks[at]].predecessors.iter().map(|&p| number[p]).filter(|&p| p != NONE)
    }
}

/// Disjoint sets of positions. A set is named by the member that the others were joined to.
pub(super) struct Sets(Vec<usize>);

impl Sets {
    pub fn new(count: usize) -> Sets {
        Sets((0..count).collect())
    }

    pub fn find(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// Joins the set named `child` to the one of `to`.
    pub fn join(&mut self, child: usize, to: usize) {
        self.0[child] = to;
    }
}
