//! eBPF instructions: slots, meaning, encoding.

mod raw;

pub use raw::{ByteOrder, RawInsn, SLOT_SIZE};
