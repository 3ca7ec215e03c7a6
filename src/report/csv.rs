//! CSV with the columns and words of veristat, so that `veristat -C` compares the two.

use super::{Finding, VerdictKind};
use std::io::{self, Write};
use std::path::Path;

/// Writes a head and one row per finding.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "file_name,prog_name,verdict,duration,total_insns,total_states,peak_states,max_states_per_insn,stack_depth,prog_size,kernel"
    )?;
    for f in findings {
        let name = Path::new(&f.file).file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        let verdict = match f.verdict {
            VerdictKind::Accept => "success",
            VerdictKind::Reject => "failure",
            VerdictKind::Unknown => "unknown",
        };
        writeln!(
            out,
            "{},{},{verdict},{},{},{},{},{},{},{},{}",
            field(&name),
            field(&f.program),
            f.duration.as_micros(),
            f.insns,
            f.total_states,
            f.peak_states,
            f.max_states_per_insn,
            f.stack_depth,
            f.size,
            field(&f.kernel)
        )?;
    }
    Ok(())
}

/// A field, quoted where it must be (RFC 4180).
fn field(text: &str) -> std::borrow::Cow<'_, str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(super::field("plain.o"), "plain.o");
        assert_eq!(super::field("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
