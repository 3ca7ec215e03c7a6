//! Why an expression does not compile, and where.

use super::{LinkType, Proto};
use core::fmt;

/// A range of bytes of the expression's text. An empty one at the end means that more was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    pub(super) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// An expression that does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// The words at fault.
    pub span: Span,
    /// What is wrong with them.
    pub kind: ErrorKind,
}

/// What is wrong with an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Something else was expected here.
    Expected(&'static str),
    /// No word of the language starts with this character.
    Character,
    /// The number does not fit 32 bits.
    NumberTooLarge,
    /// A number that starts with 0 is octal and has a digit 8 or 9.
    NotOctal,
    /// Not an IPv4 address or network.
    Ipv4Address,
    /// Not an IPv6 address.
    Ipv6Address,
    /// Not a link-layer address.
    LinkAddress,
    /// Not a DECnet address.
    DecnetAddress,
    /// A name, number or address that no qualifier tells what it is.
    Unqualified,
    /// A qualifier that does not go with what it is applied to.
    Qualifier {
        /// The protocol, or `link`.
        proto: Proto,
        /// `host`, `net`, `port`, `proto` and so on.
        to: &'static str,
    },
    /// A direction that only 802.11 frames have.
    WirelessDirection,
    /// An address of the link layer without `ether`, or with something else.
    LinkAddressQualifier,
    /// An address where a port or protocol is expected.
    AddressAs(&'static str),
    /// `gateway` with a number or an address.
    GatewayName,
    /// No address of this host is known.
    UnknownHost,
    /// No link-layer address of this host is known.
    UnknownLinkHost,
    /// No network of this name is known.
    UnknownNetwork,
    /// No port of this name is known.
    UnknownPort,
    /// The port of this name belongs to another protocol.
    PortOf(&'static str),
    /// No protocol of this name is known.
    UnknownProtocol,
    /// No LLC frame of this name is known.
    UnknownLlc,
    /// Names of DECnet hosts have no table.
    DecnetName,
    /// A number above its limit.
    TooLarge {
        /// What the number is.
        what: &'static str,
        /// The largest it can be.
        max: u32,
    },
    /// A port below zero.
    NegativePort,
    /// A mask leaves out bits that the network has.
    HostBits,
    /// A mask applied to what is not a network.
    MaskOnHost,
    /// A load of something other than 1, 2 or 4 bytes.
    LoadSize,
    /// Bytes of this protocol cannot be loaded.
    Unindexed(Proto),
    /// A division by zero, or one by a divisor that starts with the constant 0.
    DivisionByZero,
    /// A shift by more than 31 bits.
    Shift,
    /// The arithmetic needs more than the sixteen words of scratch memory.
    Registers,
    /// This link type has no such thing.
    Link {
        /// The primitive.
        what: &'static str,
        /// The link type, that of an encapsulated header if the expression has led to one.
        link: LinkType,
    },
    /// A primitive about link types this compiler does not know: 802.11, ATM, SS7, PF logs, ARCnet.
    ForeignLink(&'static str),
    /// A direction or interface in a capture file, where nothing records it.
    NotInFiles(&'static str),
    /// `vlan` after `mpls`.
    VlanAfterMpls,
    /// A protocol other than IPv4 and IPv6 after `mpls`.
    OverMpls,
    /// `protochain` after `geneve`, where the header starts at a varying offset.
    VariableHeader,
    /// `ip broadcast` without the network's mask.
    NetmaskUnknown,
    /// No packet can match.
    RejectsAll,
    /// A snapshot length of 0, which keeps no packet.
    Snaplen,
    /// Parentheses or signs nested more than this many deep.
    TooDeep {
        /// The deepest nesting.
        max: usize,
    },
}

impl ErrorKind {
    /// Whether the words at fault are the qualifiers with what they qualify.
    pub(super) const fn is_of_qualifiers(self) -> bool {
        use ErrorKind as K;
        matches!(
            self,
            K::Qualifier { .. }
                | K::WirelessDirection
                | K::LinkAddressQualifier
                | K::AddressAs(_)
                | K::GatewayName
                | K::MaskOnHost
                | K::Link { .. }
                | K::OverMpls
                | K::VariableHeader
                | K::PortOf(_)
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::Character => f.write_str("no word starts with this character"),
            Self::NumberTooLarge => f.write_str("the number does not fit 32 bits"),
            Self::NotOctal => f.write_str("a number that starts with 0 is octal"),
            Self::Ipv4Address => f.write_str("not an IPv4 address"),
            Self::Ipv6Address => f.write_str("not an IPv6 address"),
            Self::LinkAddress => f.write_str("not an Ethernet address"),
            Self::DecnetAddress => f.write_str("not a DECnet address, which has the form AREA.NODE"),
            Self::Unqualified => f.write_str("no qualifier tells what this is: host, net, port, proto"),
            Self::Qualifier { proto, to } => write!(f, "\"{}\" does not go with \"{to}\"", proto.name()),
            Self::WirelessDirection => f.write_str("only 802.11 frames have this address"),
            Self::LinkAddressQualifier => {
                f.write_str("an Ethernet address goes with \"ether host\", \"ether src\" and \"ether dst\"")
            }
            Self::AddressAs(what) => write!(f, "an address, where \"{what}\" takes something else"),
            Self::GatewayName => f.write_str("\"gateway\" takes the name of a host"),
            Self::UnknownHost => f.write_str("unknown host"),
            Self::UnknownLinkHost => f.write_str("no Ethernet address of this host is known"),
            Self::UnknownNetwork => f.write_str("unknown network"),
            Self::UnknownPort => f.write_str("unknown port"),
            Self::PortOf(proto) => write!(f, "this is a port of {proto}"),
            Self::UnknownProtocol => f.write_str("unknown protocol"),
            Self::UnknownLlc => f.write_str(
                "expected an LLC frame: i, s, u, rr, rnr, rej, ui, ua, disc, dm, sabme, test, xid, frmr",
            ),
            Self::DecnetName => f.write_str("names of DECnet hosts are not known"),
            Self::TooLarge { what, max } => write!(f, "{what} is at most {max}"),
            Self::NegativePort => f.write_str("a port is not negative"),
            Self::HostBits => f.write_str("the network has bits outside the mask"),
            Self::MaskOnHost => f.write_str("only networks have a mask"),
            Self::LoadSize => f.write_str("a load has 1, 2 or 4 bytes"),
            Self::Unindexed(proto) => write!(f, "bytes of \"{}\" cannot be loaded", proto.name()),
            Self::DivisionByZero => {
                f.write_str("division by zero; a divisor that starts with the constant 0 counts as well")
            }
            Self::Shift => f.write_str("a shift is by 31 bits at most"),
            Self::Registers => f.write_str("the arithmetic needs more than 16 intermediate values"),
            Self::Link { what, link } => write!(f, "\"{what}\" has no meaning on {link}"),
            Self::ForeignLink(what) => write!(f, "\"{what}\" belongs to a link type without support"),
            Self::NotInFiles(what) => write!(f, "capture files of this link type do not tell \"{what}\""),
            Self::VlanAfterMpls => f.write_str("no VLAN tag follows an MPLS label"),
            Self::OverMpls => f.write_str("of the protocols over MPLS only IPv4 and IPv6 are told apart"),
            Self::VariableHeader => f.write_str(
                "\"protochain\" needs headers at fixed offsets, which there are not after \"geneve\"",
            ),
            Self::NetmaskUnknown => f.write_str("\"ip broadcast\" needs the mask of the network"),
            Self::RejectsAll => f.write_str("no packet can match"),
            Self::Snaplen => f.write_str("a snapshot length of 0 keeps no packet"),
            Self::TooDeep { max } => write!(f, "nested more than {max} deep"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {} to {}: {}", self.span.start, self.span.end, self.kind)
    }
}

impl core::error::Error for Error {}

impl Error {
    pub(super) const fn new(span: Span, kind: ErrorKind) -> Self {
        Self { span, kind }
    }

    /// The error as text: what is wrong, the line of the expression, and a mark under the words.
    pub fn show<'a>(&'a self, text: &'a str) -> impl fmt::Display + 'a {
        Shown { error: self, text }
    }
}

struct Shown<'a> {
    error: &'a Error,
    text: &'a str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { start, end } = self.error.span;
        let before = self.text.get(..start).unwrap_or(self.text);
        let from = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[from..].lines().next().unwrap_or_default();
        let column = before[from.min(before.len())..].chars().count();
        let marked = self.text.get(start..end).map_or(0, |words| {
            let words = words.lines().next().unwrap_or_default();
            words.chars().count()
        });
        writeln!(f, "{}", self.error.kind)?;
        writeln!(f, "  {line}")?;
        write!(f, "  {:column$}{:^<width$}", "", "", width = marked.max(1))
    }
}
