//! Tail calls: which program one leads to, and how that is known without asking the array again.
//!
//! An array is asked under a lock, and the program it gives is held against the run before it is gone to.
//! What came of that is remembered under the stamp of the slot, for this run and for those after it in the
//! same memory; a slot that is set anew has another stamp. Only programs of the group of the one that the run
//! began with are remembered. The instance that is running keeps them all, so while it does, bare pointers to
//! them are good; a run of another group, or of another context, begins by forgetting.
//!
//! Compiled code knows the stamps too. Where it finds one it ends, and the host goes on with the program
//! ([`Run::follow`]); once the host has found that it need not look at anything then, the code goes there by
//! itself, from the outermost frame, and the host catches up when it is next asked for something
//! ([`Run::catch_up`]).

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
use oxbpf_jit::abi::{Entry, MAX_TAIL_CALLS, NO_STAMP, TARGETS, Target};

/// How many tail calls a run may make (Linux `MAX_TAIL_CALL_CNT`).
#[cfg(not(feature = "jit"))]
const MAX_TAIL_CALLS: usize = 33;
#[cfg(not(feature = "jit"))]
const TARGETS: usize = 64;
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
    /// How many frames the programs need that compiled code goes to by itself, and on how many instructions
    /// they rest.
    #[cfg(feature = "jit")]
    frames: usize,
    #[cfg(feature = "jit")]
    bound: u64,
    /// By the lowest bits of their stamps; none until there is one.
    lines: Box<[Line]>,
    /// What the run's first program was given in R1.
    first: u64,
    /// Where the run has gone, by number of the tail call.
    gone: [*const Linked; MAX_TAIL_CALLS],
}

impl Default for Tails {
    fn default() -> Tails {
        Tails {
            group: 0,
            layout: None,
            #[cfg(feature = "jit")]
            frames: 0,
            #[cfg(feature = "jit")]
            bound: 0,
            lines: Box::default(),
            first: 0,
            gone: [ptr::null(); MAX_TAIL_CALLS],
        }
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
        let place = stamp as usize % TARGETS;
        if self.tails.lines.is_empty() {
            self.tails.lines = vec![Line::new(NO_STAMP, ptr::null()); TARGETS].into();
        }
        self.tails.lines[place] = Line::new(stamp, prog);
        #[cfg(feature = "jit")]
        self.in_context(|context| {
            context.targets[place] = Target { stamp, program: prog.cast(), entry: None };
        });
    }

    #[cold]
    fn forget_programs(&mut self) {
        self.tails.lines.fill(Line::new(NO_STAMP, ptr::null()));
        #[cfg(feature = "jit")]
        {
            (self.tails.frames, self.tails.bound) = (0, 0);
            self.in_context(|context| context.targets.fill(Target::NONE));
        }
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
            #[cfg(feature = "jit")]
            let same = same && tails.bound <= self.limit;
            if !same {
                self.memory.forget_programs();
            }
        }
        #[cfg(feature = "jit")]
        {
            self.memory.enter(self.memory.tails.frames.max(1) - 1);
            self.memory.enter(0);
            self.memory.in_context(|context| (context.first, context.tail_calls) = (first, -1));
        }
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
        match tails.lines.get(stamp as usize % TARGETS) {
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
        self.show_tail_calls();
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
    #[inline]
    pub(super) fn follow(&mut self, place: u64, depth: usize) -> Option<Entry> {
        let line = &mut self.memory.tails.lines[place as usize];
        if line.gate.is_none() {
            // SAFETY: the instance that is running keeps the program.
            line.gate = Gate::of(unsafe { &*line.prog });
        }
        let Line { prog, gate, .. } = *line;
        self.go_to(prog);
        let gate = gate.filter(|gate| gate.fits(self.limit, depth))?;
        self.memory.enter(depth + gate.frames - 1);
        self.memory.enter(depth);
        if depth == 0 {
            let tails = &mut self.memory.tails;
            (tails.frames, tails.bound) = (tails.frames.max(gate.frames), tails.bound.max(gate.bound));
            self.memory.in_context(|context| context.targets[place as usize].entry = Some(gate.entry));
        }
        Some(gate.entry)
    }

    /// How many tail calls are left.
    #[cfg(feature = "jit")]
    pub(super) fn tail_calls_left(&self) -> i64 {
        MAX_TAIL_CALLS.saturating_sub(self.tail_calls) as i64
    }

    /// Tells compiled code how many tail calls are left, if it may make some by itself.
    #[cfg(feature = "jit")]
    fn show_tail_calls(&mut self) {
        let left = self.tail_calls_left();
        self.memory.in_context(|context| {
            if context.tail_calls >= 0 {
                context.tail_calls = left;
            }
        });
    }

    /// Takes over where compiled code has gone by itself.
    #[cfg(feature = "jit")]
    #[inline]
    pub(super) fn catch_up(&mut self) {
        let (left, before) = (self.memory.in_context(|context| context.tail_calls), self.tail_calls_left());
        // It is less than nothing where compiled code makes none.
        if left.cast_unsigned() < before.cast_unsigned() {
            for at in (left as usize..before as usize).rev() {
                let prog = self.memory.in_context(|context| context.gone[at]).cast();
                self.memory.tails.gone[MAX_TAIL_CALLS - 1 - at] = prog;
                self.tail_calls += 1;
                self.set_prog(prog);
            }
        }
    }

    /// What the run's first program was given in R1.
    #[cfg(feature = "jit")]
    pub(super) fn first_argument(&self) -> u64 {
        self.memory.tails.first
    }
}
