//! Internet checksums (RFC 1071) as the kernel's helpers compute and patch them.
//!
//! Linux 6.18 `bpf_csum_diff`, `bpf_l3_csum_replace`, `bpf_l4_csum_replace` (`net/core/filter.c`).

use super::{EFAULT, EINVAL, ENOTSUPP, Ret};
#[cfg(feature = "jit")]
use crate::vm::memory::read;
use crate::vm::run::Run;

/// Adds with the carry put back in.
fn add(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u32
}

/// The same for 16-bit sums.
fn add16(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

/// The sum of bytes as words in memory order, folded to 32 bits. Which of its two forms a sum of zero
/// takes depends on the width of the additions: they are 64 bits wide, as on the kernel's x86-64.
fn partial(words: impl Iterator<Item = u64>, seed: u32) -> u32 {
    let sum = words.fold(seed as u64, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + carry as u64
    });
    add((sum >> 32) as u32, sum as u32)
}

/// Bytes as words in memory order, the last one filled up with zeros.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().copied().chain([last]).map(u64::from_ne_bytes)
}

/// Folds a sum to 16 bits.
fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// `bpf_csum_diff(from, from_size, to, to_size, seed)`.
pub(super) fn diff(run: &mut Run<'_>, [from, from_size, to, to_size, seed]: [u64; 5]) -> Ret {
    let (from_size, to_size) = (from_size as u32, to_size as u32);
    if (from_size | to_size) & 3 != 0 {
        return Ok(EINVAL);
    }
    let (old, new) = run.two((from, from_size as u64), (to, to_size as u64))?;
    let sum_of = |bytes| move |seed| partial(words(bytes), seed);
    let (old, new) = ((!old.is_empty()).then(|| sum_of(old)), (!new.is_empty()).then(|| sum_of(new)));
    Ok(difference(old, new, seed as u32))
}

/// The same of memory that a proof says may be read, without a run.
///
/// # Safety
/// Each range of bytes is one that may be read, unless it is empty.
#[cfg(feature = "jit")]
pub(crate) unsafe fn proven_diff([from, from_size, to, to_size, seed]: [u64; 5]) -> u64 {
    let (from_size, to_size) = (from_size as u32, to_size as u32);
    if (from_size | to_size) & 3 != 0 {
        return EINVAL;
    }
    let sum_of = |addr: u64, size: u32| {
        // SAFETY: by the contract. Others may be writing there: each word is read once.
        let whole = (0..size / 8).map(move |n| unsafe { read::<u64>(addr + u64::from(n) * 8) });
        // SAFETY: as above; what is left is half a word, or nothing.
        let half =
            (!size.is_multiple_of(8)).then(|| unsafe { read::<u32>(addr + u64::from(size - 4)) } as u32);
        let half = half.map(|half| {
            let [a, b, c, d] = half.to_ne_bytes();
            u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0])
        });
        move |seed| partial(whole.chain(half), seed)
    };
    let (old, new) =
        ((from_size > 0).then(|| sum_of(from, from_size)), (to_size > 0).then(|| sum_of(to, to_size)));
    difference(old, new, seed as u32)
}

/// What the sums of old and new bytes come to, each begun with a seed.
fn difference(old: Option<impl FnOnce(u32) -> u32>, new: Option<impl FnOnce(u32) -> u32>, seed: u32) -> u64 {
    let sum = match (old, new) {
        (Some(old), Some(new)) => add(new(seed), !old(0)),
        (None, Some(new)) => new(seed),
        (Some(old), None) => !old(!seed),
        (None, None) => seed,
    };
    fold(sum) as u64
}

/// `bpf_csum_update(skb, csum)`: packets here carry no sum of the device's.
pub(super) fn update(_: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(ENOTSUPP)
}

/// `bpf_csum_level(skb, level)`: no device has checked the packet.
pub(super) fn level(_: &mut Run<'_>, [_, level, ..]: [u64; 5]) -> Ret {
    const QUERY: u64 = 0;
    Ok(match level {
        QUERY => super::EACCES,
        1..=3 => 0,
        _ => EINVAL,
    })
}

/// The bits of the flags that give the width of the field.
const FIELD: u64 = 0xf;

/// A checksum field of the packet as a word in memory order.
fn field(run: &mut Run<'_>, offset: u64) -> Option<u16> {
    let offset = offset as u32;
    if offset > 0xffff || offset & 1 != 0 {
        return None;
    }
    let bytes = run.input.packet.as_deref()?.bytes().get(offset as usize..offset as usize + 2)?;
    Some(u16::from_ne_bytes([bytes[0], bytes[1]]))
}

fn set_field(run: &mut Run<'_>, offset: u64, sum: u16) {
    let at = offset as u32 as usize;
    if let Some(bytes) = run.input.packet.as_deref_mut().and_then(|p| p.bytes_mut().get_mut(at..at + 2)) {
        bytes.copy_from_slice(&sum.to_ne_bytes());
    }
}

