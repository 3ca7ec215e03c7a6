//! JSON. The keys are a contract: scripts outside the project read them.

use super::{Finding, Source};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    results: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    program: &'a str,
    section: &'a str,
    #[serde(rename = "type")]
    prog_type: Option<&'a str>,
    kernel: &'a str,
    verdict: &'static str,
    errno: Option<i32>,
    message: &'a str,
    code: Option<&'static str>,
    insn: Option<usize>,
    source: Option<Place<'a>>,
    insns: u64,
    total_states: u64,
    peak_states: u64,
    max_states_per_insn: u64,
    stack_depth: u32,
    /// Only where the counts before are estimates.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'a str>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    text: &'a str,
}

impl<'a> From<&'a Source> for Place<'a> {
    fn from(s: &'a Source) -> Self {
        Place { file: &s.file, line: s.line, column: s.column, text: &s.text }
    }
}

/// Writes one object with all results.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let results = findings.iter().map(Row::from).collect();
    serde_json::to_writer_pretty(&mut *out, &Document { schema: 1, results })?;
    writeln!(out)
}

impl<'a> From<&'a Finding> for Row<'a> {
    fn from(f: &'a Finding) -> Self {
        Row {
            file: &f.file,
            program: &f.program,
            section: &f.section,
            prog_type: f.prog_type.as_deref(),
            kernel: &f.kernel,
            verdict: f.verdict.name(),
            errno: f.errno,
            message: &f.message,
            code: f.code,
            insn: f.insn,
            source: f.source.as_ref().map(Place::from),
            insns: f.insns,
            total_states: f.total_states,
            peak_states: f.peak_states,
            estimated: !f.exact,
            max_states_per_insn: f.max_states_per_insn,
            stack_depth: f.stack_depth,
            duration_us: f.duration.as_micros() as u64,
            log: f.log.as_deref(),
        }
    }
}
