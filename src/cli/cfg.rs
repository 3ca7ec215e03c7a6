//! `oxbpf cfg`: the control flow of programs.

use super::style::Table;
use super::{CliError, Status, SyntaxArg, dis, input};
use crate::names::{HelperNames, ProgramNames};
use crate::object::{Input, LoadOptions};
use oxbpf_isa::cfg::{Cfg, Dot};
use oxbpf_isa::disasm::Names;
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::kernel::KernelModel;
use std::io::Write;
use std::path::PathBuf;

/// Show functions, blocks, edges and loops of programs.
///
/// With --dot, writes a graph for Graphviz: `oxbpf cfg --dot FILE | dot -Tsvg`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// An ELF object, or instructions as bytes or hexadecimal text.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only the program of this name.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// Write Graphviz text.
    #[arg(long)]
    dot: bool,
    /// How to write instructions in the graph.
    #[arg(long, value_enum, default_value = "kernel")]
    syntax: SyntaxArg,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    let mut found = false;
    match input::code(&args.file)? {
        Input::Slots(insns) => {
            found = true;
            show(args, out, "program", &insns, &HelperNames(KernelModel::latest()))?;
        }
        Input::Object(object) => {
            for (entry, function) in object.programs() {
                if args.prog.as_ref().is_some_and(|p| *p != function.name) {
                    continue;
                }
                found = true;
                let loaded = object.load(entry, &LoadOptions::default());
                let program = loaded.map_err(|e| CliError::input(args.file.display(), e))?.program;
                let names = ProgramNames { model: KernelModel::latest(), program: &program };
                show(args, out, &program.name, &program.insns, &names)?;
            }
        }
    }
    match &args.prog {
        Some(name) if !found => Err(CliError::Usage(format!("there is no program {name}"))),
        _ => Ok(Status::Fine),
    }
}

fn show(
    args: &Args,
    out: &mut dyn Write,
    title: &str,
    slots: &[RawInsn],
    names: &dyn Names,
) -> Result<(), CliError> {
    let cfg = Cfg::new(slots);
    if args.dot {
        let dialect = dis::dialect(args.syntax, false);
        let dot = Dot { cfg: &cfg, slots, dialect: &*dialect, names, title };
        return Ok(write!(out, "{dot}")?);
    }
    writeln!(
        out,
        "{title}: {} functions, {} blocks, {} loops",
        cfg.functions.len(),
        cfg.blocks.len(),
        cfg.loops.len()
    )?;
    let mut table = Table::new(&["block", "slots", "function", "to", "dominated by", "loop"], &[0]);
    for (id, block) in cfg.blocks.iter().enumerate() {
        let to: Vec<String> = block.successors.iter().map(|e| e.to.to_string()).collect();
        let dominator = cfg.immediate_dominator(id).map_or(String::new(), |d| d.to_string());
        let inner = cfg.innermost[id].map(|l| &cfg.loops[l]);
        let looped = inner.map_or(String::new(), |l| {
            let kind = if l.irreducible { " irreducible" } else { "" };
            format!("depth {} of {}{kind}", l.depth, l.header)
        });
        let name = names.code(cfg.functions[block.function].start as i64);
        let name = name.map_or_else(|| format!("func#{}", block.function), |n| n.into_owned());
        let slots = format!("{}..{}", block.start, block.end);
        table.row([id.to_string(), slots, name, to.join(" "), dominator, looped]);
    }
    table.write(out, 2)?;
    for fault in &cfg.faults {
        writeln!(out, "  fault: {fault}")?;
    }
    for block in cfg.unreachable() {
        writeln!(out, "  not reached: block {block}")?;
    }
    Ok(())
}
