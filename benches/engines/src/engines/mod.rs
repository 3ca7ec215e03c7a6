//! The engines: each takes a program as bytes and gives something to measure.

pub mod own;
pub mod rbpf;
pub mod sbpf;

/// Memory that every engine works on, one after the other.
#[derive(Clone, Copy)]
pub struct Shared {
    pub at: *mut u8,
    pub len: usize,
}

impl Shared {
    /// The memory, for one run.
    ///
    /// # Safety
    /// It is live, and nobody else uses it until the slice is gone.
    pub unsafe fn slice<'a>(self) -> &'a mut [u8] {
        // SAFETY: by the contract.
        unsafe { std::slice::from_raw_parts_mut(self.at, self.len) }
    }
}
