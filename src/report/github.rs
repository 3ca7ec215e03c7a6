//! Annotations of GitHub Actions: a workflow command for each program that is not accepted, at its
//! place in the source, and a line that counts.

use super::{Finding, VerdictKind};
use std::io::{self, Write};

/// Writes a line per finding that is not an accept.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for f in findings {
        let command = match f.verdict {
            VerdictKind::Accept => continue,
            VerdictKind::Reject => "error",
            VerdictKind::Unknown => "warning",
        };
        let place = match &f.source {
            Some(s) => format!("file={},line={},col={}", property(&s.file), s.line, s.column.max(1)),
            None => format!("file={}", property(&f.file)),
        };
        let title = property(&format!("{} on {}: {}", f.program, f.kernel, f.verdict.name()));
        let code = f.code.map_or(String::new(), |c| format!("{c} "));
        let insn = f.insn.map_or(String::new(), |i| format!("insn {i}: "));
        writeln!(out, "::{command} {place},title={title}::{}", data(&format!("{code}{insn}{}", f.message)))?;
    }
    let [accepted, rejected, unknown] = super::counts(findings);
    writeln!(out, "{accepted} accepted, {rejected} rejected, {unknown} unknown")
}

/// Text after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_ends_a_property_is_escaped() {
        assert_eq!(super::property("a:b,c%d\n"), "a%3Ab%2Cc%25d%0A");
        assert_eq!(super::data("a:b,c"), "a:b,c");
    }
}
