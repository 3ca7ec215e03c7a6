//! How deep the stack can get, over all chains of calls.
//!
//! Rules: `check_max_stack_depth` of Linux 6.18, for a kernel that compiles programs: frames are
//! rounded up to 16 bytes, a chain has at most 512 of them and eight frames, and a function that may
//! tail-call leaves at most 256 below it. Functions of tracing programs may get stacks of their own,
//! unless something that runs on its own calls them too.

use crate::explore::{Function, Stop, Walker};
use crate::kfunc::{Call, Special};
use crate::report::Finding;
use crate::structure::{Slot, Structure};
use crate::verdict::{Feature, Stats};
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::insn::{Callee, Imm64, Insn};
use oxbpf_isa::kernel::{Limits, ProgFlags, ProgRecord};

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
    walker: &Walker<'_>,
    prog: &ProgRecord,
    stats: &mut Stats,
) -> Result<(), (Stop, usize)> {
    let (functions, structure) = (&walker.functions, walker.structure);
    let has_tail_call = structure.subprogs.iter().any(|s| s.has_tail_call);
    let private =
        walker.rules.private_stacks && prog.flags.contains(ProgFlags::PRIVATE_STACK) && !has_tail_call;
    let places = vec![Place::Undecided; functions.len()];
    let is_throw = |at: usize| {
        let call = walker.kfuncs.at(at as u32);
        matches!(call, Call::Known(k) if k.special == Some(Special::Throw))
    };
    let mut chain = Chain {
        functions,
        structure,
        limits: walker.model.limits(),
        is_throw: &is_throw,
        loads_in_callbacks: walker.rules.packet_loads_in_callbacks,
        places,
        deepest: 0,
        frames: Vec::new(),
        tail_call: false,
        steps: 0,
    };
    // Callbacks that run on their own first: what they call stays on the kernel's stack for the
    // program too.
    for (n, f) in functions.iter().enumerate().rev() {
        if n == 0 || f.is_async_callback {
            chain.tail_call = false;
            chain.visit(n, (0, 0), n == 0 && private)?;
        }
    }
    stats.stack_depth = chain.deepest;
    Ok(())
}

struct Chain<'a> {
    functions: &'a [Function],
    structure: &'a Structure,
    limits: &'a Limits,
    is_throw: &'a dyn Fn(usize) -> bool,
    loads_in_callbacks: bool,
    places: Vec<Place>,
    deepest: u32,
    frames: Vec<usize>,
    /// A function that was called on the way may tail-call.
    tail_call: bool,
    steps: u64,
}

impl Chain<'_> {
    /// Whether this function or one that led to it is called back.
    fn in_callback(&self, subprog: usize) -> bool {
        self.functions[subprog].is_callback || self.frames.iter().any(|&f| self.functions[f].is_callback)
    }

    /// `before` is what the frames below take by the kernel's count, and `real` what the program as it
    /// stands takes.
    fn visit(
        &mut self,
        subprog: usize,
        (before, real): (u32, u32),
        private: bool,
    ) -> Result<(), (Stop, usize)> {
        self.steps += 1;
        if self.steps > 1 << 20 {
            return Err((Stop::Unknown(Feature::Internal), 0));
        }
        let s = self.structure.subprogs[subprog];
        if !private {
            self.places[subprog] = Place::Kernel;
        }
        // Linux 6.18.44 takes packet loads in callbacks; updates of older kernels refuse them.
        if s.has_ld_abs && self.in_callback(subprog) {
            if !self.loads_in_callbacks {
                return Err((Finding::LdAbsInCallback.into(), s.start));
            }
            return Err((Stop::Unknown(Feature::PatchLevel), s.start));
        }
        if subprog > 0 && s.has_tail_call && u64::from(before) >= self.limits.stack_bytes_before_tail_call {
            return Err((Finding::TailCallStack { bytes: before }.into(), s.start));
        }
        let own = self.functions[subprog].kept_depth.next_multiple_of(16);
        let real_own = self.functions[subprog].stack_depth.next_multiple_of(16);
        if private
            && self.places[subprog] == Place::Undecided
            && u64::from(own) >= self.limits.private_stack_min
        {
            self.places[subprog] = Place::Private;
        }
        let on_kernel = self.places[subprog] != Place::Private;
        let depth = if on_kernel { before + own } else { own };
        let real_depth = if on_kernel { real + real_own } else { real_own };
        self.deepest = self.deepest.max(real_depth);
        if u64::from(depth) > self.limits.stack_bytes {
            let finding = match on_kernel {
                true => Finding::CombinedStack { frames: self.frames.len() + 1, bytes: depth },
                false => Finding::PrivateStack { subprog, bytes: depth },
            };
            return Err((finding.into(), s.start));
        }
        let below = if on_kernel { (depth, real_depth) } else { (before, real) };
        for at in s.start..s.end {
            let (off, is_call) = match self.structure.insns[at] {
                Slot::Insn(Insn::Call(Callee::Subprog(off))) => (off, true),
                Slot::Insn(Insn::LdImm64 { imm: Imm64::Func(off), .. }) => (off, false),
                Slot::Insn(Insn::Call(Callee::Kfunc { .. })) if (self.is_throw)(at) => {
                    if self.in_callback(subprog) {
                        return Err((Finding::ThrowInCallback { insn: at, subprog }.into(), at));
                    }
                    continue;
                }
                _ => continue,
            };
            let to = (at as i64 + 1 + i64::from(off)) as usize;
            let Some(callee) = self.structure.subprog_at(to) else { continue };
            // The address of a callback that runs on its own adds nothing here; a call does.
            if self.functions[callee].is_async_callback && !is_call {
                continue;
            }
            if self.functions[callee].is_async_callback {
                if self.structure.subprogs[callee].has_tail_call {
                    return Err((Stop::Unknown(Feature::Internal), at));
                }
                if self.functions[callee].is_exception_callback {
                    return Err((Finding::ExceptionCall { insn: at }.into(), at));
                }
            }
            self.tail_call |= self.structure.subprogs[callee].has_tail_call;
            let limit = self.limits.call_frames as usize;
            if self.frames.len() + 1 >= limit {
                return Err((Finding::CallDepth { frames: limit }.into(), at));
            }
            self.frames.push(subprog);
            self.visit(callee, below, private)?;
            self.frames.pop();
        }
        let in_exception = self.frames.iter().any(|&f| self.functions[f].is_exception_callback);
        if self.tail_call && in_exception {
            return Err((Finding::TailCallInException.into(), s.start));
        }
        Ok(())
    }
}
