//! The nodes of a trie: walked without a lock, changed by one thread at a time.
//!
//! An insertion shows itself by one store, so who walks sees the trie without it or with it. A node that
//! was removed may soon hold another prefix, and who was at it would take the one for the other; so
//! removals are counted, and a walk that one fell into is repeated, after some repetitions with changes
//! held up. Nodes serve again but are never freed, so a pointer to one is good as long as the trie.
//!
//! Bits of prefixes lie in words, the first bit highest: what two have in common is one operation. Walks of
//! keys with eight bits or more skip those: for each of their values it is kept where they lead. That is
//! brought up to date before a change ends, so it is behind by no more than the one under way: it leads to
//! the trie without that, or, where it is a removal, perhaps into a walk that is repeated.

use crate::vm::maps::mem::{RawMem, word_at};
use crate::vm::maps::slab::Elem;
use core::marker::PhantomData;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What precedes the words of a node.
#[repr(C, align(8))]
struct Head {
    /// What goes on with 0 and with 1. Free nodes hang together by the first.
    child: [Slot; 2],
    /// Null in a node that only joins two others.
    elem: AtomicPtr<u8>,
    bits: AtomicU32,
}

/// A place that a node may hang at.
type Slot = AtomicPtr<Head>;

/// A node of a trie that lives for `'a`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Node<'a>(NonNull<Head>, PhantomData<&'a Trie>);

impl<'a> Node<'a> {
    #[inline(always)]
    fn head(self) -> &'a Head {
        // SAFETY: nodes are aligned, were zeros or more when they were first hung anywhere, and their memory
        // lives as long as the trie. All members are atomic.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        self.head().bits.load(Ordering::Relaxed)
    }

    /// The word with this index, which is below the number of words of the trie's keys.
    #[inline(always)]
    fn word(self, index: usize) -> &'a AtomicU64 {
        // SAFETY: so many words lie behind the head of every node of the trie.
        unsafe { word_at(self.0.cast(), size_of::<Head>() + index * 8) }
    }

    /// The bit after `at` bits.
    fn bit(self, at: u32) -> usize {
        bit(self.word(at as usize / 64).load(Ordering::Relaxed), at)
    }

    #[inline(always)]
    fn elem(self) -> Option<Elem> {
        NonNull::new(self.head().elem.load(Ordering::Acquire)).map(Elem)
    }

    fn set_elem(self, elem: Option<Elem>) {
        self.head().elem.store(elem.map_or(null_mut(), |elem| elem.0.as_ptr()), Ordering::Release);
    }

    /// How many of the first `most` bits are the key's.
    #[inline(always)]
    fn common(self, most: u32, key: Prefix<'_>) -> u32 {
        let mut common = 0;
        for (index, word) in key.words.iter().enumerate() {
            let same = (self.word(index).load(Ordering::Relaxed) ^ word).leading_zeros();
            common += same;
            if same < 64 || common >= most {
                break;
            }
        }
        common.min(most)
    }

    fn write(self, words: impl Iterator<Item = u64>) {
        words.enumerate().for_each(|(index, word)| self.word(index).store(word, Ordering::Relaxed));
    }
}

/// A prefix: the first bits of words, of which there are as many as in every key of the trie.
#[derive(Clone, Copy)]
pub(super) struct Prefix<'a> {
    pub bits: u32,
    pub words: &'a [u64],
}

impl Prefix<'_> {
    /// The bit after `at` bits.
    #[inline(always)]
    fn bit(&self, at: u32) -> usize {
        bit(self.words[at as usize / 64], at)
    }
}

/// The bit of a word after `at` bits of its key.
#[inline(always)]
fn bit(word: u64, at: u32) -> usize {
    (word >> (63 - at % 64) & 1) as usize
}

/// Where the first [`SKIPPED`] bits of a key lead.
#[derive(Debug, Default)]
struct Start {
    /// The last node on the way; null when there is none.
    node: Slot,
    /// The element of the longest prefix on the way; null likewise.
    best: AtomicPtr<u8>,
}

/// Bits that walks skip.
const SKIPPED: u32 = 8;

/// A trie.
#[derive(Debug)]
pub(super) struct Trie {
    root: Slot,
    starts: Box<[Start]>,
    removals: AtomicU64,
    /// Words of a key.
    words: usize,
    nodes: Mutex<Nodes>,
}

/// The memory of nodes.
#[derive(Debug)]
struct Nodes {
    chunks: Vec<RawMem>,
    /// A free one.
    free: Slot,
    left: usize,
}

/// Nodes in the first piece of memory, and in the largest.
const FEWEST: usize = 64;
const MOST: usize = 4096;

/// Fruitless walks before changes are held up.
const WALKS: u32 = 32;

