//! Type information for readers: record by record, and as C.
//!
//! Everything is written to a [`core::fmt::Write`]. Nothing here checks more than it needs to be
//! readable; walks are bounded, because hostile types may be cyclic or nest without end.

pub mod c;
mod error;
mod raw;

pub use error::ShowError;
pub use raw::{Raw, RawType};
