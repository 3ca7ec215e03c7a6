//! The abstract domain of scalars.
