//! What all programs of one embedding share: limits, clock, randomness, the current task.

use super::events::TraceSink;
use super::maps::Settings;
use super::observe::Observer;
use super::run::Parts;
use super::task::{Clock, Random, Seeded, SystemClock, Task};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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
        }
    }

    /// How programs are run; by the interpreter unless told otherwise.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Config {
        self.strategy = strategy;
        self
    }

    /// Whether compiled code counts what it executes, as it does unless told otherwise. Without, neither
    /// the budget nor [`Cancel`](super::Cancel) stops it; nor does what cancels stop a program of which a
    /// proof says that it ends within the budget by itself.
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
    /// Stacks of runs that have ended, for the next.
    pool: Mutex<Vec<Parts>>,
    #[cfg(feature = "jit")]
    workshop: super::compiled::Workshop,
}

/// How many stacks of ended runs are kept.
const POOL: usize = 16;

impl Engine {
    pub fn new(config: Config) -> Engine {
        Engine(Arc::new(Shared {
            config,
            pool: Mutex::default(),
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

    /// A stack for a run.
    pub(crate) fn take_parts(&self) -> Parts {
        let parts = self.0.pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
        parts.unwrap_or_else(Parts::new)
    }

    /// Takes the stack of a run that has ended.
    pub(crate) fn give_parts(&self, parts: Parts) {
        let mut pool = self.0.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL {
            pool.push(parts);
        }
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
