//! The maps of an object: declared through BTF in `.maps`, in the old way in `maps`, global data,
//! and structs of kernel callbacks.
//!
//! Follows `parse_btf_map_def` and `bpf_object__init_maps` of libbpf 1.7, and what libbpf changes
//! of a definition before it creates the map.

use super::elf::{Elf, SectionKind};
use super::error::{MapProblem, ObjectError, SectionProblem};
use oxbpf_isa::btf::{Btf, Composite, Kind, Linkage, Type, TypeId};
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::{MapDef, StructOps};
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
}

/// The type of the first value, when it is declared in BTF.
pub(super) const DATA_SECTIONS: [(&str, MapSource); 3] =
    [(".data", MapSource::Data), (".rodata", MapSource::Rodata), (".bss", MapSource::Bss)];

/// The section of an arena's variables.
pub(super) const ARENA_SECTION: &str = ".addr_space.1";

/// uapi `BPF_F_*` of map creation that loaders set themselves.
pub(super) const F_RDONLY_PROG: u32 = 1 << 7;
const F_MMAPABLE: u32 = 1 << 10;
const F_LINK: u32 = 1 << 13;

/// Finds all maps, in the order in which libbpf numbers them. `object` is the object's name, which
/// becomes part of the names of data maps.
pub(super) fn find(
    elf: &Elf,
    bytes: &[u8],
    btf: Option<&Arc<Btf>>,
    object: &str,
) -> Result<Vec<ObjectMap>, ObjectError> {
    let mut maps = Vec::new();
    for (index, section) in elf.sections.iter().enumerate() {
        match section.name.as_str() {
            ".maps" if section.kind == SectionKind::Data => declared(elf, btf, index, &mut maps)?,
            "maps" if section.kind == SectionKind::Data => legacy(elf, bytes, index, &mut maps)?,
            _ => {}
        }
    }
    for (index, section) in elf.sections.iter().enumerate() {
        let Some(source) = data_source(&section.name, section.kind) else { continue };
        if section.size == 0 {
            continue;
        }
        let too_large = || ObjectError::Section {
            section: section.name.clone(),
            offset: 0,
            problem: SectionProblem::TooLarge { size: section.size },
        };
        let size = u32::try_from(section.size).ok().filter(|&s| s <= MAX_DATA).ok_or_else(too_large)?;
        let data = match source {
            MapSource::Bss => vec![0; size as usize],
            _ => bytes[section.range.clone()].to_vec(),
        };
        let mut def = data_map(&data_map_name(object, &section.name), size, btf, &section.name);
        def.data = Some(data.into());
        if source == MapSource::Rodata {
            def.flags |= F_RDONLY_PROG;
            def.frozen = true;
        }
        maps.push(ObjectMap { def, source, section: index, offset: 0, autocreate: true });
    }
    Ok(maps)
}

/// The most bytes of global data that are held; the kernel itself stops at what it can allocate.
const MAX_DATA: u32 = 1 << 30;

/// What a section of this name and kind is to data maps.
pub(super) fn data_source(name: &str, kind: SectionKind) -> Option<MapSource> {
    let is = |prefix: &str| name == prefix || name.strip_prefix(prefix).is_some_and(|r| r.starts_with('.'));
    let (_, source) = DATA_SECTIONS.into_iter().find(|(prefix, _)| is(prefix))?;
    let expected = if source == MapSource::Bss { SectionKind::Zero } else { SectionKind::Data };
    (kind == expected).then_some(source)
}

/// A map that holds the bytes of a section as its one value.
pub(super) fn data_map(name: &str, size: u32, btf: Option<&Arc<Btf>>, section: &str) -> MapDef {
    let value_type = btf.and_then(|b| b.find(section, Kind::Datasec)).unwrap_or_default();
    MapDef {
        name: name.to_owned(),
        map_type: MapType::Array.number(),
        key_size: 4,
        value_size: size,
        max_entries: 1,
        flags: F_MMAPABLE,
        value_type,
        btf: btf.filter(|_| value_type != TypeId::VOID).cloned(),
        ..MapDef::default()
    }
}

