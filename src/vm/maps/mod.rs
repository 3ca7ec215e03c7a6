//! BPF maps with the semantics and error numbers of the kernel (Linux 6.18, `kernel/bpf/*map*.c`,
//! `hashtab.c`, `ringbuf.c`; helper and bpf(2) documentation in uapi `bpf.h`).
//!
//! A map has two sides. The *program side* is what helpers call: a lookup gives the address of a
//! value, and programs read and write it without a lock. The *user side* is bpf(2): values are
//! copied, per-CPU values all at once, and permissions and freezing hold.
//!
//! # Addresses never dangle
//!
//! An address that a map has given out points to memory of that map until the map is dropped.
//! Arrays are one block. Elements of hashes and tries come from slabs that only grow; a deleted
//! element goes to a free list and its memory serves the next insertion, as the kernel's
//! preallocated elements do. So a program that holds the address of a deleted element may see
//! another key's value there, and never anything that is not a value of this map. Callers keep
//! the `Arc` of the map for as long as programs may hold its addresses.
//!
//! [`Map::value_span`] says which value an address lies in, for engines that check every access:
//! the bounds are those of one value, so no access runs from one element into the next.
//!
//! Which helper may be called on which map, and what a program type may do with it, is for the
//! verifier; a map answers [`Errno::OpNotSupp`] to operations it has no meaning for.

mod array;
mod bloom;
mod create;
mod errno;
mod handles;
mod hash;
mod lpm;
mod mem;
mod objects;
mod perf;
mod queue;
mod redirect;
mod ringbuf;
mod rules;
mod shape;
mod slab;
mod stack_trace;
mod storage;
mod syscall;
#[cfg(test)]
mod tests;

pub use array::{ArrayMap, PercpuArrayMap};
pub use bloom::BloomFilterMap;
pub use create::{Attribute, CreateError, Creation, create};
pub use errno::Errno;
#[cfg(feature = "verifier")]
pub(super) use handles::same_shape;
pub use handles::{Compat, Handles, MapOfMaps, ProgArrayMap, Target};
pub use hash::HashMap;
pub use lpm::LpmTrieMap;
pub use objects::ObjectMap;
pub use perf::{CURRENT_CPU, PerfBuffer, PerfCounter, PerfEventArrayMap};
pub use queue::QueueMap;
pub use redirect::{RedirectMap, RedirectTarget};
pub use ringbuf::{Drain, RingbufMap, UserRingbufMap, query, wakeup};
pub use shape::{MapHead, MapShape, Settings, SpecialField, SpecialKind, flag, round8, update};
pub use stack_trace::{StackTraceMap, stackid};
pub use storage::{STORAGE_GET_CREATE, StorageMap};
pub use syscall::{Batch, Element};

use core::fmt::Debug;
use core::ops::ControlFlow;
use core::ptr::NonNull;

mod family {
    /// Held by the families of maps of this module alone.
    pub trait Family {}

    macro_rules! families {
        ($($family:ident)+) => { $(impl Family for super::$family {})+ };
    }
    families! {
        ArrayMap PercpuArrayMap HashMap LpmTrieMap QueueMap BloomFilterMap ProgArrayMap MapOfMaps
        PerfEventArrayMap StackTraceMap RingbufMap UserRingbufMap StorageMap RedirectMap ObjectMap
    }
}

/// The bytes of one value: the widest extent an access that starts in it may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ValueSpan {
    /// Address of the first byte.
    pub start: usize,
    /// Bytes, without padding.
    pub len: usize,
}

impl ValueSpan {
    /// Whether all `len` bytes from `addr` lie in this value.
    pub const fn contains(&self, addr: usize, len: usize) -> bool {
        match addr.checked_sub(self.start) {
            Some(offset) => offset <= self.len && len <= self.len - offset,
            None => false,
        }
    }
}

/// A callback over the elements of a map: key, and address of the value for the CPU asked for.
pub type Visit<'a> = dyn FnMut(&[u8], NonNull<u8>) -> ControlFlow<()> + 'a;

/// One map, shared by all programs and threads that hold it.
///
/// Keys and values are byte slices of exactly [`MapShape::key_size`] and
/// [`MapShape::value_size`]; other lengths are [`Errno::Inval`]. `cpu` is the CPU the program runs
/// on, below [`MapHead::cpus`]; families without per-CPU values ignore it but for spreading their
/// free lists.
///
/// The families are all there are: programs that a verifier has seen run on their maps unchecked.
pub trait Map: Send + Sync + Debug + family::Family {
    /// Name, shape and common state.
    fn head(&self) -> &MapHead;

    /// The family, for operations only it has.
    fn kind(&self) -> MapKind<'_>;

