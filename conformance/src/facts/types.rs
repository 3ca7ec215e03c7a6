//! Renders `types.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oxbpf_isa::kernel::IterFlags;
use serde::Deserialize;

use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "types.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tracepoint: Vec<Tracepoints>,
    iterator: Vec<Iterator>,
    struct_ops: Vec<StructOps>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tracepoints {
    arg: u32,
    is: String,
    until: Option<String>,
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Iterator {
    name: String,
    since: String,
    args: Vec<Arg>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arg {
    arg: u32,
    #[serde(default)]
    flags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StructOps {
    name: String,
    since: String,
    known: Option<String>,
    members: Vec<String>,
    sleepable: Option<Vec<String>>,
    promote: Option<(String, String)>,
    #[serde(default)]
    writes: Vec<Write>,
    words: Option<String>,
    state: Option<String>,
    #[serde(default)]
    args: Vec<OpsArg>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpsArg {
    member: String,
    arg: u8,
    of: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    /// The type that is written, where it is not the owner of the field.
    object: Option<String>,
    field: String,
    #[serde(default)]
    range: bool,
    #[serde(default)]
    cut: u8,
}

/// Typed arguments are few (Linux `MAX_BPF_FUNC_ARGS`).
const MOST_ARGS: u32 = 12;

pub(super) fn render(text: &str) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut out = code::head(
        FILE,
        "IterArg, IterFlags, IteratorRecord, KernelVersion, Known, OpsArg, Span, StructOpsRecord, TracepointRecord, \
         WriteRecord, WriteWords",
    );
    tracepoints(&file.tracepoint, &mut out)?;
    out.push_str("\npub(crate) const ITERATORS: &[IteratorRecord] = &[\n");
    for iterator in &file.iterator {
        let place = Place { file: FILE, record: &iterator.name };
        let span = code::span(&place, Some(&iterator.since), None, &iterator.since)?;
        let mut args = Vec::new();
        for Arg { arg, flags } in &iterator.args {
            let find = |name: &str| IterFlags::from_name(name).map(|f| u64::from(f.bits()));
            let flags = code::bits(&place, "flag", "IterFlags", flags, find, |bits| bits)?;
            args.push(format!("IterArg {{ arg: {arg}, flags: {flags} }}"));
        }
        let (name, args) = (&iterator.name, args.join(", "));
        let _ = writeln!(out, "    IteratorRecord {{ name: {name:?}, span: {span}, args: &[{args}] }},");
    }
    out.push_str("];\n\npub(crate) const STRUCT_OPS: &[StructOpsRecord] = &[\n");
    for ops in &file.struct_ops {
        struct_ops(ops, &mut out)?;
    }
    out.push_str("];\n");
    Ok(out)
}

fn tracepoints(records: &[Tracepoints], out: &mut String) -> Result<(), FactError> {
    let mut masks: BTreeMap<(&str, Option<&str>), (u16, u16)> = BTreeMap::new();
    for record in records {
        for name in &record.names {
            let place = Place { file: FILE, record: name };
            if record.arg >= MOST_ARGS {
                return Err(place.malformed("argument", &record.arg.to_string()));
            }
            let (nullable, scalar) = masks.entry((name, record.until.as_deref())).or_default();
            let mask = match record.is.as_str() {
                "nullable" => nullable,
                "scalar" => scalar,
                other => return Err(place.unknown("kind of argument", other)),
            };
            if *mask >> record.arg & 1 == 1 {
                return Err(place.error(Problem::Twice(format!("argument {}", record.arg))));
            }
            *mask |= 1 << record.arg;
        }
    }
    out.push_str("/// By rising name.\npub(crate) const TRACEPOINTS: &[TracepointRecord] = &[\n");
    for ((name, until), (nullable, scalar)) in masks {
        let place = Place { file: FILE, record: name };
        // Programs are typed by tracepoints since 5.5.
        let span = code::span(&place, None, until, "5.5")?;
        let _ = writeln!(
            out,
            "    TracepointRecord {{ name: {name:?}, span: {span}, nullable: {nullable:#x}, scalar: {scalar:#x} }},"
        );
    }
    out.push_str("];\n");
    Ok(())
}

fn struct_ops(ops: &StructOps, out: &mut String) -> Result<(), FactError> {
    let place = Place { file: FILE, record: &ops.name };
    let span = code::span(&place, Some(&ops.since), None, &ops.since)?;
    let known = code::known(&place, ops.known.as_deref())?;
    let mut writes = Vec::new();
    for Write { object, field, range, cut } in &ops.writes {
        let (owner, field) =
            field.split_once('.').ok_or_else(|| place.malformed("field of a type", field))?;
        let object = object.as_deref().unwrap_or(owner);
        writes.push(format!(
            "WriteRecord {{ object: {object:?}, owner: {owner:?}, field: {field:?}, range: {range}, cut: {cut} }}"
        ));
    }
    let words = match ops.words.as_deref() {
        None => "Field",
        Some("structure") => "Structure",
        Some("silent") => "Silent",
        Some(other) => return Err(place.unknown("words on writes", other)),
    };
    let mut args = Vec::new();
    for OpsArg { member, arg, of } in &ops.args {
        if !ops.members.contains(member) || u32::from(*arg) >= MOST_ARGS {
            return Err(place.malformed("argument", member));
        }
        args.push(format!("OpsArg {{ member: {member:?}, arg: {arg}, of: {of:?} }}"));
    }
    let sleepable = ops.sleepable.as_ref().map_or("None".to_owned(), |s| format!("Some(&{s:?})"));
    let promote = ops.promote.as_ref().map_or("None".to_owned(), |p| format!("Some({p:?})"));
    let (name, members, state) = (&ops.name, &ops.members, &ops.state);
    let (writes, args) = (writes.join(", "), args.join(", "));
    let _ = writeln!(
        out,
        "    StructOpsRecord {{ name: {name:?}, span: {span}, known: {known}, members: &{members:?}, sleepable: {sleepable}, \
         promote: {promote}, writes: &[{writes}], words: WriteWords::{words}, args: &[{args}], state: {state:?} }},"
    );
    Ok(())
}
