//! The memory a run may touch, and how accesses are held against it.
//!
//! Programs hold real addresses. In checked mode every access must lie inside one region: a live
//! stack frame, the context, the packet, one value of a map, a reserved ring buffer record, or
//! memory the host granted; two regions that happen to touch are never crossed. In proven mode
//! nothing is looked up, since the proof already says so. Which regions exist is the run's
//! business ([`Run`]); map values are found by asking the maps, so that every element is held by
//! itself.
//!
//! Programs on other threads may change map values at the same time. Their plain accesses and ours
//! then race as they do in the kernel: bytes may be torn, memory is always live.

use super::MAX_FRAMES;
use super::lower::STACK_SIZE;
use super::run::{Kept, Run};
use super::tails::Tails;
use super::trap::{AccessKind, Near, RegionKind, Trap, TrapKind};
use std::alloc::Layout;
use std::ptr;

/// Bytes from one frame to the next: a gap as large as a frame lies between them, so that an
/// access past a frame's end hits nothing.
pub(crate) const FRAME_STRIDE: usize = 2 * STACK_SIZE;

/// The stack of one run: frame 0 at the highest address, each below its caller's.
#[cfg(not(feature = "jit"))]
#[repr(C, align(64))]
struct StackBytes {
    frames: [u8; MAX_FRAMES * FRAME_STRIDE],
}

/// The stack of one run: frame 0 at the highest address, each below its caller's; and below the
/// frames what compiled code sees of the run, in a block that its frame pointers lead to.
#[cfg(feature = "jit")]
#[repr(C, align(16384))]
struct StackBytes {
    context: std::mem::MaybeUninit<oxbpf_jit::abi::Context>,
    room: [u8; oxbpf_jit::abi::FRAMES_AT - size_of::<oxbpf_jit::abi::Context>()],
    frames: [u8; MAX_FRAMES * FRAME_STRIDE],
}

#[cfg(feature = "jit")]
const _: () = assert!(
    size_of::<StackBytes>() == oxbpf_jit::abi::ARENA
        && align_of::<StackBytes>() == oxbpf_jit::abi::ARENA
        && std::mem::offset_of!(StackBytes, frames) == oxbpf_jit::abi::FRAMES_AT
        && FRAME_STRIDE == oxbpf_jit::abi::FRAME_STRIDE
        && MAX_FRAMES == oxbpf_jit::abi::MAX_FRAMES
);

/// A region that the last accesses fell into.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Recent {
    start: u64,
    /// For accesses of 1, 2, 4 and 8 bytes, one more than the highest offset that is good; 0 for none.
    bounds: [u64; 4],
}

impl Recent {
    pub fn new(start: u64, len: u64) -> Recent {
        let bound = |size: u64| (len + 1).saturating_sub(size);
        Recent { start, bounds: [bound(1), bound(2), bound(4), bound(8)] }
    }

    #[inline(always)]
    fn covers<W: Word>(&self, addr: u64) -> bool {
        addr.wrapping_sub(self.start) < self.bounds[W::SIZE.trailing_zeros() as usize]
    }
}

/// A range of host memory and what may be done with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Region {
    pub start: u64,
    pub len: u64,
    pub kind: RegionKind,
    pub writable: bool,
}

impl Region {
    /// Whether the whole access lies inside.
    pub fn holds(&self, addr: u64, size: u64) -> bool {
        size <= self.len && addr.wrapping_sub(self.start) <= self.len - size
    }
}

/// Stack and regions of a run, and room that is worth keeping for the next.
pub(crate) struct Memory {
    pub kept: Kept,
    pub(super) tails: Tails,
    stack: ptr::NonNull<StackBytes>,
    /// Where the frames begin.
    stack_base: u64,
    /// Offset of the lowest live frame from `stack_base`.
    live: u64,
    /// How many frames, from the outermost, have been used since they were last zeroed.
    used: usize,
    recent_read: Recent,
    recent_write: Recent,
    regions: Vec<Region>,
    /// Whether compiled code may have been shown the run.
    #[cfg(feature = "jit")]
    shown: bool,
}

// SAFETY: `stack` is owned like a box; the addresses in regions are given anew for each run. Programs are used
// only in runs that keep them.
unsafe impl Send for Memory {}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the pointer came from the allocator with this layout and is freed once.
        unsafe { std::alloc::dealloc(self.stack.as_ptr().cast(), Layout::new::<StackBytes>()) };
    }
}

