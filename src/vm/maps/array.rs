//! Array and per-CPU array: `max_entries` zeroed values that exist from creation to the end.
//!
//! Linux `arraymap.c`. Keys are four-byte indexes. Nothing can be inserted or deleted: an index
//! out of range is `E2BIG` to update, `BPF_NOEXIST` is `EEXIST`, and deleting is `EINVAL`.
//! Values lie one after the other, each padded to eight bytes; the values of one CPU of a per-CPU
//! array lie together and apart from those of others, so that CPUs share no cache line.

use super::create::{CreateError, budget, no_memory};
use super::mem::{RawMem, copy_out, read_value, with_value_lock, write_value};
use super::shape::{MapHead, Settings, flag, round8, update};
use super::{Batches, Errno, Map, MapKind, ValueSpan, Visit};
use core::ops::ControlFlow;
use core::ptr::NonNull;

/// Values of one block at a stride.
#[derive(Debug)]
struct Values {
    mem: RawMem,
    stride: usize,
    count: u32,
    value_size: usize,
}

impl Values {
    fn index(&self, key: &[u8]) -> Option<u32> {
        let index = u32::from_ne_bytes(key.try_into().ok()?);
        (index < self.count).then_some(index)
    }

    /// Address of a value; `index` is below `count`.
    fn at(&self, index: u32) -> NonNull<u8> {
        self.mem.at(index as usize * self.stride)
    }

    fn span(&self, offset: usize) -> Option<(usize, usize)> {
        let index = offset / self.stride;
        let inside = index < self.count as usize && offset % self.stride < self.value_size;
        inside.then_some((index * self.stride, self.value_size))
    }
}

/// The index that a key names, and whether flags allow to write it.
fn writable(values: &Values, key: &[u8], flags: u64) -> Result<u32, Errno> {
    if key.len() != 4 || flags & !update::LOCK > update::EXIST {
        return Err(Errno::Inval);
    }
    let index = values.index(key).ok_or(Errno::TooBig)?;
    if flags & update::NOEXIST != 0 {
        return Err(Errno::Exist);
    }
    Ok(index)
}

/// The key that follows in an array of `count` values.
pub(super) fn next_index(key: Option<&[u8]>, count: u32, out: &mut [u8]) -> Result<(), Errno> {
    let key = match key {
        Some(bytes) => Some(u32::from_ne_bytes(bytes.try_into().map_err(|_| Errno::Inval)?)),
        None => None,
    };
    let next = match key {
        Some(index) if index < count => index + 1,
        _ => 0,
    };
    if next >= count {
        return Err(Errno::NoEnt);
    }
    out.copy_from_slice(&next.to_ne_bytes());
    Ok(())
}

/// Calls `visit` for every index.
fn visit_all(count: u32, at: impl Fn(u32) -> NonNull<u8>, visit: &mut Visit<'_>) -> u64 {
    for index in 0..count {
        if visit(&index.to_ne_bytes(), at(index)) == ControlFlow::Break(()) {
            return u64::from(index) + 1;
        }
    }
    u64::from(count)
}

/// `BPF_MAP_TYPE_ARRAY`.
#[derive(Debug)]
pub struct ArrayMap {
    head: MapHead,
    values: Values,
    bytes: usize,
}

impl ArrayMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<ArrayMap, CreateError> {
        let shape = head.shape();
        let stride = round8(shape.value_size as usize);
        let needed = (stride as u64).checked_mul(u64::from(shape.max_entries));
        let bytes = budget(shape, needed, settings)?;
        let align =
            if shape.has(flag::MMAPABLE) { settings.page_size.next_power_of_two() as usize } else { 64 };
        let mem = RawMem::zeroed(bytes, align).ok_or(no_memory(shape, bytes as u64, settings))?;
        let (count, value_size) = (shape.max_entries, shape.value_size as usize);
        Ok(ArrayMap { values: Values { mem, stride, count, value_size }, head, bytes })
    }

    /// Address of the first value: value `i` lies `i * stride()` bytes further.
    pub fn base(&self) -> NonNull<u8> {
        self.values.mem.base()
    }

    /// Bytes from one value to the next.
    pub fn stride(&self) -> usize {
        self.values.stride
    }
}

