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
    /// How many frames it needs.
    pub frames: usize,
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
        let chained = function.chained.then(|| code.address_of(function));
        Some(Way { entry, frames, fresh, alone, tails, chained })
    }

    /// Runs the program in a memory, if the input is one that it can be entered with: a context, which the proof
    /// has to speak of. The memory is gone when a panic of the host has passed.
    pub fn run(
        &self,
        engine: &Engine,
        linked: &Linked,
        memory: &mut Option<Box<Memory>>,
        data: &mut dyn Any,
        input: &mut Input<'_>,
    ) -> Option<Result<Outcome, Trap>> {
        let limit = input.budget.unwrap_or(engine.config().budget);
        let bounded = linked.bound.is_none_or(|bound| bound <= limit);
        if limit == 0 || !bounded || input.cancel.is_some_and(Cancel::is_cancelled) {
            return None;
        }
        let (cpu, fuel) = (input.cpu_of(engine), limit.min(SLICE) as i64);
        let Subject::Context(context) = &mut input.subject else { return None };
        let block = memory.as_mut()?;
        context.show_packet(input.packet.as_deref_mut());
        let first = context.address();
        if self.tails {
            block.begin_first(first, linked, context.shared_layout(), limit, self.chained.is_some());
            // What is not proved rests on more than what is made ready here.
            if block.goes_to_unproved() {
                return None;
            }
        }
        let packet = input.packet.as_deref_mut();
        let (data_at, len) = packet.map_or((0, 0), |packet| (packet.addresses().1, packet.len() as u64));
        block.show_packet(data_at, len);
        if self.fresh {
            block.clear_frames();
        }
        block.use_frames(self.frames);
        let fp = block.enter(0);
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
        // SAFETY: the program keeps its code. It is proved for this context, its frames fit into the block, which
        // is this memory's or, once there is one, the run's, and the host's functions find what a run is made of.
        // Where a chain leads, the run that learned it has seen to.
        let returned = unsafe { (self.entry)(fp, first, r2, r3, r4, r5) };
        // The code has ended, and with it all other uses of what waits.
        match waiting.run {
            None => {
                debug_assert_eq!(returned.status, 0, "who traps has asked the host");
                // SAFETY: the block is still this memory's.
                let left = unsafe { (*context).fuel };
                let insns = fuel.wrapping_sub(left).cast_unsigned();
                Some(Ok(Outcome { ret: returned.value, insns, redirect: None }))
            }
            Some(ref mut run) => {
                let result = run.end_of_entered(returned);
                if let Some(Run { memory: block, .. }) = waiting.run {
                    *waiting.memory = Some(block);
                }
                Some(result)
            }
        }
    }
}
