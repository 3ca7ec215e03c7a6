//! Special fields of values and objects, found in their types.
//!
//! Rules: `btf_parse_fields` and what it calls in Linux 6.18, and the part of `map_check_btf` that
//! decides which maps may have which. Which structures and tags are special is a fact
//! ([`KernelModel::fields`]). A type that breaks a rule has no special fields at all: the kernel then
//! keeps the map without its types.

use alloc::rc::Rc;
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Kind, Type, TypeId};
use oxbpf_isa::kernel::{FieldKind, FieldRecord, FieldSign, KernelModel, MapCreateFlags, MapFlags, MapType};
use oxbpf_isa::program::{MapDef, Program};

/// Types are followed this deep (Linux `MAX_RESOLVE_DEPTH`).
const MAX_DEPTH: u32 = 32;

/// A special field at its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Field {
    pub kind: FieldKind,
    pub off: u32,
    pub size: u32,
    /// What a pointer points to, or what a list or tree is made of.
    pub target: TypeId,
    /// Where the node is in what a list or tree is made of.
    pub node_off: u32,
}

/// The special fields of a value or an object, by rising offset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

impl Fields {
    pub fn all(&self) -> &[Field] {
        &self.0
    }

    /// The field of this kind, of which there is at most one, or the first.
    pub fn get(&self, kind: FieldKind) -> Option<&Field> {
        self.0.iter().find(|f| f.kind == kind)
    }

    pub fn has(&self, kind: FieldKind) -> bool {
        self.get(kind).is_some()
    }

    pub fn has_lock(&self) -> bool {
        self.0.iter().any(|f| f.kind.is_lock())
    }

    /// Whether registers must tell instances of an inner map with such values apart.
    pub fn needs_uid(&self) -> bool {
        let of = |f: &Field| matches!(f.kind, FieldKind::Timer | FieldKind::Workqueue | FieldKind::TaskWork);
        self.0.iter().any(of)
    }
}

/// The type breaks a rule of special fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Broken;

/// Looks for those of `records` that `wanted` allows.
struct Search<'a> {
    btf: &'a Btf,
    records: Vec<&'static FieldRecord>,
    limit: usize,
    once: Vec<FieldKind>,
}

/// The special fields of a type, of those kinds that `wanted` allows.
///
/// # Errors
/// When the type breaks a rule.
pub(crate) fn find(
    btf: &Btf,
    ty: TypeId,
    size: u32,
    model: &KernelModel,
    wanted: impl Fn(&FieldRecord) -> bool,
) -> Result<Fields, Broken> {
    let records = model.fields().filter(|r| wanted(r)).collect();
    let limit = model.limits().special_fields as usize;
    let mut search = Search { btf, records, limit, once: Vec::new() };
    let found = match btf.ty(ty) {
        Some(Type::Struct(_)) => search.members(ty, 0)?,
        Some(Type::Datasec(d)) => {
            let mut found = Vec::new();
            for var in d.vars() {
                let Some(Type::Var { ty, .. }) = btf.ty(var.var) else { return Err(Broken) };
                let one = search.one((var.var, None), ty, var.offset, var.size, 0)?;
                search.extend(&mut found, one)?;
            }
            found
        }
        _ => return Err(Broken),
    };
    let mut next = 0;
    for f in &found {
        if f.off < next || u64::from(f.off) + u64::from(f.size) > u64::from(size) {
            return Err(Broken);
        }
        next = f.off + f.size;
    }
    let fields = Fields(found);
    let root = fields.all().iter().any(|f| f.kind.is_root());
    let both = fields.has(FieldKind::SpinLock) && fields.has(FieldKind::ResSpinLock);
    let nodes = fields.has(FieldKind::ListNode) && fields.has(FieldKind::RbNode);
    if both || root && !fields.has_lock() || nodes && !fields.has(FieldKind::Refcount) {
        return Err(Broken);
    }
    Ok(fields)
}

