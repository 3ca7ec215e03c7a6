//! What stands at an offset into a structure of the kernel.
//!
//! Rules: `btf_struct_walk`, `btf_struct_access`, `btf_struct_ids_match` and
//! `btf_nested_type_is_trusted` of Linux 6.18. A read finds a number, a pointer to another structure,
//! or, for pointers to anything else, memory that may only be read with care. Arrays are taken as
//! their elements side by side, a last array without a length as going on for ever. What is reached
//! through a union of several members is not trusted.

use crate::report::Finding;
use crate::state::Mods;
use alloc::string::String;
use oxbpf_isa::btf::{Btf, Composite, Kind, MAX_DEPTH, Member, Type, TypeId};

/// What an access found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found<'b> {
    Scalar,
    /// A pointer to a structure, in the member of this name.
    Pointer {
        id: TypeId,
        mods: Mods,
        field: &'b str,
    },
    /// A pointer to something that is no structure.
    Memory,
}

/// One step of the way.
enum Step<'b> {
    Found(Found<'b>),
    /// A structure begins exactly here.
    Nested(TypeId),
}

/// What of an array or a single value a member is made of.
struct Extent {
    /// Bytes of it all.
    size: u32,
    count: u32,
    /// The element, or the value itself, without modifiers.
    elem: TypeId,
    /// The same as the member names it, where that is without modifiers.
    named: TypeId,
    is_array: bool,
}

/// What stands `off` bytes into a type.
///
/// # Errors
/// The kernel's words on why nothing can be read there.
pub(crate) fn access<'b>(
    btf: &'b Btf,
    id: TypeId,
    off: i32,
    size: u32,
    flexible: bool,
) -> Result<Found<'b>, Finding> {
    let (mut id, mut off, mut mods) = (id, off as u32, Mods::NONE);
    // Each step goes one structure deeper.
    for _ in 0..4 * MAX_DEPTH {
        match step(btf, id, off, size, &mut mods, flexible)? {
            Step::Found(found) => return Ok(found),
            Step::Nested(inner) => (id, off) = (inner, 0),
        }
    }
    Err(Finding::NotStruct { name: name(btf, id) })
}

/// Whether a pointer `off` bytes into a type also points to the wanted one. With `strict`, only if
/// it is that. `said` is given what the kernel writes on the way.
pub(crate) fn matches(
    (btf, id, off): (&Btf, TypeId, i32),
    (wanted_btf, wanted): (&Btf, TypeId),
    (strict, flexible): (bool, bool),
    mut said: impl FnMut(&Finding),
) -> bool {
    let same = |id: TypeId| same_type(btf, id, wanted_btf, wanted);
    if off == 0 && same(id) {
        return true;
    }
    if strict {
        return false;
    }
    let (mut id, mut off, mut mods) = (id, off as u32, Mods::NONE);
    for _ in 0..4 * MAX_DEPTH {
        match step(btf, id, off, 1, &mut mods, flexible) {
            Ok(Step::Nested(inner)) if same(inner) => return true,
            Ok(Step::Nested(inner)) => (id, off) = (inner, 0),
            Ok(Step::Found(_)) => return false,
            Err(finding) => {
                said(&finding);
                return false;
            }
        }
    }
    false
}

/// Whether two ids name one type. A module's types continue those of the kernel.
pub(crate) fn same_type(a: &Btf, a_id: TypeId, b: &Btf, b_id: TypeId) -> bool {
    let owner = |btf: &Btf, id: TypeId| match btf.base() {
        Some(base) if id < btf.first_id() => base.bytes().as_ptr(),
        _ => btf.bytes().as_ptr(),
    };
    a_id == b_id && owner(a, a_id) == owner(b, b_id)
}

/// Whether the types list this member of a structure as safe in a way: `task_struct__safe_rcu` and
/// the like name members and types.
pub(crate) fn is_listed(
    btf: &Btf,
    of: TypeId,
    find: impl Fn(&str, Kind) -> Option<TypeId>,
    (field, id): (&str, TypeId),
    suffix: &str,
) -> bool {
    let Some(Type::Struct(of) | Type::Union(of)) = btf.ty(of) else { return false };
    // The kernel's buffer for the name.
    if of.name.len() + suffix.len() >= 64 {
        return false;
    }
    let Some(list) = find(&alloc::format!("{}{suffix}", of.name), Kind::Struct) else { return false };
    let Some(Type::Struct(list)) = btf.ty(list) else { return false };
    list.members().any(|m| {
        m.name == field && matches!(btf.ty(m.ty), Some(Type::Ptr(to)) if btf.resolve(to) == Some(id))
    })
}

fn name(btf: &Btf, id: TypeId) -> String {
    named(btf.ty(id).map_or("", |t| t.name()))
}

/// A name as messages write it.
pub(crate) fn named(name: &str) -> String {
    String::from(if name.is_empty() { "(anon)" } else { name })
}