/// The name the kernel sees: as much of the object's name as fits before the section's (libbpf
/// `internal_map_name`).
fn data_map_name(object: &str, section: &str) -> String {
    const NAME_LEN: usize = 16;
    let suffix = section.len().max(7);
    let name = if section[1..].contains('.') {
        section.chars().take(NAME_LEN - 1).collect::<String>()
    } else {
        let prefix = object.len().min((NAME_LEN - 1).saturating_sub(suffix));
        format!("{}{}", object.get(..prefix).unwrap_or(""), section)
    };
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '_' }).collect()
}

/// Maps of `.maps`: one per variable of the section's BTF.
fn declared(
    elf: &Elf,
    btf: Option<&Arc<Btf>>,
    index: usize,
    maps: &mut Vec<ObjectMap>,
) -> Result<(), ObjectError> {
    let section = &elf.sections[index];
    let no_types =
        ObjectError::Section { section: section.name.clone(), offset: 0, problem: SectionProblem::NoTypes };
    let Some(btf) = btf else { return Err(no_types) };
    let Some(Type::Datasec(datasec)) = btf.find(".maps", Kind::Datasec).and_then(|id| btf.ty(id)) else {
        return Err(no_types);
    };
    for var in datasec.vars() {
        let Some(Type::Var { name, ty, linkage }) = btf.ty(var.var) else { return Err(no_types) };
        let err = |problem| ObjectError::Map { map: name.to_owned(), problem };
        let (offset, size) = match place(elf, index, name) {
            Some(place) => place,
            None => (var.offset as u64, var.size as u64),
        };
        if offset.checked_add(size).is_none_or(|e| e > section.size) {
            return Err(err(MapProblem::Outside { offset, size }));
        }
        if linkage != Linkage::Global {
            return Err(err(MapProblem::NotGlobal));
        }
        let Some((_, Type::Struct(def))) = btf.resolved(ty) else { return Err(err(MapProblem::NotStruct)) };
        let mut def = parse_def(btf, def, false).map_err(err)?;
        def.name = name.to_owned();
        maps.push(ObjectMap { def, source: MapSource::Declared, section: index, offset, autocreate: true });
    }
    Ok(())
}

/// Where the variable of this name stands, by the symbol table: BTF of compilers leaves it open.
fn place(elf: &Elf, section: usize, name: &str) -> Option<(u64, u64)> {
    let symbol = elf.symbols.iter().find(|s| s.section == Some(section) && s.name == name)?;
    Some((symbol.value, symbol.size))
}

/// Reads the struct that defines a map.
fn parse_def(btf: &Arc<Btf>, def: Composite<'_>, inner: bool) -> Result<MapDef, MapProblem> {
    let mut map = MapDef { btf: Some(btf.clone()), ..MapDef::default() };
    let last = def.len().saturating_sub(1);
    for (nth, m) in def.members().enumerate() {
        let number = |field| pointed_len(btf, m.ty).ok_or(MapProblem::FieldForm { field });
        match m.name {
            "type" => map.map_type = number("type")?,
            "max_entries" => map.max_entries = number("max_entries")?,
            "map_flags" => map.flags = number("map_flags")?,
            "numa_node" => map.numa_node = number("numa_node")?,
            "key_size" => set("key_size", &mut map.key_size, number("key_size")?)?,
            "value_size" => set("value_size", &mut map.value_size, number("value_size")?)?,
            "key" => {
                (map.key_type, _) = typed_size(btf, m.ty, "key").and_then(|(ty, size)| {
                    set("key_size", &mut map.key_size, size)?;
                    Ok((ty, size))
                })?;
            }
            "value" => {
                let (ty, size) = typed_size(btf, m.ty, "value")?;
                set("value_size", &mut map.value_size, size)?;
                map.value_type = ty;
            }
            "values" => {
                if inner {
                    return Err(MapProblem::NestedInner);
                }
                if nth != last {
                    return Err(MapProblem::ValuesNotLast);
                }
                set("value_size", &mut map.value_size, 4)?;
                map.inner = values(btf, m.ty, map.kind())?.map(Box::new);
            }
            "pinning" => {
                if inner {
                    return Err(MapProblem::NestedInner);
                }
                map.pinned = match number("pinning")? {
                    0 => false,
                    1 => true,
                    value => return Err(MapProblem::Pinning { value }),
                };
            }
            "map_extra" => {
                map.map_extra = wide_number(btf, m.ty).ok_or(MapProblem::FieldForm { field: "map_extra" })?
            }
            field => return Err(MapProblem::UnknownField { field: field.to_owned() }),
        }
    }
    if map.map_type == 0 {
        return Err(MapProblem::NoType);
    }
    adjust(&mut map);
    Ok(map)
}

