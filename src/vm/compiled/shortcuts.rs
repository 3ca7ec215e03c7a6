//! What a program does that is done in a shorter way: lookups without helpers, tail calls through arrays that
//! are known, and in proven programs loads that always give the same and jumps with one outcome.
//!
//! Operations keep their places, so that traps, profiles and what instructions cost stay what they are.
//! Which map is looked up is known from a proof, or from the operations that lead straight to the call; the
//! same holds for the place of a key in the frame.

use crate::vm::engine::Engine;
use crate::vm::known::Known;
use crate::vm::linker::Table;
use crate::vm::maps::{Map, MapKind};
use crate::vm::quick::{Quick, QuickMap};
use crate::vm::run::Linked;
use oxbpf_isa::insn::{AluOp, Reg, Size, Width};
use oxbpf_isa::proof::MapUse;
use oxbpf_jit::{CpuOf, Finder, KeyAt, KeyForm, MapAt, Meaning, Op, Src};
use std::ptr::NonNull;

const LOOKUP: i32 = 1;
const PROCESSOR: i32 = 8;
const CSUM_DIFF: i32 = 28;
const LOOKUP_PERCPU: i32 = 195;

/// How the maps of a program are looked up, as far as its operations do so themselves.
pub(super) fn maps(prog: &Linked, engine: &Engine, ops: &[Op]) -> Box<[MapAt]> {
    let mut maps = vec![MapAt::OTHER; prog.maps.len()];
    for op in ops {
        if let Op::Lookup { map, .. } | Op::TailCall { array: Some(map) } = *op {
            maps[map as usize] = map_at(prog, engine, map);
        }
    }
    // Programs that look nothing up share their code whatever their maps.
    maps.truncate(maps.iter().rposition(|map| *map != MapAt::OTHER).map_or(0, |last| last + 1));
    maps.into()
}

fn map_at(prog: &Linked, engine: &Engine, index: u32) -> MapAt {
    let (Some(map), Some(quick)) = (prog.maps.get(index as usize), prog.quick.get(index as usize)) else {
        return MapAt::OTHER;
    };
    if let Quick::Programs { stamps, count } = quick.how {
        return MapAt { kind: oxbpf_jit::MapKind::Programs { stamps, count }, values: None };
    }
    // A map that was made elsewhere may have fewer CPUs than runs may be on.
    if map.head().cpus() < engine.cpus() {
        return MapAt::OTHER;
    }
    let kind = match quick.how {
        Quick::Array { base, stride, count, apart, cpus } => {
            oxbpf_jit::MapKind::Array { base, stride, count, apart, cpus }
        }
        Quick::Hash4(map) => found(map, Finder::Hash(Size::W)),
        Quick::Hash8(map) => found(map, Finder::Hash(Size::Dw)),
        Quick::Hash(map, size) => found(map, Finder::HashAt(size)),
        Quick::Trie(map, 8) => found(map, Finder::Trie),
        Quick::Trie(map, size) => found(map, Finder::TrieAt(size)),
        Quick::Programs { .. } | Quick::Other => return MapAt::OTHER,
    };
    MapAt { kind, values: values(&**map, quick) }
}

fn found<M>(map: NonNull<M>, by: Finder) -> oxbpf_jit::MapKind {
    oxbpf_jit::MapKind::Found { address: map.as_ptr().expose_provenance() as u64, by }
}

/// The extent of a value that is one region.
fn values(map: &dyn Map, quick: &QuickMap) -> Option<(u32, bool)> {
    quick.is_plain().then(|| (map.head().shape().value_size, map.head().program_may_write()))
}

/// Puts in what is shorter.
pub(super) fn shorten(prog: &Linked, engine: &Engine, ops: &mut [Op]) {
    for &(at, known) in &prog.known {
        let op = &mut ops[at as usize];
        match (known, *op) {
            (Known::Unreached, _) => *op = Op::Trap,
            (Known::Taken(true), Op::Jump { to, .. }) => *op = Op::Goto { to },
            (Known::Taken(false), Op::Jump { .. }) => *op = Op::Nop,
            (Known::Gives(value), Op::Load { dst, .. }) => {
                *op = Op::Const { dst, value, meaning: Meaning::Number };
            }
            _ => {}
        }
    }
    let targets = targets(prog, ops);
    for at in 0..ops.len() {
        let index = match ops[at] {
            Op::CallHelper { index, .. } => index,
            Op::TailCall { .. } => {
                ops[at] = Op::TailCall { array: array_of(prog, ops, &targets, at) };
                continue;
            }
            _ => continue,
        };
        match Table::own(index as usize) {
            Some(PROCESSOR) => ops[at] = Op::Cpu,
            Some(CSUM_DIFF) if prog.proven => ops[at] = Op::Csum,
            Some(LOOKUP) => look_up(prog, engine, ops, &targets, at, CpuOf::Run),
            Some(LOOKUP_PERCPU) => look_up(prog, engine, ops, &targets, at, CpuOf::R3),
            _ => {}
        }
    }
}

/// Operations that control may come to from elsewhere than the one before.
fn targets(prog: &Linked, ops: &[Op]) -> Vec<bool> {
    let mut targets = vec![false; ops.len()];
    let jumps = ops.iter().filter_map(|op| match *op {
        Op::Goto { to } | Op::Jump { to, .. } | Op::MayGoto { to } | Op::CallSub { to } => Some(to),
        Op::Const { meaning: Meaning::Function(to), .. } => Some(to),
        _ => None,
    });
    for to in jumps.chain([0]).chain(prog.exception_callback).chain(prog.code.entries.iter().copied()) {
        if let Some(target) = targets.get_mut(to as usize) {
            *target = true;
        }
    }
    targets
}

