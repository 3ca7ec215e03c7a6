//! JUnit's XML: a suite for each file, a test case for each program and kernel. A rejected program
//! fails, one that cannot be judged is skipped.

use super::{Finding, VerdictKind};
use std::io::{self, Write};

/// Writes one document.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"oxbpf check\" {}>", totals(findings))?;
    for suite in findings.chunk_by(|a, b| a.file == b.file) {
        writeln!(out, "  <testsuite name=\"{}\" {}>", escape(&suite[0].file), totals(suite))?;
        for f in suite {
            case(f, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn totals(findings: &[Finding]) -> String {
    let [_, failures, skipped] = super::counts(findings);
    let seconds: f64 = findings.iter().map(|f| f.duration.as_secs_f64()).sum();
    let tests = findings.len();
    format!(
        "tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.6}\""
    )
}

fn case(f: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let (name, kernel, class) = (escape(&f.program), escape(&f.kernel), escape(&f.section));
    let seconds = f.duration.as_secs_f64();
    write!(out, "    <testcase classname=\"{class}\" name=\"{name} on {kernel}\" time=\"{seconds:.6}\"")?;
    let message = escape(&f.message);
    match f.verdict {
        VerdictKind::Accept => return writeln!(out, "/>"),
        VerdictKind::Unknown => write!(out, ">\n      <skipped message=\"{message}\"/>")?,
        VerdictKind::Reject => {
            let code = f.code.unwrap_or("");
            write!(out, ">\n      <failure type=\"{code}\" message=\"{message}\">")?;
            if let Some(insn) = f.insn {
                write!(out, "insn {insn}: ")?;
            }
            write!(out, "{message}")?;
            if let Some(s) = &f.source {
                write!(out, "\nat {}:{}: {}", escape(&s.file), s.line, escape(&s.text))?;
            }
            write!(out, "</failure>")?;
        }
    }
    writeln!(out, "\n    </testcase>")
}

/// Text as XML 1.0 can hold it; a character that it cannot hold becomes a question mark.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", c as u32)),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_escaped() {
        assert_eq!(super::escape("a<b>&\"c\"\n\u{1}"), "a&lt;b&gt;&amp;&quot;c&quot;&#10;?");
    }
}
