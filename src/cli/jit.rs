//! `oxbpf jit`: the machine code of programs.

use super::load::LoadArgs;
use super::style::{Ink, Paint};
use super::types::TypesArgs;
use super::{CliError, Status, input};
use crate::names::ProgramNames;
use crate::object::{Input, LoadOptions};
use crate::vm::{Config, Engine, Linker, Unknown, Vouched};
use clap::ValueEnum;
use oxbpf_isa::disasm::{Dialect, Kernel};
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::{LineInfo, Program};
use oxbpf_jit::{Code, OptLevel, disassemble};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Write the machine code that programs become, beside their instructions.
///
/// Nothing is run. Instructions of the machine stand below the instruction they were made for, and those
/// below the line of source they come from, where the object tells. Instructions of the machine that
/// belong to none, like a function's beginning, stand below the one before.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// An ELF object, or instructions as bytes or hexadecimal text; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only the program of this name.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// Leave the checks of accesses out, as for a program that is proven.
    #[arg(long)]
    proven: bool,
    /// Leave out what counts executed instructions.
    #[arg(long)]
    no_fuel: bool,
    /// How much work the compiler does.
    #[arg(long, value_enum, default_value = "full")]
    opt: Opt,
    /// Write the intermediate form as well.
    #[arg(long)]
    clif: bool,
    /// Write the bytes of the machine's instructions.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    types: TypesArgs,
    #[command(flatten)]
    load: LoadArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Opt {
    /// Compiles fast.
    Fast,
    /// Makes fast code.
    Full,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    let target = args.types.target(false)?;
    let (kinds, kconfig) = (args.load.kinds()?, args.load.config()?);
    let options = LoadOptions {
        target: target.as_ref(),
        kinds: &kinds,
        maps: &args.load.maps,
        config: kconfig.as_ref(),
        ..LoadOptions::default()
    };
    let mut found = false;
    match input::code(&args.file)? {
        Input::Slots(insns) => {
            found = true;
            write_program(args, out, &Input::program("program", insns, &options).program)?;
        }
        Input::Object(object) => {
            for (entry, function) in object.programs() {
                if args.prog.as_ref().is_some_and(|p| *p != function.name) {
                    continue;
                }
                found = true;
                let loaded = object.load(entry, &options);
                let loaded = loaded.map_err(|e| CliError::input(args.file.display(), e))?;
                write_program(args, out, &loaded.program)?;
            }
        }
    }
    match &args.prog {
        Some(name) if !found => {
            Err(CliError::Usage(format!("{}: there is no program {name}", args.file.display())))
        }
        _ => Ok(Status::Fine),
    }
}

fn write_program(args: &Args, out: &mut dyn Write, program: &Program) -> Result<(), CliError> {
    let level = if args.opt == Opt::Fast { OptLevel::Fast } else { OptLevel::Full };
    let config = Config::new().unknown(Unknown::TrapAtCall).fuel(!args.no_fuel).opt_level(level);
    let mut linker: Linker<()> = Linker::new(&Engine::new(config.keep_clif(args.clif)));
    let instance = match args.proven {
        // SAFETY: the instance is compiled and never run.
        true => linker.instantiate_vouched(&unsafe { Vouched::new(program) }),
        false => linker.instantiate(program),
    };
    let error = |e: &dyn std::fmt::Display| CliError::Usage(format!("program {}: {e}", program.name));
    let instance = instance.map_err(|e| error(&e))?;
    let start = Instant::now();
    let code = instance.compile().map_err(|e| error(&e))?;
    let time = start.elapsed().as_micros();
    let heading = format!(
        "{}: {} instructions, {} bytes of machine code in {} functions, {time} us",
        program.name,
        instance.code().ops().len(),
        code.bytes().len(),
        code.functions().len()
    );
    writeln!(out, "{}", Paint(Ink::Strong, heading))?;
    if args.clif {
        writeln!(out, "{}", code.clif())?;
    }
    let slot_of = |op: u32| instance.code().slot_of(op as usize).unwrap_or(0);
    write_code(args, out, program, &code, &slot_of)
}

fn write_code(
    args: &Args,
    out: &mut dyn Write,
    program: &Program,
    code: &Code,
    slot_of: &dyn Fn(u32) -> u32,
) -> Result<(), CliError> {
    let names = ProgramNames { model: KernelModel::latest(), program };
    for function in code.functions() {
        let slot = slot_of(function.op);
        let name = program
            .funcs
            .iter()
            .find(|f| f.insn == slot)
            .and_then(|f| Some(program.btf.as_ref()?.ty(f.type_id)?.name().to_owned()));
        let name = name.unwrap_or_else(|| format!("function at {slot}"));
        writeln!(out, "{}", Paint(Ink::Faint, format_args!("<{name}>: {} bytes", function.len)))?;
        let (mut shown, mut source) = (None, None);
        for line in disassemble(code, function) {
            if line.op != shown
                && let Some(op) = line.op
            {
                let slot = slot_of(op) as usize;
                let line_of = program.line_of(slot);
                if let Some(info) = line_of.filter(|_| line_of != source) {
                    source = line_of;
                    write_source(program, info, out)?;
                }
                let mut text = String::new();
                Kernel.any(&mut text, slot, &program.insns[slot..], &names).ok();
                writeln!(out, "{}", Paint(Ink::Strong, format_args!("{slot:>5}: {text}")))?;
                shown = line.op;
            }
            write!(out, "          {:>5x}: ", line.offset)?;
            if args.raw {
                let at = function.offset + line.offset;
                let bytes = code.bytes().get(at..at + line.len).unwrap_or(&[]);
                let bytes: String = bytes.iter().map(|b| format!("{b:02x} ")).collect();
                write!(out, "{bytes:<32}")?;
            }
            writeln!(out, "{}", line.text)?;
        }
    }
    Ok(())
}

/// The line of source that instructions come from, as the object has it.
fn write_source(program: &Program, info: &LineInfo, out: &mut dyn Write) -> Result<(), CliError> {
    let Some(btf) = &program.btf else { return Ok(()) };
    let text = |offset| btf.str_bytes(offset).map(String::from_utf8_lossy);
    if let (Some(file), Some(line)) = (text(info.file_name), text(info.line_text)) {
        let place = format_args!("; {file}:{}: {}", info.line(), line.trim());
        writeln!(out, "{}", Paint(Ink::Faint, place))?;
    }
    Ok(())
}