impl Trie {
    /// An empty trie of keys of so many words.
    pub fn new(words: usize) -> Trie {
        let nodes = Nodes { chunks: Vec::new(), free: Slot::default(), left: 0 };
        let starts = (0..1 << SKIPPED).map(|_| Start::default()).collect();
        let (root, removals) = (Slot::default(), AtomicU64::new(0));
        Trie { root, starts, removals, words, nodes: Mutex::new(nodes) }
    }

    /// Bytes of an empty trie.
    pub const BYTES: u64 = (size_of::<Start>() << SKIPPED) as u64;

    /// The node at a place.
    #[inline(always)]
    fn at(&self, slot: &Slot) -> Option<Node<'_>> {
        NonNull::new(slot.load(Ordering::Acquire)).map(|head| Node(head, PhantomData))
    }

    /// The element of the longest prefix of the key.
    #[inline(always)]
    pub fn longest(&self, key: Prefix<'_>) -> Option<Elem> {
        self.longest_by(key, || {})
    }

    /// The same, with something done before each step of a walk that others may disturb.
    #[inline(always)]
    fn longest_by(&self, key: Prefix<'_>, mut before: impl FnMut()) -> Option<Elem> {
        for _ in 0..WALKS {
            let removals = self.removals.load(Ordering::Acquire);
            let found = self.walk(key, &mut before);
            fence(Ordering::Acquire);
            if self.removals.load(Ordering::Relaxed) == removals {
                return found;
            }
            core::hint::spin_loop();
        }
        let _still = self.lock();
        self.walk(key, || {})
    }

    #[inline(always)]
    fn walk(&self, key: Prefix<'_>, mut before: impl FnMut()) -> Option<Elem> {
        let mut best = None;
        let mut slot = &self.root;
        if key.bits >= SKIPPED {
            let start = &self.starts[(key.words[0] >> (64 - SKIPPED)) as usize];
            best = NonNull::new(start.best.load(Ordering::Acquire)).map(Elem);
            before();
            if let Some(node) = self.at(&start.node) {
                let bits = node.bits();
                if bits >= key.bits {
                    // It serves again, or has all bits of the key.
                    return best;
                }
                slot = &node.head().child[key.bit(bits)];
            }
        }
        while let Some(node) = self.at(slot) {
            before();
            let bits = node.bits();
            if bits > key.bits || node.common(bits, key) < bits {
                break;
            }
            best = node.elem().or(best);
            if bits == key.bits {
                break;
            }
            slot = &node.head().child[key.bit(bits)];
        }
        best
    }

    fn lock(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds up changes by others.
    pub fn change(&self) -> Changing<'_> {
        Changing { trie: self, nodes: self.lock() }
    }
}

/// A trie that only its holder changes.
pub(super) struct Changing<'a> {
    trie: &'a Trie,
    nodes: MutexGuard<'a, Nodes>,
}

/// Where the walk towards a prefix ended.
pub(super) struct Found<'a> {
    /// Where the node hangs, or could.
    slot: &'a Slot,
    /// The node that `slot` is of, and where that hangs.
    above: Option<(Node<'a>, &'a Slot)>,
    /// The node, and how many bits it has in common with the prefix.
    node: Option<(Node<'a>, u32)>,
    /// It is the node of just this prefix.
    is_same: bool,
}

impl<'a> Found<'a> {
    fn same(&self) -> Option<Node<'a>> {
        self.node.filter(|_| self.is_same).map(|found| found.0)
    }

    /// The element of just the prefix.
    pub fn elem(&self) -> Option<Elem> {
        self.same()?.elem()
    }
}

