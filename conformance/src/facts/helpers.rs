//! Renders `helpers.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oxbpf_isa::kernel::{ArgFlags, HelperFlags, RetFlags, Settings};
use serde::Deserialize;

use super::select::{Groups, Narrow};
use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "helpers.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    helper: Vec<Helper>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Helper {
    id: u32,
    name: String,
    since: String,
    until: Option<String>,
    known: Option<String>,
    #[serde(default)]
    variant: Vec<Variant>,
    args: Option<Vec<String>>,
    ret: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    progs: Vec<String>,
    #[serde(default)]
    uses: Vec<Use>,
}

/// One signature among several. Where its uses name no versions, they have those of the variant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    since: Option<String>,
    until: Option<String>,
    args: Vec<String>,
    ret: String,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    progs: Vec<String>,
    #[serde(default)]
    uses: Vec<Use>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Use {
    progs: Vec<String>,
    since: Option<String>,
    until: Option<String>,
    need: Option<String>,
    #[serde(default)]
    config: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default)]
    hook: Vec<String>,
    #[serde(default)]
    not_hook: Vec<String>,
    sleepable: Option<bool>,
}

/// A signature with who may call it, wherever it was written down.
struct Signature<'a> {
    span: (Option<&'a str>, Option<&'a str>),
    args: &'a [String],
    ret: &'a str,
    flags: &'a [String],
    progs: &'a [String],
    uses: &'a [Use],
}

/// The number of each helper by name.
pub(super) fn names(text: &str) -> Result<BTreeMap<String, u32>, FactError> {
    let file: File = parse(FILE, text)?;
    Ok(file.helper.into_iter().map(|helper| (helper.name, helper.id)).collect())
}

pub(super) fn render(text: &str, groups: &Groups) -> Result<String, FactError> {
    let mut file: File = parse(FILE, text)?;
    file.helper.sort_by_key(|helper| helper.id);
    let mut out = code::head(
        FILE,
        "Arg, ArgFlags, ArgKind, HelperFlags, HelperProto, HelperRecord, HelperUse, HookTraits, \
         KernelVersion, Known, Privilege, Ret, RetBounds, RetFlags, RetKind, Selector, Settings, Sleep, Span",
    );
    out.push_str("pub(crate) const HELPERS: &[HelperRecord] = &[\n");
    let mut last = None;
    for helper in file.helper {
        let place = Place { file: FILE, record: &helper.name };
        if last == Some(helper.id) {
            return Err(place.error(Problem::Twice(format!("number {}", helper.id))));
        }
        last = Some(helper.id);
        render_one(&mut out, &place, &helper, groups)?;
    }
    out.push_str("];\n");
    Ok(out)
}

fn render_one(
    out: &mut String,
    place: &Place<'_>,
    helper: &Helper,
    groups: &Groups,
) -> Result<(), FactError> {
    let variants: Vec<Signature<'_>> = match (&helper.args, &helper.ret, helper.variant.as_slice()) {
        (Some(args), Some(ret), []) => vec![Signature {
            span: (None, None),
            args,
            ret,
            flags: &helper.flags,
            progs: &helper.progs,
            uses: &helper.uses,
        }],
        (None, None, variants @ [_, ..]) => variants
            .iter()
            .map(|v| Signature {
                span: (v.since.as_deref(), v.until.as_deref()),
                args: &v.args,
                ret: &v.ret,
                flags: &v.flags,
                progs: &v.progs,
                uses: &v.uses,
            })
            .collect(),
        _ => return Err(place.error(Problem::Missing("either args and ret, or variants"))),
    };
    let (mut protos, mut uses) = (String::new(), String::new());
    for (index, signature) in variants.iter().enumerate() {
        let Signature { args, ret, flags, progs, .. } = *signature;
        let number = |bits: HelperFlags| u64::from(bits.bits());
        let flags = code::bits(place, "helper flag", "HelperFlags", flags, HelperFlags::from_name, number)?;
        let args = args.iter().map(|text| arg(place, text)).collect::<Result<Vec<_>, _>>()?.join(", ");
        let _ =
            writeln!(protos, "            HelperProto::new(&[{args}], {}, {flags}),", self::ret(place, ret)?);
        let plain = (!progs.is_empty()).then(|| Use {
            progs: progs.to_vec(),
            since: None,
            until: None,
            need: None,
            config: Vec::new(),
            unless: Vec::new(),
            hook: Vec::new(),
            not_hook: Vec::new(),
            sleepable: None,
        });
        for usage in plain.iter().chain(signature.uses) {
            let since = usage.since.as_deref().or(signature.span.0).unwrap_or(&helper.since);
            let until = usage.until.as_deref().or(signature.span.1);
            let span = code::span(place, Some(since), until, "0.0")?;
            render_use(&mut uses, place, groups, usage, &span, index)?;
        }
    }
    let span = code::span(place, Some(&helper.since), helper.until.as_deref(), "0.0")?;
    let _ = write!(
        out,
        "    HelperRecord {{\n        id: {}, name: {:?}, span: {span}, known: {},\n        protos: &[\n{protos}        ],\n        uses: &[\n{uses}        ],\n    }},\n",
        helper.id,
        helper.name,
        code::known(place, helper.known.as_deref())?,
    );
    Ok(())
}

