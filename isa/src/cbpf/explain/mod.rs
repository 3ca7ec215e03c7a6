//! Tells in words what a filter does: its tests as a tree, with the names of the fields they are about.
//!
//! Every path is followed from the first instruction, with what registers hold as formulas over the
//! packet and with what the tests on the way have found out. A test whose outcome is known already is
//! left out, which makes unoptimised code as short as optimised. Where a path comes to a place with
//! the same knowledge as one before, the tree refers to it; a tree that grows too long is cut, and
//! says so.
//!
//! Field names need the link type, as files number it. They are those of Ethernet with VLAN tags, raw
//! IP, BSD loopback and both Linux cooked headers, of ARP, IPv4 and IPv6, and of the beginnings of TCP,
//! UDP, SCTP and ICMP; whatever else a filter reads is told by its offset.

mod fields;
pub mod names;
mod value;

use super::check::{Dialect, Filter};
use super::insn::{Alu, Cond, Insn, Size};
use super::live::liveness;
use super::packet::Ancillary;
use super::seccomp::Return;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use fields::{Field, Link};
use names::Kind;
use value::{State, Value};

/// A filter in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The root.
    pub tree: Node,
    /// Whether the tree was cut for its length.
    pub cut: bool,
}

/// A part of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Node {
    /// A question and what follows from either answer.
    Test {
        /// The instruction that asks.
        insn: usize,
        /// As a statement that holds or not: "the EtherType is IPv4 (0x800)".
        statement: String,
        /// Where it holds.
        yes: Box<Self>,
        /// Where it does not.
        no: Box<Self>,
    },
    /// The end.
    End {
        /// The instruction that returns.
        insn: usize,
        /// What comes of it: "no match", "match, keep 96 bytes".
        outcome: String,
    },
    /// The same as at a test elsewhere in the tree.
    As {
        /// The instruction of that test.
        insn: usize,
    },
    /// A jump back, in filters of libpcap.
    Back {
        /// The instruction that it goes to.
        insn: usize,
    },
    /// Not followed, for the length of the tree.
    More {
        /// The instruction that would have come next.
        insn: usize,
    },
}

/// Nodes of a tree before it is cut.
const MOST: usize = 4000;
/// Subtrees up to this many nodes are told again instead of being referred to.
const SMALL: usize = 3;

/// Explains a filter on packets of a link type.
pub fn explain(filter: &Filter, link_type: u32) -> Explanation {
    let link = match filter.dialect() {
        Dialect::Seccomp => Link::Seccomp,
        _ => Link::of(link_type),
    };
    let insns = filter.insns();
    let forward = !insns.iter().any(|i| matches!(i, Insn::Jump(k) if k.cast_signed() < 0));
    let live = if forward { liveness(insns) } else { vec![u32::MAX; insns.len() + 1] };
    let seen = insns.iter().map(|_| Vec::new()).collect();
    let mut walk = Walk { filter, link, live, seen, nodes: 0, cut: false };
    let (tree, _) = walk.follow(0, State::start(), 0);
    Explanation { tree, cut: walk.cut }
}

struct Walk<'a> {
    filter: &'a Filter,
    link: Link,
    live: Vec<u32>,
    /// For each test, the states it was met with and the size of what followed.
    seen: Vec<Vec<(State, usize)>>,
    nodes: usize,
    cut: bool,
}

