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

/// The last line before the summary.
pub fn last_words(log: &str) -> &str {
    let plain = |l: &&str| {
        !l.starts_with("processed ") && !l.starts_with("verification time") && !l.starts_with("stack depth")
    };
    log.lines().rev().find(plain).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
