//! Names of the kernel that are like one it does not have.

use super::Types;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Kind, TypeId};

/// So many names are offered.
const MOST: usize = 3;

/// The names of this kind nearest to the wanted one, as the end of a message; empty when none is near.
pub(super) fn names(types: &Types<'_>, wanted: &str, prefix: &str, kind: Kind) -> String {
    let Some(kernel) = types.kernel else { return String::new() };
    let most = (wanted.len() / 3).clamp(1, 4);
    let letters = letters(wanted);
    let mut found: Vec<(usize, &str)> = Vec::new();
    let take = |btf: &Btf| -> Vec<(usize, String)> {
        let ids = (btf.first_id().0..btf.type_count()).map(TypeId);
        let own = ids.filter(|&id| btf.kind(id) == Some(kind)).filter_map(|id| btf.ty(id));
        let named = own.filter_map(|t| t.name().strip_prefix(prefix));
        // A change takes one letter away and brings one, at most.
        let may_be =
            |n: &&str| (self::letters(n) ^ letters).count_ones() as usize <= 2 * most || contains(n, wanted);
        let named = named.filter(may_be);
        named
            .filter_map(|n| Some((distance(n.as_bytes(), wanted.as_bytes(), most)?, String::from(n))))
            .collect()
    };
    let mut all: Vec<(usize, String)> = take(kernel.vmlinux());
    for module in kernel.modules() {
        all.extend(take(module));
    }
    all.sort();
    all.dedup();
    found.extend(all.iter().take(MOST).map(|(d, n)| (*d, n.as_str())));
    if found.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = found.iter().map(|f| f.1).collect();
    alloc::format!("; near it: {}", names.join(", "))
}

/// Of these names the nearest, as [`names`] gives them.
pub(super) fn among<'n>(all: impl Iterator<Item = &'n str>, wanted: &str) -> String {
    let most = (wanted.len() / 3).clamp(1, 4);
    let mut found: Vec<(usize, &str)> =
        all.filter_map(|n| Some((distance(n.as_bytes(), wanted.as_bytes(), most)?, n))).collect();
    found.sort();
    let names: Vec<&str> = found.iter().take(MOST).map(|f| f.1).collect();
    match names.is_empty() {
        true => String::new(),
        false => alloc::format!("; near it: {}", names.join(", ")),
    }
}

/// Which letters and digits a name is made of, as bits.
fn letters(name: &str) -> u64 {
    name.bytes().fold(0, |all, b| all | 1 << (b & 63))
}

fn extends(long: &[u8], short: &[u8]) -> bool {
    short.len() >= 4 && (long.starts_with(short) || long.ends_with(short))
}

fn contains(a: &str, b: &str) -> bool {
    extends(a.as_bytes(), b.as_bytes()) || extends(b.as_bytes(), a.as_bytes())
}

/// How many insertions, deletions and changes lead from one to the other; none above `most`. A name
/// that only something is put before or after is nearer than that says.
fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    if extends(a, b) || extends(b, a) && a.len() >= 6 {
        return Some(a.len().abs_diff(b.len()).clamp(1, 2));
    }
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            next[j + 1] = (row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1);
        }
        if next.iter().all(|&d| d > most) {
            return None;
        }
        row = next;
    }
    Some(row[b.len()]).filter(|&d| d <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_few_changes_away() {
        assert_eq!(distance(b"do_unlinkat", b"do_unlnkat", 3), Some(1));
        assert_eq!(distance(b"schedule", b"vfs_read", 2), None);
        assert_eq!(distance(b"__vfs_read", b"vfs_read", 2), Some(2));
    }
}
