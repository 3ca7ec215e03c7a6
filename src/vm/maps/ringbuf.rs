//! Ring buffers: records from programs to the host, and from the host to programs.
//!
//! Linux `ringbuf.c`. Positions only grow; a record is an eight-byte header (length with a busy
//! and a discard bit, then a page offset) and its bytes, padded to eight. Reservations are handed
//! out in order and consumed in order: a record that is still busy holds up those after it.
//!
//! The kernel maps the data twice, one after the other, so that a record at the end of the ring is
//! contiguous. Here the block is twice the ring's size, and a record that begins near the end
//! simply runs on: the bytes at the ring's beginning that belong to it are not used meanwhile.

use super::create::{CreateError, budget, no_memory};
use super::mem::{RawMem, SpinLock, copy_in, copy_out};
use super::shape::{MapHead, Settings, round8};
use super::{Errno, Map, MapKind};
use core::ops::ControlFlow;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Flags of output, submit, discard and drain (uapi `BPF_RB_*`).
pub mod wakeup {
    /// Never notify the consumer.
    pub const NO: u64 = 1;
    /// Always notify.
    pub const FORCE: u64 = 2;
}

/// What `bpf_ringbuf_query` answers (uapi `BPF_RB_*`).
pub mod query {
    pub const AVAIL_DATA: u64 = 0;
    pub const RING_SIZE: u64 = 1;
    pub const CONS_POS: u64 = 2;
    pub const PROD_POS: u64 = 3;
}

const BUSY: u32 = 1 << 31;
const DISCARD: u32 = 1 << 30;
const HEADER: usize = 8;
/// Longest record: a quarter of 32 bits.
const RECORD_MAX: u64 = (u32::MAX / 4) as u64;
/// Records that one drain of a user ring buffer handles at most.
const DRAIN_MAX: u64 = 128 * 1024;

/// Positions and data, the same for both directions.
#[derive(Debug)]
struct Ring {
    mem: RawMem,
    size: u64,
    consumer: AtomicU64,
    producer: AtomicU64,
    /// Position of the oldest record that may still be busy; locked by who reserves.
    pending: SpinLock<u64>,
    /// Notifications so far.
    wakeups: Mutex<u64>,
    woken: Condvar,
}

impl Ring {
    fn new(head: &MapHead, settings: &Settings) -> Result<Ring, CreateError> {
        let shape = head.shape();
        let size = u64::from(shape.max_entries);
        let bytes = budget(shape, Some(size * 2), settings)?;
        let mem = RawMem::zeroed(bytes, settings.page_size.next_power_of_two() as usize).ok_or(no_memory(
            shape,
            bytes as u64,
            settings,
        ))?;
        Ok(Ring {
            mem,
            size,
            consumer: AtomicU64::new(0),
            producer: AtomicU64::new(0),
            pending: SpinLock::new(0),
            wakeups: Mutex::new(0),
            woken: Condvar::new(),
        })
    }

    fn header(&self, position: u64) -> &AtomicU32 {
        let at = self.mem.at((position & (self.size - 1)) as usize);
        // SAFETY: positions are multiples of eight, so the header lies aligned in the first half
        // of the block; headers are accessed atomically.
        unsafe { AtomicU32::from_ptr(at.as_ptr().cast()) }
    }

    fn data(&self, position: u64) -> NonNull<u8> {
        self.mem.at((position & (self.size - 1)) as usize + HEADER)
    }

    fn padded(len: u32) -> u64 {
        round8(len as usize + HEADER) as u64
    }

    fn reserve(&self, size: u64) -> Option<NonNull<u8>> {
        if size > RECORD_MAX {
            return None;
        }
        let len = Self::padded(size as u32);
        if len > self.size {
            return None;
        }
        let consumer = self.consumer.load(Ordering::Acquire);
        let mut pending = self.pending.lock();
        let start = self.producer.load(Ordering::Relaxed);
        while *pending < start {
            let header = self.header(*pending).load(Ordering::Acquire);
            if header & BUSY != 0 {
                break;
            }
            *pending += Self::padded(header & !(BUSY | DISCARD));
        }
        let end = start + len;
        if end - consumer > self.size - 1 || end - *pending > self.size - 1 {
            return None;
        }
        self.header(start).store(size as u32 | BUSY, Ordering::Relaxed);
        self.producer.store(end, Ordering::Release);
        Some(self.data(start))
    }

    /// The header of the record whose data begins at this address, if one is reserved there.
    fn busy_header(&self, sample: usize) -> Option<(&AtomicU32, u64)> {
        let offset = self.mem.offset_of(sample)?.checked_sub(HEADER)?;
        if offset % 8 != 0 || offset as u64 >= self.size {
            return None;
        }
        let header = self.header(offset as u64);
        (header.load(Ordering::Relaxed) & BUSY != 0).then_some((header, offset as u64))
    }

