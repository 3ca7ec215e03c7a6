//! Reduced ordered binary decision diagrams: functions of the bits of a packet, each in one form only,
//! so that equal functions are the same node.
//!
//! Every operation is if-then-else. Nodes are kept in one table that only grows; when it is full the
//! work ends with an error and nothing is claimed. Depth of recursion is the number of variables,
//! which is bounded for that reason.

use alloc::vec;
use alloc::vec::Vec;

/// A function: a node of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bit(u32);

/// Never.
pub(super) const NO: Bit = Bit(0);
/// Always.
pub(super) const YES: Bit = Bit(1);

impl Bit {
    pub(super) const fn of(value: bool) -> Self {
        if value { YES } else { NO }
    }
}

/// The table is full, or there are too many variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Node {
    var: u32,
    zero: u32,
    one: u32,
}

/// A result that is remembered: if, then, else, and the node.
type Known = [u32; 4];

pub(super) struct Table {
    nodes: Vec<Node>,
    /// Open addressing over `nodes`; 0 marks a free place.
    index: Vec<u32>,
    /// Results by hash; a newer one takes the place of an older.
    known: Vec<Known>,
    variables: Vec<u32>,
    max_nodes: usize,
    max_variables: usize,
}

const CONSTANT: u32 = u32::MAX;
const KNOWN: usize = 1 << 16;

const fn mix(a: u32, b: u32, c: u32) -> usize {
    let h = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (b as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    let h = (h ^ (c as u64)).wrapping_mul(0x1656_67b1_9e37_79f9);
    (h >> 29) as usize
}

impl Table {
    pub(super) fn new(max_nodes: usize, max_variables: usize) -> Self {
        let constant = Node { var: CONSTANT, zero: 0, one: 0 };
        Self {
            nodes: vec![constant, constant],
            index: vec![0; 1 << 10],
            known: vec![[0; 4]; KNOWN],
            variables: Vec::new(),
            max_nodes,
            max_variables,
        }
    }

    /// The function that is the variable itself. Lower numbers are decided first.
    pub(super) fn var(&mut self, var: u32) -> Result<Bit, Full> {
        if let Err(at) = self.variables.binary_search(&var) {
            if self.variables.len() >= self.max_variables {
                return Err(Full);
            }
            self.variables.insert(at, var);
        }
        self.node(var, 0, 1).map(Bit)
    }

    fn node(&mut self, var: u32, zero: u32, one: u32) -> Result<u32, Full> {
        if zero == one {
            return Ok(zero);
        }
        let node = Node { var, zero, one };
        let mask = self.index.len() - 1;
        let mut at = mix(var, zero, one) & mask;
        while self.index[at] != 0 {
            if self.nodes[self.index[at] as usize] == node {
                return Ok(self.index[at]);
            }
            at = (at + 1) & mask;
        }
        if self.nodes.len() >= self.max_nodes {
            return Err(Full);
        }
        let new = self.nodes.len() as u32;
        self.nodes.push(node);
        self.index[at] = new;
        if self.nodes.len() * 2 > self.index.len() {
            self.grow();
        }
        Ok(new)
    }

    fn grow(&mut self) {
        let mask = self.index.len() * 2 - 1;
        let mut index = vec![0; mask + 1];
        for (i, node) in self.nodes.iter().enumerate().skip(2) {
            let mut at = mix(node.var, node.zero, node.one) & mask;
            while index[at] != 0 {
                at = (at + 1) & mask;
            }
            index[at] = i as u32;
        }
        self.index = index;
    }

    /// `if f then g else h`.
    pub(super) fn ite(&mut self, f: Bit, g: Bit, h: Bit) -> Result<Bit, Full> {
        self.choose(f.0, g.0, h.0).map(Bit)
    }

    fn choose(&mut self, f: u32, g: u32, h: u32) -> Result<u32, Full> {
        let g = if g == f { 1 } else { g };
        let h = if h == f { 0 } else { h };
        match (f, g, h) {
            (1, ..) => return Ok(g),
            (0, ..) => return Ok(h),
            (_, 1, 0) => return Ok(f),
            _ if g == h => return Ok(g),
            _ => {}
        }
        let at = mix(f, g, h) & (KNOWN - 1);
        if self.known[at][..3] == [f, g, h] {
            return Ok(self.known[at][3]);
        }
        let var = [f, g, h].map(|n| self.nodes[n as usize].var).into_iter().min().unwrap_or(CONSTANT);
        let side = |n: u32, one: bool| match self.nodes[n as usize] {
            node if node.var == var && one => node.one,
            node if node.var == var => node.zero,
            _ => n,
        };
        let [zero, one] = [false, true].map(|s| [side(f, s), side(g, s), side(h, s)]);
        let zero = self.choose(zero[0], zero[1], zero[2])?;
        let one = self.choose(one[0], one[1], one[2])?;
        let node = self.node(var, zero, one)?;
        self.known[at] = [f, g, h, node];
        Ok(node)
    }

    pub(super) fn not(&mut self, f: Bit) -> Result<Bit, Full> {
        self.ite(f, NO, YES)
    }

    pub(super) fn and(&mut self, f: Bit, g: Bit) -> Result<Bit, Full> {
        self.ite(f, g, NO)
    }

    pub(super) fn or(&mut self, f: Bit, g: Bit) -> Result<Bit, Full> {
        self.ite(f, YES, g)
    }

    pub(super) fn xor(&mut self, f: Bit, g: Bit) -> Result<Bit, Full> {
        let not = self.not(g)?;
        self.ite(f, not, g)
    }

    /// The variables that must be set for `f` to hold, in one way of those there are: the one that
    /// leaves the first variables clear.
    pub(super) fn solution(&self, f: Bit) -> Option<Vec<u32>> {
        let (mut at, mut set) = (f.0, Vec::new());
        while at > 1 {
            let node = self.nodes[at as usize];
            // Every node but the constant has a solution below it.
            at = if node.zero == 0 {
                set.push(node.var);
                node.one
            } else {
                node.zero
            };
        }
        (at == 1).then_some(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_functions_are_the_same_node() {
        let mut t = Table::new(1000, 10);
        let [a, b, c] = [3, 1, 2].map(|v| t.var(v).unwrap());
        let (ab, bc) = (t.and(a, b).unwrap(), t.or(b, c).unwrap());
        let left = t.and(ab, c).unwrap();
        let right = t.and(b, c).unwrap();
        let right = t.and(a, right).unwrap();
        assert_eq!(left, right);
        let (na, nb) = (t.not(a).unwrap(), t.not(b).unwrap());
        let or = t.or(na, nb).unwrap();
        assert_eq!(t.not(ab).unwrap(), or);
        let same = t.xor(bc, bc).unwrap();
        assert_eq!((same, t.solution(NO), t.solution(YES)), (NO, None, Some(vec![])));
        assert_eq!(t.solution(left), Some(vec![1, 2, 3]));
        assert_eq!(t.solution(bc), Some(vec![2]));
    }

    #[test]
    fn a_full_table_says_so() {
        let mut t = Table::new(40, 100);
        let mut f = NO;
        let all = (0..100).try_for_each(|v| {
            let var = t.var(v)?;
            f = t.xor(f, var)?;
            Ok::<_, Full>(())
        });
        assert_eq!(all, Err(Full));
        let mut t = Table::new(1000, 2);
        assert!(t.var(1).is_ok() && t.var(2).is_ok() && t.var(1).is_ok() && t.var(3).is_err());
    }
}
