//! The words for protocols, and for numbers that stand for something.

use alloc::format;
use alloc::string::{String, ToString};

/// The name of an EtherType.
pub const fn ethertype(kind: u16) -> Option<&'static str> {
    Some(match kind {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x8035 => "RARP",
        0x8100 => "VLAN",
        0x9100 => "VLAN (0x9100)",
        0x88a8 => "QinQ",
        0x86dd => "IPv6",
        0x8847 => "MPLS",
        0x8848 => "MPLS multicast",
        0x8863 => "PPPoE discovery",
        0x8864 => "PPPoE session",
        0x888e => "EAPOL",
        0x88cc => "LLDP",
        0x88f7 => "PTP",
        _ => return None,
    })
}

/// The name of a protocol over IP.
pub const fn ip_protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "hop-by-hop options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        43 => "routing header",
        44 => "fragment",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        60 => "destination options",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        132 => "SCTP",
        136 => "UDP-Lite",
        _ => return None,
    })
}

/// How the numbers of a field are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Hex,
    EtherType,
    Protocol,
    Ipv4,
    /// Bytes of a link-layer address.
    Mac,
    /// Bytes of an IPv6 address.
    Ipv6,
    TcpFlags,
    Family,
    PktType,
    ArpOp,
}

/// Flags of TCP, from the lowest bit.
const TCP_FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

impl Kind {
    pub(super) fn number(self, value: u32, bytes: u32) -> String {
        let named = |name: Option<&str>| match name {
            Some(name) => format!("{name} ({value:#x})"),
            None => format!("{value:#x}"),
        };
        match self {
            Self::Plain => value.to_string(),
            Self::Hex => format!("{value:#x}"),
            Self::EtherType => named(u16::try_from(value).ok().and_then(ethertype)),
            Self::Protocol => match u8::try_from(value).ok().and_then(ip_protocol) {
                Some(name) => format!("{name} ({value})"),
                None => value.to_string(),
            },
            Self::Ipv4 if bytes == 4 => {
                let [a, b, c, d] = value.to_be_bytes();
                format!("{a}.{b}.{c}.{d}")
            }
            Self::Mac => joined(value, bytes, 1),
            Self::Ipv6 => joined(value, bytes, 2),
            Self::TcpFlags => flags(value),
            Self::Family => match value {
                2 | 0x0200_0000 => named(Some("IPv4")),
                10 | 24 | 28 | 30 | 0x0a00_0000 | 0x1800_0000 | 0x1c00_0000 | 0x1e00_0000 => {
                    named(Some("IPv6"))
                }
                _ => named(None),
            },
            Self::PktType => match value {
                0 => "to us".to_string(),
                1 => "broadcast".to_string(),
                2 => "multicast".to_string(),
                3 => "to another host".to_string(),
                4 => "outgoing".to_string(),
                _ => value.to_string(),
            },
            Self::ArpOp => match value {
                1 => "request (1)".to_string(),
                2 => "reply (2)".to_string(),
                _ => value.to_string(),
            },
            Self::Ipv4 => format!("{value:#x}"),
        }
    }
}

fn joined(value: u32, bytes: u32, group: usize) -> String {
    let all = value.to_be_bytes();
    let bytes = &all[4 - bytes.min(4) as usize..];
    let mut out = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        if i > 0 && i.is_multiple_of(group) {
            out.push(':');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

fn flags(value: u32) -> String {
    if value == 0 || value > 0xff {
        return format!("{value:#x}");
    }
    let mut out = String::new();
    for (bit, name) in TCP_FLAGS.iter().enumerate().filter(|(bit, _)| value >> bit & 1 != 0) {
        if !out.is_empty() {
            out.push('+');
        }
        let _ = bit;
        out.push_str(name);
    }
    out
}
