//! Tail calls: which program one leads to, and how that is known without asking the array again.
//!
//! An array is asked under a lock, and the program it gives is held against the run before it is gone to.
//! What came of that is remembered under the stamp of the slot, for this run and for those after it in the
//! same memory; a slot that is set anew has another stamp. Only programs of the group of the one that the run
//! began with are remembered. The instance that is running keeps them all, so while it does, bare pointers to
//! them are good; a run of another group, or of another context, begins by forgetting.
//!
//! Compiled code knows the stamps too, and jumps to the programs by itself. The host counts such calls when it
//! is asked for something, or when the chain has ended ([`Run::catch_up`]). It lets code do so only where
//! every program that is known may be entered: there are frames enough, and budget for what is proved, and R1
//! is what they were held against.

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
use super::MAX_FRAMES;
#[cfg(feature = "jit")]
use super::compiled::Gate;
#[cfg(feature = "jit")]
use oxbpf_jit::abi::{NO_STAMP, TARGETS, Targets};

/// How many tail calls a run may make (Linux `MAX_TAIL_CALL_CNT`).
pub(crate) const MAX_TAIL_CALLS: usize = 33;
#[cfg(feature = "jit")]
const _: () = assert!(MAX_TAIL_CALLS == oxbpf_jit::abi::MAX_TAIL_CALLS);

#[cfg(not(feature = "jit"))]
const TARGETS: usize = 64;
#[cfg(not(feature = "jit"))]
const NO_STAMP: u64 = u64::MAX;

/// What a stamp stands for.
#[derive(Clone, Copy)]
struct Line {
    stamp: u64,
    prog: *const Linked,
}

impl Line {
    const NONE: Line = Line { stamp: NO_STAMP, prog: ptr::null() };
}

/// A chained function that was entered.
#[cfg(feature = "jit")]
#[derive(Clone, Copy)]
pub(crate) struct Chain {
    /// In which frame.
    depth: usize,
    /// Whether it was given what the run's first program was, so that code may go on by itself.
    by_itself: bool,
}

/// What compiled code may do by itself.
#[cfg(feature = "jit")]
#[derive(Default)]
struct Shown {
    /// The most frames that a program needs which code knows, the most that one may write to, and the most
    /// instructions that one rests on.
    frames: usize,
    used: usize,
    bound: u64,
    /// The chained function that runs, if one does.
    chain: Option<Chain>,
    /// How many tail calls it was told that it may make, when it was last told.
    calls: usize,
    /// Whether there is one that nobody proved.
    unproved: bool,
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
    #[cfg(feature = "jit")]
    shown: Shown,
}

