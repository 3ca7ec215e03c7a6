//! What programs are prepared for, and what the caller says in place of the object.

use super::kconfig::Kconfig;
use super::kind::ProgramKind;
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::kernel::{KernelModel, MapType};
use oxbpf_isa::program::MapDef;
use std::collections::BTreeMap;

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
