//! What packets of a link type begin with: where the network header is, which protocol it has, what
//! the link layer tells of direction and device, and a line of words for people.
//!
//! Link types are those of files (`LINKTYPE_*`, tcpdump.org/linktypes.html); their names are
//! libpcap's, as `tcpdump -y` takes them. The network header of a type has one place, as it has in
//! the kernel, so tags and extension headers are not skipped.

use oxbpf_isa::cbpf::explain::names::{ethertype, ip_protocol};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Link types by number, with the numbers and names that also mean them.
const LINKS: &[(u32, &[u32], &str, &[&str])] = &[
    (0, &[], "NULL", &[]),
    (1, &[], "EN10MB", &["ETHERNET"]),
    (6, &[], "IEEE802", &["IEEE802_5"]),
    (8, &[], "SLIP", &[]),
    (9, &[], "PPP", &[]),
    (10, &[], "FDDI", &[]),
    // Systems number DLT_RAW differently; no file has these numbers for something else.
    (101, &[12, 14], "RAW", &["IP"]),
    (105, &[], "IEEE802_11", &[]),
    (108, &[], "LOOP", &[]),
    (113, &[], "LINUX_SLL", &["SLL"]),
    (127, &[], "IEEE802_11_RADIO", &[]),
    (228, &[], "IPV4", &[]),
    (229, &[], "IPV6", &[]),
    (253, &[], "NETLINK", &[]),
    (276, &[], "LINUX_SLL2", &["SLL2"]),
];

/// Ethernet.
pub const ETHERNET: u32 = 1;
/// IPv4 or IPv6 without anything before it.
pub const RAW: u32 = 101;
/// Linux cooked capture.
pub const SLL: u32 = 113;
/// Linux cooked capture, version 2.
pub const SLL2: u32 = 276;
const NULL: u32 = 0;
const LOOP: u32 = 108;
const IPV4: u32 = 228;
const IPV6: u32 = 229;

/// The number that a link type goes by here, of those that mean the same.
pub fn canonical(link_type: u32) -> u32 {
    LINKS.iter().find(|row| row.1.contains(&link_type)).map_or(link_type, |row| row.0)
}

/// libpcap's name of a link type.
pub fn name(link_type: u32) -> Option<&'static str> {
    LINKS.iter().find(|row| row.0 == canonical(link_type)).map(|row| row.2)
}

/// The link type of a name, with or without `DLT_` or `LINKTYPE_` before it, or of a number.
pub fn by_name(text: &str) -> Option<u32> {
    let upper = text.to_ascii_uppercase();
    let plain = upper.strip_prefix("DLT_").or(upper.strip_prefix("LINKTYPE_")).unwrap_or(&upper);
    let named = LINKS.iter().find(|row| row.2 == plain || row.3.contains(&plain));
    named.map(|row| row.0).or_else(|| plain.parse().ok().map(canonical))
}

/// Bytes before the network header.
pub fn network_offset(link_type: u32) -> Option<usize> {
    Some(match canonical(link_type) {
        ETHERNET => 14,
        RAW | IPV4 | IPV6 => 0,
        NULL | LOOP => 4,
        SLL => 16,
        SLL2 => 20,
        _ => return None,
    })
}

/// What the link layer of a packet tells, each part where it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// The protocol as an EtherType; 1 and 4 for frames of 802.3 and 802.2 without one, as in the
    /// kernel (`eth_type_trans`).
    pub protocol: Option<u16>,
    /// `PACKET_HOST` and so on.
    pub pkt_type: Option<u8>,
    /// `ARPHRD_*`.
    pub hatype: Option<u16>,
    pub ifindex: Option<u32>,
}

/// Reads what stands before the network header.
pub fn link(link_type: u32, bytes: &[u8]) -> Link {
    let half = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let none = Link::default();
    match canonical(link_type) {
        ETHERNET => {
            let protocol = half(12).map(|kind| match (kind, half(14)) {
                (0x600.., _) => kind,
                (_, Some(0xffff)) => 1,
                _ => 4,
            });
            Link { protocol, hatype: Some(1), ..none }
        }
        RAW | IPV4 | IPV6 => Link { protocol: bytes.first().and_then(|b| version(b >> 4)), ..none },
        NULL | LOOP => {
            // The family is a number of the system that captured, in its byte order or the network's.
            let family = bytes.first_chunk::<4>().map(|b| u32::from_le_bytes(*b).min(u32::from_be_bytes(*b)));
            let protocol = match family {
                Some(2) => Some(0x0800),
                Some(10 | 24 | 28 | 30) => Some(0x86dd),
                _ => None,
            };
            Link { protocol, ..none }
        }
        SLL => {
            Link { protocol: half(14), pkt_type: half(0).map(|t| t as u8), hatype: half(2), ifindex: None }
        }
        SLL2 => Link {
            protocol: half(0),
            pkt_type: bytes.get(10).copied(),
            hatype: half(8),
            ifindex: bytes.get(4..8).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])),
        },
        _ => none,
    }
}

