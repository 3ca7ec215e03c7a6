//! What every other oxbpf crate agrees on: BPF instructions and their text, BTF, and what each
//! kernel version knows about helpers, maps, program types and contexts.
//!
//! This crate does no I/O, holds no `unsafe`, and needs only `alloc`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod asm;
pub mod btf;
pub mod cbpf;
pub mod cfg;
pub mod disasm;
pub mod insn;
pub mod kernel;
pub mod program;
pub mod proof;
