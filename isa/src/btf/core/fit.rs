//! Whether a path of the object exists in a candidate type of the target, and where it leads there.

use super::access::{Access, MAX_STEPS, Step, is_flexible};
use super::{Bounds, CoreError, CoreKind, essential_name, matches};
use crate::btf::layout::MAX_DEPTH;
use crate::btf::read::Btf;
use crate::btf::types::{FuncProto, Kind, Type, TypeId};
use core::cell::Cell;

/// The path `ours` in the type `id` of the target; `None` when the type has no such field, value
/// or shape.
pub(super) fn fit(local: &Btf, ours: &Access, target: &Btf, id: TypeId) -> Result<Option<Access>, CoreError> {
    let mut theirs = Access::at(id);
    let mut id = id;
    let steps = Cell::new(0);
    let bounds = Bounds::new(&steps);
    for (nth, step) in ours.steps.iter().enumerate() {
        id = target.resolve(id).ok_or(CoreError::Type { id })?;
        match &step.name {
            Some(name) if matches!(local.ty(step.ty), Some(Type::Enum(_))) => {
                return Ok(find_value(target, id, name).map(|index| {
                    theirs.steps.push(Step { ty: id, index, name: Some(name.clone()) });
                    theirs.raw_len += 1;
                    theirs
                }));
            }
            Some(_) => match find_member(local, step, target, id, &mut theirs, bounds)? {
                Search::Found(next) => id = next,
                Search::Missing | Search::Incompatible => return Ok(None),
            },
            None => {
                if nth > 0 {
                    let Some(Type::Array { elem, len, .. }) = target.ty(id) else { return Ok(None) };
                    if step.index >= len && !is_flexible(target, theirs.steps.last(), len) {
                        return Ok(None);
                    }
                    id = target.resolve(elem).ok_or(CoreError::Type { id: elem })?;
                }
                if theirs.raw_len == MAX_STEPS {
                    return Err(CoreError::TooDeep);
                }
                theirs.raw_len += 1;
                theirs.steps.push(Step { ty: id, index: step.index, name: None });
                theirs.add_elements(target, id, step.index)?;
            }
        }
    }
    Ok(Some(theirs))
}

/// Whether a whole type of the target answers for a type of the object.
pub(super) fn fit_type(
    kind: CoreKind,
    local: &Btf,
    ours: TypeId,
    target: &Btf,
    id: TypeId,
) -> Result<bool, CoreError> {
    let steps = Cell::new(0);
    let bounds = Bounds::new(&steps);
    match kind {
        CoreKind::TypeMatches => matches::types_match(local, ours, target, id, false, bounds),
        _ => types_compatible(local, ours, target, id, bounds),
    }
}

fn find_value(target: &Btf, id: TypeId, name: &str) -> Option<u32> {
    let Some(Type::Enum(e)) = target.ty(id) else { return None };
    let name = essential_name(name);
    e.values().position(|(n, _)| essential_name(n) == name).map(|i| i as u32)
}

enum Search {
    Found(TypeId),
    Missing,
    /// A member of that name exists with a type of another kind.
    Incompatible,
}

/// Finds the member of the same name, looking into anonymous members where they stand.
fn find_member(
    local: &Btf,
    step: &Step,
    target: &Btf,
    id: TypeId,
    theirs: &mut Access,
    bounds: Bounds<'_>,
) -> Result<Search, CoreError> {
    let bounds = bounds.deeper()?;
    let (id, ty) = target.resolved(id).ok_or(CoreError::Type { id })?;
    let Some(composite) = ty.composite() else { return Ok(Search::Missing) };
    let ours = local.ty(step.ty).and_then(|t| t.composite()).and_then(|c| c.member(step.index as usize));
    let ours = ours.ok_or(CoreError::Access)?;
    for (index, member) in composite.members().enumerate() {
        bounds.step()?;
        if theirs.raw_len == MAX_STEPS {
            return Err(CoreError::TooDeep);
        }
        let before = theirs.bit_offset;
        theirs.bit_offset = before.wrapping_add(member.bit_offset);
        theirs.raw_len += 1;
        if member.name.is_empty() {
            match find_member(local, step, target, member.ty, theirs, bounds)? {
                Search::Missing => {}
                found => return Ok(found),
            }
        } else if member.name == ours.name {
            if !fields_compatible(local, ours.ty, target, member.ty)? {
                return Ok(Search::Incompatible);
            }
            theirs.steps.push(Step { ty: id, index: index as u32, name: Some(member.name.into()) });
            return Ok(Search::Found(member.ty));
        }
        theirs.bit_offset = before;
        theirs.raw_len -= 1;
    }
    Ok(Search::Missing)
}

