//! The functions of a program: their blocks, what registers they read from their callers, and how deep
//! their calls go.
//!
//! A function is what jumps lead to from its first operation. Two functions may share operations, which
//! are then compiled twice. Registers that a function reads before it writes them come from its caller:
//! the arguments, and in programs that no verifier has seen also R0 and R6 to R9, since a call changes
//! nothing but R0.

use crate::abi::MAX_FRAMES;
use crate::error::CompileError;
use crate::program::{CpuOf, KeyAt, KeyForm, Meaning, Mode, Op, Src, Unit};
use crate::slots::{are_in_frame, in_frame};
use oxbpf_isa::insn::{AtomicOp, PacketBase, Reg};
use std::collections::{BTreeMap, BTreeSet};

/// A set of registers, one bit each.
pub(crate) type Regs = u16;

/// The argument registers.
pub(crate) const ARGS: Regs = 0b11_1110;

/// Registers that a function inherits besides its arguments, in the order they are handed over.
pub(crate) const INHERITED: [Reg; 5] = [Reg::R0, Reg::R6, Reg::R7, Reg::R8, Reg::R9];

pub(crate) const fn bit(reg: Reg) -> Regs {
    1 << reg.number()
}

fn src_bit(src: Src) -> Regs {
    match src {
        Src::Reg(reg) => bit(reg),
        Src::Imm(_) => 0,
    }
}

/// Operations from `start` up to `end`, entered at the first and left after the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    pub start: u32,
    pub end: u32,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Func {
    pub entry: u32,
    /// In order of their operations.
    pub blocks: Vec<Block>,
    /// Registers read before they are written.
    pub live_in: Regs,
    /// The same for each block: what is read from its beginning on before it is written.
    live: Vec<Regs>,
    /// Whether some jump goes backwards.
    pub loops: bool,
    /// Frames that this function and what it calls need at most; none where calls go round, here or on
    /// the way here, so that frames have to be counted.
    pub depth: Option<usize>,
    /// Whether hosts may call it by its address.
    pub by_address: bool,
}

impl Func {
    /// Whether it reads registers that are no arguments before it writes them.
    pub fn inherits(&self) -> bool {
        INHERITED.into_iter().any(|reg| self.live_in & bit(reg) != 0)
    }

    /// The block that begins at an operation.
    pub fn block_at(&self, op: u32) -> Option<usize> {
        self.blocks.binary_search_by_key(&op, |b| b.start).ok()
    }

    /// Registers whose values are read after a block.
    pub fn live_out(&self, ops: &[Op], block: usize) -> Regs {
        let end = self.blocks[block].end;
        let (falls, jumps) = successors(&ops[end as usize - 1]);
        let next = falls.then_some(end).into_iter().chain(jumps);
        next.filter_map(|op| self.block_at(op)).fold(0, |all, b| all | self.live[b])
    }

    pub fn ops<'a>(&'a self, ops: &'a [Op]) -> impl Iterator<Item = (u32, &'a Op)> {
        self.blocks.iter().flat_map(move |b| (b.start..b.end).map(|at| (at, &ops[at as usize])))
    }
}

/// The functions of a program, the main one first.
#[derive(Debug)]
pub(crate) struct Flow {
    pub funcs: Vec<Func>,
    /// The function that begins at an operation.
    pub by_entry: BTreeMap<u32, usize>,
}

/// Where control may go after an operation: the next one, and a jump's target.
pub(crate) fn successors(op: &Op) -> (bool, Option<u32>) {
    match *op {
        Op::Goto { to } => (false, Some(to)),
        Op::Jump { to, .. } | Op::MayGoto { to } => (true, Some(to)),
        Op::Exit | Op::Trap => (false, None),
        _ => (true, None),
    }
}

