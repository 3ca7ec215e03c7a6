//! Stack traces by id: what `bpf_get_stackid` stores and the user side reads.
//!
//! Linux `stackmap.c`. A trace's id is its hash; two traces with the same id collide (`EEXIST`),
//! unless the program lets the newer one take the place. The host provides the addresses.

use super::create::{CreateError, budget, no_memory};
use super::hash::hash;
use super::shape::{MapHead, Settings};
use super::{Errno, Map, MapKind};
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Flags of `bpf_get_stackid` (uapi `BPF_F_*`).
pub mod stackid {
    /// How many of the innermost frames to leave out.
    pub const SKIP_MASK: u64 = 0xff;
    pub const USER_STACK: u64 = 1 << 8;
    /// Traces are the same when their hashes are.
    pub const FAST_STACK_CMP: u64 = 1 << 9;
    /// A new trace takes the place of another with its id.
    pub const REUSE_STACKID: u64 = 1 << 10;
}

/// Frames of a trace at most (`kernel.perf_event_max_stack`).
const DEPTH_MAX: usize = 127;

/// `BPF_MAP_TYPE_STACK_TRACE`.
#[derive(Debug)]
pub struct StackTraceMap {
    head: MapHead,
    buckets: Box<[Mutex<Option<Trace>>]>,
    count: AtomicU32,
}

#[derive(Debug, PartialEq, Eq)]
struct Trace {
    hash: u32,
    ips: Box<[u64]>,
}

impl StackTraceMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<StackTraceMap, CreateError> {
        let shape = head.shape();
        let buckets = u64::from(shape.max_entries).next_power_of_two();
        let traces = u64::from(shape.max_entries).checked_mul(u64::from(shape.value_size));
        let slots = buckets * size_of::<Mutex<Option<Trace>>>() as u64;
        let bytes = budget(shape, traces.and_then(|bytes| bytes.checked_add(slots)), settings)?;
        let mut list = Vec::new();
        list.try_reserve_exact(buckets as usize).map_err(|_| no_memory(shape, bytes as u64, settings))?;
        list.extend((0..buckets).map(|_| Mutex::new(None)));
        Ok(StackTraceMap { head, buckets: list.into_boxed_slice(), count: AtomicU32::new(0) })
    }

    fn bucket(&self, id: u32) -> Option<MutexGuard<'_, Option<Trace>>> {
        Some(self.buckets.get(id as usize)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `bpf_get_stackid` for these return addresses, innermost first: the id. `EFAULT` when
    /// nothing is left after the frames to skip.
    pub fn intern(&self, ips: &[u64], flags: u64) -> Result<u32, Errno> {
        use stackid::{FAST_STACK_CMP, REUSE_STACKID, SKIP_MASK, USER_STACK};
        if flags & !(SKIP_MASK | USER_STACK | FAST_STACK_CMP | REUSE_STACKID) != 0 {
            return Err(Errno::Inval);
        }
        let skip = (flags & SKIP_MASK) as usize;
        let rest = ips.get(skip..).filter(|rest| !rest.is_empty()).ok_or(Errno::Fault)?;
        let depth = (self.head.shape().value_size as usize / 8).min(DEPTH_MAX.saturating_sub(skip));
        let ips = &rest[..rest.len().min(depth)];
        let bytes: Vec<u8> = ips.iter().flat_map(|ip| ip.to_ne_bytes()).collect();
        let hash = hash(&bytes, 0);
        let id = hash & (self.buckets.len() as u32 - 1);
        let mut bucket = self.bucket(id).ok_or(Errno::Inval)?;
        if let Some(old) = &*bucket {
            let same = old.hash == hash && (flags & FAST_STACK_CMP != 0 || *old.ips == *ips);
            if same {
                return Ok(id);
            }
            if flags & REUSE_STACKID == 0 {
                return Err(Errno::Exist);
            }
        } else {
            let max = self.head.shape().max_entries;
            let count = |n: u32| (n < max).then(|| n + 1);
            let counted = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
            counted.map_err(|_| Errno::NoMem)?;
        }
        *bucket = Some(Trace { hash, ips: ips.into() });
        Ok(id)
    }

    /// The addresses of a trace, innermost first.
    pub fn trace(&self, id: u32) -> Option<Vec<u64>> {
        Some(self.bucket(id)?.as_ref()?.ips.to_vec())
    }
}

fn id_of(key: &[u8]) -> Result<u32, Errno> {
    Ok(u32::from_ne_bytes(key.try_into().map_err(|_| Errno::Inval)?))
}

impl Map for StackTraceMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::StackTrace(self)
    }

    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    fn delete(&self, key: &[u8], _cpu: u32) -> Result<(), Errno> {
        let old = self.bucket(id_of(key)?).ok_or(Errno::TooBig)?.take();
        old.ok_or(Errno::NoEnt)?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn user_lookup(&self, key: &[u8], _flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let trace = self.trace(id_of(key)?).ok_or(Errno::NoEnt)?;
        out.fill(0);
        for (out, ip) in out.chunks_exact_mut(8).zip(trace) {
            out.copy_from_slice(&ip.to_ne_bytes());
        }
        Ok(())
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let buckets = self.buckets.len() as u32;
        let start = match key.map(id_of).transpose()? {
            Some(id) if id < buckets => id + 1,
            _ => 0,
        };
        let next = (start..buckets).find(|id| self.bucket(*id).is_some_and(|bucket| bucket.is_some()));
        out.copy_from_slice(&next.ok_or(Errno::NoEnt)?.to_ne_bytes());
        Ok(())
    }

    fn memory(&self) -> u64 {
        let traces = u64::from(self.count.load(Ordering::Relaxed));
        size_of_val(&*self.buckets) as u64 + traces * u64::from(self.head.shape().value_size)
    }
}
