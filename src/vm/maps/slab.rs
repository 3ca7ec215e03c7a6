//! Element memory: chunks that only grow, a free list for each CPU, and what lies where in an
//! element.
//!
//! An element is a [`Header`], the key in words, and the value (or, in per-CPU maps, the address
//! of CPU 0's value and the distance to the next CPU's). Elements are handed out in order of
//! their index at first, then from free lists; free memory stays valid and keeps its contents,
//! because programs and lookups may still look at it.

use super::mem::{RawMem, SpinLock, copy_in, word_at};
use super::shape::{MapShape, Settings, round8};
use super::{CreateError, ValueSpan, array::CACHE_PAIR, create::budget, create::no_memory};
use core::mem::size_of;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What precedes the key of an element.
#[repr(C, align(8))]
pub(super) struct Header {
    /// The next element of the bucket; kept when the element leaves it, for those still walking.
    pub next: AtomicPtr<u8>,
    pub hash: AtomicU32,
    /// Odd while hash and key are being replaced.
    pub seq: AtomicU32,
    pub index: AtomicU32,
    /// `hash::lru`: bit 0 referenced; the list in the bits above.
    pub lru: AtomicU32,
    pub prev: AtomicU32,
    /// Neighbour in the LRU list, or in the free list.
    pub link: AtomicU32,
}

/// No element, where an index is expected.
pub(super) const NONE: u32 = u32::MAX;

/// Address of an element of the map's slab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Elem(pub NonNull<u8>);

// SAFETY: an element is an address; every use of it is unsafe and answers for its slab.
unsafe impl Send for Elem {}
// SAFETY: as above.
unsafe impl Sync for Elem {}

impl Elem {
    /// The header of this element.
    ///
    /// # Safety
    /// The element is of a slab that outlives `'a`.
    pub unsafe fn header<'a>(self) -> &'a Header {
        // SAFETY: elements begin with a header, aligned to eight bytes and never freed while the
        // slab lives; all its members are atomic.
        unsafe { self.0.cast::<Header>().as_ref() }
    }
}

#[derive(Debug)]
struct Chunk {
    elems: RawMem,
    count: u32,
    /// Values of per-CPU maps: those of one CPU together.
    percpu: Option<RawMem>,
    cpu_stride: usize,
}

/// The elements of one map.
#[derive(Debug)]
pub(super) struct Slab {
    chunks: Box<[OnceLock<Chunk>]>,
    /// Elements of the first chunk; a power of two when there may be more chunks.
    first: u32,
    capacity: u32,
    /// Elements below this index have been handed out before.
    fresh: AtomicU32,
    free: Box<[SpinLock<u32>]>,
    grow: Mutex<()>,
    bytes: AtomicU64,
    limit: u64,
    cpus: u32,
    key_size: usize,
    value_size: usize,
    value_offset: usize,
    stride: usize,
    percpu: bool,
}

/// Most elements in the first chunk of a map that allocates on demand.
const FIRST_CHUNK: u32 = 64;
/// Bytes of that chunk, when elements are large.
const FIRST_BYTES: usize = 64 << 10;

