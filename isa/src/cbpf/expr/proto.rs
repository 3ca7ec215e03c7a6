//! The protocols that are words of the language, and the numbers by which headers name them.

macro_rules! protocols {
    ($($(#[$doc:meta])* $variant:ident = $($word:literal)|+;)+) => {
        /// A protocol of the language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Proto { $($(#[$doc])* $variant,)+ }

        impl Proto {
            /// The protocol a keyword names.
            pub(super) fn from_word(word: &str) -> Option<Self> {
                Some(match word { $($($word)|+ => Self::$variant,)+ _ => return None })
            }

            /// Its first keyword.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => protocols!(@first $($word)|+),)+ }
            }
        }
    };
    (@first $first:literal $(| $rest:literal)*) => { $first };
}

protocols! {
    /// The link layer.
    Link = "ether" | "link" | "ppp" | "slip" | "fddi" | "tr" | "wlan";
    /// IPv4.
    Ip = "ip";
    /// ARP.
    Arp = "arp";
    /// Reverse ARP.
    Rarp = "rarp";
    /// SCTP.
    Sctp = "sctp";
    /// TCP.
    Tcp = "tcp";
    /// UDP.
    Udp = "udp";
    /// ICMP over IPv4.
    Icmp = "icmp";
    /// IGMP.
    Igmp = "igmp";
    /// Cisco's IGRP.
    Igrp = "igrp";
    /// Protocol-independent multicast.
    Pim = "pim";
    /// Virtual router redundancy.
    Vrrp = "vrrp";
    /// OpenBSD's CARP, which has VRRP's number.
    Carp = "carp";
    /// 802.11 radio information.
    Radio = "radio";
    /// IPv6.
    Ip6 = "ip6";
    /// ICMPv6.
    Icmp6 = "icmp6";
    /// IPsec's authentication header.
    Ah = "ah";
    /// IPsec's encapsulated payload.
    Esp = "esp";
    /// AppleTalk.
    Atalk = "atalk";
    /// AppleTalk ARP.
    Aarp = "aarp";
    /// DECnet phase IV.
    Decnet = "decnet";
    /// DEC's local area transport.
    Lat = "lat";
    /// DEC's system communication architecture.
    Sca = "sca";
    /// DEC's remote console.
    Moprc = "moprc";
    /// DEC's dump and load.
    Mopdl = "mopdl";
    /// OSI.
    Iso = "iso";
    /// ES-IS.
    Esis = "esis" | "es-is";
    /// IS-IS.
    Isis = "isis" | "is-is";
    /// IS-IS, level 1.
    L1 = "l1";
    /// IS-IS, level 2.
    L2 = "l2";
    /// IS-IS hellos.
    Iih = "iih";
    /// IS-IS link states.
    Lsp = "lsp";
    /// IS-IS sequence numbers.
    Snp = "snp";
    /// IS-IS complete sequence numbers.
    Csnp = "csnp";
    /// IS-IS partial sequence numbers.
    Psnp = "psnp";
    /// OSI's connectionless network protocol.
    Clnp = "clnp";
    /// Spanning tree.
    Stp = "stp";
    /// IPX.
    Ipx = "ipx";
    /// NetBEUI.
    Netbeui = "netbeui";
}

/// EtherTypes.
pub(super) mod ethertype {
    pub const IP: u32 = 0x0800;
    pub const ARP: u32 = 0x0806;
    pub const RARP: u32 = 0x8035;
    pub const IP6: u32 = 0x86dd;
    pub const NS: u32 = 0x0600;
    pub const MOPDL: u32 = 0x6001;
    pub const MOPRC: u32 = 0x6002;
    pub const DECNET: u32 = 0x6003;
    pub const LAT: u32 = 0x6004;
    pub const SCA: u32 = 0x6007;
    /// An Ethernet frame.
    pub const BRIDGED: u32 = 0x6558;
    pub const ATALK: u32 = 0x809b;
    pub const AARP: u32 = 0x80f3;
    pub const VLAN: u32 = 0x8100;
    pub const IPX: u32 = 0x8137;
    pub const MPLS: u32 = 0x8847;
    pub const PPPOE_DISCOVERY: u32 = 0x8863;
    pub const PPPOE_SESSION: u32 = 0x8864;
    pub const SERVICE_VLAN: u32 = 0x88a8;
    pub const LOOPBACK: u32 = 0x9000;
    /// Stacked tags before 802.1ad.
    pub const OLD_VLAN: u32 = 0x9100;
}

/// Service access points of LLC.
pub(super) mod sap {
    pub const IP: u32 = 0x06;
    pub const STP: u32 = 0x42;
    pub const SNAP: u32 = 0xaa;
    pub const IPX: u32 = 0xe0;
    pub const NETBEUI: u32 = 0xf0;
    pub const ISO: u32 = 0xfe;
}

/// Protocol numbers of IP.
pub(super) mod number {
    pub const HOP_BY_HOP: u32 = 0;
    pub const ICMP: u32 = 1;
    pub const IGMP: u32 = 2;
    pub const TCP: u32 = 6;
    pub const IGRP: u32 = 9;
    pub const UDP: u32 = 17;
    pub const ROUTING: u32 = 43;
    pub const FRAGMENT: u32 = 44;
    pub const ESP: u32 = 50;
    pub const AH: u32 = 51;
    pub const ICMP6: u32 = 58;
    pub const NONE: u32 = 59;
    pub const DESTINATION: u32 = 60;
    pub const PIM: u32 = 103;
    pub const VRRP: u32 = 112;
    pub const SCTP: u32 = 132;
}

/// Network layer protocol identifiers of OSI.
pub(super) mod nlpid {
    pub const CLNP: u32 = 0x81;
    pub const ESIS: u32 = 0x82;
    pub const ISIS: u32 = 0x83;
}

/// PDU types of IS-IS.
pub(super) mod pdu {
    pub const L1_HELLO: u32 = 15;
    pub const L2_HELLO: u32 = 16;
    pub const P2P_HELLO: u32 = 17;
    pub const L1_LSP: u32 = 18;
    pub const L2_LSP: u32 = 20;
    pub const L1_CSNP: u32 = 24;
    pub const L2_CSNP: u32 = 25;
    pub const L1_PSNP: u32 = 26;
    pub const L2_PSNP: u32 = 27;
}