/// The checksum after `from` became `to`, by the width in the flags.
fn replaced(sum: u16, from: u64, to: u64, flags: u64) -> Option<u16> {
    match flags & FIELD {
        0 if from == 0 => Some(!fold(add(to as u32, !(sum as u32)))),
        2 => Some(!add16(add16(!sum, !(from as u16)), to as u16)),
        4 => Some(!fold(add(add(!(sum as u32), !(from as u32)), to as u32))),
        _ => None,
    }
}

/// `bpf_l3_csum_replace(skb, offset, from, to, flags)`.
pub(super) fn l3_replace(run: &mut Run<'_>, [_, offset, from, to, flags]: [u64; 5]) -> Ret {
    if flags & !FIELD != 0 {
        return Ok(EINVAL);
    }
    let Some(sum) = field(run, offset) else { return Ok(EFAULT) };
    let Some(sum) = replaced(sum, from, to, flags) else { return Ok(EINVAL) };
    set_field(run, offset, sum);
    Ok(0)
}

/// `bpf_l4_csum_replace(skb, offset, from, to, flags)`. Packets here carry whole checksums, so
/// whether the field is part of a pseudo header changes nothing.
pub(super) fn l4_replace(run: &mut Run<'_>, [_, offset, from, to, flags]: [u64; 5]) -> Ret {
    const PSEUDO_HEADER: u64 = 1 << 4;
    const MANGLED_ZERO: u64 = 1 << 5;
    const MARK_ENFORCE: u64 = 1 << 6;
    const IPV6: u64 = 1 << 7;
    if flags & !(FIELD | PSEUDO_HEADER | MANGLED_ZERO | MARK_ENFORCE | IPV6) != 0 {
        return Ok(EINVAL);
    }
    let Some(sum) = field(run, offset) else { return Ok(EFAULT) };
    // A datagram without checksum stays without, unless asked otherwise.
    if flags & MANGLED_ZERO != 0 && flags & MARK_ENFORCE == 0 && sum == 0 {
        return Ok(0);
    }
    let Some(mut sum) = replaced(sum, from, to, flags) else { return Ok(EINVAL) };
    if flags & MANGLED_ZERO != 0 && sum == 0 {
        sum = 0xffff;
    }
    set_field(run, offset, sum);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacing_a_field_equals_summing_anew() {
        // An IPv4 header whose checksum, at offset 10, is right.
        let mut header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert_eq!(fold(partial(words(&header), 0)), 0xffff);
        let sum = u16::from_ne_bytes([header[10], header[11]]);
        let word =
            |h: &[u8; 20], at: usize| u32::from_ne_bytes([h[at], h[at + 1], h[at + 2], h[at + 3]]) as u64;
        let old = word(&header, 16);
        header[16..].copy_from_slice(&[10, 1, 2, 3]);
        let new = word(&header, 16);
        header[10..12].copy_from_slice(&[0, 0]);
        let anew = !fold(partial(words(&header), 0));
        assert_eq!(replaced(sum, old, new, 4), Some(anew));
        let diff =
            add(partial(words(&new.to_ne_bytes()[..4]), 0), !partial(words(&old.to_ne_bytes()[..4]), 0));
        assert_eq!(replaced(sum, 0, diff as u64, 0), Some(anew));
        assert_eq!(replaced(sum, 1, 2, 0), None);
        assert_eq!(replaced(sum, 1, 2, 3), None);
        let low = |v: u64| v & 0xffff;
        let half = replaced(sum, low(old), low(new), 2).and_then(|s| replaced(s, old >> 16, new >> 16, 2));
        assert_eq!(half, Some(anew));
    }
    #[cfg(feature = "jit")]
    #[test]
    fn sums_by_address_are_sums_of_bytes() {
        let bytes: Vec<u8> = (0..200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for (from, to) in (0..60).flat_map(|from| (0..60).map(move |to| (from, to))) {
            for seed in [0, 1, 0xffff_ffff, 0x1234_5678] {
                let (old, new) = (&bytes[3..3 + from], &bytes[101..101 + to]);
                let expected = match (from | to) & 3 {
                    0 => {
                        let sum_of = |bytes: &'static [u8]| move |seed| partial(words(bytes), seed);
                        let some = |bytes: &[u8]| (!bytes.is_empty()).then(|| sum_of(bytes.to_vec().leak()));
                        difference(some(old), some(new), seed)
                    }
                    _ => EINVAL,
                };
                let at = |bytes: &[u8]| bytes.as_ptr().expose_provenance() as u64;
                // SAFETY: the bytes live.
                let found = unsafe { proven_diff([at(old), from as u64, at(new), to as u64, seed.into()]) };
                assert_eq!(found, expected, "{from} {to} {seed}");
            }
        }
    }
}