impl Walk<'_> {
    /// The tree from an instruction on, and its size.
    fn follow(&mut self, mut at: usize, mut state: State, depth: usize) -> (Node, usize) {
        /// Trees are walked by recursion; no filter nests its tests so deep.
        const DEEPEST: usize = 400;
        let dialect = self.filter.dialect();
        self.nodes += 1;
        if self.nodes > MOST || depth > DEEPEST {
            self.cut = true;
            return (Node::More { insn: at }, 1);
        }
        loop {
            match self.filter.insns()[at] {
                Insn::RetK(k) => return (Node::End { insn: at, outcome: self.outcome(k) }, 1),
                Insn::RetA | Insn::RetX => {
                    let outcome = match *state.a() {
                        Value::Const(k) => self.outcome(k),
                        _ => format!("the verdict is {}", self.words(&state, state.a())),
                    };
                    return (Node::End { insn: at, outcome }, 1);
                }
                Insn::Jump(k) if k.cast_signed() < 0 => {
                    let insn = at.wrapping_add_signed(k.cast_signed() as isize + 1);
                    return (Node::Back { insn }, 1);
                }
                Insn::Jump(k) => at += 1 + k as usize,
                Insn::Branch { cond, with, jt, jf } => {
                    let with = state.operand(with);
                    let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
                    match state.decided(cond, &with) {
                        _ if yes == no => at = yes,
                        Some(true) => at = yes,
                        Some(false) => at = no,
                        None => return self.test(at, state, cond, &with, [yes, no], depth),
                    }
                }
                insn => {
                    state.step(insn, dialect);
                    at += 1;
                }
            }
        }
    }

    fn test(
        &mut self,
        at: usize,
        mut state: State,
        cond: Cond,
        with: &Value,
        ways: [usize; 2],
        depth: usize,
    ) -> (Node, usize) {
        state.forget(self.live[at]);
        if let Some((_, size)) = self.seen[at].iter().find(|(before, _)| *before == state)
            && *size > SMALL
        {
            return (Node::As { insn: at }, 1);
        }
        let statement = self.statement(&state, cond, with);
        let [yes, no] = [(ways[0], true), (ways[1], false)].map(|(to, holds)| {
            let mut state = state.clone();
            state.learn(cond, with, holds);
            self.follow(to, state, depth + 1)
        });
        let size = 1 + yes.1 + no.1;
        self.seen[at].push((state, size));
        // A test that decides nothing is no test.
        if yes.0.is_same_end(&no.0) {
            return yes;
        }
        (Node::Test { insn: at, statement, yes: Box::new(yes.0), no: Box::new(no.0) }, size)
    }

    fn outcome(&self, k: u32) -> String {
        match (self.filter.dialect(), k) {
            (Dialect::Seccomp, _) => Return::decode(k).to_string(),
            (_, 0) => "no match".to_string(),
            (_, 1) => "match".to_string(),
            (_, k) => format!("match, keep {k} bytes"),
        }
    }

    fn field(&self, state: &State, value: &Value) -> Option<Field> {
        match value {
            Value::Load { size, base, k } => fields::name(self.link, state, *size, base.as_deref(), *k),
            Value::Ancillary(which) => {
                let (name, kind) = match which {
                    Ancillary::Protocol => ("the protocol", Kind::EtherType),
                    Ancillary::PktType => ("the packet type", Kind::PktType),
                    Ancillary::IfIndex => ("the interface index", Kind::Plain),
                    Ancillary::NlAttr => ("the netlink attribute", Kind::Plain),
                    Ancillary::NlAttrNest => ("the nested netlink attribute", Kind::Plain),
                    Ancillary::Mark => ("the mark", Kind::Hex),
                    Ancillary::Queue => ("the receive queue", Kind::Plain),
                    Ancillary::HaType => ("the hardware type", Kind::Plain),
                    Ancillary::RxHash => ("the flow hash", Kind::Hex),
                    Ancillary::Cpu => ("the CPU", Kind::Plain),
                    Ancillary::VlanTag => ("the VLAN tag beside the packet", Kind::Hex),
                    Ancillary::VlanPresent => ("whether there is a VLAN tag beside the packet", Kind::Plain),
                    Ancillary::PayOffset => ("the offset of the payload", Kind::Plain),
                    Ancillary::Random => ("a random number", Kind::Plain),
                    Ancillary::VlanTpid => ("the protocol of the VLAN tag", Kind::EtherType),
                    Ancillary::XorX => return None,
                };
                Some(Field { name: name.into(), kind })
            }
            _ => None,
        }
    }

    /// What a formula is called.
    fn words(&self, state: &State, value: &Value) -> String {
        if let Some(field) = self.field(state, value) {
            return field.name.into_owned();
        }
        match value {
            Value::Const(k) if *k < 4096 => k.to_string(),
            Value::Const(k) => format!("{k:#x}"),
            Value::Len => "the length of the packet".to_string(),
            Value::Load { size, base: None, k } => {
                let bytes = size.bytes();
                match (k.cast_signed(), bytes) {
                    (k @ 0.., 1) => format!("byte {k}"),
                    (k @ 0.., _) => format!("bytes {k} to {}", k as u32 + bytes - 1),
                    (k, _) => format!("{bytes} bytes at offset {k}"),
                }
            }
            Value::Load { size, base: Some(base), k } => {
                let plus = if *k == 0 { String::new() } else { format!("{} + ", k.cast_signed()) };
                let bytes = size.bytes();
                let s = if bytes == 1 { "" } else { "s" };
                format!("{bytes} byte{s} at offset {plus}{}", self.words(state, base))
            }
            Value::HeaderLen(_) => "the IPv4 header length".to_string(),
            Value::Op(Alu::And, byte, mask) if **mask == Value::Const(0xf0) && is_first(byte) => {
                "the IP version times 16".to_string()
            }
            Value::Op(op, a, b) => {
                let sign = match op {
                    Alu::Add => "+",
                    Alu::Sub => "-",
                    Alu::Mul => "*",
                    Alu::Div => "/",
                    Alu::Mod => "%",
                    Alu::And => "&",
                    Alu::Or => "|",
                    Alu::Xor => "^",
                    Alu::Lsh => "<<",
                    Alu::Rsh => ">>",
                };
                let right = match (&**b, op) {
                    (Value::Const(k), Alu::And | Alu::Or | Alu::Xor) => format!("{k:#x}"),
                    (b, _) => self.words(state, b),
                };
                format!("({} {sign} {right})", self.words(state, a))
            }
            Value::Neg(a) => format!("-({})", self.words(state, a)),
            Value::Something | Value::Ancillary(_) => "a computed value".to_string(),
        }
    }

    fn statement(&self, state: &State, cond: Cond, with: &Value) -> String {
        let a = state.a();
        let name = self.words(state, a);
        // A mask keeps the meaning of the numbers of what it masks.
        let field = self.field(state, a).or_else(|| match a {
            Value::Op(Alu::And, masked, _) => self.field(state, masked),
            _ => None,
        });
        let bytes = match a {
            Value::Load { size, .. } => size.bytes(),
            _ => Size::W.bytes(),
        };
        let number = |k: u32| {
            if let (Link::Seccomp, Value::Load { k: at, .. }, Cond::Eq) = (self.link, a, cond)
                && let Some(word) = fields::seccomp_number(state, *at, k)
            {
                return word;
            }
            match &field {
                Some(field) => field.kind.number(k, bytes),
                None => self.words(state, &Value::Const(k)),
            }
        };
        let with_words = match with {
            Value::Const(k) => number(*k),
            other => self.words(state, other),
        };
        match (cond, with, a) {
            (Cond::Set, Value::Const(0x1fff), _) if name.ends_with("fragment offset") => {
                "the packet is a fragment after the first".to_string()
            }
            (Cond::Eq, Value::Const(k @ 0..=1), Value::Ancillary(Ancillary::VlanPresent)) => {
                let not = if *k == 0 { "no" } else { "a" };
                format!("there is {not} VLAN tag beside the packet")
            }
            (Cond::Eq, Value::Const(0x40), Value::Op(Alu::And, byte, _)) if is_first(byte) => {
                "the packet is IPv4".to_string()
            }
            (Cond::Eq, Value::Const(0x60), Value::Op(Alu::And, byte, _)) if is_first(byte) => {
                "the packet is IPv6".to_string()
            }
            (Cond::Eq, ..) => format!("{name} is {with_words}"),
            (Cond::Gt, ..) => format!("{name} is above {with_words}"),
            (Cond::Ge, ..) => format!("{name} is at least {with_words}"),
            (Cond::Set, Value::Const(k), _) => {
                let bits = match field.as_ref().map(|field| field.kind) {
                    Some(Kind::TcpFlags) => Kind::TcpFlags.number(*k, 1),
                    _ => format!("{k:#x}"),
                };
                let any = if k.is_power_of_two() { "the bit" } else { "any of the bits" };
                format!("{name} has {any} {bits}")
            }
            (Cond::Set, ..) => format!("{name} has any of the bits of {with_words}"),
        }
    }
}

