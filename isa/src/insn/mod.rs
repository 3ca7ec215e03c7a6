//! eBPF instructions: slots, operations and their meaning, decoding and encoding.
//!
//! Covered is all of RFC 9669 and what Linux has added after it: sign-extending moves and loads,
//! signed division, `bswap`, `gotol`, load-acquire and store-release, `may_goto`,
//! `addr_space_cast`, every kind of 64-bit immediate load and of call.

mod decode;
mod encode;
#[allow(clippy::module_inception)]
mod insn;
mod op;
pub mod opcode;
mod ops;
mod raw;
#[cfg(test)]
pub(crate) mod tests;

pub use decode::{DecodeError, Field, Form};
pub use encode::encode_all;
pub use insn::{Callee, Imm64, Insn, Operand, PacketBase, Reg};
pub use op::{AluOp, AtomicOp, Cond, EndianOp, Size, Width};
pub use raw::{ByteOrder, RawInsn, SLOT_SIZE};
