//! A filter told in words.

use super::load::{Loaded, Reading};
use super::show::document;
use super::{Args, Format};
use crate::cli::{CliError, Status};
use crate::packet::layers;
use oxbpf_isa::cbpf::compare::{Limits, Matches, Setting, matches};
use oxbpf_isa::cbpf::explain::{Node, explain};
use oxbpf_isa::cbpf::{Dialect, Filter};
use serde_json::{Value, json};
use std::io::Write;

pub(super) fn run(
    args: &Args,
    loaded: &Loaded,
    reading: &Reading,
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    let program = loaded.program(reading.link_type, reading)?;
    let filter = match super::legal(args, loaded, &program) {
        Ok(filter) => filter,
        Err(illegal) => return illegal.tell(),
    };
    let network = args.ctx.clone().unwrap_or_default().network(reading.link_type);
    tell(args, &loaded.name, &filter, reading.link_type, network, out)
}

pub(super) fn tell(
    args: &Args,
    name: &str,
    filter: &Filter,
    link_type: u32,
    network: i32,
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    let explanation = explain(filter, link_type);
    let seccomp = filter.dialect() == Dialect::Seccomp;
    let setting = Setting { network, link: Some(0), shortest: 0 };
    let verdict = match matches(filter, &setting, &Limits::default()) {
        Matches::Never => Some("matches no packet"),
        Matches::Always => Some("matches every packet"),
        _ => None,
    };
    let link = (!seccomp).then(|| layers::name(link_type).map_or(link_type.to_string(), str::to_owned));
    if args.format == Format::Json {
        return document(
            out,
            json!({"schema": 1, "filter": name, "link": link, "tree": node(&explanation.tree),
                "cut": explanation.cut, "always": verdict}),
        );
    }
    if let Some(link) = link {
        writeln!(
            out,
            "On packets of link type {link}. A packet that ends before a field that is asked for does not match."
        )?;
    }
    if let Some(verdict) = verdict {
        writeln!(out, "The filter {verdict}.")?;
    }
    write!(out, "{explanation}")?;
    if explanation.cut {
        writeln!(out, "The tree was cut; the filter has more paths.")?;
        return Ok(Status::Unknown);
    }
    Ok(Status::Fine)
}

fn node(tree: &Node) -> Value {
    match tree {
        Node::Test { insn, statement, yes, no } => {
            json!({"insn": insn, "test": statement, "yes": node(yes), "no": node(no)})
        }
        Node::End { insn, outcome } => json!({"insn": insn, "end": outcome}),
        Node::As { insn } => json!({"as": insn}),
        Node::Back { insn } => json!({"back": insn}),
        Node::More { insn } => json!({"more": insn}),
        _ => Value::Null,
    }
}
