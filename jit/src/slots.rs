//! Which parts of the stack need no memory.
//!
//! Compilers spill registers to the frame, always at the same place with the same width. When the frame's
//! address never leaves a function, nobody else can see such a place, so it becomes a variable like the
//! registers, provided that it is always written before it is read: what a frame holds at first is what
//! calls before left there.
//!
//! A proven program cannot reach a frame whose address it was not given, so its functions are looked at
//! one by one. A program that nobody proved may guess; it gets variables only where no function lets
//! an address out or reads what it did not write, so that it could tell nothing by guessing but zeros
//! from zeros.

use crate::abi::STACK_SIZE;
use crate::flow::{Flow, Func, bit, effect, successors};
use crate::program::{KeyAt, KeyForm, MapAt, Mode, Op, Src, Unit};
use oxbpf_isa::insn::{Reg, Size};

/// A place in the frame: its offset from R10, and its width.
pub(crate) type Place = (i32, Size);

/// Whether an access relative to R10 stays inside the frame.
pub(crate) fn in_frame(base: Reg, off: i32, size: Size) -> bool {
    base == Reg::FP && are_in_frame(off, size.bytes())
}

/// Whether so many bytes at an offset from R10 lie inside the frame.
pub(crate) fn are_in_frame(off: i32, len: u32) -> bool {
    off >= -(STACK_SIZE as i32) && i64::from(off) + i64::from(len) <= 0
}

/// What of the frames of a program becomes variables.
pub(crate) struct Places {
    /// By function.
    pub of: Vec<Vec<Place>>,
    /// Whether some function may read of its frame what it did not write.
    pub reads_fresh: bool,
    /// Whether some function may write to its frame.
    pub used: bool,
}

/// The places of each function that become variables.
pub(crate) fn places(unit: &Unit<'_>, flow: &Flow) -> Places {
    let found: Vec<Found> = flow.funcs.iter().map(|f| look(unit, f)).collect();
    let reads_fresh = found.iter().any(|f| f.escapes || f.unwritten);
    let none = unit.mode == Mode::Checked && reads_fresh;
    let of = found.into_iter().map(|f| if none || f.escapes { Vec::new() } else { f.places }).collect();
    // A program that nobody proved may guess where its frame lies.
    let used = unit.mode == Mode::Checked || unit.ops.iter().any(|op| effect(op).0 & bit(Reg::FP) != 0);
    Places { of, reads_fresh, used }
}

/// What a function does with its frame.
struct Found {
    /// Its address is used for more than accesses at known places.
    escapes: bool,
    /// Some place is read that may not have been written.
    unwritten: bool,
    places: Vec<Place>,
}

/// One bit for each byte of the frame.
type Bytes = [u64; STACK_SIZE / 64];

fn byte(off: i32) -> usize {
    (off + STACK_SIZE as i32) as usize
}

fn has(set: &Bytes, at: usize) -> bool {
    set[at / 64] >> (at % 64) & 1 != 0
}

fn add(set: &mut Bytes, at: usize) {
    set[at / 64] |= 1 << (at % 64);
}

/// The place that a plain access relative to R10 is at, and whether it is a store.
fn plain(maps: &[MapAt], op: &Op) -> Option<(Place, bool)> {
    match *op {
        Op::Lookup { map, key: KeyAt::Frame(off), .. } => {
            let KeyForm::Word(size) = maps.get(map as usize)?.key()? else { return None };
            in_frame(Reg::FP, off, size).then_some(((off, size), false))
        }
        Op::Load { size, base, off, .. } if in_frame(base, off, size) => Some(((off, size), false)),
        Op::Store { size, base, off, src } if in_frame(base, off, size) && src != Src::Reg(Reg::FP) => {
            Some(((off, size), true))
        }
        _ => None,
    }
}

fn look(unit: &Unit<'_>, func: &Func) -> Found {
    let ops = unit.ops;
    // For each byte the one place it belongs to, or that it belongs to several.
    let mut owner: [Option<Place>; STACK_SIZE] = [None; STACK_SIZE];
    let mut shared = [0; STACK_SIZE / 64];
    let mut all: Vec<Place> = Vec::new();
    for (_, op) in func.ops(ops) {
        let Some((place, _)) = plain(unit.maps, op) else {
            if effect(op).0 & bit(Reg::FP) != 0 {
                return Found { escapes: true, unwritten: true, places: Vec::new() };
            }
            continue;
        };
        let start = byte(place.0);
        let bytes = owner.iter_mut().enumerate().skip(start).take(place.1.bytes() as usize);
        for (at, owner) in bytes {
            if owner.is_some_and(|o| o != place) {
                add(&mut shared, at);
            }
            *owner = Some(place);
        }
        if !all.contains(&place) {
            all.push(place);
        }
    }
    let unwritten = unwritten(unit, func);
    let alone = |place: &Place| {
        let start = byte(place.0);
        (start..start + place.1.bytes() as usize).all(|at| !has(&shared, at))
    };
    let mut places: Vec<Place> = all.into_iter().filter(alone).collect();
    places.retain(|p| !has(&unwritten, byte(p.0)));
    places.sort_unstable_by_key(|p| p.0);
    Found { escapes: false, unwritten: unwritten != [0; STACK_SIZE / 64], places }
}

