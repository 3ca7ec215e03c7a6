//! Text to tokens: the longest word at each place, keywords before names, as pcap-filter(7) and
//! libpcap's scanner have it.
//!
//! Two rules surprise: `80-90` and `5-3` are one word, since names may contain a minus; and a name
//! that is also a keyword is written with a backslash before it.

use super::error::{Error, ErrorKind, Span};
use super::words::{Word, keyword};
use core::net::Ipv6Addr;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a sign.
    Word(Word),
    /// A number, or a name of one: `tcp-syn`.
    Number(u32),
    /// A name of a host, port or the like.
    Name(&'a str),
    /// Two to four numbers with dots.
    Dotted(&'a str),
    /// An IPv6 address.
    Ipv6([u32; 4]),
    /// A link-layer address.
    Ether([u8; 6]),
    /// An address of ARCnet, `$` and a byte.
    Arcnet,
    /// The end of the text.
    End,
}

const BLANKS: [char; 4] = [' ', '\r', '\n', '\t'];

/// Most characters of an IPv6 address, generously: four decimal numbers at its end included.
const IPV6_LONGEST: usize = 64;

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Whether `c` comes next, after any blanks.
    pub fn rest_starts_with(&self, c: char) -> bool {
        self.text[self.at..].trim_start_matches(BLANKS).starts_with(c)
    }

    /// The next token and where it stands.
    pub fn next(&mut self) -> Result<(Token<'a>, Span), Error> {
        let rest = self.text[self.at..].trim_start_matches(BLANKS);
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            self.at = self.text.len();
            return Ok((Token::End, Span::new(self.at, self.at)));
        };
        let candidates =
            [word(rest), ether(rest), bogus_ether(rest), number(rest), dotted(rest), ipv6(rest), sign(rest)];
        // Of equally long ones the first wins, so that the order below is that of precedence.
        let [word, ether, bogus, number, dotted, ipv6, sign] = candidates;
        let longest = candidates.into_iter().max().unwrap_or(0);
        let fail = |len, kind| Err(Error::new(Span::new(start, start + len), kind));
        if longest == 0 {
            return match first {
                '\\' => self.escaped(start, rest),
                '$' => self.arcnet(start, rest),
                _ => fail(first.len_utf8(), ErrorKind::Character),
            };
        }
        let span = Span::new(start, start + longest);
        let text = &rest[..longest];
        self.at = span.end;
        let token = if sign == longest {
            Token::Word(signs(text))
        } else if word == longest && keyword(text).is_some() {
            match keyword(text) {
                Some(Word::Constant(value)) => Token::Number(value),
                Some(word) => Token::Word(word),
                None => Token::Name(text),
            }
        } else if ether == longest {
            Token::Ether(ether_bytes(text))
        } else if number == longest {
            match number_value(text) {
                Ok(value) => Token::Number(value),
                Err(kind) => return fail(longest, kind),
            }
        } else if dotted == longest {
            Token::Dotted(text)
        } else if ipv6 == longest {
            match text.parse::<Ipv6Addr>() {
                Ok(address) => Token::Ipv6(words_of(address)),
                Err(_) => return fail(longest, ErrorKind::Ipv6Address),
            }
        } else if bogus == longest {
            return fail(longest, ErrorKind::LinkAddress);
        } else {
            Token::Name(text)
        };
        Ok((token, span))
    }

    /// A name after a backslash, up to a blank, a parenthesis or an exclamation mark.
    fn escaped(&mut self, start: usize, rest: &'a str) -> Result<(Token<'a>, Span), Error> {
        let name = &rest[1..];
        let len = name.find([' ', '!', '(', ')', '\n', '\t']).unwrap_or(name.len());
        if len == 0 {
            return Err(Error::new(
                Span::new(start, start + 1),
                ErrorKind::Expected("a name after the backslash"),
            ));
        }
        let span = Span::new(start, start + 1 + len);
        self.at = span.end;
        Ok((Token::Name(&name[..len]), span))
    }

    fn arcnet(&mut self, start: usize, rest: &str) -> Result<(Token<'a>, Span), Error> {
        let digits = run(&rest[1..], |b| b.is_ascii_hexdigit()).min(2);
        let span = Span::new(start, start + 1 + digits);
        self.at = span.end;
        match digits {
            0 => Err(Error::new(span, ErrorKind::Character)),
            _ => Ok((Token::Arcnet, span)),
        }
    }
}

/// How many bytes from the start hold `f`.
fn run(text: &str, f: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|b| !f(b)).unwrap_or(text.len())
}

/// The length of a name or keyword: letters, digits, `-`, `_` and `.`, the last not `-` or `_`.
fn word(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return 0;
    }
    let len = run(text, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    text[..len].trim_end_matches(['-', '_']).len()
}

/// The length of a decimal, octal or hexadecimal number.
fn number(text: &str) -> usize {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hex.map_or(0, |digits| run(digits, |b| b.is_ascii_hexdigit())) {
        0 => run(text, |b| b.is_ascii_digit()),
        digits => 2 + digits,
    }
}

/// The length of two to four numbers with dots between them.
fn dotted(text: &str) -> usize {
    let mut len = number(text);
    if len == 0 {
        return 0;
    }
    let mut numbers = 1;
    while numbers < 4 && text[len..].starts_with('.') {
        match number(&text[len + 1..]) {
            0 => break,
            next => len += 1 + next,
        }
        numbers += 1;
    }
    if numbers > 1 { len } else { 0 }
}

