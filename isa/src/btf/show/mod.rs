//! Type information for readers: record by record, as C, and as the meaning of bytes.
//!
//! Everything is written to a [`core::fmt::Write`]. Nothing here checks more than it needs to be
//! readable; walks are bounded, because hostile types may be cyclic or nest without end.

pub mod c;
mod error;
mod raw;
mod value;

pub use error::ShowError;
pub use raw::{Raw, RawType};
pub use value::{Shape, value};
