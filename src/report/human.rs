//! Text for people: the verdict first, then what is wrong, where, and how to learn more.

use super::{Finding, VerdictKind};
use std::io::{self, Write};

/// How words are inked; the identity where there is no colour.
pub struct Inks<'a> {
    pub verdict: &'a dyn Fn(VerdictKind, &str) -> String,
    pub faint: &'a dyn Fn(&str) -> String,
}

/// The limit that budgets are shown as a share of (Linux `BPF_COMPLEXITY_LIMIT_INSNS`).
const BUDGET: u64 = 1_000_000;

/// Writes a paragraph per finding and a closing line.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], inks: &Inks<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut file = "";
    for f in findings {
        if f.file != file {
            file = &f.file;
            writeln!(out, "{file}")?;
        }
        let prog_type = f.prog_type.as_deref().unwrap_or("type unknown");
        write!(
            out,
            "  {} {}  {}",
            (inks.verdict)(f.verdict, &format!("{:<8}", f.verdict.name())),
            f.program,
            (inks.faint)(&format!("[{prog_type}, kernel {}, {} insns]", f.kernel, f.size))
        )?;
        if f.verdict == VerdictKind::Accept {
            let share = f.insns as f64 * 100.0 / BUDGET as f64;
            let about = if f.exact { "" } else { "about " };
            write!(out, "  {about}{} of {BUDGET} processed ({share:.1} %)", f.insns)?;
        }
        writeln!(out)?;
        if !f.message.is_empty() || f.verdict == VerdictKind::Reject {
            finding(f, inks, out)?;
        }
        for line in f.log.iter().flat_map(|log| log.lines()) {
            writeln!(out, "    {}", (inks.faint)(line))?;
        }
    }
    let [accepted, rejected, unknown] = super::counts(findings);
    writeln!(out, "{accepted} accepted, {rejected} rejected, {unknown} unknown")
}

fn finding(f: &Finding, inks: &Inks<'_>, out: &mut dyn Write) -> io::Result<()> {
    let place = f.insn.map_or(String::new(), |i| format!("insn {i}: "));
    let code = f.code.map_or(String::new(), |c| format!("{c} "));
    writeln!(out, "           {code}{place}{}", f.message)?;
    if let Some(s) = &f.source {
        writeln!(out, "           {}", (inks.faint)(&format!("at {}:{}: {}", s.file, s.line, s.text)))?;
    }
    Ok(())
}
