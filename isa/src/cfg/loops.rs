//! Loops and their nesting, after Havlak ("Nesting of Reducible and Irreducible Loops", 1997) as
//! improved by Ramalingam ("Identifying Loops in Almost Linear Time", 1999).
//!
//! A loop is a strongly connected part of the graph; its header is the first of its blocks that the
//! walk reaches; taking the header away and looking again gives the loops inside. In a natural loop
//! the header dominates the rest. One that is entered elsewhere too is told apart as irreducible.

use super::walk::{NONE, Sets, Walk};
use super::{BlockId, Cfg};
use alloc::vec;
use alloc::vec::Vec;

/// A loop. Which blocks belong to it, [`Cfg::loop_blocks`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loop {
    pub header: BlockId,
    /// The loop around it, by index.
    pub parent: Option<usize>,
    /// From 1 for outermost loops.
    pub depth: u32,
    /// Entered elsewhere than at its header.
    pub irreducible: bool,
}

/// Finds the loops of one function and appends them, outer ones before inner ones. `innermost`
/// receives the innermost loop of each block.
pub(super) fn find(
    cfg: &Cfg,
    walk: &Walk,
    number: &[usize],
    loops: &mut Vec<Loop>,
    innermost: &mut [Option<usize>],
) {
    let nest = Nest::new(cfg, walk, number);
    let mut index = vec![None; walk.blocks.len()];
    for at in 0..walk.blocks.len() {
        let around = index.get(nest.around[at]).copied().flatten();
        if nest.is_header[at] {
            index[at] = Some(loops.len());
            let depth = around.map_or(1, |l: usize| loops[l].depth + 1);
            let (header, irreducible) = (walk.blocks[at], nest.irreducible[at]);
            loops.push(Loop { header, parent: around, depth, irreducible });
        }
        innermost[walk.blocks[at]] = index[at].or(around);
    }
}

/// The nesting as it is found, inner loops first. A loop that is found stands for its blocks: they
/// are joined to its header.
struct Nest {
    /// The header of the loop around, which is not the one that the position itself heads.
    around: Vec<usize>,
    is_header: Vec<bool>,
    irreducible: Vec<bool>,
    /// Edges into a position from inside the part of the tree that is done, by where they start.
    edges: Vec<Vec<usize>>,
    joined: Sets,
    /// Loops known to be irreducible, joined to the next one around that is not.
    marked: Sets,
}

impl Nest {
    fn new(cfg: &Cfg, walk: &Walk, number: &[usize]) -> Nest {
        let count = walk.blocks.len();
        let mut nest = Nest {
            around: vec![NONE; count],
            is_header: vec![false; count],
            irreducible: vec![false; count],
            edges: vec![Vec::new(); count],
            joined: Sets::new(count),
            marked: Sets::new(count),
        };
        // Edges that go neither up nor down the tree by one step wait at the nearest ancestor of
        // both ends: until that one's turn, no loop can hold both.
        let mut waiting: Vec<Vec<(usize, usize)>> = vec![Vec::new(); count];
        let mut done = Sets::new(count);
        let mut back = Vec::new();
        for at in (0..count).rev() {
            for from in walk.predecessors(cfg, number, at) {
                if walk.is_ancestor(at, from) {
                    back.push(from);
                } else if walk.parent[at] == from {
                    nest.edges[at].push(from);
                } else {
                    // All positions after this one are joined to their parents, so this is the
                    // lowest ancestor of `from` that is not after `at`.
                    waiting[done.find(from)].push((from, at));
                }
            }
            for (from, to) in core::mem::take(&mut waiting[at]) {
                let (start, end) = (nest.joined.find(from), nest.joined.find(to));
                nest.edges[end].push(start);
                nest.mark_irreducible(to);
            }
            nest.collect(at, &mut back);
            done.join(at, walk.parent[at]);
        }
        nest
    }

    /// Makes the loop with the header `at`, if there are edges `back` to it, and takes those.
    fn collect(&mut self, at: usize, back: &mut Vec<usize>) {
        self.is_header[at] = !back.is_empty();
        while let Some(from) = back.pop() {
            let member = self.joined.find(from);
            // Joined at once, so that each member is found only once.
            if member != at {
                self.around[member] = at;
                self.joined.join(member, at);
                back.append(&mut self.edges[member]);
            }
        }
    }

    /// An edge enters `to` from outside of every loop found so far: those that hold it and are not
    /// headed by it are entered elsewhere than at their header.
    fn mark_irreducible(&mut self, to: usize) {
        let mut header = self.around[to];
        while header != NONE {
            header = self.marked.find(header);
            self.irreducible[header] = true;
            let next = self.around[header];
            if next != NONE {
                self.marked.join(header, next);
            }
            header = next;
        }
    }
}
