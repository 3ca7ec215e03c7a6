//! Programs printed, converted and checked.

use super::{Args, Form, Format, Rules};
use crate::cli::style::{Ink, Paint};
use crate::cli::{CliError, Status};
use oxbpf_isa::cbpf::convert::{self, ConvertError};
use oxbpf_isa::cbpf::text::{self, Form as TextForm};
use oxbpf_isa::cbpf::{CheckError, Dialect, Filter, Insn, Rule, SockFilter, check as check_rules};
use oxbpf_isa::disasm::{Dialect as _, Kernel, NoNames};
use oxbpf_isa::insn::{ByteOrder, RawInsn};
use serde_json::{Value, json};
use std::io::Write;

/// Writes the program in the form asked for, that of `tcpdump -d` when none is.
pub(super) fn print(
    args: &Args,
    name: &str,
    program: &[SockFilter],
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    let form = match args.to.unwrap_or(Form::D) {
        Form::D => TextForm::Tcpdump,
        Form::Dd => TextForm::C,
        Form::Ddd => TextForm::Decimal,
        Form::Xt => TextForm::OneLine,
        Form::Asm => TextForm::Asm,
        Form::Seccomp => TextForm::SeccompTools,
        Form::Raw => {
            let order = if args.big_endian { ByteOrder::Big } else { ByteOrder::Little };
            out.write_all(&SockFilter::bytes(program, order))?;
            return Ok(Status::Fine);
        }
        Form::Ebpf => return ebpf(args, name, program, out),
    };
    if args.format == Format::Json {
        let insns: Vec<Value> = program
            .iter()
            .map(|raw| json!({"code": raw.code, "jt": raw.jt, "jf": raw.jf, "k": raw.k}))
            .collect();
        return document(out, json!({"schema": 1, "filter": name, "insns": insns}));
    }
    let text = text::write(program, form).map_err(|error| CliError::input(name, error))?;
    out.write_all(text.as_bytes())?;
    Ok(Status::Fine)
}

/// Writes a JSON document.
pub(super) fn document(out: &mut dyn Write, document: Value) -> Result<Status, CliError> {
    serde_json::to_writer_pretty(&mut *out, &document).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(Status::Fine)
}

/// Converts by the rules that the filter follows.
fn ebpf(args: &Args, name: &str, program: &[SockFilter], out: &mut dyn Write) -> Result<Status, CliError> {
    let dialect = super::dialect_of(args, program);
    let filter = match Filter::check(program, dialect) {
        Ok(filter) => filter,
        Err(error) => return super::Illegal { name: name.to_owned(), dialect, error }.tell(),
    };
    let insns = match convert(&filter) {
        Ok(insns) => insns,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "oxbpf: {name}: no eBPF form: {error}");
            return Ok(Status::Rejected);
        }
    };
    if args.format == Format::Json {
        let insns: Vec<Value> = insns
            .iter()
            .map(|i| json!({"code": i.code, "dst": i.dst, "src": i.src, "off": i.off, "imm": i.imm}))
            .collect();
        return document(out, json!({"schema": 1, "filter": name, "ebpf": insns}));
    }
    for (at, _) in insns.iter().enumerate() {
        let mut line = String::new();
        // A conversion has no instruction of two slots.
        let _ = Kernel.any(&mut line, at, &insns[at..], &NoNames);
        writeln!(out, "{at:>4}: {line}")?;
    }
    Ok(Status::Fine)
}

pub(super) fn convert(filter: &Filter) -> Result<Vec<RawInsn>, ConvertError> {
    match filter.dialect() {
        Dialect::Seccomp => convert::convert_seccomp(filter),
        Dialect::Socket | Dialect::Pcap => convert::convert(filter, &convert::Options::default()),
    }
}

/// Checks the program by each set of rules.
pub(super) fn check(
    args: &Args,
    name: &str,
    program: &[SockFilter],
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    let results: Vec<(Rules, Result<(), CheckError>)> =
        args.check.iter().map(|&rules| (rules, check_rules(program, rules.dialect()))).collect();
    let rejected = results.iter().any(|(_, result)| result.is_err());
    match args.format {
        Format::Json => {
            let rows: Vec<Value> =
                results.iter().map(|(rules, result)| row(*rules, result, program)).collect();
            document(out, json!({"schema": 1, "filter": name, "insns": program.len(), "checks": rows}))?;
        }
        Format::Human => {
            for (rules, result) in &results {
                match result {
                    Ok(()) => writeln!(out, "{}: {}", rules.name(), Paint(Ink::Good, "accepted"))?,
                    Err(error) => {
                        writeln!(out, "{}: {}: {error}", rules.name(), Paint(Ink::Bad, "rejected"))?;
                        if let Some(line) = error.insn.and_then(|at| listed(program, at)) {
                            writeln!(out, "    {}", Paint(Ink::Faint, line))?;
                        }
                    }
                }
            }
        }
    }
    Ok(if rejected { Status::Rejected } else { Status::Fine })
}

/// The line of an instruction in tcpdump's listing.
pub(super) fn listed(program: &[SockFilter], at: usize) -> Option<String> {
    let text = text::write(program, TextForm::Tcpdump).ok()?;
    text.lines().nth(at).map(|line| line.replace('\t', "  "))
}

fn row(rules: Rules, result: &Result<(), CheckError>, program: &[SockFilter]) -> Value {
    match result {
        Ok(()) => json!({"rules": rules.name(), "verdict": "accept", "rule": null, "insn": null,
            "errno": null, "message": null, "text": null}),
        Err(error) => json!({
            "rules": rules.name(),
            "verdict": "reject",
            "rule": key(error.rule),
            "insn": error.insn,
            "errno": if rules == Rules::Libpcap { None } else { Some("EINVAL") },
            "message": error.to_string(),
            "text": error.insn.and_then(|at| listed(program, at)),
        }),
    }
}

/// The word that stands for a rule in JSON.
const fn key(rule: Rule) -> &'static str {
    match rule {
        Rule::Length { .. } => "length",
        Rule::Opcode { .. } => "opcode",
        Rule::NotInSeccomp { .. } => "not_in_seccomp",
        Rule::ZeroDivisor => "zero_divisor",
        Rule::Shift { .. } => "shift",
        Rule::ScratchIndex { .. } => "scratch_index",
        Rule::JumpTarget { .. } => "jump_target",
        Rule::BranchTarget { .. } => "branch_target",
        Rule::Ancillary { .. } => "ancillary",
        Rule::SeccompOffset { .. } => "seccomp_offset",
        Rule::LastInsn => "last_insn",
        Rule::Distance { .. } => "distance",
        Rule::UnwrittenScratch { .. } => "unwritten_scratch",
        _ => "other",
    }
}

/// The constants a program compares or computes with, for making packets that get far in it.
pub(super) fn constants(program: &[SockFilter]) -> Vec<u32> {
    let mut found: Vec<u32> = program
        .iter()
        .filter_map(|raw| match Insn::decode(*raw)? {
            Insn::Branch { .. } | Insn::Alu { .. } => Some(raw.k),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
