//! The records of the type section as bytes, and the string section.

use super::error::{BtfError, Problem, Section};
use super::types::{Kind, TypeId};
use crate::insn::ByteOrder;
use alloc::vec::Vec;

/// Reads integers of one byte order out of a byte slice.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub bytes: &'a [u8],
    pub order: ByteOrder,
}

impl<'a> Reader<'a> {
    /// The 32-bit word at a byte offset, if all of it is there.
    pub fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(match self.order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    /// The 16-bit word at a byte offset, if all of it is there.
    pub fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(match self.order {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        })
    }
}

/// Appends a 32-bit word.
pub(super) fn put(out: &mut Vec<u8>, order: ByteOrder, word: u32) {
    out.extend(match order {
        ByteOrder::Little => word.to_le_bytes(),
        ByteOrder::Big => word.to_be_bytes(),
    });
}

/// The string section, and before it that of the base when the types are split.
#[derive(Clone, Copy)]
pub(super) struct Strings<'a> {
    pub base: &'a [u8],
    pub own: &'a [u8],
}

impl<'a> Strings<'a> {
    /// The bytes of the string at this offset, without its end mark.
    pub fn bytes(&self, offset: u32) -> Option<&'a [u8]> {
        let offset = offset as usize;
        let rest = match offset.checked_sub(self.base.len()) {
            None => self.base.get(offset..)?,
            Some(own) => self.own.get(own..)?,
        };
        let end = rest.iter().position(|&b| b == 0)?;
        Some(&rest[..end])
    }

    /// The string at this offset, unless it is outside the section or not UTF-8.
    pub fn get(&self, offset: u32) -> Option<&'a str> {
        core::str::from_utf8(self.bytes(offset)?).ok()
    }

    /// Bytes in both sections.
    pub fn len(&self) -> usize {
        self.base.len() + self.own.len()
    }
}

/// One record of the type section whose length was checked when the section was opened.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub reader: Reader<'a>,
    pub strings: Strings<'a>,
}

impl<'a> Record<'a> {
    /// The `index`th word of the record; 0 past its end.
    pub fn word(&self, index: usize) -> u32 {
        self.reader.u32(index * 4).unwrap_or(0)
    }

    /// The kind.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_number(self.word(1) >> 24 & 0x1f)
    }

    /// The number of members, values, parameters or variables.
    pub fn vlen(&self) -> usize {
        (self.word(1) & 0xffff) as usize
    }

    pub fn kind_flag(&self) -> bool {
        self.word(1) >> 31 != 0
    }
}

/// Bytes in a record of this kind with `vlen` elements.
pub(super) const fn record_len(kind: Kind, vlen: usize) -> usize {
    12 + match kind {
        Kind::Int | Kind::Var | Kind::DeclTag => 4,
        Kind::Array => 12,
        Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => 12 * vlen,
        Kind::Enum | Kind::FuncProto => 8 * vlen,
        _ => 0,
    }
}

/// Bytes of the fixed part of the header.
pub(super) const HEADER_LEN: usize = 24;
pub(super) const MAGIC: u16 = 0xeb9f;

/// Where the two sections stand in the file.
pub(super) struct Layout {
    pub order: ByteOrder,
    pub types: core::ops::Range<usize>,
    pub strings: core::ops::Range<usize>,
}

