//! Which element of an LRU map makes room for a new one.
//!
//! The kernel (`bpf_lru_list.c`) approximates least-recently-used with a reference bit and an
//! active and an inactive list. Here one list is kept in order of insertion with second chances:
//! the victim is the oldest element that was not looked up or rewritten since it was last passed
//! over. What is promised: a map never holds more than `max_entries` keys, holds that many before
//! any is evicted (the kernel may evict earlier), and an element referenced since the last
//! eviction scan survives it unless all were. With `BPF_F_NO_COMMON_LRU` each CPU has a list and
//! an equal share of its own, and inserts evict from the CPU's own list first.
//!
//! Locks: a bucket may be locked while a list is; never the other way round. An element is in a
//! list from before it enters a bucket until after it has left.

use super::table::Table;
use crate::vm::maps::slab::{Elem, Header, NONE, Slab};
use core::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct List {
    /// Newest and oldest element.
    head: u32,
    tail: u32,
    len: u32,
}

/// The lists of one map.
#[derive(Debug)]
pub(super) struct Lru {
    lists: Box<[Mutex<List>]>,
    /// Elements each list may hold.
    share: u32,
}

const REFERENCED: u32 = 1;

impl Lru {
    pub fn new(lists: u32, share: u32) -> Lru {
        let empty = || Mutex::new(List { head: NONE, tail: NONE, len: 0 });
        Lru { lists: (0..lists).map(|_| empty()).collect(), share }
    }

    fn list(&self, number: u32) -> MutexGuard<'_, List> {
        let number = number as usize % self.lists.len();
        self.lists[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a use of an element.
    #[inline]
    pub fn touch(&self, elem: Elem) {
        // SAFETY: elements of a map are of its slab, which lives as long as the map.
        let lru = unsafe { &elem.header().lru };
        // Most uses find the bit set, and leave the cache line shared.
        if lru.load(Ordering::Relaxed) & REFERENCED == 0 {
            lru.fetch_or(REFERENCED, Ordering::Relaxed);
        }
    }

    /// An element for a new key, in the list and in no bucket: a free one while the list is below
    /// its share, or a victim.
    pub fn acquire(&self, slab: &Slab, table: &Table, cpu: u32) -> Option<Elem> {
        let lists = self.lists.len() as u32;
        (0..lists).find_map(|i| self.acquire_from(slab, table, (cpu + i) % lists, cpu))
    }

    fn acquire_from(&self, slab: &Slab, table: &Table, number: u32, cpu: u32) -> Option<Elem> {
        let mut list = self.list(number);
        if list.len < self.share
            && let Some(elem) = slab.pop(cpu)
        {
            list.insert(slab, elem, number, false);
            return Some(elem);
        }
        // Every element is passed over once at most; then references no longer protect.
        for round in 0..list.len.saturating_mul(2) {
            let elem = slab.elem(list.tail);
            let header = header(elem);
            list.remove(slab, elem);
            let referenced = header.lru.load(Ordering::Relaxed) & REFERENCED != 0;
            list.insert(slab, elem, number, false);
            if referenced && round < list.len {
                continue;
            }
            let hash = header.hash.load(Ordering::Relaxed);
            if table.lock(hash).unlink(elem) {
                return Some(elem);
            }
        }
        None
    }

    /// A free element to replace another with, entered as just used. The list holds one more
    /// than its share until the other is [released](Lru::release).
    pub fn acquire_spare(&self, slab: &Slab, cpu: u32) -> Option<Elem> {
        let number = cpu % self.lists.len() as u32;
        let elem = slab.pop(cpu)?;
        self.list(number).insert(slab, elem, number, true);
        Some(elem)
    }

    /// Takes an element that is in no bucket out of its list and frees it.
    pub fn release(&self, slab: &Slab, elem: Elem, cpu: u32) {
        let number = header(elem).lru.load(Ordering::Relaxed) >> 1;
        self.list(number).remove(slab, elem);
        slab.push(elem, cpu);
    }
}

fn header<'a>(elem: Elem) -> &'a Header {
    // SAFETY: elements of a map are of its slab, which lives as long as the map; the reference
    // does not leave this module.
    unsafe { elem.header() }
}

impl List {
    fn insert(&mut self, slab: &Slab, elem: Elem, number: u32, referenced: bool) {
        let h = header(elem);
        let index = h.index.load(Ordering::Relaxed);
        h.lru.store(number << 1 | u32::from(referenced), Ordering::Relaxed);
        h.prev.store(NONE, Ordering::Relaxed);
        h.link.store(self.head, Ordering::Relaxed);
        match self.head {
            NONE => self.tail = index,
            old => header(slab.elem(old)).prev.store(index, Ordering::Relaxed),
        }
        self.head = index;
        self.len += 1;
    }

    fn remove(&mut self, slab: &Slab, elem: Elem) {
        let h = header(elem);
        let (prev, next) = (h.prev.load(Ordering::Relaxed), h.link.load(Ordering::Relaxed));
        match prev {
            NONE => self.head = next,
            prev => header(slab.elem(prev)).link.store(next, Ordering::Relaxed),
        }
        match next {
            NONE => self.tail = prev,
            next => header(slab.elem(next)).prev.store(prev, Ordering::Relaxed),
        }
        self.len -= 1;
    }
}
