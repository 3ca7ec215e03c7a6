//! The maps of a program, created in the kernel for as long as the program is asked about.

use super::sys::{Attr, Cmd, number};
use oxbpf::isa::btf::TypeId;
use oxbpf::isa::kernel::MapType;
use oxbpf::isa::program::MapDef;
use std::io;
use std::os::fd::OwnedFd;

/// Creates a map as a loader would, with the object's types where they are known.
pub(super) fn create(def: &MapDef, btf: Option<&OwnedFd>) -> io::Result<OwnedFd> {
    let inner = def.inner.as_deref().map(|inner| create(inner, btf)).transpose()?;
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    let max_entries = match def.kind() {
        Some(MapType::PerfEventArray) if def.max_entries == 0 => cpus,
        _ => def.max_entries,
    };
    let mut attr = Attr::new();
    attr.u32(0, def.map_type)
        .u32(4, def.key_size)
        .u32(8, def.value_size)
        .u32(12, max_entries)
        .u32(16, def.flags)
        .u32(20, inner.as_ref().map_or(0, number))
        .u32(24, def.numa_node)
        .name(28, &def.name)
        .u64(64, extra(def));
    let typed = takes_types(def.kind()) && (def.key_type, def.value_type) != (TypeId::VOID, TypeId::VOID);
    let fd = match btf.filter(|_| typed) {
        Some(btf) => {
            attr.u32(48, number(btf)).u32(52, def.key_type.0).u32(56, def.value_type.0);
            attr.open(Cmd::MapCreate)
                .or_else(|_| attr.u32(48, 0).u32(52, 0).u32(56, 0).open(Cmd::MapCreate))?
        }
        None => attr.open(Cmd::MapCreate)?,
    };
    if let Some(data) = &def.data
        && def.kind() == Some(MapType::Array)
    {
        let key = 0u32.to_ne_bytes();
        Attr::new().u32(0, number(&fd)).bytes(8, &key).bytes(16, data).call(Cmd::MapUpdate)?;
    }
    if def.frozen {
        Attr::new().u32(0, number(&fd)).call(Cmd::MapFreeze)?;
    }
    Ok(fd)
}

/// An arena needs an address in user space before a program is judged: loaders map it, and here one
/// that nothing else uses is named.
fn extra(def: &MapDef) -> u64 {
    const FREE: u64 = 1 << 44;
    match def.kind() {
        Some(MapType::Arena) if def.map_extra == 0 => FREE,
        _ => def.map_extra,
    }
}

/// Whether maps of this type may have types of key and value (libbpf `bpf_object__create_map`).
fn takes_types(kind: Option<MapType>) -> bool {
    use MapType::*;
    !matches!(
        kind,
        None | Some(
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
        )
    )
}
