//! What can be wrong with an object, and where.

pub use super::prepare_error::{
    CreateProblem, PrepareError, ProgramError, ProgramProblem, ResolveProblem, StructOpsProblem, ValueProblem,
};
use oxbpf_isa::btf::{BtfError, TypeId};
use std::fmt;

/// Why an object cannot be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ObjectError {
    /// The file is no ELF file for BPF.
    Elf { offset: usize, problem: ElfProblem },
    /// A fault in the types.
    Btf { section: String, error: BtfError },
    /// A fault in a section.
    Section { section: String, offset: u64, problem: SectionProblem },
    /// A fault in the definition of a map.
    Map { map: String, problem: MapProblem },
    /// A fault in the declaration of something outside the object.
    Extern { name: String, problem: ExternProblem },
}

/// What is wrong with the file as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ElfProblem {
    Magic,
    Header,
    Class {
        class: u8,
    },
    Machine {
        machine: u16,
    },
    Type {
        e_type: u16,
    },
    SectionTable {
        count: usize,
        size: usize,
    },
    SectionRange {
        index: usize,
        offset: u64,
        size: u64,
        file: usize,
    },
    SectionName {
        index: usize,
    },
    /// Two sections share bytes of the file.
    SectionOverlap {
        first: usize,
        second: usize,
    },
    /// Relocations with addends, which BPF objects do not have.
    Addends {
        index: usize,
    },
    SymbolName {
        index: usize,
    },
    EntrySize {
        index: usize,
        size: u64,
        expected: u64,
    },
    NoSymbols,
    ManySymbolTables,
    SymbolNames {
        index: usize,
    },
}

/// What is wrong within a section.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SectionProblem {
    /// The size is not a multiple of an instruction's.
    InsnSize { size: u64 },
    /// A function leaves its section or does not begin at an instruction.
    FunctionRange { name: String, size: u64, section: u64 },
    /// Entry points cannot be static.
    StaticProgram { name: String },
    /// The section is not as long as its content.
    Size { size: u64, expected: u64 },
    /// The types of the section's variables are missing or do not fit.
    NoTypes,
    /// A relocation leads to something of another kind than expected.
    Reference { symbol: String, expected: &'static str },
    /// The section's data is longer than can be held.
    TooLarge { size: u64 },
    /// The types say that something other than a variable is in the section.
    NotVariable { id: TypeId },
    /// The types name a global variable that the symbol table does not have.
    NoSymbol { name: String },
    /// A variable stands beyond 4 GiB.
    VariableRange { name: String, offset: u64 },
    /// The types describe a section that the file does not have, or that is empty.
    NoBytes,
    /// So many functions share instructions that no compiler has written them.
    SharedCode,
    /// There are variables for an arena and no arena.
    NoArena,
}

/// What is wrong with a map.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MapProblem {
    NotStruct,
    NotGlobal,
    NoType,
    UnknownField {
        field: String,
    },
    FieldForm {
        field: &'static str,
    },
    Conflict {
        field: &'static str,
        first: u32,
        second: u32,
    },
    Size {
        field: &'static str,
        ty: TypeId,
    },
    ValuesNotLast,
    ValuesOfOther,
    NestedInner,
    Pinning {
        value: u32,
    },
    /// It leaves its section, or shares bytes of it with another.
    Outside {
        offset: u64,
        size: u64,
    },
    /// An object has one arena at most.
    SecondArena,
    TooManyFields {
        fields: usize,
    },
    /// The type of a struct of callbacks has no name to find the kernel's by.
    Anonymous,
}

/// What is wrong with an extern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ExternProblem {
    NoType,
    NoSection,
    Section,
    FunctionInKconfig,
    KconfigType,
    KconfigSize,
}

impl fmt::Display for ElfProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ElfProblem::Magic => f.write_str("not an ELF file"),
            ElfProblem::Header => f.write_str("the ELF header is cut short or malformed"),
            ElfProblem::Class { class } => write!(f, "ELF class {class}, expected 2 (64-bit)"),
            ElfProblem::Machine { machine } => write!(f, "machine {machine}, expected 247 (BPF)"),
            ElfProblem::Type { e_type } => write!(f, "ELF type {e_type}, expected 1 (relocatable object)"),
            ElfProblem::SectionTable { count, size } => {
                write!(f, "a table of {count} sections does not fit a file of {size} bytes")
            }
            ElfProblem::SectionRange { index, offset, size, file } => {
                write!(f, "section {index} at {offset} with {size} bytes leaves the file of {file} bytes")
            }
            ElfProblem::SectionName { index } => write!(f, "section {index} has no valid name"),
            ElfProblem::SectionOverlap { first, second } => {
                write!(f, "sections {first} and {second} share bytes of the file")
            }
            ElfProblem::Addends { index } => {
                write!(f, "section {index} has relocations with addends, expected relocations without")
            }
            ElfProblem::SymbolName { index } => write!(f, "symbol {index} has no valid name"),
            ElfProblem::EntrySize { index, size, expected } => {
                write!(f, "section {index} has entries of {size} bytes, expected {expected}")
            }
            ElfProblem::NoSymbols => f.write_str("there is no symbol table; was the object stripped?"),
            ElfProblem::ManySymbolTables => f.write_str("there is more than one symbol table"),
            ElfProblem::SymbolNames { index } => {
                write!(f, "the symbol table's names should be in section {index}, which is no string table")
            }
        }
    }
}

