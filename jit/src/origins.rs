//! Where pointers of programs that nobody proved come from, as far as the operations tell.
//!
//! A lookup gives the beginning of a value or zero, a constant may be an address in a value, and R10 is the end
//! of a frame. What is copied from those, moved by known numbers and found to be another than zero points
//! into memory that is there for as long as the function runs: values of maps stay where they are even when
//! their elements are deleted. Accesses that lie inside need no check. Where only the offset is lost, the next
//! access still falls into the value that was found, so lookups remember it for such accesses.

use crate::abi::STACK_SIZE;
use crate::checks::class;
use crate::flow::{Func, effect, successors};
use crate::program::{MapAt, Meaning, Mode, Op, Src, Unit};
use oxbpf_isa::insn::{AluOp, Cond, Reg, Size, Width};
use std::collections::BTreeSet;

/// So often states are joined at the beginning of a block before what differs is given up.
const JOINS: u32 = 4;

/// What a program's pointers are known to point at.
#[derive(Default, Debug)]
pub(crate) struct Origins {
    /// Accesses that are known to be good, in order; by function.
    good: Vec<Vec<u32>>,
    /// What accesses into values that were found are held against, by class and whether they write.
    pub remembered: BTreeSet<(usize, bool)>,
}

impl Origins {
    pub fn of(unit: &Unit<'_>, funcs: &[Func]) -> Origins {
        let mut origins = Origins::default();
        if unit.mode == Mode::Checked && unit.ops.iter().any(|op| source(unit.maps, op).is_some()) {
            for func in funcs {
                let good = look(unit, func, &mut origins.remembered);
                origins.good.push(good);
            }
        }
        origins
    }

    /// The accesses of a function that are known to be good, in order.
    pub fn good(&self, func: usize) -> &[u32] {
        self.good.get(func).map_or(&[], |good| good)
    }
}

/// Memory around the address in a register: its offsets from there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Points {
    low: i64,
    high: i64,
    writable: bool,
    /// A lookup may have given it.
    found: bool,
    /// The address is zero instead unless that was ruled out. Registers with one number hold the same.
    null: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    Unknown,
    /// Perhaps an address in a value that was found.
    Lost,
    Known(Points),
}

/// By register, R0 to R9.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State([Origin; 10]);

impl State {
    fn get(&self, reg: Reg) -> Origin {
        self.0.get(reg.index()).copied().unwrap_or(Origin::Known(FRAME))
    }

    fn set(&mut self, reg: Reg, origin: Origin) {
        // Nothing writes R10.
        if let Some(old) = self.0.get_mut(reg.index()) {
            *old = origin;
        }
    }
}

impl Origin {
    /// Moved by a number, if that is known.
    fn moved(self, by: Option<i64>) -> Origin {
        let Origin::Known(points) = self else { return self };
        by.and_then(|by| points.moved(by)).map_or(self.lost(), Origin::Known)
    }

    /// What is left of it when it is not known exactly.
    fn lost(self) -> Origin {
        match self {
            Origin::Lost | Origin::Known(Points { found: true, .. }) => Origin::Lost,
            Origin::Unknown | Origin::Known(_) => Origin::Unknown,
        }
    }

    /// That, or what is left of another.
    fn or_lost(self, other: Origin) -> Origin {
        if other.lost() == Origin::Lost { Origin::Lost } else { self.lost() }
    }
}

/// What the pointer is that an operation makes of nothing; with the register.
fn source(maps: &[MapAt], op: &Op) -> Option<(Reg, Points)> {
    match *op {
        Op::Lookup { map, .. } => {
            let (len, writable) = maps.get(map as usize)?.values?;
            Some((Reg::R0, Points { low: 0, high: len.into(), writable, found: true, null: Some(0) }))
        }
        Op::Const { dst, value, meaning: Meaning::Memory { start, len, writable } } => {
            let low = start.wrapping_sub(value).cast_signed();
            let high = low.checked_add(i64::try_from(len).ok()?)?;
            Some((dst, Points { low, high, writable, found: false, null: None }))
        }
        Op::Mov { width: Width::W64, dst, src: Reg::FP } => Some((dst, FRAME)),
        _ => None,
    }
}

/// What R10 points at.
const FRAME: Points = Points { low: -(STACK_SIZE as i64), high: 0, writable: true, found: false, null: None };

/// The base, offset and size of an access, and whether it writes.
fn access(op: &Op) -> Option<(Reg, i32, Size, bool)> {
    match *op {
        Op::Load { size, base, off, .. } | Op::LoadAcquire { size, base, off, .. } => {
            Some((base, off, size, false))
        }
        Op::Store { size, base, off, .. }
        | Op::StoreRelease { size, base, off, .. }
        | Op::Atomic { size, base, off, .. } => Some((base, off, size, true)),
        _ => None,
    }
}

impl Points {
    fn holds(&self, off: i32, size: Size, write: bool) -> bool {
        let off = i64::from(off);
        let inside = self.low <= off && off + size.bytes() as i64 <= self.high;
        inside && self.null.is_none() && (self.writable || !write)
    }

    fn moved(&self, by: i64) -> Option<Points> {
        let (low, high) = (self.low.checked_sub(by)?, self.high.checked_sub(by)?);
        self.null.is_none().then_some(Points { low, high, ..*self })
    }
}

