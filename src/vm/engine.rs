//! What all programs of one embedding share: limits, clock, randomness, the current task.

use super::events::TraceSink;
use super::maps::Settings;
use super::memory::Memory;
use super::observe::Observer;
use super::task::{Clock, Random, Seeded, SystemClock, Task};
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What becomes of calls to functions that the linker does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unknown {
    /// The program cannot be linked.
    #[default]
    Refuse,
    /// The call traps when it is reached.
    TrapAtCall,
}

/// How programs are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// By the interpreter.
    #[default]
    Interpret,
    /// As machine code, compiled when they are linked; one that cannot be compiled cannot be linked.
    #[cfg(feature = "jit")]
    Compile,
    /// By the interpreter at first, and as machine code when they have run so often. Compiled in the
    /// background; one that cannot be compiled goes on being interpreted.
    #[cfg(feature = "jit")]
    Tiered { runs: u32 },
}

/// The settings of an engine.
#[derive(Clone)]
pub struct Config {
    pub(crate) budget: u64,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) task: Task,
    pub(crate) trace: Option<Arc<dyn TraceSink>>,
    pub(crate) unknown: Unknown,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) maps: Settings,
    pub(crate) strategy: Strategy,
    #[cfg(feature = "jit")]
    pub(crate) fuel: bool,
    #[cfg(feature = "jit")]
    pub(crate) opt_level: oxbpf_jit::OptLevel,
    #[cfg(feature = "jit")]
    pub(crate) keep_clif: bool,
    #[cfg(all(feature = "jit", unix))]
    pub(crate) profile: Option<Arc<oxbpf_jit::perf::Profile>>,
}

impl Config {
    /// The budget unless another is set: a few seconds' worth.
    pub const DEFAULT_BUDGET: u64 = 1 << 32;

    /// The defaults: [`Config::DEFAULT_BUDGET`], the host's clock, randomness from a fixed seed, one
    /// CPU, maps as [`Settings`] has them but with a fixed seed, and no sink for traced text.
    pub fn new() -> Config {
        Config {
            budget: Config::DEFAULT_BUDGET,
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(Seeded::new(0)),
            task: Task::default(),
            trace: None,
            unknown: Unknown::Refuse,
            observer: None,
            maps: Settings {
                cpus: 1,
                memory_limit: Settings::DEFAULT_MEMORY_LIMIT,
                seed: 0,
                page_size: 4096,
            },
            strategy: Strategy::default(),
            #[cfg(feature = "jit")]
            fuel: true,
            #[cfg(feature = "jit")]
            opt_level: oxbpf_jit::OptLevel::default(),
            #[cfg(feature = "jit")]
            keep_clif: false,
            #[cfg(all(feature = "jit", unix))]
            profile: None,
        }
    }

    /// How programs are run; by the interpreter unless told otherwise.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Config {
        self.strategy = strategy;
        self
    }

    /// Whether compiled code counts what it executes, as it does unless told otherwise. Without, neither
    /// the budget nor [`Cancel`](super::Cancel) stops it.
    #[cfg(feature = "jit")]
    #[must_use]
    pub fn fuel(mut self, count: bool) -> Config {
        self.fuel = count;
        self
    }

    /// How much work the compiler does.
    #[cfg(feature = "jit")]
    #[must_use]
    pub fn opt_level(mut self, level: oxbpf_jit::OptLevel) -> Config {
        self.opt_level = level;
        self
    }

    /// Keeps the compiler's intermediate form with the machine code.
    #[cfg(feature = "jit")]
    #[must_use]
    pub fn keep_clif(mut self, keep: bool) -> Config {
        self.keep_clif = keep;
        self
    }

    /// Tells `perf` of what is compiled from now on: functions by name, in a jitdump with the lines of
    /// their source.
    #[cfg(all(feature = "jit", unix))]
    #[must_use]
    pub fn profile(mut self, profile: Arc<oxbpf_jit::perf::Profile>) -> Config {
        self.profile = Some(profile);
        self
    }

    /// The most instructions of a run; held at backward jumps and calls.
    #[must_use]
    pub fn budget(mut self, insns: u64) -> Config {
        self.budget = insns;
        self
    }

    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Config {
        self.clock = clock;
        self
    }

    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Config {
        self.random = random;
        self
    }

    /// The current task of runs that name none.
    #[must_use]
    pub fn task(mut self, task: Task) -> Config {
        self.task = task;
        self
    }

    /// Where `bpf_trace_printk` writes.
    #[must_use]
    pub fn trace(mut self, sink: Arc<dyn TraceSink>) -> Config {
        self.trace = Some(sink);
        self
    }

    /// Shows every instruction of programs that are linked from now on.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Config {
        self.observer = Some(observer);
        self
    }

    #[must_use]
    pub fn unknown(mut self, unknown: Unknown) -> Config {
        self.unknown = unknown;
        self
    }

    /// The number of CPUs that per-CPU maps have values for; at least 1.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Config {
        self.maps.cpus = cpus.max(1);
        self
    }

    /// Everything about maps that the host decides.
    #[must_use]
    pub fn maps(mut self, settings: Settings) -> Config {
        self.maps = Settings { cpus: settings.cpus.max(1), ..settings };
        self
    }
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("budget", &self.budget)
            .field("task", &self.task)
            .field("unknown", &self.unknown)
            .field("strategy", &self.strategy)
            .field("maps", &self.maps)
            .finish_non_exhaustive()
    }
}

