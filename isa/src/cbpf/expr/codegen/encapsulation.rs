//! Headers that contain others: VLAN tags, MPLS labels, PPPoE and Geneve. Each test also moves the
//! offsets for everything after it in the expression.

use super::Generator;
use super::load::Base;
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::formula::TestId;
use crate::cbpf::expr::link::{LinkType, Start};
use crate::cbpf::expr::proto::ethertype;
use crate::cbpf::{Alu, Ancillary, Cond, Insn, Operand, Size};
use alloc::vec;
use alloc::vec::Vec;

/// The UDP port of Geneve (RFC 8926).
const GENEVE: u16 = 6081;

/// The length of a VLAN tag, and the bits of it that identify the VLAN.
const TAG: u32 = 4;
const IDENTIFIER: u32 = 0xfff;

impl Generator<'_> {
    fn limited(&self, value: Option<u32>, what: &'static str, max: u32) -> Result<Option<u32>, Error> {
        match value {
            Some(value) if value > max => self.fail(ErrorKind::TooLarge { what, max }),
            value => Ok(value),
        }
    }

    pub(super) fn vlan(&mut self, identifier: Option<u32>) -> Result<TestId, Error> {
        if self.layers.labels > 0 {
            return self.fail(ErrorKind::VlanAfterMpls);
        }
        if !self.is_ethernet() {
            return self.no_link("vlan");
        }
        let identifier = self.limited(identifier, "a VLAN identifier", IDENTIFIER)?;
        let header = self.layers.header;
        let outermost = self.layers.tags == 0 && header.register.is_none() && header.constant == 0;
        self.layers.tags += 1;
        if let Some(words) = self.varying.filter(|_| outermost) {
            return self.vlan_beside(identifier, words);
        }
        let (tagged, identified) = self.tag(identifier)?;
        self.layers.payload.constant = self.layers.payload.constant.wrapping_add(TAG);
        self.layers.kind.constant = self.layers.kind.constant.wrapping_add(TAG);
        Ok(match identified {
            Some(identified) => self.formula.and(tagged, identified),
            None => tagged,
        })
    }

    /// That there is a tag in the packet, and that it has this identifier.
    fn tag(&mut self, identifier: Option<u32>) -> Result<(TestId, Option<TestId>), Error> {
        let plain = self.kind(ethertype::VLAN)?;
        let service = self.kind(ethertype::SERVICE_VLAN)?;
        let test = self.formula.or(plain, service);
        let old = self.kind(ethertype::OLD_VLAN)?;
        let tagged = self.formula.or(test, old);
        let identified = identifier.map(|id| self.masked(Base::Network, 0, Size::H, id, IDENTIFIER));
        Ok((tagged, identified))
    }

    /// A tag that the kernel may have taken out of the packet. Where the headers after it start is
    /// known when the filter runs: a word of scratch memory has 0 or the length of a tag.
    fn vlan_beside(&mut self, identifier: Option<u32>, words: [u32; 2]) -> Result<TestId, Error> {
        let present = self.beside(Ancillary::VlanPresent, u32::MAX, 1);
        let absent = self.beside(Ancillary::VlanPresent, u32::MAX, 1);
        let absent = self.formula.not(absent);
        let (tagged, identified) = self.tag(identifier)?;
        for word in words {
            let moved =
                [Insn::LoadMem(word), Insn::Alu { op: Alu::Add, by: Operand::K(TAG) }, Insn::Store(word)];
            let stmts = moved.map(|insn| self.stmt(insn));
            self.formula.prepend(tagged, stmts);
        }
        [self.layers.payload.register, self.layers.kind.register] = words.map(Some);
        let mut inside = self.formula.and(absent, tagged);
        let mut beside = present;
        if let (Some(identifier), Some(identified)) = (identifier, identified) {
            inside = self.formula.and(inside, identified);
            let tag = self.beside(Ancillary::VlanTag, IDENTIFIER, identifier);
            beside = self.formula.and(beside, tag);
        }
        Ok(self.formula.or(beside, inside))
    }

    /// Compares bits of an ancillary value.
    fn beside(&mut self, which: Ancillary, mask: u32, value: u32) -> TestId {
        let mut stmts = vec![self.stmt(Insn::LoadAbs { size: Size::B, k: which.offset() })];
        if mask != u32::MAX {
            stmts.push(self.stmt(Insn::Alu { op: Alu::And, by: Operand::K(mask) }));
        }
        self.formula.test(stmts, Cond::Eq, Operand::K(value))
    }

    pub(super) fn mpls(&mut self, label: Option<u32>) -> Result<TestId, Error> {
        const ENTRY: u32 = 4;
        let label = self.limited(label, "an MPLS label", 0xf_ffff)?;
        let mut test = if self.layers.labels > 0 {
            // The entry before is not the bottom of the stack.
            self.masked(Base::Label, 2, Size::B, 0, 1)
        } else {
            match self.layers.link {
                LinkType::Ethernet | LinkType::CHdlc => self.kind(ethertype::MPLS)?,
                // PPP's number for MPLS.
                LinkType::Ppp => self.kind(0x281)?,
                _ => return self.no_link("mpls"),
            }
        };
        if let Some(label) = label {
            let entry = self.masked(Base::Network, 0, Size::W, label << 12, 0xffff_f000);
            test = self.formula.and(test, entry);
        }
        self.layers.network = self.layers.network.wrapping_add(ENTRY);
        self.layers.network_llc = self.layers.network_llc.wrapping_add(ENTRY);
        self.layers.labels += 1;
        Ok(test)
    }

    pub(super) fn pppoe_session(&mut self, session: Option<u32>) -> Result<TestId, Error> {
        const HEADER: u32 = 6;
        let session = self.limited(session, "a PPPoE session", 0xffff)?;
        let mut test = self.kind(ethertype::PPPOE_SESSION)?;
        if let Some(session) = session {
            let field = self.masked(Base::Network, 0, Size::W, session, 0xffff);
            test = self.formula.and(test, field);
        }
        let Start { constant, register } = self.layers.payload;
        let header =
            Start { constant: constant.wrapping_add(self.layers.network).wrapping_add(HEADER), register };
        self.layers.enter(LinkType::Ppp, header);
        self.layers.kind = header;
        self.layers.payload.constant = header.constant.wrapping_add(2);
        self.layers.network = 0;
        self.layers.network_llc = 0;
        Ok(test)
    }

    pub(super) fn geneve(&mut self, network: Option<u32>) -> Result<TestId, Error> {
        let network = self.limited(network, "a Geneve network", 0xff_ffff)?;
        let ipv4 = self.geneve_over(network, false)?;
        let ipv6 = self.geneve_over(network, true)?;
        let test = self.formula.or(ipv4, ipv6);
        let inner = self.geneve_offsets()?;
        self.layers.geneve = true;
        Ok(self.formula.and(test, inner))
    }

    /// Version 0 of Geneve over one version of IP. A test at the end that always holds leaves the
    /// length of the IP header, and the part of its offset that varies, in `A` and `X`.
    fn geneve_over(&mut self, network: Option<u32>, ipv6: bool) -> Result<TestId, Error> {
        let base = if ipv6 { Base::OverIpv6 } else { Base::OverIpv4 };
        let port = self.udp_to(GENEVE, ipv6)?;
        let version = self.masked(base, 8, Size::B, 0, 0xc0);
        let mut test = self.formula.and(port, version);
        if let Some(network) = network {
            let field = self.masked(base, 12, Size::W, network << 8, 0xffff_ff00);
            test = self.formula.and(test, field);
        }
        let mut stmts = Vec::new();
        if ipv6 {
            let varying = self.layers.payload.register;
            stmts.extend(varying.map(|word| self.stmt(Insn::LoadXMem(word))));
            stmts.push(self.stmt(Insn::LoadImm(40)));
            stmts.extend(varying.map(|_| self.stmt(Insn::Alu { op: Alu::Add, by: Operand::X })));
            stmts.push(self.stmt(Insn::Tax));
        } else {
            stmts.extend(self.ipv4_header_length());
            stmts.push(self.stmt(Insn::Txa));
        }
        let length = self.formula.test(stmts, Cond::Eq, Operand::X);
        Ok(self.formula.and(test, length))
    }

    /// A test that always holds and computes where the headers inside Geneve are. An Ethernet header
    /// may lie inside, or the network header directly.
    fn geneve_offsets(&mut self) -> Result<TestId, Error> {
        let udp = self.layers.payload.constant.wrapping_add(self.layers.network).wrapping_add(8);
        let kind = self.allocate()?;
        let header = self.allocate()?;
        let payload = self.allocate()?;
        let add = |k| Insn::Alu { op: Alu::Add, by: Operand::K(k) };
        let insns = [
            // X: the Geneve header, which names the protocol at 2 and has its length in the first byte.
            add(udp),
            Insn::Tax,
            add(2),
            Insn::Store(kind),
            Insn::LoadInd { size: Size::B, k: 0 },
            Insn::Alu { op: Alu::And, by: Operand::K(0x3f) },
            Insn::Alu { op: Alu::Mul, by: Operand::K(4) },
            add(8),
            Insn::Alu { op: Alu::Add, by: Operand::X },
            Insn::Store(header),
            Insn::LoadInd { size: Size::H, k: 2 },
            Insn::LoadXMem(header),
            // X: the inner header, and behind it when it is Ethernet's.
            Insn::Branch { cond: Cond::Eq, with: Operand::K(ethertype::BRIDGED), jt: 0, jf: 5 },
            Insn::Txa,
            add(12),
            Insn::Store(kind),
            add(2),
            Insn::Tax,
            Insn::StoreX(payload),
            Insn::LoadImm(0),
        ];
        self.jumps = true;
        self.layers.kind = Start { constant: 0, register: Some(kind) };
        self.layers.enter(LinkType::Ethernet, Start { constant: 0, register: Some(header) });
        self.layers.payload = Start { constant: 0, register: Some(payload) };
        self.layers.network = 0;
        let stmts = insns.map(|insn| self.stmt(insn)).to_vec();
        Ok(self.formula.test(stmts, Cond::Eq, Operand::K(0)))
    }
}
