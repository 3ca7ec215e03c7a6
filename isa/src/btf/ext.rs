//! `.BTF.ext`: which function and source line each instruction comes from, and which of its
//! immediates and offsets depend on the layout of the kernel's types.

use super::error::{BtfError, Problem, Section};
use super::raw::{MAGIC, Reader, put};
use super::types::TypeId;
use crate::insn::ByteOrder;
use alloc::vec::Vec;

/// The records that belong to one section of the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SectionInfo<T> {
    /// String offset of the section's name.
    pub name: u32,
    pub records: Vec<T>,
}

/// Where a function begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtFunc {
    /// Bytes from the start of the section.
    pub insn_off: u32,
    pub type_id: TypeId,
}

/// Where a source line begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtLine {
    /// Bytes from the start of the section.
    pub insn_off: u32,
    /// String offsets.
    pub file_name: u32,
    pub line: u32,
    /// `line << 10 | column`.
    pub line_col: u32,
}

/// A CO-RE relocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtCore {
    /// Bytes from the start of the section.
    pub insn_off: u32,
    /// The root type, in the object's types.
    pub type_id: TypeId,
    /// String offset of the access, such as `0:1:2`.
    pub access: u32,
    pub kind: u32,
}

/// All of `.BTF.ext`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BtfExt {
    pub funcs: Vec<SectionInfo<ExtFunc>>,
    pub lines: Vec<SectionInfo<ExtLine>>,
    pub cores: Vec<SectionInfo<ExtCore>>,
}

/// A record that consists of 32-bit words.
trait Words: Sized {
    const SECTION: Section;
    /// Bytes in the shortest record; longer ones come from newer compilers and their tail is
    /// passed over.
    const LEAST: u32;
    fn read(word: impl Fn(usize) -> u32) -> Self;
    /// The words of the shortest record.
    fn words(&self) -> impl IntoIterator<Item = u32>;
}

impl Words for ExtFunc {
    const SECTION: Section = Section::FuncInfo;
    const LEAST: u32 = 8;
    fn read(word: impl Fn(usize) -> u32) -> Self {
        ExtFunc { insn_off: word(0), type_id: TypeId(word(1)) }
    }

    fn words(&self) -> impl IntoIterator<Item = u32> {
        [self.insn_off, self.type_id.0]
    }
}

impl Words for ExtLine {
    const SECTION: Section = Section::LineInfo;
    const LEAST: u32 = 16;
    fn read(word: impl Fn(usize) -> u32) -> Self {
        ExtLine { insn_off: word(0), file_name: word(1), line: word(2), line_col: word(3) }
    }

    fn words(&self) -> impl IntoIterator<Item = u32> {
        [self.insn_off, self.file_name, self.line, self.line_col]
    }
}

impl Words for ExtCore {
    const SECTION: Section = Section::CoreRelo;
    const LEAST: u32 = 16;
    fn read(word: impl Fn(usize) -> u32) -> Self {
        ExtCore { insn_off: word(0), type_id: TypeId(word(1)), access: word(2), kind: word(3) }
    }

    fn words(&self) -> impl IntoIterator<Item = u32> {
        [self.insn_off, self.type_id.0, self.access, self.kind]
    }
}

impl BtfExt {
    /// Reads the section.
    ///
    /// # Errors
    /// The first fault, with its part and byte offset.
    pub fn parse(bytes: &[u8]) -> Result<BtfExt, BtfError> {
        let header = |offset, problem| BtfError { section: Section::Header, offset, id: None, problem };
        let truncated = |need| header(0, Problem::Truncated { need, have: bytes.len() });
        let magic = Reader { bytes, order: ByteOrder::Little }.u16(0).ok_or(truncated(24))?;
        let order = match magic {
            0xeb9f => ByteOrder::Little,
            0x9feb => ByteOrder::Big,
            _ => return Err(header(0, Problem::Magic)),
        };
        let r = Reader { bytes, order };
        match bytes.get(2..4) {
            Some(&[1, 0]) => {}
            Some(&[1, flags]) => return Err(header(3, Problem::Flags { flags })),
            Some(&[version, _]) => return Err(header(2, Problem::Version { version })),
            _ => return Err(truncated(24)),
        }
        let header_len = r.u32(4).ok_or(truncated(24))? as usize;
        if header_len < 24 || header_len > bytes.len() {
            return Err(truncated(header_len.max(24)));
        }
        let part = |at: usize| {
            let (off, len) = (r.u32(at).unwrap_or(0) as usize, r.u32(at + 4).unwrap_or(0) as usize);
            (header_len.saturating_add(off), len)
        };
        let cores = if header_len >= 32 { part(24) } else { (header_len, 0) };
        Ok(BtfExt { funcs: sections(r, part(8))?, lines: sections(r, part(16))?, cores: sections(r, cores)? })
    }
}

