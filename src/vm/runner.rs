//! An instance made ready to run again and again on one thread.
//!
//! [`Instance::run`] borrows memory from the engine and sets up what any program may ask for. A [`Runner`]
//! has its own memory, and enters a proved program without more ado once it is machine code. One that asks the
//! host for nothing but lookups in maps (no other helpers, no tail calls) gets only the packet's addresses put
//! into its context. For others a run is made when they ask for the first time.

use super::Outcome;
use super::input::{Context, Input, Packet};
use super::instance::Instance;
use super::memory::Memory;
use super::trap::Trap;
use std::fmt;

/// An [`Instance`] for many runs on one thread.
///
/// Runs have the same results as those of the instance, which others may run at the same time.
///
/// ```
/// use oxbpf::isa::asm::{Syntax, assemble};
/// use oxbpf::isa::program::Program;
/// use oxbpf::vm::{Context, ContextLayout, Engine, Input, Linker, Packet};
///
/// let text = "r0 = *(u32 *)(r1 + 4)\n r1 = *(u32 *)(r1 + 0)\n r0 -= r1\n exit";
/// let program = Program::from_insns("length", assemble(text, Syntax::Any)?);
/// let instance = Linker::<()>::new(&Engine::default()).instantiate(&program)?;
///
/// let (mut runner, mut context) = (instance.runner(), Context::new(ContextLayout::xdp_md()));
/// for len in [60, 1514] {
///     let mut packet = Packet::new(&vec![0; len]);
///     let input = Input::context(&mut context).packet(&mut packet);
///     assert_eq!(runner.run(&mut (), input)?.ret, len as u64);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runner<T> {
    instance: Instance<T>,
    /// None while a run lasts, and after one that panicked.
    memory: Option<Box<Memory>>,
    #[cfg(feature = "jit")]
    direct: direct::State,
}

impl<T: 'static> Runner<T> {
    pub(crate) fn new(instance: Instance<T>) -> Runner<T> {
        Runner {
            instance,
            memory: None,
            #[cfg(feature = "jit")]
            direct: direct::State::default(),
        }
    }

    /// What it runs.
    pub fn instance(&self) -> &Instance<T> {
        &self.instance
    }

    /// Runs the program once.
    ///
    /// # Errors
    /// As for [`Instance::run`].
    #[inline]
    #[cfg_attr(not(feature = "jit"), expect(unused_mut))]
    pub fn run(&mut self, data: &mut T, mut input: Input<'_>) -> Result<Outcome, Trap> {
        #[cfg(feature = "jit")]
        if let Some(result) = self.direct.run(self.instance.engine_ref(), data, &mut input) {
            return result;
        }
        self.run_with_host(data, input)
    }

    /// Runs the program once on a packet, as with an [`Input`] of the two: the shortest way.
    ///
    /// # Errors
    /// As for [`Instance::run`].
    #[inline]
    pub fn run_packet(
        &mut self,
        data: &mut T,
        context: &mut Context,
        packet: &mut Packet,
    ) -> Result<Outcome, Trap> {
        #[cfg(feature = "jit")]
        if let Some(outcome) = self.direct.run_packet(context, packet) {
            return Ok(outcome);
        }
        self.run(data, Input::context(context).packet(packet))
    }

    /// Whether runs go straight into the code, and ask the host for nothing.
    #[cfg(all(test, feature = "jit", feature = "verifier"))]
    pub(crate) fn is_direct(&self) -> bool {
        self.direct.is_alone() == Some(true)
    }

    /// Whether runs go straight into the code, and may ask the host for something.
    #[cfg(all(test, feature = "jit", feature = "verifier"))]
    pub(crate) fn is_hosted(&self) -> bool {
        self.direct.is_alone() == Some(false)
    }

    #[inline(never)]
    fn run_with_host(&mut self, data: &mut T, input: Input<'_>) -> Result<Outcome, Trap> {
        let memory = self.memory.take().unwrap_or_else(|| Box::new(Memory::new()));
        let (result, memory) = self.instance.run_in(memory, data, input);
        #[cfg(feature = "jit")]
        self.direct.look(self.instance.linked_arc(), self.instance.engine_ref());
        self.memory = Some(memory);
        result
    }
}

impl<T> fmt::Debug for Runner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// Programs that are entered without a run around them.
#[cfg(feature = "jit")]
mod direct {
    use crate::vm::compiled::{Waiting, context_of, needs_run};
    use crate::vm::context::ContextLayout;
    use crate::vm::engine::Engine;
    use crate::vm::input::{Cancel, Context, Input, Packet, Subject};
    use crate::vm::memory::Memory;
    use crate::vm::op::Code as OpCode;
    use crate::vm::run::{Linked, Run, SLICE};
    use crate::vm::trap::Trap;
    use crate::vm::{MAX_FRAMES, Outcome};
    use oxbpf_jit::Code;
    use oxbpf_jit::abi::Entry;
    use std::any::Any;
    use std::ptr;
    use std::sync::Arc;

