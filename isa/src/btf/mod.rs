//! BPF Type Format: the types of programs, maps and kernels.
//!
//! Follows Documentation/bpf/btf.rst of Linux 6.18: 19 kinds, either byte order, alone or split.
//! Whether the kernel would accept the types of an object is more than is checked here; that is a
//! question for the verifier.

pub mod core;
mod error;
mod ext;
mod index;
mod layout;
mod raw;
mod read;
pub mod show;
#[cfg(test)]
mod tests;
mod types;
pub mod value;
mod write;

pub use error::{BtfError, Problem, Section};
pub use ext::{BtfExt, ExtCore, ExtFunc, ExtLine, SectionInfo};
pub use index::NameIndex;
pub use layout::MAX_DEPTH;
pub use read::Btf;
pub use types::{
    Composite, Datasec, Enum, FuncProto, IntEncoding, Kind, Linkage, Member, Param, SecVar, Type, TypeId,
};
pub use write::{BtfBuilder, BuildError};
