//! oxbpf beside other engines: one table of ratios.
//!
//! Rows are workloads, columns engines; numbers say how many times as long as native code an engine
//! takes. All engines work on the same memory in one process, in turn, in many short rounds, of which
//! the shortest counts. Before anything is measured, every engine's result is held against native's.
//!
//! What is measured by which part: `compute` the eleven programs over a raw buffer, `verified` their
//! forms that a verifier accepts, beside the running kernel, `maps` programs whose work is in maps, `compile` the
//! compiler; `code` writes the machine code of the workloads and engines that are named.

mod code;
mod compile;
mod compute;
mod data;
mod engines;
mod kernel;
mod maps;
mod measure;
mod native;
mod table;
mod verified;

use std::path::PathBuf;

/// What the command line asks for.
pub struct Options {
    pub rounds: u32,
    /// Parts of names of workloads and engines; empty for all.
    pub only: Vec<String>,
    pub engines: Vec<String>,
}

const USAGE: &str = "usage: oxbpf-bench [compute|verified|maps|compile|code]... [--rounds N] [--only NAME]... [--engine NAME]...";

/// Where the workloads are.
pub fn workloads() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../workloads"))
}

fn main() -> Result<(), String> {
    let mut options = Options { rounds: 40, only: Vec::new(), engines: Vec::new() };
    let mut parts = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        match arg.as_str() {
            "--rounds" => {
                let text = value()?;
                options.rounds = text.parse().map_err(|_| format!("{text} is no number\n{USAGE}"))?;
            }
            "--only" => options.only.push(value()?),
            "--engine" => options.engines.push(value()?),
            "--help" | "-h" => {
                println!("{USAGE}");
                return Ok(());
            }
            part if PARTS.iter().any(|p| p.0 == part) => parts.push(part.to_owned()),
            other => return Err(format!("{other} is not known\n{USAGE}")),
        }
    }
    for (name, run) in PARTS {
        if (parts.is_empty() && *name != "code") || parts.iter().any(|p| p == name) {
            run(&options)?;
        }
    }
    Ok(())
}

type Part = fn(&Options) -> Result<(), String>;

const PARTS: &[(&str, Part)] = &[
    ("compute", compute::run),
    ("verified", verified::run),
    ("maps", maps::run),
    ("compile", compile::run),
    ("code", code::run),
];