impl Default for Tails {
    fn default() -> Tails {
        Tails {
            group: 0,
            layout: None,
            lines: Box::default(),
            first: 0,
            gone: [ptr::null(); MAX_TAIL_CALLS],
            #[cfg(feature = "jit")]
            shown: Shown::default(),
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
    /// Makes ready for tail calls of a run that begins with this in R1, with a program of this group.
    #[inline]
    fn begin_tail_calls(&mut self, first: u64, group: u64, layout: Option<&Arc<ContextLayout>>) {
        let tails = &mut self.tails;
        tails.first = first;
        if !tails.lines.is_empty() && (tails.group != group || tails.layout.as_ref() != layout) {
            self.forget_programs();
        }
        #[cfg(feature = "jit")]
        {
            self.change_context(|context| context.first = first);
            self.tails.shown.chain = None;
        }
    }

    /// The same for a program that is entered without a run, whose main function may be chained, and which may
    /// take so many instructions.
    #[cfg(feature = "jit")]
    #[inline]
    pub(super) fn begin_first(
        &mut self,
        first: u64,
        prog: &Linked,
        layout: &Arc<ContextLayout>,
        limit: u64,
        chained: bool,
    ) {
        self.begin_tail_calls(first, prog.group, Some(layout));
        if chained {
            self.tails.shown.chain = Some(Chain { depth: 0, by_itself: true });
            self.tell_calls(0, limit);
        }
    }

    /// Whether the run has come to a program that nobody proved, or may by itself.
    #[cfg(feature = "jit")]
    #[inline]
    pub(super) fn goes_to_unproved(&self) -> bool {
        self.tails.shown.unproved
    }

    /// Tells the chained function that runs how many tail calls it may make by itself.
    #[cfg(feature = "jit")]
    #[inline]
    fn tell_calls(&mut self, made: usize, limit: u64) {
        let left = MAX_TAIL_CALLS.saturating_sub(made);
        let shown = &mut self.tails.shown;
        let most = shown.chain.filter(|chain| chain.by_itself).map(|chain| chain.depth + shown.frames);
        let frames = most.filter(|&frames| frames <= MAX_FRAMES && shown.bound <= limit);
        let calls = if frames.is_some() { left } else { 0 };
        shown.calls = calls;
        if let Some(chain) = shown.chain.filter(|_| frames.is_some() && shown.used > 0) {
            let used = chain.depth + shown.used;
            self.use_frames(used);
        }
        self.change_context(|context| {
            (context.tail_calls, context.asked_calls) = (calls as u64, (left - calls) as u64);
        });
    }

    fn remember_program(&mut self, stamp: u64, prog: *const Linked) {
        let place = stamp as usize % TARGETS;
        if self.tails.lines.is_empty() {
            self.tails.lines = vec![Line::NONE; TARGETS].into();
        }
        self.tails.lines[place] = Line { stamp, prog };
        #[cfg(feature = "jit")]
        self.change_context(|context| context.targets.stamps[place] = NO_STAMP);
    }

    #[cold]
    fn forget_programs(&mut self) {
        // Whoever remembers the next says of which group and context.
        self.tails.group = 0;
        self.tails.lines.fill(Line::NONE);
        #[cfg(feature = "jit")]
        {
            self.tails.shown = Shown::default();
            self.change_context(|context| context.targets = Targets::NONE);
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
        self.memory.begin_tail_calls(first, self.began.group, layout(self.input));
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
        let fits = target.state == self.prog().state && target.accepts(self.input);
        if !fits || !target.accepts_pointer(self.input, r1) {
            return Ok(None);
        }
        if target.group != self.began.group {
            return Ok(Some(self.keep(target)));
        }
        let prog = Arc::as_ptr(&target);
        if self.memory.tails.lines.is_empty() || self.memory.tails.group != self.began.group {
            self.memory.tails.group = self.began.group;
            self.memory.tails.layout = layout(self.input).cloned();
        }
        self.memory.remember_program(stamp, prog);
        #[cfg(feature = "jit")]
        self.show_target(stamp);
        Ok(Some(prog))
    }

    /// Makes the target of a tail call the running program, and counts the call.
    #[inline]
    pub fn go_to(&mut self, prog: *const Linked) {
        self.count(prog);
        #[cfg(feature = "jit")]
        if self.memory.tails.shown.chain.is_some() {
            self.tell_calls();
        }
    }

    #[inline]
    fn count(&mut self, prog: *const Linked) {
        if let Some(place) = self.memory.tails.gone.get_mut(self.tail_calls) {
            *place = prog;
        }
        self.tail_calls += 1;
        self.set_prog(prog);
    }

    /// Programs that the run has gone to.
    pub(super) fn gone_to(&self) -> impl Iterator<Item = &Linked> {
        let gone = self.memory.tails.gone.iter().take(self.tail_calls).copied();
        let began: *const Linked = self.began;
        // SAFETY: what a run goes to is of the group that its instance keeps, or kept by the run itself.
        gone.filter(move |&prog| !ptr::eq(prog, began)).map(|prog| unsafe { &*prog })
    }
}

/// What compiled code does by itself.
#[cfg(feature = "jit")]
impl Run<'_> {
    /// Lets compiled code know a program that was just remembered, if it is machine code.
    fn show_target(&mut self, stamp: u64) {
        let place = stamp as usize % TARGETS;
        // SAFETY: the instance that is running keeps the program.
        let Some(gate) = Gate::of(unsafe { &*self.memory.tails.lines[place].prog }) else { return };
        let shown = &mut self.memory.tails.shown;
        shown.frames = shown.frames.max(gate.frames);
        shown.used = shown.used.max(gate.used);
        shown.bound = shown.bound.max(gate.bound);
        shown.unproved |= !gate.proven;
        self.memory.change_context(|context| context.targets.set(stamp, gate.door));
        self.tell_calls();
    }

    fn tell_calls(&mut self) {
        self.memory.tell_calls(self.tail_calls, self.limit);
    }

    /// Makes ready for a chained function that is entered in a frame with this in R1; gives what was before.
    pub fn enter_chain(&mut self, depth: usize, r1: u64) -> Option<Chain> {
        let by_itself = r1 == self.memory.tails.first;
        let before = self.memory.tails.shown.chain.replace(Chain { depth, by_itself });
        self.tell_calls();
        before
    }

    /// Counts what the chain did that has come to its end, and goes on with the one before.
    pub fn leave_chain(&mut self, before: Option<Chain>) {
        self.catch_up();
        self.memory.tails.shown.chain = before;
        if before.is_some() {
            self.tell_calls();
        }
    }

    /// Counts the tail calls that compiled code has made by itself, and makes the program that it has come to
    /// the running one.
    #[inline(always)]
    pub fn catch_up(&mut self) {
        let shown = &self.memory.tails.shown;
        if shown.chain.is_some() && shown.calls != self.memory.calls_left() {
            self.count_gone();
        }
    }

    #[inline(never)]
    fn count_gone(&mut self) {
        let left = self.memory.calls_left();
        while self.memory.tails.shown.calls > left {
            let calls = self.memory.tails.shown.calls - 1;
            let place = self.memory.gone_to(calls);
            // What a place stands for changes only when the host is asked, which counts first.
            let prog = self.memory.tails.lines[place].prog;
            self.count(prog);
            self.memory.tails.shown.calls = calls;
        }
    }
}
