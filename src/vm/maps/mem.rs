//! Value memory: raw, zeroed, eight-byte aligned, at one address for the life of its map.
//!
//! Programs read and write values through bare addresses and hold no lock, so no Rust reference
//! to value bytes may ever exist. The host copies in and out with relaxed atomic accesses of
//! words and bytes: a copy that races with a program gives a mixture of old and new words, as the
//! kernel's does, and is no data race on the host's side.

use super::Errno;
use super::shape::MapHead;
use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// An owned block of zeroed memory that nobody but its users' raw accesses touches.
#[derive(Debug)]
pub(super) struct RawMem {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: `RawMem` owns its block and never makes references into it; all accesses go through
// atomics or through the raw pointers of programs, so it may be moved and shared.
unsafe impl Send for RawMem {}
// SAFETY: as above.
unsafe impl Sync for RawMem {}

impl RawMem {
    /// `size` zeroed bytes at an address that is a multiple of `align` (a power of two, made at
    /// least 8). None when the host has no such memory.
    pub fn zeroed(size: usize, align: usize) -> Option<RawMem> {
        let layout = Layout::from_size_align(size.max(8), align.max(8)).ok()?;
        // SAFETY: the size of the layout is not zero.
        let base = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
        Some(RawMem { base, layout })
    }

    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// The address of a byte; the caller has held `offset` against the size.
    pub fn at(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset < self.layout.size());
        // SAFETY: callers pass offsets inside the block, so the result stays inside it.
        unsafe { self.base.add(offset) }
    }

    /// Offset of an address inside the block.
    pub fn offset_of(&self, addr: usize) -> Option<usize> {
        let offset = addr.wrapping_sub(self.base.as_ptr() as usize);
        (offset < self.layout.size()).then_some(offset)
    }
}

impl Drop for RawMem {
    fn drop(&mut self) {
        // SAFETY: `base` came from `alloc_zeroed` with this very layout and is freed once.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), self.layout) }
    }
}

/// Copies bytes into value memory.
///
/// # Safety
/// `dst` is eight-byte aligned and `src.len()` bytes from it belong to one live block.
pub(super) unsafe fn copy_in(dst: NonNull<u8>, src: &[u8]) {
    let words = src.len() / 8;
    let (head, tail) = src.split_at(words * 8);
    for (i, chunk) in head.chunks_exact(8).enumerate() {
        let word = u64::from_ne_bytes(chunk.try_into().expect("chunks of eight"));
        // SAFETY: word `i` lies inside the block and is aligned.
        unsafe { word_at(dst, i * 8) }.store(word, Ordering::Relaxed);
    }
    for (i, byte) in tail.iter().enumerate() {
        // SAFETY: the byte lies inside the block.
        unsafe { byte_at(dst, words * 8 + i) }.store(*byte, Ordering::Relaxed);
    }
}

