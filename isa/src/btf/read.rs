//! Opening type information.
//!
//! Opening checks every record once and remembers where each begins; a type is decoded when it is
//! looked at. So a kernel's 126,000 types open in milliseconds and hold little more than their
//! bytes.

use super::error::{BtfError, Problem, Section};
use super::raw::{self, Field, Reader, Record, Strings, check_record, fields, record_len};
use super::types::{Kind, Type, TypeId};
use crate::insn::ByteOrder;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// Type information: a kernel's, a module's on top of a kernel's, or an object's.
pub struct Btf {
    bytes: Arc<[u8]>,
    order: ByteOrder,
    strings: Range<usize>,
    /// Where the records of this BTF begin in `bytes`; the first is that of `first_id`.
    records: Vec<u32>,
    first_id: u32,
    base: Option<Arc<Btf>>,
}

impl Btf {
    /// Opens self-contained type information of either byte order.
    ///
    /// # Errors
    /// The first fault, with section, byte offset and type.
    pub fn parse(bytes: impl Into<Arc<[u8]>>) -> Result<Btf, BtfError> {
        Self::open(bytes.into(), None)
    }

    /// Opens type information that continues `base`: its type ids and string offsets go on where
    /// those of the base end, as those of kernel modules do.
    ///
    /// # Errors
    /// The first fault, with section, byte offset and type.
    pub fn parse_split(bytes: impl Into<Arc<[u8]>>, base: Arc<Btf>) -> Result<Btf, BtfError> {
        Self::open(bytes.into(), Some(base))
    }

    fn open(bytes: Arc<[u8]>, base: Option<Arc<Btf>>) -> Result<Btf, BtfError> {
        let layout = raw::layout(&bytes)?;
        let header = |problem| BtfError { section: Section::Header, offset: 0, id: None, problem };
        if u32::try_from(bytes.len()).is_err() {
            return Err(header(Problem::TooLarge));
        }
        if base.as_ref().is_some_and(|b| b.base.is_some()) {
            return Err(header(Problem::SplitBase));
        }
        if base.as_ref().is_some_and(|b| b.order != layout.order) {
            return Err(header(Problem::BaseOrder));
        }
        check_strings(&bytes[layout.strings.clone()], layout.strings.start, base.is_some())?;
        let first_id = base.as_ref().map_or(1, |b| b.type_count());
        let mut btf =
            Btf { records: Vec::new(), bytes, order: layout.order, strings: layout.strings, first_id, base };
        btf.index_records(layout.types)?;
        Ok(btf)
    }

    /// Finds where each record begins, then checks all of them, since a record may name a later one.
    fn index_records(&mut self, types: Range<usize>) -> Result<(), BtfError> {
        let (mut at, mut seen) = (types.start, Extremes::default());
        // Kernels have 25 bytes a record; other input grows the table, to at most a third of its bytes.
        self.records.reserve(types.len() / 25);
        while at < types.end {
            let id = TypeId(self.first_id + self.records.len() as u32);
            let err = |offset, problem| BtfError { section: Section::Types, offset, id: Some(id), problem };
            let left = Reader { bytes: &self.bytes[at..types.end], order: self.order };
            let truncated = |need| err(at, Problem::Truncated { need, have: left.bytes.len() });
            let info = left.u32(4).ok_or(truncated(12))?;
            let kind = match Kind::from_number(info >> 24 & 0x1f) {
                Some(Kind::Void) | None => {
                    return Err(err(at + 4, Problem::Kind { number: info >> 24 & 0x1f }));
                }
                Some(kind) => kind,
            };
            let len = record_len(kind, (info & 0xffff) as usize);
            let Some(bytes) = left.bytes.get(..len) else { return Err(truncated(len)) };
            seen.take(Reader { bytes, order: self.order }, kind, (info & 0xffff) as usize);
            self.records.push(at as u32);
            at += len;
        }
        let count = self.type_count();
        if seen.name as usize >= self.strings().len() || seen.id >= count || seen.linkage > 2 {
            return self.check_records(count);
        }
        Ok(())
    }

