//! What can be said of a program before any state is looked at.
//!
//! In the order in which Linux 6.18 looks (`bpf_check`): the number of instructions, where functions
//! begin (`add_subprog_and_kfunc`), that jumps stay inside them (`check_subprogs`), that the records
//! about functions and lines fit (`check_btf_info`), that opcodes
//! exist and wide loads are whole and name maps that there are (`resolve_pseudo_ldimm64`), that every
//! instruction can be reached (`check_cfg`). The order decides which of several faults is reported.
//!
//! Faults of single instructions beyond that (unused fields, registers, helpers) are the walk's: the
//! kernel sees them only on paths it takes.

mod flow;
mod functions;
mod graph;
mod references;
mod types;

pub use flow::Marks;
pub use functions::Subprog;
pub use graph::{Graph, Successors};

use crate::kfunc::Kfuncs;
use crate::report::{Fault, Finding};
use crate::rules::Rules;
use alloc::vec::Vec;
use oxbpf_isa::insn::{DecodeError, Insn, RawInsn};
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::{MapDef, Program};

/// A program whose structure is sound.
#[derive(Clone, Debug)]
pub struct Structure {
    /// What each slot decodes to. The second slot of a wide load holds no instruction.
    pub insns: Vec<Slot>,
    /// Functions by where they begin; the first is the program itself.
    pub subprogs: Vec<Subprog>,
    /// Where the function begins that is called when an exception is thrown.
    pub exception_callback: Option<usize>,
    /// What the control-flow walk marks each slot as.
    pub marks: Vec<Marks>,
}

/// What stands in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    Insn(Insn),
    /// The upper half of the wide load before it.
    Second,
    /// No instruction; only a fault when a path leads here.
    Bad(DecodeError),
}

/// Judges the structure of a program.
///
/// # Errors
/// The fault that the kernel would report.
pub fn analyze(program: &Program, model: &KernelModel) -> Result<Structure, Fault> {
    analyze_with(program, model, &Kfuncs::default(), |_| {}, &|_, _| None)
}

/// As [`analyze`], where what the calls of kernel functions mean was looked up. Says which functions
/// there are as soon as that is known, and asks of each map, by its index too, whether it may be used.
pub(crate) fn analyze_with(
    program: &Program,
    model: &KernelModel,
    kfuncs: &Kfuncs<'_>,
    tell: impl FnOnce(&[Subprog]),
    unusable: &dyn Fn(usize, &MapDef) -> Option<Finding>,
) -> Result<Structure, Fault> {
    let raw = &program.insns;
    let limit = model.limits().insns_privileged as usize;
    if raw.is_empty() || raw.len() > limit {
        return Err(Fault::of(Finding::ProgramSize { insns: raw.len(), limit }));
    }
    types::check_early(program)?;
    // Functions and calls of the kernel's are looked at together, in the order of the program.
    let found = functions::find(program, model);
    if let Some(fault) = &kfuncs.fault
        && found.as_ref().err().is_none_or(|other| fault.insn < other.insn)
    {
        return Err(fault.clone());
    }
    let (mut subprogs, exception_callback) = found?;
    tell(&subprogs);
    functions::check_jumps(raw, &mut subprogs)?;
    types::check(program, &subprogs)?;
    references::check(program, model.limits(), Rules::of(model.version()), unusable)?;
    let marks = flow::walk(raw, exception_callback, kfuncs)?;
    Ok(Structure { insns: decode(raw), subprogs, exception_callback, marks })
}

fn is_exit(insn: RawInsn) -> bool {
    let bare = RawInsn { off: 0, ..insn };
    matches!(Insn::decode(&[bare]), Ok(Insn::Exit))
}

fn decode(raw: &[RawInsn]) -> Vec<Slot> {
    let mut slots = Vec::with_capacity(raw.len());
    for (_, decoded) in Insn::decode_all(raw) {
        match decoded {
            Ok(insn) => {
                slots.push(Slot::Insn(insn));
                slots.extend((insn.slots() == 2).then_some(Slot::Second));
            }
            // The kernel does not look at the offset of an exit.
            Err(_) if is_exit(raw[slots.len()]) => slots.push(Slot::Insn(Insn::Exit)),
            Err(error) => slots.push(Slot::Bad(error)),
        }
    }
    slots
}

impl Structure {
    /// The index of the function that a slot belongs to.
    pub fn subprog_of(&self, slot: usize) -> usize {
        self.subprogs.partition_point(|s| s.start <= slot) - 1
    }

    /// The index of the function that begins in a slot.
    pub fn subprog_at(&self, slot: usize) -> Option<usize> {
        self.subprogs.binary_search_by_key(&slot, |s| s.start).ok()
    }
}
