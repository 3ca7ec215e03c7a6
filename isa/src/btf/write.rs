//! Building type information.
//!
//! Types are appended one after the other and get the next id each; a type may refer to one that
//! is appended later. Equal strings are stored once, and those of the base are used again.
//! Whether ids and names hold together is checked where all types are known, by opening the result.

use super::error::{BtfError, Problem, Section};
use super::raw::{Field, HEADER_LEN, MAGIC, fields, put, record_len};
use super::read::Btf;
use super::types::{IntEncoding, Kind, Linkage, Member, Param, SecVar, TypeId};
use crate::insn::ByteOrder;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Why a type cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A name holds a zero byte, which would end it.
    Name,
    /// More members, values, parameters or variables than the 65535 that a record can count.
    TooMany { count: usize },
    /// A member of a struct with bit fields is wider than 255 bits or starts at 2^24 bits or later.
    Member { index: usize },
    /// There is no such type to copy.
    NoType { id: TypeId },
    /// Types or strings grow beyond 4 GiB.
    TooLarge,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            BuildError::Name => f.write_str("a name holds a zero byte"),
            BuildError::TooMany { count } => write!(f, "{count} elements, at most 65535 fit in a type"),
            BuildError::Member { index } => write!(
                f,
                "member {index} does not fit in a struct with bit fields: at most 255 bits, before bit 16777216"
            ),
            BuildError::NoType { id } => write!(f, "there is no type {id}"),
            BuildError::TooLarge => f.write_str("larger than 4 GiB"),
        }
    }
}

impl core::error::Error for BuildError {}

/// Type information that grows type by type.
#[derive(Debug)]
pub struct BtfBuilder {
    order: ByteOrder,
    base: Option<Arc<Btf>>,
    next_id: u32,
    /// Bytes of the strings of the base.
    strings_start: u32,
    types: Vec<u8>,
    strings: Vec<u8>,
    /// The offset of every string, own or of the base.
    offsets: BTreeMap<Box<[u8]>, u32>,
}

/// The header words of a record after the name.
struct Head {
    kind: Kind,
    vlen: usize,
    flag: bool,
    /// Size or type, whichever the kind has.
    last: u32,
}

impl Head {
    fn new(kind: Kind, last: u32) -> Head {
        Head { kind, vlen: 0, flag: false, last }
    }
}

impl BtfBuilder {
    /// Starts self-contained type information.
    pub fn new(order: ByteOrder) -> BtfBuilder {
        let offsets = BTreeMap::from([(Box::from([]), 0)]);
        let (types, strings) = (Vec::new(), Vec::from([0]));
        BtfBuilder { order, base: None, next_id: 1, strings_start: 0, types, strings, offsets }
    }

    /// Starts type information that continues `base`, in its byte order. The base must stand alone.
    pub fn split(base: Arc<Btf>) -> BtfBuilder {
        let mut builder = BtfBuilder::new(base.order());
        builder.next_id = base.type_count();
        builder.strings.clear();
        let mut offset = 0;
        for string in base.string_section().split_inclusive(|&b| b == 0) {
            builder.offsets.entry(string[..string.len() - 1].into()).or_insert(offset);
            offset += string.len() as u32;
        }
        builder.strings_start = offset;
        builder.base = Some(base);
        builder
    }

    /// Starts with copies of all of a BTF's own types, under their ids.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`].
    pub fn copy_of(btf: &Btf) -> Result<BtfBuilder, BuildError> {
        let mut builder = match btf.base() {
            Some(base) => BtfBuilder::split(base.clone()),
            None => BtfBuilder::new(btf.order()),
        };
        for id in btf.first_id().0..btf.type_count() {
            builder.append(btf, TypeId(id), |id| id)?;
        }
        Ok(builder)
    }

