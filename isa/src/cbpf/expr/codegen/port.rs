//! Ports of TCP, UDP and SCTP over IPv4 and IPv6. Of fragments only the first has ports; over IPv6 a
//! transport header directly after the fixed header is looked at, and no other.

use super::Generator;
use super::load::{ALL, Base};
use crate::cbpf::expr::Proto;
use crate::cbpf::expr::ast::{Dir, Id, Kind, Qualifiers};
use crate::cbpf::expr::error::{Error, ErrorKind};
use crate::cbpf::expr::formula::TestId;
use crate::cbpf::expr::names::Ports;
use crate::cbpf::expr::proto::{ethertype, number};
use crate::cbpf::{Cond, Operand, Size};

/// A range of ports, or a single one, and the transport it is of; `None` for all three.
#[derive(Clone, Copy)]
struct PortRange {
    first: u16,
    last: u16,
    transport: Option<u32>,
    /// Whether it was given as a range, be it of one port.
    range: bool,
}

impl Generator<'_> {
    /// `port` and `portrange`.
    pub(super) fn port(&mut self, qualifiers: Qualifiers, id: Id<'_>) -> Result<TestId, Error> {
        let range = qualifiers.kind == Kind::PortRange;
        let word = if range { "portrange" } else { "port" };
        let transport = match qualifiers.proto {
            None => None,
            Some(Proto::Tcp) => Some(number::TCP),
            Some(Proto::Udp) => Some(number::UDP),
            Some(Proto::Sctp) => Some(number::SCTP),
            Some(proto) => return self.fail(ErrorKind::Qualifier { proto, to: word }),
        };
        let ports = match id {
            Id::Number(port) => {
                let port = self.port_number(i64::from(port))?;
                PortRange { first: port, last: port, transport, range }
            }
            Id::Name(name) => {
                let (first, last, of) = if range {
                    self.named_range(name)?
                } else {
                    let (port, of) = self.named_port(name)?;
                    (port, port, of)
                };
                let transport = match (transport, of) {
                    (Some(asked), Some(of)) if asked != of => {
                        return self.fail(ErrorKind::PortOf(transport_name(of)));
                    }
                    (asked, of) => asked.or(of),
                };
                PortRange { first, last, transport, range }
            }
            Id::Ether(_) => return self.fail(ErrorKind::LinkAddressQualifier),
            Id::Arcnet => return self.fail(ErrorKind::ForeignLink("$")),
            _ => return self.fail(ErrorKind::AddressAs(word)),
        };
        let ipv4 = self.ports(ports, qualifiers.dir, false)?;
        let ipv6 = self.ports(ports, qualifiers.dir, true)?;
        Ok(self.formula.or(ipv6, ipv4))
    }

    fn port_number(&self, port: i64) -> Result<u16, Error> {
        match u16::try_from(port) {
            Ok(port) => Ok(port),
            Err(_) if port < 0 => self.fail(ErrorKind::NegativePort),
            Err(_) => self.fail(ErrorKind::TooLarge { what: "a port", max: u16::MAX.into() }),
        }
    }

    /// A port by name, and the transport it is of when it is of one alone.
    fn named_port(&self, name: &str) -> Result<(u16, Option<u32>), Error> {
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
            return Ok((self.port_number(name.parse().unwrap_or(i64::MAX))?, None));
        }
        match self.options.names.ports(name) {
            Some(Ports { tcp: Some(tcp), udp }) => Ok((tcp, (udp != Some(tcp)).then_some(number::TCP))),
            Some(Ports { tcp: None, udp: Some(udp) }) => Ok((udp, Some(number::UDP))),
            _ => self.fail(ErrorKind::UnknownPort),
        }
    }

    /// Two ports with a minus between them.
    fn named_range(&self, text: &str) -> Result<(u16, u16, Option<u32>), Error> {
        let Some((first, last)) = text.split_once('-') else {
            return self.fail(ErrorKind::Expected("two ports with \"-\" between them"));
        };
        if let (Some(first), Some(last)) = (leading_number(first, true), leading_number(last, false)) {
            return Ok((self.port_number(first)?, self.port_number(last)?, None));
        }
        let ((first, of), (last, of_last)) = (self.named_port(first)?, self.named_port(last)?);
        Ok((first, last, of.filter(|_| of == of_last)))
    }

    fn ports(&mut self, ports: PortRange, dir: Dir, ipv6: bool) -> Result<TestId, Error> {
        let kind = self.kind(if ipv6 { ethertype::IP6 } else { ethertype::IP })?;
        let test = match ports.transport {
            Some(transport) => self.transport_ports(ports, transport, dir, ipv6)?,
            None => {
                let tcp = self.transport_ports(ports, number::TCP, dir, ipv6)?;
                let udp = self.transport_ports(ports, number::UDP, dir, ipv6)?;
                let test = self.formula.or(tcp, udp);
                let sctp = self.transport_ports(ports, number::SCTP, dir, ipv6)?;
                self.formula.or(sctp, test)
            }
        };
        Ok(self.formula.and(kind, test))
    }

    fn transport_ports(
        &mut self,
        ports: PortRange,
        transport: u32,
        dir: Dir,
        ipv6: bool,
    ) -> Result<TestId, Error> {
        let (over, next) = if ipv6 { (Base::OverIpv6, 6) } else { (Base::OverIpv4, 9) };
        let mut has = self.equal(Base::Network, next, Size::B, transport);
        if !ipv6 {
            let first = self.first_fragment();
            has = self.formula.and(has, first);
        }
        let test = self.directed(dir, |g, src| {
            let offset = if src { 0 } else { 2 };
            if !ports.range {
                return Ok(g.equal(over, offset, Size::H, ports.first.into()));
            }
            let (low, high) = (ports.first.min(ports.last), ports.first.max(ports.last));
            let above = g.compare(over, offset, Size::H, ALL, Cond::Ge, low.into());
            let beyond = g.compare(over, offset, Size::H, ALL, Cond::Gt, high.into());
            let below = g.formula.not(beyond);
            Ok(g.formula.and(above, below))
        })?;
        Ok(self.formula.and(has, test))
    }

    /// That an IPv4 packet is no fragment, or the first.
    pub(super) fn first_fragment(&mut self) -> TestId {
        const OFFSET: u32 = 0x1fff;
        let stmts = self.load(Base::Network, 6, Size::H);
        let later = self.formula.test(stmts, Cond::Set, Operand::K(OFFSET));
        self.formula.not(later)
    }

    /// A UDP packet to `port`, over IPv4 or IPv6.
    pub(super) fn udp_to(&mut self, port: u16, ipv6: bool) -> Result<TestId, Error> {
        let ports = PortRange { first: port, last: port, transport: Some(number::UDP), range: false };
        self.ports(ports, Dir::Dst, ipv6)
    }
}

const fn transport_name(transport: u32) -> &'static str {
    match transport {
        number::TCP => "TCP",
        number::UDP => "UDP",
        _ => "SCTP",
    }
}

/// The number at the start of `text`, all of it when `whole`; it may be negative.
fn leading_number(text: &str, whole: bool) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 || whole && end < digits.len() {
        return None;
    }
    let value = digits[..end].parse::<i64>().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -value } else { value })
}
