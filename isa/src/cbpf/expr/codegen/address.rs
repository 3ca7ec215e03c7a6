//! Hosts and networks: addresses of IPv4 (which ARP and RARP carry too), IPv6, Ethernet and DECnet.

use super::Generator;
use super::load::Base;
use crate::cbpf::Size;
use crate::cbpf::expr::Proto;
use crate::cbpf::expr::ast::{Dir, Id, Kind, Qualifiers};
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::formula::TestId;
use crate::cbpf::expr::proto::ethertype;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Where a header has its addresses.
#[derive(Clone, Copy)]
struct Fields {
    kind: u32,
    src: u32,
    dst: u32,
}

const IPV4: Fields = Fields { kind: ethertype::IP, src: 12, dst: 16 };
const ARP: Fields = Fields { kind: ethertype::ARP, src: 14, dst: 24 };
const RARP: Fields = Fields { kind: ethertype::RARP, src: 14, dst: 24 };
const IPV6: Fields = Fields { kind: ethertype::IP6, src: 8, dst: 24 };

/// An address and the bits of it that count.
#[derive(Clone, Copy)]
struct Net<T> {
    address: T,
    mask: T,
}

/// The word for what an address is applied to, in messages.
const fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Net => "net",
        _ => "host",
    }
}

impl Generator<'_> {
    /// A host, or a network without a mask.
    pub(super) fn host(&mut self, qualifiers: Qualifiers, id: Id<'_>) -> Result<TestId, Error> {
        let Qualifiers { proto, dir, kind } = qualifiers;
        match id {
            Id::Name(name) if kind == Kind::Net => {
                let Some(address) = self.options.names.network(name).filter(|&net| net != 0) else {
                    return self.fail(ErrorKind::UnknownNetwork);
                };
                self.ipv4(promote(address), proto, dir, kind)
            }
            Id::Name(name) => match proto {
                Some(Proto::Link) => self.named_ether(name, dir),
                Some(Proto::Decnet) => self.fail(ErrorKind::DecnetName),
                _ => {
                    let addresses = self.options.names.host(name);
                    self.addresses(&addresses, qualifiers)
                }
            },
            Id::Number(address) => match proto {
                Some(Proto::Decnet) => self.decnet(address as u16, dir),
                Some(Proto::Link) => self.fail(ErrorKind::LinkAddress),
                _ if kind == Kind::Net => self.ipv4(promote(address), proto, dir, kind),
                _ => self.ipv4(Net { address, mask: u32::MAX }, proto, dir, kind),
            },
            Id::Dotted(text) => match proto {
                Some(Proto::Decnet) => match decnet_address(text) {
                    Some(address) => self.decnet(address, dir),
                    None => self.fail(ErrorKind::DecnetAddress),
                },
                Some(Proto::Link) => self.fail(ErrorKind::LinkAddress),
                _ => match ipv4_address(text) {
                    Some((address, bits)) => {
                        self.ipv4(Net { address, mask: u32::MAX << (32 - bits) }, proto, dir, kind)
                    }
                    None => self.fail(ErrorKind::Ipv4Address),
                },
            },
            Id::Ipv6(address) => self.ipv6(Net { address, mask: [u32::MAX; 4] }, proto, dir, kind),
            Id::Ether(address) if proto == Some(Proto::Link) && kind != Kind::Net => {
                if !self.is_ethernet() {
                    return self.no_link("ether host");
                }
                self.ether(address, dir)
            }
            Id::Ether(_) => self.fail(ErrorKind::LinkAddressQualifier),
            Id::Arcnet => self.fail(ErrorKind::ForeignLink("$")),
            Id::Prefix(..) | Id::Masked(..) | Id::Prefix6(..) => self.network(qualifiers, id),
        }
    }

    /// A network with a mask.
    pub(super) fn network(&mut self, qualifiers: Qualifiers, id: Id<'_>) -> Result<TestId, Error> {
        let Qualifiers { proto, dir, kind } = qualifiers;
        let parse = |generator: &Self, text| match ipv4_address(text) {
            Some((address, _)) => Ok(address),
            None => generator.fail(ErrorKind::Ipv4Address),
        };
        let net = match id {
            Id::Prefix6(address, length) => {
                if length > 128 {
                    return self.fail(ErrorKind::TooLarge { what: "the length of a mask", max: 128 });
                }
                let bits = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                let mask = [96, 64, 32, 0].map(|shift| (bits >> shift) as u32);
                if address.iter().zip(mask).any(|(a, m)| a & !m != 0) {
                    return self.fail(ErrorKind::HostBits);
                }
                return match kind {
                    Kind::Host | Kind::Default if length == 128 => {
                        self.ipv6(Net { address, mask }, proto, dir, kind)
                    }
                    Kind::Net => self.ipv6(Net { address, mask }, proto, dir, kind),
                    _ => self.fail(ErrorKind::MaskOnHost),
                };
            }
            Id::Masked(address, mask) => Net { address: parse(self, address)?, mask: parse(self, mask)? },
            Id::Prefix(address, length) => {
                if length > 32 {
                    return self.fail(ErrorKind::TooLarge { what: "the length of a mask", max: 32 });
                }
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                Net { address: parse(self, address)?, mask }
            }
            _ => return self.host(qualifiers, id),
        };
        if net.address & !net.mask != 0 {
            return self.fail(ErrorKind::HostBits);
        }
        match kind {
            Kind::Net => self.ipv4(net, proto, dir, kind),
            _ => self.fail(ErrorKind::MaskOnHost),
        }
    }

    /// Any of the addresses of a host, those of the other version of IP left out.
    fn addresses(&mut self, addresses: &[IpAddr], qualifiers: Qualifiers) -> Result<TestId, Error> {
        let Qualifiers { proto, dir, kind } = qualifiers;
        // A link type without a type field has packets of IP only, none of ARP.
        let untyped = proto.is_none() && !self.layers.typed();
        let (proto4, proto6) = if untyped { (Some(Proto::Ip), Some(Proto::Ip6)) } else { (proto, proto) };
        let mut test = None;
        for address in addresses {
            let next = match address {
                IpAddr::V4(_) if proto4 == Some(Proto::Ip6) => continue,
                IpAddr::V6(_) if proto6 == Some(Proto::Ip) => continue,
                IpAddr::V4(v4) => {
                    self.ipv4(Net { address: v4.to_bits(), mask: u32::MAX }, proto4, dir, kind)?
                }
                IpAddr::V6(v6) => {
                    let bits = v6.to_bits();
                    let address = [96, 64, 32, 0].map(|shift| (bits >> shift) as u32);
                    self.ipv6(Net { address, mask: [u32::MAX; 4] }, proto6, dir, kind)?
                }
            };
            test = Some(match test {
                Some(test) => self.formula.or(test, next),
                None => next,
            });
        }
        match test {
            Some(test) => Ok(test),
            None => self.fail(ErrorKind::UnknownHost),
        }
    }

    fn named_ether(&mut self, name: &str, dir: Dir) -> Result<TestId, Error> {
        if !self.is_ethernet() {
            return self.no_link("ether host");
        }
        match self.options.names.ether(name) {
            Some(address) => self.ether(address, dir),
            None => self.fail(ErrorKind::UnknownLinkHost),
        }
    }

    /// Joins the tests of both directions as `dir` asks.
    pub(super) fn directed(
        &mut self,
        dir: Dir,
        mut field: impl FnMut(&mut Self, bool) -> Result<TestId, Error>,
    ) -> Result<TestId, Error> {
        Ok(match dir {
            Dir::Src => field(self, true)?,
            Dir::Dst => field(self, false)?,
            Dir::Both => {
                let (src, dst) = (field(self, true)?, field(self, false)?);
                self.formula.and(src, dst)
            }
            Dir::Any | Dir::Either => {
                let (src, dst) = (field(self, true)?, field(self, false)?);
                self.formula.or(src, dst)
            }
            Dir::Wireless => return self.fail(ErrorKind::WirelessDirection),
        })
    }

    fn ipv4(&mut self, net: Net<u32>, proto: Option<Proto>, dir: Dir, kind: Kind) -> Result<TestId, Error> {
        let fields = match proto {
            None => {
                let mut test = self.ipv4_fields(net, IPV4, dir)?;
                // Behind MPLS labels only IP is known.
                if self.layers.labels == 0 {
                    let arp = self.ipv4_fields(net, ARP, dir)?;
                    test = self.formula.or(test, arp);
                    let rarp = self.ipv4_fields(net, RARP, dir)?;
                    test = self.formula.or(test, rarp);
                }
                return Ok(test);
            }
            Some(Proto::Ip) => IPV4,
            Some(Proto::Arp) => ARP,
            Some(Proto::Rarp) => RARP,
            // A network, as numbers: libpcap takes them for an address, whose low half counts.
            Some(Proto::Decnet) => return self.decnet(net.address as u16, dir),
            Some(proto) => return self.fail(ErrorKind::Qualifier { proto, to: noun(kind) }),
        };
        self.ipv4_fields(net, fields, dir)
    }

    fn ipv4_fields(&mut self, net: Net<u32>, fields: Fields, dir: Dir) -> Result<TestId, Error> {
        self.directed(dir, |g, src| {
            let kind = g.kind(fields.kind)?;
            let offset = if src { fields.src } else { fields.dst };
            let address = g.masked(Base::Network, offset, Size::W, net.address, net.mask);
            Ok(g.formula.and(kind, address))
        })
    }

    fn ipv6(
        &mut self,
        net: Net<[u32; 4]>,
        proto: Option<Proto>,
        dir: Dir,
        kind: Kind,
    ) -> Result<TestId, Error> {
        match proto {
            None | Some(Proto::Ip6) => {}
            Some(proto) => return self.fail(ErrorKind::Qualifier { proto, to: noun(kind) }),
        }
        self.directed(dir, |g, src| {
            let offset = if src { IPV6.src } else { IPV6.dst };
            let words: Vec<TestId> = (0..4)
                .map(|i| {
                    let (address, mask) = (net.address[i], net.mask[i]);
                    g.masked(Base::Network, offset + 4 * i as u32, Size::W, address, mask)
                })
                .collect();
            let mut test = words[3];
            for &word in words[..3].iter().rev() {
                test = g.formula.and(word, test);
            }
            let kind = g.kind(IPV6.kind)?;
            Ok(g.formula.and(kind, test))
        })
    }

    /// An Ethernet address, and inside Geneve that there is an Ethernet header.
    pub(super) fn ether(&mut self, address: [u8; 6], dir: Dir) -> Result<TestId, Error> {
        let present = self.header_present();
        let test = self.directed(dir, |g, src| Ok(g.bytes(Base::Link, if src { 6 } else { 0 }, &address)))?;
        Ok(match present {
            Some(present) => self.formula.and(present, test),
            None => test,
        })
    }

    /// A DECnet address: in a long or short routing header, with or without a byte of padding.
    fn decnet(&mut self, address: u16, dir: Dir) -> Result<TestId, Error> {
        /// The padding byte and the flags, or the flags; of them the bits that tell the format.
        const PADDED: u32 = 0xff07;
        const FLAGS: u32 = 0x07;
        let address = u32::from(address.swap_bytes());
        self.directed(dir, |g, src| {
            let (short, long) = if src { (3, 15) } else { (1, 7) };
            let formats =
                [(0x8106, true, long), (0x06, false, long), (0x8102, true, short), (0x02, false, short)];
            let kind = g.kind(ethertype::DECNET)?;
            let mut test = None;
            for (flags, padded, offset) in formats {
                let format = if padded {
                    g.masked(Base::Network, 2, Size::H, flags, PADDED)
                } else {
                    g.masked(Base::Network, 2, Size::B, flags, FLAGS)
                };
                let field = g.equal(Base::Network, 2 + u32::from(padded) + offset, Size::H, address);
                let this = g.formula.and(format, field);
                test = Some(match test {
                    Some(others) => g.formula.or(this, others),
                    None => this,
                });
            }
            Ok(match test {
                Some(test) => g.formula.and(kind, test),
                None => kind,
            })
        })
    }

    /// Packets that a host forwards: of its link-layer address, but of none of its addresses.
    pub(super) fn gateway(&mut self, qualifiers: Qualifiers, id: Id<'_>) -> Result<TestId, Error> {
        let Id::Name(name) = id else { return self.fail(ErrorKind::GatewayName) };
        let proto = qualifiers.proto;
        match proto {
            None | Some(Proto::Ip | Proto::Arp | Proto::Rarp) => {}
            Some(proto) => return self.fail(ErrorKind::Qualifier { proto, to: "gateway" }),
        }
        let ether = self.named_ether(name, Dir::Either)?;
        let mut addresses = self.options.names.host(name);
        addresses.retain(IpAddr::is_ipv4);
        let host = self.addresses(&addresses, Qualifiers { proto, dir: Dir::Either, kind: Kind::Host })?;
        let others = self.formula.not(host);
        Ok(self.formula.and(ether, others))
    }
}

