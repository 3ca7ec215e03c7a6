//! What programs are prepared for, and what the caller says in place of the object.

use super::kconfig::Kconfig;
use super::kind::ProgramKind;
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::kernel::{KernelModel, MapType};
use oxbpf_isa::program::MapDef;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What programs are prepared for. Everything may be left out; what depends on it then stays
/// unresolved and is listed in [`Loaded::unresolved`](super::Loaded::unresolved).
#[derive(Clone, Copy, Default, Debug)]
pub struct LoadOptions<'a> {
    /// The kernel's types, for CO-RE, kernel functions, typed variables and struct_ops.
    pub target: Option<&'a CoreTarget>,
    /// The kernel's facts, for its version and for what it asks of maps. Without them no map is
    /// judged, and nothing is rewritten for old kernels.
    pub kernel: Option<&'a KernelModel>,
    /// The last number of the kernel's version, which only `LINUX_KERNEL_VERSION` shows.
    pub patch: u8,
    /// The kernel's configuration.
    pub config: Option<&'a Kconfig>,
    /// The kernel's symbols, as in `/proc/kallsyms`.
    pub addresses: Option<&'a BTreeMap<String, u64>>,
    /// What programs are for, by name or section; an empty name stands for all others.
    pub kinds: &'a [(String, ProgramKind)],
    /// Changes of maps, and maps that stand where instructions hold numbers.
    pub maps: &'a [MapChange],
    /// Possible processors of the machine, for maps with an entry for each; 0 counts as 1.
    pub cpus: u32,
}

/// The map that a change is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MapName {
    /// A map of the object.
    Name(String),
    /// The file descriptor that an instruction holds, in objects and raw files whose maps were made
    /// before the program was written out.
    Fd(i32),
}

/// A change of one map; what is `None` stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapChange {
    pub map: MapName,
    pub map_type: Option<MapType>,
    pub key_size: Option<u32>,
    pub value_size: Option<u32>,
    pub max_entries: Option<u32>,
    pub flags: Option<u32>,
    /// Whether a struct of callbacks is made at all.
    pub autocreate: Option<bool>,
}

impl MapChange {
    /// A change of nothing.
    pub fn new(map: MapName) -> MapChange {
        let none = None;
        MapChange {
            map,
            map_type: None,
            key_size: none,
            value_size: none,
            max_entries: none,
            flags: none,
            autocreate: None,
        }
    }

    /// Changes the definition. A key or value whose size changes loses its type.
    pub fn apply(&self, def: &mut MapDef) {
        if let Some(map_type) = self.map_type {
            def.map_type = map_type.number();
        }
        if let Some(size) = self.key_size.filter(|&s| s != def.key_size) {
            def.key_size = size;
            def.key_type = Default::default();
        }
        if let Some(size) = self.value_size.filter(|&s| s != def.value_size) {
            def.value_size = size;
            def.value_type = Default::default();
            def.data = None;
        }
        def.max_entries = self.max_entries.unwrap_or(def.max_entries);
        def.flags = self.flags.unwrap_or(def.flags);
    }
}

/// What is wrong with the text of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MapChangeError {
    /// There is no `=` after the name.
    NoName,
    /// A word is neither a map type nor `key`, `value`, `entries`, `flags` or `create` with a value.
    Word,
    /// A value is no number, or for `create` neither `yes` nor `no`.
    Value,
}

impl fmt::Display for MapChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MapChangeError::NoName => "expected NAME=CHANGES, or the number of a descriptor for NAME",
            MapChangeError::Word => {
                "expected a map type, key:N, value:N, entries:N, flags:N or create:yes, with commas between"
            }
            MapChangeError::Value => "expected a number, or yes or no for create",
        })
    }
}

impl std::error::Error for MapChangeError {}

impl FromStr for MapChange {
    type Err = MapChangeError;

    /// Reads `NAME=hash,key:4,value:8,entries:100,flags:1`; for a map that stands behind a
    /// descriptor in the instructions, its number is the name.
    ///
    /// ```
    /// use oxbpf::object::{MapChange, MapName};
    /// let change: MapChange = "3=array,key:4,value:8,entries:0x10".parse().unwrap();
    /// assert_eq!((change.map, change.max_entries), (MapName::Fd(3), Some(16)));
    /// assert!("3".parse::<MapChange>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<MapChange, MapChangeError> {
        let (name, words) =
            text.split_once('=').filter(|(n, _)| !n.is_empty()).ok_or(MapChangeError::NoName)?;
        let map = name.parse().map_or_else(|_| MapName::Name(name.to_owned()), MapName::Fd);
        let mut change = MapChange::new(map);
        for word in words.split(',') {
            if let Some(map_type) = MapType::from_name(word) {
                change.map_type = Some(map_type);
                continue;
            }
            let (key, value) = word.split_once(':').ok_or(MapChangeError::Word)?;
            let number = || match value.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).map_err(|_| MapChangeError::Value),
                None => value.parse().map_err(|_| MapChangeError::Value),
            };
            match key {
                "key" => change.key_size = Some(number()?),
                "value" => change.value_size = Some(number()?),
                "entries" => change.max_entries = Some(number()?),
                "flags" => change.flags = Some(number()?),
                "create" => {
                    change.autocreate = Some(match value {
                        "yes" => true,
                        "no" => false,
                        _ => return Err(MapChangeError::Value),
                    });
                }
                _ => return Err(MapChangeError::Word),
            }
        }
        Ok(change)
    }
}

impl LoadOptions<'_> {
    /// What the caller says a program is for: its name counts more than its section.
    pub(super) fn kind_of(&self, program: &str, section: &str) -> Option<ProgramKind> {
        let named = |name: &str| self.kinds.iter().find(|(n, _)| n == name);
        named(program).or_else(|| named(section)).or_else(|| named("")).map(|(_, kind)| kind.clone())
    }

    /// The map that the caller puts in place of a file descriptor.
    pub(super) fn map_of_fd(&self, fd: i32) -> Option<MapDef> {
        let change = self.maps.iter().find(|c| c.map == MapName::Fd(fd))?;
        let mut def = MapDef { name: format!("fd{fd}"), max_entries: 1, ..MapDef::default() };
        change.apply(&mut def);
        Some(def)
    }
}