impl Map for ArrayMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::Array(self)
    }

    fn lookup(&self, key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        Some(self.values.at(self.values.index(key)?))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, _cpu: u32) -> Result<(), Errno> {
        let locked = flags & update::LOCK != 0;
        // Proofs rest on what a constant map holds; no other needs a guard.
        let guarded = !self.head.program_may_write();
        let _writing = guarded.then(|| self.head.write_active());
        if guarded && self.head.is_frozen() {
            return Err(Errno::Perm);
        }
        let at = self.values.at(writable(&self.values, key, flags)?);
        if value.len() != self.values.value_size || locked && self.head.spin_lock().is_none() {
            return Err(Errno::Inval);
        }
        // SAFETY: `at` is the address of a value of this length in the live block.
        unsafe {
            if locked {
                with_value_lock(&self.head, at, || write_value(&self.head, at, value, false))?;
            } else {
                write_value(&self.head, at, value, false);
            }
        }
        Ok(())
    }

    fn delete(&self, _key: &[u8], _cpu: u32) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    fn for_each(&self, _cpu: u32, visit: &mut Visit<'_>) -> Result<u64, Errno> {
        Ok(visit_all(self.values.count, |index| self.values.at(index), visit))
    }

    fn direct_value(&self, offset: u32) -> Result<NonNull<u8>, Errno> {
        if self.values.count != 1 {
            return Err(Errno::NotSupp);
        }
        if offset as usize >= self.values.value_size {
            return Err(Errno::Inval);
        }
        Ok(self.values.mem.at(offset as usize))
    }

    fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        let offset = self.values.mem.offset_of(addr)?;
        let (start, len) = self.values.span(offset)?;
        Some(ValueSpan { start: addr - offset + start, len })
    }

    fn user_lookup(&self, key: &[u8], flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let at = self.lookup(key, 0).ok_or(Errno::NoEnt)?;
        // SAFETY: `at` is the address of a value of the length of `out` in the live block.
        unsafe {
            if flags & update::LOCK != 0 {
                with_value_lock(&self.head, at, || read_value(&self.head, at, out))?;
            } else {
                read_value(&self.head, at, out);
            }
        }
        Ok(())
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        next_index(key, self.values.count, out)
    }

    fn batches(&self) -> Batches {
        Batches { lookup: true, update: true, ..Batches::NONE }
    }

    fn memory(&self) -> u64 {
        self.bytes as u64
    }
}

/// `BPF_MAP_TYPE_PERCPU_ARRAY`.
#[derive(Debug)]
pub struct PercpuArrayMap {
    head: MapHead,
    /// The values of CPU 0; those of the next CPU lie `cpu_stride` bytes further.
    values: Values,
    cpu_stride: usize,
    bytes: usize,
}

impl PercpuArrayMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<PercpuArrayMap, CreateError> {
        let shape = head.shape();
        let stride = round8(shape.value_size as usize);
        let one = (stride as u64).checked_mul(u64::from(shape.max_entries));
        let cpu_stride = budget(shape, one.map(|n| n.next_multiple_of(CACHE_PAIR)), settings)?;
        let bytes = budget(shape, (cpu_stride as u64).checked_mul(u64::from(head.cpus())), settings)?;
        let mem =
            RawMem::zeroed(bytes, CACHE_PAIR as usize).ok_or(no_memory(shape, bytes as u64, settings))?;
        let (count, value_size) = (shape.max_entries, shape.value_size as usize);
        Ok(PercpuArrayMap { values: Values { mem, stride, count, value_size }, cpu_stride, head, bytes })
    }

    /// Address of a CPU's first value: value `i` lies `i * stride()` bytes further.
    pub fn base(&self, cpu: u32) -> Option<NonNull<u8>> {
        (cpu < self.head.cpus()).then(|| self.values.mem.at(cpu as usize * self.cpu_stride))
    }

    /// Bytes from one value of a CPU to its next.
    pub fn stride(&self) -> usize {
        self.values.stride
    }

    fn at(&self, index: u32, cpu: u32) -> NonNull<u8> {
        self.values.mem.at(cpu as usize * self.cpu_stride + index as usize * self.values.stride)
    }
}

/// Memory of two CPUs lies this far apart: adjacent cache lines are fetched in pairs.
pub(super) const CACHE_PAIR: u64 = 128;

impl Map for PercpuArrayMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::PercpuArray(self)
    }

    fn lookup(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>> {
        let index = self.values.index(key)?;
        (cpu < self.head.cpus()).then(|| self.at(index, cpu))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        if flags > update::EXIST || cpu >= self.head.cpus() || value.len() != self.values.value_size {
            return Err(Errno::Inval);
        }
        let index = writable(&self.values, key, flags)?;
        // SAFETY: index and CPU are in range, so the address is of a value of this length.
        unsafe { write_value(&self.head, self.at(index, cpu), value, false) };
        Ok(())
    }

    fn delete(&self, _key: &[u8], _cpu: u32) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    fn for_each(&self, cpu: u32, visit: &mut Visit<'_>) -> Result<u64, Errno> {
        if cpu >= self.head.cpus() {
            return Err(Errno::Inval);
        }
        Ok(visit_all(self.values.count, |index| self.at(index, cpu), visit))
    }

    fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        let offset = self.values.mem.offset_of(addr)?;
        let (start, len) = self.values.span(offset % self.cpu_stride)?;
        Some(ValueSpan { start: addr - offset % self.cpu_stride + start, len })
    }

    fn user_lookup(&self, key: &[u8], _flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let index = self.values.index(key).ok_or(Errno::NoEnt)?;
        for (cpu, out) in (0..self.head.cpus()).zip(out.chunks_mut(self.values.stride)) {
            // SAFETY: index and CPU are in range, and values are padded to the stride.
            unsafe { copy_out(self.at(index, cpu), out) };
        }
        Ok(())
    }

    fn user_update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags > update::EXIST {
            return Err(Errno::Inval);
        }
        let index = writable(&self.values, key, flags)?;
        for (cpu, value) in (0..self.head.cpus()).zip(value.chunks(self.values.stride)) {
            // SAFETY: as for reading.
            unsafe { write_value(&self.head, self.at(index, cpu), value, false) };
        }
        Ok(())
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        next_index(key, self.values.count, out)
    }

    fn batches(&self) -> Batches {
        Batches { lookup: true, update: true, ..Batches::NONE }
    }

    fn memory(&self) -> u64 {
        self.bytes as u64
    }
}
