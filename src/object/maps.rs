//! The maps of an object: declared through BTF in `.maps`, in the old way in `maps`, global data,
//! values of externs, and structs of kernel callbacks.
//!
//! Follows `bpf_object__init_maps` of libbpf 1.7, with one addition: the section `maps` of the time
//! before BTF, which libbpf gave up, is still read. Whether the kernel would create a map is asked
//! later, when a kernel is known.

use super::elf::{Elf, SectionKind};
use super::error::{MapProblem, ObjectError, SectionProblem};
use super::externs::{Extern, KCONFIG, kconfig_size};
use super::map_def::{self, PAGE, round_ring};
use oxbpf_isa::btf::{Btf, Datasec, Kind, Linkage, SecVar, Type, TypeId};
use oxbpf_isa::insn::ByteOrder;
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::{MapDef, StructOps};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the definition of a map comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapSource {
    /// `.maps`, or `maps` of old.
    Declared,
    /// `.data*`.
    Data,
    /// `.rodata*`: frozen, and read-only to the program.
    Rodata,
    /// `.bss*`.
    Bss,
    /// The values of `.kconfig` externs.
    Kconfig,
    /// `.struct_ops*`.
    StructOps,
}

/// A map of an object.
#[derive(Clone, Debug)]
pub struct ObjectMap {
    pub def: MapDef,
    pub source: MapSource,
    /// The section and the offset in it that relocations name it by.
    pub section: usize,
    pub offset: u64,
    /// Created unless asked otherwise; not so in `?.struct_ops`.
    pub autocreate: bool,
    /// Bytes from the start of the variable to its initial elements.
    pub(super) values: Option<u64>,
}

const DATA_SECTIONS: [(&str, MapSource); 3] =
    [(".data", MapSource::Data), (".rodata", MapSource::Rodata), (".bss", MapSource::Bss)];

/// The section of an arena's variables.
pub(super) const ARENA_SECTION: &str = ".addr_space.1";

/// uapi `BPF_F_*` of map creation that loaders set themselves.
const F_RDONLY_PROG: u32 = 1 << 7;
const F_MMAPABLE: u32 = 1 << 10;
const F_LINK: u32 = 1 << 13;

/// Maps by the place that relocations name them by.
pub(super) struct MapIndex(BTreeMap<(usize, u64), usize>);

impl MapIndex {
    pub fn new(maps: &[ObjectMap]) -> MapIndex {
        let place = |(index, m): (usize, &ObjectMap)| ((m.section, m.offset), index);
        MapIndex(maps.iter().enumerate().filter(|(_, m)| m.section != 0).map(place).collect())
    }

    /// The map that begins at this offset.
    pub fn at(&self, section: usize, offset: u64) -> Option<usize> {
        self.0.get(&(section, offset)).copied()
    }

    /// The last map that begins at or before this offset.
    pub fn before(&self, section: usize, offset: u64) -> Option<usize> {
        let (&(found, _), &map) = self.0.range(..=(section, offset)).next_back()?;
        (found == section).then_some(map)
    }
}

/// What maps are found in.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub elf: &'a Elf,
    pub bytes: &'a [u8],
    /// With offsets and sizes of sections filled in.
    pub btf: Option<&'a Arc<Btf>>,
    /// The object's name, which becomes part of the names of data maps.
    pub name: &'a str,
}

impl<'a> Source<'a> {
    fn data(self, index: usize) -> &'a [u8] {
        &self.bytes[self.elf.sections[index].range.clone()]
    }

    fn error(self, index: usize, problem: SectionProblem) -> ObjectError {
        ObjectError::Section { section: self.elf.sections[index].name.clone(), offset: 0, problem }
    }

    /// The types of the variables in a section.
    fn datasec(self, index: usize) -> Result<(&'a Arc<Btf>, Datasec<'a>), ObjectError> {
        let no_types = || self.error(index, SectionProblem::NoTypes);
        let btf = self.btf.ok_or_else(no_types)?;
        match btf.find(&self.elf.sections[index].name, Kind::Datasec).and_then(|id| btf.ty(id)) {
            Some(Type::Datasec(datasec)) => Ok((btf, datasec)),
            _ => Err(no_types()),
        }
    }
}

/// Finds all maps, in the order in which libbpf numbers them.
pub(super) fn find(source: Source<'_>, externs: &[Extern]) -> Result<Vec<ObjectMap>, ObjectError> {
    let mut maps = Vec::new();
    for (index, section) in source.elf.sections.iter().enumerate() {
        match section.name.as_str() {
            ".maps" if section.kind == SectionKind::Data => declared(source, index, &mut maps)?,
            "maps" if section.kind == SectionKind::Data => legacy(source, index, &mut maps)?,
            _ => {}
        }
    }
    arena(source, &mut maps)?;
    for (index, section) in source.elf.sections.iter().enumerate() {
        if let Some(kind) = data_source(&section.name, section.kind).filter(|_| section.size > 0) {
            maps.push(global_data(source, index, kind)?);
        }
    }
    if let size @ 1.. = kconfig_size(externs) {
        let mut def = data_map(source, KCONFIG, size);
        def.flags |= F_RDONLY_PROG;
        def.frozen = true;
        maps.push(ObjectMap {
            def,
            source: MapSource::Kconfig,
            section: 0,
            offset: 0,
            autocreate: true,
            values: None,
        });
    }
    for (index, section) in source.elf.sections.iter().enumerate() {
        let name = section.name.strip_prefix('?').unwrap_or(&section.name);
        if matches!(name, ".struct_ops" | ".struct_ops.link") && section.kind == SectionKind::Data {
            struct_ops(source, index, &mut maps)?;
        }
    }
    Ok(maps)
}

