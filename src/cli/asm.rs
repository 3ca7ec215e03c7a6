//! `oxbpf asm`: text to instructions.

use super::{CliError, Status, SyntaxArg, input};
use clap::ValueEnum;
use oxbpf_isa::asm::{Syntax, assemble};
use oxbpf_isa::insn::ByteOrder;
use std::io::Write;
use std::path::PathBuf;

/// Assemble instructions.
///
/// Reads what `oxbpf dis` writes, and the dialects of clang, llvm-objdump, bpftool and ubpf. One
/// instruction a line; labels end with a colon; comments begin with ; or // or #.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The text; - for standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// The dialect; by default each line decides for itself.
    #[arg(long, value_enum)]
    syntax: Option<SyntaxArg>,
    /// What to write.
    #[arg(long, value_enum, default_value = "raw")]
    format: Format,
    /// Where to write; standard output by default.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// The bytes.
    Raw,
    /// Hexadecimal, one slot a line.
    Hex,
    /// Initialisers of `struct bpf_insn`.
    C,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    let bytes = input::bytes(&args.file)?;
    let text = String::from_utf8(bytes).map_err(|e| CliError::input(args.file.display(), e))?;
    let syntax = match args.syntax {
        None => Syntax::Any,
        Some(SyntaxArg::Kernel) => Syntax::Kernel,
        Some(SyntaxArg::Llvm) => Syntax::Llvm,
        Some(SyntaxArg::Ubpf) => Syntax::Ubpf,
    };
    let slots = assemble(&text, syntax).map_err(|e| CliError::input(args.file.display(), e))?;
    let mut written = Vec::new();
    for slot in slots {
        let bytes = slot.to_bytes(ByteOrder::Little);
        match args.format {
            Format::Raw => written.extend_from_slice(&bytes),
            Format::Hex => {
                let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
                writeln!(written, "{}", digits.join(" "))?;
            }
            Format::C => writeln!(
                written,
                "{{ .code = {:#04x}, .dst_reg = {}, .src_reg = {}, .off = {}, .imm = {} }},",
                slot.code, slot.dst, slot.src, slot.off, slot.imm
            )?,
        }
    }
    match &args.output {
        Some(path) => std::fs::write(path, written).map_err(|e| CliError::input(path.display(), e))?,
        None => out.write_all(&written)?,
    }
    Ok(Status::Fine)
}
