//! Creating maps: `BPF_MAP_CREATE` by shape, with the kernel's refusals.
//!
//! The order of checks is the kernel's: the sanity of the attributes ([`rules`](super::rules)),
//! then memory. What the kernel has and this virtual machine has not is refused by name.

use super::array::{ArrayMap, PercpuArrayMap};
use super::bloom::BloomFilterMap;
use super::handles::{Handles, MapOfMaps, ProgArrayMap};
use super::hash::HashMap;
use super::lpm::LpmTrieMap;
use super::objects::ObjectMap;
use super::perf::PerfEventArrayMap;
use super::queue::QueueMap;
use super::redirect::RedirectMap;
use super::ringbuf::{RingbufMap, UserRingbufMap};
use super::shape::{MapHead, MapShape, Settings, SpecialField, SpecialKind, flag};
use super::stack_trace::StackTraceMap;
use super::storage::StorageMap;
use super::{Errno, Map, rules};
use core::fmt;
use oxbpf_isa::kernel::MapType;
use std::sync::Arc;

/// Why a map was not created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The kernel refuses this attribute with this error.
    Rejected { map_type: MapType, attribute: Attribute, value: u64, errno: Errno },
    /// The map would take more bytes than the host allows or has.
    Memory { map_type: MapType, needed: u64, limit: u64 },
    /// A member of the value is outside of it, misaligned, or overlaps another.
    Special { map_type: MapType, offset: u32 },
    /// The kernel has this map type; this virtual machine does not.
    Unsupported { map_type: MapType },
}

/// The attribute of `BPF_MAP_CREATE` at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Attribute {
    KeySize,
    ValueSize,
    MaxEntries,
    Flags,
    MapExtra,
    InnerMap,
}

impl Attribute {
    /// The name in uapi `union bpf_attr`.
    pub const fn name(self) -> &'static str {
        match self {
            Attribute::KeySize => "key_size",
            Attribute::ValueSize => "value_size",
            Attribute::MaxEntries => "max_entries",
            Attribute::Flags => "map_flags",
            Attribute::MapExtra => "map_extra",
            Attribute::InnerMap => "inner_map_fd",
        }
    }
}

impl CreateError {
    /// The error number bpf(2) gives.
    pub const fn errno(&self) -> Errno {
        match self {
            CreateError::Rejected { errno, .. } => *errno,
            CreateError::Memory { .. } => Errno::NoMem,
            CreateError::Special { .. } => Errno::Inval,
            CreateError::Unsupported { .. } => Errno::NotSupp,
        }
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::Rejected { map_type, attribute, value, errno } => {
                write!(f, "a {map_type} map cannot have {} {value:#x}: {errno}", attribute.name())
            }
            CreateError::Memory { map_type, needed, limit } => {
                write!(f, "a {map_type} map of this size needs {needed} bytes; the limit is {limit}")
            }
            CreateError::Special { map_type, offset } => {
                write!(f, "the member at offset {offset} does not fit the value of the {map_type} map")
            }
            CreateError::Unsupported { map_type } => {
                write!(f, "maps of type {map_type} cannot be run here")
            }
        }
    }
}

impl core::error::Error for CreateError {}

/// What a map is created with beyond its shape.
#[derive(Clone, Debug, Default)]
pub struct Creation<'a> {
    pub name: &'a str,
    /// The number the user side of maps of maps shows; the host chooses it.
    pub id: u32,
    /// Members of the value that copies leave alone.
    pub special: Vec<SpecialField>,
    /// The template of inner maps, for maps of maps.
    pub inner: Option<MapShape>,
    /// What handles written by the user side mean.
    pub handles: Option<Arc<dyn Handles>>,
}

