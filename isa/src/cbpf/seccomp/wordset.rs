//! Sets of 32-bit words, exact, as reduced ordered binary decision diagrams over the bits, most
//! significant first.
//!
//! Intervals, masks and their combinations all have small diagrams, where a list of intervals would
//! need 2^31 of them for "the lowest bit is clear". The operations a filter applies to a word before
//! it compares are answered backwards: [`WordSet::preimage`] gives the words an operation takes into
//! the set. Diagrams are numbered canonically, so equal sets are equal values.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// A reference to a node: 0 is the empty set, 1 the full one, the rest count from 2.
type Ref = u32;

const NONE: Ref = 0;
const ALL: Ref = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Node {
    bit: u8,
    zero: Ref,
    one: Ref,
}

/// An exact set of 32-bit words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WordSet {
    nodes: Vec<Node>,
    root: Ref,
}

/// An operation with a constant on one word, modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Add(u32),
    Mul(u32),
    Div(u32),
    And(u32),
    Or(u32),
    Xor(u32),
    /// By less than 32.
    Shl(u8),
    /// By less than 32.
    Shr(u8),
    Neg,
}

impl Step {
    /// The value of the operation. Division by zero has none; a filter never gets that far.
    pub const fn apply(self, word: u32) -> u32 {
        match self {
            Self::Add(c) => word.wrapping_add(c),
            Self::Mul(c) => word.wrapping_mul(c),
            Self::Div(c) => match word.checked_div(c) {
                Some(quotient) => quotient,
                None => 0,
            },
            Self::And(c) => word & c,
            Self::Or(c) => word | c,
            Self::Xor(c) => word ^ c,
            Self::Shl(n) => word << (n & 31),
            Self::Shr(n) => word >> (n & 31),
            Self::Neg => word.wrapping_neg(),
        }
    }
}

/// How many values or intervals an operation may walk one by one before it gives up.
const WALK_LIMIT: usize = 4096;

impl WordSet {
    /// No word.
    pub const fn empty() -> Self {
        Self { nodes: Vec::new(), root: NONE }
    }

    /// Every word.
    pub const fn full() -> Self {
        Self { nodes: Vec::new(), root: ALL }
    }

    /// One word.
    pub fn only(word: u32) -> Self {
        Self::masked(u32::MAX, word)
    }

    /// The words `w` with `w & mask == value`; empty when `value` has bits outside the mask.
    pub fn masked(mask: u32, value: u32) -> Self {
        if value & !mask != 0 {
            return Self::empty();
        }
        let mut builder = Builder::default();
        let mut root = ALL;
        for bit in (0..32u8).filter(|bit| mask >> bit & 1 != 0) {
            root = match value >> bit & 1 {
                0 => builder.node(bit, root, NONE),
                _ => builder.node(bit, NONE, root),
            };
        }
        builder.finish(root)
    }

    /// The words from `low` to `high`, both included.
    pub fn range(low: u32, high: u32) -> Self {
        let (mut from, mut to) = (ALL, ALL);
        let mut builder = Builder::default();
        for bit in 0..32u8 {
            from = match low >> bit & 1 {
                0 => builder.node(bit, from, ALL),
                _ => builder.node(bit, NONE, from),
            };
            to = match high >> bit & 1 {
                0 => builder.node(bit, to, NONE),
                _ => builder.node(bit, ALL, to),
            };
        }
        let root = builder.combine(from, to, true, &mut BTreeMap::new());
        builder.finish(root)
    }

