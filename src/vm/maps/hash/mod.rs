//! Hash, LRU hash and their per-CPU forms.
//!
//! Linux `hashtab.c`. An update of a key that exists gives it a new element, so that whoever holds
//! the address of the old value keeps seeing the old value until its memory serves another
//! insertion; only per-CPU maps and `BPF_F_LOCK` write in place. A full hash refuses new keys
//! with `E2BIG`; an LRU hash evicts ([`lru`]). `BPF_F_NO_PREALLOC` maps take memory as they grow.

mod lru;
mod table;

use super::create::{CreateError, budget, no_memory};
use super::mem::{Backoff, copy_out, read_value, with_value_lock, write_value, zero};
use super::shape::{MapHead, Settings, flag, round8, update};
use super::slab::{self, Elem, Slab};
use super::{Batches, Errno, Map, MapKind, ValueSpan, Visit};
use core::ops::ControlFlow;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use lru::Lru;
use oxbpf_isa::kernel::MapType;
pub(super) use table::hash;
use table::{LockedBucket, Table};

/// `BPF_MAP_TYPE_HASH`, `PERCPU_HASH`, `LRU_HASH` and `LRU_PERCPU_HASH`.
#[derive(Debug)]
pub struct HashMap {
    head: MapHead,
    table: Table,
    slab: Slab,
    lru: Option<Lru>,
    /// Keys in the map, where no LRU list counts them.
    count: AtomicU32,
    limit: u32,
    seed: u64,
}

/// How often an insertion that has room tries to get an element.
const POP_TRIES: u32 = 1000;

/// One batch of a walk by buckets.
pub(super) struct BucketBatch {
    pub keys: Vec<u8>,
    pub values: Vec<u8>,
    pub count: u32,
    /// The bucket to go on with; at the number of buckets the walk is complete.
    pub next: u32,
}

/// Which values of a per-CPU element an update writes.
#[derive(Clone, Copy)]
enum Writes {
    /// One value: the only one, or that of this CPU.
    One(u32),
    /// Those of all CPUs, one after the other.
    All,
}

