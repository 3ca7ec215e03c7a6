//! That every instruction can be reached, and where the walk over states will pause (Linux
//! `check_cfg`, `visit_insn`).
//!
//! A depth-first walk over edges, the fall-through of a branch before its target. Calls of the
//! program's own functions are edges too.

use super::functions::{is_func_ref, is_subprog_call, jump_target};
use crate::kfunc::{Kfuncs, Pause};
use crate::report::{Fault, Finding};
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::insn::opcode::{class, jmp, pseudo};

/// What the walk over states does at a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks(u8);

impl Marks {
    /// States that arrive here are compared with those seen before.
    pub const PRUNE: Marks = Marks(1 << 0);
    /// Arriving here is recorded in the history of jumps.
    pub const JUMP: Marks = Marks(1 << 1);
    /// A state is kept here whatever the heuristics say.
    pub const FORCE: Marks = Marks(1 << 2);
    /// The instruction calls a helper that calls a function of the program back at once.
    pub const CALLS_BACK: Marks = Marks(1 << 3);

    /// Whether all of `other` are set.
    pub const fn has(self, other: Marks) -> bool {
        self.0 & other.0 == other.0
    }

    fn add(&mut self, other: Marks) {
        self.0 |= other.0;
    }
}

/// Helpers that call a function of the program back before they return: for_each_map_elem,
/// find_vma, loop, user_ringbuf_drain.
const SYNC_CALLBACK_HELPERS: [i32; 4] = [164, 180, 181, 209];
/// Helpers that have a function of the program called later: timer_set_callback.
const ASYNC_CALLBACK_HELPERS: [i32; 1] = [170];

/// How far the walk is with a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Unseen,
    /// On the stack, with so many of its edges followed.
    Discovered(u8),
    Explored,
}

pub(super) fn walk(
    raw: &[RawInsn],
    exception_callback: Option<usize>,
    kfuncs: &Kfuncs<'_>,
) -> Result<Vec<Marks>, Fault> {
    let mut marks = vec![Marks::default(); raw.len()];
    for (at, _) in kfuncs.iter() {
        mark_kfunc(&mut marks[*at as usize], kfuncs.pause(*at as usize));
    }
    let mut progress = vec![Progress::Unseen; raw.len()];
    visit_from(0, raw, &mut progress, &mut marks)?;
    // A callback for exceptions is called by nobody and yet reached.
    if let Some(start) = exception_callback {
        visit_from(start, raw, &mut progress, &mut marks)?;
    }
    let mut at = 0;
    while at < raw.len() {
        if progress[at] != Progress::Explored {
            return Err(Fault::at(at, Finding::Unreachable { insn: at }));
        }
        if raw[at].is_ldimm64() {
            if progress[at + 1] != Progress::Unseen {
                return Err(Fault::at(at, Finding::JumpIntoLdImm64 { insn: at }));
            }
            at += 1;
        }
        at += 1;
    }
    Ok(marks)
}

fn visit_from(
    start: usize,
    raw: &[RawInsn],
    progress: &mut [Progress],
    marks: &mut [Marks],
) -> Result<(), Fault> {
    let mut stack = Vec::from([start]);
    progress[start] = Progress::Discovered(0);
    while let Some(&at) = stack.last() {
        let Progress::Discovered(followed) = progress[at] else {
            stack.pop();
            continue;
        };
        if followed == 0 {
            mark(at, raw[at], marks);
        }
        match edge(at, raw[at], followed, marks) {
            None => {
                progress[at] = Progress::Explored;
                stack.pop();
            }
            Some(to) => {
                progress[at] = Progress::Discovered(followed + 1);
                let inside = usize::try_from(to).ok().filter(|&t| t < raw.len());
                let to = inside.ok_or(Fault::at(at, Finding::JumpOutOfRange { from: at, to }))?;
                if followed == 1 {
                    marks[to].add(Marks::PRUNE);
                    marks[to].add(Marks::JUMP);
                }
                if progress[to] == Progress::Unseen {
                    progress[to] = Progress::Discovered(0);
                    stack.push(to);
                }
            }
        }
    }
    Ok(())
}

fn is_jump(insn: RawInsn) -> bool {
    matches!(insn.code & class::MASK, class::JMP | class::JMP32)
}

/// The edge out of an instruction after so many others, the fall-through first.
fn edge(at: usize, insn: RawInsn, followed: u8, marks: &mut [Marks]) -> Option<i64> {
    let next = at as i64 + if insn.is_ldimm64() { 2 } else { 1 };
    let is_call = is_jump(insn) && insn.code & class::OP_MASK == jmp::CALL;
    if is_call || is_func_ref(insn) {
        let callee = (is_subprog_call(insn) || is_func_ref(insn)).then_some(at as i64 + insn.imm as i64 + 1);
        return match followed {
            0 => {
                if let Some(slot) = usize::try_from(next).ok().and_then(|n| marks.get_mut(n)) {
                    slot.add(Marks::PRUNE);
                    slot.add(Marks::JUMP);
                }
                if callee.is_some() {
                    marks[at].add(Marks::PRUNE);
                }
                Some(next)
            }
            1 => callee,
            _ => None,
        };
    }
    if !is_jump(insn) {
        return (followed == 0).then_some(next);
    }
    let to = jump_target(at, insn);
    match insn.code & class::OP_MASK {
        jmp::EXIT => None,
        jmp::JA => {
            let to = to.filter(|_| followed == 0)?;
            if let Some(slot) = usize::try_from(to).ok().and_then(|t| marks.get_mut(t)) {
                slot.add(Marks::PRUNE);
                slot.add(Marks::JUMP);
            }
            Some(to)
        }
        _ => match followed {
            0 => Some(next),
            1 => to,
            _ => None,
        },
    }
}

/// Marks that a call of a kernel function puts on itself.
fn mark_kfunc(marks: &mut Marks, pause: Pause) {
    match pause {
        Pause::None => {}
        Pause::CallsLater => marks.add(Marks::PRUNE),
        // A loop over an iterator converges where it is advanced.
        Pause::IterNext => [Marks::PRUNE, Marks::FORCE].into_iter().for_each(|m| marks.add(m)),
        Pause::CallsBack => {
            let all = [Marks::CALLS_BACK, Marks::FORCE, Marks::PRUNE, Marks::JUMP];
            all.into_iter().for_each(|m| marks.add(m));
        }
    }
}

/// Marks that an instruction puts on itself.
fn mark(at: usize, insn: RawInsn, marks: &mut [Marks]) {
    if !is_jump(insn) {
        return;
    }
    match insn.code & class::OP_MASK {
        jmp::CALL if insn.src == pseudo::CALL_HELPER => {
            if ASYNC_CALLBACK_HELPERS.contains(&insn.imm) {
                marks[at].add(Marks::PRUNE);
            }
            if SYNC_CALLBACK_HELPERS.contains(&insn.imm) {
                for m in [Marks::CALLS_BACK, Marks::FORCE, Marks::PRUNE, Marks::JUMP] {
                    marks[at].add(m);
                }
            }
        }
        jmp::CALL | jmp::EXIT | jmp::JA => {}
        op => {
            marks[at].add(Marks::PRUNE);
            if op == jmp::JCOND {
                marks[at].add(Marks::FORCE);
            }
        }
    }
}