    /// Looks for the first faulty record.
    fn check_records(&self, count: u32) -> Result<(), BtfError> {
        for (index, &at) in self.records.iter().enumerate() {
            let record = self.record_at(at as usize);
            let kind = record.kind().unwrap_or(Kind::Void);
            check_record(&record, kind, TypeId(self.first_id + index as u32), at as usize, count)?;
        }
        Ok(())
    }

    fn record_at(&self, at: usize) -> Record<'_> {
        Record { reader: Reader { bytes: &self.bytes[at..], order: self.order }, strings: self.strings() }
    }

    fn own_strings(&self) -> &[u8] {
        &self.bytes[self.strings.clone()]
    }

    fn strings(&self) -> Strings<'_> {
        Strings { base: self.base.as_ref().map_or(&[], |b| b.own_strings()), own: self.own_strings() }
    }

    /// The byte order it was written in.
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    /// The bytes it was opened from.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The types it continues.
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// Whether every name that its own types take from the base is a whole string there. Types that
    /// were split from another kernel's cut strings somewhere.
    pub fn fits_base(&self) -> bool {
        let Some(base) = &self.base else { return true };
        let strings = base.own_strings();
        let is_whole = |offset: u32| match (offset as usize).checked_sub(1) {
            Some(before) => strings.get(before).is_none_or(|&end| end == 0),
            None => true,
        };
        self.records.iter().all(|&at| {
            let record = self.record_at(at as usize);
            let visited = fields(record.kind().unwrap_or(Kind::Void), record.vlen(), |word, field| {
                if field == Field::Type || is_whole(record.word(word)) { Ok(()) } else { Err(()) }
            });
            visited.is_ok()
        })
    }

    /// One more than the highest type id; void counts.
    pub fn type_count(&self) -> u32 {
        self.first_id + self.records.len() as u32
    }

    /// The id of the first type of its own: 1, or one past the base.
    pub fn first_id(&self) -> TypeId {
        TypeId(self.first_id)
    }

    /// The type with this id, own or of the base; 0 is void.
    pub fn ty(&self, id: TypeId) -> Option<Type<'_>> {
        if id.0 == 0 {
            return Some(Type::Void);
        }
        let Some(index) = id.0.checked_sub(self.first_id) else {
            return self.base.as_ref()?.ty(id);
        };
        Type::decode(self.record_at(*self.records.get(index as usize)? as usize))
    }

    /// The bytes of a type's record; void has none.
    pub(super) fn record(&self, id: TypeId) -> Option<Record<'_>> {
        match id.0.checked_sub(self.first_id) {
            Some(index) => Some(self.record_at(*self.records.get(index as usize)? as usize)),
            None => self.base.as_ref()?.record(id),
        }
    }

    /// Whether two types say the same: kind, names, numbers and the ids they refer to. The byte
    /// orders and the places of the names may differ.
    pub fn same_type(&self, id: TypeId, other: &Btf, other_id: TypeId) -> bool {
        let (Some(a), Some(b)) = (self.record(id), other.record(other_id)) else {
            return id == TypeId::VOID && other_id == TypeId::VOID;
        };
        let Some(kind) = a.kind().filter(|_| a.word(1) == b.word(1)) else { return false };
        let mut next = 0;
        let same_numbers = |from: usize, to: usize| (from..to).all(|w| a.word(w) == b.word(w));
        let fields = fields(kind, a.vlen(), |word, field| {
            let same = same_numbers(next, word)
                && match field {
                    Field::Name => a.strings.bytes(a.word(word)) == b.strings.bytes(b.word(word)),
                    Field::Type => a.word(word) == b.word(word),
                };
            next = word + 1;
            if same { Ok(()) } else { Err(()) }
        });
        fields.is_ok() && same_numbers(next, record_len(kind, a.vlen()) / 4)
    }

    /// The kind of a type, without decoding the rest.
    pub fn kind(&self, id: TypeId) -> Option<Kind> {
        if id.0 == 0 {
            return Some(Kind::Void);
        }
        let Some(index) = id.0.checked_sub(self.first_id) else {
            return self.base.as_ref()?.kind(id);
        };
        self.record_at(*self.records.get(index as usize)? as usize).kind()
    }

    /// Where the record of a type of its own stands in [`Btf::bytes`].
    pub fn record_range(&self, id: TypeId) -> Option<Range<usize>> {
        let at = *self.records.get(id.0.checked_sub(self.first_id)? as usize)? as usize;
        let record = self.record_at(at);
        Some(at..at + record_len(record.kind()?, record.vlen()))
    }

    /// The types of its own, without those of the base and without void, in order.
    pub fn types(&self) -> impl DoubleEndedIterator<Item = (TypeId, Type<'_>)> + Clone + '_ {
        (self.first_id..self.type_count()).filter_map(|id| Some((TypeId(id), self.ty(TypeId(id))?)))
    }

    /// The string at an offset, unless it is outside the section or not UTF-8.
    pub fn str(&self, offset: u32) -> Option<&str> {
        self.strings().get(offset)
    }

    /// The bytes of the string at an offset.
    pub fn str_bytes(&self, offset: u32) -> Option<&[u8]> {
        self.strings().bytes(offset)
    }

    /// The string section of its own.
    pub fn string_section(&self) -> &[u8] {
        self.own_strings()
    }

    /// The first type of this name and kind, of the base before its own.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        if let Some(found) = self.base.as_ref().and_then(|b| b.find(name, kind)) {
            return Some(found);
        }
        self.find_own(name).find(|&id| self.kind(id) == Some(kind))
    }

    /// Every type of its own with this name.
    pub fn find_own<'a>(&'a self, name: &'a str) -> impl Iterator<Item = TypeId> + 'a {
        let strings = self.strings();
        self.records.iter().enumerate().filter_map(move |(index, &at)| {
            let offset = self.record_at(at as usize).word(0);
            let named = offset != 0 && strings.starts_with(offset, name.as_bytes());
            named.then(|| TypeId(self.first_id + index as u32))
        })
    }
}

