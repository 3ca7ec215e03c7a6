//! What an expression says: its nodes in the order in which they are complete, children before
//! parents and left before right.
//!
//! The order is a part of the meaning: `vlan` and its like move the offsets of everything after them,
//! whatever the parentheses. It also lets later stages walk expressions of any shape in a loop.

use super::Proto;
use super::error::Span;
use crate::cbpf::{Alu, Cond};

/// The index of a node.
pub(super) type NodeId = usize;

/// A node and the words it stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    pub kind: NodeKind<'a>,
    pub span: Span,
    /// Where the qualifiers before an identifier start.
    pub lead: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum NodeKind<'a> {
    And(NodeId, NodeId),
    Or(NodeId, NodeId),
    Not(NodeId),
    /// Something that a packet has or has not.
    Primitive(Primitive<'a>),
    /// A comparison of two values; not `negated`, the comparison holds.
    Relation {
        cond: Cond,
        negated: bool,
        left: NodeId,
        right: NodeId,
    },
    /// Values.
    Constant(u32),
    Length,
    Load {
        proto: Proto,
        index: NodeId,
        size: u32,
    },
    Negative(NodeId),
    Arithmetic {
        op: Alu,
        left: NodeId,
        right: NodeId,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Primitive<'a> {
    /// A host, network, port or protocol.
    Id(Qualifiers, Id<'a>),
    Proto(Proto),
    Broadcast(Option<Proto>),
    Multicast(Option<Proto>),
    Less(u32),
    Greater(u32),
    Byte {
        index: u32,
        op: ByteOp,
        value: u32,
    },
    Inbound,
    Outbound,
    IfIndex(u32),
    Vlan(Option<u32>),
    Mpls(Option<u32>),
    Pppoed,
    Pppoes(Option<u32>),
    Geneve(Option<u32>),
    Llc(Option<Llc>),
}

/// The comparisons of `byte`.
#[derive(Clone, Copy, Debug)]
pub(super) enum ByteOp {
    Equal,
    Less,
    Greater,
    And,
    Or,
}

/// A kind of LLC frame: by format, or by the whole command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Llc {
    Information,
    Supervisory(Option<u32>),
    Unnumbered(Option<u32>),
}

/// What an identifier names, in the words before it or before an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Qualifiers {
    pub proto: Option<Proto>,
    pub dir: Dir,
    pub kind: Kind,
}

impl Qualifiers {
    /// Those of an identifier that nothing qualifies.
    pub const NONE: Self = Self { proto: None, dir: Dir::Any, kind: Kind::Unqualified };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dir {
    /// Not said, which means either.
    Any,
    Src,
    Dst,
    Either,
    Both,
    /// One of the addresses that only 802.11 has.
    Wireless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unqualified,
    /// Not said, which means a host.
    Default,
    Host,
    Net,
    Port,
    PortRange,
    Gateway,
    Proto,
    ProtoChain,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Id<'a> {
    Number(u32),
    Name(&'a str),
    Dotted(&'a str),
    /// A network and the length of its mask.
    Prefix(&'a str, u32),
    /// A network and its mask.
    Masked(&'a str, &'a str),
    Ipv6([u32; 4]),
    Prefix6([u32; 4], u32),
    Ether([u8; 6]),
    Arcnet,
}
