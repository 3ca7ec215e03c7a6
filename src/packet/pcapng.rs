//! The pcapng format: blocks, each with its kind and length; sections may differ in byte order and
//! every interface has its link type and resolution of time.

use super::{Direction, Error, Found, MAX_RECORD, Problem, Step, Words};

pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const PACKET: u32 = 6;

/// The most interfaces of a section that are kept.
const MAX_INTERFACES: usize = 1 << 16;

/// An interface description.
#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u32,
    /// Time stamps count this many per second.
    per_second: u64,
    /// Seconds to add to every time stamp.
    offset: i64,
    snap_len: u32,
}

/// Where a file is being read, and what its current section said.
#[derive(Clone, Debug)]
pub(super) struct Parser {
    big: bool,
    interfaces: Vec<Interface>,
}

pub(super) fn is_pcapng(bytes: &[u8]) -> bool {
    bytes.starts_with(&SECTION.to_le_bytes())
}

impl Parser {
    pub(super) const fn new() -> Parser {
        Parser { big: false, interfaces: Vec::new() }
    }

    pub(super) fn step(&mut self, window: &[u8], offset: u64) -> Result<Step, Error> {
        let Some(&[_, _, _, _, _, _, _, _, o @ ..]) = window.first_chunk::<12>() else {
            return Ok(Step::Need(12));
        };
        let kind = Words { bytes: window, big: self.big }.u32(0).unwrap_or(0);
        if kind == SECTION {
            // The byte order stands in the block itself; its kind reads the same either way.
            const ORDER: u32 = 0x1a2b_3c4d;
            self.big = match o {
                o if o == ORDER.to_be_bytes() => true,
                o if o == ORDER.to_le_bytes() => false,
                _ => return Err(Error { offset: offset + 8, problem: Problem::ByteOrder }),
            };
            self.interfaces.clear();
        }
        let length = Words { bytes: window, big: self.big }.u32(4).unwrap_or(0);
        let at_length = |problem| Error { offset: offset + 4, problem };
        if length < 12 || !length.is_multiple_of(4) {
            return Err(at_length(Problem::BlockLength { length }));
        }
        if length > MAX_RECORD {
            return Err(at_length(Problem::Length { length, max: MAX_RECORD }));
        }
        let len = length as usize;
        let Some(block) = window.get(..len) else { return Ok(Step::Need(len)) };
        // The length stands once more at the end.
        let body = Words { bytes: &block[..len - 4], big: self.big };
        match self.block(kind, body, offset)? {
            Some(packet) => Ok(Step::Packet { len, packet }),
            None => Ok(Step::Other { len }),
        }
    }

    fn block(&mut self, kind: u32, body: Words<'_>, offset: u64) -> Result<Option<Found>, Error> {
        let cut = |need: usize| super::truncated(offset, need, body.bytes.len());
        match kind {
            INTERFACE => {
                let interface = interface(body).ok_or(cut(16))?;
                if self.interfaces.len() < MAX_INTERFACES {
                    self.interfaces.push(interface);
                }
                Ok(None)
            }
            PACKET | OLD_PACKET => {
                let number = if kind == PACKET { body.u32(8) } else { body.u16(8).map(u32::from) };
                self.packet(body, number.ok_or(cut(28))?, offset).map(Some)
            }
            SIMPLE_PACKET => {
                let interface =
                    *self.interfaces.first().ok_or(Error { offset, problem: Problem::NoInterface })?;
                let original_len = body.u32(8).ok_or(cut(12))?;
                let room = body.bytes.len() - 12;
                let snap = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
                let len = (original_len.min(snap) as usize).min(room);
                let link_type = interface.link_type;
                let data = 12..12 + len;
                Ok(Some(Found { time: 0, link_type, original_len, interface: 0, direction: None, data }))
            }
            _ => Ok(None),
        }
    }

    fn packet(&self, body: Words<'_>, number: u32, offset: u64) -> Result<Found, Error> {
        const DATA: usize = 28;
        let problem = Problem::Interface { number, known: self.interfaces.len() };
        let interface = self.interfaces.get(number as usize).ok_or(Error { offset, problem })?;
        let word = |at: usize| body.u32(at).ok_or(super::truncated(offset, DATA, body.bytes.len()));
        let ticks = u64::from(word(12)?) << 32 | u64::from(word(16)?);
        let (len, original_len) = (word(20)? as usize, word(24)?);
        let end = DATA.saturating_add(len);
        if end > body.bytes.len() {
            return Err(super::truncated(offset, end, body.bytes.len()));
        }
        Ok(Found {
            time: interface.time(ticks),
            link_type: interface.link_type,
            original_len,
            interface: number,
            direction: direction(body, end.next_multiple_of(4)),
            data: DATA..end,
        })
    }
}

impl Interface {
    fn time(&self, ticks: u64) -> u64 {
        const NANO: u64 = 1_000_000_000;
        let time = match self.per_second {
            NANO => ticks,
            1_000_000 if ticks < u64::MAX / 1000 => ticks * 1000,
            per_second => {
                let time = u128::from(ticks) * u128::from(NANO) / u128::from(per_second);
                u64::try_from(time).unwrap_or(u64::MAX)
            }
        };
        time.saturating_add_signed(self.offset.saturating_mul(NANO as i64))
    }
}

/// The options from `at` on: code and value, as far as they are whole.
fn options<'a>(body: Words<'a>, mut at: usize) -> impl Iterator<Item = (u16, &'a [u8])> {
    std::iter::from_fn(move || {
        const END: u16 = 0;
        let (code, len) = (body.u16(at)?, usize::from(body.u16(at + 2)?));
        let value = body.bytes.get(at + 4..at + 4 + len)?;
        at += 4 + len.next_multiple_of(4);
        (code != END).then_some((code, value))
    })
}

/// The lowest two bits of the flags option of a packet.
fn direction(body: Words<'_>, at: usize) -> Option<Direction> {
    const FLAGS: u16 = 2;
    let (_, value) = options(body, at).find(|(code, value)| *code == FLAGS && value.len() == 4)?;
    match (Words { bytes: value, big: body.big }).u32(0)? & 3 {
        1 => Some(Direction::Inbound),
        2 => Some(Direction::Outbound),
        _ => None,
    }
}

fn interface(body: Words<'_>) -> Option<Interface> {
    const RESOLUTION: u16 = 9;
    const OFFSET: u16 = 14;
    let mut interface = Interface {
        link_type: u32::from(body.u16(8)?),
        per_second: 1_000_000,
        offset: 0,
        snap_len: body.u32(12)?,
    };
    for (code, value) in options(body, 16) {
        match (code, value) {
            (RESOLUTION, &[value]) => {
                let base: u64 = if value & 0x80 != 0 { 2 } else { 10 };
                interface.per_second = base.checked_pow(u32::from(value & 0x7f)).unwrap_or(u64::MAX);
            }
            (OFFSET, value) => {
                if let Ok(bytes) = value.try_into() {
                    let swap = if body.big { i64::from_be_bytes } else { i64::from_le_bytes };
                    interface.offset = swap(bytes);
                }
            }
            _ => {}
        }
    }
    Some(interface)
}
