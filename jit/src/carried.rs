//! Registers that a turn of a loop changes by a number, in however many operations.
//!
//! Compilers keep a loop's counter in the frame, or copy it from register to register. So what each
//! register and each place that is a variable holds is followed through a turn, as far as it is what one
//! of them held when the turn began, and a number more.

use crate::flow::{Func, effect, successors};
use crate::program::{Op, Src};
use crate::slots::Place;
use oxbpf_isa::insn::{AluOp, Reg, Size, Width};

/// Registers R0 to R9, then places.
const REGS: usize = 10;

/// What each register and place holds: what one of them held when the turn began, and a number more.
type State = Vec<Option<(usize, i64)>>;

/// A register that every turn changes by the same number.
pub(crate) struct Carried {
    pub reg: Reg,
    pub step: i64,
    /// Blocks of the loop at whose end the register has been changed, in order.
    pub after: Vec<usize>,
}

/// Such registers of a loop in which control goes only forwards, but for the jump back.
pub(crate) fn carried(
    ops: &[Op],
    func: &Func,
    (head, latch): (usize, usize),
    body: &[usize],
    places: &[Place],
) -> Vec<Carried> {
    let inside = |to: u32| func.block_at(to).and_then(|block| body.binary_search(&block).ok());
    let fresh: State = (0..REGS + places.len()).map(|at| Some((at, 0))).collect();
    let mut starts: Vec<Option<State>> = vec![None; body.len()];
    let mut ends: Vec<State> = Vec::with_capacity(body.len());
    if body.first() != Some(&head) {
        return Vec::new();
    }
    starts[0] = Some(fresh);
    for (index, &block) in body.iter().enumerate() {
        let Some(mut state) = starts[index].take() else { return Vec::new() };
        let block_of = func.blocks[block];
        for at in block_of.start..block_of.end {
            step(&mut state, &ops[at as usize], places);
        }
        if block != latch {
            let (falls, jumps) = successors(&ops[block_of.end as usize - 1]);
            for to in falls.then_some(block_of.end).into_iter().chain(jumps).filter_map(inside) {
                match &mut starts[to] {
                    Some(before) => {
                        let same = before.iter_mut().zip(&state);
                        same.filter(|(a, b)| *a != *b).for_each(|(a, _)| *a = None);
                    }
                    none => *none = Some(state.clone()),
                }
            }
        }
        ends.push(state);
    }
    let Ok(last) = body.binary_search(&latch) else { return Vec::new() };
    let leaves = |block: usize| {
        let end = func.blocks[block].end;
        let (falls, jumps) = successors(&ops[end as usize - 1]);
        falls.then_some(end).into_iter().chain(jumps).any(|to| inside(to).is_none())
    };
    let changed = |reg: usize| {
        let (from, step) = ends[last][reg]?;
        if from != reg || step == 0 {
            return None;
        }
        let mut after = Vec::new();
        for (end, &block) in ends.iter().zip(body) {
            // A register that nobody reads any more is not kept from block to block.
            let kept = func.live_out(ops, block) >> reg & 1 != 0;
            match end[reg].filter(|_| kept) {
                Some(now) if now == (reg, step) => after.push(block),
                Some(now) if now == (reg, 0) => {}
                // Nobody asks there.
                _ if !leaves(block) => {}
                _ => return None,
            }
        }
        Some(Carried { reg: Reg::ALL[reg], step, after })
    };
    (0..REGS).filter_map(changed).collect()
}

