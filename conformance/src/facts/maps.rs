//! Renders `maps.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oxbpf_isa::kernel::{MapCreateFlags, MapFlags, MapType};
use serde::Deserialize;

use super::select::{Groups, Narrow};
use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "maps.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The map types that a helper accepts, for helpers that accept some alone.
    bound: BTreeMap<String, Vec<String>>,
    map: Vec<Map>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Map {
    name: String,
    since: String,
    known: Option<String>,
    key_size: String,
    value_size: String,
    max_entries: String,
    create_flags: Vec<String>,
    #[serde(default)]
    conditions: Vec<String>,
    need: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    sleepable_since: Option<String>,
    #[serde(default)]
    not_in: Vec<String>,
    /// The helpers that take this map, when it does not take all that are not bound to others.
    helpers: Option<Vec<String>>,
    /// Those that take it from some programs alone.
    #[serde(default)]
    some: Vec<Some>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Some {
    helpers: Vec<String>,
    progs: Vec<String>,
    since: Option<String>,
}

pub(super) fn render(
    text: &str,
    groups: &Groups,
    names: &BTreeMap<String, u32>,
) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut out = code::head(
        FILE,
        "HelperMaps, HookTraits, KernelVersion, Known, MapCondition, MapCreateFlags, MapErrno, MapFlags, MapHelper, \
         MapNeed, MapRecord, MapType, Need, Privilege, ProgSet, Selector, Sleep, Span",
    );
    out.push_str("pub(crate) const MAPS: &[MapRecord] = &[\n");
    for map in &file.map {
        render_one(&mut out, map, groups, names)?;
    }
    out.push_str("];\n\n/// By rising helper number.\npub(crate) const BOUND: &[HelperMaps] = &[\n");
    let mut bound = Vec::new();
    for (name, maps) in &file.bound {
        let place = Place { file: FILE, record: name };
        let id = *names.get(name).ok_or_else(|| place.unknown("helper", name))?;
        let mut bits: u64 = 0;
        for map in maps {
            bits |= 1 << MapType::from_name(map).ok_or_else(|| place.unknown("map type", map))?.number();
        }
        bound.push((id, bits));
    }
    bound.sort_unstable();
    for (id, bits) in bound {
        let _ = writeln!(out, "    HelperMaps {{ id: {id}, maps: {bits:#x} }},");
    }
    out.push_str("];\n");
    Ok(out)
}

fn render_one(
    out: &mut String,
    map: &Map,
    groups: &Groups,
    names: &BTreeMap<String, u32>,
) -> Result<(), FactError> {
    let place = Place { file: FILE, record: &map.name };
    let map_type = MapType::from_name(&map.name).ok_or_else(|| place.unknown("map type", &map.name))?;
    let id = |name: &String| names.get(name).copied().ok_or_else(|| place.unknown("helper", name));
    let mut list = String::new();
    for name in map.helpers.iter().flatten() {
        let id = id(name)?;
        let _ =
            writeln!(list, "            MapHelper {{ id: {id}, span: Span::ALWAYS, who: Selector::ALL }},");
    }
    for some in &map.some {
        let span = code::span(&place, some.since.as_deref(), None, "0.0")?;
        for name in &some.helpers {
            let id = id(name)?;
            for who in groups.selectors(&place, &some.progs, &Narrow::default())? {
                let _ = writeln!(list, "            MapHelper {{ id: {id}, span: {span}, who: {who} }},");
            }
        }
    }
    let helpers = match &map.helpers {
        None if map.some.is_empty() => "None".to_owned(),
        None => return Err(place.error(Problem::Missing("the list of helpers"))),
        Option::Some(_) => format!("Some(&[\n{list}        ])"),
    };
    let number = |bits: MapCreateFlags| u64::from(bits.bits());
    let create = code::bits(
        &place,
        "creation flag",
        "MapCreateFlags",
        &map.create_flags,
        MapCreateFlags::from_name,
        number,
    )?;
    let number = |bits: MapFlags| u64::from(bits.bits());
    let flags = code::bits(&place, "map flag", "MapFlags", &map.flags, MapFlags::from_name, number)?;
    let conditions: Result<Vec<String>, FactError> =
        map.conditions.iter().map(|name| condition(&place, name)).collect();
    let _ = write!(
        out,
        "    MapRecord {{\n        map_type: MapType::{map_type:?}, span: {}, known: {},\n        key_size: {}, value_size: {}, max_entries: {},\n        create_flags: {create}, conditions: &[{}], need: {}, flags: {flags}, sleepable_since: {},\n        not_in: ProgSet::from_bits({:#x}),\n        helpers: {helpers},\n    }},\n",
        code::span(&place, Option::Some(&map.since), None, "0.0")?,
        code::known(&place, map.known.as_deref())?,
        need(&place, &map.key_size)?,
        need(&place, &map.value_size)?,
        need(&place, &map.max_entries)?,
        conditions?.join(", "),
        code::privilege(&place, map.need.as_deref())?,
        code::version(&place, map.sleepable_since.as_deref().unwrap_or("5.10"))?,
        groups.prog_set(&place, &map.not_in)?,
    );
    Ok(())
}

fn condition(place: &Place<'_>, name: &str) -> Result<String, FactError> {
    let variant = match name {
        "btf" => "NeedsBtf",
        "no_prealloc" => "NeedsNoPrealloc",
        "mmapable" => "NeedsMmapable",
        "inner_map" => "NeedsInnerMap",
        "lru_flags" => "LruFlags",
        "element_fits" => "ElementFitsAllocation",
        "extra_is_hash_count" => "ExtraIsHashCount",
        "extra_is_address" => "ExtraIsAddress",
        "value_type_of_kernel" => "ValueTypeOfKernel",
        "frame_size_by_flag" => "FrameSizeByFlag",
        "at_most_cpus" => "AtMostCpus",
        other => return Err(place.unknown("condition", other)),
    };
    Ok(format!("MapCondition::{variant}"))
}

/// `any`, `0`, `4`, `1..512`, `1..`, `4|8`, `8..16%4`, `pages`, `pow2_pages`; then ` E2BIG above` for
/// another error than EINVAL when the number is too large.
fn need(place: &Place<'_>, text: &str) -> Result<String, FactError> {
    let (rule, above) = match text.split_once(" above ") {
        Option::Some((rule, "E2BIG")) => (rule, "TooBig"),
        Option::Some((_, other)) => return Err(place.unknown("error", other)),
        None => (text, "Invalid"),
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| place.malformed("number", text));
    let upper = |text: &str| if text.is_empty() { Ok(u32::MAX) } else { number(text) };
    let need = match rule {
        "any" => "Need::Any".to_owned(),
        "0" => "Need::Zero".to_owned(),
        "pages" => "Need::Pages".to_owned(),
        "pow2_pages" => "Need::PagesPowerOfTwo".to_owned(),
        _ => match (rule.split_once(".."), rule.split_once('|')) {
            (Option::Some((low, rest)), _) => match rest.split_once('%') {
                Option::Some((high, of)) => {
                    format!("Need::MultipleWithin({}, {}, {})", number(low)?, upper(high)?, number(of)?)
                }
                None => format!("Need::Within({}, {})", number(low)?, upper(rest)?),
            },
            (None, Option::Some((a, b))) => format!("Need::Either({}, {})", number(a)?, number(b)?),
            (None, None) => format!("Need::Exactly({})", number(rule)?),
        },
    };
    Ok(format!("MapNeed {{ need: {need}, too_big: MapErrno::{above} }}"))
}
