//! Named fields to bytes.

use crate::btf::read::Btf;
use crate::btf::types::{Type, TypeId};
use alloc::string::{String, ToString};
use core::fmt;

/// Why a field cannot be set.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// The type is no struct, or too large to be written down.
    NotStruct,
    /// There is no such field.
    NoField { path: String },
    /// The value does not fit the field's type.
    Value { path: String, value: String, expected: &'static str },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncodeError::NotStruct => f.write_str("the type is no struct"),
            EncodeError::NoField { path } => write!(f, "there is no field {path}"),
            EncodeError::Value { path, value, expected } => {
                write!(f, "field {path}: {value:?}, expected {expected}")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

/// Sets a field of the struct `id` in `bytes`, which are as long as the struct.
///
/// A path names members by dots and elements by brackets: `tuple.ports[1]`. Values are numbers in
/// decimal or hexadecimal, names of an enumeration, or text for arrays of characters.
///
/// # Errors
/// When the field does not exist or the value does not fit it.
pub fn encode(btf: &Btf, id: TypeId, bytes: &mut [u8], path: &str, value: &str) -> Result<(), EncodeError> {
    let place = find(btf, id, path)?;
    let err = |expected| EncodeError::Value { path: path.to_string(), value: value.to_string(), expected };
    let (_, ty) = btf.resolved(place.ty).ok_or(EncodeError::NotStruct)?;
    let size = btf.size_of(place.ty).ok_or(EncodeError::NotStruct)? as usize;
    let start = place.bit_offset as usize / 8;
    if let Type::Array { elem, .. } = ty {
        let is_char = matches!(btf.resolved(elem), Some((_, Type::Int { size: 1, .. })));
        let target = bytes.get_mut(start..start + size).ok_or(EncodeError::NotStruct)?;
        if !is_char || value.len() > target.len() {
            return Err(err("text that fits the array"));
        }
        target.fill(0);
        target[..value.len()].copy_from_slice(value.as_bytes());
        return Ok(());
    }
    let bits = if place.bit_size > 0 { place.bit_size } else { size as u32 * 8 };
    let number = match ty {
        Type::Enum(e) => match e.values().find(|(name, _)| *name == value) {
            Some((_, number)) => number as i128,
            None => number(value).ok_or(err("a number or a name of the enumeration"))?,
        },
        Type::Int { .. } | Type::Ptr(_) | Type::Float { .. } => match value {
            "true" => 1,
            "false" => 0,
            _ => number(value).ok_or(err("a number"))?,
        },
        _ => return Err(err("a number, an enumeration or text")),
    };
    if bits > 64 || number < -(1i128 << (bits - 1)) || number >= 1i128 << bits {
        return Err(err("a number that fits the field"));
    }
    let (first, last) = (start, (place.bit_offset + bits).div_ceil(8) as usize);
    let target = bytes.get_mut(first..last).ok_or(EncodeError::NotStruct)?;
    let shift = place.bit_offset % 8;
    let mask = ((1u128 << bits) - 1) << shift;
    let value = (number as u128) << shift & mask;
    for (nth, b) in target.iter_mut().enumerate() {
        *b = *b & !((mask >> (8 * nth)) as u8) | (value >> (8 * nth)) as u8;
    }
    Ok(())
}

struct Place {
    ty: TypeId,
    bit_offset: u32,
    bit_size: u32,
}

fn find(btf: &Btf, id: TypeId, path: &str) -> Result<Place, EncodeError> {
    let missing = || EncodeError::NoField { path: path.to_string() };
    let mut place = Place { ty: id, bit_offset: 0, bit_size: 0 };
    for part in path.split('.') {
        let (name, indices) = part.split_once('[').map_or((part, ""), |(n, i)| (n, i));
        let (_, ty) = btf.resolved(place.ty).ok_or(EncodeError::NotStruct)?;
        let composite = ty.composite().ok_or(EncodeError::NotStruct)?;
        let (ty, offset, bits) = btf.find_member(composite, name).ok_or_else(missing)?;
        place = Place {
            ty,
            bit_offset: place.bit_offset.checked_add(offset).ok_or_else(missing)?,
            bit_size: bits,
        };
        for index in indices.split('[').filter(|i| !i.is_empty()) {
            let index: u32 = index.strip_suffix(']').and_then(|i| i.parse().ok()).ok_or_else(missing)?;
            let Some((_, Type::Array { elem, len, .. })) = btf.resolved(place.ty) else {
                return Err(missing());
            };
            let size = btf.size_of(elem).filter(|_| index < len).ok_or_else(missing)?;
            let moved = index.checked_mul(size).and_then(|o| o.checked_mul(8));
            let moved = moved.and_then(|o| o.checked_add(place.bit_offset));
            place = Place { ty: elem, bit_offset: moved.ok_or_else(missing)?, bit_size: 0 };
        }
    }
    Ok(place)
}

fn number(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |d| (true, d));
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { -(value as i128) } else { value as i128 })
}
