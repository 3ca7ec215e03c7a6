//! Loops that copy or fill memory byte by byte.
//!
//! A counted loop of one block that stores one byte a turn, either what it has just loaded from
//! elsewhere or what stays the same, at addresses that go up with the counted register. Most of its
//! turns can be made many at a time; the last ones are left to the loop itself, so that every register
//! ends as it would have: none but the counted one may carry anything from turn to turn.

use crate::flow::{Func, bit, effect};
use crate::loops::{Counted, Step};
use crate::program::{Op, Src};
use oxbpf_isa::insn::{AluOp, Reg, Size, Width};

/// An address that goes up with the counted register: that, registers which stay the same, and a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moving {
    pub regs: [Option<Reg>; 2],
    pub off: i64,
    /// The operation that accesses it.
    pub at: u32,
    /// The register that it is accessed through.
    pub base: Reg,
}

/// What a loop does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bulk {
    pub to: Moving,
    pub from: From,
}

/// Where the bytes come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum From {
    Memory(Moving),
    /// The low byte of what stays the same.
    Same(Src),
}

/// What a register holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holds {
    /// What it held before the loop, which no turn changes.
    Same(Reg),
    /// The counted register, if that is in it, registers that stay the same, and a number.
    Sum {
        counted: bool,
        regs: [Option<Reg>; 2],
        off: i64,
    },
    /// The byte that was loaded.
    Loaded,
    Other,
}

impl Holds {
    fn sum(self) -> Option<(bool, [Option<Reg>; 2], i64)> {
        match self {
            Holds::Same(reg) => Some((false, [Some(reg), None], 0)),
            Holds::Sum { counted, regs, off } => Some((counted, regs, off)),
            _ => None,
        }
    }

    fn plus(self, other: Holds) -> Holds {
        let (Some(a), Some(b)) = (self.sum(), other.sum()) else { return Holds::Other };
        if a.0 && b.0 {
            return Holds::Other;
        }
        let mut all = a.1.into_iter().chain(b.1).flatten();
        let regs = [all.next(), all.next()];
        match all.next() {
            Some(_) => Holds::Other,
            None => Holds::Sum { counted: a.0 || b.0, regs, off: a.2.wrapping_add(b.2) },
        }
    }
}

/// What a counted loop copies or fills, if it does nothing else.
pub(crate) fn look(ops: &[Op], func: &Func, counted: &Counted) -> Option<Bulk> {
    // The jump back may have a block of its own.
    let block = match *counted.body {
        [block] => block,
        [block, _] if counted.test != counted.latch => block,
        _ => return None,
    };
    if counted.step != Step::By(1) || counted.bound.is_none() {
        return None;
    }
    let block = func.blocks[block];
    let ops_of = || (block.start..block.end).map(|at| effect(&ops[at as usize]));
    if ops_of().filter(|(_, writes)| writes & bit(counted.reg) != 0).count() != 1 {
        return None;
    }
    let written = ops_of().fold(0, |all, (_, writes)| all | writes);
    // The turns left to the loop set every register that one turn hands to the next only if none but
    // the counted one is read before the turn has written it.
    let mut fresh = !written | bit(counted.reg);
    for (reads, writes) in ops_of() {
        if reads & !fresh != 0 {
            return None;
        }
        fresh |= writes;
    }
    let mut holds: [Holds; 11] = std::array::from_fn(|number| match written >> number & 1 {
        0 => Holds::Same(Reg::ALL[number]),
        _ => Holds::Other,
    });
    holds[counted.reg.index()] = Holds::Sum { counted: true, regs: [None; 2], off: 0 };
    let mut loaded = None;
    let mut stored = None;
    for at in block.start..block.end - 1 {
        match ops[at as usize] {
            Op::Mov { width: Width::W64, dst, src } => holds[dst.index()] = holds[src.index()],
            Op::Alu { op: AluOp::Add, width: Width::W64, dst, src } => {
                let more = match src {
                    Src::Reg(reg) => holds[reg.index()],
                    Src::Imm(off) => Holds::Sum { counted: false, regs: [None; 2], off },
                };
                holds[dst.index()] = holds[dst.index()].plus(more);
            }
            Op::Load { size: Size::B, signed: false, dst, base, off }
                if loaded.is_none() && stored.is_none() =>
            {
                loaded = Some(moving(holds[base.index()], off, at, base)?);
                holds[dst.index()] = Holds::Loaded;
            }
            Op::Store { size: Size::B, base, off, src } if stored.is_none() => {
                let to = moving(holds[base.index()], off, at, base)?;
                let from = match (src, loaded) {
                    (Src::Imm(_), None) => From::Same(src),
                    (Src::Reg(reg), from) => match (holds[reg.index()], from) {
                        (Holds::Loaded, Some(from)) => From::Memory(from),
                        (Holds::Same(reg), None) => From::Same(Src::Reg(reg)),
                        _ => return None,
                    },
                    _ => return None,
                };
                stored = Some(Bulk { to, from });
            }
            Op::Const { dst, value, .. } => {
                holds[dst.index()] = Holds::Sum { counted: false, regs: [None; 2], off: value as i64 };
            }
            Op::Alu { dst, .. } if dst == counted.reg => holds[dst.index()] = Holds::Other,
            Op::Nop => {}
            _ => return None,
        }
    }
    stored
}

