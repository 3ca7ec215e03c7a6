//! Link types, and where the headers of a packet lie as far as an expression has looked into it.
//!
//! An expression is read from left to right, and `vlan`, `mpls`, `pppoes` and `geneve` move the
//! offsets that everything after them is measured from: this module holds these offsets.

use core::fmt;

macro_rules! links {
    ($($(#[$doc:meta])* $variant:ident = $numbers:pat, $dlt:literal, $name:literal;)+) => {
        /// The link types that expressions are compiled for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum LinkType { $($(#[$doc])* $variant,)+ }

        impl LinkType {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The link type of a number of capture files (`LINKTYPE_`) or of a capture on Linux
            /// (`DLT_`), which differ for raw IP.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($numbers => Some(Self::$variant),)+ _ => None }
            }

            /// The number libpcap has for it on Linux (`DLT_`).
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $dlt,)+ }
            }

            /// The name of its `DLT_` constant, without the prefix.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

links! {
    /// BSD loopback: an address family in the byte order of the machine that captured.
    Null = 0, 0, "NULL";
    /// Ethernet.
    Ethernet = 1, 1, "EN10MB";
    /// PPP, with or without HDLC framing.
    Ppp = 9, 9, "PPP";
    /// IPv4 or IPv6 without a header before it.
    Raw = 12 | 14 | 101, 12, "RAW";
    /// PPP in HDLC-like framing.
    PppSerial = 50, 50, "PPP_SERIAL";
    /// PPP over Ethernet, without the Ethernet header.
    PppEther = 51, 51, "PPP_ETHER";
    /// Cisco HDLC.
    CHdlc = 104, 104, "C_HDLC";
    /// OpenBSD loopback: an address family in network byte order.
    Loop = 108, 108, "LOOP";
    /// OpenBSD encapsulated IP.
    Enc = 109, 109, "ENC";
    /// Linux cooked capture.
    LinuxSll = 113, 113, "LINUX_SLL";
    /// PPP of pppd, with a direction byte.
    PppPppd = 166, 166, "PPP_PPPD";
    /// IPv4.
    Ipv4 = 228, 228, "IPV4";
    /// IPv6.
    Ipv6 = 229, 229, "IPV6";
    /// Linux cooked capture, version 2.
    LinuxSll2 = 276, 276, "LINUX_SLL2";
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An offset no header has: the link type does not tell what follows it.
const NOT_SET: u32 = u32::MAX;

/// Where a header starts: a constant, plus a word of scratch memory when that varies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub constant: u32,
    pub register: Option<u32>,
}

impl Start {
    const fn at(constant: u32) -> Self {
        Self { constant, register: None }
    }
}

/// The headers of a packet, as far as the expression has led.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers {
    /// What the innermost link-layer header is.
    pub link: LinkType,
    /// Where that header starts.
    pub header: Start,
    /// The field that tells what follows.
    pub kind: Start,
    /// The end of the header.
    pub payload: Start,
    /// The network header, from the end of the link-layer header.
    pub network: u32,
    /// The same, when an LLC header lies between.
    pub network_llc: u32,
    /// VLAN tags passed.
    pub tags: u32,
    /// MPLS labels passed.
    pub labels: u32,
    /// Whether the header is inside Geneve, where there may be none.
    pub geneve: bool,
}

impl Layers {
    pub fn new(link: LinkType) -> Self {
        use LinkType as L;
        let (kind, payload) = match link {
            L::Ethernet => (12, 14),
            L::Null | L::Loop => (0, 4),
            L::Enc => (0, 12),
            L::Ppp | L::PppPppd | L::PppSerial | L::CHdlc => (2, 4),
            L::PppEther => (6, 8),
            L::Raw | L::Ipv4 | L::Ipv6 => (NOT_SET, 0),
            L::LinuxSll => (14, 16),
            L::LinuxSll2 => (0, 20),
        };
        Self {
            link,
            header: Start::at(0),
            kind: Start::at(kind),
            payload: Start::at(payload),
            network: 0,
            network_llc: if link == L::Ethernet { 3 } else { 0 },
            tags: 0,
            labels: 0,
            geneve: false,
        }
    }

    /// Whether the header tells what follows it.
    pub fn typed(&self) -> bool {
        self.kind.constant != NOT_SET
    }

    /// Makes the header at `header` the innermost.
    pub fn enter(&mut self, link: LinkType, header: Start) {
        self.link = link;
        self.header = header;
        self.geneve = false;
    }
}
