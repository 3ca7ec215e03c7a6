//! Perf event array: buffers and counters of the host, by CPU.
//!
//! Linux `arraymap.c` (perf event fd array), `bpf_perf_event_output` and `bpf_perf_event_read`.
//! The host opens a buffer in a slot for one CPU; programs append records there. A record for
//! which there is no room is lost and counted, and the program gets `ENOSPC`.

use super::array::next_index;
use super::create::{CreateError, budget};
use super::shape::{MapHead, Settings, round8, update};
use super::{Batches, Errno, Map, MapKind};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The index that means "the CPU this runs on" (uapi `BPF_F_CURRENT_CPU`).
pub const CURRENT_CPU: u64 = 0xffff_ffff;

/// `BPF_MAP_TYPE_PERF_EVENT_ARRAY`.
#[derive(Debug)]
pub struct PerfEventArrayMap {
    head: MapHead,
    slots: Box<[RwLock<Option<Arc<PerfBuffer>>>]>,
}

/// What `bpf_perf_event_read_value` gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PerfCounter {
    pub value: u64,
    /// Nanoseconds enabled, and running.
    pub enabled: u64,
    pub running: u64,
}

/// A buffer of records for one CPU.
#[derive(Debug)]
pub struct PerfBuffer {
    cpu: u32,
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Vec<u8>>,
    /// Bytes in use, headers and padding included.
    used: usize,
    lost: u64,
    counter: PerfCounter,
}

/// Bytes of a record beside its data: event header and size field.
const RECORD_HEADER: usize = 12;

impl PerfBuffer {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The CPU whose programs may write here.
    pub fn cpu(&self) -> u32 {
        self.cpu
    }

    /// Takes the oldest record.
    pub fn pop(&self) -> Option<Vec<u8>> {
        let mut queue = self.queue();
        let record = queue.records.pop_front()?;
        queue.used -= round8(record.len() + RECORD_HEADER);
        Some(record)
    }

    /// Records for which there was no room.
    pub fn lost(&self) -> u64 {
        self.queue().lost
    }

    /// Sets what programs read as the counter of this event.
    pub fn set_counter(&self, counter: PerfCounter) {
        self.queue().counter = counter;
    }

    fn push(&self, data: &[&[u8]]) -> Result<(), Errno> {
        let len: usize = data.iter().map(|part| part.len()).sum();
        let size = round8(len + RECORD_HEADER);
        let mut queue = self.queue();
        if size > self.capacity - queue.used {
            queue.lost += 1;
            return Err(Errno::NoSpc);
        }
        queue.used += size;
        queue.records.push_back(data.concat());
        Ok(())
    }
}

impl PerfEventArrayMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<PerfEventArrayMap, CreateError> {
        let each = size_of::<RwLock<Option<Arc<PerfBuffer>>>>() as u64;
        budget(head.shape(), Some(each * u64::from(head.shape().max_entries)), settings)?;
        let slots = (0..head.shape().max_entries).map(|_| RwLock::new(None)).collect();
        Ok(PerfEventArrayMap { head, slots })
    }

    /// Opens a buffer of `capacity` bytes for the programs of a CPU.
    pub fn open(&self, index: u32, cpu: u32, capacity: usize) -> Result<Arc<PerfBuffer>, Errno> {
        let slot = self.slots.get(index as usize).ok_or(Errno::TooBig)?;
        let buffer = Arc::new(PerfBuffer { cpu, capacity, queue: Mutex::default() });
        *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(buffer.clone());
        Ok(buffer)
    }

    /// Opens a buffer in the slot of each CPU, as far as there are slots.
    pub fn open_all(&self, capacity: usize) -> Vec<Arc<PerfBuffer>> {
        let slots = self.head.cpus().min(self.head.shape().max_entries);
        (0..slots).filter_map(|cpu| self.open(cpu, cpu, capacity).ok()).collect()
    }

    /// The buffer in a slot.
    pub fn buffer(&self, index: u32) -> Option<Arc<PerfBuffer>> {
        self.slots.get(index as usize)?.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The buffer that a program on `cpu` means by an index, which may be [`CURRENT_CPU`].
    fn select(&self, index: u64, cpu: u32) -> Result<Arc<PerfBuffer>, Errno> {
        let index = if index == CURRENT_CPU { u64::from(cpu) } else { index };
        if index >= u64::from(self.head.shape().max_entries) {
            return Err(Errno::TooBig);
        }
        self.buffer(index as u32).ok_or(Errno::NoEnt)
    }

    /// `bpf_perf_event_output`: `flags` is the index; `data` is the record in parts (the bytes of
    /// the program, then those of the packet that a helper appends).
    pub fn output(&self, flags: u64, cpu: u32, data: &[&[u8]]) -> Result<(), Errno> {
        if flags > CURRENT_CPU {
            return Err(Errno::Inval);
        }
        let buffer = self.select(flags, cpu)?;
        if buffer.cpu != cpu {
            return Err(Errno::OpNotSupp);
        }
        buffer.push(data)
    }

    /// `bpf_perf_event_read_value`.
    pub fn read(&self, flags: u64, cpu: u32) -> Result<PerfCounter, Errno> {
        if flags > CURRENT_CPU {
            return Err(Errno::Inval);
        }
        Ok(self.select(flags, cpu)?.queue().counter)
    }
}

impl Map for PerfEventArrayMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::PerfEventArray(self)
    }

    /// Closes the buffer in a slot.
    fn delete(&self, key: &[u8], _cpu: u32) -> Result<(), Errno> {
        let index = u32::from_ne_bytes(key.try_into().map_err(|_| Errno::Inval)?);
        let slot = self.slots.get(index as usize).ok_or(Errno::TooBig)?;
        let old = slot.write().unwrap_or_else(PoisonError::into_inner).take();
        old.map(drop).ok_or(Errno::NoEnt)
    }

    fn user_lookup(&self, _key: &[u8], _flags: u64, _out: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::NotSupp)
    }

    /// Events are opened by [`PerfEventArrayMap::open`]; no number is a handle of one.
    fn user_update(&self, key: &[u8], _value: &[u8], flags: u64) -> Result<(), Errno> {
        let index = u32::from_ne_bytes(key.try_into().map_err(|_| Errno::Inval)?);
        match flags {
            update::ANY if index < self.head.shape().max_entries => Err(Errno::BadF),
            update::ANY => Err(Errno::TooBig),
            _ => Err(Errno::Inval),
        }
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        next_index(key, self.head.shape().max_entries, out)
    }

    fn batches(&self) -> Batches {
        Batches::NONE
    }

    fn memory(&self) -> u64 {
        let buffers = (0..self.slots.len() as u32).filter_map(|index| self.buffer(index));
        size_of_val(&*self.slots) as u64 + buffers.map(|buffer| buffer.queue().used as u64).sum::<u64>()
    }
}
