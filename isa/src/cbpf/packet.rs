//! What a filter can ask about a packet: its bytes, its length and the sixteen ancillary values of
//! the kernel (`SKF_AD_*`), as [`PacketContext`]; and [`Packet`], a ready-made one.

use super::Size;
use crate::insn::ByteOrder;

/// Absolute loads from here up are ancillary values (`SKF_AD_OFF`, -0x1000).
pub const ANCILLARY_OFFSET: u32 = 0xffff_f000;
/// Loads from here up are relative to the network header (`SKF_NET_OFF`, -0x100000).
pub const NET_OFFSET: i32 = -0x10_0000;
/// Loads from here up are relative to the link-layer header (`SKF_LL_OFF`, -0x200000).
pub const LINK_OFFSET: i32 = -0x20_0000;

macro_rules! ancillary {
    ($($(#[$doc:meta])* $variant:ident = $offset:literal, $name:literal;)+) => {
        /// A value the kernel offers at a magic offset.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Ancillary { $($(#[$doc])* $variant,)+ }

        impl Ancillary {
            /// All sixteen, in the order of their offsets.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value an absolute load at `k` names.
            pub const fn from_offset(k: u32) -> Option<Self> {
                match k.wrapping_sub(ANCILLARY_OFFSET) { $($offset => Some(Self::$variant),)+ _ => None }
            }

            /// The `k` that names this value.
            pub const fn offset(self) -> u32 {
                ANCILLARY_OFFSET + match self { $(Self::$variant => $offset,)+ }
            }

            /// Its name in bpf_asm's grammar; the grammar has none for [`XorX`](Self::XorX).
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

ancillary! {
    /// The link-layer protocol, in host order.
    Protocol = 0, "proto";
    /// To us, broadcast, multicast, to others, outgoing.
    PktType = 4, "type";
    /// The interface; a packet without one ends the filter.
    IfIndex = 8, "ifidx";
    /// The offset of the netlink attribute of type `X` at or after offset `A`, or 0.
    NlAttr = 12, "nla";
    /// The same, inside the attribute at offset `A`.
    NlAttrNest = 16, "nlan";
    /// The packet's mark.
    Mark = 20, "mark";
    /// The receive queue.
    Queue = 24, "queue";
    /// The hardware type of the interface; a packet without one ends the filter.
    HaType = 28, "hatype";
    /// The flow hash.
    RxHash = 32, "rxhash";
    /// The processor.
    Cpu = 36, "cpu";
    /// `A ^ X`, from before there was an instruction for it.
    XorX = 40, "xor_x";
    /// The VLAN tag (TCI) beside the packet.
    VlanTag = 44, "vlan_tci";
    /// Whether there is a VLAN tag beside the packet.
    VlanPresent = 48, "vlan_pr";
    /// The offset of the payload, by flow dissection.
    PayOffset = 52, "poff";
    /// A random number.
    Random = 56, "rand";
    /// The VLAN protocol, in host order.
    VlanTpid = 60, "vlan_tpid";
}

/// A packet as a filter sees it.
pub trait PacketContext {
    /// The length of the data.
    fn len(&self) -> u32;

    /// The length the packet had on the wire: what libpcap's length loads give.
    fn wire_len(&self) -> u32 {
        self.len()
    }

    /// Whether the packet is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The big-endian value at `offset` from the start of the data, `None` outside. Negative offsets
    /// arise from link-layer loads, when the data starts after the link-layer header.
    fn read(&self, offset: i32, size: Size) -> Option<u32>;

    /// The network header, relative to the start of the data.
    fn network_offset(&self) -> i32;

    /// The link-layer header, relative to the start of the data, when it is known.
    fn link_offset(&self) -> Option<i32>;

    /// An ancillary value, given both registers. `None`, for a packet without a device, ends the
    /// filter with `A` as the verdict. libpcap never asks.
    fn ancillary(&self, which: Ancillary, a: u32, x: u32) -> Option<u32>;
}

/// A VLAN tag that travels beside the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Vlan {
    /// Priority, drop eligibility and identifier.
    pub tci: u16,
    /// The protocol, 0x8100 as a rule.
    pub tpid: u16,
}

/// A packet in one piece of memory with its metadata.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Packet<'a> {
    /// All bytes, the ones before the data included.
    pub frame: &'a [u8],
    /// Where in `frame` the data starts: offset 0 of loads.
    pub data: usize,
    /// The length on the wire, of which `frame` may be a part.
    pub wire_len: u32,
    /// The network header, relative to the data.
    pub network: i32,
    /// The link-layer header, relative to the data.
    pub link: Option<i32>,
    /// The link-layer protocol, in host order.
    pub protocol: u16,
    /// `PACKET_HOST` and so on.
    pub pkt_type: u8,
    /// The interface.
    pub ifindex: Option<u32>,
    /// The hardware type of the interface (`ARPHRD_*`).
    pub hatype: Option<u16>,
    /// The mark.
    pub mark: u32,
    /// The receive queue.
    pub queue: u16,
    /// The flow hash.
    pub rxhash: u32,
    /// The processor.
    pub cpu: u32,
    /// The VLAN tag beside the packet.
    pub vlan: Option<Vlan>,
    /// The offset of the payload.
    pub pay_offset: u32,
    /// What a request for a random number gets.
    pub random: u32,
    /// Whether all of the packet is in the linear part; netlink attributes are sought only there.
    pub linear: bool,
    /// The byte order of the machine, in which netlink attributes are written.
    pub byte_order: ByteOrder,
}

impl<'a> Packet<'a> {
    /// A packet whose data is the whole of `frame`, all headers at its start, without metadata.
    pub const fn new(frame: &'a [u8]) -> Self {
        Self {
            frame,
            data: 0,
            wire_len: frame.len() as u32,
            network: 0,
            link: None,
            protocol: 0,
            pkt_type: 0,
            ifindex: None,
            hatype: None,
            mark: 0,
            queue: 0,
            rxhash: 0,
            cpu: 0,
            vlan: None,
            pay_offset: 0,
            random: 0,
            linear: true,
            byte_order: ByteOrder::Little,
        }
    }

    /// The data: what offset 0 and up reach.
    pub fn data(&self) -> &'a [u8] {
        self.frame.get(self.data..).unwrap_or_default()
    }

    /// The offset of the attribute of type `wanted` in the attributes from `start` to `end`, or 0.
    fn find_attr(&self, mut start: usize, end: usize, wanted: u32) -> u32 {
        while let Some((len, kind)) = self.attr(start, end) {
            if u32::from(kind) == wanted {
                return start as u32;
            }
            start += len.next_multiple_of(4);
        }
        0
    }

    /// Length and type of the attribute at `at`, when it is well formed and ends by `end`.
    fn attr(&self, at: usize, end: usize) -> Option<(usize, u16)> {
        /// The two high bits of the type are flags.
        const TYPE: u16 = 0x3fff;
        let header = self.data().get(at..end)?.first_chunk::<4>()?;
        let field = |b: [u8; 2]| match self.byte_order {
            ByteOrder::Little => u16::from_le_bytes(b),
            ByteOrder::Big => u16::from_be_bytes(b),
        };
        let len = usize::from(field([header[0], header[1]]));
        (4..=end - at).contains(&len).then(|| (len, field([header[2], header[3]]) & TYPE))
    }

    fn netlink(&self, nested: bool, a: u32, x: u32) -> u32 {
        let (a, end) = (a as usize, self.data().len());
        if !self.linear || end < 4 || a > end - 4 {
            return 0;
        }
        match self.attr(a, end) {
            _ if !nested => self.find_attr(a, end, x),
            Some((len, _)) => self.find_attr(a + 4, a + len, x),
            None => 0,
        }
    }
}

impl PacketContext for Packet<'_> {
    fn len(&self) -> u32 {
        self.data().len() as u32
    }

    fn wire_len(&self) -> u32 {
        self.wire_len
    }

    fn read(&self, offset: i32, size: Size) -> Option<u32> {
        let start = usize::try_from(i64::try_from(self.data).ok()? + i64::from(offset)).ok()?;
        let bytes = self.frame.get(start..start.checked_add(size.bytes() as usize)?)?;
        Some(bytes.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }

    fn network_offset(&self) -> i32 {
        self.network
    }

    fn link_offset(&self) -> Option<i32> {
        self.link
    }

    fn ancillary(&self, which: Ancillary, a: u32, x: u32) -> Option<u32> {
        Some(match which {
            Ancillary::Protocol => self.protocol.into(),
            Ancillary::PktType => self.pkt_type.into(),
            Ancillary::IfIndex => self.ifindex?,
            Ancillary::NlAttr => self.netlink(false, a, x),
            Ancillary::NlAttrNest => self.netlink(true, a, x),
            Ancillary::Mark => self.mark,
            Ancillary::Queue => self.queue.into(),
            Ancillary::HaType => self.hatype?.into(),
            Ancillary::RxHash => self.rxhash,
            Ancillary::Cpu => self.cpu,
            Ancillary::XorX => a ^ x,
            Ancillary::VlanTag => self.vlan.map_or(0, |vlan| vlan.tci.into()),
            Ancillary::VlanPresent => self.vlan.is_some().into(),
            Ancillary::PayOffset => self.pay_offset,
            Ancillary::Random => self.random,
            Ancillary::VlanTpid => self.vlan.map_or(0, |vlan| vlan.tpid.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancillary_offsets_are_every_fourth_below_64() {
        for (i, &which) in Ancillary::ALL.iter().enumerate() {
            assert_eq!(which.offset(), ANCILLARY_OFFSET + 4 * i as u32);
            assert_eq!(Ancillary::from_offset(which.offset()), Some(which));
            assert_eq!(Ancillary::from_offset(which.offset() + 1), None);
        }
        assert_eq!(Ancillary::from_offset(ANCILLARY_OFFSET + 64), None);
    }

    #[test]
    fn attributes_are_found_flat_and_nested() {
        // Type 1 (4 bytes of payload), then type 2 holding type 9.
        let bytes = [8, 0, 1, 0, 0, 0, 0, 0, 8, 0, 2, 0x80, 4, 0, 9, 0];
        let packet = Packet::new(&bytes);
        let find = |nested, a, x| packet.netlink(nested, a, x);
        assert_eq!((find(false, 0, 1), find(false, 0, 2), find(false, 8, 2)), (0, 8, 8));
        assert_eq!((find(true, 8, 9), find(true, 8, 1), find(true, 0, 9)), (12, 0, 0));
        assert_eq!((find(false, 13, 9), find(false, u32::MAX, 9)), (0, 0));
        let scattered = Packet { linear: false, ..packet };
        assert_eq!(scattered.netlink(false, 0, 2), 0);
    }

    #[test]
    fn reads_stop_at_both_ends() {
        let packet = Packet { data: 2, ..Packet::new(&[1, 2, 3, 4, 5]) };
        assert_eq!(packet.read(0, Size::H), Some(0x304));
        assert_eq!(packet.read(-2, Size::W), Some(0x0102_0304));
        assert_eq!(packet.read(-3, Size::B), None);
        assert_eq!(packet.read(2, Size::H), None);
        assert_eq!(packet.read(i32::MAX, Size::W), None);
        assert_eq!(packet.read(i32::MIN, Size::W), None);
    }
}
