//! Which attributes a map may be created with: the kernel's checks, family by family.
//!
//! Rules of Linux 6.18: `map_create`, `bpf_map_flags_access_ok` and each family's
//! `map_alloc_check`. Memory is judged where it is allocated.

use super::Errno;
use super::create::{Attribute, CreateError, Creation};
use super::shape::{MapShape, Settings, flag, round8};
use oxbpf_isa::kernel::MapType;

/// Largest per-CPU value: the kernel's smallest per-CPU allocation unit.
const PERCPU_VALUE_MAX: usize = 32 << 10;
/// The kernel's largest contiguous allocation.
const KMALLOC_MAX: u64 = 4 << 20;
/// Bytes of an element of the kernel's hash table before its key.
const HASH_ELEM_HEADER: u64 = 48;

/// Longest data of a trie's key.
const LPM_DATA_MAX: u32 = 256;
/// Bytes of a node of the kernel's trie before its data.
const LPM_NODE_HEADER: u32 = 24;
/// `kernel.perf_event_max_stack`.
const STACK_DEPTH_MAX: u32 = 127;

/// Longest value of local storage: 16 bits of length, less the kernel's element.
const STORAGE_VALUE_MAX: u32 = 0xffff - 128;
/// Longest key of a socket hash: a stack frame.
const SOCKET_KEY_MAX: u32 = 512;

/// Holds a creation against the kernel's rules.
pub(super) fn check(
    shape: &MapShape,
    creation: &Creation<'_>,
    settings: &Settings,
) -> Result<(), CreateError> {
    let rule = Rule(shape);
    let extra = matches!(shape.map_type, MapType::BloomFilter | MapType::Arena);
    rule.hold(extra || shape.map_extra == 0, Attribute::MapExtra, Errno::Inval)?;
    // Both directions closed to bpf(2) is refused before the type is looked at.
    let user = shape.flags & (flag::RDONLY | flag::WRONLY);
    rule.hold(user != flag::RDONLY | flag::WRONLY, Attribute::Flags, Errno::Inval)?;
    match shape.map_type {
        MapType::Hash | MapType::PercpuHash | MapType::LruHash | MapType::LruPercpuHash => rule.hash(),
        MapType::Array | MapType::PercpuArray => rule.array(),
        MapType::LpmTrie => rule.lpm(),
        MapType::Queue | MapType::Stack => rule.queue(),
        MapType::BloomFilter => rule.bloom(),
        MapType::ProgArray | MapType::PerfEventArray | MapType::CgroupArray => rule.handle_array(),
        MapType::SkStorage | MapType::InodeStorage | MapType::TaskStorage | MapType::CgrpStorage => {
            rule.storage()
        }
        MapType::Devmap | MapType::DevmapHash | MapType::Cpumap => rule.redirect(),
        MapType::Sockmap | MapType::Sockhash | MapType::Xskmap => rule.sockets(),
        MapType::ReuseportSockarray => {
            rule.hold(matches!(shape.value_size, 4 | 8), Attribute::ValueSize, Errno::Inval)?;
            rule.array()
        }
        MapType::ArrayOfMaps => rule.handle_array().and_then(|()| inner(shape, creation).map(drop)),
        MapType::HashOfMaps => {
            rule.hold(shape.value_size == 4, Attribute::ValueSize, Errno::Inval)?;
            rule.hash()?;
            inner(shape, creation).map(drop)
        }
        MapType::StackTrace => rule.stack_trace(),
        MapType::Ringbuf | MapType::UserRingbuf => rule.ringbuf(settings),
        _ => Ok(()),
    }
}

/// The template of inner maps, held against what may be one.
pub(super) fn inner(shape: &MapShape, creation: &Creation<'_>) -> Result<MapShape, CreateError> {
    let rejected = |value, errno| CreateError::Rejected {
        map_type: shape.map_type,
        attribute: Attribute::InnerMap,
        value,
        errno,
    };
    let inner = creation.inner.ok_or(rejected(0, Errno::BadF))?;
    let number = u64::from(inner.map_type.number());
    match inner.map_type {
        MapType::ArrayOfMaps | MapType::HashOfMaps => Err(rejected(number, Errno::Inval)),
        MapType::ProgArray | MapType::CgroupStorage | MapType::PercpuCgroupStorage | MapType::StructOps => {
            Err(rejected(number, Errno::NotSupp))
        }
        _ => Ok(inner),
    }
}

/// The checks of one shape.
struct Rule<'a>(&'a MapShape);

