//! What the kernel would know of a packet beside its bytes: given on the command line, else taken from
//! the link layer and the capture where they tell.

use super::Layer;
use crate::packet::{Captured, Direction, layers};
use oxbpf_isa::cbpf::{Ancillary, Insn, LINK_OFFSET, Packet, Vlan, payload_offset};
use std::str::FromStr;

/// The values of `--ctx`.
#[derive(Clone, Debug, Default)]
pub(super) struct Circumstances {
    values: Vec<(Key, u32)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Key {
    Protocol,
    PktType,
    IfIndex,
    HaType,
    Mark,
    Queue,
    RxHash,
    Cpu,
    Vlan,
    VlanTpid,
    PayOffset,
    Random,
    Network,
}

const KEYS: &[(&str, Key)] = &[
    ("protocol", Key::Protocol),
    ("pkttype", Key::PktType),
    ("ifindex", Key::IfIndex),
    ("hatype", Key::HaType),
    ("mark", Key::Mark),
    ("queue", Key::Queue),
    ("rxhash", Key::RxHash),
    ("cpu", Key::Cpu),
    ("vlan", Key::Vlan),
    ("vlan_tpid", Key::VlanTpid),
    ("pay_offset", Key::PayOffset),
    ("random", Key::Random),
    ("network", Key::Network),
];

impl FromStr for Circumstances {
    type Err = String;

    fn from_str(text: &str) -> Result<Circumstances, String> {
        let mut values = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair:?}: expected NAME=VALUE"))?;
            let key = KEYS.iter().find(|(known, _)| *known == name).map(|row| row.1).ok_or_else(|| {
                let names: Vec<&str> = KEYS.iter().map(|row| row.0).collect();
                format!("{name:?} is none of {}", names.join(", "))
            })?;
            let value = super::number64(value)?;
            values.push((
                key,
                u32::try_from(value).map_err(|_| format!("{name}: {value} needs more than 32 bits"))?,
            ));
        }
        Ok(Circumstances { values })
    }
}

impl Circumstances {
    fn get(&self, key: Key) -> Option<u32> {
        self.values.iter().rfind(|(k, _)| *k == key).map(|row| row.1)
    }

    /// Where the network header is, in packets of a link type.
    pub(super) fn network(&self, link_type: u32) -> i32 {
        let offset = self.get(Key::Network).map(|n| n as usize).or(layers::network_offset(link_type));
        offset.and_then(|n| i32::try_from(n).ok()).unwrap_or(0)
    }

    /// The packet as a filter of the kernel sees it.
    pub(super) fn packet<'a>(&self, captured: &Captured<'a>, at: Layer) -> Packet<'a> {
        let mut packet = bare(captured);
        let link = layers::link(captured.link_type, captured.bytes);
        let direction = captured.direction.map(|direction| match direction {
            Direction::Inbound => 0,
            Direction::Outbound => 4,
        });
        packet.network = self.network(captured.link_type);
        packet.link = Some(0);
        let given = |key| self.get(key);
        packet.protocol = given(Key::Protocol).map(|v| v as u16).or(link.protocol).unwrap_or(0);
        packet.pkt_type = given(Key::PktType).map(|v| v as u8).or(link.pkt_type).or(direction).unwrap_or(0);
        packet.ifindex = given(Key::IfIndex).or(link.ifindex);
        packet.hatype = given(Key::HaType).map(|v| v as u16).or(link.hatype);
        packet.mark = given(Key::Mark).unwrap_or(0);
        packet.queue = given(Key::Queue).unwrap_or(0) as u16;
        packet.rxhash = given(Key::RxHash).unwrap_or(0);
        packet.cpu = given(Key::Cpu).unwrap_or(0);
        packet.random = given(Key::Random).unwrap_or(0);
        if given(Key::Vlan).is_some() || given(Key::VlanTpid).is_some() {
            let tpid = given(Key::VlanTpid).unwrap_or(0x8100) as u16;
            packet.vlan = Some(Vlan { tci: given(Key::Vlan).unwrap_or(0) as u16, tpid });
        }
        packet.pay_offset = given(Key::PayOffset).unwrap_or_else(|| {
            let network = usize::try_from(packet.network).unwrap_or(0);
            payload_offset(captured.bytes, network, packet.protocol).unwrap_or(0)
        });
        if at == Layer::Network {
            let header = packet.network.clamp(0, captured.bytes.len() as i32);
            (packet.data, packet.link, packet.network) = (header as usize, Some(-header), 0);
            packet.wire_len = packet.wire_len.saturating_sub(header as u32);
            packet.pay_offset = packet.pay_offset.saturating_sub(header as u32);
        }
        packet
    }
}

/// The packet with its bytes and lengths alone.
pub(super) fn bare<'a>(captured: &Captured<'a>) -> Packet<'a> {
    let mut packet = Packet::new(captured.bytes);
    packet.wire_len = captured.original_len;
    packet
}

/// Whether a filter asks for more than bytes and lengths.
pub(super) fn needs_more(insns: &[Insn]) -> bool {
    let negative = |k: u32| (LINK_OFFSET..0).contains(&k.cast_signed());
    insns.iter().any(|insn| match *insn {
        Insn::LoadAbs { k, .. } => negative(k) || Ancillary::from_offset(k).is_some(),
        Insn::LoadXMsh(k) => negative(k),
        // The index may lead anywhere.
        Insn::LoadInd { .. } => true,
        _ => false,
    })
}
