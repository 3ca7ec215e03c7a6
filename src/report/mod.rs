//! What a check found, as values, and the forms it is written in: one file per form.

mod csv;
mod github;
mod human;
mod json;
mod junit;
mod sarif;

pub use csv::write as write_csv;
pub use github::write as write_github;
pub use human::{Inks, write as write_human};
pub use json::write as write_json;
pub use junit::write as write_junit;
pub use sarif::write as write_sarif;

use std::time::Duration;

/// What was said of one program for one kernel.
#[derive(Clone, Debug)]
pub struct Finding {
    pub file: String,
    pub program: String,
    pub section: String,
    /// The program type's name; none when nothing says what the program is for.
    pub prog_type: Option<String>,
    pub kernel: String,
    pub verdict: VerdictKind,
    /// What bpf(2) would return; 0 for accepted, none where that is not known.
    pub errno: Option<i32>,
    /// The kernel's words, or what keeps us from judging. Empty for accepted.
    pub message: String,
    /// The code of the finding in the catalog.
    pub code: Option<&'static str>,
    /// The slot the message is about.
    pub insn: Option<usize>,
    pub source: Option<Source>,
    /// Whether the counts that follow are the kernel's own, and not estimates.
    pub exact: bool,
    pub insns: u64,
    pub total_states: u64,
    pub peak_states: u64,
    pub max_states_per_insn: u64,
    pub stack_depth: u32,
    /// Slots in the linked program.
    pub size: usize,
    /// The kernel's log, where it was asked for.
    pub log: Option<String>,
    pub duration: Duration,
}

/// The three verdicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerdictKind {
    Accept,
    Reject,
    Unknown,
}

impl VerdictKind {
    /// The word in JSON and for people.
    pub const fn name(self) -> &'static str {
        match self {
            VerdictKind::Accept => "accept",
            VerdictKind::Reject => "reject",
            VerdictKind::Unknown => "unknown",
        }
    }
}

/// How many findings are of each verdict: accepted, rejected, unknown.
pub(crate) fn counts(findings: &[Finding]) -> [usize; 3] {
    [VerdictKind::Accept, VerdictKind::Reject, VerdictKind::Unknown]
        .map(|kind| findings.iter().filter(|f| f.verdict == kind).count())
}

/// A place in the program's source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub text: String,
}
