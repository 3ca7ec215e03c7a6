//! LPM trie: values by prefixes of bit strings, found by the longest prefix that matches.
//!
//! Linux `lpm_trie.c`. A key is a prefix length in bits (a host-order `u32`) and the data, most
//! significant bit first. Keys are walked more specific before less specific, left before right.
//! A full trie is `ENOSPC`; a prefix length over the data's is `EINVAL`, or no match.

use super::create::CreateError;
use super::mem::{read_value, write_value};
use super::shape::{MapHead, Settings, update};
use super::slab::{Elem, Slab};
use super::{Batches, Errno, Map, MapKind, ValueSpan};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// `BPF_MAP_TYPE_LPM_TRIE`.
#[derive(Debug)]
pub struct LpmTrieMap {
    head: MapHead,
    slab: Slab,
    trie: RwLock<Trie>,
    /// Bytes of data in a key.
    data: usize,
    limit: u64,
    nodes_bytes: AtomicU64,
}

/// No node.
const NONE: u32 = u32::MAX;

/// Nodes by index, their data side by side.
#[derive(Debug)]
struct Trie {
    nodes: Vec<Node>,
    data: Vec<u8>,
    size: usize,
    root: u32,
    free: Vec<u32>,
    entries: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    bits: u32,
    child: [u32; 2],
    /// None in a node that only joins two others.
    elem: Option<Elem>,
}

/// A prefix: the first `bits` of `data`.
#[derive(Clone, Copy)]
struct Prefix<'a> {
    bits: u32,
    data: &'a [u8],
}

impl Prefix<'_> {
    /// The bit after `at` bits.
    fn bit(&self, at: u32) -> usize {
        usize::from(self.data[at as usize / 8] >> (7 - at % 8) & 1)
    }

    /// How many leading bits both have in common.
    fn common(&self, other: Prefix<'_>) -> u32 {
        let limit = self.bits.min(other.bits);
        let mut bits = 0;
        for (a, b) in self.data.iter().zip(other.data) {
            let same = (a ^ b).leading_zeros();
            bits += same;
            if same < 8 || bits >= limit {
                break;
            }
        }
        bits.min(limit)
    }
}

/// What a walk towards a prefix came to.
struct Found {
    /// The nodes passed, from the root.
    path: Vec<u32>,
    /// The node where the walk ended, and the bits it has in common; none at a free place.
    node: Option<(u32, u32)>,
}