impl HashMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<HashMap, CreateError> {
        let shape = *head.shape();
        let cpus = head.cpus();
        let lru = matches!(shape.map_type, MapType::LruHash | MapType::LruPercpuHash);
        let own_lists = shape.has(flag::NO_COMMON_LRU);
        let limit = if own_lists {
            // Each CPU has the same share: up if that fits in 32 bits, down if not.
            shape.max_entries.checked_next_multiple_of(cpus).unwrap_or(shape.max_entries / cpus * cpus)
        } else {
            shape.max_entries
        };
        // Updates take a spare element first and free the old one after.
        let too_many = no_memory(&shape, u64::MAX, settings);
        let capacity = limit.checked_add(cpus).filter(|n| *n < slab::NONE).ok_or(too_many)?;
        let buckets = u64::from(shape.max_entries).next_power_of_two();
        budget(&shape, Some(Table::bytes(buckets)), settings)?;
        let prealloc = !shape.has(flag::NO_PREALLOC);
        let slab = Slab::new(&shape, capacity, prealloc, cpus, settings)?;
        let total = slab.bytes() + Table::bytes(buckets);
        budget(&shape, Some(total), settings)?;
        let table = Table::new(buckets as u32).ok_or(no_memory(&shape, total, settings))?;
        let lists = if own_lists { cpus } else { 1 };
        let lru = lru.then(|| Lru::new(lists, limit / lists));
        let seed = shape.seed(settings);
        Ok(HashMap { head, table, slab, lru, count: AtomicU32::new(0), limit, seed })
    }

    /// The seed of the map's hash function.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Chains of the table, a power of two.
    pub fn buckets(&self) -> u32 {
        self.table.buckets()
    }

    /// Keys in the map; of an LRU map they are counted one by one.
    pub fn len(&self) -> u32 {
        match self.lru {
            None => self.count.load(Ordering::Relaxed),
            Some(_) => (0..self.table.buckets()).map(|b| self.table.lock(b).elems().count() as u32).sum(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<Elem> {
        if key.len() != self.head.shape().key_size as usize {
            return None;
        }
        self.table.find(&self.slab, hash(key, self.seed), key)
    }

    /// As [`Map::lookup`] for a key of `N` bytes, which is the size of the map's keys.
    pub(in crate::vm) fn lookup_word<const N: usize>(&self, key: [u8; N], cpu: u32) -> Option<NonNull<u8>> {
        debug_assert_eq!(N, self.head.shape().key_size as usize);
        if cpu >= self.head.cpus() {
            return None;
        }
        let elem = self.table.find(&self.slab, hash(&key, self.seed), &key)?;
        if let Some(lru) = &self.lru {
            lru.touch(elem);
        }
        Some(self.slab.value(elem, cpu))
    }

    fn checked_hash(&self, key: &[u8]) -> Result<u32, Errno> {
        let fits = key.len() == self.head.shape().key_size as usize;
        fits.then(|| hash(key, self.seed)).ok_or(Errno::Inval)
    }

    fn may_write(found: bool, flags: u64) -> Result<(), Errno> {
        match flags & !update::LOCK {
            update::NOEXIST if found => Err(Errno::Exist),
            update::EXIST if !found => Err(Errno::NoEnt),
            _ => Ok(()),
        }
    }

    /// Writes values of a per-CPU element; those not named are zeroed in a new element.
    fn write_percpu(&self, elem: Elem, value: &[u8], writes: Writes, fresh: bool) {
        let size = round8(self.head.shape().value_size as usize);
        for cpu in 0..self.head.cpus() {
            let at = self.slab.value(elem, cpu);
            // SAFETY: `at` is the address of a value padded to `size` bytes.
            unsafe {
                match writes {
                    Writes::All => {
                        write_value(&self.head, at, &value[cpu as usize * size..][..size], fresh);
                    }
                    Writes::One(own) if own == cpu => write_value(&self.head, at, value, fresh),
                    Writes::One(_) if fresh => zero(at, size),
                    Writes::One(_) => {}
                }
            }
        }
    }

    fn write_fresh(&self, elem: Elem, hash: u32, key: &[u8], value: &[u8], writes: Writes) {
        self.slab.write_key(elem, hash, key);
        if self.head.shape().is_percpu() {
            self.write_percpu(elem, value, writes, true);
        } else {
            // SAFETY: the element has a value of this length.
            unsafe { write_value(&self.head, self.slab.value(elem, 0), value, true) };
        }
    }

    fn write_in_place(&self, elem: Elem, value: &[u8], flags: u64, writes: Writes) -> Result<(), Errno> {
        if self.head.shape().is_percpu() {
            self.write_percpu(elem, value, writes, false);
            return Ok(());
        }
        let at = self.slab.value(elem, 0);
        // SAFETY: the element has a value of this length.
        unsafe {
            if flags & update::LOCK != 0 {
                with_value_lock(&self.head, at, || write_value(&self.head, at, value, false))?;
            } else {
                write_value(&self.head, at, value, false);
            }
        }
        Ok(())
    }

    fn insert(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32, writes: Writes) -> Result<(), Errno> {
        let plain = self.head.shape().map_type == MapType::Hash;
        let lock = if plain { update::LOCK } else { 0 };
        if flags & !lock > update::EXIST || flags & lock != 0 && self.head.spin_lock().is_none() {
            return Err(Errno::Inval);
        }
        let hash = self.checked_hash(key)?;
        match &self.lru {
            None => self.insert_counted(hash, key, value, flags, cpu, writes),
            // A key that goes away between two looks makes the update begin again.
            Some(lru) => loop {
                if let Some(result) = self.insert_lru(lru, hash, key, value, flags, cpu, writes) {
                    return result;
                }
            },
        }
    }

    fn insert_counted(
        &self,
        hash: u32,
        key: &[u8],
        value: &[u8],
        flags: u64,
        cpu: u32,
        writes: Writes,
    ) -> Result<(), Errno> {
        let bucket = self.table.lock(hash);
        let old = bucket.find(&self.slab, hash, key);
        Self::may_write(old.is_some(), flags)?;
        if let Some(old) = old {
            let in_place = self.head.shape().is_percpu() || flags & update::LOCK != 0;
            // More writers than spare elements at once: the value is overwritten instead.
            let new = if in_place { None } else { self.slab.pop(cpu) };
            let Some(new) = new else {
                return self.write_in_place(old, value, flags, writes);
            };
            self.write_fresh(new, hash, key, value, writes);
            bucket.link(new);
            bucket.unlink(old);
            drop(bucket);
            self.slab.push(old, cpu);
            return Ok(());
        }
        let count = |n: u32| (n < self.limit).then(|| n + 1);
        self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).map_err(|_| Errno::TooBig)?;
        let Some(new) = self.pop_counted(cpu) else {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::NoMem);
        };
        self.write_fresh(new, hash, key, value, writes);
        bucket.link(new);
        Ok(())
    }

    /// An element for a key that has been counted. Replacements under way on more threads than
    /// there are spare elements may hold the last ones, but not for long.
    fn pop_counted(&self, cpu: u32) -> Option<Elem> {
        let mut spin = Backoff::default();
        (0..POP_TRIES).find_map(|_| {
            let elem = self.slab.pop(cpu);
            if elem.is_none() {
                spin.wait();
            }
            // A slab that could grow and did not has no memory, now or later.
            (elem.is_some() || !self.slab.is_handed_out()).then_some(elem)
        })?
    }

    /// Inserts or replaces in an LRU map; none when the key was there at first and then was not.
    #[expect(clippy::too_many_arguments, reason = "the arguments of an update, taken apart")]
    fn insert_lru(
        &self,
        lru: &Lru,
        hash: u32,
        key: &[u8],
        value: &[u8],
        flags: u64,
        cpu: u32,
        writes: Writes,
    ) -> Option<Result<(), Errno>> {
        let percpu = self.head.shape().is_percpu();
        let found = self.table.find(&self.slab, hash, key);
        if let Err(errno) = Self::may_write(found.is_some(), flags) {
            return Some(Err(errno));
        }
        let new = match found {
            Some(_) if percpu => None,
            Some(_) => lru.acquire_spare(&self.slab, cpu),
            None => match lru.acquire(&self.slab, &self.table, cpu) {
                Some(new) => Some(new),
                None => return Some(Err(Errno::NoMem)),
            },
        };
        if let Some(new) = new {
            self.write_fresh(new, hash, key, value, writes);
        }
        let bucket = self.table.lock(hash);
        let old = bucket.find(&self.slab, hash, key);
        let verdict = Self::may_write(old.is_some(), flags);
        let (result, unused) = match (verdict, old, new) {
            (Err(errno), _, new) => (Err(errno), new),
            (Ok(()), Some(old), new) if percpu || new.is_none() => {
                lru.touch(old);
                (self.write_in_place(old, value, flags, writes), new)
            }
            (Ok(()), old, Some(new)) => {
                bucket.link(new);
                old.inspect(|old| {
                    bucket.unlink(*old);
                    lru.touch(new);
                });
                (Ok(()), old)
            }
            (Ok(()), _, None) => return None,
        };
        drop(bucket);
        if let Some(unused) = unused {
            lru.release(&self.slab, unused, cpu);
        }
        Some(result)
    }

    /// Frees an element that has left its bucket.
    fn free(&self, elem: Elem, cpu: u32) {
        match &self.lru {
            Some(lru) => lru.release(&self.slab, elem, cpu),
            None => {
                self.slab.push(elem, cpu);
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Copies the value of an element for the user side.
    fn copy(&self, elem: Elem, flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let at = self.slab.value(elem, 0);
        if self.head.shape().is_percpu() {
            let size = round8(self.head.shape().value_size as usize);
            for (cpu, out) in (0..self.head.cpus()).zip(out.chunks_mut(size)) {
                // SAFETY: each CPU's value is padded to `size` bytes.
                unsafe { copy_out(self.slab.value(elem, cpu), out) };
            }
            return Ok(());
        }
        // SAFETY: the element has a value of the length of `out`.
        unsafe {
            if flags & update::LOCK != 0 {
                with_value_lock(&self.head, at, || read_value(&self.head, at, out))?;
            } else {
                read_value(&self.head, at, out);
            }
        }
        Ok(())
    }

    fn key_of(&self, elem: Elem) -> Vec<u8> {
        let mut key = vec![0; self.head.shape().key_size as usize];
        self.slab.read_key(elem, &mut key);
        key
    }

    /// Copies whole buckets from `start` on while they fit in `max`; with `delete`, empties them.
    /// `ENOSPC` when not even the first bucket with elements fits.
    pub(super) fn bucket_batch(
        &self,
        start: u32,
        max: u32,
        flags: u64,
        delete: bool,
    ) -> Result<BucketBatch, Errno> {
        if start >= self.table.buckets() {
            return Err(Errno::NoEnt);
        }
        let size = self.head.shape().user_value_size(self.head.cpus());
        let mut batch = BucketBatch { keys: Vec::new(), values: Vec::new(), count: 0, next: start };
        while batch.next < self.table.buckets() {
            let bucket = self.table.lock(batch.next);
            let elems: Vec<Elem> = bucket.elems().collect();
            if elems.len() as u64 > u64::from(max - batch.count) {
                return if batch.count == 0 { Err(Errno::NoSpc) } else { Ok(batch) };
            }
            for elem in &elems {
                batch.keys.extend_from_slice(&self.key_of(*elem));
                let at = batch.values.len();
                batch.values.resize(at + size, 0);
                self.copy(*elem, flags, &mut batch.values[at..])?;
            }
            batch.count += elems.len() as u32;
            batch.next += 1;
            if delete {
                self.empty(bucket, &elems);
            }
        }
        Ok(batch)
    }

    fn empty(&self, bucket: LockedBucket<'_>, elems: &[Elem]) {
        for elem in elems {
            bucket.unlink(*elem);
        }
        drop(bucket);
        for elem in elems {
            self.free(*elem, 0);
        }
    }
}

impl Map for HashMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::Hash(self)
    }

    fn lookup(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>> {
        if cpu >= self.head.cpus() {
            return None;
        }
        let elem = self.find(key)?;
        if let Some(lru) = &self.lru {
            lru.touch(elem);
        }
        Some(self.slab.value(elem, cpu))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        if value.len() != self.head.shape().value_size as usize || cpu >= self.head.cpus() {
            return Err(Errno::Inval);
        }
        self.insert(key, value, flags, cpu, Writes::One(cpu))
    }

    fn delete(&self, key: &[u8], cpu: u32) -> Result<(), Errno> {
        let hash = self.checked_hash(key)?;
        let bucket = self.table.lock(hash);
        let elem = bucket.find(&self.slab, hash, key).ok_or(Errno::NoEnt)?;
        bucket.unlink(elem);
        drop(bucket);
        self.free(elem, cpu);
        Ok(())
    }

    fn for_each(&self, cpu: u32, visit: &mut Visit<'_>) -> Result<u64, Errno> {
        if cpu >= self.head.cpus() {
            return Err(Errno::Inval);
        }
        let mut visited = 0;
        for number in 0..self.table.buckets() {
            // The chain is copied, so that no lock is held while the callback runs.
            let chain: Vec<(Vec<u8>, NonNull<u8>)> = {
                let bucket = self.table.lock(number);
                bucket.elems().map(|elem| (self.key_of(elem), self.slab.value(elem, cpu))).collect()
            };
            for (key, value) in chain {
                visited += 1;
                if visit(&key, value) == ControlFlow::Break(()) {
                    return Ok(visited);
                }
            }
        }
        Ok(visited)
    }

    fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        self.slab.value_span(addr)
    }

    fn user_lookup(&self, key: &[u8], flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        // A look from outside does not keep an element of an LRU map.
        let elem = self.find(key).ok_or(Errno::NoEnt)?;
        self.copy(elem, flags, out)
    }

    fn user_update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let writes = if self.head.shape().is_percpu() { Writes::All } else { Writes::One(0) };
        self.insert(key, value, flags, 0, writes)
    }

    fn user_lookup_and_delete(&self, key: &[u8], flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let hash = self.checked_hash(key)?;
        let bucket = self.table.lock(hash);
        let elem = bucket.find(&self.slab, hash, key).ok_or(Errno::NoEnt)?;
        self.copy(elem, flags, out)?;
        bucket.unlink(elem);
        drop(bucket);
        self.free(elem, 0);
        Ok(())
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let mut start = 0;
        if let Some(key) = key {
            let hash = self.checked_hash(key)?;
            let bucket = self.table.lock(hash);
            let mut chain = bucket.elems().skip_while(|elem| !self.slab.key_is(*elem, key));
            // A key that is gone begins the walk again.
            if chain.next().is_some() {
                if let Some(next) = chain.next() {
                    self.slab.read_key(next, out);
                    return Ok(());
                }
                start = (hash & (self.table.buckets() - 1)) + 1;
            }
        }
        for number in start..self.table.buckets() {
            if let Some(first) = self.table.lock(number).elems().next() {
                self.slab.read_key(first, out);
                return Ok(());
            }
        }
        Err(Errno::NoEnt)
    }

    fn batches(&self) -> Batches {
        Batches::ALL
    }

    fn memory(&self) -> u64 {
        self.slab.bytes() + Table::bytes(u64::from(self.table.buckets()))
    }
}
