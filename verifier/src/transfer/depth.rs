//! How deep the stack can get, over all chains of calls.
//!
//! Rules: `check_max_stack_depth` of Linux 6.18, for a kernel that compiles programs: frames are
//! rounded up to 16 bytes, a chain has at most 512 of them and eight frames, and a function that may
//! tail-call leaves at most 256 below it. Subprograms of tracing programs may get stacks of their own.

use crate::explore::{Function, Stop};
use crate::report::Finding;
use crate::structure::{Slot, Structure};
use crate::verdict::{Feature, Stats};
use alloc::vec::Vec;
use oxbpf_isa::insn::{Callee, Insn};
use oxbpf_isa::kernel::{ProgFlags, ProgRecord};

const MAX_STACK: u32 = 512;
const MAX_BEFORE_TAIL_CALL: u32 = 256;
const PRIVATE_MIN: u32 = 64;
const MAX_FRAMES: usize = 8;

/// Holds every chain of calls against the limits.
pub(crate) fn check_depth(
    functions: &[Function],
    structure: &Structure,
    prog: &ProgRecord,
    stats: &mut Stats,
) -> Result<(), (Stop, usize)> {
    let has_tail_call = structure.subprogs.iter().any(|s| s.has_tail_call);
    let private = prog.flags.contains(ProgFlags::PRIVATE_STACK) && !has_tail_call;
    let mut chain = Chain { functions, structure, private, deepest: 0, frames: Vec::new(), steps: 0 };
    for (n, f) in functions.iter().enumerate() {
        if n == 0 || f.is_async_callback {
            chain.visit(n, 0, false)?;
        }
    }
    stats.stack_depth = chain.deepest;
    Ok(())
}

struct Chain<'a> {
    functions: &'a [Function],
    structure: &'a Structure,
    private: bool,
    deepest: u32,
    frames: Vec<usize>,
    steps: u64,
}

impl Chain<'_> {
    fn visit(&mut self, subprog: usize, before: u32, in_tail: bool) -> Result<(), (Stop, usize)> {
        self.steps += 1;
        if self.steps > 1 << 20 {
            return Err((Stop::Unknown(Feature::Internal), 0));
        }
        let s = self.structure.subprogs[subprog];
        if subprog > 0 && s.has_tail_call && before >= MAX_BEFORE_TAIL_CALL {
            return Err((Finding::TailCallStack { bytes: before }.into(), s.start));
        }
        let own = self.functions[subprog].stack_depth.next_multiple_of(16);
        let own_is_private = self.private && own >= PRIVATE_MIN && !in_tail;
        let depth = if own_is_private { own } else { before + own };
        let counted = if own_is_private { before } else { before + own };
        self.deepest = self.deepest.max(depth);
        if depth > MAX_STACK {
            let finding = Finding::CombinedStack { frames: self.frames.len() + 1, bytes: depth };
            return Err((finding.into(), s.start));
        }
        self.frames.push(subprog);
        for at in s.start..s.end {
            let off = match self.structure.insns[at] {
                Slot::Insn(Insn::Call(Callee::Subprog(off))) => off,
                Slot::Insn(Insn::LdImm64 { imm: oxbpf_isa::insn::Imm64::Func(off), .. }) => off,
                _ => continue,
            };
            let to = (at as i64 + 1 + i64::from(off)) as usize;
            let Some(callee) = self.structure.subprog_at(to) else { continue };
            if self.functions[callee].is_async_callback {
                continue;
            }
            if self.frames.len() >= MAX_FRAMES {
                return Err((Finding::CallDepth { frames: MAX_FRAMES }.into(), at));
            }
            self.visit(callee, counted, in_tail)?;
        }
        self.frames.pop();
        Ok(())
    }
}
