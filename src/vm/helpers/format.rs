//! Formats of the printing helpers: what a format may hold, and what it prints.
//!
//! Linux `bpf_bprintf_prepare` (which specifiers exist) and `vsnprintf` (how they print). A format
//! that the kernel refuses is refused with its error. Two things cannot be as in the kernel: `%p`
//! prints the address and not its hash, and symbols (`%ps`, `%pS`, `%pB`) print as addresses.

use super::{EINVAL, ENOSPC};
use crate::vm::run::Run;
use std::fmt::Write as _;

/// The most bytes that strings of one format may need (Linux `MAX_BPRINTF_BUF`).
const STRINGS: usize = 1024;

#[derive(Clone, Copy, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    width: usize,
}

impl Spec {
    /// Pads a number whose sign, if any, is apart.
    fn number(self, out: &mut Vec<u8>, sign: &str, digits: &str) {
        let used = sign.len() + digits.len();
        let pad = self.width.saturating_sub(used);
        let fill = |out: &mut Vec<u8>, byte: u8| out.extend(std::iter::repeat_n(byte, pad));
        if !self.left && !self.zero {
            fill(out, b' ');
        }
        out.extend_from_slice(sign.as_bytes());
        if self.zero && !self.left {
            fill(out, b'0');
        }
        out.extend_from_slice(digits.as_bytes());
        if self.left {
            fill(out, b' ');
        }
    }

    fn text(self, out: &mut Vec<u8>, text: &[u8]) {
        let pad = self.width.saturating_sub(text.len());
        let fill = |out: &mut Vec<u8>| out.extend(std::iter::repeat_n(b' ', pad));
        if !self.left {
            fill(out);
        }
        out.extend_from_slice(text);
        if self.left {
            fill(out);
        }
    }
}

/// The specifiers, after their width.
#[derive(Clone, Copy)]
enum Kind {
    Signed(u32),
    Unsigned {
        bits: u32,
        radix: Radix,
    },
    Char,
    Str,
    Pointer,
    /// `%ps`, `%pS`, `%pB`: symbols.
    Symbol,
    /// `%pI4` and its kin: 4 or 16 bytes, with separators or without.
    Address {
        bytes: usize,
        separators: bool,
    },
}

#[derive(Clone, Copy)]
enum Radix {
    Decimal,
    Lower,
    Upper,
}

/// Formats `format`, which ends before its null byte, with `args`.
///
/// The result is the text, or the error the helper returns.
pub(super) fn format(run: &mut Run<'_>, format: &[u8], args: &[u64]) -> Result<Vec<u8>, u64> {
    let printable = |b: &u8| (b' '..=b'~').contains(b) || (b'\t'..=b'\r').contains(b);
    let mut out = Vec::new();
    let (mut at, mut next, mut strings) = (0, 0, 0);
    while let Some(&byte) = format.get(at) {
        at += 1;
        if !printable(&byte) {
            return Err(EINVAL);
        }
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        if format.get(at) == Some(&b'%') {
            out.push(b'%');
            at += 1;
            continue;
        }
        let arg = *args.get(next).ok_or(EINVAL)?;
        next += 1;
        let (spec, kind, len) = specifier(&format[at..])?;
        at += len;
        print(run, &mut out, spec, kind, arg, &mut strings)?;
    }
    Ok(out)
}

/// Whether nothing that belongs to a specifier follows.
fn ends(rest: &[u8]) -> bool {
    rest.first().is_none_or(|b| b.is_ascii_punctuation() || b.is_ascii_whitespace() || *b == 0x0b)
}