impl Slab {
    /// A slab of at most `capacity` elements, all of them allocated now when `prealloc`.
    pub fn new(
        shape: &MapShape,
        capacity: u32,
        prealloc: bool,
        cpus: u32,
        settings: &Settings,
    ) -> Result<Slab, CreateError> {
        let percpu = shape.is_percpu();
        let value_offset = size_of::<Header>() + round8(shape.key_size as usize);
        let in_elem = if percpu { 16 } else { round8(shape.value_size as usize) };
        let stride = value_offset + in_elem;
        let few = (FIRST_BYTES / stride.max(1)).clamp(1, FIRST_CHUNK as usize) as u32;
        let few = 1 << few.ilog2();
        let first = if prealloc || capacity <= few { capacity } else { few };
        // The chunks double: their number is bounded by the bits of an index.
        let chunks = (0..34).map(|_| OnceLock::new()).collect();
        let free = (0..cpus).map(|_| SpinLock::new(NONE)).collect();
        let slab = Slab {
            chunks,
            first,
            capacity,
            fresh: AtomicU32::new(0),
            free,
            grow: Mutex::new(()),
            bytes: AtomicU64::new(0),
            limit: settings.memory_limit,
            cpus,
            key_size: shape.key_size as usize,
            value_size: shape.value_size as usize,
            value_offset,
            stride,
            percpu,
        };
        let needed = slab.chunk_bytes(first);
        budget(shape, needed.map(|(elems, percpu, _)| elems + percpu), settings)?;
        let bytes = needed.map_or(u64::MAX, |(elems, percpu, _)| elems + percpu);
        slab.chunk(0).ok_or(no_memory(shape, bytes, settings))?;
        Ok(slab)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of elements, of per-CPU values, and of the values of one CPU, in a chunk.
    fn chunk_bytes(&self, count: u32) -> Option<(u64, u64, u64)> {
        let elems = u64::from(count).checked_mul(self.stride as u64)?;
        if !self.percpu {
            return Some((elems, 0, 0));
        }
        let one = u64::from(count).checked_mul(round8(self.value_size) as u64)?;
        let cpu_stride = one.checked_next_multiple_of(CACHE_PAIR)?;
        let percpu = cpu_stride.checked_mul(u64::from(self.cpus))?;
        elems.checked_add(percpu)?;
        Some((elems, percpu, cpu_stride))
    }

    /// The chunk, allocated if need be. None when there is no memory for it.
    fn chunk(&self, number: usize) -> Option<&Chunk> {
        let slot = self.chunks.get(number)?;
        if let Some(chunk) = slot.get() {
            return Some(chunk);
        }
        let _grow = self.grow.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chunk) = slot.get() {
            return Some(chunk);
        }
        let start = self.chunk_start(number);
        let size = if number == 0 { self.first } else { start.min(self.capacity - start) };
        let (elems, percpu, cpu_stride) = self.chunk_bytes(size)?;
        let total = self.bytes().checked_add(elems)?.checked_add(percpu)?;
        if total > self.limit || total > isize::MAX as u64 {
            return None;
        }
        let values =
            if self.percpu { Some(RawMem::zeroed(percpu as usize, CACHE_PAIR as usize)?) } else { None };
        let elems = RawMem::zeroed(elems as usize, 64)?;
        self.bytes.store(total, Ordering::Relaxed);
        let _ = slot.set(Chunk { elems, count: size, percpu: values, cpu_stride: cpu_stride as usize });
        slot.get()
    }

    /// Index of the first element of a chunk.
    fn chunk_start(&self, number: usize) -> u32 {
        if number == 0 { 0 } else { self.first << (number - 1) }
    }

    fn chunk_of(&self, index: u32) -> usize {
        if index < self.first { 0 } else { (index / self.first).ilog2() as usize + 1 }
    }

    /// The element with this index, which has been handed out before.
    pub fn elem(&self, index: u32) -> Elem {
        let number = self.chunk_of(index);
        let chunk = self.chunks[number].get().expect("an element that was handed out has memory");
        Elem(chunk.elems.at((index - self.chunk_start(number)) as usize * self.stride))
    }

    /// Takes an element: from this CPU's free list, then a new one, then from other CPUs.
    pub fn pop(&self, cpu: u32) -> Option<Elem> {
        let own = (cpu % self.cpus) as usize;
        self.pop_free(own)
            .or_else(|| self.pop_fresh())
            .or_else(|| (1..self.free.len()).find_map(|i| self.pop_free((own + i) % self.free.len())))
    }

    /// Whether every element has been handed out before, so that only free lists have any.
    pub fn is_handed_out(&self) -> bool {
        self.fresh.load(Ordering::Relaxed) >= self.capacity
    }

    fn pop_free(&self, list: usize) -> Option<Elem> {
        let mut top = self.free[list].lock();
        if *top == NONE {
            return None;
        }
        let elem = self.elem(*top);
        // SAFETY: the element is of this slab.
        *top = unsafe { elem.header() }.link.load(Ordering::Relaxed);
        Some(elem)
    }

