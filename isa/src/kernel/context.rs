//! Contexts: which bytes of its context a program may read and write, and what it gets.
//!
//! A context is a structure of the kernel's user interface; the kernel rewrites each access. An
//! access of `size` bytes at `offset` is allowed when it is naturally aligned, lies inside the
//! range of a rule, and the rule names its width for its direction: this is how the `is_valid_access`
//! functions of all context types can be written down. Contexts that are typed by BTF (tracing, LSM,
//! struct_ops) or inherited (ext) have no table here.

use super::kind::bit_set;
use super::{Known, Privilege, Selector, Span};

bit_set! {
    /// Access widths.
    Widths(u8) {
        /// One byte.
        B1 = 0, "1";
        /// Two bytes.
        B2 = 1, "2";
        /// Four bytes.
        B4 = 2, "4";
        /// Eight bytes.
        B8 = 3, "8";
    }
}

impl Widths {
    /// The width of this many bytes, if there is one.
    pub const fn of(size: u32) -> Option<Self> {
        match size {
            1 => Some(Self::B1),
            2 => Some(Self::B2),
            4 => Some(Self::B4),
            8 => Some(Self::B8),
            _ => None,
        }
    }
}

/// What a load from the context gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CtxReg {
    /// A number, as wide as the load.
    Scalar,
    /// The start of the packet, or of the option value in a sockopt program.
    Packet,
    /// The start of the packet's metadata.
    PacketMeta,
    /// The end of the packet.
    PacketEnd,
    /// The keys that a flow dissector fills.
    FlowKeys,
    /// A full socket.
    Socket,
    /// A full socket or null.
    SocketOrNull,
    /// A socket in the widest sense, or null.
    SockCommonOrNull,
    /// The writable buffer of a raw tracepoint.
    TpBuffer,
    /// A trusted kernel object of the named type.
    TrustedBtf(&'static str),
}

/// One rule of a context table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxRule {
    /// The name of the field, or of the first of several alike.
    pub field: &'static str,
    /// The first byte.
    pub start: i32,
    /// One after the last byte.
    pub end: i32,
    /// The widths in which it may be read.
    pub read: Widths,
    /// The widths in which it may be written.
    pub write: Widths,
    /// What a read gives.
    pub reg: CtxReg,
    /// The privilege asked of whoever loads the program.
    pub need: Privilege,
    /// The versions.
    pub span: Span,
}

impl CtxRule {
    /// Whether the rule allows the access; `size` must be a power of two.
    pub const fn allows(&self, offset: i32, size: u32, width: Widths, write: bool) -> bool {
        offset >= self.start
            && offset < self.end
            && self.end.abs_diff(offset) >= size
            && offset as u32 & (size - 1) == 0
            && if write { self.write.contains(width) } else { self.read.contains(width) }
    }
}

/// How a context is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CtxModel {
    /// By the table of rules.
    Table,
    /// By the BTF type of the attach target.
    Btf,
    /// As the context of the program that is extended.
    Target,
}

/// A member of a context structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxField {
    /// The name in the uapi header.
    pub name: &'static str,
    /// The offset in bytes.
    pub offset: u32,
    /// The size in bytes; of an array, the whole.
    pub size: u32,
}

/// A context structure.
#[derive(Clone, Copy, Debug)]
pub struct ContextRecord {
    /// The name of the structure in the uapi header, or a description in words.
    pub name: &'static str,
    /// Its size in bytes, 0 when it has none of its own.
    pub size: u32,
    /// Its members.
    pub fields: &'static [CtxField],
}

/// The access table of some programs.
#[derive(Clone, Copy, Debug)]
pub struct CtxTable {
    /// Which programs.
    pub who: Selector,
    /// The context structure, as an index into the context records.
    pub context: u8,
    /// How accesses are judged.
    pub model: CtxModel,
    /// How the table is known.
    pub known: Known,
    /// The versions.
    pub span: Span,
    /// The rules, by rising start.
    pub rules: &'static [CtxRule],
}

/// An allowed context access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxAccess {
    /// What a read gives; of a write, always [`CtxReg::Scalar`].
    pub reg: CtxReg,
    /// The field's name.
    pub field: &'static str,
    /// The privilege asked of whoever loads the program.
    pub need: Privilege,
}

/// Why the table does not allow a context access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CtxRefusal {
    /// No program of this kind may do it.
    Invalid,
    /// The context is typed by BTF: the table cannot tell.
    TypedByBtf,
    /// The context is that of the extended program.
    OfTarget,
    /// The model does not know the context of this kind of program.
    NoContext,
}