fn moving(holds: Holds, off: i32, at: u32, base: Reg) -> Option<Moving> {
    let (true, regs, more) = holds.sum()? else { return None };
    Some(Moving { regs, off: more.wrapping_add(i64::from(off)), at, base })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;
    use crate::loops::{counted, retreats};
    use crate::program::{Mode, Unit};
    use oxbpf_isa::insn::Cond;

    fn found(body: &[Op]) -> Option<Bulk> {
        let mut ops = vec![Op::Const { dst: Reg::R3, value: 0, meaning: crate::program::Meaning::Number }];
        ops.extend_from_slice(body);
        ops.push(Op::Alu { op: AluOp::Add, width: Width::W64, dst: Reg::R3, src: Src::Imm(1) });
        let src = Src::Reg(Reg::R2);
        ops.push(Op::Jump { cond: Cond::Lt, width: Width::W64, dst: Reg::R3, src, to: 1 });
        ops.push(Op::Exit);
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit::plain(&ops, &slots, Mode::Proven);
        let flow = Flow::of(&unit).unwrap();
        let back = retreats(&ops, &flow.funcs[0]);
        let loops = counted(&ops, &flow.funcs[0], &back, &|_| false, None);
        look(&ops, &flow.funcs[0], loops.first()?)
    }

    fn at_r3(dst: Reg, base: Reg) -> [Op; 2] {
        [
            Op::Mov { width: Width::W64, dst, src: base },
            Op::Alu { op: AluOp::Add, width: Width::W64, dst, src: Src::Reg(Reg::R3) },
        ]
    }

    #[test]
    fn copies_and_fills_are_seen() {
        let load = Op::Load { size: Size::B, signed: false, dst: Reg::R0, base: Reg::R5, off: 2 };
        let store = |src| Op::Store { size: Size::B, base: Reg::R6, off: 0, src };
        let copy =
            [&at_r3(Reg::R5, Reg::R1)[..], &[load], &at_r3(Reg::R6, Reg::R4), &[store(Src::Reg(Reg::R0))]];
        let bulk = found(&copy.concat()).unwrap();
        assert_eq!((bulk.to.regs, bulk.to.off), ([Some(Reg::R4), None], 0));
        assert!(matches!(bulk.from, From::Memory(Moving { regs: [Some(Reg::R1), None], off: 2, .. })));
        let fill = [&at_r3(Reg::R6, Reg::R4)[..], &[store(Src::Reg(Reg::R7))]].concat();
        assert_eq!(found(&fill).unwrap().from, From::Same(Src::Reg(Reg::R7)));
        // What is stored changes with every turn.
        assert_eq!(found(&[&at_r3(Reg::R6, Reg::R4)[..], &[store(Src::Reg(Reg::R3))]].concat()), None);
        // Something else is stored as well.
        assert_eq!(found(&[&fill[..], &[store(Src::Imm(0))]].concat()), None);
        // A register gathers something from turn to turn, or hands it on to the next.
        let sum = Op::Alu { op: AluOp::Add, width: Width::W64, dst: Reg::R7, src: Src::Reg(Reg::R0) };
        assert_eq!(found(&[copy.concat(), vec![sum]].concat()), None);
        let late = [Reg::R7, Reg::R8].map(|dst| {
            let src = if dst == Reg::R7 { Reg::R8 } else { Reg::R3 };
            Op::Mov { width: Width::W64, dst, src }
        });
        assert_eq!(found(&[copy.concat(), late.to_vec()].concat()), None);
        // The address stays.
        assert_eq!(found(&[Op::Store { size: Size::B, base: Reg::R4, off: 0, src: Src::Imm(0) }]), None);
    }
}
