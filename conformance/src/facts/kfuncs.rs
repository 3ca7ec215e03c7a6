//! Renders `kfuncs.toml`.

use std::fmt::Write as _;

use oxbpf_isa::kernel::KfuncFlags;
use serde::Deserialize;

use super::select::{Groups, Narrow};
use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "kfuncs.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    set: Vec<Set>,
}

/// Kfuncs that the same programs may call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    name: String,
    progs: Vec<String>,
    /// Where only programs at targets with one of these traits may call.
    #[serde(default)]
    hook: Vec<String>,
    /// Programs that may call what the set holds since some version.
    #[serde(default)]
    also: Vec<Also>,
    kfuncs: Vec<Kfunc>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Also {
    progs: Vec<String>,
    since: String,
    #[serde(default)]
    hook: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kfunc {
    name: String,
    since: Option<String>,
    until: Option<String>,
    known: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    /// Flags of earlier versions: `until` when, and what they were.
    #[serde(default)]
    before: Vec<Before>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    until: String,
    flags: Vec<String>,
}

pub(super) fn render(text: &str, groups: &Groups) -> Result<String, FactError> {
    let file: File = parse(FILE, text)?;
    let mut out = code::head(
        FILE,
        "HookTraits, KernelVersion, Known, KfuncFlags, KfuncRecord, KfuncUse, Selector, Sleep, Span",
    );
    out.push_str("pub(crate) const KFUNCS: &[KfuncRecord] = &[\n");
    let mut records: Vec<(String, String)> = Vec::new();
    for set in &file.set {
        let place = Place { file: FILE, record: &set.name };
        let mut uses = Vec::new();
        let mut add = |progs: &[String], since: &str, hook: &[String]| -> Result<(), FactError> {
            let span = code::span(&place, Some(since), None, "0.0")?;
            let narrow = Narrow { hook: hook.to_vec(), ..Narrow::default() };
            for who in groups.selectors(&place, progs, &narrow)? {
                uses.push(format!("KfuncUse {{ who: {who}, span: {span} }}"));
            }
            Ok(())
        };
        if !set.progs.is_empty() {
            add(&set.progs, "0.0", &set.hook)?;
        }
        for also in &set.also {
            add(&also.progs, &also.since, &also.hook)?;
        }
        for kfunc in &set.kfuncs {
            if records.iter().any(|(name, _)| *name == kfunc.name) {
                return Err(place.error(Problem::Twice(kfunc.name.clone())));
            }
            records.push((kfunc.name.clone(), render_one(kfunc, &uses)?));
        }
    }
    records.sort();
    for (_, text) in records {
        out.push_str(&text);
    }
    out.push_str("];\n");
    Ok(out)
}

fn render_one(kfunc: &Kfunc, uses: &[String]) -> Result<String, FactError> {
    let place = Place { file: FILE, record: &kfunc.name };
    let since = kfunc.since.as_deref().unwrap_or("0.0");
    let span = code::span(&place, Some(since), kfunc.until.as_deref(), "0.0")?;
    let flags = |names: &[String]| {
        let number = |bits: KfuncFlags| u64::from(bits.bits());
        code::bits(&place, "kfunc flag", "KfuncFlags", names, KfuncFlags::from_name, number)
    };
    let mut all = format!("(Span::ALWAYS, {})", flags(&kfunc.flags)?);
    for before in &kfunc.before {
        let until = code::version(&place, &before.until)?;
        let span = format!("Span {{ since: KernelVersion::new(0, 0), until: Some({until}) }}");
        let _ = write!(all, ", ({span}, {})", flags(&before.flags)?);
    }
    Ok(format!(
        "    KfuncRecord {{ name: {:?}, span: {span}, known: {}, flags: &[{all}], uses: &[{}] }},\n",
        kfunc.name,
        code::known(&place, kfunc.known.as_deref())?,
        uses.join(", "),
    ))
}
