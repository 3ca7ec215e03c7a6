//! Packets for filters: well-formed ones of every protocol that expressions know, in the frames of
//! each link type, and damaged ones.

use crate::random::Random;
use oxbpf::isa::cbpf::expr::LinkType;
use oxbpf::isa::cbpf::{Cond, Insn, Operand, SockFilter};

/// The start of a packet, and the length of all of it.
#[derive(Clone)]
pub struct Packet {
    pub data: Vec<u8>,
    pub length: u32,
}

/// What a frame carries: by EtherType, or after an LLC header.
#[derive(Clone)]
enum Payload {
    Ether(u16, Vec<u8>),
    Llc(Vec<u8>),
}

impl Payload {
    /// With what stands before it: its type, or its length.
    fn append_to(&self, out: &mut Vec<u8>) {
        let (word, body) = match self {
            Payload::Ether(kind, body) => (*kind, body),
            Payload::Llc(body) => (body.len() as u16, body),
        };
        out.extend(word.to_be_bytes());
        out.extend(body);
    }
}

const PORTS: &[u16] =
    &[80, 443, 53, 22, 1024, 8080, 6081, 69, 123, 500, 36412, 33434, 0, 65535, 1000, 67, 85];
const HOSTS: &[u32] =
    &[0x0a00_0001, 0x0a00_0002, 0xc0a8_0101, 0xac10_0005, 0xe000_0001, 0x7f00_0001, 0x0a01_0203];
const HOSTS6: &[[u8; 16]] = &[
    [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1],
    [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb],
];
const PROTOCOLS: &[u8] = &[6, 6, 6, 17, 17, 17, 132, 1, 2, 9, 103, 112, 51, 50, 47, 89, 41, 58];
const MACS: &[[u8; 6]] = &[
    [0, 0x11, 0x22, 0x33, 0x44, 0x55],
    [0, 0x11, 0x22, 0x33, 0x44, 0x66],
    [0, 1, 2, 3, 4, 5],
    [0xff; 6],
    [1, 0, 0x0c, 0xcc, 0xcc, 0xcc],
    [1, 0x80, 0xc2, 0, 0, 0],
];

fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.number() as u8).collect()
}

/// A transport header and some payload.
fn transport(random: &mut Random, protocol: u8, deep: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let ports = |random: &mut Random| {
        let mut out = random.one(PORTS).to_be_bytes().to_vec();
        out.extend(random.one(PORTS).to_be_bytes());
        out
    };
    match protocol {
        6 => {
            out.extend(ports(random));
            out.extend(bytes(random, 8));
            out.push(random.one(&[0x50, 0x50, 0x80]));
            out.push(random.one(&[2, 0x12, 0x10, 0x18, 1, 4, 0x11, 0]));
            out.extend(bytes(random, 6));
            if out[12] == 0x80 {
                out.extend(bytes(random, 12));
            }
            out.extend(random.one(&["GET / HTTP/1.1", "\x16\x03\x01\x02\x00\x01", ""]).bytes());
        }
        17 => {
            out.extend(ports(random));
            out.extend([0, 40, 0, 0]);
            if deep > 0 && random.index(2) == 0 {
                out[2..4].copy_from_slice(&6081u16.to_be_bytes());
                out.extend(geneve(random, deep - 1));
            } else {
                out.extend(bytes(random, 24));
            }
        }
        132 => {
            out.extend(ports(random));
            out.extend(bytes(random, 12));
            out[12 - 4] = 1;
        }
        1 | 58 => {
            out.push(random.one(&[8, 0, 3, 5, 11, 128, 129, 134, 135, 136]));
            out.extend([random.one(&[0, 3, 1]), 0, 0, 0, 1]);
            out.extend(bytes(random, 10));
        }
        2 => out.extend([random.one(&[0x16, 0x11, 0x17]), 0, 0, 0, 224, 0, 0, 1]),
        51 => {
            out.extend([random.one(&[6, 17, 50]), 1, 0, 0, 0, 0, 0, 1]);
            out.extend(bytes(random, 4));
            let inner = out[0];
            out.extend(transport(random, inner, 0));
        }
        _ => {
            out.push(random.one(&[0x31, 0x21, 0x23, 1]));
            out.extend(bytes(random, 19));
        }
    }
    out
}

