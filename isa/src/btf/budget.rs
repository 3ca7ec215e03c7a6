//! A bound on the work that one question about types may take.
//!
//! Types form a graph in which the number of paths can grow beyond all bounds although every path is
//! short. A kernel's largest types need a few thousand visits.

/// Records that one question may look at.
const MAX_VISITS: u32 = 1 << 18;

/// What is left of them.
pub(super) struct Budget(u32);

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(MAX_VISITS)
    }

    /// Counts one visit; `None` when there were too many.
    pub(super) fn visit(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}
