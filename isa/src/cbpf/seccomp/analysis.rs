//! Enumerates what a seccomp filter decides, from the filter alone.
//!
//! The filter is followed along all its paths at once, in program order, since all jumps go forward.
//! Each path carries what its registers and scratch words hold, as a constant or as one word of
//! `struct seccomp_data` after a chain of operations with constants, and for each word of the
//! structure the exact [set](WordSet) of values that lead here. Paths that meet with the same
//! registers, and differ in one word at most, become one, which loses nothing; values nobody reads
//! any more are forgotten first.
//!
//! The result is sound and complete for filters made of loads, jumps, returns and arithmetic with
//! constants, which are all that libseccomp, minijail, Chromium and systemd write. What lies outside
//! is marked: a path is not [exact](Path::exact) when a condition on it compares two words of the
//! structure or a value with no chain; its sets then hold more than what really leads there.

use super::super::check::{Dialect, Filter};
use super::super::insn::{Alu, Cond, Insn, Operand};
use super::super::live::{A, PLACES, X, liveness};
use super::wordset::{Step, WordSet};
use super::{Action, Arch, Return, SeccompData, Syscall};
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Bounds on an analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Paths followed at the same time.
    pub paths: usize,
    /// Steps in all: one path over one instruction is one.
    pub steps: usize,
    /// Work in all, and so memory: each step costs the nodes of the sets its path carries.
    pub work: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { paths: 1 << 12, steps: 1 << 18, work: 1 << 23 }
    }
}

/// What a filter decides, as a list of cases that cover every system call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Analysis {
    /// The cases. Those of exact paths do not overlap.
    pub paths: Vec<Path>,
    /// Set when a limit was hit; the cases not followed are among the paths, outcome unknown.
    pub incomplete: Option<Incomplete>,
}

/// Where a limit was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The instruction the analysis stopped before.
    pub insn: usize,
}

/// One case: the system calls described by its words end with its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Path {
    /// The words of `struct seccomp_data`, by index, that are restricted; the others are free.
    pub words: BTreeMap<u8, WordSet>,
    /// The verdict.
    pub outcome: Outcome,
    /// The returning instruction, or the one the analysis stopped before.
    pub insn: usize,
    /// Whether the words describe the case exactly. If not, they describe more.
    pub exact: bool,
}

/// The verdict of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// One value.
    Fixed(Return),
    /// One action, whose data depend on the system call.
    Action(Action),
    /// Not known.
    Unknown,
}

impl Outcome {
    /// The action, when it is known.
    pub const fn action(self) -> Option<Action> {
        match self {
            Self::Fixed(value) => Some(value.action),
            Self::Action(action) => Some(action),
            Self::Unknown => None,
        }
    }
}

impl Path {
    /// The words `index` may have on this path.
    pub fn word(&self, index: u8) -> WordSet {
        self.words.get(&index).cloned().unwrap_or_else(WordSet::full)
    }

    /// Whether the words admit this system call.
    pub fn admits(&self, data: &SeccompData) -> bool {
        let admits = |(&index, set): (&u8, &WordSet)| {
            data.word(4 * u32::from(index)).is_some_and(|word| set.contains(word))
        };
        self.words.iter().all(admits)
    }
}

impl Analysis {
    /// Whether every case is exact, with a known outcome.
    pub fn is_complete(&self) -> bool {
        self.incomplete.is_none()
            && self.paths.iter().all(|path| path.exact && path.outcome != Outcome::Unknown)
    }

    /// The cases of one system call of one calling convention, in terms of its arguments and the
    /// instruction pointer: the first two words are taken out of the paths.
    pub fn syscall(&self, arch: Arch, nr: u32) -> Vec<Path> {
        let applies = |path: &&Path| path.word(0).contains(nr) && path.word(1).contains(arch.audit());
        let mut cases: Vec<Path> = self.paths.iter().filter(applies).cloned().collect();
        for path in &mut cases {
            path.words.retain(|&index, _| index > 1);
        }
        cases
    }

    /// The system calls of `arch` for which some case has an outcome that `wanted` takes.
    pub fn syscalls(&self, arch: Arch, wanted: impl Fn(Outcome) -> bool) -> Vec<(Syscall, Vec<Path>)> {
        let case = |syscall: Syscall| {
            let mut paths = self.syscall(arch, syscall.nr);
            paths.retain(|path| wanted(path.outcome));
            (!paths.is_empty()).then_some((syscall, paths))
        };
        arch.syscalls().filter_map(case).collect()
    }
}

