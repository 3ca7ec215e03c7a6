//! Classic BPF: the instruction set of capture filters, socket filters, xt_bpf and seccomp.
//!
//! A program is a slice of [`SockFilter`], the raw form every tool exchanges. A check turns it
//! into a [`Filter`], whose existence is the proof that the rules of its [`Dialect`] hold:
//!
//! ```
//! use oxbpf_isa::cbpf::{Dialect, Filter, Packet, text};
//! let program = text::parse("ldh [12]\njeq #0x800, ip, no\nip: ret #96\nno: ret #0\n").unwrap().program;
//! let filter = Filter::check(&program, Dialect::Socket).unwrap();
//! let mut frame = [0u8; 64];
//! frame[12] = 8;
//! assert_eq!(filter.run(&Packet::new(&frame)), 96);
//! ```
//!
//! From there a filter is [run](Filter::run) on a [`Packet`], converted to eBPF by
//! [`convert`](mod@convert), [compared](compare) with another, [explained](mod@explain), written as
//! [`text`], or, for seccomp, enumerated by [`seccomp`]. [`expr`] compiles pcap-filter expressions.
//! Reading captures is left to others.

mod check;
pub mod compare;
pub mod convert;
mod expand;
pub mod explain;
pub mod expr;
mod flow;
mod insn;
mod live;
mod ops;
mod packet;
mod pcap;
mod raw;
mod run;
pub mod seccomp;
pub mod text;

pub use check::{CheckError, Dialect, Filter, MAX_INSNS, Rule, check};
pub use flow::payload_offset;
pub use insn::{Alu, Cond, Insn, Operand, Size};
pub use ops::Op;
pub use packet::{ANCILLARY_OFFSET, Ancillary, LINK_OFFSET, NET_OFFSET, Packet, PacketContext, Vlan};
pub use pcap::check_pcap;
pub use raw::SockFilter;

/// Words of scratch memory, `M[0]` to `M[15]`.
pub const MEM_WORDS: u32 = 16;
