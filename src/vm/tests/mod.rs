/// The same tests on every engine.
macro_rules! on_engine {
    ($name:ident, $config:expr) => {
        #[path = "."]
        mod $name {
            use super::*;

            /// The settings of the engine under test.
            fn config() -> Config {
                $config
            }

            fn engine() -> Engine {
                Engine::new(config())
            }

            /// R0 of a program without input.
            fn run(program: &Program) -> Result<u64, Trap> {
                let mut linker: Linker<()> = Linker::new(&engine());
                let instance = linker.instantiate(program).unwrap_or_else(|e| panic!("{e}"));
                instance.run(&mut (), Input::none()).map(|o| o.ret)
            }

            /// The kind of the trap a program ends in.
            fn trap(text: &str) -> TrapKind {
                run(&program(text)).expect_err("the program traps").kind().clone()
            }

            #[allow(clippy::duplicate_mod)]
            #[path = "helpers.rs"]
            mod helpers;
            #[allow(clippy::duplicate_mod)]
            #[path = "hostile.rs"]
            mod hostile;
            #[allow(clippy::duplicate_mod)]
            #[path = "programs.rs"]
            mod programs;
        }
    };
}
on_engine!(interpreted, Config::new());
#[cfg(feature = "jit")]
on_engine!(compiled, Config::new().strategy(Strategy::Compile));
#[cfg(feature = "jit")]
on_engine!(compiled_fast, Config::new().strategy(Strategy::Compile).opt_level(oxbpf_jit::OptLevel::Fast));

#[cfg(all(feature = "jit", feature = "verifier"))]
mod filters;
mod fused;
#[cfg(feature = "jit")]
mod held;
#[cfg(feature = "jit")]
mod loops;
#[cfg(feature = "verifier")]
mod proven;
mod random;
#[cfg(all(feature = "jit", feature = "verifier"))]
mod runner;
#[cfg(feature = "jit")]
mod same;
#[cfg(all(feature = "jit", feature = "verifier"))]
mod shortcuts;
#[cfg(all(feature = "jit", feature = "verifier"))]
mod tails;

use super::*;
use oxbpf_isa::asm::{Syntax, assemble};
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::{MapDef, Program};
use std::sync::Arc;

/// A program from text.
fn program(text: &str) -> Program {
    Program::from_insns("test", assemble(text, Syntax::Any).unwrap_or_else(|e| panic!("{e}\n{text}")))
}

/// A definition of a map.
fn map_def(name: &str, kind: MapType, key: u32, value: u32, entries: u32) -> Arc<MapDef> {
    Arc::new(MapDef {
        name: name.to_owned(),
        map_type: kind.number(),
        key_size: key,
        value_size: value,
        max_entries: entries,
        ..MapDef::default()
    })
}

/// A program with maps, which its text names by index (`map[0]` as `map_fd`).
fn program_with(text: &str, maps: &[Arc<MapDef>]) -> Program {
    Program { maps: maps.to_vec(), ..program(text) }
}
