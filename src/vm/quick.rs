//! Lookups in the maps that programs look up most, without going through [`Map`](super::maps::Map).
//!
//! What is looked up, and what is given, is what the maps themselves would do; here it is only known
//! beforehand where arrays lie, and which size keys have. Arrays of programs are asked by
//! [`tails`](super::tails).

use super::maps::{HashMap, LpmTrieMap, Map, MapKind};
use super::memory::{Memory, Recent, read};
use super::run::Linked;
use std::ptr::NonNull;
use std::sync::Arc;

/// How a map is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Quick {
    /// An array: where it lies, bytes from one value to the next, values, bytes from one CPU's values to
    /// those of the next, CPUs.
    Array { base: u64, stride: u32, count: u32, apart: u64, cpus: u32 },
    /// A hash with keys of four bytes.
    Hash4(NonNull<HashMap>),
    /// A hash with keys of eight bytes.
    Hash8(NonNull<HashMap>),
    /// A hash with keys of another size, of so many bytes.
    Hash(NonNull<HashMap>, u32),
    /// A trie with keys of so many bytes.
    Trie(NonNull<LpmTrieMap>, u32),
    /// An array of programs: where the stamps of its slots lie, and how many there are.
    Programs { stamps: u64, count: u32 },
    /// Any other.
    Other,
}

// SAFETY: the addresses are of maps, which any thread may use.
unsafe impl Send for Quick {}
// SAFETY: as above.
unsafe impl Sync for Quick {}

impl Quick {
    /// How this map is looked up, as long as it lives.
    pub fn of(map: &Arc<dyn Map>) -> Quick {
        let address = |at: NonNull<u8>| at.as_ptr().expose_provenance() as u64;
        let cpus = map.head().cpus();
        match map.kind() {
            MapKind::Array(array) => {
                let Ok(stride) = u32::try_from(array.stride()) else { return Quick::Other };
                let count = map.head().shape().max_entries;
                Quick::Array { base: address(array.base()), stride, count, apart: 0, cpus }
            }
            MapKind::PercpuArray(array) => {
                let (Ok(stride), Some(base)) = (u32::try_from(array.stride()), array.base(0)) else {
                    return Quick::Other;
                };
                let base = address(base);
                let apart = array.base(1).map_or(0, |next| address(next) - base);
                Quick::Array { base, stride, count: map.head().shape().max_entries, apart, cpus }
            }
            MapKind::Hash(hash) => match map.head().shape().key_size {
                4 => Quick::Hash4(NonNull::from(hash)),
                8 => Quick::Hash8(NonNull::from(hash)),
                size @ ..=LONGEST => Quick::Hash(NonNull::from(hash), size),
                _ => Quick::Other,
            },
            MapKind::LpmTrie(trie) => match map.head().shape().key_size {
                size @ ..=LONGEST => Quick::Trie(NonNull::from(trie), size),
                _ => Quick::Other,
            },
            MapKind::ProgArray(array) => {
                let stamps = array.stamps();
                let count = stamps.len() as u32;
                Quick::Programs { stamps: stamps.as_ptr().expose_provenance() as u64, count }
            }
            _ => Quick::Other,
        }
    }

    /// Bytes of the key, where the map can be looked up here.
    #[inline(always)]
    pub fn key_size(self) -> Option<u64> {
        match self {
            Quick::Array { .. } | Quick::Hash4(_) => Some(4),
            Quick::Hash8(_) => Some(8),
            Quick::Hash(_, size) | Quick::Trie(_, size) => Some(size.into()),
            Quick::Programs { .. } | Quick::Other => None,
        }
    }

    /// The address of the value of the key at an address, or 0.
    ///
    /// # Safety
    /// The map is alive, and the bytes of a key at the address may be read.
    #[inline(always)]
    pub unsafe fn lookup(self, key: u64, cpu: u32) -> u64 {
        // SAFETY: by the contract.
        unsafe {
            match self {
                Quick::Array { base, stride, count, apart, cpus } => {
                    let index = read::<u32>(key);
                    if index < count as u64 && cpu < cpus {
                        base + cpu as u64 * apart + index * stride as u64
                    } else {
                        0
                    }
                }
                Quick::Hash4(map) => {
                    found(map.as_ref().lookup_word((read::<u32>(key) as u32).to_ne_bytes(), cpu))
                }
                Quick::Hash8(map) => found(map.as_ref().lookup_word(read::<u64>(key).to_ne_bytes(), cpu)),
                Quick::Hash(map, _) => {
                    let map = map.as_ref();
                    found(with_key(map, key, |key| map.lookup(key, cpu)))
                }
                Quick::Trie(map, _) => {
                    let map = map.as_ref();
                    found(with_key(map, key, |key| map.longest(key)))
                }
                Quick::Programs { .. } | Quick::Other => 0,
            }
        }
    }
}

/// The longest key that is looked up here.
const LONGEST: u32 = 64;

/// Does something with a copy of the key at an address: others may be writing there.
///
/// # Safety
/// The bytes of a key of the map at the address may be read, and are no more than [`LONGEST`].
#[inline(always)]
pub(crate) unsafe fn with_key<R>(map: &impl Map, key: u64, act: impl FnOnce(&[u8]) -> R) -> R {
    let size = map.head().shape().key_size as usize;
    let mut copy = [0; LONGEST as usize];
    let room = &mut copy[..size];
    // SAFETY: by the contract.
    unsafe {
        std::ptr::with_exposed_provenance::<u8>(key as usize).copy_to_nonoverlapping(room.as_mut_ptr(), size);
    }
    act(room)
}

/// One of a program's maps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuickMap {
    /// How it is looked up.
    pub how: Quick,
    /// The extent of its values, when all of a value is one region; and whether programs may write it.
    values: Option<(Recent, bool)>,
}

impl QuickMap {
    pub fn of(map: &Arc<dyn Map>) -> QuickMap {
        let head = map.head();
        let extent = Recent::new(0, head.shape().value_size as u64);
        // What others give is not always the address of a value.
        let plain = matches!(
            map.kind(),
            MapKind::Array(_) | MapKind::PercpuArray(_) | MapKind::Hash(_) | MapKind::LpmTrie(_)
        );
        let values = (plain && head.special().is_empty()).then(|| (extent, head.program_may_write()));
        QuickMap { how: Quick::of(map), values }
    }

    /// Whether all of a value is one region.
    #[cfg(feature = "jit")]
    pub fn is_plain(&self) -> bool {
        self.values.is_some()
    }

    /// Remembers the value that was found at this address: most programs access it next.
    #[inline(always)]
    pub fn remember(&self, memory: &mut Memory, value: u64) {
        if let Some((extent, writable)) = &self.values {
            memory.remember_at(extent, value, *writable);
        }
    }
}

/// An address for the program, or null.
#[inline(always)]
fn found(value: Option<NonNull<u8>>) -> u64 {
    value.map_or(0, |at| at.as_ptr().expose_provenance() as u64)
}

impl Linked {
    /// The program's own map with this handle.
    #[inline(always)]
    pub fn quick(&self, handle: u64) -> Option<&QuickMap> {
        self.quick.get(Linked::map_number(handle))
    }
}