    fn pop_fresh(&self) -> Option<Elem> {
        if self.fresh.load(Ordering::Relaxed) >= self.capacity {
            return None;
        }
        let advance = |n: u32| {
            let number = self.chunk_of(n);
            (n < self.capacity && self.chunk(number).is_some()).then(|| n + 1)
        };
        let index = self.fresh.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance).ok()?;
        let elem = self.elem(index);
        // SAFETY: the element is of this slab.
        let header = unsafe { elem.header() };
        header.index.store(index, Ordering::Relaxed);
        if self.percpu {
            let number = self.chunk_of(index);
            let chunk = self.chunks[number].get()?;
            let offset = (index - self.chunk_start(number)) as usize * round8(self.value_size);
            let first = chunk.percpu.as_ref()?.at(offset);
            // SAFETY: both words lie in the element, which nobody else has seen.
            unsafe {
                self.value_ptr(elem).store(first.as_ptr(), Ordering::Relaxed);
                word_at(elem.0, self.value_offset + 8).store(chunk.cpu_stride as u64, Ordering::Relaxed);
            }
        }
        Some(elem)
    }

    /// Gives an element back that is in no bucket and no LRU list.
    pub fn push(&self, elem: Elem, cpu: u32) {
        // SAFETY: the element is of this slab.
        let header = unsafe { elem.header() };
        let mut top = self.free[(cpu % self.cpus) as usize].lock();
        header.link.store(*top, Ordering::Relaxed);
        *top = header.index.load(Ordering::Relaxed);
    }

    /// Replaces hash and key of an element that is in no bucket.
    pub fn write_key(&self, elem: Elem, hash: u32, key: &[u8]) {
        // SAFETY: the element is of this slab, and the key area holds `key_size` bytes.
        let header = unsafe { elem.header() };
        let seq = header.seq.load(Ordering::Relaxed);
        header.seq.store(seq.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        header.hash.store(hash, Ordering::Relaxed);
        let (words, tail) = key.split_at(key.len() & !7);
        // SAFETY: as above; the tail's word is padding of the key area.
        unsafe {
            copy_in(self.key_base(elem), words);
            if !tail.is_empty() {
                word_at(self.key_base(elem), words.len()).store(tail_word(tail), Ordering::Relaxed);
            }
        }
        header.seq.store(seq.wrapping_add(2), Ordering::Release);
    }

    fn key_base(&self, elem: Elem) -> NonNull<u8> {
        // SAFETY: the key follows the header inside the element.
        unsafe { elem.0.add(size_of::<Header>()) }
    }

    /// Whether the element has this key of `key_size` bytes.
    #[inline(always)]
    pub fn key_is(&self, elem: Elem, key: &[u8]) -> bool {
        let base = self.key_base(elem);
        let mut chunks = key.chunks_exact(8);
        let mut at = 0;
        for chunk in &mut chunks {
            let word = u64::from_ne_bytes(chunk.try_into().expect("chunks of eight"));
            // SAFETY: the word lies in the key area of the element.
            if unsafe { word_at(base, at) }.load(Ordering::Relaxed) != word {
                return false;
            }
            at += 8;
        }
        let tail = chunks.remainder();
        // SAFETY: as above; the key area is padded to eight bytes.
        tail.is_empty() || unsafe { word_at(base, at) }.load(Ordering::Relaxed) == tail_word(tail)
    }

    /// Copies the key. The bucket is locked, or the element's `seq` is checked around the copy.
    pub fn read_key(&self, elem: Elem, out: &mut [u8]) {
        debug_assert_eq!(out.len(), self.key_size);
        for (i, chunk) in out.chunks_mut(8).enumerate() {
            // SAFETY: the word lies in the key area of the element, padded to eight bytes.
            let word = unsafe { word_at(self.key_base(elem), i * 8) }.load(Ordering::Relaxed);
            chunk.copy_from_slice(&word.to_ne_bytes()[..chunk.len()]);
        }
    }

    /// The word of a per-CPU element that holds the address of CPU 0's value.
    unsafe fn value_ptr<'a>(&self, elem: Elem) -> &'a AtomicPtr<u8> {
        // SAFETY: the word follows the key of a per-CPU element; 16 bytes are set aside there.
        unsafe { AtomicPtr::from_ptr(elem.0.as_ptr().add(self.value_offset).cast()) }
    }

    /// Address of the value; in per-CPU maps that of `cpu`, which is in range.
    #[inline]
    pub fn value(&self, elem: Elem, cpu: u32) -> NonNull<u8> {
        if !self.percpu {
            // SAFETY: the value follows the key inside the element.
            return unsafe { elem.0.add(self.value_offset) };
        }
        // SAFETY: the two words were set when the element was first handed out, and say where in
        // the chunk's per-CPU block the values of this element lie.
        unsafe {
            let first = self.value_ptr(elem).load(Ordering::Relaxed);
            let stride = word_at(elem.0, self.value_offset + 8).load(Ordering::Relaxed);
            NonNull::new_unchecked(first.add(cpu as usize * stride as usize))
        }
    }

    /// The value that an address lies in.
    pub fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        let padded = round8(self.value_size);
        for chunk in self.chunks.iter().map_while(OnceLock::get) {
            let (stride, lead, within, count) = match &chunk.percpu {
                Some(values) => {
                    let Some(offset) = values.offset_of(addr) else { continue };
                    (padded, 0, offset % chunk.cpu_stride, chunk.count)
                }
                None => {
                    let Some(offset) = chunk.elems.offset_of(addr) else { continue };
                    (self.stride, self.value_offset, offset, chunk.count)
                }
            };
            if within / stride >= count as usize {
                return None;
            }
            let inside = (within % stride).checked_sub(lead)?;
            return (inside < self.value_size)
                .then_some(ValueSpan { start: addr - inside, len: self.value_size });
        }
        None
    }
}

/// The last, incomplete word of a key, padded with zeros.
fn tail_word(tail: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..tail.len()].copy_from_slice(tail);
    u64::from_ne_bytes(word)
}
