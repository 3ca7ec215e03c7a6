//! A place in a text: what all readers of this module share.

use super::{TextError, TextErrorKind};

pub(super) struct Cursor<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, pos: 0 }
    }

    pub(super) const fn pos(&self) -> usize {
        self.pos
    }

    pub(super) const fn set(&mut self, pos: usize) {
        self.pos = pos;
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    pub(super) fn at_end(&self) -> bool {
        self.pos == self.text.len()
    }

    pub(super) fn at_line_start(&self) -> bool {
        self.pos == 0 || self.text.as_bytes()[self.pos - 1] == b'\n'
    }

    /// The line and column of byte `pos` are worked out only for an error.
    pub(super) fn error(&self, pos: usize, kind: TextErrorKind) -> TextError {
        let before = &self.text[..pos];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.bytes().filter(|&b| b == b'\n').count();
        TextError { line, column: 1 + before[start..].chars().count(), kind }
    }

    pub(super) fn expected(&self, what: &'static str) -> TextError {
        self.error(self.pos, TextErrorKind::Expected(what))
    }

    /// Skips bytes that `wanted` takes, all ASCII, and gives them.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let len = self.rest().bytes().take_while(|&b| b.is_ascii() && wanted(b)).count();
        let taken = &self.rest()[..len];
        self.pos += len;
        taken
    }

    /// Skips blanks of a line.
    pub(super) fn blanks(&mut self) {
        self.take_while(|b| b == b' ' || b == b'\t' || b == b'\r');
    }

    /// Skips blanks and line ends.
    pub(super) fn space(&mut self) {
        self.take_while(|b| b.is_ascii_whitespace());
    }

    /// Skips `token` if it is next.
    pub(super) fn accept(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.pos += token.len();
        }
        found
    }

    /// Skips `token`, which must be next.
    pub(super) fn expect(&mut self, token: &'static str) -> Result<(), TextError> {
        if self.accept(token) { Ok(()) } else { Err(self.expected(token)) }
    }

    /// Skips the end of a line, or of the text.
    pub(super) fn end_of_line(&mut self) -> Result<(), TextError> {
        self.blanks();
        if self.at_end() || self.accept("\n") { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    /// A letter, then letters, digits and underscores.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let start = self.pos;
        if !self.rest().starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return None;
        }
        self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
        Some(&self.text[start..self.pos])
    }

    /// A number as C and bpf_asm write it: decimal with a sign, `0x`, `0b`, or octal with a leading
    /// zero. Negative numbers and unsigned ones share the 32 bits.
    pub(super) fn number(&mut self) -> Result<u32, TextError> {
        let start = self.pos;
        let negative = self.accept("-");
        if !negative {
            self.accept("+");
        }
        let digits = self.take_while(|b| b.is_ascii_alphanumeric());
        let lower = |prefix: &str, other: &str| digits.strip_prefix(prefix).or(digits.strip_prefix(other));
        let (digits, radix) = match (lower("0x", "0X"), lower("0b", "0B")) {
            (Some(hex), _) => (hex, 16),
            (_, Some(binary)) => (binary, 2),
            _ if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
            _ => (digits, 10),
        };
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            self.pos = start;
            return Err(self.expected("a number"));
        }
        let too_large = self.error(start, TextErrorKind::TooLarge { bits: 32 });
        let value = u32::from_str_radix(digits, radix).map_err(|_| too_large.clone())?;
        match negative {
            true if value > 1 << 31 => Err(too_large),
            true => Ok(value.wrapping_neg()),
            false => Ok(value),
        }
    }

    /// A number that fits a field narrower than 32 bits.
    pub(super) fn narrow<T: TryFrom<u32>>(&mut self) -> Result<T, TextError> {
        let start = self.pos;
        let bits = 8 * size_of::<T>() as u32;
        let value = self.number()?;
        T::try_from(value).map_err(|_| self.error(start, TextErrorKind::TooLarge { bits }))
    }
}
