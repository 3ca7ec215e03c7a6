//! Renders `limits.toml` and `kernels.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use oxbpf_isa::kernel::{Behaviours, Limits, Settings};
use serde::Deserialize;

use super::{FactError, Place, Problem, code, parse};

const LIMITS: &str = "limits.toml";
const KERNELS: &str = "kernels.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitFile {
    /// Limits that every recorded kernel has.
    always: BTreeMap<String, u64>,
    /// Limits of some kernels, over those.
    #[serde(default)]
    limit: Vec<Limit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    name: String,
    value: u64,
    since: String,
    until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelFile {
    kernel: Vec<Kernel>,
    behaviour: Vec<Behaviour>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kernel {
    version: String,
    known: Option<String>,
    #[serde(default)]
    measured_with: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Behaviour {
    name: String,
    since: Option<String>,
    until: Option<String>,
}

pub(super) fn render(limits: &str, kernels: &str) -> Result<String, FactError> {
    let mut out = code::head(
        "limits.toml` and `kernels.toml",
        "Behaviours, KernelRecord, KernelVersion, Known, Settings, Span",
    );
    render_limits(&mut out, &parse(LIMITS, limits)?)?;
    let file: KernelFile = parse(KERNELS, kernels)?;
    out.push_str("pub(crate) const BEHAVIOURS: &[(Behaviours, Span)] = &[\n");
    for behaviour in &file.behaviour {
        let place = Place { file: KERNELS, record: &behaviour.name };
        let found = Behaviours::from_name(&behaviour.name);
        let bits = found.ok_or_else(|| place.unknown("behaviour", &behaviour.name))?.bits();
        let span = code::span(&place, behaviour.since.as_deref(), behaviour.until.as_deref(), "0.0")?;
        let _ = writeln!(out, "    (Behaviours::from_bits({bits:#x}), {span}),");
    }
    out.push_str("];\n\npub(crate) const KERNELS: &[KernelRecord] = &[\n");
    for kernel in &file.kernel {
        let place = Place { file: KERNELS, record: &kernel.version };
        let version = code::version(&place, &kernel.version)?;
        let known = code::known(&place, kernel.known.as_deref().or(Some("documented")))?;
        let number = |bits: Settings| u64::from(bits.bits());
        let with =
            code::bits(&place, "setting", "Settings", &kernel.measured_with, Settings::from_name, number)?;
        let _ = writeln!(
            out,
            "    KernelRecord {{ version: {version}, known: {known}, measured_with: {with} }},"
        );
    }
    out.push_str("];\n");
    Ok(out)
}

fn render_limits(out: &mut String, file: &LimitFile) -> Result<(), FactError> {
    out.push_str("pub(crate) const LIMITS: &[(&str, Span, u64)] = &[\n");
    let check = |name: &str| {
        let place = Place { file: LIMITS, record: name };
        if Limits::NAMES.contains(&name) { Ok(()) } else { Err(place.unknown("limit", name)) }
    };
    for (name, value) in &file.always {
        check(name)?;
        let _ = writeln!(out, "    ({name:?}, Span::ALWAYS, {value}),");
    }
    for limit in &file.limit {
        check(&limit.name)?;
        let place = Place { file: LIMITS, record: &limit.name };
        let span = code::span(&place, Some(&limit.since), limit.until.as_deref(), "0.0")?;
        let _ = writeln!(out, "    ({:?}, {span}, {}),", limit.name, limit.value);
    }
    for name in Limits::NAMES {
        let given = file.always.contains_key(*name) || file.limit.iter().any(|limit| limit.name == *name);
        if !given {
            return Err(Place { file: LIMITS, record: name }.error(Problem::Missing("the value")));
        }
    }
    out.push_str("];\n\n");
    Ok(())
}
