//! oxbpf loads, checks and runs BPF programs, classic and extended, without a kernel.

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "elf")]
pub mod object;
#[cfg(feature = "cli")]
pub mod report;
pub mod vm;

pub mod names;
pub mod packet;

pub use oxbpf_isa as isa;
#[cfg(feature = "jit")]
pub use oxbpf_jit as jit;