/// The largest numbers in all records. When these are in bounds every record is, so that good input
/// is gone through once.
#[derive(Default)]
struct Extremes {
    name: u32,
    id: u32,
    linkage: u32,
}

impl Extremes {
    fn take(&mut self, record: Reader<'_>, kind: Kind, vlen: usize) {
        let word = |n: usize| record.u32(4 * n).unwrap_or(u32::MAX);
        let _ = fields(kind, vlen, |n, field| {
            let extreme = if field == Field::Name { &mut self.name } else { &mut self.id };
            *extreme = word(n).max(*extreme);
            Ok::<(), core::convert::Infallible>(())
        });
        match kind {
            Kind::Var => self.linkage = self.linkage.max(word(3)),
            Kind::Func => self.linkage = self.linkage.max(vlen as u32),
            _ => {}
        }
    }
}

impl Strings<'_> {
    /// Whether the whole string at `offset` is `name`, without looking for its end first.
    fn starts_with(&self, offset: u32, name: &[u8]) -> bool {
        let offset = offset as usize;
        let rest = match offset.checked_sub(self.base.len()) {
            None => &self.base[offset..],
            Some(own) => self.own.get(own..).unwrap_or(&[]),
        };
        rest.len() > name.len() && rest[name.len()] == 0 && &rest[..name.len()] == name
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("types", &(self.type_count() - 1))
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The string section ends with an end mark and begins with the empty string, unless it continues
/// that of a base (Linux `btf_parse_str_sec`).
fn check_strings(strings: &[u8], offset: usize, split: bool) -> Result<(), BtfError> {
    let err =
        |at, problem| Err(BtfError { section: Section::Strings, offset: offset + at, id: None, problem });
    match (strings.first(), strings.last()) {
        (None, _) if split => Ok(()),
        (None, _) => err(0, Problem::StringStart),
        (_, Some(&end)) if end != 0 => err(strings.len() - 1, Problem::StringEnd),
        (Some(&start), _) if start != 0 && !split => err(0, Problem::StringStart),
        _ => Ok(()),
    }
}