fn step(state: &mut State, op: &Op, places: &[Place]) {
    let place = |size: Size, base: Reg, off: i32| {
        let wanted = (off, size);
        places.iter().position(|&p| base == Reg::FP && p == wanted).map(|at| REGS + at)
    };
    let held = |state: &State, reg: Reg| state.get(reg.index()).filter(|_| reg != Reg::FP).copied().flatten();
    let gives = match *op {
        Op::Mov { width: Width::W64, src, .. } => held(state, src),
        Op::Alu { op: AluOp::Add, width: Width::W64, dst, src: Src::Imm(by) } => {
            held(state, dst).map(|(from, more)| (from, more.wrapping_add(by)))
        }
        Op::Alu { op: AluOp::Sub, width: Width::W64, dst, src: Src::Imm(by) } => {
            held(state, dst).map(|(from, more)| (from, more.wrapping_sub(by)))
        }
        Op::Load { size: Size::Dw, base, off, .. } => place(Size::Dw, base, off).and_then(|at| state[at]),
        Op::Store { size, base, off, src } => {
            let Some(at) = place(size, base, off) else { return };
            state[at] = match src {
                Src::Reg(src) if size == Size::Dw => held(state, src),
                _ => None,
            };
            return;
        }
        _ => None,
    };
    let writes = effect(op).1;
    for (reg, holds) in state.iter_mut().take(REGS).enumerate() {
        if writes >> reg & 1 != 0 {
            *holds = gives;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use crate::program::{Mode, Unit};
    use oxbpf_isa::insn::Cond;

    const PLACE: Place = (-8, Size::Dw);

    fn look_at(ops: &[Op], head: usize, latch: usize, body: &[usize]) -> Vec<(Reg, i64, Vec<usize>)> {
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit::plain(ops, &slots, Mode::Proven);
        let flow = Flow::of(&unit).unwrap();
        let found = carried(ops, &flow.funcs[0], (head, latch), body, &[PLACE]);
        found.into_iter().map(|c| (c.reg, c.step, c.after)).collect()
    }

    fn mov(dst: Reg, src: Reg) -> Op {
        Op::Mov { width: Width::W64, dst, src }
    }

    fn add(dst: Reg, by: i64) -> Op {
        Op::Alu { op: AluOp::Add, width: Width::W64, dst, src: Src::Imm(by) }
    }

    fn spill(src: Reg) -> Op {
        Op::Store { size: Size::Dw, base: Reg::FP, off: -8, src: Src::Reg(src) }
    }

    fn fill(dst: Reg) -> Op {
        Op::Load { size: Size::Dw, signed: false, dst, base: Reg::FP, off: -8 }
    }

    fn jump(dst: Reg, to: u32) -> Op {
        Op::Jump { cond: Cond::Ne, width: Width::W64, dst, src: Src::Imm(0), to }
    }

    #[test]
    fn a_counter_may_go_through_the_frame_and_other_registers() {
        let ops = [
            Op::Nop,
            spill(Reg::R8),
            Op::Const { dst: Reg::R8, value: 7, meaning: crate::program::Meaning::Number },
            fill(Reg::R3),
            add(Reg::R3, 8),
            mov(Reg::R8, Reg::R3),
            jump(Reg::R5, 1),
            Op::Exit,
        ];
        assert_eq!(look_at(&ops, 1, 1, &[1]), [(Reg::R8, 8, vec![1])]);
    }

    #[test]
    fn ways_that_differ_give_nothing() {
        // 1: if r5 != 0 goto 3; 2: r3 += 8; 3: r4 += 1; if r5 != 0 goto 1
        let ops = [Op::Nop, jump(Reg::R5, 3), add(Reg::R3, 8), add(Reg::R4, 1), jump(Reg::R5, 1), Op::Exit];
        assert_eq!(look_at(&ops, 1, 3, &[1, 2, 3]), [(Reg::R4, 1, vec![3])]);
    }

    #[test]
    fn who_leaves_must_have_the_register_still() {
        // 1: the counter goes to its place and comes back; 4: if r5 != 0 leave; then it comes back once more.
        let ops = [
            Op::Nop,
            spill(Reg::R8),
            fill(Reg::R8),
            jump(Reg::R6, 4),
            jump(Reg::R5, 8),
            fill(Reg::R8),
            add(Reg::R8, 8),
            jump(Reg::R5, 1),
            Op::Exit,
        ];
        assert!(look_at(&ops, 1, 4, &[1, 2, 3, 4]).is_empty());
        let mut read = ops;
        read[5] = Op::Nop;
        assert_eq!(look_at(&read, 1, 3, &[1, 2, 3]), [(Reg::R8, 8, vec![3])]);
    }

    #[test]
    fn who_leaves_must_know_how_far_it_has_come() {
        // The way out finds half of the step.
        let ops = [Op::Nop, add(Reg::R3, 4), jump(Reg::R5, 5), add(Reg::R3, 4), jump(Reg::R5, 1), Op::Exit];
        assert!(look_at(&ops, 1, 2, &[1, 2]).is_empty());
        let ops = [Op::Nop, add(Reg::R3, 8), jump(Reg::R5, 5), Op::Nop, jump(Reg::R5, 1), Op::Exit];
        assert_eq!(look_at(&ops, 1, 2, &[1, 2]), [(Reg::R3, 8, vec![1, 2])]);
    }
}