/// Registers an operation reads, and those it writes.
pub(crate) fn effect(op: &Op) -> (Regs, Regs) {
    match *op {
        Op::Alu { dst, src, .. } => (bit(dst) | src_bit(src), bit(dst)),
        Op::Neg { dst, .. } | Op::Swap { dst, .. } | Op::Truncate { dst, .. } => (bit(dst), bit(dst)),
        Op::Mov { dst, src, .. } | Op::MovSx { dst, src, .. } => (bit(src), bit(dst)),
        Op::Const { dst, .. } => (0, bit(dst)),
        Op::Load { dst, base, .. } | Op::LoadAcquire { dst, base, .. } => (bit(base), bit(dst)),
        Op::Store { base, src, .. } => (bit(base) | src_bit(src), 0),
        Op::StoreRelease { base, src, .. } => (bit(base) | bit(src), 0),
        Op::Atomic { op: AtomicOp::Cmpxchg, base, src, .. } => {
            (bit(base) | bit(src) | bit(Reg::R0), bit(Reg::R0))
        }
        Op::Atomic { fetch, base, src, .. } => (bit(base) | bit(src), if fetch { bit(src) } else { 0 }),
        Op::Packet { base: PacketBase::Ind(reg), .. } => (bit(reg), bit(Reg::R0)),
        Op::Packet { .. } => (0, bit(Reg::R0)),
        Op::Jump { dst, src, .. } => (bit(dst) | src_bit(src), 0),
        Op::CallSub { .. } => (ARGS, bit(Reg::R0)),
        Op::CallHelper { args, .. } => (ARGS & ((2 << args) - 1), bit(Reg::R0)),
        Op::Lookup { key, of, .. } => {
            let key = match key {
                KeyAt::Pointed => bit(Reg::R2),
                KeyAt::FrameBytes(_) => bit(Reg::FP),
                KeyAt::Frame(_) | KeyAt::Number(_) => 0,
            };
            let cpu = if of == CpuOf::R3 { bit(Reg::R3) } else { 0 };
            (key | cpu, bit(Reg::R0))
        }
        Op::Cpu => (0, bit(Reg::R0)),
        Op::Csum => (ARGS, bit(Reg::R0)),
        // What is called may inherit anything.
        Op::CallReg { .. } => (0x3ff, bit(Reg::R0)),
        // Where there is no target, R0 stays as it is.
        Op::TailCall { .. } => (0b1110, 0),
        Op::Exit => (bit(Reg::R0), 0),
        Op::Goto { .. } | Op::MayGoto { .. } | Op::Nop | Op::Trap => (0, 0),
    }
}

impl Flow {
    pub fn of(unit: &Unit<'_>) -> Result<Flow, CompileError> {
        let len = unit.ops.len() as u32;
        let mut entries = BTreeSet::from([0]);
        let mut addressed = BTreeSet::from([0]);
        for (at, op) in unit.ops.iter().enumerate() {
            match *op {
                Op::Lookup { map, key, .. } if !can_look_up(unit, map, key) => {
                    return Err(CompileError::Malformed { op: at as u32 });
                }
                Op::CallSub { to } => drop(entries.insert(to)),
                Op::Const { meaning: Meaning::Function(to), .. } => {
                    entries.insert(to);
                    addressed.insert(to);
                }
                _ => {}
            }
        }
        // Programs that share code between many functions would grow beyond measure.
        let limit = 4 * unit.ops.len() + 1000;
        let mut total = 0;
        let mut funcs = Vec::new();
        for &entry in &entries {
            if entry >= len {
                return Err(CompileError::Malformed { op: entry });
            }
            let func = discover(unit.ops, entry, addressed.contains(&entry))?;
            total += func.blocks.iter().map(|b| (b.end - b.start) as usize).sum::<usize>();
            if total > limit {
                return Err(CompileError::TooLarge { ops: total });
            }
            funcs.push(func);
        }
        let by_entry = funcs.iter().enumerate().map(|(i, f)| (f.entry, i)).collect();
        let mut flow = Flow { funcs, by_entry };
        flow.find_live_in(unit.ops);
        flow.find_depths(unit.ops);
        Ok(flow)
    }

    /// What functions read of their callers' registers, until nothing changes.
    fn find_live_in(&mut self, ops: &[Op]) {
        let mut changed = true;
        let mut calls = vec![true; self.funcs.len()];
        while changed {
            changed = false;
            for (index, calls) in calls.iter_mut().enumerate().filter(|c| *c.1) {
                let live;
                (live, *calls) = self.live(ops, &self.funcs[index]);
                let func = &mut self.funcs[index];
                let live_in = func.block_at(func.entry).map_or(0, |b| live[b]);
                changed |= live_in != func.live_in;
                (func.live_in, func.live) = (live_in, live);
            }
        }
    }

    /// What a function reads from each block on before it writes it, and whether that rests on what others
    /// read.
    fn live(&self, ops: &[Op], func: &Func) -> (Vec<Regs>, bool) {
        let mut calls = false;
        // What each block reads of what comes into it, and what it writes.
        let mut effects = Vec::with_capacity(func.blocks.len());
        for block in &func.blocks {
            let (mut read, mut written): (Regs, Regs) = (0, 0);
            for op in &ops[block.start as usize..block.end as usize] {
                let (mut reads, writes) = effect(op);
                if let Op::CallSub { to } = op
                    && let Some(&callee) = self.by_entry.get(to)
                {
                    reads = self.funcs[callee].live_in;
                    calls = true;
                }
                read |= reads & !written;
                written |= writes;
            }
            effects.push((read & !bit(Reg::R10), written));
        }
        let mut live: Vec<Regs> = vec![0; func.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for (index, block) in func.blocks.iter().enumerate().rev() {
                let (falls, jumps) = successors(&ops[block.end as usize - 1]);
                let next = falls.then_some(block.end).into_iter().chain(jumps);
                let after = next.filter_map(|op| func.block_at(op)).fold(0, |all, b| all | live[b]);
                let (read, written) = effects[index];
                let now = after & !written | read;
                changed |= now != live[index];
                live[index] = now;
            }
        }
        (live, calls)
    }

