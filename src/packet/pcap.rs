//! The pcap format: a header, then packets with 16 bytes before each.
//!
//! The rules are libpcap's (`sf-pcap.c`): lengths are the other way around in files older than
//! version 2.3, what a packet has over the snapshot length of the file is not looked at, and the
//! variant of Kuznetzov's patches has eight more bytes before each packet.

use super::{Error, Found, MAX_RECORD, Problem, Step, Words};

const HEADER: usize = 24;

/// Where a file is being read, and what its header said.
#[derive(Clone, Debug)]
pub(super) struct Parser {
    big: bool,
    /// Nanoseconds in the second part of a time stamp.
    unit: u64,
    /// Bytes before each packet.
    before: usize,
    header: Option<Header>,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    link_type: u32,
    snap_len: u32,
    minor: u16,
}

impl Parser {
    pub(super) fn detect(first: &[u8]) -> Result<Parser, Error> {
        const MICRO: u32 = 0xa1b2_c3d4;
        const NANO: u32 = 0xa1b2_3c4d;
        const PATCHED: u32 = 0xa1b2_cd34;
        let magic = Words { bytes: first, big: false }.u32(0).unwrap_or(0);
        let (big, unit, before) = match (magic, magic.swap_bytes()) {
            (MICRO, _) => (false, 1000, 16),
            (NANO, _) => (false, 1, 16),
            (PATCHED, _) => (false, 1000, 24),
            (_, MICRO) => (true, 1000, 16),
            (_, NANO) => (true, 1, 16),
            (_, PATCHED) => (true, 1000, 24),
            _ => return Err(Error { offset: 0, problem: Problem::Magic }),
        };
        Ok(Parser { big, unit, before, header: None })
    }

    pub(super) fn step(&mut self, window: &[u8], offset: u64) -> Result<Step, Error> {
        let words = Words { bytes: window, big: self.big };
        match self.header {
            Some(header) => self.packet(words, header, offset),
            None => self.open(words),
        }
    }

    fn open(&mut self, words: Words<'_>) -> Result<Step, Error> {
        let (Some(major), Some(minor)) = (words.u16(4), words.u16(6)) else { return Ok(Step::Need(HEADER)) };
        if major != 2 {
            return Err(Error { offset: 4, problem: Problem::Version { major } });
        }
        let (Some(snap_len), Some(kind)) = (words.u32(16), words.u32(20)) else {
            return Ok(Step::Need(HEADER));
        };
        // The upper bits tell of the frame check sequence.
        let link_type = kind & 0x03ff_ffff;
        let snap_len = if snap_len == 0 || snap_len > i32::MAX as u32 { MAX_RECORD } else { snap_len };
        self.header = Some(Header { link_type, snap_len, minor });
        Ok(Step::Other { len: HEADER })
    }

    fn packet(&self, words: Words<'_>, header: Header, offset: u64) -> Result<Step, Error> {
        let word = |n: usize| words.u32(4 * n);
        let (Some(seconds), Some(part), Some(len), Some(original_len)) = (word(0), word(1), word(2), word(3))
        else {
            return Ok(Step::Need(self.before));
        };
        let swapped = header.minor < 3 || header.minor == 3 && len > original_len;
        let (len, original_len) = if swapped { (original_len, len) } else { (len, original_len) };
        if len > MAX_RECORD {
            return Err(Error {
                offset: offset + 8,
                problem: Problem::Length { length: len, max: MAX_RECORD },
            });
        }
        let whole = self.before + len as usize;
        if words.bytes.len() < whole {
            return Ok(Step::Need(whole));
        }
        let data = self.before..self.before + len.min(header.snap_len) as usize;
        let time = u64::from(seconds) * 1_000_000_000 + u64::from(part) * self.unit;
        let packet =
            Found { time, link_type: header.link_type, original_len, interface: 0, direction: None, data };
        Ok(Step::Packet { len: whole, packet })
    }
}
