//! What can keep types from being shown.

use crate::btf::types::TypeId;
use core::fmt;

/// Why types cannot be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ShowError {
    /// The writer refused.
    Write,
    /// There is no such type.
    NoType { id: TypeId },
    /// The type needs itself to be known before it.
    Cyclic { id: TypeId },
    /// The type is made of more levels than is sane.
    TooDeep { id: TypeId },
    /// The text would be larger than is sane.
    TooLarge { id: TypeId },
    /// A part of this type has no size, or is no type of a value.
    NoValue { id: TypeId },
    /// A member of the struct overlaps another, reaches past the end, or starts inside a byte.
    Layout { id: TypeId },
}

impl fmt::Display for ShowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShowError::Write => f.write_str("the text could not be written"),
            ShowError::NoType { id } => write!(f, "there is no type {id}"),
            ShowError::Cyclic { id } => write!(f, "type {id} is a part of itself"),
            ShowError::TooDeep { id } => write!(f, "type {id} has too many levels"),
            ShowError::TooLarge { id } => write!(f, "the text grows too large at type {id}"),
            ShowError::NoValue { id } => write!(f, "type {id} is not the type of a value"),
            ShowError::Layout { id } => write!(f, "the members of type {id} do not fit in C"),
        }
    }
}

impl core::error::Error for ShowError {}

impl From<fmt::Error> for ShowError {
    fn from(_: fmt::Error) -> ShowError {
        ShowError::Write
    }
}