/// Copies bytes out of value memory.
///
/// # Safety
/// As for [`copy_in`].
pub(super) unsafe fn copy_out(src: NonNull<u8>, dst: &mut [u8]) {
    let words = dst.len() / 8;
    let (head, tail) = dst.split_at_mut(words * 8);
    for (i, chunk) in head.chunks_exact_mut(8).enumerate() {
        // SAFETY: word `i` lies inside the block and is aligned.
        let word = unsafe { word_at(src, i * 8) }.load(Ordering::Relaxed);
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    for (i, byte) in tail.iter_mut().enumerate() {
        // SAFETY: the byte lies inside the block.
        *byte = unsafe { byte_at(src, words * 8 + i) }.load(Ordering::Relaxed);
    }
}

/// Zeroes value memory.
///
/// # Safety
/// `dst` is eight-byte aligned and `len` bytes from it, rounded up to eight, belong to one live
/// block.
pub(super) unsafe fn zero(dst: NonNull<u8>, len: usize) {
    for at in (0..len).step_by(8) {
        // SAFETY: the word lies inside the block, whose values are padded to eight bytes.
        unsafe { word_at(dst, at) }.store(0, Ordering::Relaxed);
    }
}

/// # Safety
/// `base + offset` is eight-byte aligned and inside a block that lives as long as the result.
pub(super) unsafe fn word_at<'a>(base: NonNull<u8>, offset: usize) -> &'a AtomicU64 {
    // SAFETY: by the contract above the address is aligned, live and only accessed atomically by
    // the host.
    unsafe { AtomicU64::from_ptr(base.as_ptr().add(offset).cast()) }
}

/// # Safety
/// `base + offset` is inside a block that lives as long as the result.
unsafe fn byte_at<'a>(base: NonNull<u8>, offset: usize) -> &'a AtomicU8 {
    // SAFETY: by the contract above the address is live and only accessed atomically by the host.
    unsafe { AtomicU8::from_ptr(base.as_ptr().add(offset)) }
}

/// Writes a whole value but for its special fields, which stay as they are. `fresh` zeroes them
/// first: the value begins a new life.
///
/// # Safety
/// As for [`copy_in`]; `value` is the length of the map's value, perhaps padded.
pub(super) unsafe fn write_value(head: &MapHead, dst: NonNull<u8>, value: &[u8], fresh: bool) {
    if head.special().is_empty() {
        // SAFETY: by the caller's contract.
        return unsafe { copy_in(dst, value) };
    }
    let mut special = head.special().iter().peekable();
    for (at, byte) in value.iter().enumerate() {
        while special.next_if(|f| at >= (f.offset + f.size) as usize).is_some() {}
        let inside = special.peek().is_some_and(|f| at >= f.offset as usize);
        if !inside || fresh {
            // SAFETY: the byte lies inside the value.
            unsafe { byte_at(dst, at) }.store(if inside { 0 } else { *byte }, Ordering::Relaxed);
        }
    }
}

/// Reads a whole value, showing its special fields as zeros.
///
/// # Safety
/// As for [`copy_out`]; `out` is the length of the map's value, perhaps padded.
pub(super) unsafe fn read_value(head: &MapHead, src: NonNull<u8>, out: &mut [u8]) {
    // SAFETY: by the caller's contract.
    unsafe { copy_out(src, out) };
    for field in head.special() {
        let end = ((field.offset + field.size) as usize).min(out.len());
        if let Some(bytes) = out.get_mut(field.offset as usize..end) {
            bytes.fill(0);
        }
    }
}

/// Holds the `struct bpf_spin_lock` of a value, if it has one, while `f` runs: `BPF_F_LOCK`.
/// A lock that never becomes free, because an unverified program wrote over it, is `EDEADLK`.
///
/// # Safety
/// `value` is a live value of the map of `head`.
pub(super) unsafe fn with_value_lock<R>(
    head: &MapHead,
    value: NonNull<u8>,
    f: impl FnOnce() -> R,
) -> Result<R, Errno> {
    let Some(offset) = head.spin_lock() else { return Ok(f()) };
    // SAFETY: creation has held the field against the value size and its alignment.
    let lock = unsafe { AtomicU32::from_ptr(value.as_ptr().add(offset as usize).cast()) };
    let mut spin = Backoff::default();
    let mut tries = LOCK_TRIES;
    while lock.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        tries = tries.checked_sub(1).ok_or(Errno::Deadlk)?;
        spin.wait();
    }
    let result = f();
    lock.store(0, Ordering::Release);
    Ok(result)
}

/// How often a value's lock is tried: longer than any section under it takes.
const LOCK_TRIES: u32 = 1 << 18;

/// Waits a little longer at each call, then lets others run.
#[derive(Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    pub fn wait(&mut self) {
        if self.0 < 6 {
            (0..1 << self.0).for_each(|_| core::hint::spin_loop());
            self.0 += 1;
        } else {
            // A holder that lost its CPU gets it back sooner. Without threads nobody can hold.
            #[cfg(not(target_family = "wasm"))]
            std::thread::yield_now();
        }
    }
}

/// A lock for sections of a few instructions.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct SpinLock<T> {
    held: AtomicBool,
    inner: UnsafeCell<T>,
}

// SAFETY: `lock` gives one holder at a time access to the value, which may be sent.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub fn new(inner: T) -> SpinLock<T> {
        SpinLock { held: AtomicBool::new(false), inner: UnsafeCell::new(inner) }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        let mut spin = Backoff::default();
        while self.held.swap(true, Ordering::Acquire) {
            while self.held.load(Ordering::Relaxed) {
                spin.wait();
            }
        }
        SpinGuard(self)
    }
}

pub(super) struct SpinGuard<'a, T>(&'a SpinLock<T>);

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard exists only while the lock is held.
        unsafe { &*self.0.inner.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed mutably.
        unsafe { &mut *self.0.inner.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
    }
}
