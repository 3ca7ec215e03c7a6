//! BPF to machine code, through Cranelift.
//!
//! A [`Compiler`] is made once for a machine and compiles any number of programs, on any thread. It
//! takes a [`Unit`]: operations whose references are resolved, and gives [`Code`]: functions in memory of
//! their own, freed when the last user drops it. What compiled code needs of its host stands in [`abi`].
//!
//! The compiler is told whether accesses are proven. That is a claim like any other here: who enters the
//! code promises that it holds, so entering is `unsafe`.

pub mod abi;
mod bulk;
mod carried;
mod checks;
mod code;
mod compiler;
mod constants;
#[cfg(feature = "disasm")]
mod disasm;
mod error;
mod fixed;
mod flow;
mod frames;
mod inline;
mod loops;
mod memory;
mod origins;
#[cfg(unix)]
pub mod perf;
mod placement;
mod pool;
mod program;
mod signatures;
mod slots;
mod stubs;
mod sweep;
mod translate;

pub use code::{Code, Function};
pub use compiler::Compiler;
#[cfg(feature = "disasm")]
pub use disasm::{Line, disassemble};
pub use error::CompileError;
pub use oxbpf_isa::insn::{AluOp, AtomicOp, Cond, PacketBase, Reg, Size, Width};
pub use program::{
    CpuOf, Finder, Fuel, KeyAt, KeyForm, MapAt, MapKind, Meaning, Mode, Op, OptLevel, PacketAt, Src, Unit,
};
