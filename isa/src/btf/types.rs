//! The kinds of types, as views into the bytes of a [`Btf`](super::Btf).

use super::raw::{Reader, Record};
use core::fmt;

/// The number of a type within its BTF; 0 is void.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// No type.
    pub const VOID: TypeId = TypeId(0);
}

/// Prints the bare number.
impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The kinds of the type section (Linux uapi `BTF_KIND_*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    Void,
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
}

impl Kind {
    /// Every kind, by number.
    pub const ALL: [Kind; 20] = [
        Kind::Void,
        Kind::Int,
        Kind::Ptr,
        Kind::Array,
        Kind::Struct,
        Kind::Union,
        Kind::Enum,
        Kind::Fwd,
        Kind::Typedef,
        Kind::Volatile,
        Kind::Const,
        Kind::Restrict,
        Kind::Func,
        Kind::FuncProto,
        Kind::Var,
        Kind::Datasec,
        Kind::Float,
        Kind::DeclTag,
        Kind::TypeTag,
        Kind::Enum64,
    ];

    /// The kind with this number.
    pub const fn from_number(number: u32) -> Option<Kind> {
        if number < 20 { Some(Self::ALL[number as usize]) } else { None }
    }

    /// The upper-case name that dumps print, as in `STRUCT` and `FUNC_PROTO`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Void => "UNKNOWN",
            Kind::Int => "INT",
            Kind::Ptr => "PTR",
            Kind::Array => "ARRAY",
            Kind::Struct => "STRUCT",
            Kind::Union => "UNION",
            Kind::Enum => "ENUM",
            Kind::Fwd => "FWD",
            Kind::Typedef => "TYPEDEF",
            Kind::Volatile => "VOLATILE",
            Kind::Const => "CONST",
            Kind::Restrict => "RESTRICT",
            Kind::Func => "FUNC",
            Kind::FuncProto => "FUNC_PROTO",
            Kind::Var => "VAR",
            Kind::Datasec => "DATASEC",
            Kind::Float => "FLOAT",
            Kind::DeclTag => "DECL_TAG",
            Kind::TypeTag => "TYPE_TAG",
            Kind::Enum64 => "ENUM64",
        }
    }

    /// Whether the type only wraps another: `const`, `volatile`, `restrict` or a type tag.
    pub const fn is_modifier(self) -> bool {
        matches!(self, Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag)
    }
}

/// How an integer is meant: bits of the encoding field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct IntEncoding(pub u8);

impl IntEncoding {
    pub const fn is_signed(self) -> bool {
        self.0 & 1 != 0
    }

    pub const fn is_char(self) -> bool {
        self.0 & 2 != 0
    }

    pub const fn is_bool(self) -> bool {
        self.0 & 4 != 0
    }
}

/// Who sees a function or variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Linkage {
    Static,
    Global,
    Extern,
}

impl Linkage {
    pub(super) const fn from_number(number: u32) -> Option<Linkage> {
        match number {
            0 => Some(Linkage::Static),
            1 => Some(Linkage::Global),
            2 => Some(Linkage::Extern),
            _ => None,
        }
    }

    /// The number in the type section.
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// One type. Names are empty where the type has none.
#[derive(Clone, Copy, Debug)]
pub enum Type<'a> {
    Void,
    Int {
        name: &'a str,
        /// Bytes of storage.
        size: u32,
        encoding: IntEncoding,
        /// First bit within the storage.
        bit_offset: u8,
        bits: u8,
    },
    Ptr(TypeId),
    Array {
        elem: TypeId,
        index: TypeId,
        len: u32,
    },
    Struct(Composite<'a>),
    Union(Composite<'a>),
    /// An enumeration, of 32-bit or of 64-bit values.
    Enum(Enum<'a>),
    Fwd {
        name: &'a str,
        is_union: bool,
    },
    Typedef {
        name: &'a str,
        target: TypeId,
    },
    Volatile(TypeId),
    Const(TypeId),
    Restrict(TypeId),
    Func {
        name: &'a str,
        proto: TypeId,
        linkage: Linkage,
    },
    FuncProto(FuncProto<'a>),
    Var {
        name: &'a str,
        ty: TypeId,
        linkage: Linkage,
    },
    Datasec(Datasec<'a>),
    Float {
        name: &'a str,
        size: u32,
    },
    DeclTag {
        name: &'a str,
        target: TypeId,
        /// The member or parameter that is tagged, or the whole when none.
        component: Option<u32>,
        /// A compiler attribute rather than a tag of the sources (Linux 6.15).
        attribute: bool,
    },
    TypeTag {
        name: &'a str,
        target: TypeId,
        attribute: bool,
    },
}

/// A struct or union.
#[derive(Clone, Copy)]
pub struct Composite<'a> {
    pub name: &'a str,
    /// Bytes.
    pub size: u32,
    pub(super) record: Record<'a>,
}

/// One member of a struct or union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member<'a> {
    pub name: &'a str,
    pub ty: TypeId,
    /// From the start of the struct.
    pub bit_offset: u32,
    /// Bits of a bit field; 0 for an ordinary member.
    pub bit_size: u32,
}

impl<'a> Composite<'a> {
    /// The number of members.
    pub fn len(&self) -> usize {
        self.record.vlen()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_union(&self) -> bool {
        self.record.kind() == Some(Kind::Union)
    }

    /// The member at `index`.
    pub fn member(&self, index: usize) -> Option<Member<'a>> {
        if index >= self.len() {
            return None;
        }
        let word = |n: usize| self.record.word(3 + index * 3 + n);
        let (bit_offset, bit_size) =
            if self.record.kind_flag() { (word(2) & 0xff_ffff, word(2) >> 24) } else { (word(2), 0) };
        Some(Member { name: self.record.str(word(0)), ty: TypeId(word(1)), bit_offset, bit_size })
    }

    /// All members in order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member<'a>> + Clone + use<'a> {
        let this = *self;
        (0..this.len()).map(move |i| this.member(i).expect("the index is below the length"))
    }
}

/// An enumeration.
#[derive(Clone, Copy)]
pub struct Enum<'a> {
    pub name: &'a str,
    /// Bytes.
    pub size: u32,
    pub signed: bool,
    /// Whether the values are stored with 64 bits (`BTF_KIND_ENUM64`).
    pub wide: bool,
    pub(super) record: Record<'a>,
}

impl<'a> Enum<'a> {
    /// Names and values; an unsigned value of 64 bits is given as its bit pattern.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&'a str, i64)> + Clone + use<'a> {
        let this = *self;
        (0..this.record.vlen()).map(move |i| {
            let stride = if this.wide { 3 } else { 2 };
            let word = |n: usize| this.record.word(3 + i * stride + n);
            let value = match (this.wide, this.signed) {
                (true, _) => (word(2) as i64) << 32 | word(1) as i64,
                (false, true) => word(1) as i32 as i64,
                (false, false) => word(1) as i64,
            };
            (this.record.str(word(0)), value)
        })
    }
}

/// The prototype of a function.
#[derive(Clone, Copy)]
pub struct FuncProto<'a> {
    pub ret: TypeId,
    pub(super) record: Record<'a>,
}

/// One parameter; a last one of type void without a name stands for `...`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'a> {
    pub name: &'a str,
    pub ty: TypeId,
}

impl<'a> FuncProto<'a> {
    /// The parameters in order.
    pub fn params(&self) -> impl ExactSizeIterator<Item = Param<'a>> + Clone + use<'a> {
        let this = *self;
        (0..this.record.vlen()).map(move |i| Param {
            name: this.record.str(this.record.word(3 + 2 * i)),
            ty: TypeId(this.record.word(4 + 2 * i)),
        })
    }
}

/// A section of variables.
#[derive(Clone, Copy)]
pub struct Datasec<'a> {
    pub name: &'a str,
    /// Bytes; compilers leave 0 and loaders fill it in.
    pub size: u32,
    pub(super) record: Record<'a>,
}

/// Where a variable stands in its section.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SecVar {
    pub var: TypeId,
    /// Bytes from the start of the section; compilers leave 0 and loaders fill it in.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

impl<'a> Datasec<'a> {
    /// The variables in order.
    pub fn vars(&self) -> impl ExactSizeIterator<Item = SecVar> + Clone + use<'a> {
        let this = *self;
        let word = move |i: usize| this.record.word(3 + i);
        (0..this.record.vlen()).map(move |i| SecVar {
            var: TypeId(word(3 * i)),
            offset: word(3 * i + 1),
            size: word(3 * i + 2),
        })
    }
}

/// Prints kind and name; members are left to iteration.
macro_rules! debug_by_name {
    ($($view:ident),+) => {$(
        impl fmt::Debug for $view<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($view)).field("name", &self.name).finish_non_exhaustive()
            }
        }
    )+};
}
debug_by_name!(Composite, Enum, Datasec);

impl fmt::Debug for FuncProto<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FuncProto").field("ret", &self.ret).finish_non_exhaustive()
    }
}

impl<'a> Type<'a> {
    /// The kind of the record.
    pub fn kind(&self) -> Kind {
        match self {
            Type::Void => Kind::Void,
            Type::Int { .. } => Kind::Int,
            Type::Ptr(_) => Kind::Ptr,
            Type::Array { .. } => Kind::Array,
            Type::Struct(_) => Kind::Struct,
            Type::Union(_) => Kind::Union,
            Type::Enum(e) if e.wide => Kind::Enum64,
            Type::Enum(_) => Kind::Enum,
            Type::Fwd { .. } => Kind::Fwd,
            Type::Typedef { .. } => Kind::Typedef,
            Type::Volatile(_) => Kind::Volatile,
            Type::Const(_) => Kind::Const,
            Type::Restrict(_) => Kind::Restrict,
            Type::Func { .. } => Kind::Func,
            Type::FuncProto(_) => Kind::FuncProto,
            Type::Var { .. } => Kind::Var,
            Type::Datasec(_) => Kind::Datasec,
            Type::Float { .. } => Kind::Float,
            Type::DeclTag { .. } => Kind::DeclTag,
            Type::TypeTag { .. } => Kind::TypeTag,
        }
    }

    /// The name, empty for types without one.
    pub fn name(&self) -> &'a str {
        match self {
            Type::Int { name, .. }
            | Type::Fwd { name, .. }
            | Type::Typedef { name, .. }
            | Type::Func { name, .. }
            | Type::Var { name, .. }
            | Type::Float { name, .. }
            | Type::DeclTag { name, .. }
            | Type::TypeTag { name, .. } => name,
            Type::Struct(c) | Type::Union(c) => c.name,
            Type::Enum(e) => e.name,
            Type::Datasec(d) => d.name,
            _ => "",
        }
    }

    /// The struct or union, if it is one.
    pub fn composite(&self) -> Option<Composite<'a>> {
        match self {
            Type::Struct(c) | Type::Union(c) => Some(*c),
            _ => None,
        }
    }

    /// The type that this one wraps, points to, names, returns or tags.
    pub fn target(&self) -> Option<TypeId> {
        match *self {
            Type::Ptr(t) | Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => Some(t),
            Type::Array { elem, .. } => Some(elem),
            Type::Typedef { target, .. } | Type::DeclTag { target, .. } | Type::TypeTag { target, .. } => {
                Some(target)
            }
            Type::Func { proto, .. } => Some(proto),
            Type::FuncProto(p) => Some(p.ret),
            Type::Var { ty, .. } => Some(ty),
            _ => None,
        }
    }

    pub(super) fn decode(record: Record<'a>) -> Option<Type<'a>> {
        let name = record.str(record.word(0));
        let last = record.word(2);
        let target = TypeId(last);
        let attribute = record.kind_flag();
        Some(match record.kind()? {
            Kind::Void => return None,
            Kind::Int => {
                let bits = record.word(3);
                Type::Int {
                    name,
                    size: last,
                    encoding: IntEncoding((bits >> 24 & 0xf) as u8),
                    bit_offset: (bits >> 16) as u8,
                    bits: bits as u8,
                }
            }
            Kind::Ptr => Type::Ptr(target),
            Kind::Array => Type::Array {
                elem: TypeId(record.word(3)),
                index: TypeId(record.word(4)),
                len: record.word(5),
            },
            Kind::Struct => Type::Struct(Composite { name, size: last, record }),
            Kind::Union => Type::Union(Composite { name, size: last, record }),
            kind @ (Kind::Enum | Kind::Enum64) => {
                let wide = kind == Kind::Enum64;
                Type::Enum(Enum { name, size: last, signed: record.kind_flag(), wide, record })
            }
            Kind::Fwd => Type::Fwd { name, is_union: record.kind_flag() },
            Kind::Typedef => Type::Typedef { name, target },
            Kind::Volatile => Type::Volatile(target),
            Kind::Const => Type::Const(target),
            Kind::Restrict => Type::Restrict(target),
            Kind::Func => {
                Type::Func { name, proto: target, linkage: Linkage::from_number(record.vlen() as u32)? }
            }
            Kind::FuncProto => Type::FuncProto(FuncProto { ret: target, record }),
            Kind::Var => Type::Var { name, ty: target, linkage: Linkage::from_number(record.word(3))? },
            Kind::Datasec => Type::Datasec(Datasec { name, size: last, record }),
            Kind::Float => Type::Float { name, size: last },
            Kind::DeclTag => {
                let component = match record.word(3) {
                    u32::MAX => None,
                    index => Some(index),
                };
                Type::DeclTag { name, target, component, attribute }
            }
            Kind::TypeTag => Type::TypeTag { name, target, attribute },
        })
    }
}

impl<'a> Record<'a> {
    fn str(&self, offset: u32) -> &'a str {
        self.strings.get(offset).unwrap_or("")
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
