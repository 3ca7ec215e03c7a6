//! Words, numbers and signs.

use super::error::{AsmError, Expected};
use alloc::vec::Vec;

/// One token with the column it begins at.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Token<'a> {
    pub kind: Kind<'a>,
    pub column: u32,
    /// White space stands before it.
    pub spaced: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind<'a> {
    /// Letters, digits, `_`, `.` and `$`, not beginning with a digit.
    Word(&'a str),
    /// An unsigned number; its text is kept for opcodes, which have no prefix.
    Number(u64, &'a str),
    Sign(&'a str),
}

/// Signs, longest first.
const SIGNS: &[&str] = &[
    "s>>=", "s>=", "s<=", "s/=", "s%=", ">>=", "<<=", "s>", "s<", "+=", "-=", "*=", "/=", "%=", "&=", "|=",
    "^=", "==", "!=", ">=", "<=", "=", ">", "<", "&", "+", "-", "*", "(", ")", "[", "]", "{", "}", ",", ":",
    "%", "#", "@",
];

/// Splits a line; comments are left out.
pub(super) fn tokens(text: &str, line: u32) -> Result<Vec<Token<'_>>, AsmError> {
    let mut out: Vec<Token<'_>> = Vec::new();
    // Columns count characters, places in the text bytes.
    let (mut at, mut column) = (0, 1);
    let mut spaced = true;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            column += 1;
            spaced = true;
            continue;
        }
        if c == ';' || rest.starts_with("//") || c == '#' && spaced {
            break;
        }
        let (kind, len) = if let Some(sign) = sign(rest, &out) {
            (Kind::Sign(sign), sign.len())
        } else if c.is_ascii_digit() {
            number(rest).ok_or(AsmError { line, column, expected: Expected::NumberInRange })?
        } else if is_word(c) {
            let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            (Kind::Word(&rest[..len]), len)
        } else {
            return Err(AsmError { line, column, expected: Expected::Token });
        };
        out.push(Token { kind, column, spaced });
        at += len;
        column += rest[..len].chars().count() as u32;
        spaced = false;
    }
    Ok(out)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '$')
}

/// A sign at the start of `rest`. The signed operators begin with a letter and follow a register.
fn sign<'a>(rest: &'a str, before: &[Token<'_>]) -> Option<&'a str> {
    let sign = SIGNS.iter().find(|s| rest.starts_with(**s))?;
    let after_word = matches!(before.last(), Some(Token { kind: Kind::Word(_), .. }));
    if sign.starts_with('s') && !after_word {
        return None;
    }
    Some(&rest[..sign.len()])
}

/// Decimal, or hexadecimal after `0x`. A word of digits and letters without a prefix, such as the
/// kernel's opcodes, is kept as text with its value as hexadecimal where it is no decimal.
fn number(rest: &str) -> Option<(Kind<'_>, usize)> {
    let len = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let text = &rest[..len];
    let value = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => text.parse().or_else(|_| u64::from_str_radix(text, 16)).ok()?,
    };
    Some((Kind::Number(value, text), len))
}