impl Memory {
    pub fn new() -> Memory {
        let layout = Layout::new::<StackBytes>();
        // SAFETY: the layout has a size.
        let stack = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<StackBytes>();
        let Some(stack) = ptr::NonNull::new(stack) else { std::alloc::handle_alloc_error(layout) };
        #[cfg(feature = "jit")]
        // SAFETY: the block was just allocated, and begins with room for the context.
        unsafe {
            let context = oxbpf_jit::abi::Context::new(super::compiled::SERVICES);
            stack.as_ptr().cast::<oxbpf_jit::abi::Context>().write(context);
        }
        let frames = std::mem::offset_of!(StackBytes, frames);
        Memory {
            kept: Kept::default(),
            tails: Tails::default(),
            stack,
            stack_base: (stack.as_ptr().expose_provenance() + frames) as u64,
            live: 0,
            used: 0,
            recent_read: Recent::default(),
            recent_write: Recent::default(),
            regions: Vec::new(),
            #[cfg(feature = "jit")]
            shown: false,
        }
    }

    /// Forgets everything of the run before.
    pub fn reset(&mut self) {
        self.clear_frames();
        self.forget_run();
    }

    /// Makes frames zero that were used.
    #[inline]
    pub fn clear_frames(&mut self) {
        for frame in 0..self.used {
            self.zero_frame(frame);
        }
        self.used = 0;
    }

    /// Forgets everything of the run before but what lies in its frames.
    #[inline]
    pub fn forget_run(&mut self) {
        self.regions.clear();
        self.forget();
        #[cfg(feature = "jit")]
        {
            self.show_packet(0, 0);
            self.shown = false;
        }
        self.enter(0);
    }

    fn frame_offset(frame: usize) -> usize {
        (MAX_FRAMES - 1 - frame) * FRAME_STRIDE
    }

    /// The frame pointer of a frame.
    pub fn frame_pointer(&self, frame: usize) -> u64 {
        self.stack_base + (Self::frame_offset(frame) + STACK_SIZE) as u64
    }

    fn zero_frame(&mut self, frame: usize) {
        let offset = std::mem::offset_of!(StackBytes, frames) + Self::frame_offset(frame);
        // SAFETY: the frame lies inside the stack, to which only this run's program has pointers,
        // and no program is running while `&mut self` is in use here.
        unsafe { self.stack.as_ptr().cast::<u8>().add(offset).write_bytes(0, STACK_SIZE) };
    }

    /// Makes `frame` the innermost live one and gives its frame pointer. Its bytes are zero when it
    /// is first entered in a run.
    #[inline]
    pub fn enter(&mut self, frame: usize) -> u64 {
        debug_assert!(frame < MAX_FRAMES);
        self.live = Self::frame_offset(frame) as u64;
        self.used = self.used.max(frame + 1);
        self.stack_base + self.live + STACK_SIZE as u64
    }

    /// The same with the outermost frame, for a program whose frames are counted already.
    #[cfg(feature = "jit")]
    #[inline]
    pub fn enter_uncounted(&mut self) -> u64 {
        self.live = Self::frame_offset(0) as u64;
        self.frame_pointer(0)
    }

    /// Counts frames from the outermost as used, whoever enters them.
    #[cfg(feature = "jit")]
    #[inline]
    pub fn use_frames(&mut self, frames: usize) {
        debug_assert!(frames <= MAX_FRAMES);
        if self.used < frames {
            self.used = frames;
        }
    }

    /// Adds a region.
    pub fn add(&mut self, region: Region) {
        self.regions.push(region);
    }

    /// Removes the region that starts here.
    pub fn remove(&mut self, kind: RegionKind, start: u64) -> Option<Region> {
        let at = self.regions.iter().position(|r| r.kind == kind && r.start == start)?;
        self.forget_region(start);
        Some(self.regions.swap_remove(at))
    }

