//! Watching a run instruction by instruction.
//!
//! A program that is linked while the engine has an [`Observer`] gets an operation before each of its
//! instructions that shows it the machine; others run as if there were none. Each such step counts as
//! an instruction of its own against the budget. Compilers know no such operation.

use super::lower::STACK_SIZE;
use super::memory::read;
use super::run::{Linked, Run};
use std::ops::Range;

/// Sees the machine before each instruction of a run.
pub trait Observer: Send + Sync {
    /// The instruction in a slot is about to be executed.
    fn insn(&self, at: &Observed<'_, '_>);
}

/// The machine before an instruction.
pub struct Observed<'a, 'r> {
    pub(crate) run: &'a Run<'r>,
    /// The instruction's slot.
    pub slot: u32,
    /// How many frames are below the innermost.
    pub depth: usize,
    /// R0 to R10.
    pub regs: &'a [u64; 11],
}

impl Observed<'_, '_> {
    /// The name of the program that is running.
    pub fn program(&self) -> &str {
        &self.run.prog().name
    }

    /// The value of the frame pointer in a frame.
    pub fn frame_pointer(&self, frame: usize) -> u64 {
        self.run.memory.frame_pointer(frame)
    }

    /// The bytes of a live frame, from the lowest address on.
    pub fn stack(&self, frame: usize) -> Option<[u8; STACK_SIZE]> {
        if frame > self.depth {
            return None;
        }
        let start = self.frame_pointer(frame) - STACK_SIZE as u64;
        // SAFETY: the frame is live, and the program does not run meanwhile.
        Some(std::array::from_fn(|n| unsafe { read::<u8>(start + n as u64) } as u8))
    }

    /// Where the context is.
    pub fn context(&self) -> Option<u64> {
        match &self.run.input.subject {
            super::input::Subject::Context(context) => Some(context.address_now()),
            _ => None,
        }
    }

    /// Where the packet's metadata begin, and where its data.
    pub fn packet(&self) -> Option<(u64, Range<u64>)> {
        let packet = self.run.input.packet.as_deref()?;
        let (start, end) = packet.data_span();
        Some((start - packet.metadata().len() as u64, start..end))
    }

    /// The index of the program's own map that a number means to it.
    pub fn map(&self, handle: u64) -> Option<usize> {
        Some(Linked::map_number(handle)).filter(|&index| index < self.run.prog().maps.len())
    }

    /// The value of the map with this index, or of any for none, that an address lies in.
    pub fn value(&self, map: Option<usize>, addr: u64) -> Option<Range<u64>> {
        let span = match map {
            Some(index) => self.run.prog().maps.get(index)?.value_span(usize::try_from(addr).ok()?)?,
            None => self.run.value_span(addr)?,
        };
        Some(span.start as u64..span.start as u64 + span.len as u64)
    }
}
