//! LPM trie: values by prefixes of bit strings, found by the longest prefix that matches.
//!
//! Linux `lpm_trie.c`. A key is a prefix length in bits (a host-order `u32`) and the data, most
//! significant bit first. Keys are walked more specific before less specific, left before right.
//! A full trie is `ENOSPC`; a prefix length over the data's is `EINVAL`, or no match.

mod trie;

use super::create::CreateError;
use super::mem::{read_value, write_value};
use super::shape::{MapHead, Settings, update};
use super::slab::{Elem, Slab};
use super::{Batches, Errno, Map, MapKind, ValueSpan};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use trie::{Prefix, Trie};

/// `BPF_MAP_TYPE_LPM_TRIE`.
#[derive(Debug)]
pub struct LpmTrieMap {
    head: MapHead,
    slab: Slab,
    trie: Trie,
    /// Bytes of data in a key.
    data: usize,
    entries: AtomicU32,
    limit: u64,
    nodes_bytes: AtomicU64,
}

/// Words of the longest key.
const WORDS: usize = 32;

/// The words of a key's data.
#[inline(always)]
fn words<const N: usize>(data: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(data.chunks(8)) {
        let mut all = [0; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_be_bytes(all);
    }
    words
}

impl LpmTrieMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<LpmTrieMap, CreateError> {
        let shape = *head.shape();
        // A rewritten prefix takes a new value before it frees the old one.
        let capacity = shape.max_entries.saturating_add(1).min(u32::MAX - 1);
        let slab = Slab::new(&shape, capacity, false, head.cpus(), settings)?;
        let data = shape.key_size as usize - 4;
        let (trie, limit) = (Trie::new(data.div_ceil(8)), settings.memory_limit);
        let (entries, nodes_bytes) = (AtomicU32::new(0), AtomicU64::new(Trie::BYTES));
        Ok(LpmTrieMap { head, slab, trie, data, entries, limit, nodes_bytes })
    }

    /// Takes a key apart; none when the prefix is longer than the data.
    #[inline(always)]
    fn parts<'k>(&self, key: &'k [u8]) -> Option<(u32, &'k [u8])> {
        let (bits, data) = key.split_first_chunk()?;
        let bits = u32::from_ne_bytes(*bits);
        (data.len() == self.data && bits as usize <= self.data * 8).then_some((bits, data))
    }

    /// Does something with a key taken apart.
    fn with<R>(&self, key: &[u8], act: impl FnOnce(Prefix<'_>) -> R) -> Option<R> {
        let (bits, data) = self.parts(key)?;
        let words = words::<WORDS>(data);
        Some(act(Prefix { bits, words: &words[..self.data.div_ceil(8)] }))
    }

    /// As [`Map::lookup`].
    #[inline]
    pub(in crate::vm) fn longest(&self, key: &[u8]) -> Option<NonNull<u8>> {
        let (bits, data) = self.parts(key)?;
        // Addresses of the internet's two kinds are looked at as a whole.
        let elem = match data.len() {
            4 => self.trie.longest(Prefix { bits, words: &words::<1>(&data[..4]) }),
            16 => self.trie.longest(Prefix { bits, words: &words::<2>(&data[..16]) }),
            ..=8 => self.trie.longest(Prefix { bits, words: &words::<1>(data) }),
            _ => self.longest_of_many(bits, data),
        };
        Some(self.slab.value(elem?, 0))
    }

    #[inline(never)]
    fn longest_of_many(&self, bits: u32, data: &[u8]) -> Option<Elem> {
        let words = words::<WORDS>(data);
        self.trie.longest(Prefix { bits, words: &words[..self.data.div_ceil(8)] })
    }

    fn put(&self, key: Prefix<'_>, value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        let mut trie = self.trie.change();
        let found = trie.find(key);
        let entries = self.entries.load(Ordering::Relaxed);
        match found.elem() {
            Some(_) if flags == update::NOEXIST => return Err(Errno::Exist),
            Some(_) => {}
            None if flags == update::EXIST => return Err(Errno::NoEnt),
            None if entries == self.head.shape().max_entries => return Err(Errno::NoSpc),
            None => {}
        }
        let bytes = trie.make_room(self.limit.saturating_sub(self.slab.bytes())).ok_or(Errno::NoMem)?;
        self.nodes_bytes.store(bytes, Ordering::Relaxed);
        let elem = self.slab.pop(cpu).ok_or(Errno::NoMem)?;
        // SAFETY: the element has a value of this length.
        unsafe { write_value(&self.head, self.slab.value(elem, 0), value, true) };
        match trie.insert(&found, key, elem) {
            Some(old) => self.slab.push(old, cpu),
            None => self.entries.store(entries + 1, Ordering::Relaxed),
        }
        Ok(())
    }

    fn take(&self, key: Prefix<'_>, cpu: u32) -> Result<(), Errno> {
        let mut trie = self.trie.change();
        let found = trie.find(key);
        let elem = trie.remove(&found).ok_or(Errno::NoEnt)?;
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.slab.push(elem, cpu);
        Ok(())
    }
}

impl Map for LpmTrieMap {
    fn head(&self) -> &MapHead {
        &self.head
    }

    fn kind(&self) -> MapKind<'_> {
        MapKind::LpmTrie(self)
    }

    fn lookup(&self, key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        self.longest(key)
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        if flags > update::EXIST || value.len() != self.head.shape().value_size as usize {
            return Err(Errno::Inval);
        }
        self.with(key, |key| self.put(key, value, flags, cpu)).ok_or(Errno::Inval)?
    }

    fn delete(&self, key: &[u8], cpu: u32) -> Result<(), Errno> {
        self.with(key, |key| self.take(key, cpu)).ok_or(Errno::Inval)?
    }

    fn value_span(&self, addr: usize) -> Option<ValueSpan> {
        self.slab.value_span(addr)
    }

    fn user_lookup(&self, key: &[u8], _flags: u64, out: &mut [u8]) -> Result<(), Errno> {
        let at = self.lookup(key, 0).ok_or(Errno::NoEnt)?;
        // SAFETY: the element has a value of the length of `out`.
        unsafe { read_value(&self.head, at, out) };
        Ok(())
    }

    fn user_next_key(&self, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let mut write = |key: Option<Prefix<'_>>| {
            let trie = self.trie.change();
            let (bits, words) = trie.next(key).ok_or(Errno::NoEnt)?;
            out[..4].copy_from_slice(&bits.to_ne_bytes());
            for (bytes, word) in out[4..].chunks_mut(8).zip(words) {
                bytes.copy_from_slice(&word.to_be_bytes()[..bytes.len()]);
            }
            Ok(())
        };
        // What is no key of this map is followed by the first.
        key.and_then(|key| self.with(key, |key| write(Some(key)))).unwrap_or_else(|| write(None))
    }

    fn batches(&self) -> Batches {
        Batches { lookup_and_delete: false, ..Batches::ALL }
    }

    fn memory(&self) -> u64 {
        self.slab.bytes() + self.nodes_bytes.load(Ordering::Relaxed)
    }
}
