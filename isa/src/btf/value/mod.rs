//! Bytes as typed values, and values as bytes.
//!
//! [`decode`] gives a tree that mirrors the type; JSON and text for people are made from it.
//! [`encode`] sets named fields of a struct, for contexts that are written down by hand or recorded.
//! Bytes are little-endian, as in the maps and contexts of every machine that is spoken of.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{MAX_ELEMENTS, decode};
pub use encode::{EncodeError, encode};

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A value with its shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    Signed(i128),
    Unsigned(u128),
    Bool(bool),
    /// A single character.
    Char(u8),
    /// An array of characters that holds printable text up to its end mark.
    Text(String),
    /// Floating point, as its bits.
    Float {
        bits: u64,
        size: u32,
    },
    Pointer(u64),
    Enum {
        name: Option<String>,
        value: i64,
    },
    /// Members by name; members of anonymous structs stand among those of the outer one.
    Struct(Vec<(String, Value)>),
    Union(Vec<(String, Value)>),
    Array(Vec<Value>),
    /// Bytes whose type is unknown, or more of them than are looked into.
    Bytes(Vec<u8>),
}

impl Value {
    /// The value as a number, where it is one.
    pub fn as_number(&self) -> Option<i128> {
        match *self {
            Value::Signed(n) => Some(n),
            Value::Unsigned(n) => i128::try_from(n).ok(),
            Value::Bool(b) => Some(b as i128),
            Value::Char(c) => Some(c as i128),
            Value::Pointer(p) => Some(p as i128),
            Value::Enum { value, .. } => Some(value as i128),
            _ => None,
        }
    }
}

/// One line, in C's manner: `{ .packets = 3, .name = "eth0", .slots = { 0, 1 } }`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Signed(n) => write!(f, "{n}"),
            Value::Unsigned(n) => write!(f, "{n}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Char(c) if (0x20..0x7f).contains(c) => write!(f, "'{}'", *c as char),
            Value::Char(c) => write!(f, "{c}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Float { bits, size: 4 } => write!(f, "{}", f32::from_bits(*bits as u32)),
            Value::Float { bits, .. } => write!(f, "{}", f64::from_bits(*bits)),
            Value::Pointer(p) => write!(f, "{p:#x}"),
            Value::Enum { name: Some(name), .. } => f.write_str(name),
            Value::Enum { name: None, value } => write!(f, "{value}"),
            Value::Struct(members) | Value::Union(members) => {
                f.write_str("{")?;
                for (nth, (name, value)) in members.iter().enumerate() {
                    let comma = if nth > 0 { "," } else { "" };
                    write!(f, "{comma} .{name} = {value}")?;
                }
                f.write_str(" }")
            }
            Value::Array(elements) => {
                f.write_str("{")?;
                for (nth, value) in elements.iter().enumerate() {
                    let comma = if nth > 0 { "," } else { "" };
                    write!(f, "{comma} {value}")?;
                }
                f.write_str(" }")
            }
            Value::Bytes(bytes) => {
                for (nth, b) in bytes.iter().enumerate() {
                    let space = if nth > 0 { " " } else { "" };
                    write!(f, "{space}{b:02x}")?;
                }
                Ok(())
            }
        }
    }
}