/// Whether both kinds are the same, any enumeration standing for any other.
pub(super) fn kinds_compatible(a: Kind, b: Kind) -> bool {
    let is_enum = |k| matches!(k, Kind::Enum | Kind::Enum64);
    a == b || is_enum(a) && is_enum(b)
}

fn unshifted_ints(a: &Type<'_>, b: &Type<'_>) -> bool {
    let unshifted = |t: &Type<'_>| matches!(t, Type::Int { bit_offset: 0, .. });
    unshifted(a) && unshifted(b)
}

/// Whether a field of one type may be read as a field of the other (libbpf
/// `bpf_core_fields_are_compat`): structs and unions always, integers whatever their size, pointers
/// whatever they point to, arrays by their elements.
fn fields_compatible(local: &Btf, ours: TypeId, target: &Btf, theirs: TypeId) -> Result<bool, CoreError> {
    let (mut ours, mut theirs) = (ours, theirs);
    for _ in 0..MAX_DEPTH {
        let (_, a) = local.resolved(ours).ok_or(CoreError::Type { id: ours })?;
        let (_, b) = target.resolved(theirs).ok_or(CoreError::Type { id: theirs })?;
        if a.composite().is_some() && b.composite().is_some() {
            return Ok(true);
        }
        if !kinds_compatible(a.kind(), b.kind()) {
            return Ok(false);
        }
        return Ok(match (&a, &b) {
            (Type::Ptr(_), _) | (Type::Float { .. }, _) => true,
            (Type::Fwd { .. } | Type::Enum(_), _) => {
                let (a, b) = (essential_name(a.name()), essential_name(b.name()));
                a.is_empty() || b.is_empty() || a == b
            }
            (Type::Int { .. }, _) => unshifted_ints(&a, &b),
            (Type::Array { elem: x, .. }, Type::Array { elem: y, .. }) => {
                (ours, theirs) = (*x, *y);
                continue;
            }
            _ => false,
        });
    }
    Err(CoreError::TooDeep)
}

/// Whether two whole types are alike enough for a question about the type (libbpf
/// `bpf_core_types_are_compat`): the kind decides, members do not.
fn types_compatible(
    local: &Btf,
    ours: TypeId,
    target: &Btf,
    theirs: TypeId,
    bounds: Bounds<'_>,
) -> Result<bool, CoreError> {
    let (mut ours, mut theirs) = (ours, theirs);
    let kinds = |ours, theirs| Some(kinds_compatible(local.kind(ours)?, target.kind(theirs)?));
    if kinds(ours, theirs) != Some(true) {
        return Ok(false);
    }
    for _ in 0..MAX_DEPTH {
        let (_, a) = local.resolved(ours).ok_or(CoreError::Type { id: ours })?;
        let (_, b) = target.resolved(theirs).ok_or(CoreError::Type { id: theirs })?;
        if !kinds_compatible(a.kind(), b.kind()) {
            return Ok(false);
        }
        match (&a, &b) {
            (Type::Void | Type::Struct(_) | Type::Union(_) | Type::Enum(_) | Type::Fwd { .. }, _) => {
                return Ok(true);
            }
            (Type::Int { .. }, _) => return Ok(unshifted_ints(&a, &b)),
            (Type::Ptr(x), Type::Ptr(y)) | (Type::Array { elem: x, .. }, Type::Array { elem: y, .. }) => {
                (ours, theirs) = (*x, *y);
            }
            (Type::FuncProto(p), Type::FuncProto(q)) => {
                if !params_compatible(local, p, target, q, bounds)? {
                    return Ok(false);
                }
                (ours, theirs) = (p.ret, q.ret);
            }
            _ => return Ok(false),
        }
    }
    Err(CoreError::TooDeep)
}

fn params_compatible(
    local: &Btf,
    ours: &FuncProto<'_>,
    target: &Btf,
    theirs: &FuncProto<'_>,
    bounds: Bounds<'_>,
) -> Result<bool, CoreError> {
    if ours.params().len() != theirs.params().len() {
        return Ok(false);
    }
    let bounds = bounds.deeper()?;
    for (a, b) in ours.params().zip(theirs.params()) {
        bounds.step()?;
        let a = local.resolve(a.ty).ok_or(CoreError::Type { id: a.ty })?;
        let b = target.resolve(b.ty).ok_or(CoreError::Type { id: b.ty })?;
        if !types_compatible(local, a, target, b, bounds)? {
            return Ok(false);
        }
    }
    Ok(true)
}
