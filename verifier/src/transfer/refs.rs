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
        let callback = self.callback_of_reference()?;
        self.cur.refs.push(Reference { callback, ..reference });
        Ok(())
    }

    /// The callback that must release what is acquired now, where each keeps its own; 0 for none.
    fn callback_of_reference(&self) -> Judged<u8> {
        match self.own_callback()? {
            true => Ok(self.cur.curframe() as u8),
            false => Ok(0),
        }
    }

    /// Whether the function at hand is a callback that keeps its own references. Of what functions
    /// do that it calls, some is lost on the way back; that has no model.
    fn own_callback(&self) -> Judged<bool> {
        let is_sync = |n: usize| n > 0 && self.cur.frames[n].in_callback;
        if self.rules.callbacks_share_references || !(0..self.cur.frames.len()).any(is_sync) {
            return Ok(false);
        }
        match is_sync(self.cur.curframe()) {
            true => Ok(true),
            false => Err(Stop::Unknown(Feature::KernelVersion)),
        }
    }

    /// Whether the function at hand may release a reference.
    pub(super) fn may_drop(&self, held: &Reference) -> Judged<bool> {
        Ok(!self.own_callback()? || usize::from(held.callback) == self.cur.curframe())
    }

    /// Ends a reference to an object; whether it was held, and the function's to release.
    pub(super) fn drop_reference(&mut self, id: u32) -> Judged<bool> {
        let Some(at) = self.cur.refs.iter().position(|r| r.is_object() && r.id == id) else {
            return Ok(false);
        };
        if !self.may_drop(&self.cur.refs[at])? {
            return Ok(false);
        }
        self.cur.refs.remove(at);
        Ok(true)
    }
}