impl BtfExt {
    /// Writes the section, with records of the sizes that Linux 6.18 knows.
    pub fn write(&self, order: ByteOrder) -> Vec<u8> {
        let mut body = Vec::new();
        let mut ends = [0u32; 3];
        write_part(&mut body, order, &self.funcs);
        ends[0] = body.len() as u32;
        write_part(&mut body, order, &self.lines);
        ends[1] = body.len() as u32;
        write_part(&mut body, order, &self.cores);
        ends[2] = body.len() as u32;
        let mut out = Vec::with_capacity(HEADER_LEN as usize + body.len());
        out.extend(match order {
            ByteOrder::Little => MAGIC.to_le_bytes(),
            ByteOrder::Big => MAGIC.to_be_bytes(),
        });
        out.extend([1, 0]);
        put(&mut out, order, HEADER_LEN);
        let mut start = 0;
        for end in ends {
            put(&mut out, order, start);
            put(&mut out, order, end - start);
            start = end;
        }
        out.extend(body);
        out
    }
}

/// Bytes of the header with the part for CO-RE.
const HEADER_LEN: u32 = 32;

/// Writes one part; one without sections is left empty, as compilers do.
fn write_part<T: Words>(out: &mut Vec<u8>, order: ByteOrder, sections: &[SectionInfo<T>]) {
    if sections.is_empty() {
        return;
    }
    put(out, order, T::LEAST);
    for section in sections {
        put(out, order, section.name);
        put(out, order, section.records.len() as u32);
        for word in section.records.iter().flat_map(T::words) {
            put(out, order, word);
        }
    }
}

/// Reads one part: the record size, then for each section its name, count and records.
fn sections<T: Words>(r: Reader<'_>, (start, len): (usize, usize)) -> Result<Vec<SectionInfo<T>>, BtfError> {
    let err = |offset, problem| BtfError { section: T::SECTION, offset, id: None, problem };
    if len == 0 {
        return Ok(Vec::new());
    }
    let end = start.checked_add(len).filter(|&e| e <= r.bytes.len());
    let end =
        end.ok_or(err(start, Problem::Truncated { need: start.saturating_add(len), have: r.bytes.len() }))?;
    let part = Reader { bytes: &r.bytes[..end], order: r.order };
    let word = |at: usize| part.u32(at).ok_or(err(at, Problem::Truncated { need: at + 4, have: end }));
    let size = word(start)?;
    if size < T::LEAST || size % 4 != 0 {
        return Err(err(start, Problem::RecordSize { size, least: T::LEAST }));
    }
    let mut out = Vec::new();
    let mut at = start + 4;
    while at < end {
        let (name, count) = (word(at)?, word(at + 4)? as usize);
        at += 8;
        let bytes = count.checked_mul(size as usize).filter(|&b| b <= end - at);
        let bytes = bytes.ok_or(err(
            at - 4,
            Problem::Truncated { need: at.saturating_add(count.saturating_mul(size as usize)), have: end },
        ))?;
        let records = (at..at + bytes).step_by(size as usize);
        let read = |at: usize| T::read(|n| part.u32(at + n * 4).unwrap_or(0));
        out.push(SectionInfo { name, records: records.map(read).collect() });
        at += bytes;
    }
    Ok(out)
}
