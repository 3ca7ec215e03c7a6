//! The walk over all states a program can be in.
//!
//! Depth first, the fall-through of a branch before its target, as Linux 6.18's `do_check` does.
//! At points that the control-flow walk marked, the current state is held against those kept there
//! ([`prune`]); scalars on which a decision rested are marked by walking back over the path
//! ([`precision`]); parts of the stack that are never read again are forgotten ([`liveness`]); loops
//! are told by the cycles of the control flow graph ([`cycles`]).
//!
//! The walk counts as the kernel counts: an accept is only as good as the number of instructions
//! that it took.

mod cycles;
mod liveness;
mod precision;
mod prune;

use crate::domain::Arithmetic;
use crate::kfunc::Kfuncs;
use crate::log::{Log, Subject};
use crate::proof::Recorder;
use crate::report::{Errno, Finding};
use crate::rules::Rules;
use crate::state::{Access, Differs, Frame, Ids, Kind, Mods, NO_CALLSITE, State, StateId, Step};
use crate::structure::{Graph, Marks, Slot, Structure};
use crate::transfer::{Fastcalls, MapFields, Objects};
use crate::types::target::Target;
use crate::types::{Kernel, Types};
use crate::verdict::{Feature, Stats};
use crate::witness::Left;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
pub(crate) use cycles::Chain;
use cycles::Cycles;
pub(crate) use liveness::StackLiveness;
use oxbpf_isa::btf::Linkage;
use oxbpf_isa::insn::Insn;
use oxbpf_isa::kernel::{KernelModel, ProgKind, ProgRecord, ProgType};
use oxbpf_isa::program::{ProgFlags, Program};
pub(crate) use precision::{Backtrack, Linked, LinkedRegs, MAX_LINKED, pack};
use smallvec::smallvec;

/// Why a walk ends early.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Stop {
    Reject(Box<Finding>),
    Unknown(Feature),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Stop {
        Stop::Reject(Box::new(finding))
    }
}

pub(crate) type Judged<T> = Result<T, Stop>;

/// Where the walk goes after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// To the next slot.
    Straight,
    /// To this slot.
    To(u32),
    /// Back from a function to this slot.
    Back(u32),
    /// The path ends.
    End,
}

/// A kept state.
#[derive(Debug)]
pub(crate) struct Kept {
    pub state: State,
    pub hits: u32,
    pub misses: u32,
    pub evicted: bool,
    /// Where the state differed from the one it was last held against.
    pub differs: Option<Differs>,
}

/// A path to be followed later.
#[derive(Debug)]
struct Pending {
    state: State,
    at: u32,
    from: u32,
    log_mark: usize,
}

/// What is known of a function of the program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Function {
    pub stack_depth: u32,
    /// Of it what the kernel keeps, once it has taken out spills that nobody needs.
    pub kept_depth: u32,
    /// Judged by its prototype alone, rather than at each call.
    pub global: bool,
    /// By its types, where there are any.
    pub linkage: Option<Linkage>,
    pub called: bool,
    pub verified: bool,
    pub is_callback: bool,
    pub is_async_callback: bool,
    pub is_exception_callback: bool,
    pub changes_pkt: bool,
    pub might_sleep: bool,
    /// Its types do not say what it is called with.
    pub unreliable: bool,
}