impl Search<'_> {
    fn extend(&self, found: &mut Vec<Field>, more: Vec<Field>) -> Result<(), Broken> {
        found.extend(more);
        if found.len() > self.limit { Err(Broken) } else { Ok(()) }
    }

    fn members(&mut self, ty: TypeId, depth: u32) -> Result<Vec<Field>, Broken> {
        let Some(Type::Struct(s)) = self.btf.ty(ty) else { return Err(Broken) };
        let mut found = Vec::new();
        for (n, member) in s.members().enumerate() {
            if member.bit_offset % 8 != 0 {
                return Err(Broken);
            }
            let one = self.one((ty, Some(n as u32)), member.ty, member.bit_offset / 8, 0, depth)?;
            self.extend(&mut found, one)?;
        }
        Ok(found)
    }

    /// The fields of one member or variable: itself, or those within it. `tagged` is where tags on
    /// its declaration stand.
    fn one(
        &mut self,
        tagged: (TypeId, Option<u32>),
        ty: TypeId,
        off: u32,
        expected: u32,
        depth: u32,
    ) -> Result<Vec<Field>, Broken> {
        let (mut ty, mut count) = (ty, 1u32);
        let mut nested = 0;
        while let Some(Type::Array { elem, len, .. }) = self.btf.ty(ty) {
            nested += 1;
            if nested == MAX_DEPTH {
                return Err(Broken);
            }
            count = count.wrapping_mul(len);
            ty = elem;
        }
        if count == 0 {
            return Ok(Vec::new());
        }
        let Some(resolved) = self.btf.ty(ty) else { return Err(Broken) };
        let name = resolved.name();
        let found =
            self.records.iter().find(|r| matches!(r.sign, FieldSign::Struct(s) if s == name)).copied();
        let Some(record) = found else {
            return match resolved {
                Type::Struct(s) => {
                    if expected != 0 && Some(expected) != s.size.checked_mul(count) {
                        return Ok(Vec::new());
                    }
                    if depth + 1 >= MAX_DEPTH {
                        return Err(Broken);
                    }
                    let mut inner = self.members(ty, depth + 1)?;
                    inner.iter_mut().for_each(|f| f.off = f.off.wrapping_add(off));
                    self.repeat(inner, count, s.size)
                }
                _ => self.pointer(ty, off, expected, count),
            };
        };
        if record.once {
            if self.once.contains(&record.kind) {
                return Err(Broken);
            }
            self.once.push(record.kind);
        }
        if expected != 0 && Some(expected) != record.size.checked_mul(count) || off % record.align != 0 {
            return Ok(Vec::new());
        }
        match resolved {
            Type::Struct(s) if s.size == record.size => {}
            _ => return Ok(Vec::new()),
        }
        let (target, node_off) = match record.kind.is_root() {
            true => self.contained(tagged, record.kind)?,
            false => (TypeId::VOID, 0),
        };
        let field = Field { kind: record.kind, off, size: record.size, target, node_off };
        self.repeat(Vec::from([field]), count, record.size)
    }

    /// What the tag of a root says: what the list or tree is made of, and where in it the node is.
    fn contained(
        &self,
        (of, component): (TypeId, Option<u32>),
        root: FieldKind,
    ) -> Result<(TypeId, u32), Broken> {
        let mut tags = self
            .btf
            .decl_tags(of)
            .filter(|(_, c)| *c == component)
            .filter_map(|(tag, _)| tag.strip_prefix("contains:"));
        let tag = tags.next().ok_or(Broken)?;
        if tags.next().is_some() {
            return Err(Broken);
        }
        let (value, node) = tag.split_once(':').ok_or(Broken)?;
        let target = self.btf.find(value, Kind::Struct).ok_or(Broken)?;
        let Some(Type::Struct(s)) = self.btf.ty(target) else { return Err(Broken) };
        let mut named = s.members().filter(|m| m.name == node);
        let member = named.next().ok_or(Broken)?;
        // Two members of one name are no C.
        if node.is_empty() || named.next().is_some() {
            return Err(Broken);
        }
        let expected = if root == FieldKind::ListHead { "bpf_list_node" } else { "bpf_rb_node" };
        match self.btf.ty(member.ty) {
            Some(Type::Struct(n)) if n.name == expected && member.bit_offset % 64 == 0 => {}
            _ => return Err(Broken),
        }
        Ok((target, member.bit_offset / 8))
    }

    /// A pointer with a tag is a field; one without is none.
    fn pointer(&self, ty: TypeId, off: u32, expected: u32, count: u32) -> Result<Vec<Field>, Broken> {
        let is_tag = |r: &&&FieldRecord| matches!(r.sign, FieldSign::Tag(_));
        let Some(first) = self.records.iter().find(is_tag) else { return Ok(Vec::new()) };
        if expected != 0 && Some(expected) != first.size.checked_mul(count) || off % first.align != 0 {
            return Ok(Vec::new());
        }
        let mut ty = ty;
        if let Some(Type::Volatile(to)) = self.btf.ty(ty) {
            ty = to;
        }
        let Some(Type::Ptr(to)) = self.btf.ty(ty) else { return Ok(Vec::new()) };
        let Some(Type::TypeTag { name, target, .. }) = self.btf.ty(to) else { return Ok(Vec::new()) };
        if let Some(Type::TypeTag { .. }) = self.btf.ty(target) {
            return Err(Broken);
        }
        let record = self.records.iter().find(|r| r.sign == FieldSign::Tag(tag_of(name)));
        let Some(record) = record else {
            // A tag that this map cannot have is passed over, one that no kernel knows is not.
            return if tag_of(name).is_empty() { Err(Broken) } else { Ok(Vec::new()) };
        };
        let target = self.btf.resolve(target).ok_or(Broken)?;
        if !matches!(self.btf.ty(target), Some(Type::Struct(_))) {
            return Err(Broken);
        }
        let field = Field { kind: record.kind, off, size: record.size, target, node_off: 0 };
        self.repeat(Vec::from([field]), count, record.size)
    }

    fn repeat(&self, first: Vec<Field>, count: u32, stride: u32) -> Result<Vec<Field>, Broken> {
        if count <= 1 || first.is_empty() {
            return Ok(first);
        }
        let may = |f: &Field| self.records.iter().any(|r| r.kind == f.kind && r.repeats);
        let total = u64::from(count) * first.len() as u64;
        if !first.iter().all(may) || total > self.limit as u64 {
            return Err(Broken);
        }
        let at = |f: &Field, n: u32| Field { off: f.off.wrapping_add(n.wrapping_mul(stride)), ..*f };
        Ok((0..count).flat_map(|n| first.iter().map(move |f| at(f, n))).collect())
    }
}

