//! Renders `contexts.toml`.

use std::fmt::Write as _;

use oxbpf_isa::kernel::Widths;
use serde::Deserialize;

use super::select::{Groups, Narrow};
use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "contexts.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    context: Vec<Context>,
    table: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    name: String,
    size: u32,
    #[serde(default)]
    fields: Vec<(String, u32, u32)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    context: String,
    /// The name by which other tables may take these rules over.
    name: Option<String>,
    /// The table whose rules come first, where this one does not name the field.
    base: Option<String>,
    #[serde(default)]
    progs: Vec<String>,
    model: Option<String>,
    since: Option<String>,
    until: Option<String>,
    known: Option<String>,
    #[serde(default)]
    rules: Vec<Rule>,
    /// Fields of the base that these programs may not touch.
    #[serde(default)]
    without: Vec<String>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// A field, or `first..last`, or several of either with commas.
    f: String,
    #[serde(default)]
    r: String,
    #[serde(default)]
    w: String,
    reg: Option<String>,
    /// Bytes after the field that the rule covers as well.
    #[serde(default)]
    pad: u32,
    /// First byte and end within the field, when the rule is about a part.
    bytes: Option<[u32; 2]>,
    /// Bytes before the context instead of the field, for what the kernel forgets to refuse.
    #[serde(default)]
    before: u32,
    /// Each width at the first byte alone.
    #[serde(default)]
    head: bool,
    need: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

/// A rule with its place worked out.
#[derive(Clone)]
struct Placed {
    field: String,
    start: i64,
    end: i64,
    rule: Rule,
}

pub(super) fn render(text: &str, groups: &Groups) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut out = code::head(
        FILE,
        "ContextRecord, CtxField, CtxModel, CtxReg, CtxRule, CtxTable, HookTraits, KernelVersion, Known, \
         Privilege, Selector, Sleep, Span, Widths",
    );
    out.push_str("pub(crate) const CONTEXTS: &[ContextRecord] = &[\n");
    for context in &file.context {
        let _ = writeln!(
            out,
            "    ContextRecord {{ name: {:?}, size: {}, fields: &[",
            context.name, context.size
        );
        for (name, offset, size) in &context.fields {
            if offset.checked_add(*size).is_none_or(|end| end > context.size) {
                let place = Place { file: FILE, record: &context.name };
                return Err(place.malformed("field inside the structure", name));
            }
            let _ = writeln!(out, "        CtxField {{ name: {name:?}, offset: {offset}, size: {size} }},");
        }
        out.push_str("    ] },\n");
    }
    out.push_str("];\n\npub(crate) const TABLES: &[CtxTable] = &[\n");
    let mut named: Vec<(String, Vec<Placed>)> = Vec::new();
    for table in &file.table {
        let rules = place_rules(table, &file.context, &named)?;
        if !table.progs.is_empty() {
            render_table(&mut out, table, &rules, &file.context, groups)?;
        }
        if let Some(name) = &table.name {
            named.push((name.clone(), rules));
        }
    }
    out.push_str("];\n");
    Ok(out)
}

fn place_rules(
    table: &Table,
    contexts: &[Context],
    named: &[(String, Vec<Placed>)],
) -> Result<Vec<Placed>, FactError> {
    let record = table.name.clone().unwrap_or_else(|| table.progs.join(", "));
    let place = Place { file: FILE, record: &record };
    let context = contexts
        .iter()
        .find(|context| context.name == table.context)
        .ok_or_else(|| place.unknown("context", &table.context))?;
    let mut own = Vec::new();
    for rule in &table.rules {
        for part in rule.f.split(',') {
            let part = part.trim();
            let (first, last) = part.split_once("..").unwrap_or((part, part));
            let field = |name: &str| {
                let found = context.fields.iter().find(|(field, ..)| field == name);
                found.ok_or_else(|| place.unknown("field", name))
            };
            let (first, last) = (field(first)?, field(last)?);
            let (start, end) = match rule.bytes {
                Some([from, to]) if from < to && to <= first.2 => (first.1 + from, first.1 + to),
                Some(_) => return Err(place.malformed("part of the field", &first.0)),
                None => (first.1, last.1 + last.2 + rule.pad),
            };
            let (start, end) = match rule.before {
                0 => (i64::from(start), i64::from(end)),
                before => (-i64::from(before), 0),
            };
            let whole = Placed { field: first.0.clone(), start, end, rule: rule.clone() };
            if rule.head {
                own.extend(heads(&place, &whole)?);
            } else {
                own.push(whole);
            }
        }
    }
    let mut rules: Vec<Placed> = Vec::new();
    if let Some(base) = &table.base {
        let (_, inherited) =
            named.iter().find(|(name, _)| name == base).ok_or_else(|| place.unknown("base table", base))?;
        for name in &table.without {
            if !inherited.iter().any(|rule| rule.field == *name) {
                return Err(place.unknown("field of the base", name));
            }
        }
        let replaced = |rule: &Placed| {
            table.without.contains(&rule.field) || own.iter().any(|mine| mine.field == rule.field)
        };
        rules.extend(inherited.iter().filter(|rule| !replaced(rule)).cloned());
    } else if !table.without.is_empty() {
        return Err(place.error(Problem::Missing("the base")));
    }
    rules.extend(own);
    rules.sort_by_key(|rule| rule.start);
    Ok(rules)
}