    /// Whether a program is one.
    #[derive(Default)]
    #[expect(
        clippy::large_enum_variant,
        reason = "there is one for a thread, and it is entered for each packet"
    )]
    pub(super) enum State {
        /// It has no machine code that was looked at.
        #[default]
        Unknown,
        Never,
        Is(Direct),
    }

    /// Such a program.
    pub(super) struct Direct {
        entry: Entry,
        fp: u64,
        /// How many frames it needs.
        frames: usize,
        /// Whether frames may be read before they are written.
        fresh: bool,
        /// The layout of contexts that was found to be the proof's.
        layout: Option<Arc<ContextLayout>>,
        bound: Option<u64>,
        /// Whether it asks the host for nothing.
        alone: bool,
        /// Whether it tail calls others; and where its code begins, if that does so by itself.
        tails: bool,
        chained: Option<u64>,
        /// None while a run has it, and after one that panicked.
        memory: Option<Box<Memory>>,
        linked: Arc<Linked>,
        _code: Arc<Code>,
    }

    impl State {
        /// Looks whether the program is one, once it has machine code.
        pub fn look(&mut self, linked: &Arc<Linked>, engine: &Engine) {
            let looks = match self {
                State::Unknown => true,
                State::Never => false,
                State::Is(direct) => direct.memory.is_none(),
            };
            if looks && let Some(code) = linked.compiled.get() {
                *self = Direct::of(linked, code, engine).map_or(State::Never, State::Is);
            }
        }

        /// Runs the program, if it is one and the input is a context, perhaps with a packet.
        #[inline]
        pub fn run(
            &mut self,
            engine: &Engine,
            data: &mut dyn Any,
            input: &mut Input<'_>,
        ) -> Option<Result<Outcome, Trap>> {
            match self {
                State::Is(direct) if direct.alone => direct.run(engine, input).map(Ok),
                State::Is(direct) => direct.run_hosted(engine, data, input),
                _ => None,
            }
        }

        /// The same on a packet, if the program asks the host for nothing.
        #[inline]
        pub fn run_packet(&mut self, context: &mut Context, packet: &mut Packet) -> Option<Outcome> {
            match self {
                State::Is(direct) if direct.alone => direct.enter(context, Some(packet), [0; 5], 0),
                _ => None,
            }
        }

        #[cfg(all(test, feature = "verifier"))]
        pub fn is_alone(&self) -> Option<bool> {
            match self {
                State::Is(direct) => Some(direct.alone),
                _ => None,
            }
        }
    }

    impl Direct {
        fn of(linked: &Arc<Linked>, code: &Arc<Code>, engine: &Engine) -> Option<Direct> {
            // Without a proof accesses are looked up, and their regions are remembered.
            if !linked.proven || linked.context_use.is_none() || code.inherits() {
                return None;
            }
            let (entry, function) = code.entry(0)?;
            let frames = function.depth.filter(|&depth| depth <= MAX_FRAMES)?;
            // Without a bound it asks for fuel.
            let bound = linked.bound.filter(|&bound| bound <= engine.config().budget);
            let alone = bound.is_some() && !needs_run(linked, engine);
            let tails = linked.code.ops.iter().any(|op| op.code == OpCode::TailCall);
            let chained = function.chained.then(|| code.address_of(function));
            let mut memory = Box::new(Memory::new());
            memory.reset();
            let fp = memory.enter(0);
            // Who is gone to finds in the frame what was left there.
            let fresh = code.reads_fresh_frames() || tails;
            let (bound, memory) = (linked.bound, Some(memory));
            let (layout, linked, code) = (None, linked.clone(), code.clone());
            Some(Direct {
                entry,
                fp,
                frames,
                fresh,
                layout,
                bound,
                alone,
                tails,
                chained,
                memory,
                linked,
                _code: code,
            })
        }

        #[inline]
        fn run(&mut self, engine: &Engine, input: &mut Input<'_>) -> Option<Outcome> {
            if input.cancel.is_some() || !self.is_bounded(engine, input) {
                return None;
            }
            let cpu = input.cpu_of(engine);
            let Subject::Context(context) = &mut input.subject else { return None };
            self.enter(context, input.packet.as_deref_mut(), input.args, cpu)
        }

        /// The budget of a run.
        fn limit(engine: &Engine, input: &Input<'_>) -> u64 {
            input.budget.unwrap_or(engine.config().budget)
        }

        /// Whether the budget is enough, if there is a bound.
        fn is_bounded(&self, engine: &Engine, input: &Input<'_>) -> bool {
            self.bound.is_none_or(|bound| bound <= Direct::limit(engine, input))
        }

        /// Runs a program that may ask the host for something.
        fn run_hosted(
            &mut self,
            engine: &Engine,
            data: &mut dyn Any,
            input: &mut Input<'_>,
        ) -> Option<Result<Outcome, Trap>> {
            let limit = Direct::limit(engine, input);
            if limit == 0 || !self.is_bounded(engine, input) || input.cancel.is_some_and(Cancel::is_cancelled)
            {
                return None;
            }
            let (cpu, fuel) = (input.cpu_of(engine), limit.min(SLICE) as i64);
            let Subject::Context(context) = &mut input.subject else { return None };
            if !self.speaks_of(context) {
                return None;
            }
            let (layout, memory) = (self.layout.as_ref()?, self.memory.as_mut()?);
            // What is not proved rests on more than what is made ready here.
            if memory.goes_to_unproved() {
                return None;
            }
            context.show_packet(input.packet.as_deref_mut());
            let packet = input.packet.as_deref_mut();
            let (data_at, len) = packet.map_or((0, 0), |packet| (packet.addresses().1, packet.len() as u64));
            memory.show_packet(data_at, len);
            if self.fresh {
                memory.clear_frames();
            }
            memory.use_frames(self.frames);
            let first = context.address();
            if self.tails {
                memory.begin_first(first, &self.linked, layout, limit, self.chained.is_some());
            }
            let [_, r2, r3, r4, r5] = input.args;
            let mut waiting = Waiting {
                engine,
                linked: &self.linked,
                data: Some(data),
                input,
                memory: &mut self.memory,
                run: None,
            };
            let host = &raw mut waiting;
            let context = context_of(self.fp);
            // SAFETY: the context of the code lies in the block of this memory, and nobody has a reference
            // to it.
            unsafe {
                ((*context).run, (*context).host) = (ptr::null_mut(), host.cast());
                ((*context).fuel, (*context).cpu) = (fuel, cpu.into());
                (*context).callee = self.chained.unwrap_or(0);
            }
            // SAFETY: `_code` keeps the code. The program is proved for this context, its frames fit into the
            // block, which is this value's or, once there is one, the run's, and the host's functions find
            // what a run is made of. Where a chain leads, the run that learned it has seen to.
            let returned = unsafe { (self.entry)(self.fp, first, r2, r3, r4, r5) };
            // The code has ended, and with it all other uses of what waits.
            match waiting.run {
                None => {
                    debug_assert_eq!(returned.status, 0, "who traps has asked the host");
                    // SAFETY: the block is still this value's.
                    let left = unsafe { (*context).fuel };
                    let insns = fuel.wrapping_sub(left).cast_unsigned();
                    Some(Ok(Outcome { ret: returned.value, insns, redirect: None }))
                }
                Some(ref mut run) => {
                    let result = run.end_of_entered(returned);
                    if let Some(Run { memory, .. }) = waiting.run {
                        self.memory = Some(memory);
                    }
                    Some(result)
                }
            }
        }

        /// Whether the proof speaks of a context.
        #[inline]
        fn speaks_of(&mut self, context: &mut Context) -> bool {
            matches!(&self.layout, Some(known) if context.has_layout(known)) || self.learn(context)
        }

        #[inline]
        fn enter(
            &mut self,
            context: &mut Context,
            packet: Option<&mut Packet>,
            args: [u64; 5],
            cpu: u32,
        ) -> Option<Outcome> {
            if !self.speaks_of(context) {
                return None;
            }
            context.show_packet(packet);
            if self.fresh
                && let Some(memory) = &mut self.memory
            {
                memory.clear_frames();
                memory.use_frames(self.frames);
            }
            let run = context_of(self.fp);
            // SAFETY: the context of the code lies in the block of this memory, and nobody has a reference
            // to it.
            unsafe { ((*run).fuel, (*run).cpu) = (SLICE as i64, cpu.into()) };
            let [_, r2, r3, r4, r5] = args;
            // SAFETY: `_code` keeps the code. The program is proved for this context, calls nothing of
            // the host but what looks maps up, which `linked` keeps, neither traps nor asks for fuel, and
            // its frames fit into the block, which is this value's.
            let returned = unsafe { (self.entry)(self.fp, context.address(), r2, r3, r4, r5) };
            debug_assert_eq!(returned.status, 0, "nothing here traps");
            // SAFETY: as above.
            let left = unsafe { (*run).fuel };
            let insns = (SLICE as i64).wrapping_sub(left).cast_unsigned();
            Some(Outcome { ret: returned.value, insns, redirect: None })
        }

        /// Whether the proof speaks of contexts like this.
        #[cold]
        fn learn(&mut self, context: &mut Context) -> bool {
            let layout = context.shared_layout().clone();
            let fits = self.linked.accepts(&Input::context(context));
            if fits {
                self.layout = Some(layout);
            }
            fits
        }
    }
}