/// Reads and checks the header (Linux `btf_parse_hdr`).
pub(super) fn layout(bytes: &[u8]) -> Result<Layout, BtfError> {
    let err = |offset, problem| BtfError { section: Section::Header, offset, id: None, problem };
    let order = match bytes.first_chunk().map(|&b| (u16::from_le_bytes(b), u16::from_be_bytes(b))) {
        Some((MAGIC, _)) => ByteOrder::Little,
        Some((_, MAGIC)) => ByteOrder::Big,
        Some(_) => return Err(err(0, Problem::Magic)),
        None => return Err(err(0, Problem::Truncated { need: HEADER_LEN, have: bytes.len() })),
    };
    let r = Reader { bytes, order };
    let word = |at| r.u32(at).ok_or(err(at, Problem::Truncated { need: HEADER_LEN, have: bytes.len() }));
    let header_len = word(4)? as usize;
    if bytes[2] != 1 {
        return Err(err(2, Problem::Version { version: bytes[2] }));
    }
    if bytes[3] != 0 {
        return Err(err(3, Problem::Flags { flags: bytes[3] }));
    }
    if header_len < HEADER_LEN || header_len > bytes.len() {
        return Err(err(4, Problem::Truncated { need: header_len.max(HEADER_LEN), have: bytes.len() }));
    }
    let section = |at: usize, align: usize| -> Result<_, BtfError> {
        let (offset, len) = (word(at)? as usize, word(at + 4)? as usize);
        let start = header_len.checked_add(offset).filter(|s| s % align == 0 || align == 1);
        let start = start.ok_or(err(at, Problem::Misaligned { value: offset as u32 }))?;
        let end = start.checked_add(len).filter(|&e| e <= bytes.len());
        let end =
            end.ok_or(err(at, Problem::Truncated { need: start.saturating_add(len), have: bytes.len() }))?;
        Ok(start..end)
    };
    let types = section(8, 4)?;
    let strings = section(16, 1)?;
    if types.start < strings.end && strings.start < types.end {
        return Err(err(16, Problem::Overlap));
    }
    Ok(Layout { order, types, strings })
}

/// Holds one record's fields against what its kind allows (Linux `btf_check_meta` of each kind).
pub(super) fn check_record(
    record: &Record<'_>,
    kind: Kind,
    id: TypeId,
    offset: usize,
    count: u32,
) -> Result<(), BtfError> {
    let err = |word: usize, problem| {
        Err(BtfError { section: Section::Types, offset: offset + word * 4, id: Some(id), problem })
    };
    let name = |word: usize| match record.strings.len() > record.word(word) as usize {
        true => Ok(()),
        false => err(word, Problem::NameOffset { offset: record.word(word) }),
    };
    let reference = |word: usize| match record.word(word) < count {
        true => Ok(()),
        false => err(word, Problem::TypeId { id: TypeId(record.word(word)) }),
    };
    fields(kind, record.vlen(), |word, field| match field {
        Field::Name => name(word),
        Field::Type => reference(word),
    })?;
    match kind {
        Kind::Var if record.word(3) > 2 => err(3, Problem::Linkage { number: record.word(3) }),
        Kind::Func if record.vlen() > 2 => err(1, Problem::Linkage { number: record.vlen() as u32 }),
        _ => Ok(()),
    }
}

/// What a word of a record refers to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Offset of a string.
    Name,
    /// Id of a type.
    Type,
}

/// Visits, in order, every word of a record that is a name or a type; the others mean the same in
/// every BTF.
pub(super) fn fields<E>(
    kind: Kind,
    vlen: usize,
    mut visit: impl FnMut(usize, Field) -> Result<(), E>,
) -> Result<(), E> {
    visit(0, Field::Name)?;
    match kind {
        Kind::Void | Kind::Int | Kind::Float | Kind::Fwd => Ok(()),
        Kind::Array => {
            visit(3, Field::Type)?;
            visit(4, Field::Type)
        }
        Kind::Struct | Kind::Union => (0..vlen).try_for_each(|m| {
            visit(3 + 3 * m, Field::Name)?;
            visit(4 + 3 * m, Field::Type)
        }),
        Kind::Enum => (0..vlen).try_for_each(|v| visit(3 + 2 * v, Field::Name)),
        Kind::Enum64 => (0..vlen).try_for_each(|v| visit(3 + 3 * v, Field::Name)),
        Kind::FuncProto => {
            visit(2, Field::Type)?;
            (0..vlen).try_for_each(|p| {
                visit(3 + 2 * p, Field::Name)?;
                visit(4 + 2 * p, Field::Type)
            })
        }
        Kind::Datasec => (0..vlen).try_for_each(|v| visit(3 + 3 * v, Field::Type)),
        _ => visit(2, Field::Type),
    }
}
