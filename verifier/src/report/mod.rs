//! What is told of a program: findings and how they came about.

mod catalog;

use alloc::boxed::Box;

pub use catalog::{CATALOG, Entry, Errno, Finding, entry};

/// A finding with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub finding: Box<Finding>,
    /// The slot of the instruction it is about.
    pub insn: Option<usize>,
}

impl Fault {
    /// A finding about the program as a whole.
    pub fn of(finding: Finding) -> Fault {
        Fault { finding: Box::new(finding), insn: None }
    }

    /// A finding about one instruction.
    pub fn at(insn: usize, finding: Finding) -> Fault {
        Fault { finding: Box::new(finding), insn: Some(insn) }
    }

    /// The error number that bpf(2) returns, positive.
    pub fn errno(&self) -> i32 {
        self.finding.errno().number()
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.finding.fmt(f)
    }
}

impl core::error::Error for Fault {}
