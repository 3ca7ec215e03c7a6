//! Bloom filter: a set that may say yes wrongly and never no wrongly.
//!
//! Linux `bloom_filter.c`: `map_extra` is the number of hash functions (5 when 0), and the bits
//! are `max_entries * functions * 7 / 5`, rounded up to a power of two. The hash is this crate's,
//! so which wrong yes comes differs from the kernel, how often does not.

use super::create::{CreateError, budget, no_memory};
use super::hash::hash;
use super::mem::{RawMem, word_at};
use super::shape::{MapHead, Settings, update};
use super::{Errno, Map, MapKind};
use core::sync::atomic::{AtomicU64, Ordering};

/// `BPF_MAP_TYPE_BLOOM_FILTER`.
#[derive(Debug)]
pub struct BloomFilterMap {
    head: MapHead,
    bits: RawMem,
    mask: u32,
    functions: u32,
    seed: u64,
}

impl BloomFilterMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<BloomFilterMap, CreateError> {
        let shape = head.shape();
        let functions = if shape.map_extra == 0 { 5 } else { (shape.map_extra & 0xf) as u32 };
        let product = u64::from(shape.max_entries) * u64::from(functions);
        let wanted = product / 5 * 7;
        let too_many = product > u64::from(u32::MAX) || wanted > 1 << 31;
        let mask = if too_many { u32::MAX } else { (wanted.max(64).next_power_of_two() - 1) as u32 };
        let bytes = budget(shape, Some((u64::from(mask) + 1) / 8), settings)?;
        let bits = RawMem::zeroed(bytes, 64).ok_or(no_memory(shape, bytes as u64, settings))?;
        let seed = shape.seed(settings);
        Ok(BloomFilterMap { head, bits, mask, functions, seed })
    }

    /// The word and the bit in it, for each hash function.
    fn places<'a>(&'a self, value: &'a [u8]) -> impl Iterator<Item = (&'a AtomicU64, u64)> + 'a {
        (0..self.functions).map(move |function| {
            let bit = hash(value, self.seed.wrapping_add(u64::from(function) << 32)) & self.mask;
            // SAFETY: the bit is below the number of bits, so its word lies in the block.
            let word = unsafe { word_at(self.bits.base(), bit as usize / 64 * 8) };
            (word, 1 << (bit % 64))
        })
    }
}

impl Map for BloomFilterMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::BloomFilter(self)
    }

    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
        Err(Errno::Inval)
    }

    fn push(&self, value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != update::ANY || value.len() != self.head.shape().value_size as usize {
            return Err(Errno::Inval);
        }
        self.places(value).for_each(|(word, bit)| _ = word.fetch_or(bit, Ordering::Relaxed));
        Ok(())
    }

    fn peek(&self, value: &mut [u8]) -> Result<(), Errno> {
        if value.len() != self.head.shape().value_size as usize {
            return Err(Errno::Inval);
        }
        let held = self.places(value).all(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0);
        held.then_some(()).ok_or(Errno::NoEnt)
    }

    fn memory(&self) -> u64 {
        (u64::from(self.mask) + 1) / 8
    }
}
