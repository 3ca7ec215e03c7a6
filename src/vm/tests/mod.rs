mod helpers;
mod hostile;
mod programs;
#[cfg(feature = "verifier")]
mod proven;

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

/// R0 of a program without input.
fn run(program: &Program) -> Result<u64, Trap> {
    let mut linker: Linker<()> = Linker::new(&Engine::default());
    let instance = linker.instantiate(program).unwrap_or_else(|e| panic!("{e}"));
    instance.run(&mut (), Input::none()).map(|o| o.ret)
}

/// The kind of the trap a program ends in.
fn trap(text: &str) -> TrapKind {
    run(&program(text)).expect_err("the program traps").kind().clone()
}