/// Analyses a filter that was checked for seccomp; `None` for one that was not.
pub fn analyze(filter: &Filter, limits: Limits) -> Option<Analysis> {
    (filter.dialect() == Dialect::Seccomp).then(|| Explorer::new(filter.insns()).run(limits))
}

/// What a register or scratch word holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Const(u32),
    Word { index: u8, steps: Vec<Step> },
    Unknown,
}

impl Value {
    fn then(&self, step: Step) -> Self {
        match self {
            Self::Const(c) => Self::Const(step.apply(*c)),
            Self::Word { index, steps } => {
                let mut steps = steps.clone();
                // A chain of masks folds, so that a loop-free filter cannot grow it for nothing.
                match (steps.last_mut(), step) {
                    (Some(Step::And(a)), Step::And(b)) => *a &= b,
                    (Some(Step::Add(a)), Step::Add(b)) => *a = a.wrapping_add(b),
                    _ => steps.push(step),
                }
                Self::Word { index: *index, steps }
            }
            Self::Unknown => Self::Unknown,
        }
    }

    /// The words that put this value into `set`: which one, and its values.
    fn leading_to(&self, set: WordSet) -> Option<(u8, WordSet)> {
        let Self::Word { index, steps } = self else { return None };
        let before = steps.iter().rev().try_fold(set, |set, &step| set.preimage(step))?;
        Some((*index, before))
    }
}

#[derive(Clone)]
struct State {
    places: Vec<Value>,
    words: BTreeMap<u8, WordSet>,
    exact: bool,
}

impl State {
    /// What it takes to copy this state.
    fn size(&self) -> usize {
        1 + self.words.values().map(WordSet::size).sum::<usize>()
    }

    /// Narrows word `index` to `set`; false when nothing is left.
    fn narrow(&mut self, index: u8, set: &WordSet) -> bool {
        let now = match self.words.get(&index) {
            Some(before) => before.intersect(set),
            None => set.clone(),
        };
        let possible = !now.is_empty();
        if now.is_full() {
            self.words.remove(&index);
        } else {
            self.words.insert(index, now);
        }
        possible
    }

    /// Joins `other` into this state if that is exact: one word may differ.
    fn join(&mut self, other: &Self) -> bool {
        if self.exact != other.exact || self.places != other.places {
            return false;
        }
        let full = WordSet::full();
        let differs =
            |index: &u8| self.words.get(index).unwrap_or(&full) != other.words.get(index).unwrap_or(&full);
        let mut different = (0..16u8).filter(differs);
        match (different.next(), different.next()) {
            (None, _) => true,
            (Some(index), None) => {
                match (self.words.get(&index), other.words.get(&index)) {
                    (Some(a), Some(b)) => {
                        let joined = a.union(b);
                        self.words.remove(&index);
                        if !joined.is_full() {
                            self.words.insert(index, joined);
                        }
                    }
                    _ => {
                        self.words.remove(&index);
                    }
                }
                true
            }
            _ => false,
        }
    }
}

struct Explorer<'a> {
    insns: &'a [Insn],
    /// Which places are read later, one bit each, before every instruction.
    live: Vec<u32>,
    /// States waiting at each instruction.
    waiting: Vec<Vec<State>>,
    count: usize,
    paths: Vec<Path>,
}

impl<'a> Explorer<'a> {
    fn new(insns: &'a [Insn]) -> Self {
        let start = State { places: vec![Value::Const(0); PLACES], words: BTreeMap::new(), exact: true };
        let mut waiting = vec![Vec::new(); insns.len()];
        waiting[0].push(start);
        Self { insns, live: liveness(insns), waiting, count: 1, paths: Vec::new() }
    }

    fn run(mut self, limits: Limits) -> Analysis {
        let (mut steps, mut work) = (0, 0);
        for at in 0..self.insns.len() {
            let states = core::mem::take(&mut self.waiting[at]);
            self.count -= states.len();
            for (i, state) in states.iter().enumerate() {
                steps += 1;
                work += state.size();
                if steps > limits.steps || work > limits.work || self.count > limits.paths {
                    let rest = states[i..].to_vec();
                    return self.give_up(at, rest);
                }
                self.step(at, state.clone());
            }
        }
        Analysis { paths: self.paths, incomplete: None }
    }

