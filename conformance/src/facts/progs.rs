//! Renders `progs.toml`.

use std::fmt::Write as _;

use oxbpf_isa::kernel::{AttachType, ProgFlags, ProgType};
use serde::Deserialize;

use super::select::{Groups, Narrow};
use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "progs.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    prog: Vec<Prog>,
    returns: Vec<Returns>,
    attach: Vec<Attach>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prog {
    name: String,
    since: String,
    until: Option<String>,
    known: Option<String>,
    context: String,
    attach_rule: String,
    #[serde(default)]
    attach: Vec<String>,
    attach_default: Option<String>,
    #[serde(default)]
    sleepable_at: Vec<String>,
    #[serde(default)]
    flags: Vec<String>,
    need: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Returns {
    progs: Vec<String>,
    rule: String,
    since: Option<String>,
    until: Option<String>,
    #[serde(default)]
    enforce_attach: bool,
    #[serde(default)]
    hook: Vec<String>,
    #[serde(default)]
    not_hook: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attach {
    since: String,
    names: Vec<String>,
}

pub(super) fn render(text: &str, groups: &Groups) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut out = code::head(
        FILE,
        "AttachRecord, AttachRule, AttachSet, AttachType, HookTraits, KernelVersion, Known, Privilege, \
         ProgFlags, ProgRecord, ProgType, RetRecord, RetRule, Selector, Span",
    );
    out.push_str("pub(crate) const PROGS: &[ProgRecord] = &[\n");
    for prog in &file.prog {
        render_prog(&mut out, prog, groups)?;
    }
    out.push_str("];\n\npub(crate) const RETURNS: &[RetRecord] = &[\n");
    for returns in &file.returns {
        let record = returns.progs.join(", ");
        let place = Place { file: FILE, record: &record };
        let narrow =
            Narrow { hook: returns.hook.clone(), not_hook: returns.not_hook.clone(), sleepable: None };
        let span = code::span(&place, returns.since.as_deref(), returns.until.as_deref(), "0.0")?;
        let rule = ret_rule(&place, &returns.rule)?;
        for who in groups.selectors(&place, &returns.progs, &narrow)? {
            let _ = writeln!(
                out,
                "    RetRecord {{ who: {who}, span: {span}, rule: {rule}, enforce_attach: {} }},",
                returns.enforce_attach
            );
        }
    }
    out.push_str("];\n\npub(crate) const ATTACH: &[AttachRecord] = &[\n");
    for attach in &file.attach {
        let place = Place { file: FILE, record: &attach.since };
        let span = code::span(&place, Some(&attach.since), None, "0.0")?;
        for name in &attach.names {
            let found = AttachType::from_name(name).ok_or_else(|| place.unknown("attach type", name))?;
            let _ = writeln!(out, "    AttachRecord {{ attach_type: AttachType::{found:?}, span: {span} }},");
        }
    }
    out.push_str("];\n");
    Ok(out)
}

fn render_prog(out: &mut String, prog: &Prog, groups: &Groups) -> Result<(), FactError> {
    let place = Place { file: FILE, record: &prog.name };
    let prog_type =
        ProgType::from_name(&prog.name).ok_or_else(|| place.unknown("program type", &prog.name))?;
    let rule = match prog.attach_rule.as_str() {
        "ignored" => "Ignored",
        "one_of" => "OneOf",
        "zero" => "Zero",
        "target" => "ByTarget",
        other => return Err(place.unknown("attach rule", other)),
    };
    if rule == "OneOf" && prog.attach.is_empty() {
        return Err(place.error(Problem::Missing("the list of attach types")));
    }
    let attach = groups.attach_set(&place, prog.attach.iter().map(String::as_str))?;
    let sleepable = groups.attach_set(&place, prog.sleepable_at.iter().map(String::as_str))?;
    let default = match &prog.attach_default {
        None => "None".to_owned(),
        Some(name) => {
            let found = AttachType::from_name(name).ok_or_else(|| place.unknown("attach type", name))?;
            format!("Some(AttachType::{found:?})")
        }
    };
    let number = |bits: ProgFlags| u64::from(bits.bits());
    let _ = writeln!(
        out,
        "    ProgRecord {{\n        prog_type: ProgType::{prog_type:?}, span: {}, known: {}, context: {:?},\n        attach_rule: AttachRule::{rule}, attach: AttachSet::from_bits({attach:#x}), attach_default: {default}, sleepable_at: AttachSet::from_bits({sleepable:#x}),\n        flags: {}, need: {},\n    }},",
        code::span(&place, Some(&prog.since), prog.until.as_deref(), "0.0")?,
        code::known(&place, prog.known.as_deref())?,
        prog.context,
        code::bits(&place, "program flag", "ProgFlags", &prog.flags, ProgFlags::from_name, number)?,
        code::privilege(&place, prog.need.as_deref())?,
    );
    Ok(())
}

fn ret_rule(place: &Place<'_>, text: &str) -> Result<String, FactError> {
    Ok(match text {
        "any" => "RetRule::Any".to_owned(),
        "ignored" => "RetRule::Ignored".to_owned(),
        "target" => "RetRule::ByTarget".to_owned(),
        range => {
            let bad = || place.malformed("range such as 0..1", range);
            let (low, high) = range.split_once("..").ok_or_else(bad)?;
            let low: i32 = low.parse().map_err(|_| bad())?;
            let high: i32 = high.parse().map_err(|_| bad())?;
            if low > high {
                return Err(bad());
            }
            format!("RetRule::Within({low}, {high})")
        }
    })
}