    /// How many frames each function needs.
    fn find_depths(&mut self, ops: &[Op]) {
        let callees: Vec<BTreeSet<usize>> = self
            .funcs
            .iter()
            .map(|f| {
                let of = |op: &Op| match op {
                    Op::CallSub { to } => self.by_entry.get(to).copied(),
                    _ => None,
                };
                f.ops(ops).filter_map(|(_, op)| of(op)).collect()
            })
            .collect();
        // After as many rounds as there may be frames, what still changes goes round or too deep.
        let mut depth = vec![1usize; self.funcs.len()];
        for _ in 0..=MAX_FRAMES {
            for (index, callees) in callees.iter().enumerate() {
                depth[index] = 1 + callees.iter().map(|&c| depth[c]).max().unwrap_or(0);
            }
        }
        // A function that one of those calls may itself be called at any depth, so it counts as well.
        let mut counts: Vec<bool> = depth.iter().map(|&d| d > MAX_FRAMES).collect();
        let mut todo: Vec<usize> = (0..counts.len()).filter(|&f| counts[f]).collect();
        while let Some(index) = todo.pop() {
            for &callee in &callees[index] {
                if !std::mem::replace(&mut counts[callee], true) {
                    todo.push(callee);
                }
            }
        }
        for ((func, depth), counts) in self.funcs.iter_mut().zip(depth).zip(counts) {
            func.depth = Some(depth).filter(|_| !counts);
        }
    }
}

/// Whether machine code can look a map up by such a key.
fn can_look_up(unit: &Unit<'_>, map: u32, key: KeyAt) -> bool {
    match (key, unit.maps.get(map as usize).and_then(|map| map.key())) {
        (KeyAt::Number(_), Some(KeyForm::Word(_))) => true,
        (KeyAt::Frame(off), Some(KeyForm::Word(size))) => in_frame(Reg::FP, off, size),
        (KeyAt::FrameBytes(off), Some(KeyForm::Bytes(len))) => are_in_frame(off, len),
        (KeyAt::Pointed, Some(_)) => unit.mode == Mode::Proven,
        _ => false,
    }
}

