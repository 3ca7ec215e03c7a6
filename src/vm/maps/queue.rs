//! Queue and stack: values without keys, first-in-first-out or last-in-first-out.
//!
//! Linux `queue_stack_maps.c`. A full map refuses (`E2BIG`) or, with `BPF_EXIST`, drops its oldest
//! value; taking from an empty one is `ENOENT` and zeroes the buffer.

use super::create::{CreateError, budget, no_memory};
use super::mem::{RawMem, copy_in, copy_out};
use super::shape::{MapHead, Settings, round8, update};
use super::{Errno, Map, MapKind};
use core::ptr::NonNull;
use oxbpf_isa::kernel::MapType;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`.
#[derive(Debug)]
pub struct QueueMap {
    head: MapHead,
    mem: RawMem,
    stride: usize,
    ring: Mutex<Ring>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Ring {
    /// Slot of the oldest value.
    first: u32,
    len: u32,
}

impl QueueMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<QueueMap, CreateError> {
        let shape = head.shape();
        let stride = round8(shape.value_size as usize);
        let needed = (stride as u64).checked_mul(u64::from(shape.max_entries));
        let bytes = budget(shape, needed, settings)?;
        let mem = RawMem::zeroed(bytes, 8).ok_or(no_memory(shape, bytes as u64, settings))?;
        Ok(QueueMap { head, mem, stride, ring: Mutex::default(), bytes })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Values in the map.
    pub fn len(&self) -> u32 {
        self.ring().len
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Address of the slot `n` places after the oldest.
    fn slot(&self, ring: &Ring, n: u32) -> NonNull<u8> {
        let at = (u64::from(ring.first) + u64::from(n)) % u64::from(self.head.shape().max_entries);
        self.mem.at(at as usize * self.stride)
    }

    fn get(&self, value: &mut [u8], take: bool) -> Result<(), Errno> {
        if value.len() != self.head.shape().value_size as usize {
            return Err(Errno::Inval);
        }
        let mut ring = self.ring();
        if ring.len == 0 {
            value.fill(0);
            return Err(Errno::NoEnt);
        }
        let queue = self.head.shape().map_type == MapType::Queue;
        let at = self.slot(&ring, if queue { 0 } else { ring.len - 1 });
        // SAFETY: the slot holds a value of this length, and the ring is locked.
        unsafe { copy_out(at, value) };
        if take {
            ring.len -= 1;
            if queue {
                ring.first = (ring.first + 1) % self.head.shape().max_entries;
            }
        }
        Ok(())
    }
}

impl Map for QueueMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::Queue(self)
    }

    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    fn delete(&self, _key: &[u8], _cpu: u32) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        let fits = value.len() == self.head.shape().value_size as usize;
        if !matches!(flags, update::ANY | update::EXIST) || !fits {
            return Err(Errno::Inval);
        }
        let max = self.head.shape().max_entries;
        let mut ring = self.ring();
        if ring.len == max {
            if flags != update::EXIST {
                return Err(Errno::TooBig);
            }
            ring.first = (ring.first + 1) % max;
            ring.len -= 1;
        }
        // SAFETY: the slot has room for a value of this length, and the ring is locked.
        unsafe { copy_in(self.slot(&ring, ring.len), value) };
        ring.len += 1;
        Ok(())
    }

    fn pop(&self, value: &mut [u8]) -> Result<(), Errno> {
        self.get(value, true)
    }

    fn peek(&self, value: &mut [u8]) -> Result<(), Errno> {
        self.get(value, false)
    }

    fn user_next_key(&self, _key: Option<&[u8]>, _out: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    fn memory(&self) -> u64 {
        self.bytes as u64
    }
}
