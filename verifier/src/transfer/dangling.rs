//! Addresses of functions that turn out to be dead code.
//!
//! Rules: `opt_remove_dead_code` and `jit_subprogs` of Linux 6.18. The kernel takes out what no path
//! reached, whole functions too, and afterwards looks for the functions whose addresses are taken. An
//! address that led to a function at the beginning of what was taken out leads to the next one that
//! stays; one that leads to none ends in an error, unless the program has no functions left at all.

use crate::explore::Walker;
use crate::report::{Fault, Finding};
use crate::structure::Slot;
use crate::verdict::{Feature, Verdict};
use oxbpf_isa::insn::{Imm64, Insn};

/// What becomes of a program that was walked to the end, where not an accept.
pub(crate) fn dangling(walker: &Walker<'_>) -> Option<Verdict> {
    let structure = walker.structure;
    let lives = |at: usize| walker.is_walked(at);
    if !structure.subprogs[1..].iter().any(|s| lives(s.start)) {
        return None;
    }
    for (at, slot) in structure.insns.iter().enumerate() {
        let Slot::Insn(Insn::LdImm64 { imm: Imm64::Func(off), .. }) = slot else { continue };
        let to = (at as i64 + 1 + i64::from(*off)) as usize;
        if !lives(at) || lives(to) {
            continue;
        }
        let stays = structure.subprogs[1..].iter().any(|s| s.start > to && lives(s.start));
        // The second slot of a wide load that was reached stays with the first.
        let is_first = lives(to - 1) || matches!(structure.insns[to - 1], Slot::Second if lives(to - 2));
        match (stays, is_first) {
            (true, true) => {}
            (false, _) => {
                let slots = |at: usize| if let Slot::Insn(i) = structure.insns[at] { i.slots() } else { 1 };
                let insn = (0..structure.insns.len()).filter(|&at| lives(at)).map(slots).sum();
                return Some(Verdict::Reject(Fault::at(at, Finding::DeadCallback { insn })));
            }
            (true, false) => return Some(Verdict::Unknown(Feature::Internal)),
        }
    }
    None
}