/// What a section of this name and kind is to data maps.
pub(super) fn data_source(name: &str, kind: SectionKind) -> Option<MapSource> {
    let is = |prefix: &str| name.strip_prefix(prefix).is_some_and(|r| r.is_empty() || r.starts_with('.'));
    let (_, source) = DATA_SECTIONS.into_iter().find(|(prefix, _)| is(prefix))?;
    let expected = if source == MapSource::Bss { SectionKind::Zero } else { SectionKind::Data };
    (kind == expected).then_some(source)
}

/// The map of a section of global data.
fn global_data(source: Source<'_>, index: usize, kind: MapSource) -> Result<ObjectMap, ObjectError> {
    let section = &source.elf.sections[index];
    let size = u32::try_from(section.size)
        .map_err(|_| source.error(index, SectionProblem::TooLarge { size: section.size }))?;
    let mut def = data_map(source, &section.name, size);
    if kind != MapSource::Bss {
        def.data = Some(source.data(index).into());
    }
    if kind == MapSource::Rodata {
        def.flags |= F_RDONLY_PROG;
        def.frozen = true;
    }
    Ok(ObjectMap { def, source: kind, section: index, offset: 0, autocreate: true, values: None })
}

/// A map that holds the bytes of a section as its one value.
fn data_map(source: Source<'_>, section: &str, size: u32) -> MapDef {
    let datasec = source.btf.and_then(|b| Some((b, b.find(section, Kind::Datasec)?)));
    // Only variables that other files may see are worth mapping into user space.
    let is_visible = |v: SecVar, btf: &Btf| {
        matches!(btf.ty(v.var), Some(Type::Var { linkage: Linkage::Global | Linkage::Extern, .. }))
    };
    let mmapable = datasec.is_some_and(|(btf, id)| match btf.ty(id) {
        Some(Type::Datasec(d)) => d.vars().any(|v| is_visible(v, btf)),
        _ => false,
    });
    MapDef {
        name: data_map_name(source.name, section),
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: size,
        max_entries: 1,
        flags: if mmapable { F_MMAPABLE } else { 0 },
        value_type: datasec.map_or(TypeId::VOID, |d| d.1),
        btf: datasec.map(|d| d.0.clone()),
        ..MapDef::default()
    }
}

/// The name the kernel sees: as much of the object's name as fits before the section's (libbpf
/// `internal_map_name`).
fn data_map_name(object: &str, section: &str) -> String {
    const MAX: usize = 15;
    let suffix = section.len().clamp(7, MAX);
    let is_custom = section.chars().skip(1).any(|c| c == '.');
    let prefix = if is_custom { 0 } else { MAX - suffix };
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' };
    object.chars().take(prefix).chain(section.chars().take(suffix)).map(clean).collect()
}

/// Maps of `.maps`: one per variable of the section's BTF.
fn declared(source: Source<'_>, index: usize, maps: &mut Vec<ObjectMap>) -> Result<(), ObjectError> {
    let size = source.elf.sections[index].size;
    let (btf, datasec) = source.datasec(index)?;
    let mut free = 0;
    for var in datasec.vars() {
        let Some(Type::Var { name, ty, linkage }) = btf.ty(var.var) else {
            return Err(source.error(index, SectionProblem::NotVariable { id: var.var }));
        };
        let err = |problem| ObjectError::Map { map: name.to_owned(), problem };
        let (offset, len) = (var.offset as u64, var.size as u64);
        if offset < free || len == 0 || offset + len > size {
            return Err(err(MapProblem::Outside { offset, size: len }));
        }
        free = offset + len;
        if linkage != Linkage::Global || name.is_empty() {
            return Err(err(MapProblem::NotGlobal));
        }
        let Some((_, Type::Struct(def))) = btf.resolved(ty) else { return Err(err(MapProblem::NotStruct)) };
        if def.size > var.size {
            return Err(err(MapProblem::Outside { offset, size: def.size as u64 }));
        }
        let last = def.members().last().filter(|m| m.name == "values");
        let values = last.map(|m| m.bit_offset as u64 / 8);
        let def = map_def::parse(btf, name, def, true).map_err(err)?;
        let source = MapSource::Declared;
        maps.push(ObjectMap { def, source, section: index, offset, autocreate: true, values });
    }
    Ok(())
}