    /// Drops what is remembered of a region.
    fn forget_region(&mut self, start: u64) {
        for recent in [&mut self.recent_read, &mut self.recent_write] {
            if recent.start == start {
                *recent = Recent::default();
            }
        }
        #[cfg(feature = "jit")]
        if self.shown {
            // SAFETY: the context is part of the block, and no reference to it is held anywhere.
            let spans = unsafe { &mut (*self.context()).spans };
            for span in spans.as_flattened_mut().iter_mut().filter(|span| span.start == start) {
                *span = oxbpf_jit::abi::Span::default();
            }
        }
    }

    /// Puts the packet, of which there is at most one, elsewhere.
    pub fn move_packet(&mut self, start: u64, len: u64) {
        if let Some(r) = self.regions.iter_mut().find(|r| r.kind == RegionKind::Packet) {
            (r.start, r.len) = (start, len);
        }
        self.forget();
    }

    /// Tells compiled code where the packet's data is.
    #[cfg(feature = "jit")]
    pub fn show_packet(&mut self, data: u64, len: u64) {
        self.change_context(|context| (context.packet, context.packet_len) = (data, len));
    }

    /// Changes what compiled code sees of the run, but for remembered regions.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(super) fn change_context(&mut self, change: impl FnOnce(&mut oxbpf_jit::abi::Context)) {
        // SAFETY: the context is part of the block, and no reference to it is held anywhere.
        change(unsafe { &mut *self.stack.as_ptr().cast::<oxbpf_jit::abi::Context>() });
    }

    /// How many tail calls code may still make by itself.
    #[cfg(feature = "jit")]
    #[inline(always)]
    pub(super) fn calls_left(&self) -> usize {
        // SAFETY: the context is part of the block, and no reference to it is held anywhere.
        unsafe { (*self.stack.as_ptr().cast::<oxbpf_jit::abi::Context>()).tail_calls as usize }
    }

    /// Where code went, by place among the targets, when that left it so many tail calls.
    #[cfg(feature = "jit")]
    pub(super) fn gone_to(&self, calls: usize) -> usize {
        // SAFETY: as above.
        unsafe {
            (*self.stack.as_ptr().cast::<oxbpf_jit::abi::Context>()).gone[calls] as usize
                % oxbpf_jit::abi::TARGETS
        }
    }

    /// Drops what is remembered of recent accesses.
    pub fn forget(&mut self) {
        (self.recent_read, self.recent_write) = (Recent::default(), Recent::default());
        #[cfg(feature = "jit")]
        if self.shown {
            // SAFETY: the context is part of the block, and no reference to it is held anywhere.
            unsafe { (*self.context()).forget() };
        }
    }

    /// What compiled code sees of the run.
    #[cfg(feature = "jit")]
    pub fn context(&mut self) -> *mut oxbpf_jit::abi::Context {
        self.shown = true;
        self.stack.as_ptr().cast()
    }

    #[inline(always)]
    pub fn in_stack(&self, addr: u64, size: u64) -> bool {
        const SPAN: u64 = (MAX_FRAMES * FRAME_STRIDE) as u64;
        let offset = addr.wrapping_sub(self.stack_base);
        offset >= self.live
            && offset < SPAN
            && size <= STACK_SIZE as u64
            && (offset & (FRAME_STRIDE as u64 - 1)) + size <= STACK_SIZE as u64
    }

    /// Remembers a region of this extent that begins at `start`.
    #[inline(always)]
    pub fn remember_at(&mut self, extent: &Recent, start: u64, writable: bool) {
        self.recent_read = Recent { start, ..*extent };
        if writable {
            self.recent_write = Recent { start, ..*extent };
        }
    }

    /// Where the outermost frame begins, if so many bytes at an address lie in it.
    #[cfg(feature = "jit")]
    pub fn outermost(&self, addr: u64, size: u64) -> Option<u64> {
        let start = self.frame_pointer(0) - STACK_SIZE as u64;
        (size <= STACK_SIZE as u64 && addr.wrapping_sub(start) <= STACK_SIZE as u64 - size).then_some(start)
    }

    fn remember(&mut self, region: &Region, kind: AccessKind) {
        let recent = Recent::new(region.start, region.len);
        match kind.writes() {
            true => self.recent_write = recent,
            false => self.recent_read = recent,
        }
    }
}

/// How accesses of instructions are held.
pub(crate) trait Access {
    const PROVEN: bool;

    /// Whether a read of a word is known to be good without looking further.
    fn may_read<W: Word>(memory: &Memory, addr: u64) -> bool;
    fn may_write<W: Word>(memory: &Memory, addr: u64) -> bool;
}

