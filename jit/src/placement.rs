//! Where functions are put, so that their loops lie in few cache lines.
//!
//! Processors fetch and decode by lines; a small loop that crosses one more line than it has to may
//! take half as long again. Where a function begins says where its loops lie, and is free to choose.

use cranelift_codegen::CompiledCode;

/// Bytes of a line.
const LINE: u32 = 64;

/// Longer loops do not care.
const LONGEST: u32 = 512;

/// Jumps back that are looked at.
const MOST: usize = 64;

/// How far behind a line's beginning the function should start.
pub(crate) fn phase(code: &CompiledCode) -> usize {
    // What the code holds besides instructions keeps its alignment.
    let step = code.buffer.alignment.max(8);
    let loops = if cfg!(target_arch = "x86_64") { loops(code) } else { Vec::new() };
    if loops.is_empty() || step >= LINE {
        return 0;
    }
    let lines = |phase: u32, l: &Loop| {
        let crossed = (phase + l.end - 1) / LINE - (phase + l.start) / LINE;
        // What a line costs is shared by the instructions in the loop; loops inside others run more often.
        (crossed * LONGEST / (l.end - l.start)) << (2 * l.depth.min(4))
    };
    let cost = |phase: u32| loops.iter().map(|l| lines(phase, l)).sum::<u32>();
    let best = (0..LINE / step).map(|n| n * step).min_by_key(|&phase| cost(phase));
    best.unwrap_or(0) as usize
}

/// A loop from its first byte to one past its last, and how many loops lie around the innermost one in it.
struct Loop {
    start: u32,
    end: u32,
    depth: usize,
}

/// The loops that care.
fn loops(code: &CompiledCode) -> Vec<Loop> {
    let mut all = jumps_back(code.buffer.data(), &code.bb_starts);
    all.truncate(MOST);
    let lies_in = |l: &(u32, u32), outer: &(u32, u32)| l != outer && l.0 >= outer.0 && l.1 <= outer.1;
    let around = |l: &(u32, u32)| all.iter().filter(|outer| lies_in(l, outer)).count();
    let depth = |l: &(u32, u32)| {
        let inside = all.iter().filter(|inner| lies_in(inner, l));
        inside.map(around).max().unwrap_or_else(|| around(l))
    };
    let short = all.iter().filter(|l| l.1 - l.0 <= LONGEST);
    short.map(|l| Loop { start: l.0, end: l.1, depth: depth(l) }).collect()
}

/// Jumps from the ends of blocks to where the same or earlier blocks start: where they go, and where they
/// end. The code generator tells edges too, but takes the places of blocks in the order they are put in for
/// those in the order they are made in, which differ once there are cold ones.
fn jumps_back(code: &[u8], starts: &[u32]) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let ends = starts.iter().skip(1).copied().chain([code.len() as u32]);
    for (&start, end) in starts.iter().zip(ends) {
        let (mut end, mut first) = (end as usize, true);
        while let Some(&[a, b, to @ ..]) = end.checked_sub(6).and_then(|at| code[at..end].first_chunk::<6>())
        {
            let to = (end as u32).wrapping_add(u32::from_le_bytes(to));
            // x86-64: jmp and jcc with 32 bits.
            let len = match (a, b) {
                (0x0f, 0x80..=0x8f) => 6,
                (_, 0xe9) if first => 5,
                _ => break,
            };
            if to <= start && starts.binary_search(&to).is_ok() {
                found.push((to, end as u32));
            }
            (end, first) = (end - len, false);
        }
    }
    found
}