    /// What was not followed becomes cases of unknown outcome, so that the cases still cover all.
    fn give_up(mut self, at: usize, rest: Vec<State>) -> Analysis {
        let waiting = core::mem::take(&mut self.waiting);
        let later = waiting.into_iter().enumerate().flat_map(|(i, s)| s.into_iter().map(move |s| (i, s)));
        for (insn, state) in rest.into_iter().map(|s| (at, s)).chain(later) {
            self.end(insn, state, Outcome::Unknown);
        }
        Analysis { paths: self.paths, incomplete: Some(Incomplete { insn: at }) }
    }

    fn step(&mut self, at: usize, mut state: State) {
        let places = &mut state.places;
        match self.insns[at] {
            Insn::LoadAbs { k, .. } => places[A] = Value::Word { index: (k / 4) as u8, steps: Vec::new() },
            Insn::LoadImm(k) => places[A] = Value::Const(k),
            Insn::LoadXImm(k) => places[X] = Value::Const(k),
            Insn::LoadLen => places[A] = Value::Const(SeccompData::SIZE),
            Insn::LoadXLen => places[X] = Value::Const(SeccompData::SIZE),
            Insn::LoadMem(k) => places[A] = places[k as usize].clone(),
            Insn::LoadXMem(k) => places[X] = places[k as usize].clone(),
            Insn::Store(k) => places[k as usize] = places[A].clone(),
            Insn::StoreX(k) => places[k as usize] = places[X].clone(),
            Insn::Tax => places[X] = places[A].clone(),
            Insn::Txa => places[A] = places[X].clone(),
            Insn::Neg => places[A] = places[A].then(Step::Neg),
            Insn::Alu { op, by } => return self.alu(at, state, op, by),
            Insn::Jump(k) => return self.arrive(at + 1 + k as usize, state),
            Insn::Branch { cond, with, jt, jf } => return self.branch(at, state, cond, with, jt, jf),
            Insn::RetK(k) => return self.end(at, state, Outcome::Fixed(Return::decode(k))),
            Insn::RetA => return self.return_a(at, state),
            // None of these passes the check of seccomp filters.
            Insn::LoadInd { .. } | Insn::LoadXMsh(_) | Insn::RetX => {
                state.exact = false;
                return self.end(at, state, Outcome::Unknown);
            }
        }
        self.arrive(at + 1, state);
    }

    fn alu(&mut self, at: usize, mut state: State, op: Alu, by: Operand) {
        let a = state.places[A].clone();
        let b = match by {
            Operand::K(k) => Value::Const(k),
            Operand::X => state.places[X].clone(),
        };
        if matches!(op, Alu::Div | Alu::Mod) && matches!(by, Operand::X) {
            return self.divide(at, state, op);
        }
        state.places[A] = match (&a, &b) {
            (Value::Const(a), Value::Const(b)) => op.eval(*a, *b, false).map_or(Value::Unknown, Value::Const),
            (value, Value::Const(c)) => step_of(op, *c).map_or(Value::Unknown, |step| value.then(step)),
            (Value::Const(c), value) => match op {
                Alu::Sub => value.then(Step::Neg).then(Step::Add(*c)),
                Alu::Add | Alu::Mul | Alu::And | Alu::Or | Alu::Xor => {
                    step_of(op, *c).map_or(Value::Unknown, |step| value.then(step))
                }
                _ => Value::Unknown,
            },
            _ => Value::Unknown,
        };
        self.arrive(at + 1, state);
    }

    /// Division by `X`: where `X` is zero the filter ends with 0, which kills the thread.
    fn divide(&mut self, at: usize, state: State, op: Alu) {
        let killed = Outcome::Fixed(Return::decode(0));
        let (zero, nonzero) = split(&state, &state.places[X], WordSet::only(0));
        if let Some(zero) = zero {
            self.end(at, zero, killed);
        }
        if let Some(mut rest) = nonzero {
            rest.places[A] = match (&rest.places[A], &rest.places[X]) {
                (Value::Const(a), Value::Const(b)) => {
                    op.eval(*a, *b, false).map_or(Value::Unknown, Value::Const)
                }
                (value, Value::Const(c)) => step_of(op, *c).map_or(Value::Unknown, |step| value.then(step)),
                _ => Value::Unknown,
            };
            self.arrive(at + 1, rest);
        }
    }

    fn branch(&mut self, at: usize, state: State, cond: Cond, with: Operand, jt: u8, jf: u8) {
        let with = match with {
            Operand::K(k) => Value::Const(k),
            Operand::X => state.places[X].clone(),
        };
        let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
        if yes == no {
            return self.arrive(yes, state);
        }
        let a = &state.places[A];
        let (taken, skipped) = match (a, &with) {
            (a, &Value::Const(c)) => split(&state, a, holding(cond, c, false)),
            (&Value::Const(c), with) => split(&state, with, holding(cond, c, true)),
            _ => split(&state, &Value::Unknown, WordSet::full()),
        };
        if let Some(taken) = taken {
            self.arrive(yes, taken);
        }
        if let Some(skipped) = skipped {
            self.arrive(no, skipped);
        }
    }