/// The tag of a kernel pointer as the facts have it, or nothing.
fn tag_of(name: &str) -> &'static str {
    ["kptr_untrusted", "kptr", "percpu_kptr", "uptr"].into_iter().find(|t| *t == name).unwrap_or("")
}

/// The special fields of every map of a program, and of the maps inside them.
#[derive(Clone, Debug, Default)]
pub(crate) struct MapFields(Vec<MapTypes>);

/// What is known of one map's values.
#[derive(Clone, Debug, Default)]
struct MapTypes {
    fields: Rc<Fields>,
    /// The map has types.
    typed: bool,
}

impl MapFields {
    pub fn new(program: &Program, model: &KernelModel) -> MapFields {
        let none = MapTypes::default();
        let mut all = Vec::with_capacity(program.maps.len() * 2);
        for map in &program.maps {
            for map in [Some(&**map), map.inner.as_deref()] {
                all.push(match map.and_then(|m| fields_of_map(m, model)) {
                    Some(fields) if fields.all().is_empty() => MapTypes { typed: true, ..none.clone() },
                    Some(fields) => MapTypes { fields: Rc::new(fields), typed: true },
                    None => none.clone(),
                });
            }
        }
        MapFields(all)
    }

    /// The fields of a map, or of the map inside it.
    pub fn of(&self, index: usize, inner: bool) -> Option<&Rc<Fields>> {
        self.0.get(index * 2 + usize::from(inner)).map(|m| &m.fields)
    }

    /// Whether the kernel knows the types of a map's values.
    pub fn is_typed(&self, index: usize, inner: bool) -> bool {
        self.0.get(index * 2 + usize::from(inner)).is_some_and(|m| m.typed)
    }
}

/// The special fields of a map's values; none if the map has no types. A loader tries a map that is
/// refused with its types without them.
fn fields_of_map(map: &MapDef, model: &KernelModel) -> Option<Fields> {
    let btf = map.btf.as_deref()?;
    let kind = map.kind()?;
    let flags = model.map(kind)?.flags;
    let value = btf.resolve(map.value_type)?;
    if map.value_type == TypeId::VOID || btf.size_of(value) != Some(map.value_size) {
        return None;
    }
    if !key_fits(map, btf, kind, value) {
        return None;
    }
    let in_maps = |r: &FieldRecord| r.map != MapFlags::NONE;
    let Ok(fields) = find(btf, value, map.value_size, model, in_maps) else { return Some(Fields::default()) };
    let allowed = |f: &Field| {
        let record = model.fields().find(|r| r.kind == f.kind);
        record.is_some_and(|r| flags.contains(r.map))
    };
    let restricted = MapCreateFlags::RDONLY_PROG | MapCreateFlags::WRONLY_PROG;
    if !fields.all().is_empty() && MapCreateFlags::from_bits(map.flags).intersects(restricted) {
        return None;
    }
    fields.all().iter().all(allowed).then_some(fields)
}

/// Whether the type of the keys is one that a map of this kind can have.
fn key_fits(map: &MapDef, btf: &Btf, kind: MapType, value: TypeId) -> bool {
    if map.key_type == TypeId::VOID {
        let section = matches!(btf.ty(value), Some(Type::Datasec(_)));
        return kind == MapType::Array && map.max_entries == 1 && section;
    }
    if btf.size_of(map.key_type) != Some(map.key_size) {
        return false;
    }
    match kind {
        MapType::Array | MapType::PercpuArray => {
            matches!(btf.resolved(map.key_type), Some((_, Type::Int { size: 4, .. })))
        }
        _ => true,
    }
}
