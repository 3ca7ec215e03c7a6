//! `oxbpf explain`: what a finding means.

use super::style::{Ink, Paint, Table};
use super::{CliError, Status};
use oxbpf_verifier::report::{CATALOG, Entry, entry};
use std::io::Write;

/// Explain a finding of `oxbpf check` by its code, or list all findings.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Codes such as E0203, or words of a kernel message.
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    if args.codes.is_empty() {
        let mut table = Table::new(&["code", "finding", "the kernel's words"], &[]);
        for e in CATALOG {
            table.row([e.code.to_owned(), e.title.to_owned(), e.words.to_owned()]);
        }
        table.write(out, 0)?;
        return Ok(Status::Fine);
    }
    for code in &args.codes {
        let found: Vec<&Entry> = match entry(code) {
            Some(e) => vec![e],
            None => CATALOG.iter().filter(|e| e.words.contains(code.as_str())).collect(),
        };
        if found.is_empty() {
            return Err(CliError::Usage(format!("there is no finding {code}; `oxbpf explain` lists all")));
        }
        for e in found {
            writeln!(out, "{}: {}", Paint(Ink::Strong, e.code), e.title)?;
            if !e.words.is_empty() {
                writeln!(out, "  the kernel says: {}", e.words)?;
            }
            writeln!(out, "  bpf(2) returns: {:?} ({})", e.errno, e.errno.number())?;
            writeln!(out, "  {}", e.explanation)?;
        }
    }
    Ok(Status::Fine)
}
