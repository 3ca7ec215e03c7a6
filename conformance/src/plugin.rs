//! The plugin protocol of bpf_conformance: one program a call.
//!
//! The arguments are `[MEMORY IN HEX] [--engine interp|jit] [--elf]`; the memory is absent when a test has
//! none.
//! Standard input is one line of hexadecimal digits: instructions, or with `--elf` an ELF object whose
//! section `.text` holds the program. It runs with R1 at the memory and R2 its length; helper 5 gives
//! back its first argument. R0 is printed in hexadecimal. On failure the reason goes to standard error
//! and the status is not 0.

use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::program::Program;
use oxbpf::object::{LoadOptions, Object};
use oxbpf::vm::{Caller, Config, Engine, Input, Linker, Strategy};

/// Executed instructions after which a program counts as endless.
const BUDGET: u64 = 100_000_000;

/// Runs the program of `input` as the arguments say, and gives R0.
///
/// # Errors
/// The reason, for people.
pub fn run(args: &[&str], input: &str) -> Result<u64, String> {
    let mut memory = Vec::new();
    let mut is_elf = false;
    let mut strategy = Strategy::Interpret;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--elf" => is_elf = true,
            "--engine" => match args.next() {
                Some(&"interp") => strategy = Strategy::Interpret,
                Some(&"jit") => strategy = Strategy::Compile,
                Some(other) => return Err(format!("engine {other}: expected interp or jit")),
                None => return Err("--engine: expected a name".to_owned()),
            },
            option if option.starts_with("--") => return Err(format!("{option}: no such option")),
            hex => memory = bytes(hex)?,
        }
    }
    let code = bytes(input)?;
    let program = match is_elf {
        true => from_object(&code)?,
        false => {
            let insns = RawInsn::slots(&code, ByteOrder::Little);
            Program::from_insns("program", insns.ok_or("instructions are eight bytes each")?)
        }
    };
    execute(&program, &memory, strategy)
}

/// Hexadecimal digits with spaces anywhere.
pub(crate) fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = hex
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).ok_or(format!("{c:?} is no hexadecimal digit")))
        .collect::<Result<_, _>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    Ok(pairs.iter().map(|&[high, low]| (high << 4 | low) as u8).collect())
}

fn from_object(bytes: &[u8]) -> Result<Program, String> {
    let object = Object::parse(bytes, "main").map_err(|e| e.to_string())?;
    let main = object.functions().iter().position(|f| f.name == "main").or(Some(0));
    let entry = main.filter(|&m| m < object.functions().len()).ok_or("the object has no function")?;
    let loaded = object.load(entry, &LoadOptions::default()).map_err(|e| e.to_string())?;
    Ok(loaded.program)
}

/// Runs a program on memory.
///
/// # Errors
/// The trap, or why the program cannot be linked.
pub fn execute(program: &Program, memory: &[u8], strategy: Strategy) -> Result<u64, String> {
    let engine = Engine::new(Config::new().budget(BUDGET).strategy(strategy));
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func(5, |_: &mut Caller<'_, ()>, value: u64| value);
    let instance = linker.instantiate(program).map_err(|e| e.to_string())?;
    // One more byte on either side finds the place where eight bytes align, as atomics need.
    let mut buffer = vec![0u8; memory.len() + 8];
    let start = buffer.as_ptr().align_offset(8).min(8);
    let place = &mut buffer[start..start + memory.len()];
    place.copy_from_slice(memory);
    let len = place.len() as u64;
    let input = Input::memory(place).arg(2, len);
    instance.run(&mut (), input).map(|o| o.ret).map_err(|e| e.to_string())
}