pub(crate) struct Walker<'p> {
    pub program: &'p Program,
    pub model: &'p KernelModel,
    /// What the version decides differently from others.
    pub rules: Rules,
    pub arithmetic: Arithmetic,
    /// The types that registers name.
    pub types: Types<'p>,
    /// The type of the program that this one traces.
    pub traced: Option<ProgType>,
    /// It replaces a function, so that it begins with that function's arguments.
    pub is_extension: bool,
    /// What the program attaches to.
    pub attach: Option<Rc<Target>>,
    /// What the log speaks of.
    pub subject: Subject<'p>,
    /// What the calls of kernel functions mean.
    pub kfuncs: Kfuncs<'p>,
    /// The first call of a function that the kernel lacks to which a path led.
    pub absent_kfunc: Option<u32>,
    /// A function was called whose prototype is only the object's word for it.
    pub assumes: bool,
    /// The references that came with arguments, by where those stand in the context.
    pub arg_refs: Vec<(u32, u32)>,
    pub structure: &'p Structure,
    pub graph: Graph,
    pub kind: ProgKind,
    pub prog: &'static ProgRecord,
    pub strict_alignment: bool,
    pub functions: Vec<Function>,
    pub cur: State,
    /// The instruction looked at and the one before it.
    pub at: u32,
    pub from: i64,
    pub id_gen: u32,
    pub log: Log,
    /// Which kind of pointer each memory access went through, where that must not vary.
    pub pointer_kinds: Vec<Option<(Kind, Mods)>>,
    /// The callback of each loop that may be put in place of its call; none once it may not.
    pub loops: hashbrown::HashMap<u32, Option<u32>>,
    pub fastcalls: Fastcalls,
    /// Instructions that some path led to.
    walked: Vec<bool>,
    /// Special fields of each map and of the map inside it.
    pub map_fields: MapFields,
    /// The program uses an arena.
    pub has_arena: bool,
    /// Structures of the program's types with special fields.
    pub objects: Objects,
    /// How many processors the machine is taken to have.
    pub cpus: u32,
    /// Writes facts down for a proof.
    pub recorder: Option<&'p mut Recorder>,
    /// Shown every state that an instruction is looked at in.
    pub observer: Option<&'p dyn Fn(&State)>,
    /// A kept state ends a path only if it covers all that is still read, mattered it or not.
    pub covers_all: bool,
    pub jumps: u64,
    /// The program reads or writes packets in subprograms that it leaves by LD_ABS.
    pub stats: Stats,
    kept: Vec<Option<Kept>>,
    free: Vec<StateId>,
    buckets: Vec<Vec<StateId>>,
    pending: Vec<Pending>,
    /// The last step of the history belongs to this instruction.
    step_open: bool,
    jumps_at_keep: u64,
    insns_at_keep: u64,
    explored_size: u64,
    free_list_size: u64,
    backedge_count: u64,
    ids: Ids,
    pub backtrack: Backtrack,
    /// What a walk back has to look at each instruction for.
    touches: Vec<u16>,
    pub stack_live: StackLiveness,
    cycles: Cycles,
}