impl Trie {
    fn prefix(&self, node: u32) -> Prefix<'_> {
        let at = node as usize * self.size;
        Prefix { bits: self.nodes[node as usize].bits, data: &self.data[at..at + self.size] }
    }

    fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// Walks as long as nodes are true prefixes of the key.
    fn walk(&self, key: Prefix<'_>) -> Found {
        let mut path = Vec::new();
        let mut at = self.root;
        while at != NONE {
            let common = self.prefix(at).common(key);
            let bits = self.node(at).bits;
            if common != bits || bits == key.bits {
                return Found { path, node: Some((at, common)) };
            }
            path.push(at);
            at = self.node(at).child[key.bit(bits)];
        }
        Found { path, node: None }
    }

    /// The node with exactly this prefix, and the nodes above it.
    fn exact(&self, key: Prefix<'_>) -> Option<(u32, Vec<u32>)> {
        let found = self.walk(key);
        let (node, common) = found.node?;
        let exact = self.node(node).bits == common && common == key.bits && self.node(node).elem.is_some();
        exact.then_some((node, found.path))
    }

    fn longest(&self, key: Prefix<'_>) -> Option<Elem> {
        let mut best = None;
        let mut at = self.root;
        while at != NONE {
            let node = self.node(at);
            if self.prefix(at).common(key) < node.bits {
                break;
            }
            best = node.elem.or(best);
            if node.bits >= key.bits {
                break;
            }
            at = node.child[key.bit(node.bits)];
        }
        best
    }

    fn add(&mut self, prefix: Prefix<'_>, child: [u32; 2], elem: Option<Elem>) -> u32 {
        let node = Node { bits: prefix.bits, child, elem };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index as usize] = node;
                index
            }
            None => {
                self.nodes.push(node);
                self.data.resize(self.nodes.len() * self.size, 0);
                self.nodes.len() as u32 - 1
            }
        };
        self.data[index as usize * self.size..][..self.size].copy_from_slice(prefix.data);
        index
    }

    /// Puts `new` where `old` (or a free place towards `key`) hangs below the end of the path.
    fn hang(&mut self, path: &[u32], key: Prefix<'_>, new: u32) {
        match path.last() {
            None => self.root = new,
            Some(parent) => {
                let side = key.bit(self.node(*parent).bits);
                self.nodes[*parent as usize].child[side] = new;
            }
        }
    }

    fn remove(&mut self, node: u32, path: &[u32], key: Prefix<'_>) -> Option<Elem> {
        let elem = self.nodes[node as usize].elem.take();
        self.entries -= 1;
        let child = self.node(node).child;
        match child {
            [left, right] if left != NONE && right != NONE => return elem,
            [NONE, NONE]
                if let Some((parent, above)) = path.split_last()
                    && self.node(*parent).elem.is_none() =>
            {
                // A joining node with one child left joins nothing: the other child moves up.
                let siblings = self.node(*parent).child;
                let other = if siblings[0] == node { siblings[1] } else { siblings[0] };
                self.hang(above, key, other);
                self.free.push(*parent);
            }
            [left, right] => self.hang(path, key, if left != NONE { left } else { right }),
        }
        self.free.push(node);
        elem
    }

    /// The first key below a node in the order of walking.
    fn first_below(&self, root: u32) -> Option<u32> {
        let (mut at, mut best) = (root, None);
        while at != NONE {
            let node = self.node(at);
            if node.elem.is_some() {
                best = Some(at);
            }
            at = if node.child[0] != NONE { node.child[0] } else { node.child[1] };
        }
        best
    }

    fn after(&self, mut node: u32, path: &[u32]) -> Option<u32> {
        for parent in path.iter().rev() {
            let [left, right] = self.node(*parent).child;
            if left == node && right != NONE {
                return self.first_below(right);
            }
            if self.node(*parent).elem.is_some() {
                return Some(*parent);
            }
            node = *parent;
        }
        None
    }
}

impl LpmTrieMap {
    pub(super) fn new(head: MapHead, settings: &Settings) -> Result<LpmTrieMap, CreateError> {
        let shape = *head.shape();
        // A rewritten prefix takes a new value before it frees the old one.
        let capacity = shape.max_entries.saturating_add(1).min(u32::MAX - 1);
        let slab = Slab::new(&shape, capacity, false, head.cpus(), settings)?;
        let size = shape.key_size as usize - 4;
        let (nodes, data, free) = (Vec::new(), Vec::new(), Vec::new());
        let trie = RwLock::new(Trie { nodes, data, size, root: NONE, free, entries: 0 });
        let (limit, nodes_bytes) = (settings.memory_limit, AtomicU64::new(0));
        Ok(LpmTrieMap { head, slab, trie, data: size, limit, nodes_bytes })
    }