/// The rule taken apart into one for each width, which covers just that width from the start.
fn heads(place: &Place<'_>, whole: &Placed) -> Result<Vec<Placed>, FactError> {
    if !whole.rule.w.is_empty() {
        return Err(place.malformed("rule of reads alone, as `head` asks", &whole.field));
    }
    whole
        .rule
        .r
        .chars()
        .map(|width| {
            let size = width.to_digit(10).ok_or_else(|| place.malformed("width", &whole.rule.r))?;
            let rule = Rule { r: width.to_string(), ..whole.rule.clone() };
            Ok(Placed { end: whole.start + i64::from(size), rule, ..whole.clone() })
        })
        .collect()
}

fn render_table(
    out: &mut String,
    table: &Table,
    rules: &[Placed],
    contexts: &[Context],
    groups: &Groups,
) -> Result<(), FactError> {
    let record = table.progs.join(", ");
    let place = Place { file: FILE, record: &record };
    let index = contexts.iter().position(|context| context.name == table.context).unwrap_or_default();
    let model = match table.model.as_deref() {
        None => "Table",
        Some("btf") => "Btf",
        Some("target") => "Target",
        Some(other) => return Err(place.unknown("model", other)),
    };
    let span = code::span(&place, table.since.as_deref(), table.until.as_deref(), "0.0")?;
    let known = code::known(&place, table.known.as_deref())?;
    let mut text = String::new();
    for placed in rules {
        let rule = &placed.rule;
        let reg = match rule.reg.as_deref() {
            None => "Scalar".to_owned(),
            Some("pkt") => "Packet".to_owned(),
            Some("pkt_end") => "PacketEnd".to_owned(),
            Some("pkt_meta") => "PacketMeta".to_owned(),
            Some("flow_keys") => "FlowKeys".to_owned(),
            Some("sock") => "Socket".to_owned(),
            Some("sock_or_null") => "SocketOrNull".to_owned(),
            Some("sock_common_or_null") => "SockCommonOrNull".to_owned(),
            Some("tp_buffer") => "TpBuffer".to_owned(),
            Some(other) => match other.strip_prefix("trusted:") {
                Some(name) => format!("TrustedBtf({name:?})"),
                None => return Err(place.unknown("register type", other)),
            },
        };
        let widths = |text: &str| {
            let names: Vec<String> = text.chars().map(String::from).collect();
            let number = |bits: Widths| u64::from(bits.bits());
            code::bits(&place, "width", "Widths", &names, Widths::from_name, number)
        };
        let _ = writeln!(
            text,
            "            CtxRule {{ field: {:?}, start: {}, end: {}, read: {}, write: {}, reg: CtxReg::{reg}, need: {}, span: {} }},",
            placed.field,
            placed.start,
            placed.end,
            widths(&rule.r)?,
            widths(&rule.w)?,
            code::privilege(&place, rule.need.as_deref())?,
            code::span(&place, rule.since.as_deref(), rule.until.as_deref(), "0.0")?,
        );
    }
    for who in groups.selectors(&place, &table.progs, &Narrow::default())? {
        let _ = write!(
            out,
            "    CtxTable {{\n        who: {who}, context: {index}, model: CtxModel::{model}, known: {known}, span: {span},\n        rules: &[\n{text}        ],\n    }},\n"
        );
    }
    Ok(())
}
