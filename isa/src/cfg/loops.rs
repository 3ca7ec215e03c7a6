//! Loops: strongly connected parts of the graph, nested by taking the header away and looking again.
//!
//! A natural loop is entered only through its header, which dominates the rest. One that is entered
//! elsewhere too is told apart as irreducible; its header is then the first of its blocks that is
//! reached.

use super::{BlockId, Cfg};
use alloc::vec;
use alloc::vec::Vec;

/// A loop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loop {
    pub header: BlockId,
    /// All of its blocks with those of inner loops, in order of position.
    pub blocks: Vec<BlockId>,
    /// The loop around it, by index.
    pub parent: Option<usize>,
    /// From 1 for outermost loops.
    pub depth: u32,
    /// Entered elsewhere than at its header.
    pub irreducible: bool,
}

/// Finds all loops, outer ones first.
pub(super) fn find(cfg: &Cfg) -> Vec<Loop> {
    let mut loops = Vec::new();
    let mut work: Vec<(Vec<BlockId>, Option<usize>)> =
        cfg.functions.iter().rev().map(|f| (f.order.clone(), None)).collect();
    let mut inside = vec![false; cfg.blocks.len()];
    while let Some((order, parent)) = work.pop() {
        for &b in &order {
            inside[b] = true;
        }
        let parts = components(cfg, &order, &inside);
        for &b in &order {
            inside[b] = false;
        }
        for part in parts {
            // The blocks of a part come in the order of the graph, so the first is the header.
            let header = part[0];
            let enters = |&b: &BlockId| cfg.blocks[b].predecessors.iter().any(|p| !part.contains(p));
            let irreducible = part.iter().filter(|b| **b != header).any(|b| enters(b));
            let depth = parent.map_or(1, |p: usize| {
                let outer: &Loop = &loops[p];
                outer.depth + 1
            });
            let mut blocks = part.clone();
            blocks.sort_unstable();
            loops.push(Loop { header, blocks, parent, depth, irreducible });
            let rest: Vec<BlockId> = part.iter().copied().filter(|&b| b != header).collect();
            if !rest.is_empty() {
                work.push((rest, Some(loops.len() - 1)));
            }
        }
    }
    loops
}

/// The strongly connected parts with a cycle, each in the order of `order` (Tarjan, with an explicit
/// stack).
fn components(cfg: &Cfg, order: &[BlockId], inside: &[bool]) -> Vec<Vec<BlockId>> {
    let count = cfg.blocks.len();
    let (mut index, mut low) = (vec![usize::MAX; count], vec![usize::MAX; count]);
    let mut on_stack = vec![false; count];
    let (mut stack, mut found) = (Vec::new(), Vec::new());
    let mut next = 0;
    for &root in order {
        if index[root] != usize::MAX {
            continue;
        }
        let mut work = Vec::from([(root, 0usize)]);
        while let Some((b, nth)) = work.pop() {
            if nth == 0 {
                (index[b], low[b]) = (next, next);
                next += 1;
                stack.push(b);
                on_stack[b] = true;
            }
            match cfg.blocks[b].successors.get(nth) {
                Some(edge) => {
                    work.push((b, nth + 1));
                    if !inside[edge.to] {
                        continue;
                    }
                    if index[edge.to] == usize::MAX {
                        work.push((edge.to, 0));
                    } else if on_stack[edge.to] {
                        low[b] = low[b].min(index[edge.to]);
                    }
                }
                None => {
                    if let Some(&(parent, _)) = work.last() {
                        low[parent] = low[parent].min(low[b]);
                    }
                    if low[b] == index[b] {
                        let from = stack.iter().rposition(|&s| s == b).unwrap_or(0);
                        let part: Vec<BlockId> = stack.drain(from..).collect();
                        for &p in &part {
                            on_stack[p] = false;
                        }
                        found.push(part);
                    }
                }
            }
        }
    }
    let cyclic = |part: &Vec<BlockId>| {
        part.len() > 1 || cfg.blocks[part[0]].successors.iter().any(|e| e.to == part[0])
    };
    let mut position = vec![usize::MAX; count];
    for (nth, &b) in order.iter().enumerate() {
        position[b] = nth;
    }
    found.retain(cyclic);
    for part in &mut found {
        part.sort_by_key(|&b| position[b]);
    }
    found.sort_by_key(|part| position[part[0]]);
    found
}