/// What libbpf changes of a definition: ring buffers grow to a power of two of pages, perf event
/// arrays without a size get one entry per CPU when they are created.
fn adjust(map: &mut MapDef) {
    const PAGE: u32 = 4096;
    if matches!(map.kind(), Some(MapType::Ringbuf | MapType::UserRingbuf)) && map.max_entries != 0 {
        let is_valid = map.max_entries.is_multiple_of(PAGE) && (map.max_entries / PAGE).is_power_of_two();
        if !is_valid {
            let larger = map.max_entries.div_ceil(PAGE).checked_next_power_of_two();
            if let Some(size) = larger.and_then(|pages| pages.checked_mul(PAGE)) {
                map.max_entries = size;
            }
        }
    }
}

fn set(field: &'static str, slot: &mut u32, size: u32) -> Result<(), MapProblem> {
    if *slot != 0 && *slot != size {
        return Err(MapProblem::Conflict { field, first: *slot, second: size });
    }
    *slot = size;
    Ok(())
}

/// `__uint(name, n)`: a pointer to an array whose length is the number.
fn pointed_len(btf: &Btf, ty: TypeId) -> Option<u32> {
    let Type::Ptr(array) = btf.ty(btf.skip_modifiers(ty))? else { return None };
    match btf.ty(array)? {
        Type::Array { len, .. } => Some(len),
        _ => None,
    }
}

/// `__ulong(name, n)`: an enumeration whose first value is the number.
fn wide_number(btf: &Btf, ty: TypeId) -> Option<u64> {
    match btf.resolved(ty)? {
        (_, Type::Enum(e)) => e.values().next().map(|(_, value)| value as u64),
        _ => pointed_len(btf, ty).map(u64::from),
    }
}

/// `__type(name, T)`: a pointer to the type.
fn typed_size(btf: &Btf, ty: TypeId, field: &'static str) -> Result<(TypeId, u32), MapProblem> {
    let Some(Type::Ptr(target)) = btf.ty(ty) else { return Err(MapProblem::FieldForm { field }) };
    let size = btf.size_of(target).ok_or(MapProblem::Size { field, ty: target })?;
    Ok((target, size))
}

/// `__array(values, T)`: an array of pointers to what the elements are.
fn values(btf: &Arc<Btf>, ty: TypeId, kind: Option<MapType>) -> Result<Option<MapDef>, MapProblem> {
    let form = MapProblem::FieldForm { field: "values" };
    let Some(Type::Array { elem, len: 0, .. }) = btf.ty(ty) else { return Err(form) };
    let Some((_, Type::Ptr(target))) = btf.resolved(elem) else { return Err(form) };
    let (_, target) = btf.resolved(target).ok_or(form.clone())?;
    match (kind, target) {
        (Some(MapType::ProgArray), Type::FuncProto(_)) => Ok(None),
        (Some(MapType::ArrayOfMaps | MapType::HashOfMaps), Type::Struct(def)) => {
            parse_def(btf, def, true).map(Some)
        }
        (Some(MapType::ProgArray | MapType::ArrayOfMaps | MapType::HashOfMaps), _) => Err(form),
        _ => Err(MapProblem::ValuesOfOther),
    }
}