    fn return_a(&mut self, at: usize, state: State) {
        match state.places[A].clone() {
            Value::Const(c) => self.end(at, state, Outcome::Fixed(Return::decode(c))),
            Value::Unknown => self.end(at, state, Outcome::Unknown),
            value @ Value::Word { .. } => self.return_word(at, state, &value),
        }
    }

    /// The verdict is computed from a word: one case for each action it can have.
    fn return_word(&mut self, at: usize, mut state: State, value: &Value) {
        const ACTIONS: [Action; 8] = [
            Action::KillProcess,
            Action::KillThread,
            Action::Trap,
            Action::Errno,
            Action::UserNotif,
            Action::Trace,
            Action::Log,
            Action::Allow,
        ];
        for action in ACTIONS {
            let set = WordSet::masked(0xffff_0000, u32::from(action.high()) << 16);
            let Some((index, before)) = value.leading_to(set) else {
                return self.end(at, state, Outcome::Unknown);
            };
            let mut case = state.clone();
            if case.narrow(index, &before) {
                self.end(at, case, Outcome::Action(action));
            }
            if !state.narrow(index, &before.complement()) {
                return;
            }
        }
        self.end(at, state, Outcome::Unknown);
    }

    fn arrive(&mut self, at: usize, mut state: State) {
        for (place, value) in state.places.iter_mut().enumerate() {
            if self.live[at] >> place & 1 == 0 {
                *value = Value::Const(0);
            }
        }
        // Only the last few are tried: paths that can join mostly arrive one after the other.
        const TRIED: usize = 16;
        let waiting = &mut self.waiting[at];
        if !waiting.iter_mut().rev().take(TRIED).any(|other| other.join(&state)) {
            waiting.push(state);
            self.count += 1;
        }
    }

    fn end(&mut self, insn: usize, state: State, outcome: Outcome) {
        let State { words, exact, .. } = state;
        self.paths.push(Path { words, outcome, insn, exact });
    }
}

/// The states in which `value` is in `set` and in which it is not; `None` where that cannot be.
fn split(state: &State, value: &Value, set: WordSet) -> (Option<State>, Option<State>) {
    if let Value::Const(c) = value {
        return match set.contains(*c) {
            true => (Some(state.clone()), None),
            false => (None, Some(state.clone())),
        };
    }
    match value.leading_to(set) {
        Some((index, inside)) => {
            let narrowed = |set: &WordSet| {
                let mut state = state.clone();
                state.narrow(index, set).then_some(state)
            };
            (narrowed(&inside), narrowed(&inside.complement()))
        }
        None => {
            let both = State { exact: false, ..state.clone() };
            (Some(both.clone()), Some(both))
        }
    }
}

/// The values of the left side for which the condition holds with `c` on the right; of the right
/// side, when `turned`, with `c` on the left.
fn holding(cond: Cond, c: u32, turned: bool) -> WordSet {
    let below = |last: Option<u32>| last.map_or_else(WordSet::empty, |last| WordSet::range(0, last));
    match (cond, turned) {
        (Cond::Eq, _) => WordSet::only(c),
        (Cond::Set, _) => WordSet::masked(c, 0).complement(),
        (Cond::Ge, false) => WordSet::range(c, u32::MAX),
        (Cond::Gt, false) => WordSet::range(0, c).complement(),
        (Cond::Ge, true) => WordSet::range(0, c),
        (Cond::Gt, true) => below(c.checked_sub(1)),
    }
}

/// The operation with a constant on the right, as a step.
const fn step_of(op: Alu, c: u32) -> Option<Step> {
    Some(match op {
        Alu::Add => Step::Add(c),
        Alu::Sub => Step::Add(c.wrapping_neg()),
        Alu::Mul => Step::Mul(c),
        Alu::Div if c != 0 => Step::Div(c),
        Alu::And => Step::And(c),
        Alu::Or => Step::Or(c),
        Alu::Xor => Step::Xor(c),
        Alu::Lsh => Step::Shl((c & 31) as u8),
        Alu::Rsh => Step::Shr((c & 31) as u8),
        Alu::Div | Alu::Mod => return None,
    })
}

#[cfg(test)]
mod tests;