fn render_use(
    out: &mut String,
    place: &Place<'_>,
    groups: &Groups,
    usage: &Use,
    span: &str,
    proto: usize,
) -> Result<(), FactError> {
    let narrow =
        Narrow { hook: usage.hook.clone(), not_hook: usage.not_hook.clone(), sleepable: usage.sleepable };
    let need = code::privilege(place, usage.need.as_deref())?;
    let settings = |names: &[String]| {
        let number = |bits: Settings| u64::from(bits.bits());
        code::bits(place, "setting", "Settings", names, Settings::from_name, number)
    };
    let (config, unless) = (settings(&usage.config)?, settings(&usage.unless)?);
    for who in groups.selectors(place, &usage.progs, &narrow)? {
        let _ = writeln!(
            out,
            "            HelperUse {{ who: {who}, need: {need}, config: {config}, unless: {unless}, span: {span}, proto: {proto} }},"
        );
    }
    Ok(())
}

/// One argument: `class[:size or type]|modifier|…`.
fn arg(place: &Place<'_>, text: &str) -> Result<String, FactError> {
    let mut parts = text.split('|');
    let (class, detail) = split(parts.next().unwrap_or_default());
    let kind = match class {
        "any" => "Anything",
        "scalar" => "Scalar",
        "ctx" => "Ctx",
        "map" => "MapPtr",
        "map_key" => "MapKey",
        "map_value" => "MapValue",
        "mem" => "Mem",
        "size" => "ConstSize",
        "size0" => "ConstSizeOrZero",
        "alloc_size0" => "ConstAllocSizeOrZero",
        "spin_lock" => "SpinLock",
        "sock_common" => "SockCommon",
        "socket" => "Socket",
        "btf" => "BtfId",
        "sk" => "BtfIdSockCommon",
        "percpu_btf" => "PercpuBtfId",
        "ringbuf_mem" => "RingbufMem",
        "func" => "Func",
        "stack" => "Stack",
        "const_str" => "ConstStr",
        "timer" => "Timer",
        "kptr_dest" => "KptrXchgDest",
        "dynptr" => "Dynptr",
        "arena" => "Arena",
        other => return Err(place.unknown("argument class", other)),
    };
    let modifiers: Vec<String> = parts.map(str::to_owned).collect();
    let number = |bits: ArgFlags| u64::from(bits.bits());
    let flags = code::bits(place, "argument modifier", "ArgFlags", &modifiers, ArgFlags::from_name, number)?;
    let mut expression = format!("Arg::new(ArgKind::{kind})");
    if !modifiers.is_empty() {
        let _ = write!(expression, ".with({flags})");
    }
    match (class, detail) {
        (_, None) => {}
        ("mem", Some(size)) => {
            let size: u16 = size.parse().map_err(|_| place.malformed("size", size))?;
            let _ = write!(expression, ".sized({size})");
        }
        ("btf", Some(name)) => {
            let _ = write!(expression, ".of({name:?})");
        }
        (_, Some(detail)) => return Err(place.malformed("detail of that class", detail)),
    }
    Ok(expression)
}

/// A result: `class[:type]|modifier|…`.
fn ret(place: &Place<'_>, text: &str) -> Result<String, FactError> {
    let mut parts = text.split('|');
    let (class, detail) = split(parts.next().unwrap_or_default());
    let kind = match class {
        "int" => "Integer",
        "void" => "Void",
        "map_value" => "MapValue",
        "socket" => "Socket",
        "tcp_sock" => "TcpSock",
        "sock_common" => "SockCommon",
        "mem" => "Mem",
        "mem_or_btf" => "MemOrBtfId",
        "btf" => "BtfId",
        other => return Err(place.unknown("class of result", other)),
    };
    let mut expression = format!("Ret::new(RetKind::{kind})");
    let mut modifiers = Vec::new();
    let mut bounds = "";
    for part in parts {
        match part {
            "error_or_size" => bounds = ".bounded(RetBounds::ErrorOrSize)",
            "cpu" => bounds = ".bounded(RetBounds::Cpu)",
            other => modifiers.push(other.to_owned()),
        }
    }
    let number = |bits: RetFlags| u64::from(bits.bits());
    let flags =
        code::bits(place, "modifier of a result", "RetFlags", &modifiers, RetFlags::from_name, number)?;
    if !modifiers.is_empty() {
        let _ = write!(expression, ".with({flags})");
    }
    expression.push_str(bounds);
    if let Some(name) = detail {
        let _ = write!(expression, ".of({name:?})");
    }
    Ok(expression)
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((class, detail)) => (class, Some(detail)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(change: impl Fn(&str) -> String) -> Result<String, FactError> {
        let groups = Groups::read("[progs]\n[attach]\n").unwrap();
        let text = "[[helper]]\nid = 9\nname = \"f\"\nsince = \"4.1\"\nargs = [\"ctx\", \"mem:8|write\"]\nret = \"int|cpu\"\nprogs = [\"xdp\"]\n";
        render(&change(text), &groups)
    }

    #[test]
    fn a_record_becomes_a_constant() {
        let text = record(str::to_owned).unwrap();
        for piece in
            ["id: 9", "ArgKind::Mem).with(ArgFlags::from_bits(0x8)).sized(8)", "RetBounds::Cpu", "0x40"]
        {
            assert!(text.contains(piece), "{piece} is not in {text}");
        }
    }

    #[test]
    fn typing_errors_do_not_pass() {
        let changes = [
            ("\"ctx\"", "\"ctxt\""),
            ("|write", "|rwite"),
            ("mem:8", "mem:x"),
            ("ctx\"", "ctx:8\""),
            ("int|cpu", "integer"),
            ("\"4.1\"", "\"4\""),
            ("\"xdp\"", "\"xpd\""),
            ("progs =", "prog ="),
            ("ret = \"int|cpu\"\n", ""),
            ("id = 9", "id = -9"),
        ];
        for (from, to) in changes {
            let result = record(|text| text.replacen(from, to, 1));
            assert!(result.is_err(), "{to:?} in place of {from:?}");
        }
        assert!(record(|text| format!("{text}{text}")).is_err(), "the same number twice");
    }
}
