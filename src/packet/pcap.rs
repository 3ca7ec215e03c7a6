//! The pcap format: a header, then packets with 16 bytes before each.

use super::{Captured, Error, Problem, Words};

pub(super) struct Reader<'a> {
    words: Words<'a>,
    at: usize,
    link_type: u32,
    /// Nanoseconds in the second part of a time stamp.
    unit: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Reader<'a>, Error> {
        const MICRO: u32 = 0xa1b2_c3d4;
        const NANO: u32 = 0xa1b2_3c4d;
        let magic = Words { bytes, big: false }.u32(0).unwrap_or(0);
        let (big, unit) = match (magic, magic.swap_bytes()) {
            (MICRO, _) => (false, 1000),
            (NANO, _) => (false, 1),
            (_, MICRO) => (true, 1000),
            (_, NANO) => (true, 1),
            _ => return Err(Error { offset: 0, problem: Problem::Magic }),
        };
        let words = Words { bytes, big };
        let major = words.u16(4)?;
        if major != 2 {
            return Err(Error { offset: 4, problem: Problem::Version { major } });
        }
        // The upper bits tell of the frame check sequence.
        let link_type = words.u32(20)? & 0x0fff_ffff;
        Ok(Reader { words, at: 24, link_type, unit })
    }

    pub(super) fn next_packet(&mut self) -> Option<Result<Captured<'a>, Error>> {
        if self.at >= self.words.bytes.len() {
            return None;
        }
        let packet = self.read();
        if packet.is_err() {
            self.at = self.words.bytes.len();
        }
        Some(packet)
    }

    fn read(&mut self) -> Result<Captured<'a>, Error> {
        let word = |n: usize| self.words.u32(self.at + 4 * n);
        let (seconds, part, len, original_len) = (word(0)?, word(1)?, word(2)? as usize, word(3)?);
        let bytes = self.words.slice(self.at + 16, len)?;
        self.at += 16 + len;
        let time = seconds as u64 * 1_000_000_000 + part as u64 * self.unit;
        Ok(Captured { time, link_type: self.link_type, original_len, bytes })
    }
}