/// Whether a formula is the first byte of a packet.
fn is_first(value: &Value) -> bool {
    matches!(value, Value::Load { size: Size::B, base: None, k: 0 })
}

impl Node {
    /// Whether both are ends with the same outcome.
    fn is_same_end(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::End { outcome: a, .. }, Self::End { outcome: b, .. }) => a == b,
            _ => false,
        }
    }

    const fn is_end(&self) -> bool {
        !matches!(self, Self::Test { .. })
    }

    /// What stands for a node that is no test.
    fn short(&self) -> String {
        match self {
            Self::End { outcome, .. } => outcome.clone(),
            Self::As { insn } => format!("go on as at ({insn:03})"),
            Self::Back { insn } => format!("go back to ({insn:03})"),
            Self::More { insn } => format!("… from ({insn:03}) on"),
            Self::Test { statement, .. } => statement.clone(),
        }
    }

    /// A test whose one answer is an end goes on without being indented.
    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let mut node = self;
        loop {
            let Self::Test { insn, statement, yes, no } = node else {
                return writeln!(f, "{:indent$}{}", "", node.short());
            };
            write!(f, "{:indent$}({insn:03}) ", "")?;
            match (yes.is_end(), no.is_end()) {
                (true, true) => {
                    return writeln!(f, "if {statement}: {}; else {}", yes.short(), no.short());
                }
                (true, false) => {
                    writeln!(f, "if {statement}: {}", yes.short())?;
                    node = no;
                }
                (false, true) => {
                    writeln!(f, "unless {statement}: {}", no.short())?;
                    node = yes;
                }
                (false, false) => {
                    writeln!(f, "if {statement}:")?;
                    yes.write(f, indent + 4)?;
                    writeln!(f, "{:indent$}      else:", "")?;
                    return no.write(f, indent + 4);
                }
            }
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tree.write(f, 0)
    }
}

#[cfg(test)]
mod tests;
