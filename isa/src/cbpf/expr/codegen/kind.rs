//! Whether the link-layer header says that a given protocol follows: by an EtherType above
//! [`MAX_LENGTH`], or a service access point of LLC up to there.

use super::Generator;
use super::load::{ALL, Base};
use crate::cbpf::expr::Source;
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::formula::TestId;
use crate::cbpf::expr::link::LinkType;
use crate::cbpf::expr::proto::{ethertype, sap};
use crate::cbpf::{Cond, Insn, Operand, Size};
use crate::insn::ByteOrder;
use alloc::vec;

/// In Ethernet, a type field up to here is a length, and LLC follows.
const MAX_LENGTH: u32 = 1500;

/// The type a Linux cooked header has for frames with LLC, and for IPX without.
const COOKED_LLC: u32 = 4;
const COOKED_802_3: u32 = 1;

impl Generator<'_> {
    /// That a packet is of the protocol `kind`.
    pub(super) fn kind(&mut self, kind: u32) -> Result<TestId, Error> {
        use LinkType as L;
        if self.layers.labels > 0 {
            return self.over_mpls(kind);
        }
        Ok(match self.layers.link {
            L::Ethernet => self.ethernet_kind(kind),
            L::LinuxSll => self.cooked_kind(kind),
            L::LinuxSll2 => self.equal(Base::Kind, 0, Size::H, kind),
            L::CHdlc => {
                let kind = if kind == sap::ISO { sap::ISO << 8 | sap::ISO } else { kind };
                self.equal(Base::Kind, 0, Size::H, kind)
            }
            L::Ppp | L::PppSerial | L::PppEther | L::PppPppd => self.equal(Base::Kind, 0, Size::H, ppp(kind)),
            L::Null | L::Loop | L::Enc => self.family(kind),
            L::Raw => match kind {
                ethertype::IP => self.masked(Base::Link, 0, Size::B, 0x40, 0xf0),
                ethertype::IP6 => self.masked(Base::Link, 0, Size::B, 0x60, 0xf0),
                _ => self.always(false),
            },
            L::Ipv4 => self.always(kind == ethertype::IP),
            L::Ipv6 => self.always(kind == ethertype::IP6),
        })
    }

    /// Behind MPLS labels nothing tells the protocol but the version of IP.
    fn over_mpls(&mut self, kind: u32) -> Result<TestId, Error> {
        let version = match kind {
            ethertype::IP => 0x40,
            ethertype::IP6 => 0x60,
            _ => return self.fail(ErrorKind::OverMpls),
        };
        let bottom = self.masked(Base::Network, 0u32.wrapping_sub(2), Size::B, 1, 1);
        let version = self.masked(Base::Network, 0, Size::B, version, 0xf0);
        Ok(self.formula.and(bottom, version))
    }

    fn has_llc(&mut self) -> TestId {
        if self.layers.link == LinkType::LinuxSll {
            return self.equal(Base::Kind, 0, Size::H, COOKED_LLC);
        }
        let long = self.compare(Base::Kind, 0, Size::H, ALL, Cond::Gt, MAX_LENGTH);
        self.formula.not(long)
    }

    /// LLC with a SNAP header of this organisation and type.
    fn snap(&mut self, organisation: u32, kind: u32) -> TestId {
        let [_, o @ ..] = organisation.to_be_bytes();
        let [.., k0, k1] = kind.to_be_bytes();
        let snap = sap::SNAP as u8;
        self.bytes(Base::Llc, 0, &[snap, snap, 0x03, o[0], o[1], o[2], k0, k1])
    }

    fn ethernet_kind(&mut self, kind: u32) -> TestId {
        match kind {
            sap::ISO | sap::IP | sap::NETBEUI => self.both_saps(kind),
            sap::IPX => {
                let sap = self.equal(Base::Llc, 0, Size::B, sap::IPX);
                // Without LLC, IPX starts with a checksum of all ones.
                let bare = self.equal(Base::Llc, 0, Size::H, 0xffff);
                let test = self.formula.or(sap, bare);
                let snap = self.snap(0, ethertype::IPX);
                let test = self.formula.or(snap, test);
                let llc = self.has_llc();
                let test = self.formula.and(llc, test);
                let plain = self.equal(Base::Kind, 0, Size::H, ethertype::IPX);
                self.formula.or(plain, test)
            }
            ethertype::ATALK | ethertype::AARP => self.appletalk(kind),
            0..=MAX_LENGTH => {
                let llc = self.has_llc();
                let sap = self.equal(Base::Kind, 2, Size::B, kind);
                self.formula.and(llc, sap)
            }
            _ => self.equal(Base::Kind, 0, Size::H, kind),
        }
    }

    fn cooked_kind(&mut self, kind: u32) -> TestId {
        match kind {
            sap::ISO | sap::IP | sap::NETBEUI => self.both_saps(kind),
            sap::IPX => {
                let sap = self.equal(Base::Llc, 0, Size::B, sap::IPX);
                let snap = self.snap(0, ethertype::IPX);
                let test = self.formula.or(sap, snap);
                let llc = self.has_llc();
                let test = self.formula.and(llc, test);
                let bare = self.equal(Base::Kind, 0, Size::H, COOKED_802_3);
                let test = self.formula.or(bare, test);
                let plain = self.equal(Base::Kind, 0, Size::H, ethertype::IPX);
                self.formula.or(plain, test)
            }
            ethertype::ATALK | ethertype::AARP => self.appletalk(kind),
            0..=MAX_LENGTH => {
                let llc = self.has_llc();
                let sap = self.equal(Base::Link, self.layers.payload.constant, Size::B, kind);
                self.formula.and(llc, sap)
            }
            _ => self.equal(Base::Kind, 0, Size::H, kind),
        }
    }

    /// Both service access points of LLC.
    fn both_saps(&mut self, sap: u32) -> TestId {
        let llc = self.has_llc();
        let saps = self.equal(Base::Llc, 0, Size::H, sap << 8 | sap);
        self.formula.and(llc, saps)
    }

    /// AppleTalk, in SNAP or by EtherType.
    fn appletalk(&mut self, kind: u32) -> TestId {
        const APPLE: u32 = 0x08_0007;
        let llc = self.has_llc();
        let snap = self.snap(if kind == ethertype::ATALK { APPLE } else { 0 }, kind);
        let test = self.formula.and(llc, snap);
        let plain = self.equal(Base::Kind, 0, Size::H, kind);
        self.formula.or(plain, test)
    }

    /// An address family of BSD. That of IPv6 has three numbers, and a fourth on Linux.
    fn family(&mut self, kind: u32) -> TestId {
        const INET: u32 = 2;
        match kind {
            ethertype::IP => self.is_family(INET),
            ethertype::IP6 if self.options.source == Source::Live => self.is_family(10),
            ethertype::IP6 => {
                let (netbsd, freebsd) = (self.is_family(24), self.is_family(28));
                let test = self.formula.or(netbsd, freebsd);
                let darwin = self.is_family(30);
                self.formula.or(darwin, test)
            }
            _ => self.always(false),
        }
    }

    fn is_family(&mut self, family: u32) -> TestId {
        // Loads are big-endian; only LOOP writes the family so.
        let little = self.options.byte_order == ByteOrder::Little && self.layers.link != LinkType::Loop;
        self.equal(Base::Link, 0, Size::W, if little { family.swap_bytes() } else { family })
    }

    /// That a frame has an LLC header, and is not IPX without one.
    pub(super) fn llc(&mut self) -> Result<TestId, Error> {
        if !self.is_ethernet() {
            return self.no_link("llc");
        }
        let llc = self.has_llc();
        let bare = self.equal(Base::Llc, 0, Size::H, 0xffff);
        let not_bare = self.formula.not(bare);
        Ok(self.formula.and(llc, not_bare))
    }

    /// Inside Geneve, that there is a link-layer header: it does not end where it starts.
    pub(super) fn header_present(&mut self) -> Option<TestId> {
        let (header, payload) = (self.layers.header.register?, self.layers.payload.register?);
        if !self.layers.geneve {
            return None;
        }
        let stmts = vec![self.stmt(Insn::LoadMem(header)), self.stmt(Insn::LoadXMem(payload))];
        let empty = self.formula.test(stmts, Cond::Eq, Operand::X);
        Some(self.formula.not(empty))
    }
}

/// PPP's number for an EtherType or service access point.
const fn ppp(kind: u32) -> u32 {
    match kind {
        ethertype::IP => 0x21,
        ethertype::IP6 => 0x57,
        ethertype::DECNET => 0x27,
        ethertype::ATALK => 0x29,
        ethertype::NS => 0x25,
        sap::ISO => 0x23,
        sap::STP => 0x31,
        sap::IPX => 0x2b,
        _ => kind,
    }
}
