//! Format strings that are judged with the program.
//!
//! Rules: `check_bpf_snprintf_call` and `bpf_bprintf_prepare` of Linux 6.18. The format of snprintf is
//! a constant, so its conversions are held against the number of values given. Other printing helpers
//! look at their formats when they run.

use crate::explore::{Judged, Stop, Walker};
use crate::report::Finding;
use crate::verdict::Feature;

/// Bytes of one value.
const VALUE: u64 = 8;

impl Walker<'_> {
    /// The arguments of snprintf, once each was found to be right by itself.
    pub(super) fn snprintf(&self) -> Judged<()> {
        let bytes = self.cur.reg(5).num.tnum().value();
        if bytes % VALUE != 0 {
            return Err(Finding::FormatValues.into());
        }
        let reg = self.cur.reg(3);
        let map = self.map(reg.a).and_then(|m| m.data.as_deref());
        let at = i64::from(reg.off).wrapping_add(reg.num.tnum().value() as i64);
        let text = usize::try_from(at).ok().and_then(|at| map?.get(at..));
        let Some(text) = text else { return Err(Stop::Unknown(Feature::MapContents)) };
        let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
        match is_valid(&text[..end], bytes / VALUE) {
            true => Ok(()),
            false => Err(Finding::FormatString.into()),
        }
    }
}

/// The kernel's character classes, which are those of Latin-1.
fn is_space(c: u8) -> bool {
    matches!(c, 9..=13 | b' ' | 0xa0)
}

fn is_punct(c: u8) -> bool {
    c.is_ascii_punctuation() || matches!(c, 0xa1..=0xbf | 0xd7 | 0xf7)
}

/// What may follow a conversion that takes no more letters.
fn is_end(c: u8) -> bool {
    c == 0 || is_space(c) || is_punct(c)
}

/// Whether every conversion is one that the kernel knows and has a value.
fn is_valid(format: &[u8], values: u64) -> bool {
    let at = |i: usize| format.get(i).copied().unwrap_or(0);
    let (mut i, mut used) = (0, 0);
    while i < format.len() {
        let c = at(i);
        if c.is_ascii() && !matches!(c, b' '..=b'~') && !is_space(c) {
            return false;
        }
        if c != b'%' {
            i += 1;
            continue;
        }
        if at(i + 1) == b'%' {
            i += 2;
            continue;
        }
        if used >= values {
            return false;
        }
        i += 1;
        if !at(i).is_ascii() {
            return false;
        }
        while matches!(at(i), b'0' | b'+' | b'-' | b' ') {
            i += 1;
        }
        if matches!(at(i), b'1'..=b'9') {
            while at(i).is_ascii_digit() {
                i += 1;
            }
        }
        let Some(last) = conversion(&at, i) else { return false };
        i = last + 1;
        used += 1;
    }
    true
}

/// The last letter of the conversion that begins here, if there is such a conversion.
fn conversion(at: &impl Fn(usize) -> u8, i: usize) -> Option<usize> {
    let whole = |last: usize| is_end(at(last + 1)).then_some(last);
    match at(i) {
        b'p' => match (at(i + 1), at(i + 2)) {
            (c, _) if is_end(c) => Some(i),
            (b'k' | b'u', b's') => whole(i + 2),
            (b'K' | b'x' | b's' | b'S' | b'B', _) => Some(i + 1),
            (b'i' | b'I', b'4' | b'6') => Some(i + 2),
            _ => None,
        },
        b's' => whole(i),
        b'c' => Some(i),
        _ => {
            let longs = (0..2).take_while(|&n| at(i + n) == b'l').count();
            matches!(at(i + longs), b'i' | b'd' | b'u' | b'x' | b'X').then_some(i + longs)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    /// Format, number of values, and whether Linux 6.18 took it.
    const ASKED: &[(&str, u64, bool)] = &[
        ("", 0, true),
        ("hello", 0, true),
        ("%d", 0, false),
        ("%d", 1, true),
        ("%d %d", 1, false),
        ("%%%d", 1, true),
        ("%p %px %pK %ps %pS %pB %pi4 %pI6", 8, true),
        ("%pQ", 1, false),
        ("%pks|%pus", 2, true),
        ("%sa", 1, false),
        ("%s:", 1, true),
        ("%c%c", 2, true),
        ("%08lx %-5llu %+i", 3, true),
        ("%lld %lllu", 2, false),
        ("%h", 1, false),
        ("%", 1, false),
        ("\x01", 0, false),
        ("a\tb\n", 0, true),
        ("%12345d", 1, true),
        ("%o", 1, false),
    ];

    #[test]
    fn formats_are_judged_as_by_the_kernel() {
        for &(format, values, valid) in ASKED {
            assert_eq!(is_valid(format.as_bytes(), values), valid, "{format:?} with {values}");
        }
    }
}
