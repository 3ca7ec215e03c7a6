//! Where functions are put, so that their loops lie in few cache lines.
//!
//! Processors fetch and decode by lines; a small loop that crosses one more line than it has to may
//! take half as long again. Where a function begins says where its loops lie, and is free to choose.

use cranelift_codegen::CompiledCode;

/// Bytes of a line.
const LINE: u32 = 64;

/// Longer loops do not care.
const LONGEST: u32 = 256;

/// How far behind a line's beginning the function should start.
pub(crate) fn phase(code: &CompiledCode) -> usize {
    // What the code holds besides instructions keeps its alignment.
    let step = code.buffer.alignment.max(8);
    let loops: Vec<(u32, u32)> = loops(code);
    if loops.is_empty() || step >= LINE {
        return 0;
    }
    let lines = |phase: u32, &(start, end): &(u32, u32)| {
        let crossed = (phase + end - 1) / LINE - (phase + start) / LINE;
        // What a line costs is shared by the instructions in the loop.
        crossed * LONGEST / (end - start)
    };
    let cost = |phase: u32| loops.iter().map(|l| lines(phase, l)).sum::<u32>();
    let best = (0..LINE / step).map(|n| n * step).min_by_key(|&phase| cost(phase));
    best.unwrap_or(0) as usize
}

/// The innermost loops: from their first byte to one past their last.
fn loops(code: &CompiledCode) -> Vec<(u32, u32)> {
    let end_of = |start: u32| {
        let next = code.bb_starts.partition_point(|&b| b <= start);
        code.bb_starts.get(next).copied().unwrap_or(code.buffer.data().len() as u32)
    };
    let back = code.bb_edges.iter().filter(|(from, to)| to <= from);
    let all: Vec<(u32, u32)> =
        back.map(|&(from, to)| (to, end_of(from))).filter(|(start, end)| end - start <= LONGEST).collect();
    let has_inner = |outer: &(u32, u32)| all.iter().any(|l| l != outer && l.0 >= outer.0 && l.1 <= outer.1);
    all.iter().copied().filter(|l| !has_inner(l)).take(64).collect()
}