    /// The nodes of the diagram: the measure of what the set takes to hold and to work with.
    pub const fn size(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no word is in the set.
    pub const fn is_empty(&self) -> bool {
        self.root == NONE
    }

    /// Whether every word is in the set.
    pub const fn is_full(&self) -> bool {
        self.root == ALL
    }

    /// Whether `word` is in the set.
    pub fn contains(&self, word: u32) -> bool {
        let mut at = self.root;
        while let Some(node) = self.node(at) {
            at = if word >> node.bit & 1 == 0 { node.zero } else { node.one };
        }
        at == ALL
    }

    /// The smallest word of the set.
    pub fn first(&self) -> Option<u32> {
        let (mut at, mut word) = (self.root, 0);
        while let Some(node) = self.node(at) {
            // In a reduced diagram every node but the empty set has a member below it.
            at = if node.zero == NONE {
                word |= 1 << node.bit;
                node.one
            } else {
                node.zero
            };
        }
        (at == ALL).then_some(word)
    }

    /// How many words are in the set, up to 2^32.
    pub fn count(&self) -> u64 {
        let mut counts: Vec<u64> = Vec::with_capacity(self.nodes.len());
        // Children precede parents, so one pass does; each count is scaled to the bits below a node.
        let scaled = |counts: &[u64], at: Ref, bits: u32| match at {
            NONE => 0,
            ALL => 1u64 << bits,
            at => counts[at as usize - 2] << (bits - u32::from(self.nodes[at as usize - 2].bit) - 1),
        };
        for node in &self.nodes {
            let bits = u32::from(node.bit);
            counts.push(scaled(&counts, node.zero, bits) + scaled(&counts, node.one, bits));
        }
        scaled(&counts, self.root, 32)
    }

    /// The words of both sets.
    pub fn intersect(&self, other: &Self) -> Self {
        self.combine(other, true)
    }

    /// The words of either set.
    pub fn union(&self, other: &Self) -> Self {
        self.combine(other, false)
    }

    /// The words not in the set.
    pub fn complement(&self) -> Self {
        let flip = |at: Ref| if at < 2 { 1 - at } else { at };
        let nodes = self.nodes.iter().map(|n| Node { bit: n.bit, zero: flip(n.zero), one: flip(n.one) });
        // Flipping the leaves keeps the shape, and the shape decides the numbering.
        Self { nodes: nodes.collect(), root: flip(self.root) }
    }

    /// The set as maximal intervals, ascending; `None` when there are more than `limit`.
    pub fn intervals(&self, limit: usize) -> Option<Vec<(u32, u32)>> {
        let mut out: Vec<(u32, u32)> = Vec::new();
        let mut stack = alloc::vec![(self.root, 32u32, 0u32)];
        while let Some((at, bits, low)) = stack.pop() {
            match at {
                NONE => {}
                ALL => {
                    let high = low | (((1u64 << bits) - 1) as u32);
                    let full = out.len() == limit;
                    match out.last_mut() {
                        Some(last) if last.1.checked_add(1) == Some(low) => last.1 = high,
                        _ if full => return None,
                        _ => out.push((low, high)),
                    }
                }
                at => {
                    let node = self.nodes[at as usize - 2];
                    let bit = bits - 1;
                    let here = u32::from(node.bit) == bit;
                    let (zero, one) = if here { (node.zero, node.one) } else { (at, at) };
                    stack.push((one, bit, low | 1 << bit));
                    stack.push((zero, bit, low));
                }
            }
        }
        Some(out)
    }

    /// Mask and value, when the set is that of the words `w` with `w & mask == value`.
    pub fn as_masked(&self) -> Option<(u32, u32)> {
        let (mut at, mut mask, mut value) = (self.root, 0, 0);
        while let Some(node) = self.node(at) {
            mask |= 1 << node.bit;
            at = match (node.zero, node.one) {
                (next, NONE) => next,
                (NONE, next) => {
                    value |= 1 << node.bit;
                    next
                }
                _ => return None,
            };
        }
        (at == ALL).then_some((mask, value))
    }

    /// The words that `step` takes into the set; `None` when that is not worked out: products by
    /// other constants than powers of two, and quotients, of sets with very many members.
    pub fn preimage(&self, step: Step) -> Option<Self> {
        let by_node = |wanted: &dyn Fn(Node) -> Visit| Some(self.rebuild(wanted));
        match step {
            Step::Add(c) => Some(self.preimage_add(c)),
            Step::Neg => Self::preimage(&self.preimage_add(1), Step::Xor(u32::MAX)),
            Step::And(m) => by_node(&|n| if m >> n.bit & 1 != 0 { Visit::Keep(n.bit) } else { Visit::Zero }),
            Step::Or(m) => by_node(&|n| if m >> n.bit & 1 == 0 { Visit::Keep(n.bit) } else { Visit::One }),
            Step::Xor(m) => by_node(&|n| match m >> n.bit & 1 {
                0 => Visit::Keep(n.bit),
                _ => Visit::Swap(n.bit),
            }),
            Step::Shl(by) => by_node(&|n| match n.bit.checked_sub(by) {
                Some(bit) => Visit::Keep(bit),
                None => Visit::Zero,
            }),
            Step::Shr(by) => by_node(&|n| match n.bit + by {
                bit @ 0..32 => Visit::Keep(bit),
                _ => Visit::Zero,
            }),
            Step::Mul(0) => Some(if self.contains(0) { Self::full() } else { Self::empty() }),
            Step::Mul(c) if c.is_power_of_two() => self.preimage(Step::Shl(c.trailing_zeros() as u8)),
            Step::Mul(c) => self.preimage_mul(c),
            Step::Div(0) => None,
            Step::Div(c) => self.preimage_div(c),
        }
    }

    fn node(&self, at: Ref) -> Option<Node> {
        at.checked_sub(2).map(|at| self.nodes[at as usize])
    }

    fn combine(&self, other: &Self, both: bool) -> Self {
        let mut builder = Builder::default();
        let (a, b) = (builder.import(self), builder.import(other));
        let root = builder.combine(a, b, both, &mut BTreeMap::new());
        builder.finish(root)
    }

    /// Rebuilds the diagram bottom up. Moving every bit by the same distance keeps the order.
    fn rebuild(&self, visit: &dyn Fn(Node) -> Visit) -> Self {
        let mut builder = Builder::default();
        let mut new: Vec<Ref> = alloc::vec![NONE, ALL];
        for &node in &self.nodes {
            let (zero, one) = (new[node.zero as usize], new[node.one as usize]);
            new.push(match visit(node) {
                Visit::Keep(bit) => builder.node(bit, zero, one),
                Visit::Swap(bit) => builder.node(bit, one, zero),
                Visit::Zero => zero,
                Visit::One => one,
            });
        }
        builder.finish(new[self.root as usize])
    }

    /// A sum is followed from the top with the carry guessed: `sets[cout]` is the set of low parts
    /// whose sum is in the set and whose carry out is `cout`.
    fn preimage_add(&self, c: u32) -> Self {
        let mut builder = Builder::default();
        let root = builder.import(self);
        let mut memo = BTreeMap::new();
        let sets = [false, true].map(|carry| builder.sum(root, 32, carry, c, &mut memo));
        let root = builder.combine(sets[0], sets[1], false, &mut BTreeMap::new());
        builder.finish(root)
    }

    fn preimage_mul(&self, c: u32) -> Option<Self> {
        let small = |set: &Self| set.count() <= WALK_LIMIT as u64;
        if !small(self) {
            let rest = self.complement();
            return small(&rest).then(|| rest.preimage_mul(c).map(|set| set.complement()))?;
        }
        let shift = c.trailing_zeros();
        // The inverse of an odd number modulo 2^32; each step doubles the bits that are right.
        let odd = c >> shift;
        let inverse = (0..5).fold(odd, |inv, _| inv.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(inv))));
        let mut found = Self::empty();
        for (low, high) in self.intervals(WALK_LIMIT)? {
            for product in (low..=high).filter(|p| p.trailing_zeros() >= shift) {
                let mask = u32::MAX >> shift;
                found = found.union(&Self::masked(mask, (product >> shift).wrapping_mul(inverse) & mask));
            }
        }
        Some(found)
    }

    fn preimage_div(&self, c: u32) -> Option<Self> {
        let mut found = Self::empty();
        for (low, high) in self.intervals(WALK_LIMIT)? {
            let Some(low) = low.checked_mul(c) else { break };
            let high = high.saturating_mul(c).saturating_add(c - 1);
            found = found.union(&Self::range(low, high));
        }
        Some(found)
    }
}

