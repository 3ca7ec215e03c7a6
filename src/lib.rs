//! oxbpf loads, checks and runs BPF programs, classic and extended, without a kernel.

#[cfg(feature = "elf")]
pub mod object;
pub mod vm;

pub use oxbpf_isa as isa;