impl<'a> Changing<'a> {
    /// Goes towards a prefix.
    pub fn find(&self, key: Prefix<'_>) -> Found<'a> {
        self.find_by(key, |_| {})
    }

    /// Walks as long as nodes are true prefixes of the key, and shows each to `pass`.
    fn find_by(&self, key: Prefix<'_>, mut pass: impl FnMut(Node<'a>)) -> Found<'a> {
        let mut found = Found { slot: &self.trie.root, above: None, node: None, is_same: false };
        while let Some(node) = self.trie.at(found.slot) {
            let bits = node.bits();
            let common = node.common(bits.min(key.bits), key);
            if common != bits || bits == key.bits {
                found.node = Some((node, common));
                found.is_same = common == bits;
                break;
            }
            pass(node);
            found.above = Some((node, found.slot));
            found.slot = &node.head().child[key.bit(bits)];
        }
        found
    }

    /// Sees to it that [`Changing::insert`] finds the nodes it needs, if those of the trie make no more than
    /// `limit` bytes; gives how many they make.
    pub fn make_room(&mut self, limit: u64) -> Option<u64> {
        let stride = size_of::<Head>() + self.trie.words * 8;
        let nodes = &mut *self.nodes;
        let bytes = |chunks| ((0..chunks).map(Nodes::in_chunk).sum::<usize>() * stride) as u64;
        if nodes.left < 2 {
            if Trie::BYTES + bytes(nodes.chunks.len() + 1) > limit {
                return None;
            }
            let count = Nodes::in_chunk(nodes.chunks.len());
            let chunk = RawMem::zeroed(count * stride, 64)?;
            for index in (0..count).rev() {
                nodes.put(Node(chunk.at(index * stride).cast(), PhantomData));
            }
            nodes.chunks.push(chunk);
        }
        Some(Trie::BYTES + bytes(nodes.chunks.len()))
    }

    /// Puts an element in where a walk towards its prefix ended; there [is room](Changing::make_room). Gives
    /// the element that had the same prefix.
    pub fn insert(&mut self, found: &Found<'_>, key: Prefix<'_>, elem: Elem) -> Option<Elem> {
        if let Some(node) = found.same() {
            let old = node.elem();
            // What follows the prefix is told to who asks for keys, and nobody else looks at it.
            node.write(key.words.iter().copied());
            node.set_elem(Some(elem));
            self.lead(key.bits, key.words[0]);
            return old;
        }
        let new = self.take(key.bits);
        new.write(key.words.iter().copied());
        new.set_elem(Some(elem));
        let top = match found.node {
            None => new,
            Some((node, common)) if common == key.bits => {
                new.head().child[node.bit(common)].store(node.0.as_ptr(), Ordering::Relaxed);
                new
            }
            Some((node, common)) => {
                let join = self.take(common);
                join.write((0..key.words.len()).map(|index| node.word(index).load(Ordering::Relaxed)));
                let side = key.bit(common);
                join.head().child[side].store(new.0.as_ptr(), Ordering::Relaxed);
                join.head().child[1 - side].store(node.0.as_ptr(), Ordering::Relaxed);
                join
            }
        };
        found.slot.store(top.0.as_ptr(), Ordering::Release);
        self.lead(top.bits(), key.words[0]);
        None
    }

    /// Keeps where the first bits of keys lead that begin with so many of a word.
    fn lead(&self, bits: u32, word: u64) {
        if bits > SKIPPED {
            return;
        }
        let first = (word >> (64 - SKIPPED)) as usize & !0 << (SKIPPED - bits);
        for (number, start) in self.trie.starts.iter().enumerate().skip(first).take(1 << (SKIPPED - bits)) {
            let words = [(number as u64) << (64 - SKIPPED)];
            let key = Prefix { bits: SKIPPED, words: &words };
            let (mut last, mut best, mut slot) = (null_mut(), None, &self.trie.root);
            while let Some(node) = self.trie.at(slot) {
                let bits = node.bits();
                if bits > SKIPPED || node.common(bits, key) < bits {
                    break;
                }
                (last, best) = (node.0.as_ptr(), node.elem().or(best));
                if bits == SKIPPED {
                    break;
                }
                slot = &node.head().child[key.bit(bits)];
            }
            start.best.store(best.map_or(null_mut(), |elem| elem.0.as_ptr()), Ordering::Release);
            start.node.store(last, Ordering::Release);
        }
    }

    /// A node that hangs nowhere, with no element and no children.
    fn take(&mut self, bits: u32) -> Node<'a> {
        let node = self.trie.at(&self.nodes.free).expect("room was made");
        let head = node.head();
        self.nodes.free.store(head.child[0].load(Ordering::Relaxed), Ordering::Relaxed);
        self.nodes.left -= 1;
        // Who is still at it and sees any of this sees that there was a removal, too.
        fence(Ordering::Release);
        head.child.iter().for_each(|child| child.store(null_mut(), Ordering::Relaxed));
        head.bits.store(bits, Ordering::Relaxed);
        node.set_elem(None);
        node
    }

    /// Takes out the prefix that a walk ended at, and gives its element.
    pub fn remove(&mut self, found: &Found<'a>) -> Option<Elem> {
        let node = found.same()?;
        let elem = node.elem()?;
        let [left, right] = [0, 1].map(|side| self.trie.at(&node.head().child[side]));
        let mut gone = [None; 2];
        match (left, right, found.above) {
            (Some(_), Some(_), _) => node.set_elem(None),
            (None, None, Some((parent, slot))) if parent.elem().is_none() => {
                // A joining node with one child left joins nothing: the other child moves up.
                let [left, right] = &parent.head().child;
                let other = if core::ptr::eq(left, found.slot) { right } else { left };
                slot.store(other.load(Ordering::Relaxed), Ordering::Release);
                gone = [Some(node), Some(parent)];
            }
            (left, right, _) => {
                let child = left.or(right).map_or(null_mut(), |child| child.0.as_ptr());
                found.slot.store(child, Ordering::Release);
                gone = [Some(node), None];
            }
        }
        let top = gone[1].unwrap_or(node);
        self.lead(top.bits(), top.word(0).load(Ordering::Relaxed));
        self.trie.removals.fetch_add(1, Ordering::Release);
        gone.into_iter().flatten().for_each(|node| self.nodes.put(node));
        Some(elem)
    }

    /// The prefix that follows in the order of walking, or the first: its bits, and its words.
    pub fn next(&self, key: Option<Prefix<'_>>) -> Option<(u32, impl Iterator<Item = u64>)> {
        let mut path = Vec::new();
        let found = key.map(|key| self.find_by(key, |node| path.push(node)));
        let place = found.and_then(|found| found.same().filter(|node| node.elem().is_some()));
        let next = match place {
            Some(node) => self.after(node, &path)?,
            None => self.first_below(&self.trie.root)?,
        };
        let words = (0..self.trie.words).map(move |index| next.word(index).load(Ordering::Relaxed));
        Some((next.bits(), words))
    }

    /// The first node below a place in the order of walking.
    fn first_below(&self, slot: &'a Slot) -> Option<Node<'a>> {
        let (mut at, mut best) = (self.trie.at(slot), None);
        while let Some(node) = at {
            if node.elem().is_some() {
                best = Some(node);
            }
            let [left, right] = &node.head().child;
            at = self.trie.at(left).or_else(|| self.trie.at(right));
        }
        best
    }

    fn after(&self, mut node: Node<'a>, path: &[Node<'a>]) -> Option<Node<'a>> {
        for &parent in path.iter().rev() {
            let [left, right] = &parent.head().child;
            if self.trie.at(left) == Some(node)
                && let Some(next) = self.first_below(right)
            {
                return Some(next);
            }
            if parent.elem().is_some() {
                return Some(parent);
            }
            node = parent;
        }
        None
    }
}

