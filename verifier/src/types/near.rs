//! Names of the kernel that are like one it does not have.

use super::Types;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Kind};

/// So many names are offered.
const MOST: usize = 3;

/// The names of this kind nearest to the wanted one, as the end of a message; empty when none is near.
pub(super) fn names(types: &Types<'_>, wanted: &str, prefix: &str, kind: Kind) -> String {
    let Some(kernel) = types.kernel else { return String::new() };
    let most = wanted.len() / 3;
    let mut found: Vec<(usize, &str)> = Vec::new();
    let take = |btf: &Btf| -> Vec<(usize, String)> {
        let own = btf.types().filter(|(_, t)| t.kind() == kind);
        let named = own.filter_map(|(_, t)| t.name().strip_prefix(prefix));
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

/// How many insertions, deletions and changes lead from one to the other; none above `most`. A name
/// that only something is put before or after is nearer than that says.
fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    let contains = |a: &[u8], b: &[u8]| b.len() >= 4 && (a.starts_with(b) || a.ends_with(b));
    if contains(a, b) || contains(b, a) && a.len() >= 6 {
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