/// The specifier after a percent sign, and its length.
fn specifier(text: &[u8]) -> Result<(Spec, Kind, usize), u64> {
    let mut spec = Spec::default();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'0' => spec.zero = true,
            b'+' => spec.plus = true,
            b'-' => spec.left = true,
            b' ' => spec.space = true,
            _ => break,
        }
        at += 1;
    }
    while let Some(digit) = text.get(at).filter(|b| b.is_ascii_digit()) {
        // Linux cuts widths at 32,767.
        spec.width = (spec.width * 10 + (digit - b'0') as usize).min(i16::MAX as usize);
        at += 1;
    }
    let rest = &text[at..];
    let (kind, len) = match rest {
        [b'p', more @ ..] => pointer(more)?,
        [b's', more @ ..] if ends(more) => (Kind::Str, 1),
        [b'c', ..] => (Kind::Char, 1),
        _ => {
            let longs = rest.iter().take(2).take_while(|&&b| b == b'l').count();
            let bits = if longs == 0 { 32 } else { 64 };
            let kind = match rest.get(longs) {
                Some(b'i' | b'd') => Kind::Signed(bits),
                Some(b'u') => Kind::Unsigned { bits, radix: Radix::Decimal },
                Some(b'x') => Kind::Unsigned { bits, radix: Radix::Lower },
                Some(b'X') => Kind::Unsigned { bits, radix: Radix::Upper },
                _ => return Err(EINVAL),
            };
            (kind, longs + 1)
        }
    };
    Ok((spec, kind, at + len))
}

/// What follows `%p`.
fn pointer(more: &[u8]) -> Result<(Kind, usize), u64> {
    if ends(more) {
        return Ok((Kind::Pointer, 1));
    }
    let address = |bytes, separators| Ok((Kind::Address { bytes, separators }, 3));
    match more {
        [b'k' | b'u', b's', rest @ ..] => {
            if ends(rest) {
                Ok((Kind::Str, 3))
            } else {
                Err(EINVAL)
            }
        }
        [b'K' | b'x', ..] => Ok((Kind::Pointer, 2)),
        [b's' | b'S' | b'B', ..] => Ok((Kind::Symbol, 2)),
        [b'I', b'4', ..] => address(4, true),
        [b'i', b'4', ..] => address(4, false),
        [b'I', b'6', ..] => address(16, true),
        [b'i', b'6', ..] => address(16, false),
        _ => Err(EINVAL),
    }
}

fn print(
    run: &mut Run<'_>,
    out: &mut Vec<u8>,
    spec: Spec,
    kind: Kind,
    arg: u64,
    strings: &mut usize,
) -> Result<(), u64> {
    match kind {
        Kind::Signed(bits) => {
            let value = if bits == 32 { arg as i32 as i64 } else { arg as i64 };
            let sign = match (value < 0, spec.plus, spec.space) {
                (true, ..) => "-",
                (_, true, _) => "+",
                (_, _, true) => " ",
                _ => "",
            };
            spec.number(out, sign, &value.unsigned_abs().to_string());
        }
        Kind::Unsigned { bits, radix } => {
            let value = if bits == 32 { arg as u32 as u64 } else { arg };
            let digits = match radix {
                Radix::Decimal => value.to_string(),
                Radix::Lower => format!("{value:x}"),
                Radix::Upper => format!("{value:X}"),
            };
            spec.number(out, "", &digits);
        }
        Kind::Char => spec.text(out, &[arg as u8]),
        Kind::Str => {
            let room = STRINGS - *strings;
            if room == 0 {
                return Err(ENOSPC);
            }
            let mut text = run.probe_str(arg, room).unwrap_or_default();
            text.truncate(room - 1);
            *strings += text.len() + 1;
            spec.text(out, &text);
        }
        Kind::Pointer => {
            let width = if spec.width == 0 { 16 } else { spec.width };
            let zero = spec.zero || spec.width == 0;
            Spec { width, zero, ..spec }.number(out, "", &format!("{arg:x}"));
        }
        Kind::Symbol => spec.text(out, format!("{arg:#x}").as_bytes()),
        Kind::Address { bytes, separators } => {
            let data = run.probe(arg, bytes as u64).unwrap_or_else(|| vec![0; bytes]);
            let text = address(&data, separators);
            *strings += text.len() + 1;
            if *strings > STRINGS {
                return Err(ENOSPC);
            }
            spec.text(out, text.as_bytes());
        }
    }
    Ok(())
}

/// An IP address as `%pI4`, `%pi4`, `%pI6` and `%pi6` print it.
fn address(bytes: &[u8], separators: bool) -> String {
    let mut text = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = match (bytes.len(), separators) {
            (4, true) => write!(text, "{}{byte}", if i == 0 { "" } else { "." }),
            (4, false) => write!(text, "{}{byte:03}", if i == 0 { "" } else { "." }),
            (_, true) => write!(text, "{}{byte:02x}", if i > 0 && i % 2 == 0 { ":" } else { "" }),
            (_, false) => write!(text, "{byte:02x}"),
        };
    }
    text
}
