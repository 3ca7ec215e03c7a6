//! Which field a load reads: by its offset, the link type, and what the path has found out about the
//! layers before.

use super::super::insn::Size;
use super::super::seccomp::Arch;
use super::names::Kind;
use super::value::{State, Value};
use alloc::borrow::Cow;
use alloc::format;

/// A field by name, and how its numbers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub name: Cow<'static, str>,
    pub kind: Kind,
}

fn field(name: &'static str, kind: Kind) -> Option<Field> {
    Some(Field { name: Cow::Borrowed(name), kind })
}

/// The link types whose headers are known here, by their number in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Ethernet,
    Null,
    Raw,
    Sll,
    Sll2,
    Seccomp,
    Other,
}

impl Link {
    pub(super) const fn of(link_type: u32) -> Self {
        match link_type {
            1 => Self::Ethernet,
            0 | 108 => Self::Null,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            113 => Self::Sll,
            276 => Self::Sll2,
            _ => Self::Other,
        }
    }

    /// Where the protocol of the network layer stands, and where that layer starts.
    const fn protocol_at(self) -> Option<(u32, u32)> {
        match self {
            Self::Ethernet => Some((12, 14)),
            Self::Sll => Some((14, 16)),
            Self::Sll2 => Some((0, 20)),
            _ => None,
        }
    }
}

/// The network layer as far as a path knows it.
#[derive(Clone, Copy)]
struct Network {
    at: u32,
    /// An EtherType.
    protocol: Option<u32>,
}

const fn load(size: Size, k: u32) -> Value {
    Value::Load { size, base: None, k }
}

/// Looks for the network layer: past VLAN tags, by the family, or by the version.
fn network(link: Link, state: &State) -> Network {
    match link {
        Link::Null => {
            let family = state.known(&load(Size::W, 0));
            let protocol = match family {
                Some(2 | 0x0200_0000) => Some(0x0800),
                Some(_) => Some(0x86dd),
                None => None,
            };
            Network { at: 4, protocol }
        }
        Link::Raw => {
            let byte = alloc::rc::Rc::new(load(Size::B, 0));
            let mask = alloc::rc::Rc::new(Value::Const(0xf0));
            let version = state.known(&Value::Op(super::super::Alu::And, byte, mask));
            let protocol = match version {
                Some(0x40) => Some(0x0800),
                Some(0x60) => Some(0x86dd),
                _ => None,
            };
            Network { at: 0, protocol }
        }
        _ => {
            let Some((mut kind_at, mut at)) = link.protocol_at() else {
                return Network { at: 0, protocol: None };
            };
            loop {
                let protocol = state.known(&load(Size::H, kind_at));
                match protocol {
                    Some(0x8100 | 0x88a8 | 0x9100) if at < 64 => (kind_at, at) = (at + 2, at + 4),
                    _ => return Network { at, protocol },
                }
            }
        }
    }
}

/// The field that a load reads, when it is one.
pub(super) fn name(link: Link, state: &State, size: Size, base: Option<&Value>, k: u32) -> Option<Field> {
    let bytes = size.bytes();
    if link == Link::Seccomp {
        return seccomp(state, k);
    }
    let network = network(link, state);
    match base {
        None => {
            let of_link = if k < network.at { link_field(link, k, bytes, network.at) } else { None };
            of_link.or_else(|| network_field(network, state, k.checked_sub(network.at)?, bytes))
        }
        // Past the header of IPv4, whose length is the index.
        Some(Value::HeaderLen(at)) if *at == network.at => {
            transport(state, network, k.checked_sub(network.at)?, bytes)
        }
        Some(_) => None,
    }
}

fn link_field(link: Link, k: u32, bytes: u32, network: u32) -> Option<Field> {
    let (kind_at, header) = link.protocol_at().unwrap_or((u32::MAX, 0));
    match (link, k, bytes) {
        (_, k, 2) if k == kind_at => field("the EtherType", Kind::EtherType),
        // Tags move the type that counts to the end of the link layer.
        (_, k, 2) if k >= header && k + 2 == network => {
            field("the EtherType after the VLAN tag", Kind::EtherType)
        }
        (_, k, 2) if k >= header && k + 4 == network => field("the VLAN tag", Kind::Hex),
        (Link::Ethernet, 0, 6) => field("the destination MAC address", Kind::Mac),
        (Link::Ethernet, 0..6, _) if k + bytes <= 6 => {
            part("the destination MAC address", k, bytes, Kind::Mac)
        }
        (Link::Ethernet, 6..12, _) if k + bytes <= 12 => {
            part("the source MAC address", k - 6, bytes, Kind::Mac)
        }
        (Link::Null, 0, 4) => field("the address family", Kind::Family),
        (Link::Sll, 0, 2) | (Link::Sll2, 10, 1) => field("the packet type", Kind::PktType),
        (Link::Sll, 2, 2) | (Link::Sll2, 8, 2) => field("the hardware type", Kind::Plain),
        (Link::Sll2, 4, 4) => field("the interface index", Kind::Plain),
        _ => None,
    }
}

/// Some bytes of an address, counted from 0.
fn part(name: &str, at: u32, bytes: u32, kind: Kind) -> Option<Field> {
    let last = at + bytes - 1;
    let name = match bytes {
        1 => format!("byte {at} of {name}"),
        _ => format!("bytes {at} to {last} of {name}"),
    };
    Some(Field { name: Cow::Owned(name), kind })
}

