//! How deep the stack can get, over all chains of calls.
//!
//! Rules: `check_max_stack_depth` of Linux 6.18, for a kernel that compiles programs: frames are
//! rounded up to 16 bytes, a chain has at most 512 of them and eight frames, and a function that may
//! tail-call leaves at most 256 below it. Functions of tracing programs may get stacks of their own,
//! unless something that runs on its own calls them too.

use crate::explore::{Function, Stop};
use crate::report::Finding;
use crate::structure::{Slot, Structure};
use crate::verdict::{Feature, Stats};
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::insn::{Callee, Imm64, Insn};
use oxbpf_isa::kernel::{ProgFlags, ProgRecord};

const MAX_STACK: u32 = 512;
const MAX_BEFORE_TAIL_CALL: u32 = 256;
const PRIVATE_MIN: u32 = 64;
const MAX_FRAMES: usize = 8;

/// Where a function's frames are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Undecided,
    /// On the kernel's stack.
    Kernel,
    /// On a stack of the function's own.
    Private,
}

/// Holds every chain of calls against the limits.
pub(crate) fn check_depth(
    functions: &[Function],
    structure: &Structure,
    prog: &ProgRecord,
    stats: &mut Stats,
) -> Result<(), (Stop, usize)> {
    let has_tail_call = structure.subprogs.iter().any(|s| s.has_tail_call);
    let private = prog.flags.contains(ProgFlags::PRIVATE_STACK) && !has_tail_call;
    let places = vec![Place::Undecided; functions.len()];
    let mut chain = Chain { functions, structure, places, deepest: 0, frames: Vec::new(), steps: 0 };
    // Callbacks that run on their own first: what they call stays on the kernel's stack for the
    // program too.
    for (n, f) in functions.iter().enumerate().rev() {
        if n == 0 || f.is_async_callback {
            chain.visit(n, 0, n == 0 && private)?;
        }
    }
    stats.stack_depth = chain.deepest;
    Ok(())
}

struct Chain<'a> {
    functions: &'a [Function],
    structure: &'a Structure,
    places: Vec<Place>,
    deepest: u32,
    frames: Vec<usize>,
    steps: u64,
}

impl Chain<'_> {
    /// Whether this function or one that led to it is called back.
    fn in_callback(&self, subprog: usize) -> bool {
        self.functions[subprog].is_callback || self.frames.iter().any(|&f| self.functions[f].is_callback)
    }

    fn visit(&mut self, subprog: usize, before: u32, private: bool) -> Result<(), (Stop, usize)> {
        self.steps += 1;
        if self.steps > 1 << 20 {
            return Err((Stop::Unknown(Feature::Internal), 0));
        }
        let s = self.structure.subprogs[subprog];
        if !private {
            self.places[subprog] = Place::Kernel;
        }
        if s.has_ld_abs && self.in_callback(subprog) {
            return Err((Finding::LdAbsInCallback.into(), s.start));
        }
        if subprog > 0 && s.has_tail_call && before >= MAX_BEFORE_TAIL_CALL {
            return Err((Finding::TailCallStack { bytes: before }.into(), s.start));
        }
        let own = self.functions[subprog].stack_depth.next_multiple_of(16);
        if private && self.places[subprog] == Place::Undecided && own >= PRIVATE_MIN {
            self.places[subprog] = Place::Private;
        }
        let on_kernel = self.places[subprog] != Place::Private;
        let depth = if on_kernel { before + own } else { own };
        self.deepest = self.deepest.max(depth);
        if depth > MAX_STACK {
            let finding = match on_kernel {
                true => Finding::CombinedStack { frames: self.frames.len() + 1, bytes: depth },
                false => Finding::PrivateStack { subprog, bytes: depth },
            };
            return Err((finding.into(), s.start));
        }
        let below = if on_kernel { depth } else { before };
        for at in s.start..s.end {
            let (off, is_call) = match self.structure.insns[at] {
                Slot::Insn(Insn::Call(Callee::Subprog(off))) => (off, true),
                Slot::Insn(Insn::LdImm64 { imm: Imm64::Func(off), .. }) => (off, false),
                _ => continue,
            };
            let to = (at as i64 + 1 + i64::from(off)) as usize;
            let Some(callee) = self.structure.subprog_at(to) else { continue };
            // The address of a callback that runs on its own adds nothing here; a call does.
            if self.functions[callee].is_async_callback && !is_call {
                continue;
            }
            if self.frames.len() + 1 >= MAX_FRAMES {
                return Err((Finding::CallDepth { frames: MAX_FRAMES }.into(), at));
            }
            self.frames.push(subprog);
            self.visit(callee, below, private)?;
            self.frames.pop();
        }
        Ok(())
    }
}
