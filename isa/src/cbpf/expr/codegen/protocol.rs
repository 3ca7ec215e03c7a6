//! Protocols: by the link layer's type, by the protocol number of IP, by the PDU type of IS-IS; and
//! `protochain`, which follows IPsec's and IPv6's headers in a loop.

use super::Generator;
use super::load::Base;
use crate::cbpf::expr::Proto;
use crate::cbpf::expr::ast::{Id, Qualifiers};
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::formula::{Stmt, TestId};
use crate::cbpf::expr::link::LinkType;
use crate::cbpf::expr::proto::{ethertype, nlpid, number, pdu, sap};
use crate::cbpf::{Alu, Cond, Insn, Operand, Size};
use alloc::vec::Vec;

/// What `ether proto` takes as a name.
const KINDS: &[(&str, u32)] = &[
    ("aarp", ethertype::AARP),
    ("arp", ethertype::ARP),
    ("atalk", ethertype::ATALK),
    ("decnet", ethertype::DECNET),
    ("ip", ethertype::IP),
    ("ip6", ethertype::IP6),
    ("lat", ethertype::LAT),
    ("loopback", ethertype::LOOPBACK),
    ("mopdl", ethertype::MOPDL),
    ("moprc", ethertype::MOPRC),
    ("rarp", ethertype::RARP),
    ("sca", ethertype::SCA),
    ("iso", sap::ISO),
    ("stp", sap::STP),
    ("ipx", sap::IPX),
    ("netbeui", sap::NETBEUI),
];

