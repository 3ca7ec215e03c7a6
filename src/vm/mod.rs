//! The virtual machine: memory, maps, helpers and the interpreter.

pub mod maps;
