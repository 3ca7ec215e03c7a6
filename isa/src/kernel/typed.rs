//! What is to be known of typed arguments beside the kernel's types: which may be null, what an
//! iterator is given, what programs of a structure of callbacks may write.
//!
//! Rules: `raw_tp_null_args`, `struct bpf_iter_reg` and the `btf_struct_access` functions of
//! `struct bpf_verifier_ops` of Linux 6.18. The types themselves come with the kernel.

use super::kind::bit_set;
use super::{KernelModel, Span, generated};

/// Arguments of a tracepoint, as bits by number; the first that programs see is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracepointRecord {
    pub name: &'static str,
    pub span: Span,
    /// Those that may be null.
    pub nullable: u16,
    /// Those that may hold an error number, so that they count as numbers.
    pub scalar: u16,
}

bit_set! {
    /// What an argument of an iterator is.
    IterFlags(u8) {
        /// A buffer rather than a typed pointer.
        BUF = 0, "buf";
        /// It may only be read.
        RDONLY = 1, "rdonly";
        /// It is trusted.
        TRUSTED = 2, "trusted";
    }
}

/// An argument of an iterator; all may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IterArg {
    /// Its number in the prototype.
    pub arg: u8,
    pub flags: IterFlags,
}

/// An iterator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IteratorRecord {
    pub name: &'static str,
    pub span: Span,
    pub args: &'static [IterArg],
}

/// A field that programs of a structure of callbacks may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteRecord {
    /// The type that is written through a pointer.
    pub object: &'static str,
    /// The structure whose field it is; it stands at the start of that type.
    pub owner: &'static str,
    /// The field, perhaps of a field.
    pub field: &'static str,
    /// Writes may begin anywhere in the field.
    pub range: bool,
    /// Bytes at the end of the field that may not be written.
    pub cut: u8,
}

/// What is said of a write that no record allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteWords {
    /// Which field it begins in, and where that ends.
    Field,
    /// Which structure it is in.
    Structure,
    /// Nothing.
    Silent,
}

/// An argument whose type is another than its prototype says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpsArg {
    pub member: &'static str,
    pub arg: u8,
    /// The structure that it is a trusted pointer to.
    pub of: &'static str,
}

/// A structure of callbacks that programs can implement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructOpsRecord {
    pub name: &'static str,
    pub span: Span,
    /// How the record is known. What no kernel was asked about decides nothing.
    pub known: super::Known,
    /// The members that programs can implement.
    pub members: &'static [&'static str],
    /// Those whose programs may sleep, where not all.
    pub sleepable: Option<&'static [&'static str]>,
    /// Pointers to the first type are taken for pointers to the second.
    pub promote: Option<(&'static str, &'static str)>,
    /// Fields that may be written.
    pub writes: &'static [WriteRecord],
    pub words: WriteWords,
    pub args: &'static [OpsArg],
    /// A type of which everything may be written.
    pub state: Option<&'static str>,
}

impl KernelModel {
    /// What is recorded of a tracepoint.
    pub fn tracepoint(&self, name: &str) -> (u16, u16) {
        let version = self.version();
        let all = generated::types::TRACEPOINTS;
        let from = all.partition_point(|r| r.name < name);
        let own = all[from..].iter().take_while(|r| r.name == name).filter(|r| r.span.contains(version));
        own.fold((0, 0), |(nullable, scalar), r| (nullable | r.nullable, scalar | r.scalar))
    }

    /// The iterator of this name, without `bpf_iter_`.
    pub fn iterator(&self, name: &str) -> Option<&'static IteratorRecord> {
        let all = generated::types::ITERATORS;
        all.iter().find(|r| r.name == name && r.span.contains(self.version()))
    }

    /// The structure of callbacks of this name.
    pub fn struct_ops(&self, name: &str) -> Option<&'static StructOpsRecord> {
        let all = generated::types::STRUCT_OPS;
        all.iter().find(|r| r.name == name && r.span.contains(self.version()))
    }
}
