//! How much a kernel version's arithmetic finds out.
//!
//! Knowing less is always sound: each of these is a step that may be left out, or an operator with a
//! plainer one in its place, and `soundness` tries them all.

/// What a kernel version's arithmetic does that another's leaves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Arithmetic {
    /// Where bits and unsigned bounds admit one number only, that is the number.
    pub settles_single: bool,
    /// Bounds of sums and differences are kept where both ends overflow, not only where none does.
    pub keeps_wrapped_sums: bool,
    /// Bounds of products come from all four corners, rather than from small factors that are not
    /// negative.
    pub multiplies_signed: bool,
    /// Bits of products come from sums of what is possible bit by bit, rather than from the product
    /// of what is known and the sum of what is not.
    pub multiplies_by_union: bool,
}

impl Arithmetic {
    /// Linux 6.18.
    pub const LATEST: Self = Arithmetic {
        settles_single: true,
        keeps_wrapped_sums: true,
        multiplies_signed: true,
        multiplies_by_union: true,
    };
    /// Linux 6.12.
    pub const LEAST: Self = Arithmetic {
        settles_single: false,
        keeps_wrapped_sums: false,
        multiplies_signed: false,
        multiplies_by_union: false,
    };
}