/// Settings shared by linkers and instances. Clones are the same engine.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    config: Config,
    pool: Pool,
    #[cfg(feature = "jit")]
    workshop: super::compiled::Workshop,
}

/// Memory of runs that have ended, for the next.
///
/// A thread looks first in the place that the address of its stack says, so that threads seldom meet.
#[derive(Default)]
struct Pool {
    places: [Place; PLACES],
}

/// How much memory of ended runs is kept.
const PLACES: usize = 16;

/// Room for the memory of one run, on cache lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Place(AtomicPtr<Memory>);

impl Pool {
    /// The places, beginning with the thread's own.
    #[inline]
    fn places(&self) -> impl Iterator<Item = &AtomicPtr<Memory>> {
        let here = 0u8;
        // Stacks of threads lie megabytes apart.
        let first = (&raw const here).addr() >> 20;
        (0..PLACES).map(move |n| &self.places[(first + n) % PLACES].0)
    }

    #[inline]
    fn take(&self) -> Option<Box<Memory>> {
        self.places().find_map(|place| {
            if place.load(Ordering::Relaxed).is_null() {
                return None;
            }
            let memory = place.swap(ptr::null_mut(), Ordering::Acquire);
            // SAFETY: what is in a place was a box, and belongs to whoever has taken it out.
            (!memory.is_null()).then(|| unsafe { Box::from_raw(memory) })
        })
    }

    #[inline]
    fn give(&self, memory: Box<Memory>) {
        let memory = Box::into_raw(memory);
        let empty = ptr::null_mut();
        let given = self
            .places()
            .any(|place| place.compare_exchange(empty, memory, Ordering::Release, Ordering::Relaxed).is_ok());
        if !given {
            // SAFETY: it was a box above, and no place has it.
            drop(unsafe { Box::from_raw(memory) });
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        while let Some(memory) = self.take() {
            drop(memory);
        }
    }
}

impl Engine {
    pub fn new(config: Config) -> Engine {
        Engine(Arc::new(Shared {
            config,
            pool: Pool::default(),
            #[cfg(feature = "jit")]
            workshop: super::compiled::Workshop::default(),
        }))
    }

    #[cfg(feature = "jit")]
    pub(crate) fn workshop(&self) -> &super::compiled::Workshop {
        &self.0.workshop
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The number of CPUs.
    pub fn cpus(&self) -> u32 {
        self.0.config.maps.cpus
    }

    /// Memory for a run.
    #[inline]
    pub(crate) fn take_memory(&self) -> Box<Memory> {
        self.0.pool.take().unwrap_or_else(|| Box::new(Memory::new()))
    }

    /// Takes the memory of a run that has ended.
    #[inline]
    pub(crate) fn give_memory(&self, memory: Box<Memory>) {
        self.0.pool.give(memory);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.0.config).finish()
    }
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new(Config::new())
    }
}
