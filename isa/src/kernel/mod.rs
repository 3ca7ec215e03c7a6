//! What one kernel version knows: helpers, maps, program types, contexts, sections and limits.
//!
//! Every fact is a record in `isa/facts/*.toml`, rendered into `generated.rs`; a kernel model is
//! a view of those records as one version sees them.

mod uapi;

pub use uapi::{AttachType, MapType, ProgType};