const fn version(nibble: u8) -> Option<u16> {
    match nibble {
        4 => Some(0x0800),
        6 => Some(0x86dd),
        _ => None,
    }
}

/// A packet in a line of words.
pub fn describe(link_type: u32, bytes: &[u8]) -> String {
    let mut out = String::new();
    let known = network_offset(link_type).and_then(|at| Some((at, link(link_type, bytes).protocol?)));
    // Writing to a string does not fail.
    let _ = match known {
        Some((at, protocol)) => network(&mut out, bytes, at, protocol),
        None => match name(link_type) {
            Some(name) => write!(out, "{name} frame"),
            None => write!(out, "frame of link type {link_type}"),
        },
    };
    out
}

fn network(out: &mut String, bytes: &[u8], mut at: usize, mut protocol: u16) -> std::fmt::Result {
    while let (0x8100 | 0x88a8, Some(&[a, b, c, d])) =
        (protocol, bytes.get(at..).and_then(|b| b.first_chunk::<4>()))
    {
        write!(out, "vlan {} ", u16::from_be_bytes([a, b]) & 0xfff)?;
        (at, protocol) = (at + 4, u16::from_be_bytes([c, d]));
    }
    let rest = bytes.get(at..).unwrap_or_default();
    match (protocol, rest.len()) {
        (0x0800, 20..) => {
            let ip = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&rest[at..at + 4]).unwrap_or_default());
            let header = usize::from(rest[0] & 0xf) * 4;
            let fragment = u16::from_be_bytes([rest[6], rest[7]]) & 0x1fff != 0;
            let payload = if fragment { &[] } else { rest.get(header..).unwrap_or_default() };
            transport(out, "IP", &ip(12), &ip(16), rest[9], payload)?;
            if fragment {
                out.push_str(", fragment");
            }
            Ok(())
        }
        (0x86dd, 40..) => {
            let ip = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&rest[at..at + 16]).unwrap_or_default());
            transport(out, "IP6", &ip(8), &ip(24), rest[6], &rest[40..])
        }
        (0x0806, 28..) => {
            let ip = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&rest[at..at + 4]).unwrap_or_default());
            match rest[7] {
                1 => write!(out, "ARP who-has {} tell {}", ip(24), ip(14)),
                2 => write!(out, "ARP {} is-at", ip(14)),
                op => write!(out, "ARP operation {op}"),
            }
        }
        _ => match ethertype(protocol) {
            Some(name) => out.write_str(name),
            None if protocol < 0x600 => out.write_str("802.3"),
            None => write!(out, "protocol {protocol:#06x}"),
        },
    }
}

fn transport(
    out: &mut String,
    ip: &str,
    from: &dyn std::fmt::Display,
    to: &dyn std::fmt::Display,
    protocol: u8,
    payload: &[u8],
) -> std::fmt::Result {
    match (protocol, payload) {
        (6 | 17 | 132 | 136, &[a, b, c, d, ..]) => {
            let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            write!(out, "{ip} {from}.{source} > {to}.{destination}: ")?;
        }
        _ => write!(out, "{ip} {from} > {to}: ")?,
    }
    match ip_protocol(protocol) {
        Some(name) => out.write_str(name),
        None => write!(out, "protocol {protocol}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_find_each_other() {
        for &(number, also, text, names) in LINKS {
            assert_eq!(name(number), Some(text));
            for text in names.iter().chain([&text]) {
                assert_eq!(by_name(text), Some(number));
                assert_eq!(by_name(&format!("dlt_{}", text.to_lowercase())), Some(number));
            }
            for also in also {
                assert_eq!((canonical(*also), by_name(&also.to_string())), (number, Some(number)));
            }
        }
        assert_eq!((by_name("NO_SUCH"), by_name("147")), (None, Some(147)));
    }

    #[test]
    fn packets_in_words() {
        let mut frame = vec![0u8; 12];
        frame.extend([0x81, 0, 0x20, 5, 8, 0]);
        frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 53, 4, 0, 0, 8]);
        assert_eq!(describe(1, &frame), "vlan 5 IP 10.0.0.1.53 > 10.0.0.2.1024: UDP");
        assert_eq!(describe(101, &frame[18..]), "IP 10.0.0.1.53 > 10.0.0.2.1024: UDP");
        assert_eq!(describe(1, &frame[..30]), "vlan 5 IPv4");
        assert_eq!(describe(1, &frame[..5]), "EN10MB frame");
        assert_eq!(describe(1, &[0; 60]), "802.3");
        for len in 0..frame.len() {
            for kind in [0, 1, 12, 101, 108, 113, 228, 229, 276, 9999] {
                describe(kind, &frame[..len]);
            }
        }
    }
}