fn ipv4(random: &mut Random, deep: u32) -> Vec<u8> {
    let protocol = random.one(PROTOCOLS);
    let words = random.one(&[5u8, 5, 5, 6, 8]);
    let fragment: u16 = random.one(&[0, 0, 0, 0x4000, 0x2000, 0x2001, 5]);
    let body = transport(random, protocol, deep);
    let length = (4 * usize::from(words) + body.len()) as u16;
    let mut out = vec![0x40 | words, random.one(&[0, 0xb8])];
    out.extend(length.to_be_bytes());
    out.extend([0, 1]);
    out.extend(fragment.to_be_bytes());
    out.extend([random.one(&[64, 64, 1, 5, 63]), protocol, 0, 0]);
    out.extend(random.one(HOSTS).to_be_bytes());
    out.extend(random.one(HOSTS).to_be_bytes());
    out.resize(4 * usize::from(words), 1);
    out.extend(body);
    out
}

fn ipv6(random: &mut Random, deep: u32) -> Vec<u8> {
    let protocol = random.one(&[6, 6, 17, 17, 58, 58, 132, 103, 50, 51]);
    let mut body = transport(random, protocol, deep);
    let mut next = protocol;
    for extension in [60, 43, 44, 0] {
        if random.index(6) != 0 {
            continue;
        }
        let mut header = vec![next, 0, 0, 0, 0, 0, 0, 1];
        if extension != 44 && random.index(3) == 0 {
            header[1] = 1;
            header.extend([0; 8]);
        }
        header.extend(body);
        body = header;
        next = extension;
    }
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((body.len() as u16).to_be_bytes());
    out.extend([next, 64]);
    out.extend(random.one(HOSTS6));
    out.extend(random.one(HOSTS6));
    out.extend(body);
    out
}

fn geneve(random: &mut Random, deep: u32) -> Vec<u8> {
    let options = random.one(&[0u8, 0, 1, 3]);
    let payload = payload(random, deep);
    let (kind, inner) = match (&payload, random.index(2)) {
        (Payload::Ether(kind, inner), 0) => (*kind, inner.clone()),
        _ => (0x6558, ethernet(random, &payload)),
    };
    let mut out = vec![options, 0];
    out.extend(kind.to_be_bytes());
    out.extend([0, 0, random.one(&[5, 10, 0]), 0]);
    out.extend(vec![0; 4 * usize::from(options)]);
    out.extend(inner);
    out
}

fn arp(random: &mut Random) -> Vec<u8> {
    let mut out = vec![0, 1, 8, 0, 6, 4, 0, random.one(&[1, 2, 3])];
    out.extend(random.one(MACS));
    out.extend(random.one(HOSTS).to_be_bytes());
    out.extend(random.one(MACS));
    out.extend(random.one(HOSTS).to_be_bytes());
    out
}

fn mpls(random: &mut Random, deep: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for bottom in if random.index(2) == 0 { &[1u8][..] } else { &[0, 1] } {
        let label: u32 = random.one(&[100, 200, 6, 1_048_575]);
        out.extend((label << 12 | u32::from(*bottom) << 8 | 64).to_be_bytes());
    }
    out.extend(if random.index(2) == 0 { ipv4(random, deep) } else { ipv6(random, deep) });
    out
}

fn ppp(random: &mut Random, deep: u32) -> Vec<u8> {
    let (kind, body): (u16, Vec<u8>) = match random.index(6) {
        0 | 1 => (0x21, ipv4(random, deep)),
        2 => (0x57, ipv6(random, deep)),
        3 => (0x281, mpls(random, deep)),
        4 => (random.one(&[0x23, 0x25, 0x27, 0x29, 0x2b, 0x31]), bytes(random, 40)),
        _ => (0xc021, bytes(random, 12)),
    };
    let mut out = kind.to_be_bytes().to_vec();
    out.extend(body);
    out
}

fn decnet(random: &mut Random) -> Vec<u8> {
    let address = |random: &mut Random| random.one(&[0x0204u16, 0xfc0f, 0x0104, 0x0100]).to_be_bytes();
    let mut out = vec![20, 0];
    if random.index(2) == 0 {
        out.push(0x81);
    }
    if random.index(2) == 0 {
        out.extend([0x06, 0, 0, 0xaa, 0, 4, 0]);
        out.extend(address(random));
        out.extend([0, 0, 0xaa, 0, 4, 0]);
        out.extend(address(random));
    } else {
        out.push(0x02);
        out.extend(address(random));
        out.extend(address(random));
    }
    out.extend(bytes(random, 12));
    out
}

