//! The meaning of bytes: values as JSON, in the manner of `bpftool map dump`.
//!
//! Structs become objects, arrays become lists, and arrays of `char` strings when they hold text.
//! Enumerations are named where a name fits; pointers are strings of hexadecimal digits. Members of
//! anonymous structs and unions stand among those of the type around them, as in C.

use super::ShowError;
use crate::btf::layout::MAX_DEPTH;
use crate::btf::read::Btf;
use crate::btf::types::{Composite, Datasec, Enum, Type, TypeId};
use crate::insn::ByteOrder;
use core::fmt::Write;

/// How objects and lists are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// All in one line, with a space after `:` and `,`.
    Line,
    /// One member a line, indented by tabs beyond these.
    Lines { indent: usize },
}

/// Parts of one value. Unions show the same bytes several times, so nested ones could have no end.
const MAX_PARTS: u32 = 1 << 22;

/// Writes the value of type `ty` that the first of `bytes` hold, in the byte order of the BTF.
/// For a section, the values of its variables.
///
/// # Errors
/// [`ShowError::Short`] when there are too few bytes, [`ShowError::NoValue`] for types such as void
/// or a forward declaration. What was written until then is not complete.
pub fn value(
    out: &mut dyn Write,
    btf: &Btf,
    ty: TypeId,
    bytes: &[u8],
    shape: Shape,
) -> Result<(), ShowError> {
    Values { out, btf, shape, parts: MAX_PARTS }.value(ty, bytes, 0)
}

struct Values<'a> {
    out: &'a mut dyn Write,
    btf: &'a Btf,
    shape: Shape,
    parts: u32,
}

