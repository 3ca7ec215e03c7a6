//! Renders `sections.toml`.

use std::fmt::Write as _;

use oxbpf_isa::kernel::{AttachType, ProgType};
use serde::Deserialize;

use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "sections.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    section: Vec<Section>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    name: String,
    prog: String,
    attach: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
}

pub(super) fn render(text: &str) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut out = code::head(
        FILE,
        "AttachType, ProgType, sections::SectionDef, sections::SectionFlags, sections::SectionTail",
    );
    out.push_str("pub(crate) const SECTIONS: &[SectionDef] = &[\n");
    let mut seen: Vec<&str> = Vec::new();
    for section in &file.section {
        let place = Place { file: FILE, record: &section.name };
        let (name, tail) = match (section.name.strip_suffix('+'), section.name.strip_suffix('/')) {
            (Some(name), _) => (name, "Optional"),
            (None, Some(name)) => (name, "Required"),
            (None, None) => (section.name.as_str(), "Exact"),
        };
        if seen.contains(&name) {
            return Err(place.error(Problem::Twice(section.name.clone())));
        }
        seen.push(name);
        let prog =
            ProgType::from_name(&section.prog).ok_or_else(|| place.unknown("program type", &section.prog))?;
        let attach = match &section.attach {
            None => AttachType::CgroupInetIngress,
            Some(name) => AttachType::from_name(name).ok_or_else(|| place.unknown("attach type", name))?,
        };
        use oxbpf_isa::kernel::sections::SectionFlags as Flags;
        let number = |bits: Flags| u64::from(bits.bits());
        let flags = code::bits(&place, "mark", "SectionFlags", &section.flags, Flags::from_name, number)?;
        let _ = writeln!(
            out,
            "    SectionDef {{ name: {name:?}, tail: SectionTail::{tail}, prog_type: ProgType::{prog:?}, attach_type: AttachType::{attach:?}, flags: {flags} }},"
        );
    }
    out.push_str("];\n");
    Ok(out)
}