fn llc(random: &mut Random) -> Vec<u8> {
    let sap = random.one(&[0xfeu8, 0x42, 0xe0, 0xf0, 0x06, 0xaa, 0xff]);
    let control = random.one(&[3u8, 3, 1, 5, 9, 0, 0x63, 0x43, 0x0f, 0x6f, 0xe3, 0xaf, 0x87]);
    let mut out = vec![sap, sap, control];
    match sap {
        0xfe => {
            out.push(random.one(&[0x81, 0x82, 0x83, 0x83]));
            out.extend([0, 1, 0, random.one(&[15, 16, 17, 18, 20, 24, 25, 26, 27])]);
        }
        0xaa => {
            out[2] = 3;
            out.extend(random.one(&[[0u8, 0, 0], [8, 0, 7]]));
            out.extend(random.one(&[0x809bu16, 0x80f3, 0x8137, 0x0800]).to_be_bytes());
        }
        _ => {}
    }
    out.extend(bytes(random, 30));
    out
}

fn payload(random: &mut Random, deep: u32) -> Payload {
    match random.index(24) {
        0..=7 => Payload::Ether(0x0800, ipv4(random, deep)),
        8..=11 => Payload::Ether(0x86dd, ipv6(random, deep)),
        12 => Payload::Ether(0x0806, arp(random)),
        13 => Payload::Ether(0x8035, arp(random)),
        14 | 15 if deep > 0 => {
            let inner = payload(random, deep - 1);
            let mut out = random.one(&[100u16, 0xe064, 200, 5, 1, 10, 0]).to_be_bytes().to_vec();
            inner.append_to(&mut out);
            Payload::Ether(random.one(&[0x8100, 0x8100, 0x88a8, 0x9100]), out)
        }
        16 => Payload::Ether(0x8847, mpls(random, deep)),
        17 => {
            let mut out = vec![0x11, 0, 0, random.one(&[5, 0x27, 0]), 0, 40];
            out.extend(ppp(random, deep));
            Payload::Ether(0x8864, out)
        }
        18 => Payload::Ether(0x6003, decnet(random)),
        19 => {
            let kinds =
                [0x8863, 0x6001, 0x6002, 0x6004, 0x6007, 0x809b, 0x80f3, 0x8137, 0x9000, 0x88cc, 0x888e];
            Payload::Ether(random.one(&kinds), bytes(random, 40))
        }
        _ => Payload::Llc(llc(random)),
    }
}

fn ethernet(random: &mut Random, payload: &Payload) -> Vec<u8> {
    let mut out = random.one(MACS).to_vec();
    out.extend(random.one(MACS));
    payload.append_to(&mut out);
    out
}

fn frame(random: &mut Random, link: LinkType) -> Vec<u8> {
    let ip = |random: &mut Random| {
        if random.index(3) > 0 { (2, 0x0800, ipv4(random, 1)) } else { (30, 0x86dd, ipv6(random, 1)) }
    };
    let joined = |parts: &[&[u8]]| parts.concat();
    match link {
        LinkType::Ethernet => {
            let payload = payload(random, 2);
            ethernet(random, &payload)
        }
        LinkType::Raw | LinkType::Ipv4 | LinkType::Ipv6 => ip(random).2,
        LinkType::Null | LinkType::Loop | LinkType::Enc => {
            let (family, _, body) = ip(random);
            let family: u32 = if family == 30 { random.one(&[24, 28, 30, 10]) } else { family };
            let order = random.index(4) == 0;
            let big = order ^ (link == LinkType::Loop);
            let header = if big { family.to_be_bytes() } else { family.to_le_bytes() };
            let rest = if link == LinkType::Enc { &[0u8; 8][..] } else { &[] };
            joined(&[&header, rest, &body])
        }
        LinkType::LinuxSll | LinkType::LinuxSll2 => {
            let (kind, body) = match payload(random, 2) {
                Payload::Ether(kind, body) => (kind, body),
                Payload::Llc(body) => (random.one(&[4, 4, 1]), body),
            };
            let sent = random.one(&[0u8, 1, 2, 3, 4, 4]);
            let mac = random.one(MACS);
            if link == LinkType::LinuxSll {
                joined(&[&[0, sent, 0, 1, 0, 6], &mac, &[0, 0], &kind.to_be_bytes(), &body])
            } else {
                let interface = random.one(&[1u8, 2, 3]);
                let start = [0, 0, 0, 0, 0, interface, 0, 1, sent, 6];
                joined(&[&kind.to_be_bytes(), &start, &mac, &[0, 0], &body])
            }
        }
        LinkType::CHdlc => {
            let (kind, body) = match payload(random, 2) {
                Payload::Ether(kind, body) => (kind, body),
                Payload::Llc(body) => (0xfefe, body),
            };
            joined(&[&[0x0f, 0], &kind.to_be_bytes(), &body])
        }
        LinkType::PppEther => {
            let body = ppp(random, 1);
            joined(&[&[0x11, 0, 0, 5, 0, 40], &body])
        }
        _ => {
            let body = ppp(random, 1);
            joined(&[&[random.one(&[0xff, 0, 1]), 3], &body])
        }
    }
}