    /// The id that the next type will get.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.next_id)
    }

    /// The offset of a string, which is added unless it is there.
    ///
    /// # Errors
    /// [`BuildError::Name`] for a zero byte in it.
    pub fn string(&mut self, string: &str) -> Result<u32, BuildError> {
        match string.as_bytes().contains(&0) {
            true => Err(BuildError::Name),
            false => self.string_bytes(string.as_bytes()),
        }
    }

    fn string_bytes(&mut self, string: &[u8]) -> Result<u32, BuildError> {
        if let Some(&offset) = self.offsets.get(string) {
            return Ok(offset);
        }
        let offset = u32::try_from(self.strings.len()).ok().and_then(|o| o.checked_add(self.strings_start));
        let offset = offset.ok_or(BuildError::TooLarge)?;
        self.strings.extend_from_slice(string);
        self.strings.push(0);
        self.offsets.insert(string.into(), offset);
        Ok(offset)
    }

    /// Copies a type of another BTF; `map` gives the id here of each type it refers to.
    ///
    /// # Errors
    /// [`BuildError::NoType`] when the other BTF has no such type or it is void.
    pub fn append(
        &mut self,
        from: &Btf,
        id: TypeId,
        mut map: impl FnMut(TypeId) -> TypeId,
    ) -> Result<TypeId, BuildError> {
        let record = from.record(id).ok_or(BuildError::NoType { id })?;
        let kind = record.kind().ok_or(BuildError::NoType { id })?;
        let mut words: Vec<u32> = (0..record_len(kind, record.vlen()) / 4).map(|w| record.word(w)).collect();
        fields(kind, record.vlen(), |word, field| {
            let value = words[word];
            words[word] = match field {
                Field::Name => self.string_bytes(record.strings.bytes(value).unwrap_or(&[]))?,
                Field::Type => map(TypeId(value)).0,
            };
            Ok(())
        })?;
        self.push(words)
    }

    fn push(&mut self, words: impl IntoIterator<Item = u32>) -> Result<TypeId, BuildError> {
        for word in words {
            put(&mut self.types, self.order, word);
        }
        let id = TypeId(self.next_id);
        self.next_id = id.0.checked_add(1).ok_or(BuildError::TooLarge)?;
        Ok(id)
    }

    /// Appends a type. Those with elements store their own name before those of the elements, as
    /// compilers do.
    fn add(
        &mut self,
        name: &str,
        head: Head,
        words: impl IntoIterator<Item = u32>,
    ) -> Result<TypeId, BuildError> {
        if head.vlen > 0xffff {
            return Err(BuildError::TooMany { count: head.vlen });
        }
        let info = (head.flag as u32) << 31 | (head.kind as u32) << 24 | head.vlen as u32;
        let name = self.string(name)?;
        self.push([name, info, head.last].into_iter().chain(words))
    }

    /// An integer of `size` bytes that uses all of its bits.
    pub fn int(&mut self, name: &str, size: u32, encoding: IntEncoding) -> Result<TypeId, BuildError> {
        let word = (encoding.0 as u32 & 0xf) << 24 | size.saturating_mul(8).min(255);
        self.add(name, Head::new(Kind::Int, size), [word])
    }

    pub fn float(&mut self, name: &str, size: u32) -> Result<TypeId, BuildError> {
        self.add(name, Head::new(Kind::Float, size), [])
    }

    pub fn ptr(&mut self, to: TypeId) -> Result<TypeId, BuildError> {
        self.add("", Head::new(Kind::Ptr, to.0), [])
    }

    pub fn constant(&mut self, of: TypeId) -> Result<TypeId, BuildError> {
        self.add("", Head::new(Kind::Const, of.0), [])
    }

    pub fn volatile(&mut self, of: TypeId) -> Result<TypeId, BuildError> {
        self.add("", Head::new(Kind::Volatile, of.0), [])
    }

    pub fn restrict(&mut self, of: TypeId) -> Result<TypeId, BuildError> {
        self.add("", Head::new(Kind::Restrict, of.0), [])
    }

    pub fn typedef(&mut self, name: &str, target: TypeId) -> Result<TypeId, BuildError> {
        self.add(name, Head::new(Kind::Typedef, target.0), [])
    }

    /// A tag on a type; `attribute` when it is a compiler attribute (Linux 6.15).
    pub fn type_tag(&mut self, name: &str, target: TypeId, attribute: bool) -> Result<TypeId, BuildError> {
        self.add(name, Head { flag: attribute, ..Head::new(Kind::TypeTag, target.0) }, [])
    }

    /// A tag on a declaration or, with `component`, on one of its members or parameters.
    pub fn decl_tag(
        &mut self,
        name: &str,
        target: TypeId,
        component: Option<u32>,
        attribute: bool,
    ) -> Result<TypeId, BuildError> {
        let head = Head { flag: attribute, ..Head::new(Kind::DeclTag, target.0) };
        self.add(name, head, [component.unwrap_or(u32::MAX)])
    }

    pub fn array(&mut self, elem: TypeId, index: TypeId, len: u32) -> Result<TypeId, BuildError> {
        self.add("", Head::new(Kind::Array, 0), [elem.0, index.0, len])
    }

    /// A struct of `size` bytes.
    pub fn structure(&mut self, name: &str, size: u32, members: &[Member<'_>]) -> Result<TypeId, BuildError> {
        self.composite(Kind::Struct, name, size, members)
    }

    /// A union of `size` bytes.
    pub fn union(&mut self, name: &str, size: u32, members: &[Member<'_>]) -> Result<TypeId, BuildError> {
        self.composite(Kind::Union, name, size, members)
    }

    /// Offsets carry the bit-field sizes only when there is a bit field.
    fn composite(
        &mut self,
        kind: Kind,
        name: &str,
        size: u32,
        members: &[Member<'_>],
    ) -> Result<TypeId, BuildError> {
        let flag = members.iter().any(|m| m.bit_size != 0);
        self.string(name)?;
        let mut words = Vec::with_capacity(3 * members.len());
        for (index, m) in members.iter().enumerate() {
            if flag && (m.bit_offset >> 24 != 0 || m.bit_size > 0xff) {
                return Err(BuildError::Member { index });
            }
            words.extend([self.string(m.name)?, m.ty.0, m.bit_size << 24 | m.bit_offset]);
        }
        self.add(name, Head { vlen: members.len(), flag, ..Head::new(kind, size) }, words)
    }

    /// An enumeration whose values are stored with 32 bits.
    pub fn enum32(
        &mut self,
        name: &str,
        size: u32,
        signed: bool,
        values: &[(&str, i32)],
    ) -> Result<TypeId, BuildError> {
        self.string(name)?;
        let mut words = Vec::with_capacity(2 * values.len());
        for &(name, value) in values {
            words.extend([self.string(name)?, value as u32]);
        }
        self.add(name, Head { vlen: values.len(), flag: signed, ..Head::new(Kind::Enum, size) }, words)
    }

    /// An enumeration whose values are stored with 64 bits.
    pub fn enum64(
        &mut self,
        name: &str,
        size: u32,
        signed: bool,
        values: &[(&str, i64)],
    ) -> Result<TypeId, BuildError> {
        self.string(name)?;
        let mut words = Vec::with_capacity(3 * values.len());
        for &(name, value) in values {
            words.extend([self.string(name)?, value as u32, (value >> 32) as u32]);
        }
        self.add(name, Head { vlen: values.len(), flag: signed, ..Head::new(Kind::Enum64, size) }, words)
    }

    /// A forward declaration of a struct or union.
    pub fn fwd(&mut self, name: &str, is_union: bool) -> Result<TypeId, BuildError> {
        self.add(name, Head { flag: is_union, ..Head::new(Kind::Fwd, 0) }, [])
    }

    pub fn func(&mut self, name: &str, proto: TypeId, linkage: Linkage) -> Result<TypeId, BuildError> {
        self.add(name, Head { vlen: linkage.number() as usize, ..Head::new(Kind::Func, proto.0) }, [])
    }

    /// A prototype; a last parameter of type void without a name stands for `...`.
    pub fn func_proto(&mut self, ret: TypeId, params: &[Param<'_>]) -> Result<TypeId, BuildError> {
        let mut words = Vec::with_capacity(2 * params.len());
        for p in params {
            words.extend([self.string(p.name)?, p.ty.0]);
        }
        self.add("", Head { vlen: params.len(), ..Head::new(Kind::FuncProto, ret.0) }, words)
    }

    pub fn var(&mut self, name: &str, ty: TypeId, linkage: Linkage) -> Result<TypeId, BuildError> {
        self.add(name, Head::new(Kind::Var, ty.0), [linkage.number()])
    }

    pub fn datasec(&mut self, name: &str, size: u32, vars: &[SecVar]) -> Result<TypeId, BuildError> {
        let words = vars.iter().flat_map(|v| [v.var.0, v.offset, v.size]);
        self.add(name, Head { vlen: vars.len(), ..Head::new(Kind::Datasec, size) }, words)
    }

    /// The bytes: header, types, strings.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`].
    pub fn write(&self) -> Result<Vec<u8>, BuildError> {
        let total = HEADER_LEN + self.types.len() + self.strings.len();
        u32::try_from(total).map_err(|_| BuildError::TooLarge)?;
        let mut out = Vec::with_capacity(total);
        out.extend(match self.order {
            ByteOrder::Little => MAGIC.to_le_bytes(),
            ByteOrder::Big => MAGIC.to_be_bytes(),
        });
        out.extend([1, 0]);
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for word in [HEADER_LEN as u32, 0, types, types, strings] {
            put(&mut out, self.order, word);
        }
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.strings);
        Ok(out)
    }

    /// Writes the types and opens them.
    ///
    /// # Errors
    /// What [`Btf::parse`] finds wrong, such as a reference to a type that was never added.
    pub fn build(self) -> Result<Btf, BtfError> {
        let bytes = self.write().map_err(|_| BtfError {
            section: Section::Header,
            offset: 0,
            id: None,
            problem: Problem::TooLarge,
        })?;
        match self.base {
            Some(base) => Btf::parse_split(bytes, base),
            None => Btf::parse(bytes),
        }
    }
}
