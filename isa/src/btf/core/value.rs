//! The answer to a relocation: the value the compiler put into the instruction, and the value that
//! belongs there for the target.

use super::access::Access;
use super::{CoreError, CoreKind};
use crate::btf::read::Btf;
use crate::btf::types::{Type, TypeId};
use crate::insn::ByteOrder;

/// The answer to a relocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resolution {
    /// What the compiler assumed.
    pub orig: u64,
    /// What holds for the target.
    pub new: u64,
    /// There is no value: reaching the instruction must be an error.
    pub poison: bool,
    /// Whether the instruction must still hold what the compiler assumed.
    pub validate: bool,
    /// Bytes of the field in the object and in the target, for accesses; 0 where it does not matter.
    pub orig_size: u32,
    pub new_size: u32,
    /// The field's size changed and its type does not allow reading it at another size.
    pub size_mismatch: bool,
}

impl Resolution {
    pub(super) fn local_type(id: TypeId) -> Resolution {
        let value = id.0 as u64;
        Resolution { orig: value, new: value, validate: false, ..Resolution::EMPTY }
    }

    const EMPTY: Resolution = Resolution {
        orig: 0,
        new: 0,
        poison: false,
        validate: true,
        orig_size: 0,
        new_size: 0,
        size_mismatch: false,
    };
}

/// One side's value; `None` for a value that does not exist.
#[derive(Clone, Copy)]
struct Value {
    value: u64,
    size: u32,
    ty: TypeId,
    validate: bool,
}

impl Value {
    fn plain(value: u64) -> Value {
        Value { value, size: 0, ty: TypeId::VOID, validate: true }
    }
}

/// A side of the relocation: the types and the path in them.
type Side<'a> = (&'a Btf, &'a Access);

pub(super) fn calculate(
    kind: CoreKind,
    ours: Side<'_>,
    theirs: Option<Side<'_>>,
) -> Result<Resolution, CoreError> {
    let (Some(orig), new) = (side(kind, Some(ours))?, side(kind, theirs)?) else {
        return Ok(Resolution { poison: true, ..Resolution::EMPTY });
    };
    let Some(new) = new else {
        return Ok(Resolution {
            orig: orig.value,
            validate: orig.validate,
            poison: true,
            ..Resolution::EMPTY
        });
    };
    let size_mismatch = orig.size != new.size
        && theirs.is_none_or(|theirs| !resizable((ours.0, orig.ty), (theirs.0, new.ty)));
    Ok(Resolution {
        orig: orig.value,
        new: new.value,
        poison: false,
        validate: orig.validate,
        orig_size: orig.size,
        new_size: new.size,
        size_mismatch,
    })
}

fn side(kind: CoreKind, side: Option<Side<'_>>) -> Result<Option<Value>, CoreError> {
    if kind.is_field() {
        field(kind, side)
    } else if kind.is_enumval() {
        enumval(kind, side)
    } else {
        whole_type(kind, side).map(Some)
    }
}

/// Reading at another size keeps the value only for pointers and unsigned integers.
fn resizable(orig: (&Btf, TypeId), new: (&Btf, TypeId)) -> bool {
    match (orig.0.ty(orig.1), new.0.ty(new.1)) {
        (Some(Type::Ptr(_)), Some(Type::Ptr(_))) => true,
        (Some(Type::Int { encoding: a, .. }), Some(Type::Int { encoding: b, .. })) => a.0 != 1 && b.0 != 1,
        _ => false,
    }
}

fn whole_type(kind: CoreKind, side: Option<Side<'_>>) -> Result<Value, CoreError> {
    let Some((btf, access)) = side else { return Ok(Value::plain(0)) };
    Ok(match kind {
        CoreKind::TypeIdTarget => Value { validate: false, ..Value::plain(access.root.0 as u64) },
        CoreKind::TypeSize => {
            Value::plain(btf.size_of(access.root).ok_or(CoreError::Type { id: access.root })? as u64)
        }
        _ => Value::plain(1),
    })
}

