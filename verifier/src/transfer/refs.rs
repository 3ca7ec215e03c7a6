//! References that a path acquires.
//!
//! Rules: `acquire_reference` and its like of Linux 6.18. A loop that acquires without releasing makes a
//! state that grows with every turn, and no two are equal. The kernel keeps them all until its memory
//! ends, which it says with an error; when that is, no model knows.

use crate::explore::{Judged, Stop, Walker};
use crate::state::Reference;
use crate::verdict::Feature;

/// Paths with more references than this are not followed.
const MOST: usize = 8192;

impl Walker<'_> {
    /// A new reference, acquired by the instruction at hand.
    pub(super) fn acquire(&mut self) -> Judged<u32> {
        let id = self.fresh_id();
        self.hold(Reference::object(id, self.at))?;
        Ok(id)
    }

    /// The path holds a reference from now on.
    pub(super) fn hold(&mut self, reference: Reference) -> Judged<()> {
        if self.cur.refs.len() >= MOST {
            return Err(Stop::Unknown(Feature::KernelMemory));
        }
        self.cur.refs.push(reference);
        Ok(())
    }
}