/// Maps of `maps`: five numbers or more per symbol, as before BTF.
fn legacy(elf: &Elf, bytes: &[u8], index: usize, maps: &mut Vec<ObjectMap>) -> Result<(), ObjectError> {
    let section = &elf.sections[index];
    let data = &bytes[section.range.clone()];
    for symbol in elf.symbols.iter().filter(|s| s.section == Some(index) && !s.name.is_empty()) {
        let word = |n: u64| {
            let at = usize::try_from(symbol.value.checked_add(n * 4)?).ok()?;
            let word = *data.get(at..)?.first_chunk()?;
            Some(match elf.order {
                oxbpf_isa::insn::ByteOrder::Little => u32::from_le_bytes(word),
                oxbpf_isa::insn::ByteOrder::Big => u32::from_be_bytes(word),
            })
        };
        let outside = MapProblem::Outside { offset: symbol.value, size: 20 };
        let (Some(map_type), Some(key_size), Some(value_size), Some(max_entries)) =
            (word(0), word(1), word(2), word(3))
        else {
            return Err(ObjectError::Map { map: symbol.name.clone(), problem: outside });
        };
        let flags = if symbol.size >= 20 { word(4).unwrap_or(0) } else { 0 };
        let mut def = MapDef {
            name: symbol.name.clone(),
            map_type,
            key_size,
            value_size,
            max_entries,
            flags,
            ..MapDef::default()
        };
        adjust(&mut def);
        let source = MapSource::Declared;
        maps.push(ObjectMap { def, source, section: index, offset: symbol.value, autocreate: true });
    }
    Ok(())
}

/// Structs of kernel callbacks: one map per variable of a `.struct_ops*` section.
pub(super) fn struct_ops(
    elf: &Elf,
    bytes: &[u8],
    btf: Option<&Arc<Btf>>,
    maps: &mut Vec<ObjectMap>,
) -> Result<(), ObjectError> {
    for (index, section) in elf.sections.iter().enumerate() {
        let (name, autocreate) = match section.name.strip_prefix('?') {
            Some(name) => (name, false),
            None => (section.name.as_str(), true),
        };
        if !matches!(name, ".struct_ops" | ".struct_ops.link") || section.kind != SectionKind::Data {
            continue;
        }
        let no_types = ObjectError::Section {
            section: section.name.clone(),
            offset: 0,
            problem: SectionProblem::NoTypes,
        };
        let Some(btf) = btf else { return Err(no_types) };
        let Some(Type::Datasec(datasec)) = btf.find(&section.name, Kind::Datasec).and_then(|id| btf.ty(id))
        else {
            return Err(no_types);
        };
        for var in datasec.vars() {
            let Some(Type::Var { name: variable, ty, .. }) = btf.ty(var.var) else { return Err(no_types) };
            let err = |problem| ObjectError::Map { map: variable.to_owned(), problem };
            let Some((type_id, Type::Struct(ops))) = btf.resolved(ty) else {
                return Err(err(MapProblem::NotStruct));
            };
            let offset = place(elf, index, variable).map_or(var.offset as u64, |p| p.0);
            let size = ops.size as u64;
            if offset.checked_add(size).is_none_or(|e| e > section.range.len() as u64) {
                return Err(err(MapProblem::Outside { offset, size }));
            }
            let data = &bytes[section.range.clone()][offset as usize..(offset + size) as usize];
            let def = MapDef {
                name: variable.to_owned(),
                map_type: MapType::StructOps.number(),
                key_size: 4,
                value_size: ops.size,
                max_entries: 1,
                flags: if name == ".struct_ops.link" { F_LINK } else { 0 },
                value_type: type_id,
                btf: Some(btf.clone()),
                data: Some(data.into()),
                struct_ops: Some(StructOps { type_name: ops.name.to_owned(), members: Vec::new() }),
                ..MapDef::default()
            };
            maps.push(ObjectMap { def, source: MapSource::StructOps, section: index, offset, autocreate });
        }
    }
    Ok(())
}
