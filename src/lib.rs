//! oxbpf loads, checks and runs BPF programs, classic and extended, without a kernel.

pub mod vm;