    fn commit(&self, sample: usize, flags: u64, discard: bool) -> Result<(), Errno> {
        let (header, offset) = self.busy_header(sample).ok_or(Errno::Inval)?;
        let len = header.load(Ordering::Relaxed) & !BUSY;
        let done = if discard { len | DISCARD } else { len };
        if flags & (wakeup::NO | wakeup::FORCE) == wakeup::NO {
            header.store(done, Ordering::Release);
            return Ok(());
        }
        header.store(done, Ordering::SeqCst);
        let waiting = self.consumer.load(Ordering::SeqCst) & (self.size - 1) == offset;
        if flags & wakeup::FORCE != 0 || waiting {
            self.wake();
        }
        Ok(())
    }

    fn wake(&self) {
        *self.wakeups.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.woken.notify_all();
    }

    fn wakeups(&self) -> u64 {
        *self.wakeups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for more than `seen` notifications; false when the time is up.
    fn wait(&self, seen: u64, timeout: Duration) -> bool {
        let count = self.wakeups.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.woken.wait_timeout_while(count, timeout, |count| *count <= seen);
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    fn available(&self) -> u64 {
        let consumer = self.consumer.load(Ordering::Acquire);
        self.producer.load(Ordering::Acquire).saturating_sub(consumer)
    }

    fn query(&self, what: u64) -> u64 {
        match what {
            query::AVAIL_DATA => self.available(),
            query::RING_SIZE => self.size,
            query::CONS_POS => self.consumer.load(Ordering::Acquire),
            query::PROD_POS => self.producer.load(Ordering::Acquire),
            _ => 0,
        }
    }

    /// The next record: its length, whether it is discarded, its address. None while there is
    /// none or it is busy.
    fn peek(&self) -> Option<(u32, bool, NonNull<u8>)> {
        let consumer = self.consumer.load(Ordering::Relaxed);
        if consumer == self.producer.load(Ordering::Acquire) {
            return None;
        }
        let header = self.header(consumer).load(Ordering::Acquire);
        let len = header & !(BUSY | DISCARD);
        (header & BUSY == 0).then_some((len, header & DISCARD != 0, self.data(consumer)))
    }

    fn advance(&self, len: u32) {
        let consumer = self.consumer.load(Ordering::Relaxed);
        self.consumer.store(consumer + Self::padded(len), Ordering::Release);
    }

    /// Copies records out in order until there are no more or `f` breaks.
    fn consume(&self, f: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> u64 {
        let (mut record, mut count) = (Vec::new(), 0);
        while let Some((len, discarded, data)) = self.peek() {
            if !discarded {
                record.resize(len as usize, 0);
                // SAFETY: the record was reserved with this length inside the block.
                unsafe { copy_out(data, &mut record) };
            }
            self.advance(len);
            if !discarded {
                count += 1;
                if f(&record).is_break() {
                    break;
                }
            }
        }
        count
    }
}

/// `BPF_MAP_TYPE_RINGBUF`: programs write, the host reads.
#[derive(Debug)]
pub struct RingbufMap {
    head: MapHead,
    ring: Ring,
    /// Held by the one consumer at work.
    consumer: Mutex<()>,
}

impl RingbufMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<RingbufMap, CreateError> {
        let ring = Ring::new(&head, settings)?;
        Ok(RingbufMap { head, ring, consumer: Mutex::new(()) })
    }

    /// `bpf_ringbuf_reserve`: the address of `size` bytes, eight-byte aligned, to be submitted or
    /// discarded. They are no map value ([`Map::value_span`] does not know them): whoever checks
    /// accesses holds the extent of the record until then. None when there is no room.
    pub fn reserve(&self, size: u64, flags: u64) -> Option<NonNull<u8>> {
        if flags != 0 { None } else { self.ring.reserve(size) }
    }

    /// `bpf_ringbuf_submit`, of a record by the address that `reserve` gave. `EINVAL` when no
    /// record is reserved there.
    pub fn submit(&self, record: NonNull<u8>, flags: u64) -> Result<(), Errno> {
        self.ring.commit(record.as_ptr() as usize, flags, false)
    }

    /// `bpf_ringbuf_discard`.
    pub fn discard(&self, record: NonNull<u8>, flags: u64) -> Result<(), Errno> {
        self.ring.commit(record.as_ptr() as usize, flags, true)
    }

    /// `bpf_ringbuf_output`: a whole record at once; `EAGAIN` when there is no room.
    pub fn output(&self, data: &[u8], flags: u64) -> Result<(), Errno> {
        if flags & !(wakeup::NO | wakeup::FORCE) != 0 {
            return Err(Errno::Inval);
        }
        let record = self.ring.reserve(data.len() as u64).ok_or(Errno::Again)?;
        // SAFETY: the record has just been reserved with this length and is aligned.
        unsafe { copy_in(record, data) };
        self.submit(record, flags)
    }

    /// `bpf_ringbuf_query`; unknown questions are answered 0.
    pub fn query(&self, what: u64) -> u64 {
        self.ring.query(what)
    }

    /// Bytes of the reserved record at this address, while it is reserved.
    pub fn record_len(&self, record: NonNull<u8>) -> Option<u32> {
        let (header, _) = self.ring.busy_header(record.as_ptr() as usize)?;
        Some(header.load(Ordering::Relaxed) & !(BUSY | DISCARD))
    }

    /// Reads records in order until there are no more or `f` breaks; gives their number.
    /// Consumers take turns, so `f` must not consume from the same map.
    pub fn consume(&self, mut f: impl FnMut(&[u8]) -> ControlFlow<()>) -> u64 {
        let _turn = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        self.ring.consume(&mut f)
    }

    /// Takes the next record.
    pub fn next_record(&self) -> Option<Vec<u8>> {
        let mut next = None;
        self.consume(|record| {
            next = Some(record.to_vec());
            ControlFlow::Break(())
        });
        next
    }

    /// How often programs have notified the consumer.
    pub fn wakeups(&self) -> u64 {
        self.ring.wakeups()
    }

    /// Waits until programs have notified more than `seen` times; false when the time is up.
    pub fn wait(&self, seen: u64, timeout: Duration) -> bool {
        self.ring.wait(seen, timeout)
    }
}

/// The element operations that no ring buffer has.
macro_rules! no_elements {
    () => {
        fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
            Err(Errno::NotSupp)
        }

        fn delete(&self, _key: &[u8], _cpu: u32) -> Result<(), Errno> {
            Err(Errno::NotSupp)
        }

        fn user_lookup(&self, _key: &[u8], _flags: u64, _out: &mut [u8]) -> Result<(), Errno> {
            Err(Errno::NotSupp)
        }

        fn user_next_key(&self, _key: Option<&[u8]>, _out: &mut [u8]) -> Result<(), Errno> {
            Err(Errno::NotSupp)
        }
    };
}

impl Map for RingbufMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::Ringbuf(self)
    }

    no_elements!();

    fn memory(&self) -> u64 {
        self.ring.size * 2
    }
}

