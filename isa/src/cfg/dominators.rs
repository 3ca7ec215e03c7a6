//! Immediate dominators, by the iteration of Cooper, Harvey and Kennedy ("A Simple, Fast Dominance
//! Algorithm", 2001) over reverse post-order.

use super::{BlockId, Cfg};
use alloc::vec;
use alloc::vec::Vec;

pub(super) fn compute(cfg: &Cfg) -> Vec<Option<BlockId>> {
    let mut idom: Vec<Option<BlockId>> = vec![None; cfg.blocks.len()];
    let mut position = vec![usize::MAX; cfg.blocks.len()];
    for function in &cfg.functions {
        for (nth, &block) in function.order.iter().enumerate() {
            position[block] = nth;
        }
        let Some(&entry) = function.order.first() else { continue };
        // The entry stands for its own dominator while the others are found.
        idom[entry] = Some(entry);
        let mut changed = true;
        while changed {
            changed = false;
            for &block in &function.order[1..] {
                let known = cfg.blocks[block].predecessors.iter().copied().filter(|&p| idom[p].is_some());
                let new = known.reduce(|a, b| intersect(a, b, &idom, &position));
                if idom[block] != new {
                    idom[block] = new;
                    changed = true;
                }
            }
        }
        idom[entry] = None;
    }
    idom
}

/// The nearest block that dominates both.
fn intersect(mut a: BlockId, mut b: BlockId, idom: &[Option<BlockId>], position: &[usize]) -> BlockId {
    while a != b {
        while position[a] > position[b] {
            a = idom[a].unwrap_or(b);
        }
        while position[b] > position[a] {
            b = idom[b].unwrap_or(a);
        }
    }
    a
}
