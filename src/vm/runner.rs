//! An instance made ready to run again and again on one thread.
//!
//! [`Instance::run`] borrows memory from the engine, a [`Runner`] has its own. And a proved program that asks the
//! host for nothing but lookups in maps (no other helpers, no tail calls) is entered without more ado once it
//! is machine code: only the packet's addresses are put into its context.

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
    direct: alone::State,
}

impl<T: 'static> Runner<T> {
    pub(crate) fn new(instance: Instance<T>) -> Runner<T> {
        Runner {
            instance,
            memory: None,
            #[cfg(feature = "jit")]
            direct: alone::State::default(),
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
    pub fn run(&mut self, data: &mut T, mut input: Input<'_>) -> Result<Outcome, Trap> {
        #[cfg(feature = "jit")]
        if let Some(outcome) = self.direct.run(&mut input) {
            return Ok(outcome);
        }
        self.run_with_host(data, &mut input)
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
        self.run_with_host(data, &mut Input::context(context).packet(packet))
    }

    /// Whether runs go straight into the code.
    #[cfg(all(test, feature = "jit", feature = "verifier"))]
    pub(crate) fn is_direct(&self) -> bool {
        matches!(self.direct, alone::State::Is(_))
    }

    #[inline(never)]
    fn run_with_host(&mut self, data: &mut T, input: &mut Input<'_>) -> Result<Outcome, Trap> {
        if self.memory.is_none() {
            self.memory = Some(Box::new(Memory::new()));
        }
        let result = self.instance.run_in(&mut self.memory, data, input);
        #[cfg(feature = "jit")]
        self.direct.look(self.instance.linked_arc(), self.instance.engine_ref());
        result
    }
}

impl<T> fmt::Debug for Runner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// Programs that ask the host for nothing: of all that [`direct`](super::direct) makes ready they need so little
/// that a runner does it itself, once it has seen that a context is right.
#[cfg(feature = "jit")]
mod alone {
    use crate::vm::Outcome;
    use crate::vm::compiled::context_of;
    use crate::vm::context::ContextLayout;
    use crate::vm::engine::Engine;
    use crate::vm::input::{Context, Input, Packet, Subject};
    use crate::vm::memory::Memory;
    use crate::vm::run::{Linked, SLICE};
    use oxbpf_jit::Code;
    use oxbpf_jit::abi::Entry;
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
        /// Where the layout of contexts lies that was found to be the proof's; 0 before there is one.
        layout_at: usize,
        /// A run has nothing to make ready but the addresses of the packet.
        plain: bool,
        /// How many frames may be read before they are written.
        fresh: usize,
        /// Keeps the layout where it is.
        layout: Option<Arc<ContextLayout>>,
        bound: u64,
        cpus: u32,
        memory: Memory,
        linked: Arc<Linked>,
        _code: Arc<Code>,
    }

    impl State {
        /// Looks whether the program is one, once it has machine code.
        #[inline]
        pub fn look(&mut self, linked: &Arc<Linked>, engine: &Engine) {
            if matches!(self, State::Unknown)
                && let Some(code) = linked.compiled.get()
            {
                *self = Direct::of(linked, code, engine).map_or(State::Never, State::Is);
            }
        }

        /// Runs the program, if it is one and the input is a context, perhaps with a packet.
        #[inline]
        pub fn run(&mut self, input: &mut Input<'_>) -> Option<Outcome> {
            match self {
                State::Is(direct) => direct.run(input),
                _ => None,
            }
        }

        /// The same on a packet alone.
        #[inline]
        pub fn run_packet(&mut self, context: &mut Context, packet: &mut Packet) -> Option<Outcome> {
            match self {
                State::Is(direct) => direct.enter(context, Some(packet), [0; 5], 0),
                _ => None,
            }
        }
    }

    impl Direct {
        fn of(linked: &Arc<Linked>, code: &Arc<Code>, engine: &Engine) -> Option<Direct> {
            let way = linked.way(engine).filter(|way| way.alone)?;
            let mut memory = Memory::new();
            memory.reset();
            let fp = memory.enter(0);
            let fresh = if way.fresh { way.frames } else { 0 };
            let (bound, cpus) = (linked.bound?, engine.cpus());
            let (entry, linked, code) = (way.entry, linked.clone(), code.clone());
            Some(Direct {
                entry,
                fp,
                layout_at: 0,
                plain: false,
                fresh,
                layout: None,
                bound,
                cpus,
                memory,
                linked,
                _code: code,
            })
        }

        #[inline]
        fn run(&mut self, input: &mut Input<'_>) -> Option<Outcome> {
            if input.cancel.is_some() || input.budget.is_some_and(|budget| budget < self.bound) {
                return None;
            }
            let Subject::Context(context) = &mut input.subject else { return None };
            let cpu = if input.cpu < self.cpus { input.cpu } else { input.cpu % self.cpus };
            self.enter(context, input.packet.as_deref_mut(), input.args, cpu)
        }

        #[inline]
        fn enter(
            &mut self,
            context: &mut Context,
            packet: Option<&mut Packet>,
            args: [u64; 5],
            cpu: u32,
        ) -> Option<Outcome> {
            if context.layout_at() != self.layout_at && !self.learn(context) {
                return None;
            }
            if self.plain {
                context.show_addresses(packet);
            } else {
                context.show_packet(packet);
                self.clear_frames();
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
                self.plain = layout.len_field.is_none() && self.fresh == 0;
                self.layout_at = context.layout_at();
                self.layout = Some(layout);
            }
            fits
        }

        /// Makes frames zero that a run before may have written.
        fn clear_frames(&mut self) {
            if self.fresh == 0 {
                return;
            }
            self.memory.reset();
            self.memory.enter(self.fresh - 1);
            self.memory.enter(0);
        }
    }
}
