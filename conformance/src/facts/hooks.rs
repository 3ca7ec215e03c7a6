//! Renders `hooks.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oxbpf_isa::kernel::HookTraits;
use serde::Deserialize;

use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "hooks.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    hooks: Vec<Hooks>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hooks {
    #[serde(rename = "trait")]
    name: String,
    names: Vec<String>,
}

pub(super) fn render(text: &str) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut traits: BTreeMap<&str, HookTraits> = BTreeMap::new();
    for hooks in &file.hooks {
        let place = Place { file: FILE, record: &hooks.name };
        let found =
            HookTraits::from_name(&hooks.name).ok_or_else(|| place.unknown("hook trait", &hooks.name))?;
        for name in &hooks.names {
            let all = traits.entry(name).or_default();
            if all.contains(found) {
                return Err(place.error(Problem::Twice(name.clone())));
            }
            *all |= found;
        }
    }
    let mut out = code::head(FILE, "HookTraits");
    out.push_str("/// By rising name.\npub(crate) const HOOKS: &[(&str, HookTraits)] = &[\n");
    for (name, all) in traits {
        let _ = writeln!(out, "    ({name:?}, HookTraits::from_bits({:#x})),", all.bits());
    }
    out.push_str("];\n");
    Ok(out)
}
