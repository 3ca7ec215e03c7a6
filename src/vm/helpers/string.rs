//! Strings to numbers, and comparison.
//!
//! Linux `bpf_strtol`, `bpf_strtoul`, `bpf_strncmp` (`kernel/bpf/helpers.c`, `lib/kstrtox.c`).

use super::{EINVAL, ERANGE, Ret};
use crate::vm::run::Run;

/// The bits of the flags that give the base.
const BASE: u64 = 0x1f;

/// A number at the start of a string: its sign, magnitude, and how many bytes it took.
fn parse(text: &[u8], flags: u64) -> Result<(bool, u64, usize), u64> {
    let mut base = match flags {
        0 | 8 | 10 | 16 => flags & BASE,
        _ => return Err(EINVAL),
    };
    let space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r' | 0xa0);
    let mut at = text.iter().take_while(|b| space(b)).count();
    let negative = text.get(at) == Some(&b'-');
    at += negative as usize;
    /// No number is looked for further than this.
    const LONGEST: usize = 63;
    let digits = &text[at..text.len().min(at + LONGEST)];
    if digits.is_empty() {
        return Err(EINVAL);
    }
    let is_hex =
        digits.len() > 2 && digits[0] == b'0' && digits[1] | 0x20 == b'x' && digits[2].is_ascii_hexdigit();
    if base == 0 {
        base = if is_hex {
            16
        } else if digits[0] == b'0' {
            8
        } else {
            10
        };
    }
    let prefixed = base == 16 && digits.len() > 1 && digits[0] == b'0' && digits[1] | 0x20 == b'x';
    let prefix = if prefixed { 2 } else { 0 };
    let (mut value, mut count) = (0u64, 0);
    for &byte in &digits[prefix..] {
        let Some(digit) = (byte as char).to_digit(base as u32) else { break };
        value = value.checked_mul(base).and_then(|v| v.checked_add(digit as u64)).ok_or(ERANGE)?;
        count += 1;
    }
    if count == 0 { Err(EINVAL) } else { Ok((negative, value, at + prefix + count)) }
}

/// `bpf_strtol(buf, buf_len, flags, res)`.
pub(super) fn strtol(run: &mut Run<'_>, [text, len, flags, out, _]: [u64; 5]) -> Ret {
    let parsed = parse(run.bytes(text, len, 0)?, flags);
    run.zero_bytes(out, 8)?;
    let (negative, value, count) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return Ok(error),
    };
    let signed = if negative { (value as i64).wrapping_neg() } else { value as i64 };
    // A magnitude whose sign comes out wrong does not fit.
    if (negative && signed > 0) || (!negative && signed < 0) {
        return Ok(ERANGE);
    }
    run.write_bytes(out, &signed.to_ne_bytes())?;
    Ok(count as u64)
}

/// `bpf_strtoul(buf, buf_len, flags, res)`.
pub(super) fn strtoul(run: &mut Run<'_>, [text, len, flags, out, _]: [u64; 5]) -> Ret {
    let parsed = parse(run.bytes(text, len, 0)?, flags);
    run.zero_bytes(out, 8)?;
    match parsed {
        Ok((true, ..)) => Ok(EINVAL),
        Ok((false, value, count)) => {
            run.write_bytes(out, &value.to_ne_bytes())?;
            Ok(count as u64)
        }
        Err(error) => Ok(error),
    }
}

/// `bpf_strncmp(s1, s1_sz, s2)`: -1, 0 or 1.
pub(super) fn strncmp(run: &mut Run<'_>, [a, size, b, ..]: [u64; 5]) -> Ret {
    let size = size as u32 as u64;
    let a = run.copy(a, size)?;
    let b = run
        .string(b, size as usize)
        .ok_or_else(|| run.missed(b, 1, crate::vm::trap::AccessKind::HelperRead))?;
    for (i, &x) in a.iter().enumerate() {
        let y = b.get(i).copied().unwrap_or(0);
        if x != y {
            return Ok(if x < y { -1i64 as u64 } else { 1 });
        }
        if x == 0 {
            break;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_their_digits_do() {
        assert_eq!(parse(b" \t-12x", 0), Ok((true, 12, 5)));
        assert_eq!(parse(b"0x1Fg", 0), Ok((false, 31, 4)));
        assert_eq!(parse(b"0755", 0), Ok((false, 0o755, 4)));
        assert_eq!(parse(b"0x", 0), Ok((false, 0, 1)));
        assert_eq!(parse(b"ff", 16), Ok((false, 255, 2)));
        assert_eq!(parse(b"-0x10", 16), Ok((true, 16, 5)));
        assert_eq!(parse(b"18446744073709551615", 10), Ok((false, u64::MAX, 20)));
        assert_eq!(parse(b"18446744073709551616", 10), Err(ERANGE));
        for (text, flags) in [(&b""[..], 0), (b"-", 0), (b" ", 0), (b"x", 10), (b"1", 2), (b"1", 0x100)] {
            assert_eq!(parse(text, flags), Err(EINVAL), "{text:?} {flags}");
        }
    }
}
