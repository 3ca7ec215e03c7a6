//! Proofs: what a walk over an accepted program has shown, kept for engines.
//!
//! A [`Verified`] is made here only, from a program and what Linux's verifier would say of it. The
//! kernel rewrites some programs before it runs them and has objects that engines do not have, so not
//! every accepted program has a proof: every register of every state must be of a kind that an engine
//! has the like of. Which memory an engine lays out how is its own business; a proof says what is
//! accessed, in terms of the regions that [`Facts`] name.

use crate::state::{Kind, Mods, Reg, State};
use crate::types::Kernel;
use crate::verdict::{Judgement, Options, Verdict, verify_with};
use alloc::boxed::Box;
use alloc::vec;
use core::fmt;
use oxbpf_isa::insn::{Callee, Insn};
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;
use oxbpf_isa::proof::{Access, Facts, Region};

/// A program that was proved safe, with what was learned of it.
///
/// The program is borrowed, so it is the one that was proved and stays as it was.
#[derive(Clone, Debug)]
pub struct Verified<'p> {
    program: &'p Program,
    judgement: Judgement,
    facts: Facts,
}

impl<'p> Verified<'p> {
    /// The program.
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// What was said of it, and what that took.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// What was learned, instruction by instruction.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Why there is no proof of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NoProof {
    /// It is not accepted.
    Verdict(Judgement),
    /// It is accepted, but uses something of the kernel's that engines do not have.
    Kernel { insn: u32, what: Outside },
    /// The model is not what is recorded of a kernel, so nobody vouches for it.
    Model,
}

/// Something of the kernel's that engines do not have the like of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Outside {
    /// A pointer to an object of the kernel, or a kind of memory that only the kernel has.
    Pointer,
    /// A pointer that may be anything, read with faults caught.
    Untrusted,
    /// A key that a callback keeps for its caller.
    Key,
    /// A function of the kernel.
    Kfunc,
    /// An element, taken as present, of a map that was found in another.
    InnerKey,
}

impl fmt::Display for NoProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoProof::Verdict(judgement) => match &judgement.verdict {
                Verdict::Reject(fault) => write!(f, "the program is refused: {fault}"),
                Verdict::Unknown(feature) => write!(f, "no verdict: {feature}"),
                Verdict::Accept => f.write_str("the program is accepted"),
            },
            NoProof::Kernel { insn, what } => {
                let what = match what {
                    Outside::Pointer => "a pointer into the kernel",
                    Outside::Untrusted => "a pointer that is not trusted",
                    Outside::Key => "a map key that outlives its callback",
                    Outside::Kfunc => "a function of the kernel",
                    Outside::InnerKey => "an element that is taken as present in an inner map",
                };
                write!(f, "instruction {insn} uses {what}")
            }
            NoProof::Model => f.write_str("the kernel model was changed"),
        }
    }
}

impl core::error::Error for NoProof {}

/// Proves a program safe for an engine with so many processors.
///
/// # Errors
/// Why there is no proof.
pub fn prove<'p>(program: &'p Program, model: &KernelModel, cpus: u32) -> Result<Verified<'p>, NoProof> {
    if !model.is_recorded() {
        return Err(NoProof::Model);
    }
    let mut recorder = Recorder::new(program.insns.len(), cpus);
    let options = Options { cpus, recorder: Some(&mut recorder), ..Options::default() };
    let judgement = verify_with(program, &Kernel::new(model), options).0;
    if judgement.verdict != Verdict::Accept {
        return Err(NoProof::Verdict(judgement));
    }
    if let Some((insn, what)) = recorder.outside {
        return Err(NoProof::Kernel { insn, what });
    }
    let bound = recorder.bound(&judgement);
    let facts = Facts { max_stack: judgement.stats.stack_depth, bound, ..*recorder.facts };
    Ok(Verified { program, judgement, facts })
}

/// What engines know of a pointer beside its kind.
const OURS: Mods = Mods::MAYBE_NULL.with(Mods::RDONLY).with(Mods::RINGBUF);

/// What writes the facts down during the walk.
#[derive(Debug)]
pub(crate) struct Recorder {
    facts: Box<Facts>,
    outside: Option<(u32, Outside)>,
    /// A path ended only under a promise: some loop is bounded by what helpers count.
    promised: bool,
    /// A function that is judged alone is called.
    calls_global: bool,
    /// The instruction at hand calls something; what a helper writes is no access of its.
    is_call: bool,
    /// The instruction at hand accesses memory for the first time.
    first: bool,
}

impl Recorder {
    fn new(count: usize, cpus: u32) -> Recorder {
        let facts = Facts { insns: vec![Default::default(); count], cpus, ..Facts::default() };
        Recorder {
            facts: Box::new(facts),
            outside: None,
            promised: false,
            calls_global: false,
            is_call: false,
            first: false,
        }
    }