impl fmt::Display for SectionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SectionProblem::InsnSize { size } => {
                write!(f, "{size} bytes of code, expected a multiple of eight")
            }
            SectionProblem::FunctionRange { name, size, section } => {
                write!(f, "function {name} of {size} bytes does not fit a section of {section} bytes")
            }
            SectionProblem::StaticProgram { name } => write!(f, "program {name} is static, expected global"),
            SectionProblem::Size { size, expected } => write!(f, "{size} bytes, expected {expected}"),
            SectionProblem::NoTypes => f.write_str("BTF does not describe the section"),
            SectionProblem::Reference { symbol, expected } => {
                write!(f, "refers to {symbol}, expected {expected}")
            }
            SectionProblem::TooLarge { size } => write!(f, "{size} bytes are more than a map can hold"),
            SectionProblem::NotVariable { id } => {
                write!(f, "type {id} stands where a variable is expected")
            }
            SectionProblem::NoSymbol { name } => write!(f, "there is no symbol for the variable {name}"),
            SectionProblem::VariableRange { name, offset } => {
                write!(f, "variable {name} at {offset} is beyond 4 GiB")
            }
            SectionProblem::NoBytes => f.write_str("BTF describes it, and it is missing or empty"),
            SectionProblem::SharedCode => f.write_str("too many functions share instructions"),
            SectionProblem::NoArena => f.write_str("it needs an arena in .maps, and there is none"),
        }
    }
}

impl fmt::Display for MapProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapProblem::NotStruct => f.write_str("its definition is no struct"),
            MapProblem::NotGlobal => f.write_str("it is not a global variable"),
            MapProblem::NoType => f.write_str("it has no type field"),
            MapProblem::UnknownField { field } => write!(f, "unknown field {field}"),
            MapProblem::FieldForm { field } => write!(f, "field {field} is not of the expected form"),
            MapProblem::Conflict { field, first, second } => {
                write!(f, "{field} is given as {first} and as {second}")
            }
            MapProblem::Size { field, ty } => write!(f, "the size of {field} type {ty} is unknown"),
            MapProblem::ValuesNotLast => f.write_str("values is not the last field"),
            MapProblem::ValuesOfOther => f.write_str("only maps of maps and program arrays have values"),
            MapProblem::NestedInner => f.write_str("inner maps cannot hold maps or be pinned"),
            MapProblem::Pinning { value } => write!(f, "pinning {value}, expected 0 or 1"),
            MapProblem::Outside { offset, size } => {
                write!(f, "{size} bytes at {offset} leave the section or overlap another's")
            }
            MapProblem::SecondArena => f.write_str("the object has another arena already"),
            MapProblem::TooManyFields { fields } => write!(f, "{fields} fields, expected at most 13"),
            MapProblem::Anonymous => f.write_str("its type has no name"),
        }
    }
}

impl fmt::Display for ExternProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExternProblem::NoType => "BTF does not describe it",
            ExternProblem::NoSection => "BTF does not say which section it is in",
            ExternProblem::Section => "it is in neither .kconfig nor .ksyms",
            ExternProblem::FunctionInKconfig => ".kconfig holds no functions",
            ExternProblem::KconfigType => "its type fits no configuration value",
            ExternProblem::KconfigSize => "configuration values may take 16 MiB at most",
        })
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectError::Elf { offset, problem } => write!(f, "ELF at byte {offset}: {problem}"),
            ObjectError::Btf { section, error } => write!(f, "section {section}: {error}"),
            ObjectError::Section { section, offset, problem } => {
                write!(f, "section {section} at byte {offset}: {problem}")
            }
            ObjectError::Map { map, problem } => write!(f, "map {map}: {problem}"),
            ObjectError::Extern { name, problem } => write!(f, "extern {name}: {problem}"),
        }
    }
}

impl std::error::Error for ObjectError {}
