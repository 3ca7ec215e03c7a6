//! Reads who a record is about: program types, groups of them, attach types, traits of the hook.
//!
//! `"xdp"` is a program type, `"@net"` a group, `"kprobe@a+b"` a type (or group) at some attach types,
//! `"xdp!a+b"` at all but some. Groups of attach types are written with `@` too.

use std::collections::BTreeMap;

use oxbpf_isa::kernel::{AttachType, HookTraits, ProgType};
use serde::Deserialize;

use super::{FactError, Place, Problem, code, parse};

const FILE: &str = "groups.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    progs: BTreeMap<String, Vec<String>>,
    attach: BTreeMap<String, Vec<String>>,
}

/// Named groups of program types and attach types, as bits by number.
pub(super) struct Groups {
    progs: BTreeMap<String, u64>,
    attach: BTreeMap<String, u64>,
}

/// What narrows a choice of programs beyond types and attach types.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Narrow {
    pub(super) hook: Vec<String>,
    pub(super) not_hook: Vec<String>,
    pub(super) sleepable: Option<bool>,
}

impl Groups {
    pub(super) fn read(text: &str) -> Result<Self, FactError> {
        let file: File = parse(FILE, text)?;
        let mut groups = Self { progs: BTreeMap::new(), attach: BTreeMap::new() };
        for (name, members) in &file.progs {
            let place = Place { file: FILE, record: name };
            let mut bits = 0;
            for member in members {
                let found =
                    ProgType::from_name(member).ok_or_else(|| place.unknown("program type", member))?;
                bits |= 1 << found.number();
            }
            groups.progs.insert(name.clone(), bits);
        }
        for (name, members) in &file.attach {
            let place = Place { file: FILE, record: name };
            let bits = members.iter().try_fold(0, |bits, member| {
                let found = AttachType::from_name(member).ok_or_else(|| place.unknown("attach type", member));
                Ok(bits | 1 << found?.number())
            })?;
            groups.attach.insert(name.clone(), bits);
        }
        Ok(groups)
    }

    fn prog_bits(&self, place: &Place<'_>, name: &str) -> Result<u64, FactError> {
        match name.strip_prefix('@') {
            Some(group) => {
                self.progs.get(group).copied().ok_or_else(|| place.unknown("group of program types", group))
            }
            None => ProgType::from_name(name)
                .map(|found| 1 << found.number())
                .ok_or_else(|| place.unknown("program type", name)),
        }
    }

    /// The bits of program types named in a list without attach types.
    pub(super) fn prog_set(&self, place: &Place<'_>, names: &[String]) -> Result<u64, FactError> {
        names.iter().try_fold(0, |bits, name| Ok(bits | self.prog_bits(place, name)?))
    }

    /// The bits of attach types named in a list, groups included.
    pub(super) fn attach_set<'n>(
        &self,
        place: &Place<'_>,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<u64, FactError> {
        names.into_iter().try_fold(0, |bits, name| {
            let more = match name.strip_prefix('@') {
                Some(group) => self.attach.get(group).copied(),
                None => AttachType::from_name(name).map(|found| 1 << found.number()),
            };
            Ok(bits | more.ok_or_else(|| place.unknown("attach type", name))?)
        })
    }

    /// Selector expressions for a list of names: one for each different set of attach types.
    pub(super) fn selectors(
        &self,
        place: &Place<'_>,
        names: &[String],
        narrow: &Narrow,
    ) -> Result<Vec<String>, FactError> {
        if names.is_empty() {
            return Err(place.error(Problem::Missing("a program type")));
        }
        let mut by_attach: Vec<(u64, u64)> = Vec::new();
        for name in names {
            let body = name.strip_prefix('@').unwrap_or(name);
            let lead = name.len() - body.len();
            let (progs, attach) = match body.find(['@', '!']) {
                None => (name.as_str(), u64::MAX),
                Some(at) => {
                    let (progs, rest) = name.split_at(lead + at);
                    let set = self.attach_set(place, rest[1..].split('+'))?;
                    (progs, if rest.starts_with('!') { !set } else { set })
                }
            };
            let progs = self.prog_bits(place, progs)?;
            match by_attach.iter_mut().find(|(_, known)| *known == attach) {
                Some((bits, _)) => *bits |= progs,
                None => by_attach.push((progs, attach)),
            }
        }
        let tail = self.narrowing(place, narrow)?;
        Ok(by_attach
            .into_iter()
            .map(|(progs, attach)| {
                let attach = if attach == u64::MAX { "u64::MAX".to_owned() } else { format!("{attach:#x}") };
                format!("Selector::new({progs:#x}, {attach}){tail}")
            })
            .collect())
    }

    fn narrowing(&self, place: &Place<'_>, narrow: &Narrow) -> Result<String, FactError> {
        let mut tail = String::new();
        if !narrow.hook.is_empty() || !narrow.not_hook.is_empty() {
            let traits = |names: &[String]| {
                let number = |bits: HookTraits| u64::from(bits.bits());
                code::bits(place, "hook trait", "HookTraits", names, HookTraits::from_name, number)
            };
            tail = format!(".hooked({}, {})", traits(&narrow.hook)?, traits(&narrow.not_hook)?);
        }
        match narrow.sleepable {
            Some(true) => tail.push_str(".sleeping(Sleep::Only)"),
            Some(false) => tail.push_str(".sleeping(Sleep::Never)"),
            None => {}
        }
        Ok(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        Groups::read(
            "[progs]\ntwo = [\"xdp\", \"kprobe\"]\n[attach]\nmaps = [\"xdp_devmap\", \"xdp_cpumap\"]\n",
        )
        .unwrap()
    }

    fn read(names: &[&str]) -> Result<Vec<String>, FactError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        groups().selectors(&Place { file: FILE, record: "test" }, &names, &Narrow::default())
    }

    #[test]
    fn names_with_the_same_attach_types_are_merged() {
        // xdp is 6, kprobe 2, lsm 29; xdp_devmap is 33, xdp_cpumap 35, lsm_mac 27.
        let cases: &[(&[&str], &[&str])] = &[
            (&["xdp"], &["Selector::new(0x40, u64::MAX)"]),
            (&["@two", "lsm"], &["Selector::new(0x20000044, u64::MAX)"]),
            (&["xdp@@maps"], &["Selector::new(0x40, 0xa00000000)"]),
            (&["@two@xdp_devmap+xdp_cpumap"], &["Selector::new(0x44, 0xa00000000)"]),
            (&["xdp!@maps"], &["Selector::new(0x40, 0xfffffff5ffffffff)"]),
            (
                &["xdp", "lsm@lsm_mac", "kprobe"],
                &["Selector::new(0x44, u64::MAX)", "Selector::new(0x20000000, 0x8000000)"],
            ),
        ];
        for (names, expected) in cases {
            assert_eq!(read(names).unwrap(), *expected, "{names:?}");
        }
    }

    #[test]
    fn unknown_names_are_errors() {
        for names in
            [&["xpd"][..], &["@none"], &["xdp@nowhere"], &["xdp@@none"], &["xdp!"], &["xdp@"], &[""], &[]]
        {
            assert!(read(names).is_err(), "{names:?}");
        }
    }
}
