//! The interpreter's form of a lowered program: steps.
//!
//! A step is one operation, or several that often follow each other, in one to three words: a code with
//! registers and an immediate, then what else it needs. What each code does stands with the interpreter;
//! here is which operations become which steps ([`fuse`]), and where jumps go.
//!
//! Several operations become one step only where nothing jumps into their middle, and only one of them
//! may trap. Every register is written that the operations write.
//!
//! A run counts operations by its *credit*: the fuel it has plus the number of the operation it counted
//! from. So nothing is counted until control goes elsewhere; a jump from before operation `at` to operation
//! `to` adds `to - at`. Fuel is spent where the credit is no more than `at`, the jump's limit.
//!
//! Steps call each other in chains, without depth where the compiler makes jumps of calls in tail
//! position, and with bounded depth where it does not. Two things bound it: a chain is given little fuel,
//! and no way forward is longer than [`SPACING`] operations without a step that ends the chain.

pub(crate) mod codes;
mod fuse;

use super::op::{Code, Op};
use super::run::Linked;

/// Operations from one place where chains end to the next.
pub(crate) const SPACING: u32 = if cfg!(debug_assertions) { 64 } else { 1024 };

/// What a run is given for one chain of steps.
pub(crate) const QUOTA: i64 = SPACING as i64;

/// Where a run is: a word in which a step begins.
pub(crate) type Pc = *const u64;

/// The first word of most steps.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Head {
    pub code: u16,
    pub a: u8,
    pub b: u8,
    pub imm: i32,
}

/// The first word of steps with many registers.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Regs {
    pub code: u16,
    pub a: u8,
    pub b: u8,
    pub c: u8,
    pub d: u8,
    pub e: u8,
    pub f: u8,
}

/// The first word of steps with four registers and a displacement.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Indexed {
    pub code: u16,
    pub a: u8,
    pub b: u8,
    pub c: u8,
    pub d: u8,
    pub off: i16,
}

/// The first word of a move within the frame.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Moved {
    pub code: u16,
    pub a: u8,
    pub b: u8,
    pub from: i16,
    pub to: i16,
}

/// Where a jump goes: in words from its first, and in operations from the one after it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Target {
    pub words: i32,
    pub ops: i32,
}

/// The credit at which a jump asks for more fuel, and a second operand.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Limit {
    pub limit: i32,
    pub operand: i32,
}

/// The number of the operation after a step, and something the step needs.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct After {
    pub at: u32,
    pub what: u32,
}

macro_rules! words {
    ($($t:ident)+) => {
        $(impl From<$t> for u64 {
            fn from(step: $t) -> u64 {
                // SAFETY: both are eight bytes without padding.
                unsafe { std::mem::transmute::<$t, u64>(step) }
            }
        })+
    };
}
words!(Head Regs Indexed Moved Target Limit After);

/// What a step stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// Its first operation.
    pub first: u32,
    /// How many operations it does.
    pub count: u16,
    /// The one of them that may trap.
    pub traps: u16,
}

/// The steps of a program.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    words: Box<[u64]>,
    /// For each word, what the step that begins there stands for.
    origins: Box<[Origin]>,
    /// For each operation, the word at which it begins; none when it is inside a step.
    places: Box<[u32]>,
}

/// No word begins a step with this operation.
const INSIDE: u32 = u32::MAX;

impl Steps {
    /// Turns a program into steps.
    pub fn of(prog: &Linked) -> Steps {
        let extra = prog.exception_callback;
        Steps::build(&prog.code.ops, prog.code.entries.iter().copied().chain(extra))
    }

    fn build(ops: &[Op], entries: impl Iterator<Item = u32>) -> Steps {
        let begins = beginnings(ops, entries);
        let mut steps =
            Builder { words: Vec::with_capacity(ops.len() * 2), origins: Vec::new(), jumps: Vec::new() };
        let mut places = vec![INSIDE; ops.len()];
        let mut at = 0;
        while at < ops.len() {
            places[at] = steps.words.len() as u32;
            if at > 0 && (at as u32).is_multiple_of(SPACING) {
                steps.push(at, 0, 0, &[Head { code: codes::BREATHE, a: 0, b: 0, imm: 0 }.into()]);
            }
            let end = (at + 1..ops.len()).find(|&n| begins[n]).unwrap_or(ops.len());
            at += fuse::step(&mut steps, at, &ops[at..end.min(at + fuse::LONGEST)]);
        }
        let Builder { mut words, origins, jumps } = steps;
        for Jump { from, word, to } in jumps {
            let target = Target {
                words: places[to as usize] as i32 - from as i32,
                ops: to as i32 - origins[from as usize].end() as i32,
            };
            words[word as usize] = target.into();
        }
        Steps { words: words.into(), origins: origins.into(), places: places.into() }
    }

    /// The codes of all steps.
    #[cfg(test)]
    pub fn codes(&self) -> impl Iterator<Item = u16> + '_ {
        let places = self.places.iter().filter(|&&place| place != INSIDE);
        places.map(|&place| {
            // SAFETY: a step begins here.
            unsafe { (*(&raw const self.words[place as usize]).cast::<Head>()).code }
        })
    }

    /// Where an operation begins that something may lead to.
    pub fn place(&self, op: u32) -> Pc {
        let word = self.places[op as usize];
        assert_ne!(word, INSIDE, "entries and targets begin steps");
        // SAFETY: places are words of the steps.
        unsafe { self.words.as_ptr().add(word as usize) }
    }

    /// What the step here stands for.
    pub fn origin(&self, pc: Pc) -> Origin {
        let word = (pc as usize).wrapping_sub(self.words.as_ptr() as usize) / size_of::<u64>();
        self.origins[word]
    }
}

impl Origin {
    /// The operation after the step.
    pub fn end(self) -> u32 {
        self.first + self.count as u32
    }

    /// The operation that traps, if the step does.
    pub fn trap(self) -> u32 {
        self.first + self.traps as u32
    }
}

/// Which operations something other than the one before leads to.
fn beginnings(ops: &[Op], entries: impl Iterator<Item = u32>) -> Vec<bool> {
    let mut begins = vec![false; ops.len()];
    for entry in entries {
        begins[entry as usize] = true;
    }
    for (at, op) in ops.iter().enumerate() {
        if (at as u32).is_multiple_of(SPACING) {
            begins[at] = true;
        }
        if fuse::is_jump(op) || op.code == Code::CallSub {
            begins[fuse::target(at, op) as usize] = true;
        }
    }
    begins
}

/// A jump whose target is to be filled in.
struct Jump {
    /// The jump's first word.
    from: u32,
    /// The word with the target.
    word: u32,
    to: u32,
}

struct Builder {
    words: Vec<u64>,
    origins: Vec<Origin>,
    jumps: Vec<Jump>,
}

impl Builder {
    /// Appends a step that stands for `count` operations from `first` on, of which one may trap.
    fn push(&mut self, first: usize, count: usize, traps: usize, words: &[u64]) {
        let origin = Origin { first: first as u32, count: count as u16, traps: traps as u16 };
        self.words.extend(words);
        self.origins.resize(self.words.len(), origin);
    }

    /// The same for one whose second word says where it goes.
    fn push_jump(&mut self, first: usize, count: usize, words: &[u64], to: u32) {
        let from = self.words.len() as u32;
        self.push(first, count, 0, words);
        self.jumps.push(Jump { from, word: from + 1, to });
    }
}
