//! A graph to a program: the blocks one after the other, every one before those it leads to.
//!
//! A branch reaches 255 instructions; where that is not enough, it goes to a jump after it.

use super::graph::{End, Graph};
use crate::cbpf::{Insn, SockFilter};
use alloc::vec;
use alloc::vec::Vec;

/// The farthest a branch reaches.
const REACH: usize = u8::MAX as usize;

pub(super) fn emit(graph: &Graph) -> Vec<SockFilter> {
    // libpcap's order: the way for a condition that holds comes directly after the block.
    let mut order = graph.postorder(1);
    order.reverse();
    let mut far = vec![[false; 2]; graph.blocks.len()];
    let mut starts = vec![0; graph.blocks.len()];
    let lengths: Vec<usize> = graph.blocks.iter().map(|block| block.live().count()).collect();
    // Jumps make distances longer and so may need more jumps, but never fewer.
    loop {
        let mut at = 0;
        for &id in &order {
            starts[id] = at;
            at += lengths[id] + 1 + far[id].iter().filter(|&&far| far).count();
        }
        let mut changed = false;
        for &id in &order {
            let block = &graph.blocks[id];
            let next = starts[id] + lengths[id] + 1;
            for (far, &to) in far[id].iter_mut().zip(&block.to) {
                if !block.is_leaf() && !*far && starts[to] - next > REACH {
                    *far = true;
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    let mut program = Vec::new();
    for &id in &order {
        let block = &graph.blocks[id];
        program.extend(block.live().map(Insn::encode));
        match block.end {
            End::Return(value) => program.push(Insn::RetK(value).encode()),
            End::Branch(condition) => {
                let next = program.len() + 1;
                let mut jumps = Vec::new();
                let mut skips = [0; 2];
                for way in 0..2 {
                    let distance = starts[block.to[way]] - next;
                    if far[id][way] {
                        skips[way] = jumps.len();
                        jumps.push(Insn::Jump((distance - jumps.len() - 1) as u32));
                    } else {
                        skips[way] = distance;
                    }
                }
                let [jt, jf] = skips.map(|skip| skip as u8);
                let branch = Insn::Branch { cond: condition.cond, with: condition.with, jt, jf };
                program.push(branch.encode());
                program.extend(jumps.into_iter().map(Insn::encode));
            }
        }
    }
    program
}