/// Gives the arena, of which there is at most one, the bytes of its variables.
fn arena(source: Source<'_>, maps: &mut [ObjectMap]) -> Result<(), ObjectError> {
    let mut arenas = maps.iter_mut().filter(|m| m.def.kind() == Some(MapType::Arena));
    let found = arenas.next();
    if let Some(second) = arenas.next() {
        return Err(ObjectError::Map { map: second.def.name.clone(), problem: MapProblem::SecondArena });
    }
    let is_data = |s: &super::Section| s.name == ARENA_SECTION && s.kind == SectionKind::Data && s.size > 0;
    let Some(index) = source.elf.sections.iter().position(is_data) else { return Ok(()) };
    let arena = found.ok_or_else(|| source.error(index, SectionProblem::NoArena))?;
    let (data, room) = (source.data(index), arena.def.max_entries as u64 * PAGE as u64);
    if (data.len() as u64).next_multiple_of(PAGE as u64) > room {
        let problem = MapProblem::Outside { offset: 0, size: data.len() as u64 };
        return Err(ObjectError::Map { map: arena.def.name.clone(), problem });
    }
    arena.def.data = Some(data.into());
    Ok(())
}

/// Maps of `maps`: five numbers or more per symbol, as before BTF.
fn legacy(source: Source<'_>, index: usize, maps: &mut Vec<ObjectMap>) -> Result<(), ObjectError> {
    let data = source.data(index);
    for symbol in source.elf.symbols.iter().filter(|s| s.section == Some(index) && !s.name.is_empty()) {
        let word = |n: u64| {
            let at = usize::try_from(symbol.value.checked_add(n * 4)?).ok()?;
            let word = *data.get(at..)?.first_chunk()?;
            Some(match source.elf.order {
                ByteOrder::Little => u32::from_le_bytes(word),
                ByteOrder::Big => u32::from_be_bytes(word),
            })
        };
        let (Some(map_type), Some(key_size), Some(value_size), Some(max_entries)) =
            (word(0), word(1), word(2), word(3))
        else {
            let problem = MapProblem::Outside { offset: symbol.value, size: 16 };
            return Err(ObjectError::Map { map: symbol.name.clone(), problem });
        };
        let mut def = MapDef {
            name: symbol.name.clone(),
            map_type,
            key_size,
            value_size,
            max_entries,
            flags: if symbol.size >= 20 { word(4).unwrap_or(0) } else { 0 },
            ..MapDef::default()
        };
        round_ring(&mut def);
        let source = MapSource::Declared;
        maps.push(ObjectMap {
            def,
            source,
            section: index,
            offset: symbol.value,
            autocreate: true,
            values: None,
        });
    }
    Ok(())
}

/// Structs of kernel callbacks: one map per variable of a `.struct_ops*` section.
fn struct_ops(source: Source<'_>, index: usize, maps: &mut Vec<ObjectMap>) -> Result<(), ObjectError> {
    let section = &source.elf.sections[index];
    let bytes = source.data(index);
    let (btf, datasec) = source.datasec(index)?;
    let mut free = 0;
    for var in datasec.vars() {
        let Some(Type::Var { name, ty, .. }) = btf.ty(var.var) else {
            return Err(source.error(index, SectionProblem::NotVariable { id: var.var }));
        };
        let err = |problem| ObjectError::Map { map: name.to_owned(), problem };
        let Some((type_id, Type::Struct(ops))) = btf.resolved(ty) else {
            return Err(err(MapProblem::NotStruct));
        };
        if ops.name.is_empty() {
            return Err(err(MapProblem::Anonymous));
        }
        let (offset, size) = (var.offset as usize, ops.size as usize);
        let data = bytes.get(offset..).and_then(|b| b.get(..size)).filter(|_| offset >= free && size > 0);
        free = offset + size;
        let outside = MapProblem::Outside { offset: offset as u64, size: size as u64 };
        let def = MapDef {
            name: name.to_owned(),
            map_type: MapType::StructOps.number(),
            key_size: 4,
            value_size: ops.size,
            max_entries: 1,
            flags: if section.name.ends_with(".link") { F_LINK } else { 0 },
            value_type: type_id,
            btf: Some(btf.clone()),
            data: Some(data.ok_or(err(outside))?.into()),
            struct_ops: Some(StructOps { type_name: ops.name.to_owned(), members: Vec::new() }),
            ..MapDef::default()
        };
        let autocreate = !section.name.starts_with('?');
        let source = MapSource::StructOps;
        maps.push(ObjectMap { def, source, section: index, offset: offset as u64, autocreate, values: None });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_maps_are_named_as_libbpf_names_them() {
        for (object, section, name) in [
            ("my_object_name", ".rodata", "my_objec.rodata"),
            ("my_object_name", ".bss", "my_objec.bss"),
            ("my_object_name", ".kconfig", "my_obje.kconfig"),
            ("my_object_name", ".rodata.abracadabra", ".rodata.abracad"),
            ("a-b", ".data", "a_b.data"),
            ("", ".data", ".data"),
        ] {
            assert_eq!(data_map_name(object, section), name);
        }
    }
}
