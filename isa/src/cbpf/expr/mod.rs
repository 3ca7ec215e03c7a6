//! The compiler for capture filter expressions: the language of pcap-filter(7) as libpcap 1.10
//! understands it, without libpcap and without looking a name up over a network.
//!
//! ```
//! use oxbpf_isa::cbpf::{Dialect, Filter, Packet};
//! use oxbpf_isa::cbpf::expr::{LinkType, Options, compile};
//! let program = compile("udp port 53", &Options::new(LinkType::Raw)).unwrap();
//! let filter = Filter::check(&program, Dialect::Pcap).unwrap();
//! let mut packet = [0; 28];
//! (packet[0], packet[9], packet[23]) = (0x45, 17, 53);
//! assert_ne!(filter.run(&Packet::new(&packet)), 0);
//!
//! let error = compile("udp prot 53", &Options::new(LinkType::Raw)).unwrap_err();
//! assert_eq!((error.span.start, error.span.end), (4, 8));
//! ```
//!
//! The stages: text to tokens (`lex`), tokens to nodes in the order of their completion (`parse`),
//! nodes to tests joined by and, or, not (`codegen`), tests to a graph of blocks (`graph`), a better graph
//! (`opt`), and a program (`emit`).
//!
//! What libpcap accepts is accepted, and means the same for every packet, wrong as it may be; what it
//! rejects is rejected. Differences are deliberate: `byte I & N` and `byte I | N` load the byte, which
//! libpcap forgets; `gateway` works when the [`Names`] know link-layer addresses; link types outside
//! [`LinkType`], 802.11 above all, are not supported. Running a filter is left to
//! [`Filter`](super::Filter).

mod ast;
mod codegen;
mod emit;
mod error;
mod formula;
mod graph;
mod lex;
mod link;
mod names;
mod opt;
mod parse;
mod proto;
#[cfg(test)]
mod tests;
mod words;

pub use error::{Error, ErrorKind, Span};
pub use link::LinkType;
pub use names::{Names, Offline, Ports};
pub use proto::Proto;

use super::{Insn, SockFilter};
use crate::insn::ByteOrder;
use alloc::vec;
use alloc::vec::Vec;
use graph::{End, Graph};

/// Where the packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A capture file. Nothing is known of a packet but its bytes and its length.
    File,
    /// A live capture on Linux. `inbound`, `outbound` and `ifindex` ask the kernel through
    /// [ancillary loads](super::Ancillary), except on link types whose header tells.
    Live,
}

/// What an expression is compiled for.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Options<'a> {
    /// The link type of the packets.
    pub link: LinkType,
    /// The verdict for packets that match, which is how many bytes of them to keep.
    pub snaplen: u32,
    /// Whether to make the program small and fast. With it, an expression that no packet can match
    /// is an error.
    pub optimize: bool,
    /// The mask of the network, for `ip broadcast`.
    pub netmask: Option<u32>,
    /// Where the packets come from.
    pub source: Source,
    /// Whether the outermost VLAN tag may be beside the packet, where the kernel puts it before a socket
    /// filter runs. `vlan` then asks for it with ancillary loads before it looks into the packet.
    pub vlan_beside: bool,
    /// The byte order of the machine that captures or captured, in which the headers of
    /// [`LinkType::Null`] and [`LinkType::Enc`] are written.
    pub byte_order: ByteOrder,
    /// What resolves names.
    pub names: &'a dyn Names,
}

impl Options<'static> {
    /// For a capture file of `link` from a machine like this one: 262,144 bytes of each packet, as
    /// tcpdump, optimised, no mask known, names from the shipped tables.
    pub const fn new(link: LinkType) -> Self {
        Self {
            link,
            snaplen: 262_144,
            optimize: true,
            netmask: None,
            source: Source::File,
            vlan_beside: false,
            byte_order: if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little },
            names: &Offline,
        }
    }
}

/// Compiles an expression. The program passes libpcap's check, [`Dialect::Pcap`](super::Dialect). That
/// of the kernel is stricter: above all it takes no loops, which `protochain` makes.
pub fn compile(text: &str, options: &Options<'_>) -> Result<Vec<SockFilter>, Error> {
    let whole = Span::new(0, text.len());
    if options.snaplen == 0 {
        return Err(Error::new(whole, ErrorKind::Snaplen));
    }
    let nodes = parse::parse(text)?;
    if nodes.is_empty() {
        return Ok(vec![Insn::RetK(options.snaplen).encode()]);
    }
    let generated = codegen::generate(&nodes, options)?;
    let mut graph = Graph::new(generated.formula, generated.root, options.snaplen);
    if options.optimize && !generated.jumps {
        opt::optimize(&mut graph)?;
        if graph.blocks[graph.root].end == End::Return(0) {
            return Err(Error::new(whole, ErrorKind::RejectsAll));
        }
    }
    Ok(emit::emit(&graph))
}