impl Values<'_> {
    fn value(&mut self, id: TypeId, bytes: &[u8], depth: usize) -> Result<(), ShowError> {
        self.parts = self.parts.checked_sub(1).ok_or(ShowError::TooLarge { id })?;
        if depth > MAX_DEPTH {
            return Err(ShowError::TooDeep { id });
        }
        let (id, ty) = self.btf.resolved(id).ok_or(ShowError::NoValue { id })?;
        let need = self.btf.size_of(id).ok_or(ShowError::NoValue { id })? as usize;
        let have = bytes.len();
        let bytes = bytes.get(..need).ok_or(ShowError::Short { id, need, have })?;
        match ty {
            Type::Struct(c) | Type::Union(c) => self.composite(c, bytes, depth),
            Type::Array { elem, len, .. } => self.array(elem, len as usize, bytes, depth),
            Type::Var { ty, .. } => self.value(ty, bytes, depth + 1),
            Type::Datasec(d) => self.datasec(d, bytes, depth),
            Type::Float { size, .. } => self.float(id, size, self.bits(bytes, 0, 8 * need.min(16))),
            Type::Int { bits, bit_offset, .. } if need <= 16 => {
                let (from, count) = (bit_offset as usize, bits as usize);
                if from + count > 8 * need {
                    return Err(ShowError::NoValue { id });
                }
                self.scalar(id, &ty, self.bits(bytes, from, count), count)
            }
            _ if need <= 16 => self.scalar(id, &ty, self.bits(bytes, 0, 8 * need), 8 * need),
            _ => Err(ShowError::NoValue { id }),
        }
    }

    /// The number in `count` bits, at most 128, from the `from`th on: counted from the lowest bit of
    /// the first byte in little-endian types, from the highest in big-endian ones.
    fn bits(&self, bytes: &[u8], from: usize, count: usize) -> u128 {
        let bit = |at: usize, within: usize| (bytes[at / 8] >> within & 1) as u128;
        let range = from..from + count;
        match self.btf.order() {
            ByteOrder::Little => range.rev().fold(0, |v, at| v << 1 | bit(at, at % 8)),
            ByteOrder::Big => range.fold(0, |v, at| v << 1 | bit(at, 7 - at % 8)),
        }
    }

    fn scalar(&mut self, id: TypeId, ty: &Type<'_>, raw: u128, bits: usize) -> Result<(), ShowError> {
        match *ty {
            Type::Ptr(_) => write!(self.out, "\"{raw:#x}\"")?,
            Type::Int { encoding, .. } if encoding.is_bool() => {
                self.out.write_str(if raw == 0 { "false" } else { "true" })?;
            }
            Type::Int { encoding, .. } if encoding.is_char() && bits == 8 => self.string(&[raw as u8])?,
            Type::Int { encoding, .. } if encoding.is_signed() => {
                write!(self.out, "{}", signed(raw, bits))?;
            }
            Type::Int { .. } => write!(self.out, "{raw}")?,
            Type::Enum(e) => self.enumeration(e, raw, bits)?,
            _ => return Err(ShowError::NoValue { id }),
        }
        Ok(())
    }

    fn enumeration(&mut self, e: Enum<'_>, raw: u128, bits: usize) -> Result<(), ShowError> {
        let value = if e.signed { signed(raw, bits) as i64 } else { raw as i64 };
        self.parts = self.parts.saturating_sub(e.values().len() as u32 / 64);
        match e.values().find(|&(_, v)| v == value) {
            Some((name, _)) => self.string(name.as_bytes()),
            None if e.signed => Ok(write!(self.out, "{value}")?),
            None => Ok(write!(self.out, "{}", value as u64)?),
        }
    }

    fn float(&mut self, id: TypeId, size: u32, raw: u128) -> Result<(), ShowError> {
        let number = match size {
            4 => f32::from_bits(raw as u32) as f64,
            8 => f64::from_bits(raw as u64),
            _ => return Err(ShowError::NoValue { id }),
        };
        // JSON has no word for infinities and for what is not a number.
        let _: () = match (number.is_finite(), size) {
            (true, 4) => write!(self.out, "{}", f32::from_bits(raw as u32))?,
            (true, _) => write!(self.out, "{number}")?,
            (false, _) => write!(self.out, "\"{number}\"")?,
        };
        Ok(())
    }

    fn array(&mut self, elem: TypeId, len: usize, bytes: &[u8], depth: usize) -> Result<(), ShowError> {
        if let Some(text) = self.text(elem, bytes) {
            return self.string(text);
        }
        let size = self.btf.size_of(elem).ok_or(ShowError::NoValue { id: elem })? as usize;
        // Elements without bytes hold nothing, however many there are said to be.
        let len = if size == 0 { 0 } else { len };
        self.out.write_char('[')?;
        for nth in 0..len {
            self.separate(nth == 0, depth + 1)?;
            self.value(elem, &bytes[nth * size..], depth + 1)?;
        }
        self.close(len == 0, ']', depth)
    }

    /// The text in an array of `char`: what stands before the first zero, if that is printable and
    /// nothing but zeros follow.
    fn text<'b>(&self, elem: TypeId, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let Type::Int { name, size: 1, encoding, .. } = self.btf.resolved(elem)?.1 else { return None };
        if name != "char" && !encoding.is_char() || bytes.is_empty() {
            return None;
        }
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        let (text, rest) = bytes.split_at(end);
        let printable = |&b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace() || b == b' ';
        (text.iter().all(printable) && rest.iter().all(|&b| b == 0)).then_some(text)
    }

    fn composite(&mut self, c: Composite<'_>, bytes: &[u8], depth: usize) -> Result<(), ShowError> {
        self.out.write_char('{')?;
        let mut first = true;
        self.members(c, bytes, depth, 0, &mut first)?;
        self.close(first, '}', depth)
    }

    fn members(
        &mut self,
        c: Composite<'_>,
        bytes: &[u8],
        depth: usize,
        nested: usize,
        first: &mut bool,
    ) -> Result<(), ShowError> {
        for m in c.members() {
            let id = m.ty;
            let (resolved, ty) = self.btf.resolved(id).ok_or(ShowError::NoValue { id })?;
            let from = m.bit_offset as usize;
            let rest = bytes.get(from / 8..).unwrap_or(&[]);
            if let (true, Some(inner)) = (m.name.is_empty(), ty.composite()) {
                self.parts = self.parts.checked_sub(1).ok_or(ShowError::TooLarge { id })?;
                if nested > MAX_DEPTH {
                    return Err(ShowError::TooDeep { id });
                }
                self.members(inner, rest, depth, nested + 1, first)?;
                continue;
            }
            if m.name.is_empty() && m.bit_size != 0 {
                continue;
            }
            self.separate(*first, depth + 1)?;
            *first = false;
            self.string(m.name.as_bytes())?;
            self.out.write_str(": ")?;
            if m.bit_size == 0 {
                self.value(id, rest, depth + 1)?;
                continue;
            }
            let (bits, have) = (m.bit_size as usize, bytes.len());
            let need = (from + bits).div_ceil(8);
            if need > have {
                return Err(ShowError::Short { id, need, have });
            }
            if bits > 128 {
                return Err(ShowError::NoValue { id });
            }
            self.parts = self.parts.checked_sub(1).ok_or(ShowError::TooLarge { id })?;
            self.scalar(resolved, &ty, self.bits(bytes, from, bits), bits)?;
        }
        Ok(())
    }

    fn datasec(&mut self, d: Datasec<'_>, bytes: &[u8], depth: usize) -> Result<(), ShowError> {
        self.out.write_char('{')?;
        for (nth, var) in d.vars().enumerate() {
            self.separate(nth == 0, depth + 1)?;
            self.string(self.btf.ty(var.var).map_or("", |t| t.name()).as_bytes())?;
            self.out.write_str(": ")?;
            self.value(var.var, bytes.get(var.offset as usize..).unwrap_or(&[]), depth + 1)?;
        }
        self.close(d.vars().len() == 0, '}', depth)
    }

    /// Goes on to the next member of an object or list.
    fn separate(&mut self, first: bool, depth: usize) -> Result<(), ShowError> {
        match (self.shape, first) {
            (Shape::Line, true) => {}
            (Shape::Line, false) => self.out.write_str(", ")?,
            (Shape::Lines { indent }, _) => {
                self.out.write_str(if first { "\n" } else { ",\n" })?;
                (0..indent + depth).try_for_each(|_| self.out.write_char('\t'))?;
            }
        }
        Ok(())
    }

    fn close(&mut self, empty: bool, end: char, depth: usize) -> Result<(), ShowError> {
        if let (Shape::Lines { indent }, false) = (self.shape, empty) {
            self.out.write_char('\n')?;
            (0..indent + depth).try_for_each(|_| self.out.write_char('\t'))?;
        }
        Ok(self.out.write_char(end)?)
    }

    /// A string of JSON; bytes beyond ASCII are taken as Latin-1 unless all are UTF-8.
    fn string(&mut self, bytes: &[u8]) -> Result<(), ShowError> {
        self.out.write_char('"')?;
        match core::str::from_utf8(bytes) {
            Ok(text) => text.chars().try_for_each(|c| self.escaped(c))?,
            Err(_) => bytes.iter().try_for_each(|&b| self.escaped(b as char))?,
        }
        Ok(self.out.write_char('"')?)
    }

    fn escaped(&mut self, c: char) -> Result<(), ShowError> {
        let _: () = match c {
            '"' | '\\' => write!(self.out, "\\{c}")?,
            '\n' => self.out.write_str("\\n")?,
            '\t' => self.out.write_str("\\t")?,
            '\r' => self.out.write_str("\\r")?,
            c if c.is_control() => write!(self.out, "\\u{:04x}", c as u32)?,
            c => self.out.write_char(c)?,
        };
        Ok(())
    }
}

/// The number whose two's complement in `bits` bits is `raw`.
fn signed(raw: u128, bits: usize) -> i128 {
    match bits {
        0 => 0,
        1..=128 => (raw as i128) << (128 - bits) >> (128 - bits),
        _ => raw as i128,
    }
}