fn step<'b>(
    btf: &'b Btf,
    id: TypeId,
    mut off: u32,
    size: u32,
    mods: &mut Mods,
    flexible: bool,
) -> Result<Step<'b>, Finding> {
    let mut id = id;
    'inner: for _ in 0..4 * MAX_DEPTH {
        let (of, is_union) = match btf.resolved(id) {
            Some((_, Type::Struct(c))) => (c, false),
            Some((_, Type::Union(c))) => (c, true),
            other => {
                let name = named(other.map_or("", |(_, t)| t.name()));
                return Err(Finding::NotStruct { name });
            }
        };
        if is_union && of.len() != 1 {
            *mods = mods.with(Mods::UNTRUSTED);
        }
        let end = off.wrapping_add(size);
        if end > of.size {
            let beyond = Finding::BeyondStruct { name: named(of.name), off, size };
            if !flexible {
                return Err(beyond);
            }
            match beyond_end(btf, of, off).ok_or(beyond)? {
                None => return Ok(Step::Found(Found::Scalar)),
                Some((elem, into)) => (id, off) = (elem, into),
            }
            continue 'inner;
        }
        for member in of.members() {
            let at = member.bit_offset / 8;
            if end <= at {
                break;
            }
            if member.bit_size != 0 {
                let last = (member.bit_offset + member.bit_size).div_ceil(8);
                if off <= at && last <= end {
                    return Ok(Step::Found(Found::Scalar));
                }
                continue;
            }
            if off < at {
                break;
            }
            let Some(extent) = extent(btf, member.ty) else {
                return Err(Finding::MemberSize { member: named(member.name) });
            };
            if off >= at + extent.size {
                continue;
            }
            match within(btf, of, (&member, &extent), (off, size), mods)? {
                Inside::Step(step) => return Ok(step),
                Inside::Deeper { elem, at } => {
                    off -= at;
                    id = elem;
                    continue 'inner;
                }
            }
        }
        return Err(Finding::NoMember { name: named(of.name), off });
    }
    Err(Finding::NotStruct { name: name(btf, id) })
}

/// Past the end of a structure: where in the elements of a last array without a length. None
/// within when those are numbers.
fn beyond_end(btf: &Btf, of: Composite<'_>, off: u32) -> Option<Option<(TypeId, u32)>> {
    let last = of.members().last()?;
    let (_, Type::Array { elem, len: 0, .. }) = btf.resolved(last.ty)? else { return None };
    let at = last.bit_offset / 8;
    if off < at {
        return None;
    }
    match btf.resolved(elem)? {
        (_, Type::Int { .. }) => Some(None),
        (id, Type::Struct(c) | Type::Union(c)) if c.size > 0 => Some(Some((id, (off - at) % c.size))),
        _ => None,
    }
}

enum Inside<'b> {
    Step(Step<'b>),
    /// In a structure that begins at `at`.
    Deeper {
        elem: TypeId,
        at: u32,
    },
}

fn within<'b>(
    btf: &'b Btf,
    of: Composite<'b>,
    (member, extent): (&Member<'b>, &Extent),
    (off, size): (u32, u32),
    mods: &mut Mods,
) -> Result<Inside<'b>, Finding> {
    let mut at = member.bit_offset / 8;
    let true_end = at + extent.size;
    let mut one = extent.size;
    if extent.is_array {
        one /= extent.count.max(1);
        at += (off - at) / one.max(1) * one;
    }
    match btf.ty(extent.elem) {
        Some(Type::Struct(_) | Type::Union(_)) => {
            return Ok(match off == at {
                true => Inside::Step(Step::Nested(extent.named)),
                false => Inside::Deeper { elem: extent.elem, at },
            });
        }
        Some(Type::Ptr(to)) => {
            if one != size || off != at {
                return Err(Finding::PtrMember {
                    member: named(member.name),
                    moff: at,
                    name: named(of.name),
                    off,
                    size,
                });
            }
            let tag = match btf.ty(to) {
                Some(Type::TypeTag { name: "user", .. }) => Mods::USER,
                Some(Type::TypeTag { name: "percpu", .. }) => Mods::PERCPU,
                Some(Type::TypeTag { name: "rcu", .. }) => Mods::RCU,
                _ => Mods::NONE,
            };
            let found = match btf.resolved(to) {
                Some((id, Type::Struct(_) | Type::Union(_))) => {
                    *mods = mods.with(tag);
                    Found::Pointer { id, mods: *mods, field: member.name }
                }
                _ => Found::Memory,
            };
            return Ok(Inside::Step(Step::Found(found)));
        }
        _ => {}
    }
    if off + size > true_end && !mods.has(Mods::UNTRUSTED) {
        return Err(Finding::BeyondMember {
            member: named(member.name),
            end: true_end,
            name: named(of.name),
            off,
            size,
        });
    }
    Ok(Inside::Step(Step::Found(Found::Scalar)))
}

/// Arrays of arrays are one long array (Linux `__btf_resolve_size`).
fn extent(btf: &Btf, ty: TypeId) -> Option<Extent> {
    let (mut id, mut count, mut is_array) = (ty, 1u32, false);
    let mut named = ty;
    for _ in 0..MAX_DEPTH {
        let resolved = btf.resolve(id)?;
        if !is_array {
            named = resolved;
        }
        let one = match btf.ty(resolved)? {
            Type::Int { size, .. } | Type::Float { size, .. } => size,
            Type::Struct(c) | Type::Union(c) => c.size,
            Type::Enum(e) => e.size,
            Type::Ptr(_) => 8,
            Type::Array { elem, len, .. } => {
                count = count.checked_mul(len)?;
                (is_array, id, named) = (true, elem, elem);
                continue;
            }
            _ => return None,
        };
        return Some(Extent { size: one.checked_mul(count)?, count, elem: resolved, named, is_array });
    }
    None
}