/// What becomes of a node when an operation is answered backwards.
enum Visit {
    /// The bit decides, from this place.
    Keep(u8),
    /// The bit decides, turned around.
    Swap(u8),
    /// The bit is always clear.
    Zero,
    /// The bit is always set.
    One,
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    unique: BTreeMap<Node, Ref>,
}

impl Builder {
    fn node(&mut self, bit: u8, zero: Ref, one: Ref) -> Ref {
        if zero == one {
            return zero;
        }
        let node = Node { bit, zero, one };
        *self.unique.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() as Ref + 1
        })
    }

    fn get(&self, at: Ref) -> Option<Node> {
        at.checked_sub(2).map(|at| self.nodes[at as usize])
    }

    fn import(&mut self, set: &WordSet) -> Ref {
        let mut new = alloc::vec![NONE, ALL];
        for node in &set.nodes {
            new.push(self.node(node.bit, new[node.zero as usize], new[node.one as usize]));
        }
        new[set.root as usize]
    }

    /// The children of `at` by `bit`, which is not below the node's own.
    fn split(&self, at: Ref, bit: u8) -> (Ref, Ref) {
        match self.get(at) {
            Some(node) if node.bit == bit => (node.zero, node.one),
            _ => (at, at),
        }
    }

    /// Intersection when `both`, else union. The depth of the recursion is 32.
    fn combine(&mut self, a: Ref, b: Ref, both: bool, memo: &mut BTreeMap<(Ref, Ref), Ref>) -> Ref {
        let (absorbing, neutral) = if both { (NONE, ALL) } else { (ALL, NONE) };
        match (a, b) {
            _ if a == b || b == neutral => return a,
            _ if a == neutral => return b,
            _ if a == absorbing || b == absorbing => return absorbing,
            _ => {}
        }
        let key = (a.min(b), a.max(b));
        if let Some(&known) = memo.get(&key) {
            return known;
        }
        let bit = self.get(a).map(|n| n.bit).max(self.get(b).map(|n| n.bit)).unwrap_or_default();
        let ((a0, a1), (b0, b1)) = (self.split(a, bit), self.split(b, bit));
        let zero = self.combine(a0, b0, both, memo);
        let one = self.combine(a1, b1, both, memo);
        let node = self.node(bit, zero, one);
        memo.insert(key, node);
        node
    }

    /// The low parts of `bits` bits that, added to those of `c`, are in `at` and carry `carry` out.
    fn sum(&mut self, at: Ref, bits: u8, carry: bool, c: u32, memo: &mut SumMemo) -> Ref {
        let Some(bit) = bits.checked_sub(1) else {
            return if carry { NONE } else { at };
        };
        if at == NONE {
            return NONE;
        }
        if let Some(&known) = memo.get(&(at, bits, carry)) {
            return known;
        }
        let addend = c >> bit & 1 != 0;
        let (zero, one) = self.split(at, bit);
        let ways = [false, true].map(|own| {
            let mut way = NONE;
            for carried in [false, true] {
                let ones = u8::from(own) + u8::from(addend) + u8::from(carried);
                if (ones >= 2) == carry {
                    let next = if ones & 1 == 0 { zero } else { one };
                    let set = self.sum(next, bit, carried, c, memo);
                    way = self.combine(way, set, false, &mut BTreeMap::new());
                }
            }
            way
        });
        let node = self.node(bit, ways[0], ways[1]);
        memo.insert((at, bits, carry), node);
        node
    }

    /// Keeps what `root` reaches, children first, the zero side first: equal sets get equal numbers.
    fn finish(self, root: Ref) -> WordSet {
        let mut done = BTreeMap::from([(NONE, NONE), (ALL, ALL)]);
        let mut nodes = Vec::new();
        self.keep(root, &mut done, &mut nodes);
        WordSet { nodes, root: done[&root] }
    }

    fn keep(&self, at: Ref, done: &mut BTreeMap<Ref, Ref>, nodes: &mut Vec<Node>) {
        if done.contains_key(&at) {
            return;
        }
        let node = self.nodes[at as usize - 2];
        self.keep(node.zero, done, nodes);
        self.keep(node.one, done, nodes);
        nodes.push(Node { bit: node.bit, zero: done[&node.zero], one: done[&node.one] });
        done.insert(at, nodes.len() as Ref + 1);
    }
}

