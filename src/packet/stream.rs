//! Captures as streams: read through one large buffer, written part by part.
//!
//! A part is lent out of the buffer until the next is asked for, so that a packet costs no
//! allocation. The buffer grows only to hold a part that is longer, and never much past what the
//! stream has really given.

use super::{Captured, Error, FileFormat, Format, Found, Problem, ReadError, Step, pcapng, truncated};
use std::io::{self, Read, Write};
use std::ops::Range;

/// Bytes that are asked of the stream at once.
const BUFFER: usize = 1 << 20;

/// A part of a capture, with its bytes as they stand in the file.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Packet {
        packet: Captured<'a>,
        raw: &'a [u8],
    },
    /// The header of a pcap file, or a block of pcapng that is no packet.
    Other {
        raw: &'a [u8],
    },
}

/// Where the next part is in the buffer, and the packet in it if it is one.
type Place = (Range<usize>, Option<Found>);

/// A capture that is read from a stream.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    /// What of the buffer has been read and not yet given.
    filled: Range<usize>,
    /// Where the first of those bytes is in the file.
    offset: u64,
    format: Format,
    over: bool,
}

impl<R: Read> Reader<R> {
    /// Opens a capture of either format.
    ///
    /// # Errors
    /// When it is no capture, or reading fails.
    pub fn open(input: R) -> Result<Reader<R>, ReadError> {
        let (buffer, filled) = (vec![0; BUFFER], 0..0);
        // The format is set once its first bytes are there.
        let format = Format::Pcapng(pcapng::Parser::new());
        let mut reader = Reader { input, buffer, filled, offset: 0, format, over: false };
        while reader.filled.len() < 24 && reader.fill(24)? {}
        let first = reader.filled.clone();
        reader.format = Format::detect(&reader.buffer[first])?;
        Ok(reader)
    }

    /// The format of the file.
    pub const fn format(&self) -> FileFormat {
        self.format.kind()
    }

    /// Bytes of the file before the next part.
    pub const fn position(&self) -> u64 {
        self.offset
    }

    /// The next part. After a fault there is no other.
    ///
    /// # Errors
    /// When the capture is damaged or cut off, or reading fails.
    pub fn next_part(&mut self) -> Result<Option<Part<'_>>, ReadError> {
        match self.advance() {
            Ok(Some((range, found))) => {
                let raw = &self.buffer[range];
                Ok(Some(match found {
                    Some(found) => Part::Packet { packet: found.of(raw), raw },
                    None => Part::Other { raw },
                }))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.over = true;
                Err(error)
            }
        }
    }

    /// The next packet, whatever stands before it.
    ///
    /// # Errors
    /// As [`Reader::next_part`].
    pub fn next_packet(&mut self) -> Result<Option<Captured<'_>>, ReadError> {
        loop {
            match self.advance() {
                Ok(Some((range, Some(found)))) => return Ok(Some(found.of(&self.buffer[range]))),
                Ok(Some((_, None))) => {}
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.over = true;
                    return Err(error);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) const fn allocated(&self) -> usize {
        self.buffer.len()
    }

    fn advance(&mut self) -> Result<Option<Place>, ReadError> {
        loop {
            if self.over {
                return Ok(None);
            }
            let window = &self.buffer[self.filled.clone()];
            let (len, found) = match self.format.step(window, self.offset) {
                _ if window.is_empty() => {
                    self.over = !self.fill(1)?;
                    continue;
                }
                Ok(Step::Other { len }) => (len, None),
                Ok(Step::Packet { len, packet }) => (len, Some(packet)),
                Ok(Step::Need(need)) => {
                    if !self.fill(need)? {
                        return Err(truncated(self.offset, need, self.filled.len()).into());
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let range = self.filled.start..self.filled.start + len;
            self.filled.start += len;
            self.offset += len as u64;
            return Ok(Some((range, found)));
        }
    }

    /// Reads more, with a mind to have `need` bytes in one piece; false at the end of the stream.
    fn fill(&mut self, need: usize) -> Result<bool, ReadError> {
        if self.filled.start > 0 && self.filled.start + need > self.buffer.len() || self.filled.is_empty() {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        if self.filled.end == self.buffer.len() {
            let more = self.buffer.len().min(need.saturating_sub(self.buffer.len()).max(1));
            self.buffer.resize(self.buffer.len() + more, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.filled.end..]) {
                Ok(read) => {
                    self.filled.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Writes chosen parts of a capture as they are.
///
/// The one change is to the length of a pcapng section, which no longer holds and becomes "not
/// told".
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub const fn new(out: W) -> Writer<W> {
        Writer { out }
    }

    /// Writes a part.
    ///
    /// # Errors
    /// When writing fails.
    pub fn part(&mut self, part: &Part<'_>) -> io::Result<()> {
        match part {
            Part::Other { raw } if pcapng::is_pcapng(raw) && raw.len() >= 28 => {
                self.out.write_all(&raw[..16])?;
                self.out.write_all(&[0xff; 8])?;
                self.out.write_all(&raw[24..])
            }
            Part::Other { raw } | Part::Packet { raw, .. } => self.out.write_all(raw),
        }
    }

    /// Ends the writing.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

impl ReadError {
    /// Whether the capture ends in the middle of a part, as one that is still written to does.
    pub const fn is_truncation(&self) -> bool {
        matches!(self, ReadError::Capture(Error { problem: Problem::Truncated { .. }, .. }))
    }
}
