//! Calls between spills and fills that are there for older kernels only.
//!
//! Rules: `mark_fastcall_patterns`, `check_fastcall_stack_contract` and
//! `remove_fastcall_spills_fills` of Linux 6.18. Compilers keep registers on the stack around calls
//! that newer kernels compile in line. If nothing else touches that part of the stack, the kernel takes
//! the spills and fills out after its walk, and the function needs less stack.

use super::Subprog;
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::insn::opcode::{class, jmp};

const SPILL: u8 = 0x7b;
const FILL: u8 = 0x79;
const CALL: u8 = class::JMP | jmp::CALL;
const FP: u8 = 10;
/// R0 to R5.
const CALLER_SAVED: u8 = 0x3f;
/// Nothing is so far down the stack.
const BROKEN: i32 = i16::MIN as i32;

/// What a call does to registers, and whether it is compiled in line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Clobbers {
    pub regs: u8,
    pub inline: bool,
}

/// The patterns of a program and what has become of them.
#[derive(Clone, Debug)]
pub(crate) struct Fastcall {
    /// By function: below this offset there are spills of patterns only.
    above: Vec<i32>,
    /// By function: some pattern is around a call that stays one.
    keep: Vec<bool>,
    /// By slot: a spill or fill of a pattern.
    pattern: Vec<bool>,
    /// By slot: a call whose spills and fills can go.
    removable: Vec<bool>,
    ends: Vec<(usize, usize)>,
}

impl Fastcall {
    /// The patterns of a program, if it has any.
    pub fn find(
        raw: &[RawInsn],
        subprogs: &[Subprog],
        clobbers: impl Fn(usize, RawInsn) -> Option<Clobbers>,
    ) -> Option<Fastcall> {
        let mut found = Fastcall {
            above: vec![0; subprogs.len()],
            keep: vec![false; subprogs.len()],
            pattern: vec![false; raw.len()],
            removable: vec![false; raw.len()],
            ends: subprogs.iter().map(|s| (s.start, s.end)).collect(),
        };
        for (n, subprog) in subprogs.iter().enumerate() {
            let insns = &raw[subprog.start..subprog.end];
            let spills = insns.iter().filter(|i| i.code == SPILL && i.dst == FP);
            let Some(lowest) = spills.map(|i| i.off).min().filter(|off| *off < 0) else { continue };
            for at in (subprog.start..subprog.end).filter(|&at| raw[at].code == CALL) {
                let Some(of) = clobbers(at, raw[at]).filter(|c| c.regs != CALLER_SAVED) else { continue };
                found.match_call(raw, n, at, of, lowest);
            }
        }
        found.pattern.contains(&true).then_some(found)
    }

    fn match_call(&mut self, raw: &[RawInsn], subprog: usize, at: usize, of: Clobbers, lowest: i16) {
        let mut expected = !of.regs & CALLER_SAVED;
        let (mut off, mut pairs) = (i32::from(lowest), 0);
        for i in 1..=6 {
            if at < i || at + i >= raw.len() {
                break;
            }
            let (spill, fill) = (raw[at - i], raw[at + i]);
            let is_pair = spill.code == SPILL
                && fill.code == FILL
                && spill.dst == FP
                && fill.src == FP
                && spill.src == fill.dst;
            let fits = spill.src < 8 && expected >> spill.src & 1 == 1;
            if !is_pair || !fits || i32::from(spill.off) != off || i32::from(fill.off) != off {
                break;
            }
            expected &= !(1 << spill.src);
            (self.pattern[at - i], self.pattern[at + i]) = (true, true);
            off += 8;
            pairs += 1;
        }
        if pairs == 0 {
            return;
        }
        if of.inline {
            self.removable[at] = true;
        } else {
            self.keep[subprog] = true;
        }
        self.above[subprog] = self.above[subprog].min(off);
    }

    /// An instruction accesses the stack of a function.
    pub fn accessed(&mut self, subprog: usize, at: usize, off: i64) {
        if i64::from(self.above[subprog]) <= off || self.pattern[at] {
            return;
        }
        self.above[subprog] = BROKEN;
        let (start, end) = self.ends[subprog];
        self.pattern[start..end].fill(false);
        self.removable[start..end].fill(false);
    }

    /// The stack that a function needs in the end, where that is less.
    pub fn reduced(&self, subprog: usize) -> Option<u32> {
        let (start, end) = self.ends[subprog];
        let removed = self.removable[start..end].contains(&true) && !self.keep[subprog];
        removed.then_some(self.above[subprog].unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxbpf_isa::asm::{Syntax, assemble};

    /// The program, and the stack that it needs after all, for a call that keeps R1 to R5.
    const PROGRAMS: &[(&str, Option<u32>)] = &[
        ("*(u64 *)(r10 -8) = r1\ncall 8\nr1 = *(u64 *)(r10 -8)\nexit", Some(0)),
        ("*(u64 *)(r10 -16) = r1\n*(u64 *)(r10 -8) = r2\ncall 8\nr2 = *(u64 *)(r10 -8)\nexit", None),
        ("*(u64 *)(r10 -8) = r1\ncall 8\nr2 = *(u64 *)(r10 -8)\nexit", None),
        ("*(u64 *)(r10 -8) = r6\ncall 8\nr6 = *(u64 *)(r10 -8)\nexit", None),
        (
            "*(u64 *)(r10 -8) = r2\n*(u64 *)(r10 -16) = r1\ncall 8\nr1 = *(u64 *)(r10 -16)\nr2 = *(u64 *)(r10 -8)\n\
             exit",
            Some(0),
        ),
        // A jump to the call itself does not matter to Linux 6.18.
        ("if r1 == 0x0 goto +1\n*(u64 *)(r10 -8) = r1\ncall 8\nr1 = *(u64 *)(r10 -8)\nexit", Some(0)),
    ];

    #[test]
    fn spills_around_calls_compiled_in_line_are_found() {
        for &(text, expected) in PROGRAMS {
            let raw = assemble(text, Syntax::Kernel).unwrap();
            let subprogs = [Subprog { start: 0, end: raw.len(), ..Subprog::default() }];
            let keeps = |_, _| Some(Clobbers { regs: 1, inline: true });
            let found = Fastcall::find(&raw, &subprogs, keeps);
            assert_eq!(found.and_then(|f| f.reduced(0)), expected, "{text}");
        }
    }

    #[test]
    fn another_access_leaves_them_where_they_are() {
        let raw = assemble(PROGRAMS[0].0, Syntax::Kernel).unwrap();
        let subprogs = [Subprog { start: 0, end: raw.len(), ..Subprog::default() }];
        let mut found =
            Fastcall::find(&raw, &subprogs, |_, _| Some(Clobbers { regs: 1, inline: true })).unwrap();
        found.accessed(0, 0, -8);
        assert_eq!(found.reduced(0), Some(0));
        found.accessed(0, 3, -8);
        assert_eq!(found.reduced(0), None);
    }
}
