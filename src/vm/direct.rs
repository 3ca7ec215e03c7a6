//! Proved programs whose machine code is entered without a run around it.
//!
//! A run sets up what any program may ask the host for. Here only what the code itself looks at is made ready,
//! and the run is made when the code asks for something that needs one ([`Waiting`]).

use super::compiled::{Waiting, context_of, needs_run};
use super::engine::Engine;
use super::input::{Cancel, Input, Subject};
use super::memory::Memory;
use super::op::Code as OpCode;
use super::run::{Linked, Run, SLICE};
use super::trap::Trap;
use super::{MAX_FRAMES, Outcome};
use oxbpf_jit::Code;
use oxbpf_jit::abi::Entry;
use std::any::Any;
use std::ptr;

/// How such a program is entered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub entry: Entry,
    /// How many frames it needs, and how many it may write to.
    pub frames: usize,
    used: usize,
    /// Whether frames may be read before they are written.
    pub fresh: bool,
    /// Whether it asks the host for nothing, not even for fuel.
    pub alone: bool,
    /// Whether it tail calls others; and where its code begins, if that does so by itself.
    tails: bool,
    chained: Option<u64>,
}

impl Way {
    /// How, if it is one.
    pub fn of(linked: &Linked, code: &Code, engine: &Engine) -> Option<Way> {
        // Without a proof accesses are looked up, and their regions are remembered.
        if !linked.proven || linked.context_use.is_none() || code.inherits() {
            return None;
        }
        let (entry, function) = code.entry(0)?;
        let frames = function.depth.filter(|&depth| depth <= MAX_FRAMES)?;
        let bounded = linked.bound.is_some_and(|bound| bound <= engine.config().budget);
        let alone = bounded && !needs_run(linked, engine);
        let tails = linked.code.ops.iter().any(|op| op.code == OpCode::TailCall);
        // Who is gone to finds in the frame what was left there.
        let fresh = code.reads_fresh_frames() || tails;
        let used = code.frames_written(frames);
        let chained = function.chained.then(|| code.address_of(function));
        Some(Way { entry, frames, used, fresh, alone, tails, chained })
    }

    /// Makes a memory ready for a run, if the input is one that the program can be entered with: a context, which
    /// the proof speaks of.
    #[inline]
    pub fn is_ready(
        &self,
        engine: &Engine,
        linked: &Linked,
        memory: &mut Memory,
        input: &mut Input<'_>,
    ) -> bool {
        let limit = limit(engine, input);
        let bounded = linked.bound.is_none_or(|bound| bound <= limit);
        let Subject::Context(context) = &mut input.subject else { return false };
        if limit == 0 || !bounded || input.cancel.is_some_and(Cancel::is_cancelled) {
            return false;
        }
        // Before frames are counted that this run may use.
        if self.fresh {
            memory.clear_frames();
        }
        memory.use_frames(self.used);
        if self.tails {
            let (first, layout) = (context.address(), context.shared_layout());
            memory.begin_first(first, linked, layout, limit, self.chained.is_some());
            // What is not proved rests on more than what is made ready here.
            if memory.goes_to_unproved() {
                return false;
            }
        }
        let packet = input.packet.as_deref_mut();
        let (data, len) = packet.map_or((0, 0), |packet| (packet.addresses().1, packet.len() as u64));
        memory.show_packet(data, len);
        context.show_packet(input.packet.as_deref_mut());
        true
    }

    /// Runs the program in a memory that was made ready, which is gone when a panic of the host has passed.
    ///
    /// # Safety
    /// The memory was made ready for this program and this input, and holds a memory.
    #[inline]
    pub unsafe fn run(
        &self,
        engine: &Engine,
        linked: &Linked,
        memory: &mut Option<Box<Memory>>,
        data: &mut dyn Any,
        input: &mut Input<'_>,
    ) -> Result<Outcome, Trap> {
        let (cpu, fuel) = (input.cpu_of(engine), limit(engine, input).min(SLICE) as i64);
        let first = match &mut input.subject {
            Subject::Context(context) => context.address(),
            _ => 0,
        };
        let fp = memory.as_mut().map_or(0, |memory| memory.enter_uncounted());
        let [_, r2, r3, r4, r5] = input.args;
        let mut waiting = Waiting { engine, linked, data: Some(data), input, memory, run: None };
        let host = &raw mut waiting;
        let context = context_of(fp);
        // SAFETY: the context of the code lies in the block of this memory, and nobody has a reference to it.
        unsafe {
            ((*context).run, (*context).host) = (ptr::null_mut(), host.cast());
            ((*context).fuel, (*context).cpu) = (fuel, cpu.into());
            (*context).callee = self.chained.unwrap_or(0);
        }
        // SAFETY: the program keeps its code. It is proved for this context, which the memory was made ready for.
        // Its frames fit into the block, which is this memory's or, once there is one, the run's, and the host's
        // functions find what a run is made of. Where a chain leads, the run that learned it has seen to.
        let returned = unsafe { (self.entry)(fp, first, r2, r3, r4, r5) };
        // The code has ended, and with it all other uses of what waits.
        match waiting.run {
            None => {
                debug_assert_eq!(returned.status, 0, "who traps has asked the host");
                // SAFETY: the block is still this memory's.
                let left = unsafe { (*context).fuel };
                let insns = fuel.wrapping_sub(left).cast_unsigned();
                Ok(Outcome { ret: returned.value, insns, redirect: None })
            }
            Some(ref mut run) => {
                let result = run.end_of_entered(returned);
                if let Some(Run { memory: block, .. }) = waiting.run {
                    *waiting.memory = Some(block);
                }
                result
            }
        }
    }
}

/// The budget of a run.
fn limit(engine: &Engine, input: &Input<'_>) -> u64 {
    input.budget.unwrap_or(engine.config().budget)
}
