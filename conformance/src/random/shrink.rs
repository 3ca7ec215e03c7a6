//! Making a program smaller while it still shows what it was drawn for.

use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::program::Program;

/// Tries, at most.
const TRIES: usize = 1500;

/// Removes instructions, and what cannot be removed it makes simpler, as long as `shows` holds.
pub fn shrink(program: &Program, mut shows: impl FnMut(&Program) -> bool) -> Program {
    let mut best = program.clone();
    let mut tries = 0;
    loop {
        let mut changed = false;
        for length in [16usize, 8, 4, 2, 1] {
            let mut at = 0;
            while at < best.insns.len() {
                if tries >= TRIES {
                    return best;
                }
                tries += 1;
                match without(&best, at, length) {
                    Some(smaller) if shows(&smaller) => {
                        best = smaller;
                        changed = true;
                    }
                    _ => at += 1,
                }
            }
        }
        if !changed {
            return best;
        }
    }
}

/// The program without `length` slots at `at`, its jumps and calls led to the same places.
fn without(program: &Program, at: usize, length: usize) -> Option<Program> {
    let old = &program.insns;
    let end = at + length;
    if end > old.len() || old.len() == length {
        return None;
    }
    // Wide loads go as a whole.
    let starts = slot_starts(old);
    if !starts[at] || end < old.len() && !starts[end] {
        return None;
    }
    let moved = |slot: i64| if slot >= end as i64 { slot - length as i64 } else { slot.min(at as i64) };
    let mut out = program.clone();
    out.insns.clear();
    for (slot, insn) in old.iter().enumerate() {
        if (at..end).contains(&slot) {
            continue;
        }
        let mut insn = *insn;
        let from = moved(slot as i64);
        if starts[slot] {
            let relative = |off: i64| moved(slot as i64 + 1 + off) - from - 1;
            match target(insn) {
                Some(Place::Off) => insn.off = relative(i64::from(insn.off)) as i16,
                Some(Place::Imm) => insn.imm = relative(i64::from(insn.imm)) as i32,
                None => {}
            }
        }
        out.insns.push(insn);
    }
    for func in &mut out.funcs {
        func.insn = moved(i64::from(func.insn)) as u32;
    }
    Some(out)
}

enum Place {
    Off,
    Imm,
}

fn target(insn: RawInsn) -> Option<Place> {
    match insn.code {
        0x85 if insn.src == 1 => Some(Place::Imm),
        0x18 if insn.src == 4 => Some(Place::Imm),
        0x06 => Some(Place::Imm),
        0x85 | 0x95 => None,
        code if matches!(code & 7, 5 | 6) => Some(Place::Off),
        _ => None,
    }
}

fn slot_starts(insns: &[RawInsn]) -> Vec<bool> {
    let mut starts = vec![true; insns.len()];
    let mut at = 0;
    while at < insns.len() {
        if insns[at].is_ldimm64() && at + 1 < insns.len() {
            starts[at + 1] = false;
            at += 1;
        }
        at += 1;
    }
    starts
}
