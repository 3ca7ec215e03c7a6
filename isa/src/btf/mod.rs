//! BPF Type Format.

/// The number of a type within its BTF; 0 is void.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TypeId(pub u32);

/// Types.
#[derive(Debug)]
pub struct Btf {}
