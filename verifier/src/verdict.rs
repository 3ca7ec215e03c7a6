//! What is said of a program in the end.

use crate::report::Fault;
use crate::structure;
use core::fmt;
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;

/// Whether a kernel would take a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Accept,
    Reject(Fault),
    /// The program needs something of which there is no model: neither accepted nor refused.
    Unknown(Feature),
}

/// Something of which there is no model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Feature {
    /// The walk over all states that a program can be in.
    States,
    /// Types of the kernel, which were not given.
    KernelTypes,
    /// What the program is for is not known.
    ProgramType,
}

impl Feature {
    /// The stable name, for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Feature::States => "states",
            Feature::KernelTypes => "kernel-types",
            Feature::ProgramType => "program-type",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Feature::States => "structure is sound; register states are not judged yet",
            Feature::KernelTypes => "the program needs the types of the target kernel, which were not given",
            Feature::ProgramType => "nothing says what the program is for",
        })
    }
}

/// How much work the walk over states was; zero where it did not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Instructions looked at, an instruction once for each state it was looked at in.
    pub insns: u64,
    pub total_states: u64,
    pub peak_states: u64,
    pub max_states_per_insn: u64,
    /// Bytes of the deepest chain of calls.
    pub stack_depth: u32,
}

/// A verdict with what it took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    pub verdict: Verdict,
    pub stats: Stats,
}

/// Judges a program as the kernel of the model would, for a loader with every privilege.
pub fn verify(program: &Program, model: &KernelModel) -> Judgement {
    let verdict = match structure::analyze(program, model) {
        Err(fault) => Verdict::Reject(fault),
        Ok(_) if program.prog_type.is_none() => Verdict::Unknown(Feature::ProgramType),
        Ok(_) => Verdict::Unknown(Feature::States),
    };
    Judgement { verdict, stats: Stats::default() }
}