/// Packets of a link type. About half are damaged: bytes changed, the end cut off.
pub fn packets(random: &mut Random, link: LinkType, count: usize) -> Vec<Packet> {
    (0..count)
        .map(|_| {
            let mut data = frame(random, link);
            let length = (data.len() + random.one(&[0, 0, 4, 1500])) as u32;
            damage(random, &mut data);
            Packet { data, length }
        })
        .collect()
}

/// The packets of a capture file in little-endian order.
pub fn captured(file: &[u8]) -> Vec<Packet> {
    let word = |at: usize| file.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    assert_eq!(word(0), Some(0xa1b2_c3d4));
    let mut out = Vec::new();
    let mut at = 24;
    while let (Some(captured), Some(length)) = (word(at + 8), word(at + 12)) {
        let end = at + 16 + captured as usize;
        out.push(Packet { data: file[at + 16..end].to_vec(), length });
        at = end;
    }
    assert!(!out.is_empty());
    out
}

fn damage(random: &mut Random, data: &mut Vec<u8>) {
    match random.index(8) {
        0 | 1 => data.truncate(random.index(data.len() + 1)),
        2 | 3 => {
            for _ in 0..1 + random.index(4) {
                let at = random.index(data.len().min(64));
                if let Some(byte) = data.get_mut(at) {
                    *byte ^= 1 << random.index(8);
                }
            }
        }
        _ => {}
    }
}

/// Packets that `program` has been looked at for: bytes it loads are set to what it compares them
/// with, or nearly.
pub fn aimed(random: &mut Random, program: &[SockFilter], like: &[Packet], count: usize) -> Vec<Packet> {
    let mut pokes = Vec::new();
    let mut load = None;
    for insn in program.iter().filter_map(|&raw| Insn::decode(raw)) {
        match insn {
            Insn::LoadAbs { size, k } => load = Some((k as usize, size.bytes() as usize)),
            // The length of an IPv4 header without options.
            Insn::LoadInd { size, k } => load = Some((k as usize + 20, size.bytes() as usize)),
            Insn::Branch { with: Operand::K(k), cond, .. } => {
                if let Some((at, size)) = load.filter(|&(at, _)| at < 200) {
                    pokes.push((at, size, k, cond));
                }
            }
            _ => {}
        }
    }
    (0..count)
        .map(|_| {
            let mut packet = like[random.index(like.len())].clone();
            if !pokes.is_empty() {
                let first = random.index(pokes.len());
                for &(at, size, k, cond) in pokes[first..].iter().take(1 + random.index(8)) {
                    if random.index(4) == 0 {
                        continue;
                    }
                    let value = match (cond, random.index(4)) {
                        (Cond::Gt, _) | (_, 0) => k.wrapping_add(random.index(2) as u32),
                        (_, 1) if random.index(2) == 0 => k.wrapping_sub(1),
                        _ => k,
                    };
                    if packet.data.len() < at + size && random.index(2) == 0 {
                        packet.data.resize(at + size, 0);
                    }
                    if let Some(field) = packet.data.get_mut(at..at + size) {
                        field.copy_from_slice(&value.to_be_bytes()[4 - size..]);
                    }
                }
                packet.length = packet.length.max(packet.data.len() as u32);
            }
            packet
        })
        .collect()
}