/// Creates a map.
///
/// ```
/// use oxbpf::isa::kernel::MapType;
/// use oxbpf::vm::maps::{Creation, Errno, MapShape, Settings, create, update};
///
/// let flows = MapShape::new(MapType::Hash, 4, 8, 1000);
/// let map = create(flows, &Creation::default(), &Settings::default())?;
/// map.update_elem(&[10, 0, 0, 1], &1u64.to_ne_bytes(), update::NOEXIST)?;
/// let again = map.update_elem(&[10, 0, 0, 1], &2u64.to_ne_bytes(), update::NOEXIST);
/// assert_eq!(again, Err(Errno::Exist));
/// assert_eq!(map.elements()?, [(vec![10, 0, 0, 1], 1u64.to_ne_bytes().to_vec())]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create(
    shape: MapShape,
    creation: &Creation<'_>,
    settings: &Settings,
) -> Result<Arc<dyn Map>, CreateError> {
    rules::check(&shape, creation, settings)?;
    check_special(&shape, &creation.special)?;
    let cpus = settings.cpus.clamp(1, Settings::CPUS_MAX);
    // The kernel closes device maps to writes of programs, whose lookups point into them.
    let devices = matches!(shape.map_type, MapType::Devmap | MapType::DevmapHash);
    let lasting = if devices { shape.with_flags(shape.flags | flag::RDONLY_PROG) } else { shape };
    // Access by bpf(2) belongs to a descriptor in the kernel; a map here has one user side.
    let head = MapHead::new(creation.name, lasting, cpus, creation.id, creation.special.clone());
    Ok(match shape.map_type {
        MapType::Array => Arc::new(ArrayMap::new(head, settings)?),
        MapType::PercpuArray => Arc::new(PercpuArrayMap::new(head, settings)?),
        MapType::Hash | MapType::PercpuHash | MapType::LruHash | MapType::LruPercpuHash => {
            Arc::new(HashMap::new(head, settings)?)
        }
        MapType::LpmTrie => Arc::new(LpmTrieMap::new(head, settings)?),
        MapType::Queue | MapType::Stack => Arc::new(QueueMap::new(head, settings)?),
        MapType::BloomFilter => Arc::new(BloomFilterMap::new(head, settings)?),
        MapType::ProgArray => Arc::new(ProgArrayMap::new(head, creation.handles.clone(), settings)?),
        MapType::ArrayOfMaps | MapType::HashOfMaps => {
            let inner = rules::inner(&shape, creation)?;
            Arc::new(MapOfMaps::new(head, inner, creation.handles.clone(), settings)?)
        }
        MapType::PerfEventArray => Arc::new(PerfEventArrayMap::new(head, settings)?),
        MapType::StackTrace => Arc::new(StackTraceMap::new(head, settings)?),
        MapType::Ringbuf => Arc::new(RingbufMap::new(head, settings)?),
        MapType::UserRingbuf => Arc::new(UserRingbufMap::new(head, settings)?),
        MapType::SkStorage | MapType::InodeStorage | MapType::TaskStorage | MapType::CgrpStorage => {
            Arc::new(StorageMap::new(head, creation.handles.clone(), settings)?)
        }
        MapType::Devmap | MapType::DevmapHash | MapType::Cpumap => {
            Arc::new(RedirectMap::new(head, creation.handles.clone(), settings)?)
        }
        MapType::Sockmap
        | MapType::Sockhash
        | MapType::Xskmap
        | MapType::ReuseportSockarray
        | MapType::CgroupArray => Arc::new(ObjectMap::new(head, creation.handles.clone(), settings)?),
        map_type => return Err(CreateError::Unsupported { map_type }),
    })
}

/// Holds the special members against the value.
fn check_special(shape: &MapShape, special: &[SpecialField]) -> Result<(), CreateError> {
    let mut sorted = special.to_vec();
    sorted.sort_by_key(|f| f.offset);
    let mut end = 0u64;
    for field in &sorted {
        let aligned = field.kind != SpecialKind::SpinLock || (field.offset % 4 == 0 && field.size == 4);
        let stop = u64::from(field.offset) + u64::from(field.size);
        if u64::from(field.offset) < end || stop > u64::from(shape.value_size) || !aligned {
            return Err(CreateError::Special { map_type: shape.map_type, offset: field.offset });
        }
        end = stop;
    }
    Ok(())
}

/// Holds a number of bytes against the host's limit and address space.
pub(super) fn budget(
    shape: &MapShape,
    needed: Option<u64>,
    settings: &Settings,
) -> Result<usize, CreateError> {
    let bytes = needed.unwrap_or(u64::MAX);
    let fits = bytes <= settings.memory_limit && bytes <= isize::MAX as u64;
    fits.then_some(bytes as usize).ok_or(no_memory(shape, bytes, settings))
}

pub(super) fn no_memory(shape: &MapShape, needed: u64, settings: &Settings) -> CreateError {
    CreateError::Memory { map_type: shape.map_type, needed, limit: settings.memory_limit }
}

impl MapShape {
    /// The seed of this map's hash function.
    pub(super) const fn seed(&self, settings: &Settings) -> u64 {
        if self.has(flag::ZERO_SEED) { 0 } else { settings.seed }
    }
}
