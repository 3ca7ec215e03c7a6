//! The struct that defines a map in `.maps`: each member's type says one number or type.
//!
//! Follows `parse_btf_map_def` of libbpf 1.7, and what libbpf changes of a definition by itself.

use super::error::MapProblem;
use oxbpf_isa::btf::{Btf, Composite, Type, TypeId};
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::MapDef;
use std::sync::Arc;

/// Bytes of a page, as on every machine whose kernels are modelled.
pub(super) const PAGE: u32 = 4096;

/// There are thirteen fields that a definition may have.
const MAX_FIELDS: usize = 13;

/// Reads the definition of a map, or of the inner map of `outer`.
pub(super) fn parse(
    btf: &Arc<Btf>,
    name: &str,
    def: Composite<'_>,
    outer: bool,
) -> Result<MapDef, MapProblem> {
    let mut map = MapDef { name: name.to_owned(), btf: Some(btf.clone()), ..MapDef::default() };
    if def.len() > MAX_FIELDS {
        return Err(MapProblem::TooManyFields { fields: def.len() });
    }
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
                let (ty, size) = typed_size(btf, m.ty, "key")?;
                set("key_size", &mut map.key_size, size)?;
                map.key_type = ty;
            }
            "value" => {
                let (ty, size) = typed_size(btf, m.ty, "value")?;
                set("value_size", &mut map.value_size, size)?;
                map.value_type = ty;
            }
            "values" if !outer => return Err(MapProblem::NestedInner),
            "values" if nth != last => return Err(MapProblem::ValuesNotLast),
            "values" => {
                map.inner = values(btf, name, m.ty, map.kind())?.map(Box::new);
                set("value_size", &mut map.value_size, 4)?;
            }
            "pinning" if !outer => return Err(MapProblem::NestedInner),
            "pinning" => {
                map.pinned = match number("pinning")? {
                    0 => false,
                    1 => true,
                    value => return Err(MapProblem::Pinning { value }),
                };
            }
            "map_extra" => {
                map.map_extra = wide_number(btf, m.ty).ok_or(MapProblem::FieldForm { field: "map_extra" })?;
            }
            field => return Err(MapProblem::UnknownField { field: field.to_owned() }),
        }
    }
    if map.map_type == 0 {
        return Err(MapProblem::NoType);
    }
    round_ring(&mut map);
    Ok(map)
}

/// Ring buffers grow to the next power of two of pages (libbpf `adjust_ringbuf_sz`); where there is
/// none, and where no size is given, the kernel refuses the map.
pub(super) fn round_ring(map: &mut MapDef) {
    if !matches!(map.kind(), Some(MapType::Ringbuf | MapType::UserRingbuf)) || map.max_entries == 0 {
        return;
    }
    let pages = map.max_entries.div_ceil(PAGE).checked_next_power_of_two();
    if let Some(size) = pages.and_then(|pages| pages.checked_mul(PAGE)) {
        map.max_entries = size;
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
    let (_, Type::Ptr(array)) = btf.resolved(ty)? else { return None };
    match btf.ty(array)? {
        Type::Array { len, .. } => Some(len),
        _ => None,
    }
}

/// `__uint(name, n)`, or `__ulong(name, n)`: an enumeration whose only value is the number.
fn wide_number(btf: &Btf, ty: TypeId) -> Option<u64> {
    match btf.resolved(ty)?.1 {
        Type::Ptr(_) => pointed_len(btf, ty).map(u64::from),
        Type::Enum(e) if e.values().len() == 1 => {
            let (_, value) = e.values().next()?;
            // A value of 32 bits is read as a C int, whatever its signedness.
            Some(if e.wide { value as u64 } else { value as i32 as i64 as u64 })
        }
        _ => None,
    }
}

/// `__type(name, T)`: a pointer to the type.
fn typed_size(btf: &Btf, ty: TypeId, field: &'static str) -> Result<(TypeId, u32), MapProblem> {
    let Some(Type::Ptr(target)) = btf.ty(ty) else { return Err(MapProblem::FieldForm { field }) };
    let size = btf.size_of(target).ok_or(MapProblem::Size { field, ty: target })?;
    Ok((target, size))
}

/// `__array(values, T)`: an array of pointers to what the elements are.
fn values(
    btf: &Arc<Btf>,
    name: &str,
    ty: TypeId,
    kind: Option<MapType>,
) -> Result<Option<MapDef>, MapProblem> {
    if !matches!(kind, Some(MapType::ProgArray | MapType::ArrayOfMaps | MapType::HashOfMaps)) {
        return Err(MapProblem::ValuesOfOther);
    }
    let form = MapProblem::FieldForm { field: "values" };
    let Some(Type::Array { elem, len: 0, .. }) = btf.ty(ty) else { return Err(form) };
    let Some((_, Type::Ptr(target))) = btf.resolved(elem) else { return Err(form) };
    match (kind, btf.resolved(target)) {
        (Some(MapType::ProgArray), Some((_, Type::FuncProto(_)))) => Ok(None),
        (Some(MapType::ArrayOfMaps | MapType::HashOfMaps), Some((_, Type::Struct(def)))) => {
            parse(btf, &format!("{name}.inner"), def, false).map(Some)
        }
        _ => Err(form),
    }
}