/// A network given without its trailing zero bytes.
fn promote(mut address: u32) -> Net<u32> {
    let mut mask = u32::MAX;
    while address != 0 && address & 0xff00_0000 == 0 {
        address <<= 8;
        mask <<= 8;
    }
    Net { address, mask }
}

/// One to four decimal bytes with dots: the address they start, and how many bits they give.
fn ipv4_address(text: &str) -> Option<(u32, u32)> {
    let (mut address, mut bits) = (0, 0);
    for part in text.split('.') {
        let mut byte = 0u32;
        for digit in part.bytes() {
            byte = match digit {
                b'0'..=b'9' if byte <= 25 => 10 * byte + u32::from(digit - b'0'),
                _ => return None,
            };
        }
        address = address << 8 | u32::from(u8::try_from(byte).ok()?);
        bits += 8;
    }
    (bits <= 32).then(|| (address << (32 - bits), bits))
}

/// An area and a node of DECnet.
fn decnet_address(text: &str) -> Option<u16> {
    const NODE: u32 = 10;
    let (area, node) = text.split_once('.')?;
    let node = &node[..node.find(|c: char| !c.is_ascii_digit()).unwrap_or(node.len())];
    let (area, node): (u32, u32) = (area.parse().ok()?, node.parse().ok()?);
    Some((area << NODE) as u16 & 0xfc00 | node as u16 & 0x03ff)
}