/// The first bytes of places that some load may read before they are written.
fn unwritten(unit: &Unit<'_>, func: &Func) -> Bytes {
    let ops = unit.ops;
    let blocks = func.blocks.len();
    let mut at_start = vec![[u64::MAX; STACK_SIZE / 64]; blocks];
    let Some(entry) = func.block_at(func.entry) else { return [u64::MAX; STACK_SIZE / 64] };
    at_start[entry] = [0; STACK_SIZE / 64];
    let mut seen = vec![false; blocks];
    seen[entry] = true;
    let mut todo = vec![entry];
    while let Some(index) = todo.pop() {
        let mut written = at_start[index];
        let block = func.blocks[index];
        for op in &ops[block.start as usize..block.end as usize] {
            if let Some((place, true)) = plain(unit.maps, op) {
                (byte(place.0)..byte(place.0) + place.1.bytes() as usize)
                    .for_each(|at| add(&mut written, at));
            }
        }
        let (falls, jumps) = successors(&ops[block.end as usize - 1]);
        let next = falls.then_some(block.end);
        for to in next.into_iter().chain(jumps).filter_map(|op| func.block_at(op)) {
            let before = at_start[to];
            for (have, now) in at_start[to].iter_mut().zip(&written) {
                *have &= now;
            }
            let first = !std::mem::replace(&mut seen[to], true);
            if first || at_start[to] != before {
                todo.push(to);
            }
        }
    }
    let mut unwritten = [0; STACK_SIZE / 64];
    for (index, block) in func.blocks.iter().enumerate() {
        let mut written = at_start[index];
        for op in &ops[block.start as usize..block.end as usize] {
            match plain(unit.maps, op) {
                Some((place, true)) => {
                    (byte(place.0)..byte(place.0) + place.1.bytes() as usize)
                        .for_each(|at| add(&mut written, at));
                }
                Some((place, false)) => {
                    let mut bytes = byte(place.0)..byte(place.0) + place.1.bytes() as usize;
                    if bytes.any(|at| !has(&written, at)) {
                        add(&mut unwritten, byte(place.0));
                    }
                }
                None => {}
            }
        }
    }
    unwritten
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxbpf_isa::insn::Width;

    fn places_of(ops: &[Op], mode: Mode) -> Vec<Place> {
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit::plain(ops, &slots, mode);
        places(&unit, &Flow::of(&unit).unwrap()).of.swap_remove(0)
    }

    fn store(off: i32, size: Size) -> Op {
        Op::Store { size, base: Reg::FP, off, src: Src::Imm(1) }
    }

    fn load(off: i32, size: Size) -> Op {
        Op::Load { size, signed: false, dst: Reg::R0, base: Reg::FP, off }
    }

    #[test]
    fn what_is_always_the_same_place_is_a_variable() {
        let ops =
            [store(-8, Size::Dw), store(-16, Size::W), load(-8, Size::Dw), load(-16, Size::W), Op::Exit];
        for mode in [Mode::Proven, Mode::Checked] {
            assert_eq!(places_of(&ops, mode), [(-16, Size::W), (-8, Size::Dw)]);
        }
        let overlapping = [store(-8, Size::Dw), load(-8, Size::W), Op::Exit];
        assert_eq!(places_of(&overlapping, Mode::Proven), []);
    }

    #[test]
    fn what_may_be_read_before_it_is_written_is_memory() {
        let ops = [
            Op::Jump {
                cond: oxbpf_isa::insn::Cond::Eq,
                width: Width::W64,
                dst: Reg::R1,
                src: Src::Imm(0),
                to: 2,
            },
            store(-8, Size::Dw),
            load(-8, Size::Dw),
            store(-16, Size::Dw),
            load(-16, Size::Dw),
            Op::Exit,
        ];
        assert_eq!(places_of(&ops, Mode::Proven), [(-16, Size::Dw)]);
        assert_eq!(places_of(&ops, Mode::Checked), []);
    }

    #[test]
    fn a_loop_writes_before_it_reads_again() {
        let ops = [
            store(-8, Size::Dw),
            load(-8, Size::Dw),
            store(-8, Size::Dw),
            Op::Jump {
                cond: oxbpf_isa::insn::Cond::Eq,
                width: Width::W64,
                dst: Reg::R1,
                src: Src::Imm(0),
                to: 1,
            },
            Op::Exit,
        ];
        assert_eq!(places_of(&ops, Mode::Checked), [(-8, Size::Dw)]);
    }

    #[test]
    fn an_address_that_gets_out_keeps_the_frame_in_memory() {
        let ops = [
            store(-8, Size::Dw),
            Op::Mov { width: Width::W64, dst: Reg::R2, src: Reg::FP },
            load(-8, Size::Dw),
            Op::Exit,
        ];
        assert_eq!(places_of(&ops, Mode::Proven), []);
        let stored = [
            store(-8, Size::Dw),
            Op::Store { size: Size::Dw, base: Reg::R1, off: 0, src: Src::Reg(Reg::FP) },
            load(-8, Size::Dw),
            Op::Exit,
        ];
        assert_eq!(places_of(&stored, Mode::Proven), []);
    }
}
