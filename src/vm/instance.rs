//! A program linked with its maps and functions, and runs of it.

use super::Outcome;
use super::context::ContextLayout;
use super::engine::Engine;
use super::input::{Input, Subject};
use super::linker::Group;
use super::lower::Lowered;
use super::maps::Map;
use super::memory::Memory;
use super::run::{Linked, Run};
use super::runner::Runner;
use super::trap::{Trap, TrapKind};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A program ready to run.
///
/// Any number of threads may run one instance at once. Each run has a stack, a budget and a state of
/// the host (`&mut T`) of its own; what runs share are the maps, as in the kernel. A host that wants
/// shared state of its own puts an `Arc` in `T`. Clones are the same instance.
pub struct Instance<T> {
    engine: Engine,
    linked: Arc<Linked>,
    /// The programs it may come to through arrays.
    group: Group,
    state: PhantomData<fn(T)>,
}

impl<T: 'static> Instance<T> {
    pub(crate) fn new(engine: Engine, linked: Arc<Linked>, group: Group) -> Instance<T> {
        Instance { engine, linked, group, state: PhantomData }
    }

    /// The program's name.
    pub fn name(&self) -> &str {
        &self.linked.name
    }

    /// The lowered program.
    pub fn code(&self) -> &Lowered {
        &self.linked.code
    }

    /// What the interpreter runs.
    #[cfg(test)]
    pub(crate) fn steps(&self) -> &super::steps::Steps {
        self.linked.steps()
    }

    /// The maps, in the order of the program's definitions.
    pub fn maps(&self) -> &[Arc<dyn Map>] {
        &self.linked.maps
    }

    /// The map of this name.
    pub fn map(&self, name: &str) -> Option<&Arc<dyn Map>> {
        self.linked.maps.iter().find(|m| m.head().name() == name)
    }

    /// Whether accesses are not looked up.
    pub fn is_proven(&self) -> bool {
        self.linked.proven
    }

    /// Compiles the program now, whatever the engine's strategy, unless that is done; later runs use the
    /// machine code.
    ///
    /// # Errors
    /// When the compiler refuses. The program can still be run.
    #[cfg(feature = "jit")]
    pub fn compile(&self) -> Result<Arc<oxbpf_jit::Code>, oxbpf_jit::CompileError> {
        super::compiled::compile(&self.engine, &self.linked)
    }

    /// The machine code, once there is some.
    #[cfg(feature = "jit")]
    pub fn machine_code(&self) -> Option<&Arc<oxbpf_jit::Code>> {
        self.linked.compiled.get()
    }

    #[cfg(feature = "jit")]
    pub(crate) fn linked(&self) -> &Linked {
        &self.linked
    }

    #[cfg(feature = "jit")]
    pub(crate) fn linked_arc(&self) -> &Arc<Linked> {
        &self.linked
    }

    #[cfg(feature = "jit")]
    pub(crate) fn engine_ref(&self) -> &Engine {
        &self.engine
    }

    /// Whether the program may be run on this input: one that runs unchecked must get the context that
    /// its proof speaks of.
    pub fn accepts(&self, input: &Input<'_>) -> bool {
        self.linked.accepts(input)
    }

    /// Runs the program once.
    ///
    /// # Errors
    /// When the program traps: see [`TrapKind`]. A context of another layout than a proven program
    /// was vouched for is [`TrapKind::Unsupported`].
    pub fn run(&self, data: &mut T, mut input: Input<'_>) -> Result<Outcome, Trap> {
        let mut memory = Some(self.engine.take_memory());
        let result = self.run_in(&mut memory, data, &mut input);
        if let Some(memory) = memory {
            self.engine.give_memory(memory);
        }
        result
    }

    /// The same in a memory, which is there afterwards unless a panic has passed.
    #[inline]
    pub(crate) fn run_in(
        &self,
        memory: &mut Option<Box<Memory>>,
        data: &mut T,
        input: &mut Input<'_>,
    ) -> Result<Outcome, Trap> {
        if !self.linked.accepts(input) {
            return Err(TrapKind::Unsupported("a context that the proof does not speak of").into());
        }
        #[cfg(feature = "jit")]
        super::compiled::on_run(&self.engine, &self.linked);
        #[cfg(feature = "jit")]
        if let (Some(way), Some(block)) = (self.linked.way(&self.engine), &mut *memory)
            && way.is_ready(&self.engine, &self.linked, block, input)
        {
            // SAFETY: it was just made ready, and the proof speaks of the input.
            return unsafe { way.run(&self.engine, &self.linked, memory, data, input) };
        }
        self.run_around(memory, data, input)
    }

    /// Runs the program with a run around it.
    #[inline(never)]
    fn run_around(
        &self,
        memory: &mut Option<Box<Memory>>,
        data: &mut T,
        input: &mut Input<'_>,
    ) -> Result<Outcome, Trap> {
        // Of this run alone, as the state of the host is.
        let mut input: Input<'_> = std::mem::take(input);
        let block = memory.take().unwrap_or_else(|| Box::new(Memory::new()));
        let mut run = Run::new(&self.engine, &self.linked, data, &mut input, block);
        let result = run.finish();
        *memory = Some(run.memory);
        result
    }

    /// The instance made ready to run again and again on one thread.
    pub fn runner(&self) -> Runner<T> {
        Runner::new(self.clone())
    }

    /// Puts the program into an array of programs, for others to tail call. The array holds it weakly:
    /// some instance made by the same linker must live for a tail call to find it.
    ///
    /// # Errors
    /// When the map is no array of programs or has no such index.
    pub fn insert_into(&self, map: &dyn Map, index: u32) -> Result<(), NotInserted> {
        match super::helpers::tail::set_program(map, index, &self.linked) {
            true => Ok(()),
            false => Err(NotInserted { index }),
        }
    }
}

impl Linked {
    /// Whether the program may be run on this input: one that nobody checks must get the context it
    /// was vouched for.
    #[inline]
    pub fn accepts(&self, input: &Input<'_>) -> bool {
        let layout = match &input.subject {
            Subject::Context(context) => Some(context.layout()),
            _ => None,
        };
        match (self.proven, &self.context, self.context_use) {
            (false, ..) => true,
            (true, Some(expected), _) => layout == Some(expected),
            (true, None, Some(used)) => match layout {
                Some(layout) => layout.size >= used.extent,
                None => !used.needed,
            },
            (true, None, None) => layout.is_none_or(ContextLayout::is_plain),
        }
    }

    /// Whether a program that calls this one may leave this in R1: a verified one believes that it is
    /// the context.
    pub fn accepts_pointer(&self, input: &Input<'_>, r1: u64) -> bool {
        match (&input.subject, self.context_use) {
            (Subject::Context(context), Some(used)) => !used.needed || context.address_now() == r1,
            _ => true,
        }
    }
}

/// The map is no array of programs, or has no such index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotInserted {
    pub index: u32,
}

impl fmt::Display for NotInserted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the map is no array of programs with an index {}", self.index)
    }
}

impl std::error::Error for NotInserted {}

impl<T> Clone for Instance<T> {
    fn clone(&self) -> Instance<T> {
        Instance {
            engine: self.engine.clone(),
            linked: self.linked.clone(),
            group: self.group.clone(),
            state: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("program", &self.linked.name)
            .field("proven", &self.linked.proven)
            .finish_non_exhaustive()
    }
}
