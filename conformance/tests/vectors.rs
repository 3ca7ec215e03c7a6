//! bpf_conformance on the interpreter, in both modes.

use oxbpf::isa::program::Program;
use oxbpf::vm::{Engine, Input, Linker, Vouched};
use oxbpf_conformance::vectors::{self, Vector};

/// R0 of a vector's program.
fn run(vector: &Vector, proven: bool) -> Result<u64, String> {
    let program = Program::from_insns(vector.name.clone(), vector.insns.clone());
    let mut linker: Linker<()> = Linker::bare(&Engine::default());
    // The runner's helper 5 gives back its first argument.
    linker.func(5, |_: &mut oxbpf::vm::Caller<'_, ()>, value: u64| value);
    let instance = if proven {
        // SAFETY: the checked run before has found every access inside memory, and memory is as
        // before.
        let vouched = unsafe { Vouched::new(&program) };
        linker.instantiate_vouched(&vouched)
    } else {
        linker.instantiate(&program)
    };
    let instance = instance.map_err(|e| e.to_string())?;
    // Words, so that the memory is aligned.
    let mut words = vec![0u64; vector.memory.len().div_ceil(8)];
    let len = vector.memory.len();
    // SAFETY: the words hold at least as many bytes.
    let memory = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), len) };
    memory.copy_from_slice(&vector.memory);
    instance.run(&mut (), Input::memory(memory)).map(|o| o.ret).map_err(|e| e.to_string())
}

#[test]
fn every_vector_gives_its_result() {
    let Some(vectors) = vectors::all() else { return };
    let mut wrong = Vec::new();
    for vector in &vectors {
        let vector = match vector {
            Ok(vector) => vector,
            Err(error) => {
                wrong.push(error.clone());
                continue;
            }
        };
        let checked = run(vector, false);
        if checked.as_ref().ok() != vector.result.as_ref() {
            wrong.push(format!("{}: {checked:x?}, expected {:x?}", vector.name, vector.result));
        } else if checked.is_ok() {
            let proven = run(vector, true);
            if proven != checked {
                wrong.push(format!("{}: proven {proven:x?}, checked {checked:x?}", vector.name));
            }
        }
    }
    println!("{} of {} vectors", vectors.len() - wrong.len(), vectors.len());
    assert!(wrong.is_empty() && vectors.len() >= 313, "{}", wrong.join("\n"));
}