/// The accesses of a function that are good; adds what lookups must remember.
fn look(unit: &Unit<'_>, func: &Func, remembered: &mut BTreeSet<(usize, bool)>) -> Vec<u32> {
    let mut begins: Vec<Option<(State, u32)>> = vec![None; func.blocks.len()];
    let Some(entry) = func.block_at(func.entry) else { return Vec::new() };
    begins[entry] = Some((State([Origin::Unknown; 10]), 0));
    let mut todo = BTreeSet::from([entry]);
    while let Some(index) = todo.pop_first() {
        let (block, Some((mut state, _))) = (func.blocks[index], begins[index]) else { continue };
        for at in block.start..block.end {
            step(unit, at, &mut state);
        }
        let last = &unit.ops[block.end as usize - 1];
        let (falls, jumps) = successors(last);
        let ways = falls.then_some((block.end, false)).into_iter().chain(jumps.map(|to| (to, true)));
        for (to, taken) in ways {
            let Some(to) = func.block_at(to) else { continue };
            let mut state = state;
            decided(last, taken, &mut state);
            let changed = match &mut begins[to] {
                Some((begin, joins)) => join(to, begin, &state, joins),
                begin => {
                    *begin = Some((state, 0));
                    true
                }
            };
            if changed {
                todo.insert(to);
            }
        }
    }
    let mut good = Vec::new();
    for (block, begin) in func.blocks.iter().zip(begins) {
        let Some((mut state, _)) = begin else { continue };
        for at in block.start..block.end {
            if let Some((base, off, size, write)) = access(&unit.ops[at as usize]) {
                match state.get(base) {
                    Origin::Known(points) if points.holds(off, size, write) => good.push(at),
                    origin if origin.lost() == Origin::Lost => {
                        remembered.insert((class(base), write));
                    }
                    _ => {}
                }
            }
            step(unit, at, &mut state);
        }
    }
    good
}

/// What an operation makes of the registers.
fn step(unit: &Unit<'_>, at: u32, state: &mut State) {
    let op = &unit.ops[at as usize];
    if let Some((dst, points)) = source(unit.maps, op) {
        let null = points.null.map(|_| at);
        // What an earlier turn found is not what this one finds.
        for origin in &mut state.0 {
            if matches!(origin, Origin::Known(old) if null.is_some() && old.null == null) {
                *origin = Origin::Lost;
            }
        }
        return state.set(dst, Origin::Known(Points { null, ..points }));
    }
    match *op {
        Op::Mov { width: Width::W64, dst, src } => state.set(dst, state.get(src)),
        Op::Alu { op: op @ (AluOp::Add | AluOp::Sub), width: Width::W64, dst, src } => {
            let to = state.get(dst);
            let origin = match (op, src) {
                (AluOp::Add, Src::Reg(src)) => to.or_lost(state.get(src)),
                (AluOp::Add, Src::Imm(imm)) => to.moved(Some(imm)),
                (_, Src::Imm(imm)) => to.moved(imm.checked_neg()),
                (_, Src::Reg(_)) => to.moved(None),
            };
            state.set(dst, origin);
        }
        // It may give what it found.
        Op::CallSub { .. } => state.set(Reg::R0, Origin::Lost),
        _ => {
            let mut written = effect(op).1;
            while written != 0 {
                if let Some(origin) = state.0.get_mut(written.trailing_zeros() as usize) {
                    *origin = Origin::Unknown;
                }
                written &= written - 1;
            }
        }
    }
}

/// What the way out of a block tells.
fn decided(op: &Op, taken: bool, state: &mut State) {
    let Op::Jump { cond, width: Width::W64, dst, src: Src::Imm(0), .. } = *op else { return };
    let is_zero = match cond {
        Cond::Eq => taken,
        Cond::Ne => !taken,
        _ => return,
    };
    let Origin::Known(Points { null: Some(number), .. }) = state.get(dst) else { return };
    for origin in &mut state.0 {
        match origin {
            Origin::Known(points) if points.null == Some(number) => match is_zero {
                true => *origin = Origin::Unknown,
                false => points.null = None,
            },
            _ => {}
        }
    }
}

/// Adds a way to the beginning of a block; whether that changes anything.
fn join(block: usize, begin: &mut State, way: &State, joins: &mut u32) -> bool {
    let before = *begin;
    // Numbers of what different lookups found begin behind those of operations.
    const JOINED: u32 = 1 << 31;
    let number = |reg: usize| JOINED | (10 * block + reg) as u32;
    let is_ours = |null: u32| (number(0)..number(10)).contains(&null);
    for (reg, (old, new)) in begin.0.iter_mut().zip(way.0).enumerate() {
        *old = match (*old, new) {
            (Origin::Known(a), Origin::Known(b)) => {
                let null = match (a.null, b.null) {
                    (None, None) => None,
                    // One of ours may come around from an earlier turn, in another register.
                    (Some(a), Some(b)) if a == b && !is_ours(a) => Some(a),
                    _ => Some(number(reg)),
                };
                let (low, high) = (a.low.max(b.low), a.high.min(b.high));
                let (writable, found) = (a.writable && b.writable, a.found || b.found);
                Origin::Known(Points { low, high, writable, found, null })
            }
            (a, b) if a == b => a,
            (a, b) => a.or_lost(b),
        };
    }
    if *begin == before {
        return false;
    }
    *joins += 1;
    if *joins > JOINS {
        for (old, before) in begin.0.iter_mut().zip(before.0) {
            if *old != before {
                *old = Origin::Lost;
            }
        }
    }
    true
}