impl Generator<'_> {
    /// A protocol by its keyword.
    pub(super) fn protocol_word(&mut self, proto: Proto) -> Result<TestId, Error> {
        use pdu::{L1_CSNP, L1_HELLO, L1_LSP, L1_PSNP, L2_CSNP, L2_HELLO, L2_LSP, L2_PSNP, P2P_HELLO};
        match proto {
            Proto::Ip => self.kind(ethertype::IP),
            Proto::Arp => self.kind(ethertype::ARP),
            Proto::Rarp => self.kind(ethertype::RARP),
            Proto::Ip6 => self.kind(ethertype::IP6),
            Proto::Atalk => self.kind(ethertype::ATALK),
            Proto::Aarp => self.kind(ethertype::AARP),
            Proto::Decnet => self.kind(ethertype::DECNET),
            Proto::Sca => self.kind(ethertype::SCA),
            Proto::Lat => self.kind(ethertype::LAT),
            Proto::Mopdl => self.kind(ethertype::MOPDL),
            Proto::Moprc => self.kind(ethertype::MOPRC),
            Proto::Iso => self.kind(sap::ISO),
            Proto::Stp => self.kind(sap::STP),
            Proto::Ipx => self.kind(sap::IPX),
            Proto::Netbeui => self.kind(sap::NETBEUI),
            Proto::Sctp => self.over_either(number::SCTP),
            Proto::Tcp => self.over_either(number::TCP),
            Proto::Udp => self.over_either(number::UDP),
            Proto::Pim => self.over_either(number::PIM),
            Proto::Ah => self.over_either(number::AH),
            Proto::Esp => self.over_either(number::ESP),
            Proto::Icmp => self.over_ipv4(number::ICMP),
            Proto::Igmp => self.over_ipv4(number::IGMP),
            Proto::Igrp => self.over_ipv4(number::IGRP),
            Proto::Vrrp | Proto::Carp => self.over_ipv4(number::VRRP),
            Proto::Icmp6 => self.over_ipv6(number::ICMP6),
            Proto::Esis => self.over_iso(nlpid::ESIS),
            Proto::Isis => self.over_iso(nlpid::ISIS),
            Proto::Clnp => self.over_iso(nlpid::CLNP),
            Proto::L1 => self.isis(&[P2P_HELLO, L1_HELLO, L1_LSP, L1_CSNP, L1_PSNP]),
            Proto::L2 => self.isis(&[P2P_HELLO, L2_HELLO, L2_LSP, L2_CSNP, L2_PSNP]),
            Proto::Iih => self.isis(&[L2_HELLO, L1_HELLO, P2P_HELLO]),
            Proto::Lsp => self.isis(&[L2_LSP, L1_LSP]),
            Proto::Snp => self.isis(&[L2_CSNP, L1_CSNP, L1_PSNP, L2_PSNP]),
            Proto::Csnp => self.isis(&[L2_CSNP, L1_CSNP]),
            Proto::Psnp => self.isis(&[L2_PSNP, L1_PSNP]),
            Proto::Link | Proto::Radio => self.fail(ErrorKind::Expected("a protocol above the link layer")),
        }
    }

    /// `proto`: a number or a name, of what carries it.
    pub(super) fn protocol(&mut self, qualifiers: Qualifiers, id: Id<'_>) -> Result<TestId, Error> {
        let value = self.protocol_number(qualifiers.proto, id, "proto")?;
        match qualifiers.proto {
            None => self.over_either(value),
            Some(Proto::Link) => self.kind(value),
            Some(Proto::Ip) => self.over_ipv4(value),
            Some(Proto::Ip6) => self.over_ipv6(value),
            Some(Proto::Iso) => self.over_iso(value),
            Some(Proto::Isis) => self.isis(&[value]),
            Some(proto) => self.fail(ErrorKind::Qualifier { proto, to: "proto" }),
        }
    }

    fn protocol_number(&self, proto: Option<Proto>, id: Id<'_>, word: &'static str) -> Result<u32, Error> {
        let name = match id {
            Id::Number(value) => return Ok(value),
            Id::Name(name) => name,
            Id::Ether(_) => return self.fail(ErrorKind::LinkAddressQualifier),
            Id::Arcnet => return self.fail(ErrorKind::ForeignLink("$")),
            _ => return self.fail(ErrorKind::AddressAs(word)),
        };
        let value = match proto {
            None | Some(Proto::Ip | Proto::Ip6) => self.options.names.protocol(name),
            Some(Proto::Link) => KINDS.iter().find(|row| row.0 == name).map(|row| row.1),
            Some(Proto::Iso) => match name {
                "esis" => Some(nlpid::ESIS),
                "isis" => Some(nlpid::ISIS),
                "clnp" => Some(nlpid::CLNP),
                _ => None,
            },
            Some(_) => None,
        };
        match value {
            Some(value) => Ok(value),
            None => self.fail(ErrorKind::UnknownProtocol),
        }
    }

    fn over_either(&mut self, value: u32) -> Result<TestId, Error> {
        let (ipv4, ipv6) = (self.over_ipv4(value)?, self.over_ipv6(value)?);
        Ok(self.formula.or(ipv4, ipv6))
    }

    fn over_ipv4(&mut self, value: u32) -> Result<TestId, Error> {
        let ipv4 = self.kind(ethertype::IP)?;
        let test = self.equal(Base::Network, 9, Size::B, value);
        Ok(self.formula.and(ipv4, test))
    }

    /// Directly after the header of IPv6, or after one fragment header.
    fn over_ipv6(&mut self, value: u32) -> Result<TestId, Error> {
        let ipv6 = self.kind(ethertype::IP6)?;
        let fragment = self.equal(Base::Network, 6, Size::B, number::FRAGMENT);
        let inside = self.equal(Base::Network, 40, Size::B, value);
        let fragment = self.formula.and(fragment, inside);
        let direct = self.equal(Base::Network, 6, Size::B, value);
        let test = self.formula.or(direct, fragment);
        Ok(self.formula.and(ipv6, test))
    }

    fn over_iso(&mut self, value: u32) -> Result<TestId, Error> {
        // Cisco HDLC pads with a byte.
        let padding = u32::from(self.layers.link == LinkType::CHdlc);
        let iso = self.kind(if padding == 1 { sap::ISO << 8 | sap::ISO } else { sap::ISO })?;
        let test = self.equal(Base::NetworkLlc, padding, Size::B, value);
        Ok(self.formula.and(iso, test))
    }

    /// IS-IS with any of these PDU types, the last tested first.
    fn isis(&mut self, types: &[u32]) -> Result<TestId, Error> {
        let mut test = None;
        for &kind in types {
            let isis = self.over_iso(nlpid::ISIS)?;
            let pdu = self.equal(Base::NetworkLlc, 4, Size::B, kind);
            let this = self.formula.and(isis, pdu);
            test = Some(match test {
                Some(others) => self.formula.or(this, others),
                None => this,
            });
        }
        match test {
            Some(test) => Ok(test),
            None => Ok(self.always(false)),
        }
    }

    /// `protochain`.
    pub(super) fn protocol_chain(&mut self, qualifiers: Qualifiers, id: Id<'_>) -> Result<TestId, Error> {
        let value = self.protocol_number(qualifiers.proto, id, "protochain")?;
        match qualifiers.proto {
            None => {
                // libpcap takes a word of scratch memory for this case and keeps it.
                self.allocate()?;
                let (ipv4, ipv6) = (self.chain(value, false)?, self.chain(value, true)?);
                Ok(self.formula.or(ipv4, ipv6))
            }
            Some(Proto::Ip) => self.chain(value, false),
            Some(Proto::Ip6) => self.chain(value, true),
            Some(proto) => self.fail(ErrorKind::Qualifier { proto, to: "protochain" }),
        }
    }

    /// A loop over the headers: `A` has the number of the next one, `X` its offset from the first.
    fn chain(&mut self, value: u32, ipv6: bool) -> Result<TestId, Error> {
        let word = self.allocate()?;
        if self.layers.payload.register.is_some() {
            return self.fail(ErrorKind::VariableHeader);
        }
        self.jumps = true;
        let kind = self.kind(if ipv6 { ethertype::IP6 } else { ethertype::IP })?;
        let insns = chain_loop(value, ipv6, self.layers.payload.constant + self.layers.network, word);
        let stmts: Vec<Stmt> = insns.into_iter().map(|insn| self.stmt(insn)).collect();
        let test = self.formula.test(stmts, Cond::Eq, Operand::K(value));
        self.release(word);
        Ok(self.formula.and(kind, test))
    }
}