    /// `bpf_map_lookup_elem`: the address of the value, for per-CPU maps of `cpu`'s value.
    fn lookup(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>> {
        let _ = (key, cpu);
        None
    }

    /// `bpf_map_lookup_percpu_elem`: the address of the value of a CPU named by the program.
    fn lookup_percpu(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>> {
        if self.head().shape().is_percpu() { self.lookup(key, cpu) } else { None }
    }

    /// `bpf_map_update_elem`, with [`update`] flags. A per-CPU map writes `cpu`'s value.
    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        let _ = (key, value, flags, cpu);
        Err(Errno::OpNotSupp)
    }

    /// `bpf_map_delete_elem`.
    fn delete(&self, key: &[u8], cpu: u32) -> Result<(), Errno> {
        let _ = (key, cpu);
        Err(Errno::OpNotSupp)
    }

    /// `bpf_map_push_elem`.
    fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        let _ = (value, flags);
        Err(Errno::OpNotSupp)
    }

    /// `bpf_map_pop_elem`. On failure the buffer is zeroed, as the kernel does.
    fn pop(&self, value: &mut [u8]) -> Result<(), Errno> {
        let _ = value;
        Err(Errno::OpNotSupp)
    }

    /// `bpf_map_peek_elem`; a bloom filter is asked about the bytes in the buffer.
    fn peek(&self, value: &mut [u8]) -> Result<(), Errno> {
        let _ = value;
        Err(Errno::OpNotSupp)
    }

    /// `bpf_for_each_map_elem`: calls `visit` for each element and counts the calls. No lock is
    /// held during a call, which may operate on the same map.
    fn for_each(&self, cpu: u32, visit: &mut Visit<'_>) -> Result<u64, Errno> {
        let _ = (cpu, visit);
        Err(Errno::OpNotSupp)
    }

    /// The address of byte `offset` of the only value: what a `ldimm64` of a map value loads.
    fn direct_value(&self, offset: u32) -> Result<NonNull<u8>, Errno> {
        let _ = offset;
        Err(Errno::NotSupp)
    }

    /// The value that the byte at this address belongs to, whether its element is in use or free.
    fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        let _ = addr;
        None
    }

    /// Whether all `len` bytes from `addr` lie in one value of this map.
    fn contains(&self, addr: usize, len: usize) -> bool {
        self.value_span(addr).is_some_and(|span| span.contains(addr, len))
    }

    /// Copies an element for the user side; `out` has [`MapShape::user_value_size`] bytes.
    fn user_lookup(&self, key: &[u8], flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let _ = (key, flags, out);
        Err(Errno::OpNotSupp)
    }

    /// Writes an element for the user side; `value` has [`MapShape::user_value_size`] bytes.
    fn user_update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.update(key, value, flags, 0)
    }

    /// Copies an element and deletes it, in one step.
    fn user_lookup_and_delete(&self, key: &[u8], flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let _ = (key, flags, out);
        Err(Errno::NotSupp)
    }

    /// Writes the key after `key`, or the first for none or one that is gone.
    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let _ = (key, out);
        Err(Errno::OpNotSupp)
    }

    /// The batch commands this family has (Linux `struct bpf_map_ops`).
    fn batches(&self) -> Batches {
        Batches::NONE
    }

    /// Bytes of host memory the map holds now.
    fn memory(&self) -> u64;
}

/// Which batch commands a family has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batches {
    pub lookup: bool,
    pub lookup_and_delete: bool,
    pub update: bool,
    pub delete: bool,
}

impl Batches {
    pub const NONE: Batches =
        Batches { lookup: false, lookup_and_delete: false, update: false, delete: false };
    pub const ALL: Batches = Batches { lookup: true, lookup_and_delete: true, update: true, delete: true };
}

/// The families, for operations beyond [`Map`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MapKind<'a> {
    Array(&'a ArrayMap),
    PercpuArray(&'a PercpuArrayMap),
    /// Hash, LRU hash and their per-CPU forms.
    Hash(&'a HashMap),
    LpmTrie(&'a LpmTrieMap),
    /// Queue and stack.
    Queue(&'a QueueMap),
    BloomFilter(&'a BloomFilterMap),
    ProgArray(&'a ProgArrayMap),
    /// Array and hash of maps.
    MapOfMaps(&'a MapOfMaps),
    PerfEventArray(&'a PerfEventArrayMap),
    StackTrace(&'a StackTraceMap),
    Ringbuf(&'a RingbufMap),
    UserRingbuf(&'a UserRingbufMap),
    /// Storage of sockets, tasks, inodes and cgroups.
    Storage(&'a StorageMap),
    /// Devices and CPUs.
    Redirect(&'a RedirectMap),
    /// Sockets and cgroups.
    Objects(&'a ObjectMap),
}