type SumMemo = BTreeMap<(Ref, u8, bool), Ref>;

/// As a condition on a word: `any`, `== 5`, `!= 5`, `& 0xff == 0x3`, or intervals, `1..=5, 9`; a set
/// of many pieces is given by its size.
impl fmt::Display for WordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_full() || self.is_empty() {
            return f.write_str(if self.is_full() { "any" } else { "none" });
        }
        for (set, op) in [(self, "=="), (&self.complement(), "!=")] {
            match set.as_masked() {
                Some((u32::MAX, value)) => return write!(f, "{op} {value:#x}"),
                Some((mask, value)) if mask.leading_ones() + mask.trailing_zeros() != 32 => {
                    return write!(f, "& {mask:#x} {op} {value:#x}");
                }
                _ => {}
            }
        }
        match self.intervals(16) {
            Some(pieces) => {
                for (i, (low, high)) in pieces.into_iter().enumerate() {
                    let comma = if i == 0 { "in " } else { ", " };
                    match low == high {
                        true => write!(f, "{comma}{low:#x}")?,
                        false => write!(f, "{comma}{low:#x}..={high:#x}")?,
                    }
                }
                Ok(())
            }
            None => write!(f, "one of {} values", self.count()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn step() -> impl Strategy<Value = Step> {
        let c = prop_oneof![any::<u32>(), 0..40u32, Just(0x8000_0000), Just(0xffff_0000)];
        (0..9u8, c, 0..32u8).prop_map(|(kind, c, n)| match kind {
            0 => Step::Add(c),
            1 => Step::Mul(c),
            2 => Step::Div(c.max(1)),
            3 => Step::And(c),
            4 => Step::Or(c),
            5 => Step::Xor(c),
            6 => Step::Shl(n),
            7 => Step::Shr(n),
            _ => Step::Neg,
        })
    }

    fn set() -> impl Strategy<Value = WordSet> {
        let word = || prop_oneof![any::<u32>(), 0..40u32, any::<u32>().prop_map(|w| !(w & 63))];
        let leaf = prop_oneof![
            (word(), word()).prop_map(|(a, b)| WordSet::range(a.min(b), a.max(b))),
            (word(), word()).prop_map(|(m, v)| WordSet::masked(m, v & m)),
            word().prop_map(WordSet::only),
        ];
        leaf.prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| a.union(&b)),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| a.intersect(&b)),
                inner.prop_map(|a| a.complement()),
            ]
        })
    }

    proptest! {
        #[test]
        fn preimages_are_exact(set in set(), step in step(), words in prop::collection::vec(any::<u32>(), 64)) {
            if let Some(before) = set.preimage(step) {
                let edges = set.intervals(64).into_iter().flatten().flat_map(|(l, h)| [l, h]);
                let near = before.intervals(64).into_iter().flatten();
                let near = near.flat_map(|(l, h)| [l, h, l.wrapping_sub(1), h.wrapping_add(1)]);
                for word in words.into_iter().chain(0..64).chain(edges).chain(near) {
                    prop_assert_eq!(before.contains(word), set.contains(step.apply(word)), "{}", word);
                }
            }
        }

        #[test]
        fn sets_obey_the_laws(a in set(), b in set(), words in prop::collection::vec(any::<u32>(), 32)) {
            let (both, either, not) = (a.intersect(&b), a.union(&b), a.complement());
            prop_assert_eq!(&both.complement(), &not.union(&b.complement()));
            prop_assert_eq!(&either.intersect(&a), &a);
            prop_assert_eq!(a.count() + not.count(), 1 << 32);
            prop_assert_eq!(both.count() + either.count(), a.count() + b.count());
            prop_assert_eq!(a.first().is_some_and(|w| a.contains(w)), !a.is_empty());
            for w in words {
                prop_assert_eq!(both.contains(w), a.contains(w) && b.contains(w));
                prop_assert_eq!(either.contains(w), a.contains(w) || b.contains(w));
                prop_assert_eq!(not.contains(w), !a.contains(w));
            }
        }

        #[test]
        fn intervals_rebuild_the_set(a in set()) {
            if let Some(pieces) = a.intervals(200) {
                let rebuilt = pieces.iter().fold(WordSet::empty(), |s, &(l, h)| s.union(&WordSet::range(l, h)));
                prop_assert_eq!(&rebuilt, &a);
                prop_assert_eq!(pieces.iter().map(|&(l, h)| u64::from(h - l) + 1).sum::<u64>(), a.count());
            }
        }
    }

    #[test]
    fn known_shapes_print_as_conditions() {
        let cases = [
            (WordSet::full(), "any"),
            (WordSet::empty(), "none"),
            (WordSet::only(5), "== 0x5"),
            (WordSet::only(5).complement(), "!= 0x5"),
            (WordSet::masked(0x7e02_0000, 0), "& 0x7e020000 == 0x0"),
            (WordSet::masked(3, 1).complement(), "& 0x3 != 0x1"),
            (WordSet::range(3, 9), "in 0x3..=0x9"),
            (WordSet::range(0, 0xff).union(&WordSet::only(0x200)), "in 0x0..=0xff, 0x200"),
        ];
        for (set, text) in cases {
            assert_eq!(set.to_string(), text);
        }
    }

    #[test]
    fn parity_is_one_node() {
        let even = WordSet::masked(1, 0);
        assert_eq!((even.count(), even.intervals(1000)), (1 << 31, None));
        assert_eq!(even.as_masked(), Some((1, 0)));
        assert_eq!(even.preimage(Step::Mul(3)), None);
    }
}