fn enumval(kind: CoreKind, side: Option<Side<'_>>) -> Result<Option<Value>, CoreError> {
    if kind == CoreKind::EnumvalExists {
        return Ok(Some(Value::plain(side.is_some() as u64)));
    }
    let Some((btf, access)) = side else { return Ok(None) };
    let step = access.steps.first().ok_or(CoreError::Access)?;
    let Some(Type::Enum(e)) = btf.ty(step.ty) else { return Err(CoreError::Access) };
    let (_, value) = e.values().nth(step.index as usize).ok_or(CoreError::Access)?;
    // A 32-bit value is kept as the sign-extended bits of a signed int, whatever its signedness.
    let value = if e.wide { value as u64 } else { value as i32 as i64 as u64 };
    Ok(Some(Value::plain(value)))
}

fn field(kind: CoreKind, side: Option<Side<'_>>) -> Result<Option<Value>, CoreError> {
    if kind == CoreKind::FieldExists {
        return Ok(Some(Value::plain(side.is_some() as u64)));
    }
    let Some((btf, access)) = side else { return Ok(None) };
    let step = access.steps.last().ok_or(CoreError::Access)?;
    if step.name.is_none() {
        let size = btf.size_of(step.ty).ok_or(CoreError::Type { id: step.ty })?;
        return match kind {
            CoreKind::FieldByteOffset => {
                let value = (access.bit_offset / 8) as u64;
                Ok(Some(Value { value, size, ty: step.ty, validate: true }))
            }
            CoreKind::FieldByteSize => Ok(Some(Value::plain(size as u64))),
            _ => Err(CoreError::Unanswerable),
        };
    }
    member(kind, btf, access).map(Some)
}

/// A member, which may be a bit field: then the smallest aligned integer that covers it is read.
fn member(kind: CoreKind, btf: &Btf, access: &Access) -> Result<Value, CoreError> {
    let step = access.steps.last().ok_or(CoreError::Access)?;
    let composite = btf.ty(step.ty).and_then(|t| t.composite()).ok_or(CoreError::Access)?;
    let m = composite.member(step.index as usize).ok_or(CoreError::Access)?;
    let (ty, resolved) = btf.resolved(m.ty).ok_or(CoreError::Type { id: m.ty })?;
    let bit_offset = access.bit_offset;
    let bit_field = m.bit_size > 0;
    let mut size = btf.size_of(ty).ok_or(CoreError::Type { id: ty })?;
    let mut offset = bit_offset / 8;
    let mut bits = size.wrapping_mul(8);
    if bit_field {
        bits = m.bit_size;
        if size == 0 {
            return Err(CoreError::Unanswerable);
        }
        offset = bit_offset / 8 / size * size;
        while bit_offset + bits - offset * 8 > size * 8 {
            if size >= 8 {
                return Err(CoreError::Unanswerable);
            }
            size *= 2;
            offset = bit_offset / 8 / size * size;
        }
    }
    let value = |value, validate| Value { validate, ..Value::plain(value) };
    Ok(match kind {
        CoreKind::FieldByteOffset if bit_field => value(offset as u64, false),
        CoreKind::FieldByteOffset => Value { value: offset as u64, size, ty, validate: true },
        CoreKind::FieldByteSize => value(size as u64, !bit_field),
        CoreKind::FieldSigned => {
            let signed = match resolved {
                Type::Int { encoding, .. } => encoding.is_signed(),
                Type::Enum(e) => e.signed,
                _ => false,
            };
            value(signed as u64, true)
        }
        CoreKind::FieldLshiftU64 => {
            let shift = match btf.order() {
                ByteOrder::Little => 64u32.wrapping_sub(bit_offset + bits - offset * 8),
                ByteOrder::Big => {
                    8u32.wrapping_sub(size).wrapping_mul(8).wrapping_add(bit_offset - offset * 8)
                }
            };
            value(shift as u64, !bit_field)
        }
        CoreKind::FieldRshiftU64 => value(64u32.wrapping_sub(bits) as u64, true),
        _ => return Err(CoreError::Unanswerable),
    })
}
