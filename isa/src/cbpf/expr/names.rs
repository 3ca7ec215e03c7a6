//! Names of hosts, networks, ports and protocols: asked of a [`Names`], which looks nothing up over a
//! network unless a caller writes one that does.
//!
//! The tables shipped here hold the names in common use, with the numbers IANA registered for them
//! and, for ports, the transports they are used with.

mod protocols;
mod services;

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The ports of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ports {
    /// Over TCP.
    pub tcp: Option<u16>,
    /// Over UDP.
    pub udp: Option<u16>,
}

/// What names in an expression stand for. The methods answer from the tables of this crate unless
/// they are overridden.
pub trait Names {
    /// The addresses of a host; none when it is not known.
    fn host(&self, name: &str) -> Vec<IpAddr> {
        match name {
            // RFC 6761, section 6.3.
            "localhost" => [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)].into(),
            _ => Vec::new(),
        }
    }

    /// The link-layer address of a host.
    fn ether(&self, _name: &str) -> Option<[u8; 6]> {
        None
    }

    /// The number of an IPv4 network, its trailing zero bytes included.
    fn network(&self, name: &str) -> Option<u32> {
        match name {
            "loopback" => Some(0x7f00_0000),
            "link-local" => Some(0xa9fe_0000),
            _ => None,
        }
    }

    /// The ports of a service.
    fn ports(&self, name: &str) -> Option<Ports> {
        services::find(name)
    }

    /// The number of a protocol over IP.
    fn protocol(&self, name: &str) -> Option<u32> {
        protocols::find(name)
    }
}

/// The tables of this crate and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offline;

impl Names for Offline {}