/// `BPF_MAP_TYPE_USER_RINGBUF`: the host writes, programs read.
#[derive(Debug)]
pub struct UserRingbufMap {
    head: MapHead,
    ring: Ring,
    draining: AtomicBool,
}

/// A callback over the records of a drain: address and length; anything but 0 ends the drain.
pub type Drain<'a> = dyn FnMut(NonNull<u8>, u32) -> i64 + 'a;

impl UserRingbufMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<UserRingbufMap, CreateError> {
        let ring = Ring::new(&head, settings)?;
        Ok(UserRingbufMap { head, ring, draining: AtomicBool::new(false) })
    }

    /// Writes a record; `E2BIG` when the ring could never hold it, `ENOSPC` when not now.
    pub fn produce(&self, data: &[u8]) -> Result<(), Errno> {
        if data.len() as u64 > RECORD_MAX || Ring::padded(data.len() as u32) >= self.ring.size {
            return Err(Errno::TooBig);
        }
        let record = self.ring.reserve(data.len() as u64).ok_or(Errno::NoSpc)?;
        // SAFETY: the record has just been reserved with this length and is aligned.
        unsafe { copy_in(record, data) };
        self.ring.commit(record.as_ptr() as usize, wakeup::NO, false)
    }

    /// `bpf_user_ringbuf_drain`: hands records to `f` until it says stop, and gives their number;
    /// `EBUSY` while another program drains.
    pub fn drain(&self, flags: u64, f: &mut Drain<'_>) -> Result<u64, Errno> {
        if flags & !(wakeup::NO | wakeup::FORCE) != 0 {
            return Err(Errno::Inval);
        }
        if self.draining.swap(true, Ordering::Acquire) {
            return Err(Errno::Busy);
        }
        let mut samples = 0;
        while samples < DRAIN_MAX
            && let Some((len, _, data)) = self.ring.peek()
        {
            let stop = f(data, len) != 0;
            self.ring.advance(len);
            samples += 1;
            if stop {
                break;
            }
        }
        self.draining.store(false, Ordering::Release);
        if flags & wakeup::FORCE != 0 || flags & wakeup::NO == 0 && samples > 0 {
            self.ring.wake();
        }
        Ok(samples)
    }

    /// `bpf_ringbuf_query`, for the host.
    pub fn query(&self, what: u64) -> u64 {
        self.ring.query(what)
    }

    /// How often programs have notified the producer.
    pub fn wakeups(&self) -> u64 {
        self.ring.wakeups()
    }

    /// Waits until programs have notified more than `seen` times; false when the time is up.
    pub fn wait(&self, seen: u64, timeout: Duration) -> bool {
        self.ring.wait(seen, timeout)
    }
}

impl Map for UserRingbufMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::UserRingbuf(self)
    }

    no_elements!();

    fn memory(&self) -> u64 {
        self.ring.size * 2
    }
}
