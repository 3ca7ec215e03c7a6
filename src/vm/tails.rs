//! Tail calls: which program one leads to, and how that is known without asking the array again.
//!
//! An array is asked under a lock, and the program it gives is held against the run before it is gone to.
//! What came of that is remembered under the stamp of the slot, for this run and for those after it in the
//! same memory; a slot that is set anew has another stamp. Only programs of the group of the one that the run
//! began with are remembered. The instance that is running keeps them all, so while it does, bare pointers to
//! them are good; a run of another group, or of another context, begins by forgetting.
//!
//! Compiled code knows the stamps too. Where it finds one its main function ends, and the host goes on with the
//! program ([`Run::follow`]): calls and returns stay balanced, which processors count on in long chains.

use super::context::ContextLayout;
use super::helpers::tail::program_at;
use super::input::{Input, Subject};
use super::memory::Memory;
use super::quick::Quick;
use super::run::{Linked, Run};
use super::trap::{Trap, TrapKind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "jit")]
use super::compiled::Gate;
#[cfg(feature = "jit")]
use oxbpf_jit::abi::{Entry, NO_STAMP, STAMPS};

/// How many tail calls a run may make (Linux `MAX_TAIL_CALL_CNT`).
pub(crate) const MAX_TAIL_CALLS: usize = 33;

#[cfg(not(feature = "jit"))]
const STAMPS: usize = 64;
#[cfg(not(feature = "jit"))]
const NO_STAMP: u64 = u64::MAX;

/// What a stamp stands for.
#[derive(Clone, Copy)]
struct Line {
    stamp: u64,
    prog: *const Linked,
    /// How its machine code is entered, once that is known.
    #[cfg(feature = "jit")]
    gate: Option<Gate>,
}

impl Line {
    fn new(stamp: u64, prog: *const Linked) -> Line {
        Line {
            stamp,
            prog,
            #[cfg(feature = "jit")]
            gate: None,
        }
    }
}

/// Programs that runs in one memory have gone to, and may go to again.
pub(crate) struct Tails {
    /// The group that they belong to, and the context they were held against.
    group: u64,
    layout: Option<Arc<ContextLayout>>,
    /// By the lowest bits of their stamps; none until there is one.
    lines: Box<[Line]>,
    /// What the run's first program was given in R1.
    first: u64,
    /// Where the run has gone, by number of the tail call.
    gone: [*const Linked; MAX_TAIL_CALLS],
}

impl Default for Tails {
    fn default() -> Tails {
        let (group, layout, lines) = (0, None, Box::default());
        Tails { group, layout, lines, first: 0, gone: [ptr::null(); MAX_TAIL_CALLS] }
    }
}

/// Where a tail call leads, as far as that is known.
pub(crate) enum Aim {
    /// Nowhere: the program goes on.
    Nowhere,
    To(*const Linked),
    /// The array has to be asked.
    Unknown,
}

impl Memory {
    fn remember_program(&mut self, stamp: u64, prog: *const Linked) {
        let place = stamp as usize % STAMPS;
        if self.tails.lines.is_empty() {
            self.tails.lines = vec![Line::new(NO_STAMP, ptr::null()); STAMPS].into();
        }
        self.tails.lines[place] = Line::new(stamp, prog);
        #[cfg(feature = "jit")]
        self.change_context(|context| context.stamps[place] = stamp);
    }

    #[cold]
    fn forget_programs(&mut self) {
        // Whoever remembers the next says of which group and context.
        self.tails.group = 0;
        self.tails.lines.fill(Line::new(NO_STAMP, ptr::null()));
        #[cfg(feature = "jit")]
        self.change_context(|context| context.stamps.fill(NO_STAMP));
    }
}

fn layout<'a>(input: &'a Input<'_>) -> Option<&'a Arc<ContextLayout>> {
    match &input.subject {
        Subject::Context(context) => Some(context.shared_layout()),
        _ => None,
    }
}