/// The loop of a `protochain`, for headers that start at `base`.
fn chain_loop(value: u32, ipv6: bool, base: u32, word: u32) -> Vec<Insn> {
    /// Instructions before the loop.
    const AGAIN: usize = 2;
    let byte = |k| Insn::LoadAbs { size: Size::B, k: base + k };
    let indexed = |k| Insn::LoadInd { size: Size::B, k: base + k };
    let alu = |op, k| Insn::Alu { op, by: Operand::K(k) };
    let branch = |k, jt: usize, jf: usize| Insn::Branch {
        cond: Cond::Eq,
        with: Operand::K(k),
        jt: jt as u8,
        jf: jf as u8,
    };
    let back = |at: usize| Insn::Jump((AGAIN as u32).wrapping_sub(at as u32 + 1));
    // How far the end is depends on the extension headers.
    let end = if ipv6 { 30 } else { 18 };
    let mut out = Vec::with_capacity(end + 1);
    out.push(byte(if ipv6 { 6 } else { 9 }));
    out.push(if ipv6 { Insn::LoadXImm(40) } else { Insn::LoadXMsh(base) });
    for last in [value, number::NONE] {
        out.push(branch(last, end - out.len() - 1, 0));
    }
    if ipv6 {
        let extensions = [number::HOP_BY_HOP, number::DESTINATION, number::ROUTING, number::FRAGMENT];
        // The extension headers have their length in units of eight bytes, the first not counted.
        for (i, extension) in extensions.into_iter().enumerate() {
            let left = extensions.len() - 1 - i;
            out.push(branch(extension, left, if left == 0 { 9 } else { 0 }));
        }
        out.extend([indexed(0), Insn::Store(word), indexed(1), alu(Alu::Add, 1), alu(Alu::Mul, 8)]);
        out.extend([Insn::Alu { op: Alu::Add, by: Operand::X }, Insn::Tax, Insn::LoadMem(word)]);
        out.push(back(out.len()));
    } else {
        out.push(alu(Alu::Add, 0));
    }
    // An authentication header has it in units of four bytes, the first two not counted.
    out.push(branch(number::AH, 0, end - out.len() - 1));
    out.extend([Insn::Txa, indexed(0), Insn::Store(word), Insn::Txa, alu(Alu::Add, 1), Insn::Tax]);
    out.extend([indexed(0), alu(Alu::Add, 2), alu(Alu::Mul, 4), Insn::Tax, Insn::LoadMem(word)]);
    out.push(back(out.len()));
    out.push(alu(Alu::Add, 0));
    out
}
