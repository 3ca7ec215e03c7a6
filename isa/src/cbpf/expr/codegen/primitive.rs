//! Primitives, dispatched, and those that need a few lines only.

use super::Generator;
use super::load::{ALL, Base};
use crate::cbpf::expr::ast::{ByteOp, Dir, Id, Kind, Llc, Primitive, Qualifiers};
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::formula::TestId;
use crate::cbpf::expr::link::LinkType;
use crate::cbpf::expr::proto::ethertype;
use crate::cbpf::expr::{Proto, Source};
use crate::cbpf::{Alu, Ancillary, Cond, Insn, Operand, Size};
use alloc::vec;

/// The packet type of what this machine sent, in cooked headers and of the kernel.
const OUTGOING: u32 = 4;

impl Generator<'_> {
    pub(super) fn primitive(&mut self, primitive: Primitive<'_>) -> Result<TestId, Error> {
        match primitive {
            Primitive::Id(qualifiers, id) => self.identifier(qualifiers, id),
            Primitive::Proto(proto) => self.protocol_word(proto),
            Primitive::Broadcast(proto) => self.broadcast(proto),
            Primitive::Multicast(proto) => self.multicast(proto),
            Primitive::Less(length) => {
                let more = self.length_test(Cond::Gt, length);
                Ok(self.formula.not(more))
            }
            Primitive::Greater(length) => Ok(self.length_test(Cond::Ge, length)),
            Primitive::Byte { index, op, value } => Ok(self.byte(index, op, value)),
            Primitive::Inbound => {
                let sent = self.sent("inbound")?;
                Ok(if self.layers.link == LinkType::PppPppd {
                    self.equal(Base::Link, 0, Size::B, 0)
                } else {
                    self.formula.not(sent)
                })
            }
            Primitive::Outbound => self.sent("outbound"),
            Primitive::IfIndex(index) => self.interface(index),
            Primitive::Vlan(identifier) => self.vlan(identifier),
            Primitive::Mpls(label) => self.mpls(label),
            Primitive::Pppoed => self.kind(ethertype::PPPOE_DISCOVERY),
            Primitive::Pppoes(session) => self.pppoe_session(session),
            Primitive::Geneve(network) => self.geneve(network),
            Primitive::Llc(kind) => self.llc_kind(kind),
        }
    }

    fn identifier(&mut self, qualifiers: Qualifiers, id: Id<'_>) -> Result<TestId, Error> {
        match (qualifiers.kind, id) {
            (Kind::Unqualified, _) => self.fail(ErrorKind::Unqualified),
            (_, Id::Prefix(..) | Id::Masked(..) | Id::Prefix6(..)) => self.network(qualifiers, id),
            (Kind::Default | Kind::Host | Kind::Net, _) => self.host(qualifiers, id),
            (Kind::Port | Kind::PortRange, _) => self.port(qualifiers, id),
            (Kind::Proto, _) => self.protocol(qualifiers, id),
            (Kind::ProtoChain, _) => self.protocol_chain(qualifiers, id),
            (Kind::Gateway, _) => self.gateway(qualifiers, id),
        }
    }

    fn length_test(&mut self, cond: Cond, length: u32) -> TestId {
        let stmts = vec![self.stmt(Insn::LoadLen)];
        self.formula.test(stmts, cond, Operand::K(length))
    }

    fn byte(&mut self, index: u32, op: ByteOp, value: u32) -> TestId {
        let (alu, base) = match op {
            ByteOp::Equal => return self.equal(Base::Link, index, Size::B, value),
            ByteOp::Greater => return self.compare(Base::Link, index, Size::B, ALL, Cond::Gt, value),
            ByteOp::Less => {
                let not_less = self.compare(Base::Link, index, Size::B, ALL, Cond::Ge, value);
                return self.formula.not(not_less);
            }
            ByteOp::And => (Alu::And, Base::Link),
            ByteOp::Or => (Alu::Or, Base::Link),
        };
        let mut stmts = self.load(base, index, Size::B);
        stmts.push(self.stmt(Insn::Alu { op: alu, by: Operand::K(value) }));
        let zero = self.formula.test(stmts, Cond::Eq, Operand::K(0));
        self.formula.not(zero)
    }

    fn broadcast(&mut self, proto: Option<Proto>) -> Result<TestId, Error> {
        match proto {
            None | Some(Proto::Link) if self.is_ethernet() => self.ether([0xff; 6], Dir::Dst),
            None | Some(Proto::Link) => self.no_link("broadcast"),
            Some(Proto::Ip) => {
                let Some(netmask) = self.options.netmask else { return self.fail(ErrorKind::NetmaskUnknown) };
                let ipv4 = self.kind(ethertype::IP)?;
                let zeros = self.masked(Base::Network, 16, Size::W, 0, !netmask);
                let ones = self.masked(Base::Network, 16, Size::W, !netmask, !netmask);
                let test = self.formula.or(zeros, ones);
                Ok(self.formula.and(ipv4, test))
            }
            Some(proto) => self.fail(ErrorKind::Qualifier { proto, to: "broadcast" }),
        }
    }

    fn multicast(&mut self, proto: Option<Proto>) -> Result<TestId, Error> {
        match proto {
            None | Some(Proto::Link) if self.is_ethernet() => {
                let present = self.header_present();
                let stmts = self.load(Base::Link, 0, Size::B);
                let test = self.formula.test(stmts, Cond::Set, Operand::K(1));
                Ok(match present {
                    Some(present) => self.formula.and(present, test),
                    None => test,
                })
            }
            None | Some(Proto::Link) => self.no_link("multicast"),
            Some(Proto::Ip) => {
                let ipv4 = self.kind(ethertype::IP)?;
                let test = self.compare(Base::Network, 16, Size::B, ALL, Cond::Ge, 224);
                Ok(self.formula.and(ipv4, test))
            }
            Some(Proto::Ip6) => {
                let ipv6 = self.kind(ethertype::IP6)?;
                let test = self.equal(Base::Network, 24, Size::B, 255);
                Ok(self.formula.and(ipv6, test))
            }
            Some(proto) => self.fail(ErrorKind::Qualifier { proto, to: "multicast" }),
        }
    }

    /// That this machine sent the packet: as the header tells, or on a live capture the kernel.
    fn sent(&mut self, what: &'static str) -> Result<TestId, Error> {
        Ok(match self.layers.link {
            LinkType::LinuxSll => self.equal(Base::Link, 0, Size::H, OUTGOING),
            LinkType::LinuxSll2 => self.equal(Base::Link, 10, Size::B, OUTGOING),
            LinkType::PppPppd => self.equal(Base::Link, 0, Size::B, 1),
            _ if self.options.source == Source::File => return self.fail(ErrorKind::NotInFiles(what)),
            _ => self.equal(Base::Link, Ancillary::PktType.offset(), Size::H, OUTGOING),
        })
    }

    fn interface(&mut self, index: u32) -> Result<TestId, Error> {
        Ok(match self.layers.link {
            LinkType::LinuxSll2 => self.equal(Base::Link, 4, Size::W, index),
            _ if self.options.source == Source::File => return self.fail(ErrorKind::NotInFiles("ifindex")),
            _ => self.equal(Base::Link, Ancillary::IfIndex.offset(), Size::W, index),
        })
    }

    /// LLC frames by the control field: formats by its low bits, commands without the poll bit.
    fn llc_kind(&mut self, kind: Option<Llc>) -> Result<TestId, Error> {
        let llc = self.llc()?;
        let control = match kind {
            None => return Ok(llc),
            Some(Llc::Information) => {
                let stmts = self.load(Base::Llc, 2, Size::B);
                let other = self.formula.test(stmts, Cond::Set, Operand::K(1));
                self.formula.not(other)
            }
            Some(Llc::Supervisory(None)) => self.masked(Base::Llc, 2, Size::B, 1, 3),
            Some(Llc::Unnumbered(None)) => self.masked(Base::Llc, 2, Size::B, 3, 3),
            Some(Llc::Supervisory(Some(command))) => self.masked(Base::Llc, 2, Size::B, command, 0x0f),
            Some(Llc::Unnumbered(Some(command))) => self.masked(Base::Llc, 2, Size::B, command, 0xef),
        };
        Ok(self.formula.and(llc, control))
    }
}