impl<'p> Walker<'p> {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        program: &'p Program,
        kernel: &Kernel<'p>,
        kfuncs: Kfuncs<'p>,
        structure: &'p Structure,
        graph: Graph,
        kind: ProgKind,
        prog: &'static ProgRecord,
        functions: Vec<Function>,
        map_fields: MapFields,
        log: Log,
    ) -> Walker<'p> {
        let count = program.insns.len();
        let fastcalls = Fastcalls::new(&program.insns, structure, kernel.model, &kind, &kfuncs);
        let types = Types::new(program, kernel);
        let rules = Rules::of(kernel.model.version());
        Walker {
            program,
            model: kernel.model,
            rules,
            arithmetic: rules.arithmetic(),
            types,
            traced: kernel.target.and_then(|t| t.prog_type),
            is_extension: program.prog_type == Some(ProgType::Ext),
            attach: None,
            subject: Subject { program, types },
            kfuncs,
            absent_kfunc: None,
            assumes: false,
            arg_refs: Vec::new(),
            structure,
            kind,
            prog,
            strict_alignment: program.flags.has(ProgFlags::STRICT_ALIGNMENT)
                && !program.flags.has(ProgFlags::ANY_ALIGNMENT),
            functions,
            cur: fresh_state(0),
            at: 0,
            from: -1,
            id_gen: 0,
            log,
            pointer_kinds: vec![None; count],
            loops: hashbrown::HashMap::new(),
            fastcalls,
            walked: vec![false; count],
            map_fields,
            has_arena: false,
            objects: Objects::default(),
            cpus: 0,
            recorder: None,
            observer: None,
            covers_all: false,
            jumps: 0,
            stats: Stats::default(),
            kept: Vec::new(),
            free: Vec::new(),
            buckets: vec![Vec::new(); count],
            pending: Vec::new(),
            step_open: false,
            jumps_at_keep: 0,
            insns_at_keep: 0,
            explored_size: 0,
            free_list_size: 0,
            backedge_count: 0,
            ids: Ids::default(),
            backtrack: Backtrack::default(),
            touches: precision::touches(&structure.insns),
            stack_live: StackLiveness::new(structure, &graph),
            cycles: Cycles::default(),
            graph,
        }
    }

    /// Walks a function and everything it calls in place.
    pub fn walk(&mut self, subprog: usize) -> Result<(), (Stop, usize)> {
        self.cur = fresh_state(subprog as u32);
        self.cur.in_sleepable = self.kind.sleepable;
        self.at = self.structure.subprogs[subprog].start as u32;
        self.cur.insn = self.at;
        self.cur.first_insn = self.at;
        self.from = -1;
        self.step_open = false;
        self.log.scratch_all();
        self.log.forget_source();
        if (subprog > 0 || self.is_extension) && self.log.any() {
            let name = self.subprog_name(subprog);
            self.log.line(format_args!("Validating {name}() func#{subprog}...\n"));
        }
        if subprog == 0 {
            self.look_at_main();
        }
        let result =
            self.enter(subprog).and_then(|()| self.explore()).map_err(|stop| (stop, self.at as usize));
        if result.is_ok() {
            self.log.forget_walk();
        }
        self.kept.clear();
        self.free.clear();
        self.pending.clear();
        self.cycles = Cycles::default();
        self.buckets.iter_mut().for_each(Vec::clear);
        result
    }

    fn explore(&mut self) -> Judged<()> {
        let limit = self.model.limits().processed_insns;
        let mut announce = false;
        loop {
            self.step_open = false;
            self.stats.insns += 1;
            if self.stats.insns > limit {
                if !self.rules.prunes_by_static_liveness {
                    return Err(Stop::Unknown(Feature::KernelVersion));
                }
                return Err(Finding::TooManyInsns { insns: self.stats.insns }.into());
            }
            self.cur.last_insn = self.from;
            self.cur.insn = self.at;
            let at = self.at;
            let marks = self.structure.marks[at as usize];
            if marks.has(Marks::PRUNE) && self.is_seen(at)? {
                self.log.safe(announce, self.from, at);
                announce = !self.end_path()?;
                if !announce {
                    return Ok(());
                }
                continue;
            }
            if marks.has(Marks::JUMP) {
                self.push_step(Access::default(), 0);
            }
            if self.log.verbose() && announce {
                self.log_from();
                announce = false;
            }
            if self.log.on() {
                self.log_insn(at);
            }
            self.walked[at as usize] = true;
            self.show(at);
            self.stack_live.ensure(&self.cur);
            self.stack_live.begin(at);
            let next = self.step()?;
            self.from = at as i64;
            if self.may_write_stack(at) {
                self.stack_live.commit();
            }
            match next {
                Next::Straight => {
                    let insn = self.structure.insns[at as usize];
                    self.at = at + if let Slot::Insn(i) = insn { i.slots() as u32 } else { 1 };
                }
                Next::To(to) => self.at = to,
                Next::Back(to) => {
                    self.at = to;
                    announce = true;
                }
                Next::End => {
                    announce = !self.end_path()?;
                    if !announce {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Ends the current path and takes up the next; whether that was the last.
    fn end_path(&mut self) -> Judged<bool> {
        self.log.scratch_all();
        self.finish_branches()?;
        self.finish_stack_liveness();
        let Some(next) = self.pending.pop() else { return Ok(true) };
        self.log.rewind(next.log_mark);
        self.cur = next.state;
        self.at = next.at;
        self.from = i64::from(next.from);
        Ok(false)
    }

    /// Remembers the current state for a path to be followed later. Where that is one too many, Linux
    /// 6.18.44 itself may fall.
    pub fn push_path(&mut self, at: u32, from: u32) -> Judged<&mut State> {
        let state = self.cur.clone();
        self.push_state(at, from, state, Errno::ENOMEM).map_err(|_| Stop::Unknown(Feature::Internal))
    }

    /// Remembers a state for a path to be followed later; `full` is the error number where that is one
    /// too many.
    pub fn push_state(&mut self, at: u32, from: u32, state: State, full: Errno) -> Judged<&mut State> {
        if let Some(parent) = state.parent {
            self.state_mut(parent).branches += 1;
        }
        let log_mark = self.log.mark();
        self.pending.push(Pending { state, at, from, log_mark });
        if self.pending.len() as u64 > self.model.limits().pending_branches {
            return Err(Finding::TooManyBranches { branches: self.pending.len(), errno: full }.into());
        }
        let last = self.pending.len() - 1;
        Ok(&mut self.pending[last].state)
    }

    /// Notes something about the current instruction in the history of the path.
    pub fn push_step(&mut self, access: Access, linked: u64) {
        if self.step_open
            && let Some(step) = self.cur.history.last_mut()
        {
            if access.stack.is_some() {
                step.access.stack = access.stack;
            }
            step.access.src_is_stack |= access.src_is_stack;
            step.access.dst_is_stack |= access.dst_is_stack;
            step.linked = linked;
            return;
        }
        self.cur.history.push(Step { at: self.at, from: self.from as u32, access, linked });
        self.step_open = true;
    }

    /// A new identity.
    #[inline]
    pub fn fresh_id(&mut self) -> u32 {
        self.id_gen += 1;
        self.id_gen
    }

    #[inline]
    fn state(&self, id: StateId) -> &State {
        &self.kept[id as usize].as_ref().expect("a kept state lives as long as it is referred to").state
    }

    /// A state that is kept.
    pub(crate) fn kept_state(&self, id: StateId) -> &State {
        self.state(id)
    }

    #[inline]
    fn state_mut(&mut self, id: StateId) -> &mut State {
        &mut self.kept[id as usize].as_mut().expect("a kept state lives as long as it is referred to").state
    }

    /// What is known at the end that a witness needs.
    pub fn leave_behind(&mut self) -> Left {
        let none = StackLiveness::new(self.structure, &self.graph);
        Left {
            live: self.graph.live.clone(),
            stack_live: core::mem::replace(&mut self.stack_live, none),
            marks: self.structure.marks.clone(),
        }
    }

    /// Shows the current state to those who asked for it.
    #[inline]
    fn show(&mut self, at: u32) {
        if let Some(observer) = self.observer {
            observer(&self.cur);
        }
        if let (Some(recorder), Slot::Insn(insn)) = (&mut self.recorder, self.structure.insns[at as usize]) {
            recorder.reach(at, insn, &self.cur);
        }
    }

    /// Whether an instruction writes memory, be it by what it calls.
    #[inline]
    fn may_write_stack(&self, at: u32) -> bool {
        use Insn::{Atomic, Call, Store, StoreRelease};
        let insn = self.structure.insns[at as usize];
        matches!(insn, Slot::Insn(Store { .. } | StoreRelease { .. } | Atomic { .. } | Call(_)))
    }

    /// Whether some path led to the instruction.
    pub(crate) fn is_walked(&self, at: usize) -> bool {
        self.walked[at]
    }

    /// The instruction in a slot.
    #[inline]
    pub fn insn(&self, at: u32) -> Option<Insn> {
        match self.structure.insns.get(at as usize)? {
            Slot::Insn(insn) => Some(*insn),
            _ => None,
        }
    }
}

/// Nothing has happened yet.
pub(crate) fn fresh_state(subprog: u32) -> State {
    State {
        frames: smallvec![Rc::new(Frame::new(NO_CALLSITE, 0, subprog))],
        refs: Vec::new(),
        in_sleepable: false,
        in_rcu: false,
        preempt_off: 0,
        irq_id: 0,
        branches: 1,
        parent: None,
        insn: 0,
        first_insn: 0,
        last_insn: -1,
        dfs_depth: 0,
        callback_unroll_depth: 0,
        may_goto_depth: 0,
        history: Vec::new(),
        cleaned: false,
        equal: None,
    }
}
