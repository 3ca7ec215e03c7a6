//! Renders `fields.toml`.

use std::fmt::Write as _;

use oxbpf_isa::kernel::{FieldKind, MapFlags};
use serde::Deserialize;

use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "fields.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    field: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    kind: String,
    #[serde(rename = "struct")]
    structure: Option<String>,
    tag: Option<String>,
    since: String,
    until: Option<String>,
    size: u32,
    align: u32,
    #[serde(default)]
    once: bool,
    #[serde(default)]
    repeats: bool,
    #[serde(default)]
    map: Vec<String>,
}

pub(super) fn render(text: &str) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut out = code::head(FILE, "FieldKind, FieldRecord, FieldSign, KernelVersion, MapFlags, Span");
    out.push_str("pub(crate) const FIELDS: &[FieldRecord] = &[\n");
    for field in &file.field {
        let place = Place { file: FILE, record: &field.kind };
        let kind =
            FieldKind::from_name(&field.kind).ok_or_else(|| place.unknown("special field", &field.kind))?;
        let sign = match (&field.structure, &field.tag) {
            (Some(name), None) => format!("FieldSign::Struct({name:?})"),
            (None, Some(name)) => format!("FieldSign::Tag({name:?})"),
            _ => return Err(place.error(Problem::Missing("either struct or tag"))),
        };
        if !field.align.is_power_of_two() || !field.size.is_multiple_of(field.align) {
            return Err(place.malformed("alignment", &field.align.to_string()));
        }
        let span = code::span(&place, Some(&field.since), field.until.as_deref(), "0.0")?;
        let map = code::bits(&place, "map flag", "MapFlags", &field.map, MapFlags::from_name, |f| {
            u64::from(f.bits())
        })?;
        let (size, align, once, repeats) = (field.size, field.align, field.once, field.repeats);
        let _ = writeln!(
            out,
            "    FieldRecord {{ kind: FieldKind::{kind:?}, sign: {sign}, span: {span}, size: {size}, \
             align: {align}, once: {once}, repeats: {repeats}, map: {map} }},"
        );
    }
    out.push_str("];\n");
    Ok(out)
}