    fn read(&self) -> RwLockReadGuard<'_, Trie> {
        self.trie.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Trie> {
        self.trie.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a key apart; none when the prefix is longer than the data.
    fn prefix<'a>(&self, key: &'a [u8]) -> Option<Prefix<'a>> {
        let (bits, data) = key.split_first_chunk()?;
        let bits = u32::from_ne_bytes(*bits);
        (data.len() == self.data && bits as usize <= self.data * 8).then_some(Prefix { bits, data })
    }

    /// Whether two more nodes are within the memory limit.
    fn may_grow(&self, trie: &Trie) -> bool {
        let each = size_of::<Node>() + self.data;
        let bytes = (trie.nodes.len() as u64 + 2) * each as u64;
        self.nodes_bytes.store(bytes, Ordering::Relaxed);
        bytes + self.slab.bytes() <= self.limit && trie.nodes.len() < NONE as usize - 2
    }

    fn room(&self, trie: &Trie, flags: u64) -> Result<(), Errno> {
        if flags == update::EXIST {
            return Err(Errno::NoEnt);
        }
        if trie.entries == self.head.shape().max_entries { Err(Errno::NoSpc) } else { Ok(()) }
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
        let prefix = self.prefix(key)?;
        let elem = self.read().longest(prefix)?;
        Some(self.slab.value(elem, 0))
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: u32) -> Result<(), Errno> {
        if flags > update::EXIST || value.len() != self.head.shape().value_size as usize {
            return Err(Errno::Inval);
        }
        let key = self.prefix(key).ok_or(Errno::Inval)?;
        let mut trie = self.write();
        let found = trie.walk(key);
        let same = found.node.filter(|(node, common)| trie.node(*node).bits == *common);
        let old = same.and_then(|(node, _)| trie.node(node).elem);
        match old {
            Some(_) if flags == update::NOEXIST => return Err(Errno::Exist),
            Some(_) => {}
            None => self.room(&trie, flags)?,
        }
        if !self.may_grow(&trie) {
            return Err(Errno::NoMem);
        }
        let elem = self.slab.pop(cpu).ok_or(Errno::NoMem)?;
        // SAFETY: the element has a value of this length.
        unsafe { write_value(&self.head, self.slab.value(elem, 0), value, true) };
        trie.entries += u32::from(old.is_none());
        match (same, found.node) {
            (Some((node, _)), _) => {
                trie.nodes[node as usize].elem = Some(elem);
                let at = node as usize * self.data;
                trie.data[at..at + self.data].copy_from_slice(key.data);
            }
            (None, None) => {
                let new = trie.add(key, [NONE; 2], Some(elem));
                trie.hang(&found.path, key, new);
            }
            (None, Some((node, common))) if common == key.bits => {
                let mut child = [NONE; 2];
                child[trie.prefix(node).bit(common)] = node;
                let new = trie.add(key, child, Some(elem));
                trie.hang(&found.path, key, new);
            }
            (None, Some((node, common))) => {
                let new = trie.add(key, [NONE; 2], Some(elem));
                let child = if key.bit(common) == 1 { [node, new] } else { [new, node] };
                let data = trie.prefix(node).data.to_vec();
                let join = trie.add(Prefix { bits: common, data: &data }, child, None);
                trie.hang(&found.path, key, join);
            }
        }
        drop(trie);
        if let Some(old) = old {
            self.slab.push(old, cpu);
        }
        Ok(())
    }

    fn delete(&self, key: &[u8], cpu: u32) -> Result<(), Errno> {
        let key = self.prefix(key).ok_or(Errno::Inval)?;
        let mut trie = self.write();
        let (node, path) = trie.exact(key).ok_or(Errno::NoEnt)?;
        let elem = trie.remove(node, &path, key);
        drop(trie);
        if let Some(elem) = elem {
            self.slab.push(elem, cpu);
        }
        Ok(())
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
        let trie = self.read();
        let place = key.and_then(|key| trie.exact(self.prefix(key)?));
        let next = match place {
            Some((node, path)) => trie.after(node, &path),
            None => trie.first_below(trie.root),
        };
        let prefix = trie.prefix(next.ok_or(Errno::NoEnt)?);
        out[..4].copy_from_slice(&prefix.bits.to_ne_bytes());
        out[4..].copy_from_slice(prefix.data);
        Ok(())
    }

    fn batches(&self) -> Batches {
        Batches { lookup_and_delete: false, ..Batches::ALL }
    }

    fn memory(&self) -> u64 {
        self.slab.bytes() + self.nodes_bytes.load(Ordering::Relaxed)
    }
}