impl Rule<'_> {
    fn hold(&self, holds: bool, attribute: Attribute, errno: Errno) -> Result<(), CreateError> {
        let shape = self.0;
        let value = match attribute {
            Attribute::KeySize => u64::from(shape.key_size),
            Attribute::ValueSize => u64::from(shape.value_size),
            Attribute::MaxEntries => u64::from(shape.max_entries),
            Attribute::Flags => u64::from(shape.flags),
            Attribute::MapExtra | Attribute::InnerMap => shape.map_extra,
        };
        let rejected = CreateError::Rejected { map_type: shape.map_type, attribute, value, errno };
        if holds { Ok(()) } else { Err(rejected) }
    }

    fn flags(&self, allowed: u32) -> Result<(), CreateError> {
        self.hold(self.0.flags & !allowed == 0, Attribute::Flags, Errno::Inval)?;
        let program = self.0.flags & (flag::RDONLY_PROG | flag::WRONLY_PROG);
        self.hold(program != flag::RDONLY_PROG | flag::WRONLY_PROG, Attribute::Flags, Errno::Inval)
    }

    fn sizes_not_zero(&self) -> Result<(), CreateError> {
        self.hold(self.0.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(self.0.key_size != 0, Attribute::KeySize, Errno::Inval)?;
        self.hold(self.0.value_size != 0, Attribute::ValueSize, Errno::Inval)
    }

    fn percpu_value_fits(&self) -> Result<(), CreateError> {
        let fits = !self.0.is_percpu() || round8(self.0.value_size as usize) <= PERCPU_VALUE_MAX;
        self.hold(fits, Attribute::ValueSize, Errno::TooBig)
    }

    fn hash(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.flags(
            flag::NO_PREALLOC | flag::NO_COMMON_LRU | flag::NUMA_NODE | flag::ACCESS | flag::ZERO_SEED,
        )?;
        let lru = matches!(shape.map_type, MapType::LruHash | MapType::LruPercpuHash);
        self.hold(lru || !shape.has(flag::NO_COMMON_LRU), Attribute::Flags, Errno::Inval)?;
        self.hold(!lru || !shape.has(flag::NO_PREALLOC), Attribute::Flags, Errno::NotSupp)?;
        let one_node = shape.has(flag::NUMA_NODE) && (shape.is_percpu() || shape.has(flag::NO_COMMON_LRU));
        self.hold(!one_node, Attribute::Flags, Errno::Inval)?;
        self.sizes_not_zero()?;
        let sum = u64::from(shape.key_size) + u64::from(shape.value_size);
        let larger =
            if shape.key_size > shape.value_size { Attribute::KeySize } else { Attribute::ValueSize };
        self.hold(sum < KMALLOC_MAX - HASH_ELEM_HEADER, larger, Errno::TooBig)?;
        self.percpu_value_fits()?;
        // The number of buckets, a power of two, must fit in 32 bits.
        self.hold(shape.max_entries <= 1 << 31, Attribute::MaxEntries, Errno::TooBig)
    }

    fn array(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(shape.key_size == 4, Attribute::KeySize, Errno::Inval)?;
        self.hold(shape.value_size != 0, Attribute::ValueSize, Errno::Inval)?;
        let plain = shape.map_type == MapType::Array;
        let node = if shape.is_percpu() { 0 } else { flag::NUMA_NODE };
        let own = node | if plain { flag::MMAPABLE | flag::INNER_MAP } else { 0 };
        self.flags(flag::ACCESS | own)?;
        self.hold(shape.value_size <= i32::MAX as u32, Attribute::ValueSize, Errno::TooBig)?;
        self.percpu_value_fits()
    }

    /// Arrays of handles: values of four bytes, and no access flags for programs.
    fn handle_array(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.hold(shape.value_size == 4, Attribute::ValueSize, Errno::Inval)?;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(shape.key_size == 4, Attribute::KeySize, Errno::Inval)?;
        let perf = shape.map_type == MapType::PerfEventArray;
        let own = if perf { flag::PRESERVE_ELEMS } else { 0 };
        self.flags(flag::NUMA_NODE | flag::RDONLY | flag::WRONLY | own)
    }

    fn lpm(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(shape.has(flag::NO_PREALLOC), Attribute::Flags, Errno::Inval)?;
        self.flags(flag::NO_PREALLOC | flag::NUMA_NODE | flag::ACCESS)?;
        let data = shape.key_size.checked_sub(4);
        let fits = data.is_some_and(|data| (1..=LPM_DATA_MAX).contains(&data));
        self.hold(fits, Attribute::KeySize, Errno::Inval)?;
        let most = KMALLOC_MAX as u32 - LPM_DATA_MAX - LPM_NODE_HEADER;
        self.hold((1..=most).contains(&shape.value_size), Attribute::ValueSize, Errno::Inval)
    }

    fn queue(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(shape.key_size == 0, Attribute::KeySize, Errno::Inval)?;
        self.hold(shape.value_size != 0, Attribute::ValueSize, Errno::Inval)?;
        self.flags(flag::NUMA_NODE | flag::ACCESS)?;
        self.hold(u64::from(shape.value_size) <= KMALLOC_MAX, Attribute::ValueSize, Errno::TooBig)?;
        let most = u32::MAX / shape.value_size;
        self.hold(shape.max_entries < most, Attribute::MaxEntries, Errno::TooBig)
    }

    fn bloom(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.hold(u64::from(shape.value_size) <= KMALLOC_MAX, Attribute::ValueSize, Errno::TooBig)?;
        self.hold(shape.key_size == 0, Attribute::KeySize, Errno::Inval)?;
        self.hold(shape.value_size != 0, Attribute::ValueSize, Errno::Inval)?;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.flags(flag::NUMA_NODE | flag::ZERO_SEED | flag::ACCESS)?;
        self.hold(shape.map_extra & !0xf == 0, Attribute::MapExtra, Errno::Inval)
    }

    fn stack_trace(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.flags(flag::NUMA_NODE | flag::RDONLY | flag::WRONLY | flag::STACK_BUILD_ID)?;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(shape.key_size == 4, Attribute::KeySize, Errno::Inval)?;
        let each = if shape.has(flag::STACK_BUILD_ID) { 32 } else { 8 };
        let size = shape.value_size;
        let fits = size >= 8 && size.is_multiple_of(each) && size / each <= STACK_DEPTH_MAX;
        self.hold(fits, Attribute::ValueSize, Errno::Inval)?;
        // Traces by build id need the files behind a process, which no host has here.
        self.hold(!shape.has(flag::STACK_BUILD_ID), Attribute::Flags, Errno::NotSupp)?;
        self.hold(shape.max_entries <= 1 << 31, Attribute::MaxEntries, Errno::TooBig)
    }

    fn ringbuf(&self, settings: &Settings) -> Result<(), CreateError> {
        let shape = self.0;
        self.flags(flag::NUMA_NODE)?;
        self.hold(shape.key_size == 0, Attribute::KeySize, Errno::Inval)?;
        self.hold(shape.value_size == 0, Attribute::ValueSize, Errno::Inval)?;
        let pages = shape.max_entries.is_power_of_two() && shape.max_entries >= settings.page_size;
        self.hold(pages, Attribute::MaxEntries, Errno::Inval)
    }

    fn storage(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.flags(flag::NO_PREALLOC | flag::CLONE)?;
        self.hold(shape.has(flag::NO_PREALLOC), Attribute::Flags, Errno::Inval)?;
        self.hold(shape.max_entries == 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(shape.key_size == 4, Attribute::KeySize, Errno::Inval)?;
        self.hold(shape.value_size != 0, Attribute::ValueSize, Errno::Inval)?;
        self.hold(shape.value_size <= STORAGE_VALUE_MAX, Attribute::ValueSize, Errno::TooBig)
    }

    fn redirect(&self) -> Result<(), CreateError> {
        let shape = self.0;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(shape.key_size == 4, Attribute::KeySize, Errno::Inval)?;
        self.hold(matches!(shape.value_size, 4 | 8), Attribute::ValueSize, Errno::Inval)?;
        let cpus = shape.map_type == MapType::Cpumap;
        self.flags(flag::NUMA_NODE | if cpus { 0 } else { flag::RDONLY | flag::WRONLY })?;
        let hash = shape.map_type == MapType::DevmapHash;
        self.hold(!hash || shape.max_entries <= 1 << 31, Attribute::MaxEntries, Errno::Inval)?;
        self.hold(!cpus || shape.max_entries <= Settings::CPUS_MAX, Attribute::MaxEntries, Errno::TooBig)
    }

    fn sockets(&self) -> Result<(), CreateError> {
        let shape = self.0;
        let hash = shape.map_type == MapType::Sockhash;
        self.hold(shape.max_entries != 0, Attribute::MaxEntries, Errno::Inval)?;
        let key = if hash { shape.key_size != 0 } else { shape.key_size == 4 };
        self.hold(key, Attribute::KeySize, Errno::Inval)?;
        let wide = shape.map_type != MapType::Xskmap && shape.value_size == 8;
        self.hold(shape.value_size == 4 || wide, Attribute::ValueSize, Errno::Inval)?;
        self.flags(flag::NUMA_NODE | flag::RDONLY | flag::WRONLY)?;
        self.hold(!hash || shape.key_size <= SOCKET_KEY_MAX, Attribute::KeySize, Errno::TooBig)
    }
}