fn network_field(network: Network, state: &State, k: u32, bytes: u32) -> Option<Field> {
    match network.protocol {
        Some(0x0800) => match (k, bytes) {
            (0, 1) => field("the first byte of IPv4 (version and header length)", Kind::Hex),
            (1, 1) => field("the IPv4 type of service", Kind::Hex),
            (2, 2) => field("the IPv4 total length", Kind::Plain),
            (4, 2) => field("the IPv4 identification", Kind::Hex),
            (6, 2) => field("the IPv4 flags and fragment offset", Kind::Hex),
            (8, 1) => field("the IPv4 time to live", Kind::Plain),
            (9, 1) => field("the IPv4 protocol", Kind::Protocol),
            (10, 2) => field("the IPv4 checksum", Kind::Hex),
            (12, 4) => field("the IPv4 source address", Kind::Ipv4),
            (16, 4) => field("the IPv4 destination address", Kind::Ipv4),
            (12..16, _) => part("the IPv4 source address", k - 12, bytes, Kind::Plain),
            (16..20, _) => part("the IPv4 destination address", k - 16, bytes, Kind::Plain),
            _ => None,
        },
        Some(0x86dd) => match (k, bytes) {
            (0, 4) => field("the IPv6 version, class and flow", Kind::Hex),
            (4, 2) => field("the IPv6 payload length", Kind::Plain),
            (6, 1) => field("the IPv6 next header", Kind::Protocol),
            (7, 1) => field("the IPv6 hop limit", Kind::Plain),
            (8..24, _) => part("the IPv6 source address", k - 8, bytes, Kind::Ipv6),
            (24..40, _) => part("the IPv6 destination address", k - 24, bytes, Kind::Ipv6),
            (40, 1) if state.known(&load(Size::B, network.at + 6)) == Some(44) => {
                field("the protocol after the fragment header", Kind::Protocol)
            }
            (40.., _) => transport(state, network, k - 40, bytes),
            _ => None,
        },
        Some(0x0806 | 0x8035) => match (k, bytes) {
            (0, 2) => field("the ARP hardware type", Kind::Plain),
            (2, 2) => field("the ARP protocol type", Kind::EtherType),
            (6, 2) => field("the ARP operation", Kind::ArpOp),
            (8..14, _) => part("the ARP sender MAC address", k - 8, bytes, Kind::Mac),
            (14, 4) => field("the ARP sender address", Kind::Ipv4),
            (18..24, _) => part("the ARP target MAC address", k - 18, bytes, Kind::Mac),
            (24, 4) => field("the ARP target address", Kind::Ipv4),
            _ => None,
        },
        _ => None,
    }
}

fn transport(state: &State, network: Network, k: u32, bytes: u32) -> Option<Field> {
    let at = if network.protocol == Some(0x86dd) { 6 } else { 9 };
    let protocol = state.known(&load(Size::B, network.at + at));
    match (protocol, k, bytes) {
        (Some(6), 0, 2) => field("the TCP source port", Kind::Plain),
        (Some(6), 2, 2) => field("the TCP destination port", Kind::Plain),
        (Some(17), 0, 2) => field("the UDP source port", Kind::Plain),
        (Some(17), 2, 2) => field("the UDP destination port", Kind::Plain),
        (Some(132), 0, 2) => field("the SCTP source port", Kind::Plain),
        (Some(132), 2, 2) => field("the SCTP destination port", Kind::Plain),
        (None, 0, 2) => field("the source port", Kind::Plain),
        (None, 2, 2) => field("the destination port", Kind::Plain),
        (Some(6), 4, 4) => field("the TCP sequence number", Kind::Plain),
        (Some(6), 8, 4) => field("the TCP acknowledgement number", Kind::Plain),
        (Some(6), 12, 1) => field("the byte of the TCP header length", Kind::Hex),
        (Some(6), 13, 1) => field("the TCP flags", Kind::TcpFlags),
        (Some(6), 14, 2) => field("the TCP window", Kind::Plain),
        (Some(17), 4, 2) => field("the UDP length", Kind::Plain),
        (Some(1), 0, 1) => field("the ICMP type", Kind::Plain),
        (Some(1), 1, 1) => field("the ICMP code", Kind::Plain),
        (Some(58), 0, 1) => field("the ICMPv6 type", Kind::Plain),
        (Some(58), 1, 1) => field("the ICMPv6 code", Kind::Plain),
        _ => None,
    }
}

fn seccomp(state: &State, k: u32) -> Option<Field> {
    let half = |name: &str, k: u32| {
        let first = k.is_multiple_of(8);
        let arch = state.known(&load(Size::W, 4)).and_then(Arch::from_audit);
        let half = match arch.map(|arch| arch.is_little_endian() == first) {
            Some(true) => "low",
            Some(false) => "high",
            None if first => "first",
            None => "second",
        };
        Some(Field { name: Cow::Owned(format!("the {half} half of {name}")), kind: Kind::Hex })
    };
    match k {
        0 => field("the system call", Kind::Hex),
        4 => field("the architecture", Kind::Hex),
        8 | 12 => half("the instruction pointer", k),
        16..64 => half(&format!("argument {}", k / 8 - 2), k),
        _ => None,
    }
}

/// The word for a number that a seccomp filter compares with.
pub(super) fn seccomp_number(state: &State, k: u32, number: u32) -> Option<alloc::string::String> {
    let arch = state.known(&load(Size::W, 4)).and_then(Arch::from_audit);
    match k {
        0 => {
            let arch = arch.unwrap_or(Arch::X86_64);
            let known = arch.by_number(number).or_else(|| Arch::X32.by_number(number))?;
            Some(format!("{} ({number})", known.name))
        }
        4 => Some(format!("{} ({number:#x})", Arch::from_audit(number)?.name())),
        _ => None,
    }
}
