//! Packets as they come: captures in the pcap and pcapng formats, in memory or as a stream.
//!
//! A capture is a row of parts: packets, and what stands between them (headers, descriptions of
//! interfaces, names, statistics). [`Capture`] gives the packets of a file in memory, [`Reader`] all
//! parts of a stream, without an allocation for each; [`Writer`] puts chosen parts into a new file as
//! they are. [`layers`] says what a link type's packets begin with.

mod error;
pub mod layers;
mod pcap;
mod pcapng;
mod stream;

pub use error::{CaptureError, CaptureProblem, ReadError};
pub use stream::{Part, Reader, Writer};

use error::{CaptureError as Error, CaptureProblem as Problem};
use std::ops::Range;

/// One packet of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Captured<'a> {
    /// Nanoseconds since 1970; 0 where the format does not say.
    pub time: u64,
    /// The link type as files number it (`LINKTYPE_*`).
    pub link_type: u32,
    /// Bytes the packet had; `bytes` may be fewer.
    pub original_len: u32,
    /// The interface of a pcapng section; 0 in pcap.
    pub interface: u32,
    /// Which way the packet went, where the capture says.
    pub direction: Option<Direction>,
    pub bytes: &'a [u8],
}

/// The way of a packet, as pcapng's flags word tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// The longest packet or block that is taken: as much as libpcap takes of any link type.
pub const MAX_RECORD: u32 = 128 << 20;

/// The format of a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFormat {
    Pcap,
    Pcapng,
}

/// A parser that is shown the bytes from the next part on.
#[derive(Clone, Debug)]
enum Format {
    Pcap(pcap::Parser),
    Pcapng(pcapng::Parser),
}

/// What a parser makes of the bytes it is shown.
enum Step {
    /// Nothing can be said before so many bytes are there.
    Need(usize),
    /// Bytes that are no packet.
    Other { len: usize },
    /// A packet and the bytes it takes.
    Packet { len: usize, packet: Found },
}

/// A packet by its place in the bytes that were shown.
#[derive(Clone)]
struct Found {
    time: u64,
    link_type: u32,
    original_len: u32,
    interface: u32,
    direction: Option<Direction>,
    data: Range<usize>,
}

impl Found {
    fn of<'a>(&self, window: &'a [u8]) -> Captured<'a> {
        Captured {
            time: self.time,
            link_type: self.link_type,
            original_len: self.original_len,
            interface: self.interface,
            direction: self.direction,
            bytes: &window[self.data.clone()],
        }
    }
}

impl Format {
    /// Tells the format by the first four bytes.
    fn detect(first: &[u8]) -> Result<Format, Error> {
        if first.is_empty() {
            return Err(Error { offset: 0, problem: Problem::Empty });
        }
        if pcapng::is_pcapng(first) {
            return Ok(Format::Pcapng(pcapng::Parser::new()));
        }
        pcap::Parser::detect(first).map(Format::Pcap)
    }

    /// Looks at the part that begins at `window`, which is `offset` bytes into the file.
    fn step(&mut self, window: &[u8], offset: u64) -> Result<Step, Error> {
        match self {
            Format::Pcap(parser) => parser.step(window, offset),
            Format::Pcapng(parser) => parser.step(window, offset),
        }
    }

    const fn kind(&self) -> FileFormat {
        match self {
            Format::Pcap(_) => FileFormat::Pcap,
            Format::Pcapng(_) => FileFormat::Pcapng,
        }
    }
}

/// The packets of a capture of either format in memory, one after the other.
pub struct Capture<'a> {
    bytes: &'a [u8],
    at: usize,
    format: Format,
}

impl<'a> Capture<'a> {
    /// Opens a capture of either byte order and either resolution of time.
    ///
    /// # Errors
    /// When the file is no capture.
    pub fn open(bytes: &'a [u8]) -> Result<Capture<'a>, Error> {
        let mut capture = Capture { bytes, at: 0, format: Format::detect(bytes)? };
        // The header of the file has faults of its own.
        match capture.format.step(bytes, 0)? {
            Step::Other { len } => capture.at = len,
            Step::Need(need) => return Err(truncated(0, need, bytes.len())),
            Step::Packet { .. } => {}
        }
        Ok(capture)
    }
}

impl<'a> Iterator for Capture<'a> {
    type Item = Result<Captured<'a>, Error>;

    /// The next packet. After a fault there is no other.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let window = self.bytes.get(self.at..).filter(|window| !window.is_empty())?;
            let fault = match self.format.step(window, self.at as u64) {
                Ok(Step::Other { len }) => {
                    self.at += len;
                    continue;
                }
                Ok(Step::Packet { len, packet }) => {
                    self.at += len;
                    return Some(Ok(packet.of(window)));
                }
                Ok(Step::Need(need)) => truncated(self.at as u64, need, window.len()),
                Err(error) => error,
            };
            self.at = self.bytes.len();
            return Some(Err(fault));
        }
    }
}

const fn truncated(offset: u64, need: usize, have: usize) -> Error {
    Error { offset, problem: Problem::Truncated { need, have } }
}

/// Reads words of one byte order, within bounds.
#[derive(Clone, Copy)]
struct Words<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Words<'_> {
    fn u32(&self, at: usize) -> Option<u32> {
        let word = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let word = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(word) } else { u16::from_le_bytes(word) })
    }
}

#[cfg(test)]
mod tests;
