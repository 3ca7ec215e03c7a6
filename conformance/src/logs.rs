//! Logs of the verifier held against each other, but for what differs from run to run.
//!
//! The kernel prints the addresses of maps and variables, and the time it took. Where it looks for a
//! dead function in the program as it has rewritten it, it prints a place in that.

use std::borrow::Cow;
use std::fmt::Write;

/// What is said with a place in the rewritten program.
pub const REWRITTEN: &str = "verifier bug: No program to jit at insn";

/// The lines of a log without what differs from run to run.
pub fn lines(log: &str) -> impl Iterator<Item = Cow<'_, str>> {
    log.lines().filter(|line| !line.starts_with("verification time ")).map(line)
}

fn line(line: &str) -> Cow<'_, str> {
    const WIDE_LOAD: &str = " (18) r";
    if line.starts_with(REWRITTEN) {
        return REWRITTEN.into();
    }
    let wide = line.find(WIDE_LOAD).and_then(|at| Some(at + line[at..].find(" = ")?));
    match wide {
        Some(eq) => {
            let rest = line[eq..].find(" ; ").map_or("", |at| &line[eq + at + 1..]);
            format!("{} {rest}", &line[..eq]).into()
        }
        None => line.into(),
    }
}

/// Whether two logs say the same.
pub fn same(ours: &str, theirs: &str) -> bool {
    lines(ours).eq(lines(theirs))
}

/// Where two logs part: the lines before, ours and theirs.
pub fn first_difference(ours: &str, theirs: &str) -> String {
    const BEFORE: usize = 12;
    const AFTER: usize = 8;
    let (ours, theirs): (Vec<_>, Vec<_>) = (lines(ours).collect(), lines(theirs).collect());
    let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let mut out = String::new();
    let mut put = |sign: char, line: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(out, "    {sign} {line}");
    };
    theirs[at.saturating_sub(BEFORE)..at].iter().for_each(|line| put('=', line));
    ours.iter().skip(at).take(AFTER).for_each(|line| put('-', line));
    theirs.iter().skip(at).take(AFTER).for_each(|line| put('+', line));
    out
}

/// The last line before the summary, without a summary that a line without an end runs into.
pub fn last_words(log: &str) -> &str {
    const SUMMARY: [&str; 3] = ["processed ", "verification time ", "stack depth "];
    let plain = |line: &&str| !SUMMARY.iter().any(|start| line.starts_with(start));
    let last = log.lines().rev().find(plain).unwrap_or_default();
    // The first kind stands in the middle of other messages too.
    let end = SUMMARY[1..].iter().filter_map(|start| last.find(start)).min().unwrap_or(last.len());
    &last[..end]
}

/// Whether the words are the same, but for a place that is one in the program as the kernel has
/// rewritten it, and for a missing end of a line.
pub fn same_words(ours: &str, theirs: &str) -> bool {
    const UNENDED: &str = "expected prog array map for tail call";
    ours == theirs || [REWRITTEN, UNENDED].iter().any(|w| ours.starts_with(w) && theirs.starts_with(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_no_words() {
        let log = "why\nverification time 3 usec\nstack depth 0\nprocessed 1 insns\n";
        assert_eq!(last_words(log), "why");
        assert_eq!(last_words("whyverification time 3 usec\nstack depth 0\n"), "why");
    }

    #[test]
    fn addresses_make_no_difference() {
        let ours = "1: (18) r1 = 0x0                     ; R1=map_ptr(ks=4)\n2: (95) exit\n";
        let theirs = "1: (18) r1 = 0xffff888123456700       ; R1=map_ptr(ks=4)\n2: (95) exit\n";
        assert!(same(ours, theirs));
        assert!(!same(ours, &theirs.replace("ks=4", "ks=8")));
        assert!(
            first_difference(ours, &theirs.replace("exit", "exi"))
                .ends_with("- 2: (95) exit\n    + 2: (95) exi\n")
        );
    }
}
