//! Blocks that do the same and lead to the same become one.

use crate::cbpf::SockFilter;
use crate::cbpf::expr::graph::{BlockId, End, Graph};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a block does. Instructions are compared in their raw form.
type Key = (End, [BlockId; 2], Vec<(u16, u8, u8, u32)>);

pub(super) fn merge(graph: &mut Graph) {
    let mut same: Vec<BlockId> = (0..graph.blocks.len()).collect();
    let mut known: BTreeMap<Key, BlockId> = BTreeMap::new();
    // Leaves first, so that where a block leads is settled before the block.
    for id in graph.postorder(0) {
        let block = &mut graph.blocks[id];
        if !block.is_leaf() {
            block.to = block.to.map(|to| same[to]);
        }
        let stmts = block.live().map(|insn| {
            let SockFilter { code, jt, jf, k } = insn.encode();
            (code, jt, jf, k)
        });
        same[id] = *known.entry((block.end, block.to, stmts.collect())).or_insert(id);
    }
    graph.root = same[graph.root];
}
