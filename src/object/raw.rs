//! Programs without an object: bare slots, as bytes or as text in hexadecimal.
//!
//! Text is what people copy from dumps: bytes with or without spaces, `0x` and commas; what `xxd`,
//! `hexdump -C` and `llvm-objdump -d` print; and 64-bit words such as `0x00000001000000b7`, whose
//! digits are the value of the slot read as a little-endian number.

use super::descriptors;
use super::elf::is_elf;
use super::error::ObjectError;
use super::load::Loaded;
use super::options::LoadOptions;
use super::{Object, ProgramKind};
use oxbpf_isa::insn::{ByteOrder, RawInsn, SLOT_SIZE};
use oxbpf_isa::program::Program;
use std::collections::BTreeSet;
use std::fmt;

/// What a file holds.
#[derive(Debug)]
pub enum Input {
    Object(Box<Object>),
    /// One program of bare slots.
    Slots(Vec<RawInsn>),
}

/// Why a file holds no program.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InputError {
    Object(ObjectError),
    /// The bytes of bare slots are not a multiple of eight.
    Length {
        bytes: usize,
    },
    /// The file is empty.
    Empty,
    /// A fault in text, with the 1-based line and column.
    Text {
        line: usize,
        column: usize,
        problem: TextProblem,
    },
}

/// What is wrong with hexadecimal text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TextProblem {
    /// Not pairs of hexadecimal digits.
    Digits,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::Object(error) => error.fmt(f),
            InputError::Length { bytes } => {
                write!(f, "{bytes} bytes of instructions, expected a multiple of {SLOT_SIZE}")
            }
            InputError::Empty => f.write_str("there are no instructions"),
            InputError::Text { line, column, problem: TextProblem::Digits } => {
                write!(f, "line {line} column {column}: expected pairs of hexadecimal digits")
            }
        }
    }
}

impl std::error::Error for InputError {}

impl Input {
    /// Reads an object, hexadecimal text, or bare slots of little-endian machines, whichever the
    /// bytes are. `name` is for objects, as in [`Object::parse`].
    ///
    /// # Errors
    /// What is wrong, by the kind of file that the bytes look like.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Input, InputError> {
        if is_elf(bytes) {
            return Object::parse(bytes, name)
                .map(|o| Input::Object(Box::new(o)))
                .map_err(InputError::Object);
        }
        if let Some(text) = as_text(bytes) {
            return hex(text).map(Input::Slots);
        }
        slots(bytes, ByteOrder::Little).map(Input::Slots)
    }

    /// A program of bare slots, with what the caller says of its kind and maps: in
    /// [`LoadOptions::kinds`] it is found by its name.
    pub fn program(name: &str, mut insns: Vec<RawInsn>, options: &LoadOptions<'_>) -> Loaded {
        let mut maps = Vec::new();
        let unresolved = descriptors::bind(&mut insns, &BTreeSet::new(), options, &mut maps);
        let mut program = Program::from_insns(name, insns);
        program.maps = maps;
        if let Some(ProgramKind { prog_type, attach_type, target, flags, .. }) = options.kind_of(name, "") {
            program.prog_type = Some(prog_type);
            program.expected_attach_type = attach_type;
            program.attach_target = target;
            program.flags = flags;
        }
        Loaded { program, unresolved }
    }
}

/// Slots from bytes.
fn slots(bytes: &[u8], order: ByteOrder) -> Result<Vec<RawInsn>, InputError> {
    if bytes.is_empty() {
        return Err(InputError::Empty);
    }
    RawInsn::slots(bytes, order).ok_or(InputError::Length { bytes: bytes.len() })
}

/// The bytes as text, when no byte is one that text does not have.
fn as_text(bytes: &[u8]) -> Option<&str> {
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    std::str::from_utf8(bytes).ok().filter(|t| t.bytes().all(|b| is_text(&b)))
}

/// Slots from hexadecimal text.
fn hex(text: &str) -> Result<Vec<RawInsn>, InputError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut is_canonical = false;
    for (nth, line) in text.lines().enumerate() {
        // `hexdump -C` ends with the size on a line of its own.
        if is_canonical && line.trim_end().len() == 8 {
            continue;
        }
        is_canonical = line.contains('|');
        read_line(line, &mut bytes).map_err(|column| InputError::Text {
            line: nth + 1,
            column: column + 1,
            problem: TextProblem::Digits,
        })?;
    }
    slots(&bytes, ByteOrder::Little)
}

/// Reads one line; the error is the column, from 0.
fn read_line(line: &str, bytes: &mut Vec<u8>) -> Result<(), usize> {
    let end = [line.find('#'), line.find("//"), line.find(';')].into_iter().flatten().min();
    let line = &line[..end.unwrap_or(line.len())];
    // `xxd` and `llvm-objdump` begin a line with a place and a colon, `hexdump -C` with eight digits
    // and two spaces; what follows the bytes is for the reader's eye.
    let place = line.find(':').map(|colon| colon + 1);
    let canonical = line.find("  ").filter(|&at| at == 8 && line.contains('|'));
    let mut at = place.or(canonical).unwrap_or(0);
    let is_dump = at > 0;
    if !line[..at].trim_end_matches(':').trim().bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(0);
    }
    while at < line.len() {
        let rest = &line[at..];
        let skipped = rest.len() - rest.trim_start_matches([' ', '\t', '\r', ',', '{', '}']).len();
        if is_dump
            && skipped >= 2
            && !rest[skipped..].is_empty()
            && place.is_some()
            && at > place.unwrap_or(0)
        {
            // A gap after the bytes: the characters or the text of the instruction follow.
            return Ok(());
        }
        at += skipped;
        let token = line[at..].split([' ', '\t', '\r', ',', '{', '}']).next().unwrap_or("");
        if token.is_empty() {
            continue;
        }
        match decode(token) {
            Some(decoded) => bytes.extend(decoded),
            None if is_dump => return Ok(()),
            None => return Err(at),
        }
        at += token.len();
    }
    Ok(())
}

