//! bpf_conformance on the interpreter and as machine code, in both modes.

use oxbpf::isa::program::Program;
use oxbpf::vm::{Config, Engine, Input, Linker, Strategy, Vouched};
use oxbpf_conformance::vectors::{self, Vector};

/// R0 of a vector's program.
fn run(vector: &Vector, proven: bool, strategy: Strategy) -> Result<u64, String> {
    let program = Program::from_insns(vector.name.clone(), vector.insns.clone());
    let mut linker: Linker<()> = Linker::bare(&Engine::new(Config::new().strategy(strategy)));
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
        for strategy in [Strategy::Interpret, Strategy::Compile] {
            let checked = run(vector, false, strategy);
            if checked.as_ref().ok() != vector.result.as_ref() {
                let name = &vector.name;
                wrong.push(format!("{name} {strategy:?}: {checked:x?}, expected {:x?}", vector.result));
            } else if checked.is_ok() {
                let proven = run(vector, true, strategy);
                if proven != checked {
                    let name = &vector.name;
                    wrong.push(format!("{name} {strategy:?}: proven {proven:x?}, checked {checked:x?}"));
                }
            }
        }
    }
    println!("{} of {} vectors", vectors.len() - wrong.len(), vectors.len());
    assert!(wrong.is_empty() && vectors.len() >= 313, "{}", wrong.join("\n"));
}

/// One call of the plugin, as the suite's runner makes it.
fn call(engine: &str, memory: &[u8], program: &[u8], elf: bool) -> Result<u64, String> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x} ")).collect::<String>();
    let mut command = Command::new(env!("CARGO_BIN_EXE_oxbpf-conformance"));
    command.arg("plugin");
    if !memory.is_empty() {
        command.arg(hex(memory));
    }
    command.args(["--engine", engine]);
    if elf {
        command.arg("--elf");
    }
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(hex(program).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    match output.status.success() {
        true => u64::from_str_radix(&text(output.stdout), 16).map_err(|e| e.to_string()),
        false => Err(text(output.stderr)),
    }
}

fn code(vector: &Vector) -> Vec<u8> {
    vector.insns.iter().flat_map(|i| i.to_bytes(oxbpf::isa::insn::ByteOrder::Little)).collect()
}

#[test]
fn every_vector_gives_its_result_through_the_plugin() {
    let Some(vectors) = vectors::all() else { return };
    let (mut right, mut wrong) = (0, Vec::new());
    for vector in vectors.iter().flatten() {
        for engine in ["interp", "jit"] {
            let found = call(engine, &vector.memory, &code(vector), false);
            match found.as_ref().ok() == vector.result.as_ref() {
                true => right += 1,
                false => {
                    let (name, expected) = (&vector.name, &vector.result);
                    wrong.push(format!("{name} on {engine}: {found:x?}, expected {expected:x?}"));
                }
            }
        }
    }
    println!("{right} of {} vectors through the plugin", 2 * vectors.len());
    assert!(wrong.is_empty() && right >= 2 * 313, "{}", wrong.join("\n"));
}

#[test]
fn the_plugin_prints_hexadecimal_and_reasons() {
    // r0 = *(u8 *)(r1 + 1); exit
    let program = [0x71, 0x10, 1, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    for engine in ["interp", "jit"] {
        assert_eq!(call(engine, &[1, 0xab], &program, false), Ok(0xab));
        assert!(call(engine, &[1], &program, false).unwrap_err().contains("load"));
        assert!(call(engine, &[], &[0x95], false).is_err() && call(engine, &[], b"\x7fELF", true).is_err());
    }
}