impl Nodes {
    /// How many nodes a piece of memory has.
    fn in_chunk(number: usize) -> usize {
        (FEWEST << number.min(16)).min(MOST)
    }

    fn put(&mut self, node: Node<'_>) {
        // Who comes this way from a node that was removed sees that it was.
        node.head().child[0].store(self.free.load(Ordering::Relaxed), Ordering::Release);
        self.free.store(node.0.as_ptr(), Ordering::Relaxed);
        self.left += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An element that only its address tells from others.
    fn elem(number: usize) -> Elem {
        Elem(NonNull::without_provenance(core::num::NonZero::new(number).unwrap()))
    }

    fn change(trie: &Trie, key: Prefix<'_>, put: bool, number: usize) {
        let mut changing = trie.change();
        let found = changing.find(key);
        if put {
            changing.make_room(1 << 20).unwrap();
            changing.insert(&found, key, elem(number));
        } else {
            changing.remove(&found);
        }
    }

    proptest! {
        #[test]
        fn what_stays_is_found_whatever_happens_between_two_steps(
            changes in proptest::collection::vec((any::<bool>(), 0..=32u32, any::<u32>()), 1..400),
            short: bool,
            pace in 1..4usize,
        ) {
            let word = |address: u32| [u64::from(address) << 32];
            let trie = Trie::new(1);
            // Two that stay, one in the other, each with an address that no other prefix will have.
            let stay: [(u32, u32, u32); 2] = match short {
                false => [(12, 0x0a10_0000, 0x0a1f_ff01), (24, 0x0a11_0700, 0x0a11_074d)],
                true => [(3, 0, 0x1f00_0001), (6, 0x0800_0000, 0x0bff_0001)],
            };
            for (n, (bits, prefix, _)) in stay.into_iter().enumerate() {
                change(&trie, Prefix { bits, words: &word(prefix) }, true, n + 1);
            }
            let changes = changes.into_iter().map(|(put, bits, address)| {
                // Close to those that stay, so that nodes come and go on the way to them.
                (put, bits, 0x0a11_0700 ^ address >> (address & 31))
            });
            let covers = |bits: u32, address: u32, other: u32| {
                bits == 0 || (address ^ other) >> (32 - bits) == 0
            };
            let mut changes = changes.filter(|&(_, bits, address)| {
                stay.iter().all(|&(own, prefix, other)| {
                    (bits < own || !covers(bits, address, other)) && (bits, address) != (own, prefix)
                })
            });
            let mut left = true;
            while left {
                for (n, (_, _, address)) in stay.into_iter().enumerate() {
                    let found = trie.longest_by(Prefix { bits: 32, words: &word(address) }, || {
                        for (put, bits, address) in changes.by_ref().take(pace) {
                            change(&trie, Prefix { bits, words: &word(address) }, put, 9);
                        }
                    });
                    prop_assert_eq!(found, Some(elem(n + 1)));
                }
                left = changes.next().is_some();
            }
        }
    }
}
