//! oxbpf: its interpreter and its machine code, checked and proven, with and without fuel.

use super::Shared;
use crate::measure::Work;
use oxbpf::isa::program::Program;
use oxbpf::jit::OptLevel;
use oxbpf::vm::{Config, Engine, Input, Instance, Linker, Strategy, Vouched};

/// One way to run a program.
#[derive(Clone, Copy)]
pub struct Way {
    pub name: &'static str,
    pub compile: bool,
    pub proven: bool,
    pub fuel: bool,
}

/// All of them.
pub const WAYS: [Way; 6] = [
    Way { name: "int checked", compile: false, proven: false, fuel: true },
    Way { name: "int proven", compile: false, proven: true, fuel: true },
    Way { name: "jit checked", compile: true, proven: false, fuel: true },
    Way { name: "jit ch nofuel", compile: true, proven: false, fuel: false },
    Way { name: "jit proven", compile: true, proven: true, fuel: true },
    Way { name: "jit pr nofuel", compile: true, proven: true, fuel: false },
];

impl Way {
    /// The engine of this way.
    pub fn engine(self, opt: OptLevel) -> Engine {
        self.engine_of(opt, 1)
    }

    /// The same with so many processors.
    pub fn engine_of(self, opt: OptLevel, cpus: u32) -> Engine {
        let strategy = if self.compile { Strategy::Compile } else { Strategy::Interpret };
        let config = Config::new().strategy(strategy).fuel(self.fuel).opt_level(opt).budget(u64::MAX);
        Engine::new(config.cpus(cpus))
    }
}

/// The program linked this way; `proven` vouches for it.
///
/// # Errors
/// When it does not link.
///
/// # Safety
/// When the way is proven, every run of the program stays in the memory it is given.
pub unsafe fn instance(program: &Program, way: Way) -> Result<Instance<()>, String> {
    let mut linker: Linker<()> = Linker::bare(&way.engine(OptLevel::Full));
    let instance = match way.proven {
        // SAFETY: by the contract.
        true => linker.instantiate_vouched(&unsafe { Vouched::new(program) }),
        false => linker.instantiate(program),
    };
    instance.map_err(|e| e.to_string())
}

/// How many instructions a run on memory executes.
///
/// # Errors
/// When it traps.
pub fn executed(program: &Program, memory: Shared) -> Result<u64, String> {
    let instance = Linker::<()>::bare(&WAYS[0].engine(OptLevel::Full)).instantiate(program);
    // SAFETY: runs come one after the other.
    let input = Input::memory(unsafe { memory.slice() });
    let outcome = instance.map_err(|e| e.to_string())?.run(&mut (), input);
    outcome.map(|o| o.insns).map_err(|e| e.to_string())
}

/// Runs on memory: machine code as a function, the interpreter as runs.
pub fn on_memory(instance: Instance<()>, memory: Shared) -> Work<'static> {
    if instance.machine_code().is_some()
        && let Ok(Some(mut function)) = instance.callable()
    {
        return Box::new(move |count| {
            let mut last = 0;
            for _ in 0..count {
                // SAFETY: runs come one after the other.
                last = function.call(unsafe { memory.slice() }).map_err(|e| e.to_string())?;
            }
            Ok(last)
        });
    }
    Box::new(move |count| {
        let mut last = 0;
        for _ in 0..count {
            // SAFETY: runs come one after the other.
            let input = Input::memory(unsafe { memory.slice() });
            last = instance.run(&mut (), input).map_err(|e| e.to_string())?.ret;
        }
        Ok(last)
    })
}
