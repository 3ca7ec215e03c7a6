//! `oxbpf dis`: instructions as text.

use super::style::{Ink, Paint};
use super::types::TypesArgs;
use super::{CliError, Status, SyntaxArg, input};
use crate::names::{HelperNames, ProgramNames, SectionNames};
use crate::object::{Input, LoadOptions, Object, SectionKind};
use oxbpf_isa::disasm::{Dialect, Exact, Kernel, Llvm, Names, Ubpf};
use oxbpf_isa::insn::{ByteOrder, RawInsn};
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

/// Write the instructions of an object, or of a file of bare instructions, as text.
///
/// An object is written section by section as it was compiled. With --linked, each program is
/// written as the kernel would get it: subprograms appended, maps and kernel functions resolved,
/// CO-RE relocations answered by the types given with --btf.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// ELF objects, or instructions as bytes or hexadecimal text; - for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to write instructions.
    #[arg(long, value_enum, default_value = "kernel")]
    syntax: SyntaxArg,
    /// Tell apart what the dialect writes alike, so that `oxbpf asm` gives the same bytes.
    #[arg(long)]
    exact: bool,
    /// Write programs as the kernel would get them.
    #[arg(long)]
    linked: bool,
    /// Only the program or function of this name.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    #[command(flatten)]
    types: TypesArgs,
    /// Write the source lines that the object records.
    #[arg(long, requires = "linked")]
    source: bool,
    /// Write the bytes of each instruction.
    #[arg(long)]
    raw: bool,
    /// Write the text alone: no headings and no slot numbers.
    #[arg(long)]
    plain: bool,
}

impl Args {
    fn dialect(&self) -> Box<dyn Dialect> {
        dialect(self.syntax, self.exact)
    }
}

pub(super) fn dialect(syntax: SyntaxArg, exact: bool) -> Box<dyn Dialect> {
    match (syntax, exact) {
        (SyntaxArg::Kernel, false) => Box::new(Kernel),
        (SyntaxArg::Kernel, true) => Box::new(Exact(Kernel)),
        (SyntaxArg::Llvm, false) => Box::new(Llvm),
        (SyntaxArg::Llvm, true) => Box::new(Exact(Llvm)),
        (SyntaxArg::Ubpf, _) => Box::new(Ubpf),
    }
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    if !args.linked && !args.types.is_empty() {
        return Err(CliError::Usage("--btf is for --linked".to_owned()));
    }
    let target = args.types.target(false)?;
    for path in &args.files {
        if args.files.len() > 1 && !args.plain {
            writeln!(out, "{}", Paint(Ink::Strong, path.display()))?;
        }
        match input::code(path)? {
            Input::Slots(insns) => {
                write_slots(args, out, &insns, &HelperNames(KernelModel::latest()), &|_| None)?;
            }
            Input::Object(object) if args.linked => {
                let mut found = false;
                for (entry, function) in object.programs() {
                    if args.prog.as_ref().is_some_and(|p| *p != function.name) {
                        continue;
                    }
                    found = true;
                    let options = LoadOptions { target: target.as_ref(), ..LoadOptions::default() };
                    match object.load(entry, &options) {
                        Ok(loaded) => write_program(args, out, &loaded.program)?,
                        Err(e) => return Err(CliError::input(path.display(), e)),
                    }
                }
                require(args, found, path)?;
            }
            Input::Object(object) => require(args, write_sections(args, out, &object)?, path)?,
        }
    }
    Ok(Status::Fine)
}

fn require(args: &Args, found: bool, path: &std::path::Path) -> Result<(), CliError> {
    match &args.prog {
        Some(name) if !found => {
            Err(CliError::Usage(format!("{}: there is no program {name}", path.display())))
        }
        _ => Ok(()),
    }
}

fn write_program(args: &Args, out: &mut dyn Write, program: &Program) -> Result<(), CliError> {
    if !args.plain {
        writeln!(out, "{}", Paint(Ink::Strong, format_args!("{} ({}):", program.name, program.section)))?;
    }
    let names = ProgramNames { model: KernelModel::latest(), program };
    let source = |slot: usize| {
        let line = program.lines.iter().find(|l| l.insn as usize == slot).filter(|_| args.source)?;
        let btf = program.btf.as_ref()?;
        let text = String::from_utf8_lossy(btf.str_bytes(line.line_text)?).trim().to_owned();
        let file = String::from_utf8_lossy(btf.str_bytes(line.file_name)?).into_owned();
        Some(format!("; {text} @ {file}:{}", line.line()))
    };
    write_slots(args, out, &program.insns, &names, &source)
}

/// Writes the code sections; whether something was written.
fn write_sections(args: &Args, out: &mut dyn Write, object: &Object) -> Result<bool, CliError> {
    let elf = object.elf();
    let mut found = false;
    for (index, section) in elf.sections.iter().enumerate() {
        let Some(slots) = (section.kind == SectionKind::Code)
            .then(|| RawInsn::slots(&object.bytes()[section.range.clone()], elf.order))
            .flatten()
        else {
            continue;
        };
        let starts: BTreeSet<usize> =
            object.functions().iter().filter(|f| f.section == index).map(|f| f.offset).collect();
        let names = SectionNames::of(object, index);
        let mut wrote_heading = args.plain;
        let heads: Vec<usize> = starts.iter().copied().chain([slots.len()]).collect();
        let leading = [0].into_iter().filter(|_| !starts.contains(&0));
        let bounds: Vec<usize> = leading.chain(heads).collect();
        for pair in bounds.windows(2) {
            let name = names.symbols.iter().rfind(|s| s.0 == pair[0] as i64 && starts.contains(&pair[0]));
            let name = name.map_or("", |s| s.1.as_str());
            if args.prog.as_ref().is_some_and(|p| p != name) || pair[0] == pair[1] {
                continue;
            }
            found = true;
            if !wrote_heading {
                writeln!(out, "{}", Paint(Ink::Strong, format_args!("section {}:", section.name)))?;
                wrote_heading = true;
            }
            if !args.plain {
                writeln!(out, "{}", Paint(Ink::Faint, format_args!("<{name}>:")))?;
            }
            write_range(args, out, &slots, pair[0]..pair[1], &names, &|_| None)?;
        }
    }
    Ok(found)
}

type Source<'a> = &'a dyn Fn(usize) -> Option<String>;

fn write_slots(
    args: &Args,
    out: &mut dyn Write,
    slots: &[RawInsn],
    names: &dyn Names,
    source: Source<'_>,
) -> Result<(), CliError> {
    write_range(args, out, slots, 0..slots.len(), names, source)
}

fn write_range(
    args: &Args,
    out: &mut dyn Write,
    slots: &[RawInsn],
    range: std::ops::Range<usize>,
    names: &dyn Names,
    source: Source<'_>,
) -> Result<(), CliError> {
    let dialect = args.dialect();
    let mut at = range.start;
    while at < range.end {
        let mut text = String::new();
        let taken = dialect.any(&mut text, at, &slots[at..range.end], names).unwrap_or(1).max(1);
        if let Some(line) = source(at) {
            writeln!(out, "{}", Paint(Ink::Faint, line))?;
        }
        if !args.plain {
            write!(out, "{at:>5}: ")?;
        }
        if args.raw {
            let bytes = slots[at..at + taken].iter().flat_map(|s| s.to_bytes(ByteOrder::Little));
            let bytes: Vec<String> = bytes.map(|b| format!("{b:02x}")).collect();
            write!(out, "{:<48}", bytes.join(" "))?;
        }
        writeln!(out, "{text}")?;
        at += taken;
    }
    Ok(())
}
