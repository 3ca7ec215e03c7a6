//! The log, in the kernel's words.
//!
//! At level 1 it holds the path at hand, and is cut back when another is taken up; at level 2 it
//! holds everything. At level 0 nothing is written and nothing is formatted.

mod show;

use crate::explore::{Backtrack, Chain};
use crate::state::State;
use crate::structure::Subprog;
use crate::types::Types;
use crate::verdict::Stats;
use alloc::string::String;
use core::fmt::{self, Write};
use oxbpf_isa::program::Program;

/// What the log speaks of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'p> {
    pub program: &'p Program,
    pub types: Types<'p>,
}

/// What was written so far, and what changed since a state was last printed.
#[derive(Debug, Default)]
pub(crate) struct Log {
    level: u32,
    text: String,
    regs: u16,
    slots: u64,
    /// Where the line of the instruction at hand begins and ends.
    line_start: usize,
    line_len: usize,
    line_end: usize,
    /// The finding stands in the log already.
    said: bool,
    /// The record of the source line written last.
    last_source: Option<usize>,
}

impl Log {
    pub fn new(level: u32) -> Log {
        Log { level, ..Log::default() }
    }

    #[inline]
    pub fn on(&self) -> bool {
        self.level & 3 != 0
    }

    /// Whether anything is written at all, such as messages.
    #[inline]
    pub fn any(&self) -> bool {
        self.level != 0
    }

    #[inline]
    pub fn verbose(&self) -> bool {
        self.level & 2 != 0
    }

    pub fn into_text(self) -> String {
        self.text
    }

    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        if self.level != 0 {
            // Writing to a string does not fail.
            let _ = self.text.write_fmt(text);
        }
    }

    /// Writes a finding that more lines follow.
    pub fn said(&mut self, text: fmt::Arguments<'_>) {
        self.line(text);
        self.said = true;
    }

    /// The next instruction's source line is written whatever it is.
    pub fn forget_source(&mut self) {
        self.last_source = None;
    }

    pub fn has_said(&self) -> bool {
        self.said
    }

    pub fn mark(&self) -> usize {
        self.text.len()
    }

    /// Another path is taken up: at level 1 only that one is kept.
    pub fn rewind(&mut self, mark: usize) {
        if !self.verbose() {
            self.text.truncate(mark);
        }
    }

    pub fn safe(&mut self, announced: bool, from: i64, at: u32) {
        if !self.on() {
            return;
        }
        if announced {
            self.line(format_args!("\nfrom {from} to {at}: safe\n"));
        } else {
            self.line(format_args!("{at}: safe\n"));
        }
    }

    #[inline]
    pub fn scratch(&mut self, reg: usize) {
        self.regs |= 1 << reg;
    }

    #[inline]
    pub fn scratch_slot(&mut self, _current: bool, spi: usize) {
        self.slots |= 1 << (spi & 63);
    }

    pub fn scratch_all(&mut self) {
        (self.regs, self.slots) = (u16::MAX, u64::MAX);
    }

    /// Where the program's functions begin.
    pub fn functions(&mut self, subprogs: &[Subprog]) {
        if self.verbose() {
            for (n, subprog) in subprogs.iter().enumerate() {
                self.line(format_args!("func#{n} @{}\n", subprog.start));
            }
        }
    }

    pub fn cycle(&mut self, what: &str, chain: &Chain) {
        if !self.verbose() {
            return;
        }
        self.line(format_args!("SCC {what} ("));
        for (i, callsite) in chain.callsites.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            self.line(format_args!("{comma}{callsite}"));
        }
        let comma = if chain.callsites.is_empty() { "" } else { "," };
        self.line(format_args!("{comma}{})\n", chain.scc));
    }

    pub fn stack_liveness(&mut self, chain: &[u32], start: u32, rounds: u32) {
        if !self.verbose() {
            return;
        }
        self.line(format_args!("("));
        for callsite in chain {
            self.line(format_args!("{callsite},"));
        }
        self.line(format_args!("{start}) live stack update done in {rounds} iterations\n"));
    }

    /// What became live, or surely written, before an instruction of a function called along a
    /// chain, and what ceased to be.
    pub fn mask_change(&mut self, place: (&[u32], u32, usize, u32), what: &str, old: u64, new: u64) {
        if old == new {
            return;
        }
        let (chain, start, frame, insn) = place;
        self.line(format_args!("("));
        for callsite in chain {
            self.line(format_args!("{callsite},"));
        }
        self.line(format_args!("{start}) frame {frame} insn {insn} "));
        for (sign, slots) in [('+', new & !old), ('-', old & !new)] {
            if slots == 0 {
                continue;
            }
            self.line(format_args!("{sign}{what} "));
            let mut comma = "";
            for spi in (0..64).filter(|s| slots >> s & 1 == 1) {
                self.line(format_args!("{comma}{}", -8 * (spi + 1)));
                comma = ",";
            }
            self.line(format_args!(" "));
        }
        self.line(format_args!("\n"));
    }

    pub fn mark_precise(&mut self, frame: usize, last: i64, first: u32, subsequent: i64) {
        if self.verbose() {
            self.line(format_args!(
                "mark_precise: frame{frame}: last_idx {last} first_idx {first} subseq_idx {subsequent} \n"
            ));
        }
    }

    pub fn propagating(&mut self, frame: usize, bt: &Backtrack) {
        if !self.verbose() || bt.regs[frame] == 0 && bt.slots[frame] == 0 {
            return;
        }
        let mut first = true;
        for r in (0..11).filter(|r| bt.regs[frame] >> r & 1 == 1) {
            match first {
                true => self.line(format_args!("frame {frame}: propagating r{r}")),
                false => self.line(format_args!(",r{r}")),
            }
            first = false;
        }
        for spi in (0..64).filter(|s| bt.slots[frame] >> s & 1 == 1) {
            let off = -8 * (spi + 1);
            match first {
                true => self.line(format_args!("frame {frame}: propagating fp{off}")),
                false => self.line(format_args!(",fp{off}")),
            }
            first = false;
        }
        self.line(format_args!("\n"));
    }

    pub fn masks(&mut self, bt: &Backtrack, frame: usize) {
        self.line(format_args!("regs="));
        let mut comma = "";
        for r in (0..11).filter(|r| bt.regs[frame] >> r & 1 == 1) {
            self.line(format_args!("{comma}r{r}"));
            comma = ",";
        }
        self.line(format_args!(" stack="));
        let mut comma = "";
        for spi in (0..64).filter(|s| bt.slots[frame] >> s & 1 == 1) {
            self.line(format_args!("{comma}{}", -8 * (spi + 1)));
            comma = ",";
        }
    }

    pub fn parent_state(&mut self, frame: usize, bt: &Backtrack, state: &State, subject: Subject<'_>) {
        self.line(format_args!("mark_precise: frame{frame}: parent state "));
        self.masks(bt, frame);
        self.line(format_args!(": "));
        self.state(state, frame, true, subject);
    }

    /// The last line of a log that is kept.
    pub fn closing(&mut self, stats: &Stats) {
        self.line(format_args!(
            "processed {} insns (limit 1000000) max_states_per_insn {} total_states {} peak_states {} mark_read 0\n",
            stats.insns, stats.max_states_per_insn, stats.total_states, stats.peak_states
        ));
    }
}
