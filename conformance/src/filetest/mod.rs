//! Tests as text: a header of commands, then small cases of instructions whose expectations stand on
//! the line they are about.
//!
//! ```text
//! test verify
//! prog socket_filter
//! map counters array key=4 value=8 entries=1
//!
//! case a jump that leaves the program
//!   r0 = 0
//!   goto +5             ; error[E0203]: jump out of range from insn 1 to 7
//!   exit
//! ```
//!
//! A case that is run says on lines of its own with what, and what comes of it; without such a line it is
//! run once without input:
//!
//! ```text
//! test run
//!
//! case a load past the end
//!   r0 = *(u16 *)(r1 + 1)
//!   exit
//!   ; run: mem=0102ff => r0=0xff02
//!   ; run: mem=0102 => trap at 0: access
//! ```
//!
//! Expectations begin with a word and a colon or bracket after `; `; other comments are comments. An
//! expectation about the whole case stands on a line of its own, after the instructions. With `BLESS=1`
//! what is found is written in place of what was expected.

mod engines;
mod machines;
mod parse;
mod write;

pub use engines::{Engine, engines};
pub use parse::{Case, FileTest, ParseError, Setting};
pub use write::case_text;

use std::path::Path;

/// What an engine found: for each line of a case, or for the case as a whole, what should stand there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// Line of the file and the expectation that belongs there.
    pub lines: Vec<(u32, String)>,
    /// Expectations about the case.
    pub whole: Vec<String>,
}

/// Runs all cases of a file on an engine; with `bless`, writes what was found into the file.
///
/// # Errors
/// What differs, or what is wrong with the file, for people.
pub fn run(path: &Path, engine: &dyn Engine, bless: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let test = FileTest::parse(&text).map_err(|e| format!("line {}: {}", e.line, e.problem))?;
    let (mut differences, mut blessed) = (Vec::new(), Vec::new());
    for case in &test.cases {
        let found = engine.run(&test, case).map_err(|e| format!("case {}: {e}", case.name))?;
        differences.extend(case.differences(&found));
        blessed.push(found);
    }
    if differences.is_empty() {
        return Ok(());
    }
    if bless {
        return std::fs::write(path, test.bless(&text, &blessed)).map_err(|e| e.to_string());
    }
    Err(differences.join("\n"))
}
