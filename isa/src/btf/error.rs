//! What can be wrong with type information, and where.

use super::types::TypeId;
use core::fmt;

/// The part of BTF or of `.BTF.ext` that a fault stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Section {
    Header,
    Types,
    Strings,
    FuncInfo,
    LineInfo,
    CoreRelo,
}

impl Section {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Section::Header => "header",
            Section::Types => "type section",
            Section::Strings => "string section",
            Section::FuncInfo => "func_info",
            Section::LineInfo => "line_info",
            Section::CoreRelo => "core_relo",
        }
    }
}

/// A fault in type information.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BtfError {
    pub section: Section,
    /// Byte offset from the start of the BTF or `.BTF.ext`.
    pub offset: usize,
    /// The type whose record it is.
    pub id: Option<TypeId>,
    pub problem: Problem,
}

/// What is wrong, and what was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Problem {
    Magic,
    Version {
        version: u8,
    },
    Flags {
        flags: u8,
    },
    Truncated {
        need: usize,
        have: usize,
    },
    Misaligned {
        value: u32,
    },
    Overlap,
    TooLarge,
    Kind {
        number: u32,
    },
    NameOffset {
        offset: u32,
    },
    TypeId {
        id: TypeId,
    },
    Linkage {
        number: u32,
    },
    StringEnd,
    StringStart,
    RecordSize {
        size: u32,
        least: u32,
    },
    BaseOrder,
    /// The base continues another one.
    SplitBase,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Problem::Magic => f.write_str("not BTF: expected the magic 0xeb9f"),
            Problem::Version { version } => write!(f, "version {version}, expected 1"),
            Problem::Flags { flags } => write!(f, "flags {flags:#x}, expected 0"),
            Problem::Truncated { need, have } => write!(f, "needs {need} bytes, has {have}"),
            Problem::Misaligned { value } => write!(f, "offset {value} is not a multiple of four"),
            Problem::Overlap => f.write_str("types and strings overlap"),
            Problem::TooLarge => f.write_str("larger than 4 GiB"),
            Problem::Kind { number } => write!(f, "unknown kind {number}, expected 1 to 19"),
            Problem::NameOffset { offset } => write!(f, "name offset {offset} is outside the string section"),
            Problem::TypeId { id } => write!(f, "there is no type {id}"),
            Problem::Linkage { number } => write!(f, "unknown linkage {number}, expected 0 to 2"),
            Problem::StringEnd => f.write_str("the last string has no end"),
            Problem::StringStart => f.write_str("the first string is not empty"),
            Problem::RecordSize { size, least } => {
                write!(f, "record size {size}, expected a multiple of four and at least {least}")
            }
            Problem::BaseOrder => f.write_str("byte order differs from that of the base types"),
            Problem::SplitBase => {
                f.write_str("the base types continue others, expected types that stand alone")
            }
        }
    }
}

impl fmt::Display for BtfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BTF {} at byte {}", self.section.name(), self.offset)?;
        if let Some(id) = self.id {
            write!(f, ", type {id}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl core::error::Error for BtfError {}