/// The blocks of the function at an operation.
fn discover(ops: &[Op], entry: u32, by_address: bool) -> Result<Func, CompileError> {
    let len = ops.len() as u32;
    let mut reached = vec![false; ops.len()];
    let mut leads = vec![false; ops.len()];
    leads[entry as usize] = true;
    let mut todo = vec![entry];
    let mut loops = false;
    while let Some(start) = todo.pop() {
        let mut at = start;
        while !std::mem::replace(&mut reached[at as usize], true) {
            let (falls, jumps) = successors(&ops[at as usize]);
            if let Some(to) = jumps {
                if to >= len {
                    return Err(CompileError::Malformed { op: at });
                }
                loops |= to <= at;
                leads[to as usize] = true;
                todo.push(to);
            }
            if !falls {
                break;
            }
            if at + 1 >= len {
                return Err(CompileError::Malformed { op: at });
            }
            at += 1;
            if jumps.is_some() {
                leads[at as usize] = true;
            }
        }
    }
    let mut blocks: Vec<Block> = Vec::new();
    let starts = leads.iter().enumerate().filter(|l| *l.1).map(|l| l.0);
    for start in starts {
        let ends = |&at: &usize| {
            let (falls, jumps) = successors(&ops[at]);
            !falls || jumps.is_some() || leads[at + 1]
        };
        let last = (start..ops.len()).find(ends).unwrap_or(start);
        blocks.push(Block { start: start as u32, end: last as u32 + 1 });
    }
    Ok(Func { entry, blocks, live_in: 0, live: Vec::new(), loops, depth: None, by_address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Mode;
    use oxbpf_isa::insn::{AluOp, Cond, Width};

    fn flow(ops: &[Op]) -> Result<Flow, CompileError> {
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit::plain(ops, &slots, Mode::Checked);
        Flow::of(&unit)
    }

    fn mov(dst: Reg, src: Reg) -> Op {
        Op::Mov { width: Width::W64, dst, src }
    }

    #[test]
    fn functions_read_what_their_callees_read() {
        // main: call f; exit; f: r0 = r6; r0 += r2; exit
        let ops = [
            Op::CallSub { to: 2 },
            Op::Exit,
            mov(Reg::R0, Reg::R6),
            Op::Alu { op: AluOp::Add, width: Width::W64, dst: Reg::R0, src: Src::Reg(Reg::R2) },
            Op::Exit,
        ];
        let flow = flow(&ops).unwrap();
        assert_eq!(flow.funcs[1].live_in, bit(Reg::R6) | bit(Reg::R2));
        assert_eq!(flow.funcs[0].live_in, flow.funcs[1].live_in);
        assert_eq!((flow.funcs[0].depth, flow.funcs[1].depth), (Some(2), Some(1)));
        assert!(!flow.funcs[0].loops);
    }

    #[test]
    fn what_is_read_after_a_block() {
        // 0: r3 = r1; 1: if r2 != 0 goto 3; 2: r1 = r4; 3: r0 = r3; 4: exit
        let jump = Op::Jump { cond: Cond::Ne, width: Width::W64, dst: Reg::R2, src: Src::Imm(0), to: 3 };
        let ops = [mov(Reg::R3, Reg::R1), jump, mov(Reg::R1, Reg::R4), mov(Reg::R0, Reg::R3), Op::Exit];
        let flow = flow(&ops).unwrap();
        let live = |block| flow.funcs[0].live_out(&ops, block);
        assert_eq!([0, 1, 2].map(live), [bit(Reg::R3) | bit(Reg::R4), bit(Reg::R3), 0]);
    }

    #[test]
    fn calls_that_go_round_have_no_depth() {
        // main calls itself and f, f calls nothing: f may still be the ninth frame.
        let flow = flow(&[Op::CallSub { to: 0 }, Op::CallSub { to: 3 }, Op::Exit, Op::Exit]).unwrap();
        assert_eq!((flow.funcs[0].depth, flow.funcs[1].depth), (None, None));
    }

    #[test]
    fn blocks_begin_where_jumps_lead() {
        let jump = Op::Jump { cond: Cond::Ne, width: Width::W64, dst: Reg::R1, src: Src::Imm(0), to: 1 };
        let flow = flow(&[Op::Nop, Op::Nop, jump, Op::Exit]).unwrap();
        let blocks: Vec<_> = flow.funcs[0].blocks.iter().map(|b| (b.start, b.end)).collect();
        assert_eq!(blocks, [(0, 1), (1, 3), (3, 4)]);
        assert!(flow.funcs[0].loops);
    }

    #[test]
    fn keys_outside_the_frame_or_of_another_form_are_refused() {
        use crate::program::{Finder, MapAt, MapKind};
        let found = |by| MapAt { kind: MapKind::Found { address: 64, by }, values: None };
        let maps = [found(Finder::HashAt(16)), found(Finder::Trie), MapAt::OTHER];
        let good = |map, key, mode| {
            let ops = [Op::Lookup { map, key, of: CpuOf::Run }, Op::Exit];
            Flow::of(&Unit { maps: &maps, ..Unit::plain(&ops, &[0, 1], mode) }).is_ok()
        };
        for mode in [Mode::Checked, Mode::Proven] {
            for (off, inside) in [(-16, true), (-15, false), (-512, true), (-513, false), (i32::MIN, false)] {
                assert_eq!(good(0, KeyAt::FrameBytes(off), mode), inside, "{off}");
            }
            assert!(good(1, KeyAt::Frame(-8), mode) && !good(1, KeyAt::Frame(-7), mode));
            assert!(good(1, KeyAt::Number(32), mode) && !good(0, KeyAt::Number(32), mode));
            assert!(!good(0, KeyAt::Frame(-16), mode) && !good(1, KeyAt::FrameBytes(-8), mode));
            for map in [2, 3] {
                assert!(!good(map, KeyAt::Number(1), mode) && !good(map, KeyAt::Pointed, mode));
            }
            for map in [0, 1] {
                assert_eq!(good(map, KeyAt::Pointed, mode), mode == Mode::Proven);
            }
        }
    }

    #[test]
    fn what_leads_outside_is_refused() {
        assert_eq!(flow(&[]).unwrap_err(), CompileError::Malformed { op: 0 });
        assert_eq!(flow(&[Op::Nop]).unwrap_err(), CompileError::Malformed { op: 0 });
        assert_eq!(flow(&[Op::Goto { to: 9 }]).unwrap_err(), CompileError::Malformed { op: 0 });
        assert_eq!(flow(&[Op::CallSub { to: 9 }, Op::Exit]).unwrap_err(), CompileError::Malformed { op: 9 });
    }
}
