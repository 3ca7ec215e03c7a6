//! The pcapng format: blocks, each with its kind and length; sections may differ in byte order and
//! every interface has its link type and resolution of time.

use super::{Captured, Error, Problem, Words};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// An interface description.
#[derive(Clone, Copy)]
struct Interface {
    link_type: u32,
    /// Time stamps count this many per second.
    per_second: u64,
    snap_len: u32,
}

pub(super) struct Reader<'a> {
    words: Words<'a>,
    at: usize,
    interfaces: Vec<Interface>,
}

pub(super) fn is_pcapng(bytes: &[u8]) -> bool {
    bytes.starts_with(&SECTION.to_le_bytes())
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { words: Words { bytes, big: false }, at: 0, interfaces: Vec::new() }
    }

    pub(super) fn next_packet(&mut self) -> Option<Result<Captured<'a>, Error>> {
        while self.at < self.words.bytes.len() {
            match self.block() {
                Ok(Some(packet)) => return Some(Ok(packet)),
                Ok(None) => {}
                Err(error) => {
                    self.at = self.words.bytes.len();
                    return Some(Err(error));
                }
            }
        }
        None
    }

    fn block(&mut self) -> Result<Option<Captured<'a>>, Error> {
        let start = self.at;
        let kind = self.words.u32(start)?;
        if kind == SECTION {
            // The byte order stands in the block itself; its kind reads the same either way.
            const ORDER: u32 = 0x1a2b_3c4d;
            self.words.big = self.words.array::<4>(start + 8)? == &ORDER.to_be_bytes();
            self.interfaces.clear();
        }
        let length = self.words.u32(start + 4)?;
        if length < 12 || !length.is_multiple_of(4) {
            return Err(Error { offset: start + 4, problem: Problem::BlockLength { length } });
        }
        let whole = self.words.slice(start, length as usize)?;
        self.at = start + length as usize;
        let body = Words { bytes: &self.words.bytes[..start + whole.len() - 4], big: self.words.big };
        match kind {
            INTERFACE => {
                self.interfaces.push(interface(body, start + 8)?);
                Ok(None)
            }
            PACKET => {
                let number = body.u32(start + 8)?;
                let ticks = (body.u32(start + 12)? as u64) << 32 | body.u32(start + 16)? as u64;
                self.packet(body, start, number, ticks, start + 20).map(Some)
            }
            OLD_PACKET => {
                let number = body.u16(start + 8)? as u32;
                let ticks = (body.u32(start + 12)? as u64) << 32 | body.u32(start + 16)? as u64;
                self.packet(body, start, number, ticks, start + 20).map(Some)
            }
            SIMPLE_PACKET => {
                let interface =
                    *self.interfaces.first().ok_or(Error { offset: start, problem: Problem::NoInterface })?;
                let original_len = body.u32(start + 8)?;
                let room = length - 16;
                let snap = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
                let bytes = body.slice(start + 12, original_len.min(room).min(snap) as usize)?;
                Ok(Some(Captured { time: 0, link_type: interface.link_type, original_len, bytes }))
            }
            _ => Ok(None),
        }
    }

    fn packet(
        &self,
        body: Words<'a>,
        start: usize,
        number: u32,
        ticks: u64,
        lengths: usize,
    ) -> Result<Captured<'a>, Error> {
        let problem = Problem::Interface { number, known: self.interfaces.len() };
        let interface = *self.interfaces.get(number as usize).ok_or(Error { offset: start, problem })?;
        let (len, original_len) = (body.u32(lengths)?, body.u32(lengths + 4)?);
        let bytes = body.slice(lengths + 8, len as usize)?;
        let time =
            (ticks as u128 * 1_000_000_000 / interface.per_second as u128).min(u64::MAX as u128) as u64;
        Ok(Captured { time, link_type: interface.link_type, original_len, bytes })
    }
}

fn interface(body: Words<'_>, at: usize) -> Result<Interface, Error> {
    let link_type = body.u16(at)? as u32;
    let snap_len = body.u32(at + 4)?;
    let mut per_second = 1_000_000;
    let mut option = at + 8;
    while let (Ok(code), Ok(len)) = (body.u16(option), body.u16(option + 2)) {
        const END: u16 = 0;
        const RESOLUTION: u16 = 9;
        if code == END {
            break;
        }
        if code == RESOLUTION && len == 1 {
            let value = body.slice(option + 4, 1)?[0];
            let exponent = (value & 0x7f) as u32;
            let base: u64 = if value & 0x80 != 0 { 2 } else { 10 };
            per_second = base.checked_pow(exponent).unwrap_or(u64::MAX);
        }
        option += 4 + (len as usize).next_multiple_of(4);
    }
    Ok(Interface { link_type, per_second, snap_len })
}