/// The bytes of one token.
fn decode(token: &str) -> Option<Vec<u8>> {
    let prefixed = token.strip_prefix("0x").or_else(|| token.strip_prefix("0X"));
    let digits = prefixed.unwrap_or(token);
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        // `0x7` in a list of bytes.
        return match (prefixed, digits.len()) {
            (Some(_), 1) => u8::from_str_radix(digits, 16).ok().map(|b| vec![b]),
            _ => None,
        };
    }
    let pair = |i: usize| digits.get(i..i + 2).and_then(|d| u8::from_str_radix(d, 16).ok());
    let valid = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let mut bytes: Vec<u8> =
        (0..digits.len()).step_by(2).map(pair).collect::<Option<_>>().filter(|_| valid)?;
    if prefixed.is_some() && bytes.len() == SLOT_SIZE {
        bytes.reverse();
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{MapChange, MapName, Unresolved};
    use oxbpf_isa::kernel::{MapType, ProgType};

    const CODE: [u8; 16] = [0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

    fn read(bytes: &[u8]) -> Result<Vec<RawInsn>, InputError> {
        match Input::parse(bytes, "test")? {
            Input::Slots(slots) => Ok(slots),
            Input::Object(_) => panic!("no object"),
        }
    }

    #[test]
    fn bytes_and_text_give_the_same_slots() {
        let expected = RawInsn::slots(&CODE, ByteOrder::Little).unwrap();
        for text in [
            "b7 00 00 00 01 00 00 00\n95 00 00 00 00 00 00 00\n",
            "b7000000010000009500000000000000",
            "b700 0000 0100 0000 9500 0000 0000 0000",
            "0xb7, 0x00, 0x0, 0x0, 0x01, 0x0, 0x00, 0x00,\n{0x95, 0x0,0x0,0x0,0x0,0x0,0x0,0x0}",
            "# r0 = 1; exit\n0x00000001000000b7 // mov\n0x0000000000000095",
            "00000000: b700 0000 0100 0000 9500 0000 0000 0000  ................",
            "00000000  b7 00 00 00 01 00 00 00  95 00 00 00 00 00 00 00  |................|\n00000010\n",
            "       0:\tb7 00 00 00 01 00 00 00\tr0 = 0x1\n       1:\t95 00 00 00 00 00 00 00\texit",
        ] {
            assert_eq!(read(text.as_bytes()).as_ref(), Ok(&expected), "{text}");
        }
        assert_eq!(read(&CODE), Ok(expected));
    }

    #[test]
    fn faults_say_where() {
        let text = |line, column| InputError::Text { line, column, problem: TextProblem::Digits };
        assert_eq!(read(b"").unwrap_err(), InputError::Empty);
        assert_eq!(read(&CODE[..15]).unwrap_err(), InputError::Length { bytes: 15 });
        assert_eq!(read(b"b7 00").unwrap_err(), InputError::Length { bytes: 2 });
        assert_eq!(read(b"b7 00\n00 zz").unwrap_err(), text(2, 4));
        assert_eq!(read(b"b7 0").unwrap_err(), text(1, 4));
        assert_eq!(read(b"r0 = 1").unwrap_err(), text(1, 1));
        assert!(matches!(read(b"\x7fELF").unwrap_err(), InputError::Object(_)));
    }

    #[test]
    fn descriptors_become_the_callers_maps() {
        let mut insns = Vec::new();
        for fd in [5, 7, 5] {
            insns.push(RawInsn::new(0x18, 1, 1, 0, fd));
            insns.push(RawInsn::default());
        }
        let mut change = MapChange::new(MapName::Fd(5));
        (change.map_type, change.key_size, change.value_size) = (Some(MapType::Hash), Some(4), Some(8));
        let kinds = [("raw".to_owned(), ProgramKind::parse("xdp").unwrap())];
        let options = LoadOptions { maps: &[change], kinds: &kinds, ..LoadOptions::default() };
        let loaded = Input::program("raw", insns, &options);
        let imms: Vec<i32> = loaded.program.insns.iter().step_by(2).map(|i| i.imm).collect();
        assert_eq!(imms, [0, oxbpf_isa::program::foreign_descriptor(7), 0]);
        assert_eq!(loaded.unresolved, [Unresolved::MapFd { insn: 2, fd: 7 }]);
        assert_eq!(loaded.program.maps.len(), 1);
        assert_eq!(loaded.program.maps[0].value_size, 8);
        assert_eq!(loaded.program.prog_type, Some(ProgType::Xdp));
    }
}
