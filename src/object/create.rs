//! Maps as they are handed to the kernel: what libbpf changes of a definition for this, and what
//! the kernel asks of it.
//!
//! Follows `bpf_object__create_map` and `map_set_def_max_entries` of libbpf 1.7; what the kernel
//! asks stands among its facts. Memory and the machine's limits are not judged.

use super::error::{CreateProblem, PrepareError};
use super::map_def::{PAGE, round_ring};
use super::maps::ObjectMap;
use super::options::{LoadOptions, MapName};
use oxbpf_isa::btf::TypeId;
use oxbpf_isa::kernel::{KernelModel, MapCondition, MapNeed, MapType};
use oxbpf_isa::program::MapDef;

/// Bits of map creation that the conditions speak of.
mod flag {
    pub const NO_PREALLOC: u32 = 1 << 0;
    pub const NO_COMMON_LRU: u32 = 1 << 1;
    pub const NUMA_NODE: u32 = 1 << 2;
    pub const STACK_BUILD_ID: u32 = 1 << 5;
    pub const MMAPABLE: u32 = 1 << 10;
}

/// The definitions as the caller and the loader change them, and whether each map will be created.
///
/// # Errors
/// A map that the kernel would refuse, and a change of a map that does not exist.
pub(super) fn definitions(
    maps: &[ObjectMap],
    options: &LoadOptions<'_>,
) -> Result<Vec<(MapDef, bool)>, PrepareError> {
    let mut defs: Vec<(MapDef, bool)> = maps.iter().map(|m| (m.def.clone(), m.autocreate)).collect();
    for change in options.maps {
        let MapName::Name(name) = &change.map else { continue };
        let found = defs.iter_mut().find(|(def, _)| def.name == *name);
        let (def, autocreate) = found.ok_or_else(|| PrepareError::NoMap { name: name.clone() })?;
        change.apply(def);
        round_ring(def);
        *autocreate = change.autocreate.unwrap_or(*autocreate);
    }
    for (def, autocreate) in &mut defs {
        finish(def, options.cpus.max(1));
        if let Some(inner) = &mut def.inner {
            finish(inner, options.cpus.max(1));
        }
        if let Some(kernel) = options.kernel.filter(|_| *autocreate) {
            let inner = def.inner.as_deref().map_or(Ok(()), |inner| check(inner, kernel, options.cpus));
            inner
                .and_then(|()| check(def, kernel, options.cpus))
                .map_err(|problem| PrepareError::Map { map: def.name.clone(), problem })?;
        }
    }
    Ok(defs)
}

/// Perf event arrays without a size have an entry per processor; the kernel does not take types
/// for some kinds of maps, so they are not handed to it.
fn finish(def: &mut MapDef, cpus: u32) {
    let Some(kind) = def.kind() else { return };
    if kind == MapType::PerfEventArray && def.max_entries == 0 {
        def.max_entries = cpus;
    }
    use MapType::*;
    if matches!(
        kind,
        PerfEventArray
            | CgroupArray
            | StackTrace
            | ArrayOfMaps
            | HashOfMaps
            | Devmap
            | DevmapHash
            | Cpumap
            | Xskmap
            | Sockmap
            | Sockhash
            | Queue
            | Stack
            | Arena
    ) {
        (def.key_type, def.value_type) = (TypeId::VOID, TypeId::VOID);
    }
}

/// Whether the kernel would create the map.
pub(super) fn check(def: &MapDef, kernel: &KernelModel, cpus: u32) -> Result<(), CreateProblem> {
    let unknown = CreateProblem::Type { number: def.map_type };
    let kind = def.kind().ok_or(unknown)?;
    // A kernel without any record of maps says nothing of them.
    let Some(record) = kernel.map(kind) else {
        let knows_maps = kernel.map(MapType::Array).is_some();
        return if knows_maps { Err(unknown) } else { Ok(()) };
    };
    let number = |field, value, need: MapNeed| match need.need.met_by(value, PAGE) {
        true => Ok(()),
        false => Err(CreateProblem::Number { field, value, need: need.need }),
    };
    // The kernel takes the size of a struct of callbacks from its own type.
    if kind != MapType::StructOps {
        number("value_size", def.value_size, record.value_size)?;
    }
    number("key_size", def.key_size, record.key_size)?;
    number("max_entries", def.max_entries, record.max_entries)?;
    let flags = def.flags & !record.create_flags.bits();
    if flags != 0 {
        return Err(CreateProblem::Flags { flags });
    }
    let has_extra =
        |c: &MapCondition| matches!(c, MapCondition::ExtraIsHashCount | MapCondition::ExtraIsAddress);
    if def.map_extra != 0 && !record.conditions.iter().any(has_extra) {
        return Err(CreateProblem::Extra);
    }
    match record.conditions.iter().find(|c| !is_met(**c, def, kind, cpus)) {
        Some(condition) => Err(CreateProblem::Condition(*condition)),
        None => Ok(()),
    }
}

/// Whether a condition is met; one that cannot be told from the definition counts as met.
fn is_met(condition: MapCondition, def: &MapDef, kind: MapType, cpus: u32) -> bool {
    let has = |flag: u32| def.flags & flag != 0;
    match condition {
        MapCondition::NeedsBtf => def.btf.is_some() && def.value_type != TypeId::VOID,
        MapCondition::NeedsNoPrealloc => has(flag::NO_PREALLOC),
        MapCondition::NeedsMmapable => has(flag::MMAPABLE),
        MapCondition::NeedsInnerMap => def.inner.is_some(),
        MapCondition::LruFlags => {
            !has(flag::NO_COMMON_LRU)
                || matches!(kind, MapType::LruHash | MapType::LruPercpuHash) && !has(flag::NUMA_NODE)
        }
        MapCondition::ExtraIsHashCount => def.map_extra <= 15,
        MapCondition::ExtraIsAddress => def.map_extra.is_multiple_of(PAGE as u64),
        MapCondition::FrameSizeByFlag => {
            let frame = if has(flag::STACK_BUILD_ID) { 32 } else { 8 };
            def.value_size >= frame && def.value_size.is_multiple_of(frame)
        }
        MapCondition::AtMostCpus => cpus == 0 || def.max_entries <= cpus,
        _ => true,
    }
}