impl Run<'_> {
    /// Makes ready for tail calls of a run that begins with this in R1.
    #[inline]
    pub(super) fn begin_tail_calls(&mut self, first: u64) {
        let tails = &mut self.memory.tails;
        tails.first = first;
        if !tails.lines.is_empty() {
            let same = tails.group == self.began.group && tails.layout.as_ref() == layout(&self.input);
            if !same {
                self.memory.forget_programs();
            }
        }
        #[cfg(feature = "jit")]
        self.memory.change_context(|context| {
            (context.first, context.tail_calls) = (first, MAX_TAIL_CALLS as u64);
        });
    }

    /// Where a tail call leads with these in R1 to R3, if that is known.
    #[inline(always)]
    pub fn aim(&self, r1: u64, handle: u64, index: u32) -> Aim {
        let Some(Quick::Programs { stamps, count }) = self.prog().quick(handle).map(|map| map.how) else {
            return Aim::Unknown;
        };
        if self.tail_calls >= MAX_TAIL_CALLS || index >= count {
            return Aim::Nowhere;
        }
        let at = ptr::with_exposed_provenance::<AtomicU64>(stamps as usize);
        // SAFETY: the running program has the map, whose stamps lie there, one for each slot. What the stamp
        // stands for was learned when the slot was locked.
        let stamp = unsafe { &*at.add(index as usize) }.load(Ordering::Relaxed);
        let tails = &self.memory.tails;
        match tails.lines.get(stamp as usize % STAMPS) {
            _ if stamp == 0 => Aim::Nowhere,
            Some(line) if line.stamp == stamp && r1 == tails.first => Aim::To(line.prog),
            _ => Aim::Unknown,
        }
    }

    /// The program that a tail call goes to, which the run keeps, with what is in R1.
    #[cold]
    #[inline(never)]
    pub fn tail_target(&mut self, r1: u64, handle: u64, index: u32) -> Result<Option<*const Linked>, Trap> {
        let map = self.map(handle)?;
        let found = program_at(&*map, index).ok_or(TrapKind::NotAMap { handle })?;
        let Some((stamp, target)) = found.filter(|_| self.tail_calls < MAX_TAIL_CALLS) else {
            return Ok(None);
        };
        // A program whose functions expect another state of the host, or whose proof speaks of another
        // context, cannot be gone to.
        let fits = target.state == self.prog().state && target.accepts(&self.input);
        if !fits || !target.accepts_pointer(&self.input, r1) {
            return Ok(None);
        }
        if target.group != self.began.group {
            return Ok(Some(self.keep(target)));
        }
        let prog = Arc::as_ptr(&target);
        if self.memory.tails.lines.is_empty() || self.memory.tails.group != self.began.group {
            self.memory.tails.group = self.began.group;
            self.memory.tails.layout = layout(&self.input).cloned();
        }
        self.memory.remember_program(stamp, prog);
        Ok(Some(prog))
    }

    /// Makes the target of a tail call the running program, and counts the call.
    #[inline]
    pub fn go_to(&mut self, prog: *const Linked) {
        if let Some(place) = self.memory.tails.gone.get_mut(self.tail_calls) {
            *place = prog;
        }
        self.tail_calls += 1;
        #[cfg(feature = "jit")]
        {
            let left = MAX_TAIL_CALLS.saturating_sub(self.tail_calls) as u64;
            self.memory.change_context(|context| context.tail_calls = left);
        }
        self.set_prog(prog);
    }

    /// Programs that the run has gone to.
    pub(super) fn gone_to(&self) -> impl Iterator<Item = &Linked> {
        let gone = self.memory.tails.gone.iter().take(self.tail_calls).copied();
        let began: *const Linked = self.began;
        // SAFETY: what a run goes to is of the group that its instance keeps, or kept by the run itself.
        gone.filter(move |&prog| !ptr::eq(prog, began)).map(|prog| unsafe { &*prog })
    }

    /// Goes to the program whose stamp compiled code has found in a place, in a frame. Gives how its code
    /// is entered, unless it has to be run otherwise.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(super) fn follow(&mut self, place: u64, depth: usize) -> Option<Entry> {
        let line = &mut self.memory.tails.lines[place as usize];
        if line.gate.is_none() {
            // SAFETY: the instance that is running keeps the program.
            line.gate = Gate::of(unsafe { &*line.prog });
        }
        let Line { prog, gate, .. } = *line;
        self.go_to(prog);
        let gate = gate.filter(|gate| gate.fits(self.limit, depth))?;
        self.memory.use_frames(depth + gate.frames);
        Some(gate.entry)
    }

    /// What the run's first program was given in R1.
    #[cfg(feature = "jit")]
    pub(super) fn first_argument(&self) -> u64 {
        self.memory.tails.first
    }
}
