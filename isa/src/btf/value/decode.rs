//! Bytes to values.

use super::Value;
use crate::btf::layout::MAX_DEPTH;
use crate::btf::read::Btf;
use crate::btf::types::{Composite, Enum, IntEncoding, Type, TypeId};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Array elements that are looked into in one value; the rest is given as bytes, so that hostile
/// types cannot make a value much larger than its bytes.
pub const MAX_ELEMENTS: usize = 1 << 16;

/// The value of type `id` that `bytes` hold. Bytes that the type does not cover, and types that have
/// no values, give [`Value::Bytes`].
pub fn decode(btf: &Btf, id: TypeId, bytes: &[u8]) -> Value {
    let mut decoder = Decoder { btf, left: MAX_ELEMENTS };
    decoder.value(id, bytes, MAX_DEPTH)
}

struct Decoder<'a> {
    btf: &'a Btf,
    left: usize,
}

impl Decoder<'_> {
    fn value(&mut self, id: TypeId, bytes: &[u8], depth: usize) -> Value {
        let raw = || Value::Bytes(bytes.to_vec());
        let (Some((id, ty)), Some(depth)) = (self.btf.resolved(id), depth.checked_sub(1)) else {
            return raw();
        };
        let size = self.btf.size_of(id).map(|s| s as usize);
        let Some(bytes) = size.and_then(|s| bytes.get(..s)) else { return raw() };
        match ty {
            Type::Int { size, encoding, bit_offset, bits, .. } => {
                let bits = if bits == 0 { size * 8 } else { bits as u32 };
                integer(bytes, bit_offset as u32, bits, encoding)
            }
            Type::Float { size, .. } => Value::Float { bits: little(bytes) as u64, size },
            Type::Ptr(_) => Value::Pointer(little(bytes) as u64),
            Type::Enum(e) => enumeration(e, extend(little(bytes), e.size * 8, e.signed) as i64),
            Type::Array { elem, len, .. } => self.array(elem, len, bytes, depth),
            Type::Struct(c) => Value::Struct(self.members(c, bytes, depth)),
            Type::Union(c) => Value::Union(self.members(c, bytes, depth)),
            Type::Datasec(d) => {
                let mut members = Vec::new();
                for var in d.vars() {
                    let (start, end) = (var.offset as usize, var.offset as usize + var.size as usize);
                    let (Some(Type::Var { name, ty, .. }), Some(bytes)) =
                        (self.btf.ty(var.var), bytes.get(start..end))
                    else {
                        continue;
                    };
                    members.push((name.to_string(), self.value(ty, bytes, depth)));
                }
                Value::Struct(members)
            }
            _ => raw(),
        }
    }

    fn array(&mut self, elem: TypeId, len: u32, bytes: &[u8], depth: usize) -> Value {
        if self.is_char(elem)
            && let Some(text) = text(bytes)
        {
            return Value::Text(text);
        }
        let Some(size) = self.btf.size_of(elem).map(|s| s as usize).filter(|&s| s > 0) else {
            return Value::Bytes(bytes.to_vec());
        };
        if len as usize > self.left {
            return Value::Bytes(bytes.to_vec());
        }
        self.left -= len as usize;
        Value::Array(bytes.chunks_exact(size).map(|b| self.value(elem, b, depth)).collect())
    }

    fn is_char(&self, id: TypeId) -> bool {
        match self.btf.resolved(id) {
            Some((_, Type::Int { size: 1, name, encoding, .. })) => encoding.is_char() || name == "char",
            _ => false,
        }
    }

    fn members(&mut self, c: Composite<'_>, bytes: &[u8], depth: usize) -> Vec<(String, Value)> {
        let mut out = Vec::new();
        for m in c.members() {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let value = if m.bit_size > 0 {
                self.bit_field(m.ty, bytes, m.bit_offset, m.bit_size)
            } else {
                let start = m.bit_offset as usize / 8;
                self.value(m.ty, bytes.get(start..).unwrap_or(&[]), depth)
            };
            match value {
                // What has no name of its own speaks through the names inside.
                Value::Struct(inner) | Value::Union(inner) if m.name.is_empty() => out.extend(inner),
                value => out.push((m.name.to_string(), value)),
            }
        }
        out
    }

    fn bit_field(&self, ty: TypeId, bytes: &[u8], offset: u32, bits: u32) -> Value {
        let (start, end) = (offset as usize / 8, (offset + bits).div_ceil(8) as usize);
        let Some(bytes) = bytes.get(start..end) else { return Value::Bytes(Vec::new()) };
        match self.btf.resolved(ty) {
            Some((_, Type::Enum(e))) => {
                let number = little(bytes) >> (offset % 8) & mask(bits);
                enumeration(e, extend(number, bits, e.signed) as i64)
            }
            Some((_, Type::Int { encoding, .. })) => integer(bytes, offset % 8, bits, encoding),
            _ => integer(bytes, offset % 8, bits, IntEncoding(0)),
        }
    }
}

/// Up to sixteen bytes as a number.
fn little(bytes: &[u8]) -> u128 {
    bytes.iter().take(16).rev().fold(0, |n, &b| n << 8 | b as u128)
}

fn mask(bits: u32) -> u128 {
    if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
}

fn extend(number: u128, bits: u32, signed: bool) -> i128 {
    let shift = 128 - bits.clamp(1, 128);
    if signed { ((number << shift) as i128) >> shift } else { number as i128 }
}

fn integer(bytes: &[u8], bit_offset: u32, bits: u32, encoding: IntEncoding) -> Value {
    let number = little(bytes).checked_shr(bit_offset).unwrap_or(0) & mask(bits);
    match encoding {
        e if e.is_bool() => Value::Bool(number != 0),
        e if e.is_char() && bits == 8 => Value::Char(number as u8),
        e if e.is_signed() => Value::Signed(extend(number, bits, true)),
        _ => Value::Unsigned(number),
    }
}

fn enumeration(e: Enum<'_>, value: i64) -> Value {
    let name = e.values().find(|(_, v)| *v == value).map(|(name, _)| name.to_string());
    Value::Enum { name, value }
}

/// Printable text up to the first end mark, with nothing but zeroes after it.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&b| b == 0)?;
    let (text, rest) = bytes.split_at(end);
    let printable = text.iter().all(|b| (0x20..0x7f).contains(b)) && rest.iter().all(|&b| b == 0);
    // All zeroes read as a count more often than as text.
    (printable && !text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}