/// The length of a link-layer address: six bytes with `:`, `-` or `.` between them, three groups of
/// four digits with dots, or twelve digits.
fn ether(text: &str) -> usize {
    let bytes = |separator: u8| {
        let mut len = 0;
        for i in 0..6 {
            if i > 0 {
                if text.as_bytes().get(len) != Some(&separator) {
                    return 0;
                }
                len += 1;
            }
            match run(&text[len..], |b| b.is_ascii_hexdigit()).min(2) {
                0 => return 0,
                digits => len += digits,
            }
        }
        len
    };
    let digits = run(text, |b| b.is_ascii_hexdigit());
    let group = |at: usize| text.get(at..at + 4).is_some_and(|g| g.bytes().all(|b| b.is_ascii_hexdigit()));
    let dots = text.as_bytes().get(4) == Some(&b'.') && text.as_bytes().get(9) == Some(&b'.');
    let grouped = if dots && group(0) && group(5) && group(10) { 14 } else { 0 };
    let plain = if digits >= 12 { 12 } else { 0 };
    bytes(b':').max(bytes(b'-')).max(bytes(b'.')).max(grouped).max(plain)
}

fn ether_bytes(text: &str) -> [u8; 6] {
    let mut bytes = [0; 6];
    let separated = text.len() - text.bytes().filter(u8::is_ascii_hexdigit).count() == 5;
    let value = |digits: &str| u8::from_str_radix(digits, 16).unwrap_or(0);
    if separated {
        for (byte, digits) in bytes.iter_mut().zip(text.split([':', '-', '.'])) {
            *byte = value(digits);
        }
    } else {
        let mut digits = text.bytes().filter(|&b| b != b'.');
        for byte in &mut bytes {
            let mut nibble = || digits.next().and_then(|b| char::from(b).to_digit(16)).unwrap_or(0) as u8;
            *byte = nibble() << 4 | nibble();
        }
    }
    bytes
}

/// The length of bytes with colons that end in a colon: a link-layer address gone wrong.
fn bogus_ether(text: &str) -> usize {
    let (mut len, mut groups) = (0, 0);
    loop {
        let digits = run(&text[len..], |b| b.is_ascii_hexdigit());
        let colons = run(text.get(len + digits..).unwrap_or_default(), |b| b == b':');
        if !(1..=2).contains(&digits) || colons == 0 {
            return if groups > 1 { len } else { 0 };
        }
        len += digits + colons;
        groups += 1;
    }
}

/// The length of what has the form of an IPv6 address, its numbers not yet looked at.
fn ipv6(text: &str) -> usize {
    let run = run(text, |b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.' | b'x' | b'X'));
    let longest = run.min(IPV6_LONGEST);
    if !text[..longest].contains(':') {
        return 0;
    }
    (2..=longest).rev().find(|&len| is_ipv6(&text[..len])).unwrap_or(0)
}

/// Eight groups of up to four digits, or fewer and one `::`; four decimal numbers stand for two.
fn is_ipv6(text: &str) -> bool {
    let gap = text.find("::");
    let (head, tail) = match gap {
        Some(at) => (&text[..at], Some(&text[at + 2..])),
        None => (text, None),
    };
    // Only the last part may end in decimal numbers.
    let (Some(before), Some(after)) = (groups(head, tail.is_none()), groups(tail.unwrap_or_default(), true))
    else {
        return false;
    };
    match tail {
        None => before == 8,
        Some(_) => before + after <= 7,
    }
}

/// How many 16-bit groups `text` has; `None` when it is not a list of groups.
fn groups(text: &str, decimal: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    let mut parts = text.split(':').peekable();
    while let Some(part) = parts.next() {
        if part.contains('.') {
            let quad = decimal && parts.peek().is_none() && dotted(part) == part.len();
            return (quad && part.split('.').count() == 4).then_some(count + 2);
        }
        if part.is_empty() || part.len() > 4 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        count += 1;
    }
    Some(count)
}

fn words_of(address: Ipv6Addr) -> [u32; 4] {
    let bits = address.to_bits();
    [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
}

fn number_value(text: &str) -> Result<u32, ErrorKind> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    if radix == 8 && !digits.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        return Err(ErrorKind::NotOctal);
    }
    u32::from_str_radix(digits, radix).map_err(|_| ErrorKind::NumberTooLarge)
}

/// The length of a sign.
fn sign(text: &str) -> usize {
    match text.as_bytes() {
        [b'&', b'&', ..] | [b'|', b'|', ..] | [b'=', b'=', ..] | [b'<' | b'>' | b'!', b'=', ..] => 2,
        [b'<', b'<', ..] | [b'>', b'>', ..] => 2,
        [b, ..] if b"+-*/%:[]!<>()&|^=".contains(b) => 1,
        _ => 0,
    }
}

fn signs(text: &str) -> Word {
    match text {
        "&&" => Word::And,
        "||" => Word::Or,
        "=" | "==" => Word::Equal,
        "!=" => Word::NotEqual,
        ">=" => Word::GreaterEqual,
        "<=" => Word::LessEqual,
        "<<" => Word::ShiftLeft,
        ">>" => Word::ShiftRight,
        "!" => Word::Not,
        "(" => Word::Open,
        ")" => Word::Close,
        "[" => Word::OpenBracket,
        "]" => Word::CloseBracket,
        ":" => Word::Colon,
        "<" => Word::LessThan,
        ">" => Word::GreaterThan,
        "+" => Word::Plus,
        "-" => Word::Minus,
        "*" => Word::Times,
        "/" => Word::Slash,
        "%" => Word::Percent,
        "&" => Word::Ampersand,
        "|" => Word::Pipe,
        _ => Word::Caret,
    }
}