fn look_up(prog: &Linked, engine: &Engine, ops: &mut [Op], targets: &[bool], at: usize, of: CpuOf) {
    let proved = used(prog, at);
    let own = proved.and_then(own_map);
    let Some(map) = own.or_else(|| passed(ops, targets, at, Reg::R1)) else { return };
    let found = map_at(prog, engine, map);
    let Some(form) = found.key() else { return };
    if of == CpuOf::R3
        && !prog.maps.get(map as usize).is_some_and(|m| matches!(m.kind(), MapKind::PercpuArray(_)))
    {
        return;
    }
    let is_array = matches!(found.kind, oxbpf_jit::MapKind::Array { .. });
    let key = match proved.filter(|_| own.is_some() && is_array).and_then(|used| used.key) {
        Some(key) => Some((KeyAt::Number(key), before(ops, targets, at, Reg::R2))),
        None => before(ops, targets, at, Reg::R2).and_then(|set| match set.value {
            Given::Frame(off) => Some((in_frame(off, form)?, Some(set))),
            Given::Map(_) => None,
        }),
    };
    let (key, set) = match key {
        Some(key) => key,
        None if prog.proven => (KeyAt::Pointed, None),
        // What the address is must be looked at, which the helper does.
        None => return,
    };
    ops[at] = Op::Lookup { map, key, of };
    // No register of arguments is read after a call, as the verifier saw to.
    if let Some(set) = set.filter(|set| prog.is_verified() && set.alone) {
        for by in set.by {
            ops[by] = Op::Nop;
        }
    }
}

/// The array of programs that a tail call asks, where it is known.
fn array_of(prog: &Linked, ops: &[Op], targets: &[bool], at: usize) -> Option<u32> {
    let own = used(prog, at).and_then(own_map);
    let map = own.or_else(|| passed(ops, targets, at, Reg::R2))?;
    prog.quick.get(map as usize).filter(|quick| matches!(quick.how, Quick::Programs { .. })).map(|_| map)
}

/// The map that is used, if it is one of the program's.
fn own_map(used: MapUse) -> Option<u32> {
    used.map.filter(|_| !used.inner)
}

/// The map whose handle the operations that lead straight here leave in a register.
fn passed(ops: &[Op], targets: &[bool], at: usize, reg: Reg) -> Option<u32> {
    match before(ops, targets, at, reg)?.value {
        Given::Map(map) => Some(map),
        Given::Frame(_) => None,
    }
}

/// What a proof says of the map that is used here.
fn used(prog: &Linked, at: usize) -> Option<MapUse> {
    match prog.known_of(at)? {
        Known::Uses(used) => Some(used),
        _ => None,
    }
}

/// The key at an offset from R10, if it lies in the frame.
fn in_frame(off: i64, form: KeyForm) -> Option<KeyAt> {
    let (len, key) = match form {
        KeyForm::Word(size) => (size.bytes() as i64, KeyAt::Frame(off as i32)),
        KeyForm::Bytes(len) => (len.into(), KeyAt::FrameBytes(off as i32)),
    };
    (off >= -(crate::vm::lower::STACK_SIZE as i64) && off.saturating_add(len) <= 0).then_some(key)
}

/// What a register holds.
enum Given {
    Map(u32),
    /// The address at this offset from R10.
    Frame(i64),
}

/// How a register gets what it holds.
struct Set {
    value: Given,
    /// The operations that write the register.
    by: Vec<usize>,
    /// Nothing else reads what they write.
    alone: bool,
}

/// What the operations that lead straight to one leave in a register.
fn before(ops: &[Op], targets: &[bool], at: usize, reg: Reg) -> Option<Set> {
    let (mut reg, mut off) = (reg, 0i64);
    let mut set = Set { value: Given::Frame(0), by: Vec::new(), alone: true };
    let mut follows = true;
    for i in (0..at).rev() {
        if targets[i + 1] {
            return None;
        }
        let op = ops[i];
        let bit = 1 << reg.number();
        let (reads, writes) = op.registers();
        match op {
            Op::Goto { .. } | Op::Exit | Op::Trap => return None,
            // What is on another way may read it.
            Op::Jump { .. } | Op::MayGoto { .. } | Op::CallReg { .. } => set.alone = false,
            _ => {}
        }
        if writes & bit == 0 {
            set.alone &= reads & bit == 0;
            continue;
        }
        if follows {
            set.by.push(i);
        }
        match op {
            Op::Const { meaning: Meaning::Map(map), .. } if off == 0 => {
                return Some(Set { value: Given::Map(map), ..set });
            }
            Op::Mov { width: Width::W64, src: Reg::FP, .. } => {
                return Some(Set { value: Given::Frame(off), ..set });
            }
            Op::Mov { width: Width::W64, src, .. } => {
                // That one may be read later.
                follows = false;
                reg = src;
            }
            Op::Alu { op: AluOp::Add, width: Width::W64, src: Src::Imm(imm), .. } => {
                off = off.checked_add(imm)?
            }
            Op::Alu { op: AluOp::Sub, width: Width::W64, src: Src::Imm(imm), .. } => {
                off = off.checked_sub(imm)?
            }
            _ => return None,
        }
    }
    None
}
