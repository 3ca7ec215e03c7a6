//! Where the payload of a packet starts, as `skb_get_poff` of the kernel (6.12) finds it: the source
//! of the ancillary value [`PayOffset`](super::Ancillary::PayOffset).
//!
//! VLAN tags, IPv4, IPv6 with its extension headers, and IP in IP are followed down to the transport
//! header. Protocols the kernel dissects and this module does not (MPLS, PPPoE, GRE, TIPC, Batman,
//! PTP, FCoE, authentication headers) have no answer here rather than a wrong one.

/// What a layer leads to.
enum Next {
    /// A protocol by its EtherType.
    Network(u16),
    /// A protocol by its IP number; `fragment` when it is a fragment after the first.
    Transport { protocol: u8, fragment: bool },
}

/// The offset of the payload in `data`, of which the network header is at `network` and of the given
/// EtherType. 0 when a header is cut off or malformed; `None` when this module does not know.
pub fn payload_offset(data: &[u8], network: usize, ethertype: u16) -> Option<u32> {
    /// Nested headers the kernel follows (`MAX_FLOW_DISSECT_HDRS`).
    const MAX_HEADERS: usize = 15;
    let (mut at, mut next) = (network, Next::Network(ethertype));
    for _ in 0..=MAX_HEADERS {
        let step = match next {
            Next::Network(0x0800) => ipv4(data, at),
            Next::Network(0x86dd) => ipv6(data, at),
            Next::Network(0x8100 | 0x88a8) => vlan(data, at),
            Next::Network(0x0806 | 0x8035) => return Some(0),
            Next::Network(_) => return None,
            Next::Transport { protocol, fragment } => match protocol {
                4 if !fragment => Some((at, Next::Network(0x0800))),
                41 if !fragment => Some((at, Next::Network(0x86dd))),
                47 | 51 | 137 => return None,
                0 | 43 | 44 | 60 if !fragment => extension(data, at, protocol),
                _ => return Some(transport(data, at, protocol, fragment)),
            },
        };
        match step {
            Some(followed) => (at, next) = followed,
            None => return Some(0),
        }
    }
    None
}

fn word(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*data.get(at..)?.first_chunk()?))
}

fn vlan(data: &[u8], at: usize) -> Option<(usize, Next)> {
    Some((at + 4, Next::Network(word(data, at + 2)?)))
}

fn ipv4(data: &[u8], at: usize) -> Option<(usize, Next)> {
    const OFFSET: u16 = 0x1fff;
    let header = data.get(at..at + 20)?;
    let len = 4 * usize::from(header[0] & 0xf);
    let fragment = word(header, 6)? & OFFSET != 0;
    (len >= 20).then_some((at + len, Next::Transport { protocol: header[9], fragment }))
}

fn ipv6(data: &[u8], at: usize) -> Option<(usize, Next)> {
    let header = data.get(at..at + 40)?;
    Some((at + 40, Next::Transport { protocol: header[6], fragment: false }))
}

/// An extension header of IPv6: hop-by-hop options, routing, destination options, fragment.
fn extension(data: &[u8], at: usize, kind: u8) -> Option<(usize, Next)> {
    let header = data.get(at..at + 2)?;
    let (protocol, len) = (header[0], usize::from(header[1]));
    if kind == 44 {
        let fragment = word(data, at + 2)? & 0xfff8 != 0;
        data.get(at..at + 8)?;
        return Some((at + 8, Next::Transport { protocol, fragment }));
    }
    Some((at + 8 * (len + 1), Next::Transport { protocol, fragment: false }))
}

/// The end of the transport header, as far as the kernel knows it.
fn transport(data: &[u8], at: usize, protocol: u8, fragment: bool) -> u32 {
    let len = match protocol {
        _ if fragment => 0,
        6 => match data.get(at + 12) {
            Some(doff) => usize::from((doff & 0xf0) >> 2).max(20),
            None => 0,
        },
        // UDP, UDP-Lite, ICMP, ICMPv6, IGMP; DCCP and SCTP.
        17 | 136 | 1 | 58 | 2 => 8,
        33 | 132 => 12,
        _ => 0,
    };
    (at.min(data.len()).min(0xffff) + len) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn ip(protocol: u8, fragment: u16, rest: &[u8]) -> Vec<u8> {
        let mut packet = alloc::vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn transport_headers_over_ipv4() {
        let mut tcp = [0u8; 40];
        tcp[12] = 0x80;
        assert_eq!(payload_offset(&ip(6, 0, &tcp), 0, 0x800), Some(52));
        assert_eq!(payload_offset(&ip(6, 1, &tcp), 0, 0x800), Some(20));
        assert_eq!(payload_offset(&ip(17, 0, &tcp), 0, 0x800), Some(28));
        assert_eq!(payload_offset(&ip(132, 0, &tcp), 0, 0x800), Some(32));
        assert_eq!(payload_offset(&ip(47, 0, &tcp), 0, 0x800), None);
        assert_eq!(payload_offset(&ip(4, 0, &ip(17, 0, &tcp)), 0, 0x800), Some(48));
    }

    #[test]
    fn cut_off_and_unknown_differ() {
        let packet = ip(17, 0, &[]);
        assert_eq!(payload_offset(&packet[..19], 0, 0x800), Some(0));
        assert_eq!(payload_offset(&packet, 0, 0x88cc), None);
        assert_eq!(payload_offset(&[0x44; 20], 0, 0x800), Some(0));
    }

    #[test]
    fn vlan_and_extension_headers_are_passed() {
        let mut packet = alloc::vec![0, 5, 0x86, 0xdd];
        packet.extend([0x60, 0, 0, 0, 0, 24, 0, 64]);
        packet.extend([0; 32]);
        packet.extend([44, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([17, 0, 0, 1, 0, 0, 0, 0]);
        packet.extend([0; 8]);
        assert_eq!(payload_offset(&packet, 0, 0x8100), Some(68));
    }
}