/// Every access is looked up.
pub(crate) struct Checked;

impl Access for Checked {
    const PROVEN: bool = false;

    #[inline(always)]
    fn may_read<W: Word>(memory: &Memory, addr: u64) -> bool {
        memory.recent_read.covers::<W>(addr) || memory.in_stack(addr, W::SIZE)
    }

    #[inline(always)]
    fn may_write<W: Word>(memory: &Memory, addr: u64) -> bool {
        memory.recent_write.covers::<W>(addr) || memory.in_stack(addr, W::SIZE)
    }
}

/// The proof has looked everything up.
pub(crate) struct Proven;

impl Access for Proven {
    const PROVEN: bool = true;

    #[inline(always)]
    fn may_read<W: Word>(_: &Memory, _: u64) -> bool {
        true
    }

    #[inline(always)]
    fn may_write<W: Word>(_: &Memory, _: u64) -> bool {
        true
    }
}

/// An integer that loads and stores move.
pub(crate) trait Word: Copy {
    const SIZE: u64 = size_of::<Self>() as u64;
    fn widen(self) -> u64;
    fn narrow(value: u64) -> Self;
}

macro_rules! words {
    ($($t:ty)+) => { $(impl Word for $t {
        #[inline(always)]
        fn widen(self) -> u64 { self as u64 }
        #[inline(always)]
        fn narrow(value: u64) -> Self { value as $t }
    })+ };
}
words!(u8 u16 u32 u64);

/// How many bytes an access moves.
#[cfg(feature = "jit")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AccessWidth {
    W8,
    W16,
    W32,
    W64,
}

#[cfg(feature = "jit")]
impl AccessWidth {
    /// From its logarithm.
    pub fn of(log: u8) -> AccessWidth {
        match log {
            0 => AccessWidth::W8,
            1 => AccessWidth::W16,
            2 => AccessWidth::W32,
            _ => AccessWidth::W64,
        }
    }

    pub fn bytes(self) -> u64 {
        1 << self as u64
    }
}

/// Reads a word at a bare address.
///
/// # Safety
/// The bytes lie inside one live region of the run that may be read.
#[inline(always)]
pub(crate) unsafe fn read<W: Word>(addr: u64) -> u64 {
    // SAFETY: by the contract above; the region's address was exposed when it was given out.
    unsafe { ptr::with_exposed_provenance::<W>(addr as usize).read_unaligned() }.widen()
}

/// Writes a word at a bare address.
///
/// # Safety
/// The bytes lie inside one live region of the run that may be written.
#[inline(always)]
pub(crate) unsafe fn write<W: Word>(addr: u64, value: u64) {
    // SAFETY: by the contract above.
    unsafe { ptr::with_exposed_provenance_mut::<W>(addr as usize).write_unaligned(W::narrow(value)) }
}

