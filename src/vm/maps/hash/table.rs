//! Buckets and chains: lookups without a lock, changes under the lock of one bucket.
//!
//! A lookup walks the chain and, when it finds the key, checks that the element did not change
//! its key meanwhile. When it finds nothing, the bucket's version must not have moved since the
//! walk began; otherwise the key may have been moved past the walker, and the walk is repeated,
//! after some repetitions under the lock. So a key that is present throughout is always found.

use crate::vm::maps::mem::{Backoff, RawMem};
use crate::vm::maps::slab::{Elem, Slab};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

#[repr(C, align(16))]
struct Bucket {
    head: AtomicPtr<u8>,
    /// Odd while locked; moves on with each change.
    version: AtomicU32,
}

/// The buckets of one map.
#[derive(Debug)]
pub(super) struct Table {
    mem: RawMem,
    mask: u32,
}

/// Fruitless walks before a lookup takes the lock.
const WALKS: u32 = 32;

impl Table {
    /// A table of `buckets` chains, a power of two. None without memory.
    pub fn new(buckets: u32) -> Option<Table> {
        debug_assert!(buckets.is_power_of_two());
        let mem = RawMem::zeroed((buckets as usize).checked_mul(size_of::<Bucket>())?, 64)?;
        Some(Table { mem, mask: buckets - 1 })
    }

    /// Bytes of a table of this many buckets.
    pub fn bytes(buckets: u64) -> u64 {
        buckets * size_of::<Bucket>() as u64
    }

    pub fn buckets(&self) -> u32 {
        self.mask + 1
    }

    fn bucket(&self, hash: u32) -> &Bucket {
        let at = self.mem.at((hash & self.mask) as usize * size_of::<Bucket>());
        // SAFETY: the address is of a bucket of the table, aligned, zeroed at first, and atomic.
        unsafe { at.cast::<Bucket>().as_ref() }
    }

    /// The element with this key.
    #[inline(always)]
    pub fn find(&self, slab: &Slab, hash: u32, key: &[u8]) -> Option<Elem> {
        let bucket = self.bucket(hash);
        for _ in 0..WALKS {
            let version = bucket.version.load(Ordering::Acquire);
            let mut at = bucket.head.load(Ordering::Acquire);
            while let Some(ptr) = NonNull::new(at) {
                let elem = Elem(ptr);
                // SAFETY: chains hold elements of the slab, which outlives this call.
                let header = unsafe { elem.header() };
                if header.hash.load(Ordering::Relaxed) == hash {
                    let seq = header.seq.load(Ordering::Acquire);
                    if seq & 1 == 0 && slab.key_is(elem, key) {
                        fence(Ordering::Acquire);
                        if header.seq.load(Ordering::Relaxed) == seq {
                            return Some(elem);
                        }
                    }
                }
                at = header.next.load(Ordering::Acquire);
            }
            fence(Ordering::Acquire);
            if version & 1 == 0 && bucket.version.load(Ordering::Relaxed) == version {
                return None;
            }
            core::hint::spin_loop();
        }
        self.lock(hash).find(slab, hash, key)
    }

    /// Locks the bucket of this hash.
    pub fn lock(&self, hash: u32) -> LockedBucket<'_> {
        let bucket = self.bucket(hash);
        let mut spin = Backoff::default();
        loop {
            let version = bucket.version.load(Ordering::Relaxed);
            let locked = version.wrapping_add(1);
            if version & 1 == 0
                && bucket
                    .version
                    .compare_exchange_weak(version, locked, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                // Readers that see any change of the chain see the odd version as well.
                fence(Ordering::Release);
                return LockedBucket { bucket };
            }
            spin.wait();
        }
    }
}

/// A bucket that only its holder changes.
pub(super) struct LockedBucket<'a> {
    bucket: &'a Bucket,
}

impl LockedBucket<'_> {
    /// The elements of the chain.
    pub fn elems(&self) -> impl Iterator<Item = Elem> + '_ {
        let mut at = NonNull::new(self.bucket.head.load(Ordering::Relaxed));
        core::iter::from_fn(move || {
            let elem = Elem(at?);
            // SAFETY: chains hold elements of the map's slab, which outlives the table's users.
            at = NonNull::new(unsafe { elem.header() }.next.load(Ordering::Relaxed));
            Some(elem)
        })
    }

    pub fn find(&self, slab: &Slab, hash: u32, key: &[u8]) -> Option<Elem> {
        self.elems().find(|elem| {
            // SAFETY: as above.
            unsafe { elem.header() }.hash.load(Ordering::Relaxed) == hash && slab.key_is(*elem, key)
        })
    }

    /// Puts an element first in the chain.
    pub fn link(&self, elem: Elem) {
        let head = self.bucket.head.load(Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { elem.header() }.next.store(head, Ordering::Relaxed);
        self.bucket.head.store(elem.0.as_ptr(), Ordering::Release);
    }

    /// Takes an element out of the chain; false when it is not there.
    pub fn unlink(&self, elem: Elem) -> bool {
        let mut at = &self.bucket.head;
        while let Some(ptr) = NonNull::new(at.load(Ordering::Relaxed)) {
            // SAFETY: as above.
            let header = unsafe { Elem(ptr).header() };
            if ptr == elem.0 {
                at.store(header.next.load(Ordering::Relaxed), Ordering::Release);
                return true;
            }
            at = &header.next;
        }
        false
    }
}

impl Drop for LockedBucket<'_> {
    fn drop(&mut self) {
        let version = self.bucket.version.load(Ordering::Relaxed);
        self.bucket.version.store(version.wrapping_add(1), Ordering::Release);
    }
}

/// The hash of a key: two multiplications folded together for each word, seeded per map.
#[inline(always)]
pub(in crate::vm::maps) fn hash(key: &[u8], seed: u64) -> u32 {
    const K0: u64 = 0x9e37_79b9_7f4a_7c15;
    const K1: u64 = 0xd6e8_feb8_6659_fd93;
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        wide as u64 ^ (wide >> 64) as u64
    };
    let mut state = seed ^ K0 ^ key.len() as u64;
    let mut chunks = key.chunks_exact(8);
    for chunk in &mut chunks {
        state = fold(state ^ u64::from_ne_bytes(chunk.try_into().expect("chunks of eight")), K1);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        let word = match tail.try_into() {
            Ok(four) => u64::from(u32::from_ne_bytes(four)),
            Err(_) => tail.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        state = fold(state ^ word, K1);
    }
    fold(state, K0) as u32
}
