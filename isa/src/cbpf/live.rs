//! Which registers and scratch words are still read after a place in a filter.

use super::insn::{Insn, Operand};
use alloc::vec;
use alloc::vec::Vec;

/// Places that hold a value: scratch words 0 to 15, then `A`, then `X`.
pub(super) const A: usize = 16;
pub(super) const X: usize = 17;
pub(super) const PLACES: usize = 18;

/// For each instruction, and the place after the last, a bit for each place that is live before it.
/// One backward pass; jumps must go forward only.
pub(super) fn liveness(insns: &[Insn]) -> Vec<u32> {
    const REG_A: u32 = 1 << A;
    const REG_X: u32 = 1 << X;
    let mut live = vec![0u32; insns.len() + 1];
    for (at, &insn) in insns.iter().enumerate().rev() {
        let next = live[at + 1];
        let operand = |by: Operand| if matches!(by, Operand::X) { REG_X } else { 0 };
        live[at] = match insn {
            Insn::LoadImm(_) | Insn::LoadLen => next & !REG_A,
            // Some ancillary values are made of A and X, or end the program with A.
            Insn::LoadAbs { k, .. } if super::Ancillary::from_offset(k).is_some() => next | REG_A | REG_X,
            Insn::LoadAbs { .. } => next & !REG_A,
            Insn::LoadInd { .. } => next & !REG_A | REG_X,
            Insn::LoadXImm(_) | Insn::LoadXLen | Insn::LoadXMsh(_) => next & !REG_X,
            Insn::LoadMem(k) => next & !REG_A | 1 << k,
            Insn::LoadXMem(k) => next & !REG_X | 1 << k,
            Insn::Store(k) => next & !(1 << k) | REG_A,
            Insn::StoreX(k) => next & !(1 << k) | REG_X,
            Insn::Alu { by, .. } => next | REG_A | operand(by),
            Insn::Neg => next | REG_A,
            Insn::Jump(k) => live[at + 1 + k as usize],
            Insn::Branch { with, jt, jf, .. } => {
                live[at + 1 + usize::from(jt)] | live[at + 1 + usize::from(jf)] | REG_A | operand(with)
            }
            Insn::RetK(_) => 0,
            Insn::RetA => REG_A,
            Insn::RetX => REG_X,
            Insn::Tax => next & !REG_X | REG_A,
            Insn::Txa => next & !REG_A | REG_X,
        };
    }
    live
}