    fn outside(&mut self, at: u32, what: Outside) {
        self.outside.get_or_insert((at, what));
    }

    /// An instruction is about to be looked at.
    pub fn reach(&mut self, at: u32, insn: Insn, state: &State) {
        self.facts.insns[at as usize].reached = true;
        self.first = self.facts.insns[at as usize].access.is_none();
        self.is_call = matches!(insn, Insn::Call(_));
        if let Insn::Call(Callee::Kfunc { .. }) = insn {
            self.outside(at, Outside::Kfunc);
        }
        for reg in &state.cur().regs {
            match reg.kind {
                _ if reg.mods.has(Mods::UNTRUSTED) => self.outside(at, Outside::Untrusted),
                _ if reg.mods.without(OURS) != Mods::NONE => self.outside(at, Outside::Pointer),
                Kind::NotInit | Kind::Scalar | Kind::Ctx | Kind::MapPtr | Kind::MapValue | Kind::MapKey => {}
                Kind::Stack | Kind::Packet | Kind::PacketMeta | Kind::PacketEnd | Kind::Mem | Kind::Func => {}
                _ => self.outside(at, Outside::Pointer),
            }
        }
    }

    /// An instruction accesses memory at `off` from the pointer.
    pub fn access(&mut self, at: u32, reg: &Reg, off: i32, size: u32, frame: usize) {
        let off = i64::from(off);
        let (min, max) = match reg.kind {
            Kind::Packet | Kind::PacketMeta => (reg.num.umin() as i64, reg.num.umax() as i64),
            _ => (reg.num.smin(), reg.num.smax()),
        };
        let (min, max) = (min.saturating_add(off), max.saturating_add(off));
        let inner = crate::transfer::is_inner(reg.a);
        let map = crate::transfer::index_of(reg.a) as u32;
        let region = match reg.kind {
            Kind::Stack if reg.frame as usize == frame => Region::Stack,
            Kind::Stack => Region::CallerStack,
            Kind::Ctx => {
                self.context(max, size);
                Region::Context
            }
            Kind::Packet => Region::Packet,
            Kind::PacketMeta => Region::Metadata,
            Kind::MapValue if inner => Region::InnerMapValue { map },
            Kind::MapValue => Region::MapValue { map },
            Kind::MapKey => Region::MapKey { map },
            Kind::Mem => Region::Memory { size: reg.a },
            _ => return self.outside(at, Outside::Pointer),
        };
        if !self.is_call {
            self.facts.insns[at as usize].note_access(Access { region, min, max });
        }
    }

    fn context(&mut self, off: i64, size: u32) {
        let end = off.saturating_add(i64::from(size));
        let extent = u32::try_from(end).unwrap_or(u32::MAX);
        self.facts.context.extent = self.facts.context.extent.max(extent);
        self.facts.context.needed = true;
    }

    /// The context is given to a helper.
    pub fn context_given(&mut self) {
        self.facts.context.needed = true;
    }

    /// What a load gave. Of a number that was stored only so much is known as mattered, and paths on
    /// which it was another may have been cut short; what a constant map holds is the same on all.
    pub fn loaded(&mut self, at: u32, from: Kind, into: &Reg) {
        if from == Kind::Ctx && into.is_packet_any() {
            self.facts.context.packet = true;
        }
        let constant = from == Kind::MapValue && into.is_scalar();
        let value = into.num.const_value().filter(|_| constant);
        self.facts.insns[at as usize].note_loaded(value, self.first);
    }

    pub fn branch(&mut self, at: u32, taken: bool, falls_through: bool) {
        let facts = &mut self.facts.insns[at as usize];
        facts.taken |= taken;
        facts.falls_through |= falls_through;
    }

    pub fn map_use(&mut self, at: u32, map: u32, key: Option<u64>) {
        let inner = crate::transfer::is_inner(map);
        if inner && key.is_some() {
            // The template of inner maps may be larger than the map that is found.
            self.outside(at, Outside::InnerKey);
        }
        self.facts.insns[at as usize].note_map(crate::transfer::index_of(map) as u32, inner, key);
    }

    /// A register is stored in the stack.
    pub fn spilled(&mut self, at: u32, reg: &Reg, own_frame: bool) {
        if reg.kind == Kind::MapKey && !own_frame {
            self.outside(at, Outside::Key);
        }
    }

    pub fn promised(&mut self) {
        self.promised = true;
    }

    pub fn calls_global(&mut self) {
        self.calls_global = true;
    }

    /// How many instructions a run executes at most.
    ///
    /// Where no path ended under a promise, each path leads through states that were looked at once,
    /// and comes to none twice. Functions judged alone multiply, eight deep at most.
    fn bound(&self, judgement: &Judgement) -> Option<u64> {
        let deep = if self.calls_global { crate::state::MAX_FRAMES as u32 } else { 1 };
        (!self.promised).then(|| judgement.stats.insns.checked_pow(deep)).flatten()
    }
}
