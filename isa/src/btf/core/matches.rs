//! Whether a type of the target matches a type of the object in shape: names, kinds, sizes of
//! integers, and every member that the object's type has (libbpf `bpf_core_types_match`).

use super::{Bounds, CoreError, essential_name};
use crate::btf::layout::MAX_DEPTH;
use crate::btf::read::Btf;
use crate::btf::types::{Composite, Enum, Type, TypeId};

/// Both types with the BTF they belong to, `bounds` counting nested members and parameters.
pub(super) fn types_match(
    local: &Btf,
    ours: TypeId,
    target: &Btf,
    theirs: TypeId,
    behind_pointer: bool,
    bounds: Bounds<'_>,
) -> Result<bool, CoreError> {
    let bounds = bounds.deeper()?;
    let (mut ours, mut theirs, mut behind_pointer) = (ours, theirs, behind_pointer);
    for _ in 0..MAX_DEPTH {
        let (_, a) = local.resolved(ours).ok_or(CoreError::Type { id: ours })?;
        let (_, b) = target.resolved(theirs).ok_or(CoreError::Type { id: theirs })?;
        if !names_match(a.name(), b.name()) {
            return Ok(false);
        }
        match (&a, &b) {
            (Type::Void, Type::Void) => return Ok(true),
            (Type::Fwd { is_union, .. }, _) => return Ok(forward_matches(*is_union, &b, behind_pointer)),
            (Type::Enum(x), Type::Enum(y)) => return Ok(enums_match(x, y)),
            (Type::Struct(_), Type::Struct(_)) | (Type::Union(_), Type::Union(_)) if behind_pointer => {
                return Ok(true);
            }
            (Type::Struct(_) | Type::Union(_), Type::Fwd { is_union, .. }) if behind_pointer => {
                return Ok(matches!(a, Type::Union(_)) == *is_union);
            }
            (Type::Struct(x), Type::Struct(y)) | (Type::Union(x), Type::Union(y)) => {
                return members_match(local, *x, target, *y, bounds);
            }
            (Type::Int { size: x, encoding: e, .. }, Type::Int { size: y, encoding: f, .. }) => {
                return Ok(x == y && e.is_signed() == f.is_signed());
            }
            (Type::Ptr(x), Type::Ptr(y)) => {
                behind_pointer = true;
                (ours, theirs) = (*x, *y);
            }
            (Type::Array { elem: x, len: n, .. }, Type::Array { elem: y, len: m, .. }) => {
                if n != m {
                    return Ok(false);
                }
                (ours, theirs) = (*x, *y);
            }
            (Type::FuncProto(p), Type::FuncProto(q)) => {
                if p.params().len() != q.params().len() {
                    return Ok(false);
                }
                for (x, y) in p.params().zip(q.params()) {
                    if !types_match(local, x.ty, target, y.ty, behind_pointer, bounds)? {
                        return Ok(false);
                    }
                }
                (ours, theirs) = (p.ret, q.ret);
            }
            _ => return Ok(false),
        }
    }
    Err(CoreError::TooDeep)
}

/// Names match without their flavours; an anonymous type matches only an anonymous one.
fn names_match(ours: &str, theirs: &str) -> bool {
    match theirs.is_empty() {
        true => ours.is_empty(),
        false => essential_name(ours) == essential_name(theirs),
    }
}

fn forward_matches(is_union: bool, theirs: &Type<'_>, behind_pointer: bool) -> bool {
    match theirs {
        Type::Fwd { is_union: theirs, .. } => *theirs == is_union,
        Type::Struct(_) => behind_pointer && !is_union,
        Type::Union(_) => behind_pointer && is_union,
        _ => false,
    }
}

/// Every name of ours exists in theirs; values may differ.
fn enums_match(ours: &Enum<'_>, theirs: &Enum<'_>) -> bool {
    ours.size == theirs.size
        && ours.values().len() <= theirs.values().len()
        && ours.values().all(|(name, _)| theirs.values().any(|(other, _)| names_match(name, other)))
}

fn members_match(
    local: &Btf,
    ours: Composite<'_>,
    target: &Btf,
    theirs: Composite<'_>,
    bounds: Bounds<'_>,
) -> Result<bool, CoreError> {
    if ours.len() > theirs.len() {
        return Ok(false);
    }
    for m in ours.members() {
        let mut found = false;
        for n in theirs.members() {
            bounds.step()?;
            if !names_match(m.name, n.name) {
                continue;
            }
            if types_match(local, m.ty, target, n.ty, false, bounds)? {
                found = true;
                break;
            }
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}
