//! Exceptions: where a program throws, and the function that is called then.
//!
//! Rules: `process_bpf_exit_full` and `check_return_code` for `bpf_throw`, and what `do_check_common`
//! asks of an exception callback, of Linux 6.18. An exception unwinds everything at once, so nothing
//! may be held in any frame. Without a callback the value thrown is what the program returns.

use crate::explore::{Judged, Next, Walker};

impl Walker<'_> {
    /// The value that is thrown, in R1.
    pub(super) fn thrown_value(&mut self) -> Judged<()> {
        match self.structure.exception_callback {
            Some(_) => Ok(()),
            None => self.return_code(1),
        }
    }

    /// The path ends here, in all frames at once.
    pub(super) fn leave_by_throw(&mut self) -> Judged<Next> {
        self.nothing_held(super::locks::THROW, true, true)?;
        Ok(Next::End)
    }
}