impl Run<'_> {
    /// Holds an atomic access: it must be aligned, besides.
    #[inline]
    pub(crate) fn hold_atomic<A: Access>(&mut self, addr: u64, size: u64, write: bool) -> Result<(), Trap> {
        if addr & (size - 1) != 0 {
            return Err(TrapKind::Unaligned { addr, size }.into());
        }
        let memory = &self.memory;
        let good = match (write, size) {
            (true, 4) => A::may_write::<u32>(memory, addr),
            (true, 8) => A::may_write::<u64>(memory, addr),
            (false, 8) => A::may_read::<u64>(memory, addr),
            _ => A::PROVEN,
        };
        if !good {
            self.look_up(addr, size, if write { AccessKind::Atomic } else { AccessKind::Load })?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn load_elsewhere(&mut self, addr: u64, size: u64) -> Result<u64, Trap> {
        if let Some(value) = self.wide_field(addr, size) {
            return Ok(value);
        }
        self.look_up(addr, size, AccessKind::Load)?;
        // SAFETY: the access was just found inside a region.
        Ok(unsafe {
            match size {
                1 => read::<u8>(addr),
                2 => read::<u16>(addr),
                4 => read::<u32>(addr),
                _ => read::<u64>(addr),
            }
        })
    }

    /// Holds an access that was not into a recent region.
    #[cold]
    #[inline(never)]
    pub(crate) fn look_up(&mut self, addr: u64, size: u64, kind: AccessKind) -> Result<(), Trap> {
        if let Some(region) = self.find(addr, size, kind)? {
            self.memory.remember(&region, kind);
        }
        Ok(())
    }

    /// Holds an access, and gives its region if all of that is as good.
    pub(crate) fn find(&self, addr: u64, size: u64, kind: AccessKind) -> Result<Option<Region>, Trap> {
        self.found(addr, size, kind).ok_or_else(|| self.missed(addr, size, kind))
    }

    /// The region of an access, if all of that is as good; none where the access is bad.
    pub(crate) fn found(&self, addr: u64, size: u64, kind: AccessKind) -> Option<Option<Region>> {
        if self.memory.in_stack(addr, size) {
            return Some(None);
        }
        let found = self.memory.regions.iter().find(|r| r.holds(addr, size)).copied();
        let region = found.or_else(|| self.map_region(addr).filter(|r| r.holds(addr, size)))?;
        if kind.writes() && !region.writable {
            return None;
        }
        if region.kind == RegionKind::Context {
            // A context has rules of its own, so nothing of it is remembered.
            return self.judge_context(addr - region.start, size, kind.writes()).then_some(None);
        }
        Some(Some(region))
    }

    /// The trap of an access, with the nearest region.
    #[cold]
    pub(crate) fn missed(&self, addr: u64, size: u64, kind: AccessKind) -> Trap {
        // Further away than this, nearness says nothing.
        const NEAR: u64 = 1 << 16;
        let distance = |r: &Region| match addr.checked_sub(r.start) {
            Some(past) => past.saturating_sub(r.len),
            None => r.start - addr,
        };
        let frames = (0..MAX_FRAMES).map(|frame| Region {
            start: self.memory.stack_base + Memory::frame_offset(frame) as u64,
            len: STACK_SIZE as u64,
            kind: RegionKind::Stack(frame as u8),
            writable: true,
        });
        let live = frames.filter(|r| r.start >= self.memory.stack_base + self.memory.live);
        let regions = self.memory.regions.iter().copied().chain(live).chain(self.map_region(addr));
        let near = regions.map(|r| (distance(&r), r)).filter(|(d, _)| *d <= NEAR).min_by_key(|(d, _)| *d);
        let near = near.map(|(_, r)| Near {
            kind: r.kind,
            offset: addr.wrapping_sub(r.start) as i64,
            len: r.len,
            writable: r.writable,
        });
        Trap::new(TrapKind::Access { kind, addr, size, near })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_do_not_touch_and_die_with_their_calls() {
        let mut m = Memory::new();
        let outer = m.enter(0);
        let inner = m.enter(1);
        assert!(m.in_stack(outer - 8, 8) && m.in_stack(inner - 512, 8));
        for (addr, size) in [(inner, 1), (inner - 4, 8), (outer - 513, 1), (inner - 513, 1), (outer, 8)] {
            assert!(!m.in_stack(addr, size), "{:#x} {size}", addr - m.stack_base);
        }
        m.enter(0);
        assert!(!m.in_stack(inner - 8, 8));
        assert!(!m.in_stack(u64::MAX - 3, 8) && !m.in_stack(0, 1));
    }

    #[test]
    fn a_recent_region_covers_what_it_holds() {
        let r = Recent::new(100, 16);
        assert!(r.covers::<u64>(100) && r.covers::<u64>(108) && r.covers::<u8>(115));
        assert!(!r.covers::<u64>(109) && !r.covers::<u8>(99) && !r.covers::<u64>(u64::MAX));
        assert!(!r.covers::<u8>(116) && !Recent::default().covers::<u8>(0));
        let small = Recent::new(100, 3);
        assert!(small.covers::<u16>(101) && !small.covers::<u16>(102) && !small.covers::<u32>(100));
    }

    #[test]
    fn frames_are_zero_again_in_the_next_run() {
        let mut m = Memory::new();
        m.reset();
        let fp = m.enter(3);
        // SAFETY: the word lies in the live frame 3.
        unsafe { write::<u64>(fp - 8, 7) };
        m.reset();
        let fp = m.enter(3);
        // SAFETY: likewise.
        assert_eq!(unsafe { read::<u64>(fp - 8) }, 0);
    }
}
