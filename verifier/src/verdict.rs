//! What is said of a program in the end.

use crate::explore::{Function, Stop, Walker};
use crate::kfunc::{Call, Kfuncs};
use crate::log::Log;
use crate::proof::Recorder;
use crate::report::{Fault, Finding};
use crate::state::State;
use crate::structure::{self, Graph, Structure};
use crate::transfer::{MapFields, Objects};
use crate::types::{Kernel, Types, symbol, target};
use crate::witness::Left;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use oxbpf_isa::btf::{Linkage, Type};
use oxbpf_isa::insn::{Callee, Imm64, Insn};
use oxbpf_isa::kernel::{
    HelperFlags, KernelModel, KfuncFlags, Known, MapType, ProgFlags as Of, ProgKind, ProgType,
};
use oxbpf_isa::program::{MapDef, ProgFlags, Program};

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
    /// A place where the kernel itself would say that the verifier has a bug.
    Internal,
    /// Types of the kernel.
    KernelTypes,
    /// What the program attaches to.
    Target,
    /// What the program is for is not known.
    ProgramType,
    /// The context of this kind of program.
    Context,
    /// Functions of the kernel that are no helpers.
    Kfuncs,
    /// Prototypes of functions of the kernel, where only the object says what they are.
    AssumedPrototypes,
    /// Dynamic pointers.
    Dynptrs,
    /// Locks in map values.
    Locks,
    /// Timers and work queues.
    Timers,
    /// Pointers to kernel objects in map values.
    KernelPointers,
    /// Objects that programs allocate, lists and trees.
    OwnedObjects,
    /// Arenas.
    Arena,
    /// Uses of sockets beyond their fields.
    Sockets,
    /// Map types of which nothing is known.
    Maps,
    /// Contents of a constant map that are not known.
    MapContents,
    /// Formats of snprintf.
    FormatStrings,
    /// Prototypes of global functions.
    GlobalFunctions,
    /// Exceptions.
    Exceptions,
    /// Descriptors that the loader passes beside the program.
    Descriptors,
    /// How this version of the kernel walks, or what it does differently from those that were asked.
    KernelVersion,
    /// What updates of the same version decide differently.
    PatchLevel,
    /// Whether the memory of the kernel's machine suffices for the walk.
    KernelMemory,
    /// The rules of a structure of callbacks of which no kernel was asked.
    UnmeasuredCallbacks,
}

impl Feature {
    /// The stable name, for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Feature::Internal => "internal",
            Feature::KernelTypes => "kernel-types",
            Feature::Target => "attach-target",
            Feature::ProgramType => "program-type",
            Feature::Context => "context",
            Feature::Kfuncs => "kfuncs",
            Feature::AssumedPrototypes => "assumed-prototypes",
            Feature::Dynptrs => "dynptrs",
            Feature::Locks => "locks",
            Feature::Timers => "timers",
            Feature::KernelPointers => "kernel-pointers",
            Feature::OwnedObjects => "owned-objects",
            Feature::Arena => "arena",
            Feature::Sockets => "sockets",
            Feature::Maps => "maps",
            Feature::MapContents => "map-contents",
            Feature::FormatStrings => "format-strings",
            Feature::GlobalFunctions => "global-functions",
            Feature::Exceptions => "exceptions",
            Feature::Descriptors => "descriptors",
            Feature::KernelVersion => "kernel-version",
            Feature::PatchLevel => "patch-level",
            Feature::KernelMemory => "kernel-memory",
            Feature::UnmeasuredCallbacks => "unmeasured-callbacks",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Feature::Internal => "the walk came to a place that has no model",
            Feature::KernelTypes => "the program needs the types of the target kernel",
            Feature::Target => "nothing is known of what the program attaches to",
            Feature::ProgramType => "nothing says what the program is for",
            Feature::Context => "the context of this kind of program has no model",
            Feature::Kfuncs => "calls of kernel functions have no model yet",
            Feature::AssumedPrototypes => "only the object says what the prototypes of kernel functions are",
            Feature::Dynptrs => "dynamic pointers have no model yet",
            Feature::Locks => "locks have no model yet",
            Feature::Timers => "timers have no model yet",
            Feature::KernelPointers => "kernel pointers in map values have no model yet",
            Feature::OwnedObjects => "objects owned by the program have no model yet",
            Feature::Arena => "arenas have no model yet",
            Feature::Sockets => "this use of sockets has no model yet",
            Feature::Maps => "a map of this type has no model",
            Feature::MapContents => "the contents of a constant map are not known",
            Feature::FormatStrings => "format strings have no model yet",
            Feature::GlobalFunctions => "this prototype of a global function has no model yet",
            Feature::Exceptions => "exceptions have no model yet",
            Feature::Descriptors => "the array of descriptors that the program needs is not known",
            Feature::KernelVersion => {
                "how this kernel version walks has no model, or none that is certain of this program"
            }
            Feature::PatchLevel => "updates of this kernel version decide differently",
            Feature::KernelMemory => {
                "the program takes more and more references; the kernel refuses it when memory ends"
            }
            Feature::UnmeasuredCallbacks => "no kernel was asked about this structure of callbacks",
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
    /// More of why the verdict is unknown.
    pub detail: Option<Detail>,
}

/// What there is to say of an unknown verdict beside the feature.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Detail {
    /// The function of the kernel of which nothing is known.
    Kfunc(String),
    /// The structure of callbacks of which nothing is known.
    StructOps(String),
    /// The functions whose prototypes were taken from the object, and what the verdict is if the kernel
    /// has them so.
    Assumed { kfuncs: Vec<String>, verdict: Box<Verdict> },
    /// The structure of callbacks whose record no kernel was asked about, and what the verdict is if the
    /// record holds.
    Unmeasured { ops: &'static str, verdict: Box<Verdict> },
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Detail::Kfunc(name) | Detail::StructOps(name) => f.write_str(name),
            Detail::Assumed { kfuncs, verdict } => {
                write!(f, "if the kernel has {} as declared, ", kfuncs.join(", "))?;
                likely(f, verdict)
            }
            Detail::Unmeasured { ops, verdict } => {
                write!(f, "if {ops} is as recorded, ")?;
                likely(f, verdict)
            }
        }
    }
}

/// What the verdict is if what was assumed holds.
fn likely(f: &mut fmt::Formatter<'_>, verdict: &Verdict) -> fmt::Result {
    f.write_str("the program is ")?;
    match verdict {
        Verdict::Accept => f.write_str("accepted"),
        Verdict::Unknown(feature) => write!(f, "still unknown ({feature})"),
        Verdict::Reject(fault) => match fault.insn {
            Some(insn) => write!(f, "rejected at insn {insn}: {fault}"),
            None => write!(f, "rejected: {fault}"),
        },
    }
}

/// Judges a program as the kernel would, for a loader with every privilege.
pub fn verify(program: &Program, kernel: &Kernel<'_>) -> Judgement {
    verify_logged(program, kernel, 0).0
}

/// As [`verify`], with the log the kernel would write at this level: 0 for none, 1, or 2.
pub fn verify_logged(program: &Program, kernel: &Kernel<'_>, level: u32) -> (Judgement, String) {
    verify_with(program, kernel, Options { level, ..Options::default() })
}

/// What is asked of a walk.
pub(crate) struct Options<'a> {
    /// How much the log says.
    pub level: u32,
    /// How many processors the machine is taken to have.
    pub cpus: u32,
    /// Writes facts down for a proof.
    pub recorder: Option<&'a mut Recorder>,
    /// Shown every state that an instruction is looked at in.
    pub observer: Option<&'a dyn Fn(&State)>,
    /// Paths end only where a kept state covers all that is still read; takes what the walk knew then.
    pub left: Option<&'a mut Option<Left>>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { level: 0, cpus: MEASURED_CPUS, recorder: None, observer: None, left: None }
    }
}

/// The processors of the machine on which the recorded kernel answered.
const MEASURED_CPUS: u32 = 2;

pub(crate) fn verify_with(
    program: &Program,
    kernel: &Kernel<'_>,
    options: Options<'_>,
) -> (Judgement, String) {
    let (mut stats, mut detail) = (Stats::default(), None);
    let mut log = Log::new(options.level);
    let kind = judged_as(program, kernel).map(|(_, kind)| kind);
    let types = Types::new(program, kernel);
    let kfuncs = Kfuncs::new(program, kernel.model, kind.as_ref(), &types);
    let map_fields = MapFields::new(program, kernel.model, &types);
    let arena = Cell::new(None);
    let unusable = |index: usize, map: &MapDef| {
        let fields = map_fields.of(index, false).cloned().unwrap_or_default();
        let found = crate::transfer::unusable(map, kernel.model, kind.as_ref()?, &fields);
        let is_arena = map.kind() == Some(MapType::Arena);
        let is_second = is_arena && arena.replace(Some(index)).is_some_and(|first| first != index);
        found.or(is_second.then_some(Finding::SecondArena))
    };
    let tell = |subprogs: &[structure::Subprog]| log.functions(subprogs);
    let structure = structure::analyze_with(program, kernel.model, &kfuncs, tell, &unusable);
    let verdict = match structure {
        Err(fault) => Verdict::Reject(fault),
        Ok(structure) => {
            let out = Out { stats: &mut stats, log: &mut log, detail: &mut detail };
            judge(program, kernel, kfuncs, map_fields, &structure, options, out)
        }
    };
    if let Verdict::Reject(fault) = &verdict {
        let text = alloc::format!("{fault}");
        if !text.is_empty() && !log.has_said() {
            let end = if fault.finding.ends_line() { "\n" } else { "" };
            log.line(format_args!("{text}{end}"));
        }
    }
    log.closing(&stats);
    (Judgement { verdict, stats, detail }, log.into_text())
}

/// What a walk leaves beside its verdict.
struct Out<'o> {
    stats: &'o mut Stats,
    log: &'o mut Log,
    detail: &'o mut Option<Detail>,
}

fn judge<'a>(
    program: &'a Program,
    kernel: &'a Kernel<'a>,
    kfuncs: Kfuncs<'a>,
    map_fields: MapFields,
    structure: &'a Structure,
    options: Options<'a>,
    Out { stats, log, detail }: Out<'_>,
) -> Verdict {
    let model = kernel.model;
    let Some(prog_type) = program.prog_type else { return Verdict::Unknown(Feature::ProgramType) };
    let Some(prog) = model.prog(prog_type) else { return Verdict::Unknown(Feature::ProgramType) };
    if !crate::rules::WALKS.contains(&model.version()) {
        return Verdict::Unknown(Feature::KernelVersion);
    }
    let Some((judged_prog, kind)) = judged_as(program, kernel) else {
        return Verdict::Unknown(Feature::ProgramType);
    };
    let types = Types::new(program, kernel);
    // Without its types, a loader tries the program anew; that it would be judged so is rare.
    let Ok(objects) = Objects::new(program, model, &types) else {
        return Verdict::Unknown(Feature::OwnedObjects);
    };
    if let Some(feature) = crate::transfer::unknown_map(program, structure) {
        return Verdict::Unknown(feature);
    }
    if let Err(verdict) = symbols(structure, &types, model) {
        return verdict;
    }
    let own = functions(program, structure, model, &kind, &kfuncs);
    let moves = |function: Option<usize>| match (function, kernel.target) {
        (Some(n), Some(of)) => moves_packets(of, kernel, n),
        _ => Ok(own[0].changes_pkt),
    };
    let attach = match target::resolve(program, kernel, &types, &kind, prog, moves) {
        Ok(attach) => attach.map(Rc::new),
        Err(Stop::Reject(finding)) => return Verdict::Reject(Fault::of(*finding)),
        Err(Stop::Unknown(feature)) => {
            let by_name = matches!(feature, Feature::Target | Feature::UnmeasuredCallbacks);
            if let (true, Some(ops)) = (by_name, &program.struct_ops) {
                *detail = Some(Detail::StructOps(ops.type_name.clone()));
            }
            return Verdict::Unknown(feature);
        }
    };
    // What the record of a structure decides is certain where a kernel was asked about it.
    let unmeasured = attach.as_ref().and_then(|t| t.ops).filter(|ops| ops.known != Known::Measured);
    let mut sure = |verdict: Verdict| match unmeasured {
        None => verdict,
        Some(ops) => {
            *detail = Some(Detail::Unmeasured { ops: ops.name, verdict: Box::new(verdict) });
            Verdict::Unknown(Feature::UnmeasuredCallbacks)
        }
    };
    let takes_reference = attach.as_ref().is_some_and(|target| target.args.iter().any(|a| a.is_ref));
    if takes_reference && structure.subprogs.iter().any(|s| s.has_tail_call) {
        return sure(Verdict::Reject(Fault::of(Finding::TailCallWithReference)));
    }
    let (bare, prog) = (prog, judged_prog);
    let kind = match &attach {
        Some(target) => kind.with_hook(target.traits),
        None => kind,
    };
    let args = |callee: Callee, at: usize| match callee {
        Callee::Helper(id) => model.helper_for(&kind, id as u32).ok().map(|h| h.proto.arity() as u32),
        Callee::Kfunc { .. } => match kfuncs.at(at as u32) {
            Call::Known(kfunc) => Some(kfunc.params().len() as u32),
            _ => None,
        },
        _ => None,
    };
    let graph = Graph::new(&program.insns, structure, args);
    let functions = functions(program, structure, model, &kind, &kfuncs);
    let mut walker = Walker::new(
        program,
        kernel,
        kfuncs,
        structure,
        graph,
        kind,
        prog,
        functions,
        map_fields,
        core::mem::take(log),
    );
    walker.log_live_registers();
    walker.attach = attach;
    walker.objects = objects;
    walker.has_arena = crate::transfer::has_arena(program, structure);
    (walker.cpus, walker.recorder, walker.observer) = (options.cpus, options.recorder, options.observer);
    walker.covers_all = options.left.is_some();
    let walked = walk_all(&mut walker);
    walker.settle_depths(walked.is_ok());
    if let Some(left) = options.left {
        *left = Some(walker.leave_behind());
    }
    *stats = walker.stats;
    let verdict = match walked {
        Ok(()) => match crate::transfer::check_depth(&walker, bare, stats) {
            Ok(()) => match (walker.absent_kfunc, unseen(&walker)) {
                (Some(at), _) => Verdict::Reject(Fault::at(at as usize, Finding::KfuncAbsent)),
                (None, Some(feature)) => Verdict::Unknown(feature),
                (None, None) if too_close(&walker) => Verdict::Unknown(Feature::KernelVersion),
                (None, None) => crate::transfer::dangling(&walker).unwrap_or(Verdict::Accept),
            },
            Err((stop, at)) => said(stop, at),
        },
        Err((stop, at)) => said(stop, at),
    };
    let depths = depths(&walker, verdict == Verdict::Accept);
    *log = core::mem::take(&mut walker.log);
    log.set_depths(depths);
    match verdict {
        verdict if walker.assumes => {
            let mut kfuncs: Vec<String> = Vec::new();
            for (_, call) in walker.kfuncs.iter() {
                if let Call::Known(kfunc) = call
                    && !kfuncs.iter().any(|name| name == kfunc.name)
                {
                    kfuncs.push(kfunc.name.into());
                }
            }
            *detail = Some(Detail::Assumed { kfuncs, verdict: Box::new(verdict) });
            Verdict::Unknown(Feature::AssumedPrototypes)
        }
        Verdict::Unknown(Feature::Kfuncs) => {
            *detail = unknown_kfunc(&walker);
            verdict
        }
        Verdict::Unknown(_) => verdict,
        verdict => sure(verdict),
    }
}

/// Whether a kernel that keeps other states might look at more instructions than it allows. It does so
/// for a few per cent of programs, and mostly for a few per cent of the instructions.
fn too_close(walker: &Walker<'_>) -> bool {
    const SLACK: u64 = 10;
    !walker.rules.prunes_by_static_liveness
        && walker.stats.insns > walker.model.limits().processed_insns / SLACK
}

/// The name of the function that the walk could not go past, or that nothing is known of elsewhere.
fn unknown_kfunc(walker: &Walker<'_>) -> Option<Detail> {
    let name = |call: &Call<'_>| match call {
        Call::Unknown(name) | Call::Forbidden { name, .. } if !name.is_empty() => {
            Some(Detail::Kfunc((*name).into()))
        }
        _ => None,
    };
    let here = name(&walker.kfuncs.at(walker.at));
    here.or_else(|| walker.kfuncs.iter().find_map(|(_, call)| name(call)))
}

/// The bytes of stack that the kernel says each function takes. Of an accepted program it has removed
/// functions that no path led to, and given others more stack: for loops that it put in place of calls
/// (Linux `optimize_bpf_loop`) and for the count of `may_goto` (`do_misc_fixups`).
fn depths(walker: &Walker<'_>, accepted: bool) -> Vec<u32> {
    const INLINED_LOOP: u32 = 24;
    const MAY_GOTO: u32 = 16;
    let functions = walker.structure.subprogs.iter().zip(&walker.functions).enumerate();
    let alive = |&(n, (subprog, _)): &(usize, (&structure::Subprog, &Function))| {
        n == 0 || !accepted || walker.is_walked(subprog.start)
    };
    let depth = |(_, (subprog, function)): (usize, (&structure::Subprog, &Function))| {
        let mut depth = function.kept_depth;
        if accepted {
            let mut insns = (subprog.start..subprog.end).filter(|&at| walker.is_walked(at));
            let is_inlined = |at| walker.loops.get(&(at as u32)).is_some_and(Option::is_some);
            let counts =
                |at| matches!(walker.structure.insns[at], structure::Slot::Insn(Insn::MayGoto { .. }));
            depth += if insns.clone().any(is_inlined) { INLINED_LOOP } else { 0 };
            depth += if insns.any(counts) { MAY_GOTO } else { 0 };
        }
        depth
    };
    functions.filter(alive).map(depth).collect()
}

/// The type of program that this one is judged as: one that replaces a function is judged as what it
/// replaces.
fn judged_as(
    program: &Program,
    kernel: &Kernel<'_>,
) -> Option<(&'static oxbpf_isa::kernel::ProgRecord, ProgKind)> {
    let of = program.prog_type?;
    let prog = kernel.model.prog(of)?;
    let kind = kind_of(program, of, prog, kernel.model);
    let Some(target) = kernel.target.filter(|_| of == ProgType::Ext) else { return Some((prog, kind)) };
    let prog = kernel.model.prog(target.prog_type?)?;
    Some((prog, kind_of(target, target.prog_type?, prog, kernel.model).with_sleepable(kind.sleepable)))
}

/// Whether a function of another program moves packet data.
fn moves_packets(of: &Program, kernel: &Kernel<'_>, function: usize) -> Result<bool, Stop> {
    let unknown = Stop::Unknown(Feature::Target);
    let structure = structure::analyze(of, kernel.model).map_err(|_| unknown.clone())?;
    let (_, kind) = judged_as(of, &Kernel { target: None, ..*kernel }).ok_or(unknown.clone())?;
    let kfuncs = Kfuncs::new(of, kernel.model, Some(&kind), &Types::new(of, kernel));
    let functions = functions(of, &structure, kernel.model, &kind, &kfuncs);
    let start = of.funcs.get(function).ok_or(unknown.clone())?.insn as usize;
    let subprog = structure.subprog_at(start).ok_or(unknown)?;
    Ok(functions[subprog].changes_pkt)
}

/// Whether the addresses in wide loads are known, as the kernel looks them up before it walks.
fn symbols(structure: &Structure, types: &Types<'_>, model: &KernelModel) -> Result<(), Verdict> {
    for (at, slot) in structure.insns.iter().enumerate() {
        let structure::Slot::Insn(Insn::LdImm64 { imm: Imm64::BtfId { id, fd }, .. }) = slot else {
            continue;
        };
        if types.kernel.is_some()
            && let Err(stop) = symbol::resolve(types, model, *id, *fd)
        {
            return Err(said(stop, at));
        }
    }
    Ok(())
}

/// What the kernel looks up for every instruction before it walks, so that it may refuse the program
/// even where no path leads.
fn unseen(walker: &Walker<'_>) -> Option<Feature> {
    let unsure =
        |call: &Call<'_>| matches!(call, Call::Unknown(_) | Call::Forbidden { has_address: false, .. });
    if walker.kfuncs.iter().any(|(_, call)| unsure(call)) {
        return Some(Feature::Kfuncs);
    }
    walker.structure.insns.iter().find_map(|slot| match slot {
        structure::Slot::Insn(Insn::LdImm64 { imm, .. }) => match imm {
            Imm64::BtfId { .. } if walker.types.kernel.is_none() => Some(Feature::KernelTypes),
            Imm64::MapIdx(_) | Imm64::MapIdxValue { .. } => Some(Feature::Descriptors),
            _ => None,
        },
        _ => None,
    })
}

fn said(stop: Stop, at: usize) -> Verdict {
    match stop {
        Stop::Reject(finding) => Verdict::Reject(Fault::at(at, *finding)),
        Stop::Unknown(feature) => Verdict::Unknown(feature),
    }
}

/// The program, and then every global function that something called.
fn walk_all(walker: &mut Walker<'_>) -> Result<(), (Stop, usize)> {
    walker.walk(0)?;
    loop {
        let mut found = false;
        for n in 1..walker.functions.len() {
            let f = &walker.functions[n];
            if !f.global || !f.called || f.verified {
                continue;
            }
            walker.walk(n)?;
            if walker.log.on() {
                let name = walker.subprog_name(n);
                walker.log.line(format_args!(
                    "Func#{n} ('{name}') is safe for any args that match its prototype\n"
                ));
            }
            walker.functions[n].verified = true;
            found = true;
        }
        if !found {
            return Ok(());
        }
    }
}

fn kind_of(
    program: &Program,
    prog_type: oxbpf_isa::kernel::ProgType,
    prog: &oxbpf_isa::kernel::ProgRecord,
    model: &KernelModel,
) -> ProgKind {
    let attach = program.expected_attach_type.unwrap_or(oxbpf_isa::kernel::AttachType::CgroupInetIngress);
    let attach = match prog.attach_default {
        Some(default) if attach.number() == 0 && !prog.attach.has(attach) => default,
        _ => attach,
    };
    let sleepable = program.flags.has(ProgFlags::SLEEPABLE) || prog.flags.contains(Of::ALWAYS_SLEEPABLE);
    let kind = ProgKind::new(prog_type).attached_to(attach).with_sleepable(sleepable);
    // What a callback may call hangs on which it is.
    match &program.struct_ops {
        Some(ops) if prog_type == ProgType::StructOps => {
            kind.with_hook(model.hook_traits(&alloc::format!("{}.{}", ops.type_name, ops.member)))
        }
        _ => kind,
    }
}

/// What is known of the functions before the walk.
fn functions(
    program: &Program,
    structure: &Structure,
    model: &KernelModel,
    kind: &ProgKind,
    kfuncs: &Kfuncs<'_>,
) -> Vec<Function> {
    let mut functions: Vec<Function> = structure.subprogs.iter().map(|_| Function::default()).collect();
    for (n, subprog) in structure.subprogs.iter().enumerate() {
        let func = program.funcs.iter().find(|f| f.insn as usize == subprog.start);
        let linkage = func.and_then(|f| match program.btf.as_ref()?.ty(f.type_id)? {
            Type::Func { linkage, .. } => Some(linkage),
            _ => None,
        });
        functions[n].linkage = linkage;
        functions[n].global = n > 0 && linkage == Some(Linkage::Global);
        // An exception may be thrown at any time.
        if structure.exception_callback == Some(subprog.start) {
            let f = &mut functions[n];
            (f.called, f.is_callback, f.is_async_callback, f.is_exception_callback) =
                (true, true, true, true);
        }
    }
    // What a function calls moves packets, or sleeps, for its callers too.
    let mut changed = true;
    while changed {
        changed = false;
        for n in 0..functions.len() {
            let (mut moves, mut sleeps) = (functions[n].changes_pkt, functions[n].might_sleep);
            for at in structure.subprogs[n].start..structure.subprogs[n].end {
                match structure.insns[at] {
                    structure::Slot::Insn(Insn::Call(Callee::Helper(id))) => {
                        let Ok(helper) = model.helper_for(kind, id as u32) else { continue };
                        moves |= helper.proto.flags.contains(HelperFlags::CHANGES_PKT);
                        sleeps |= helper.proto.flags.contains(HelperFlags::MIGHT_SLEEP);
                    }
                    structure::Slot::Insn(Insn::Call(Callee::Kfunc { .. })) => {
                        let Call::Known(kfunc) = kfuncs.at(at as u32) else { continue };
                        moves |= kfunc.moves_packets();
                        sleeps |= kfunc.has(KfuncFlags::SLEEPABLE);
                    }
                    // Whoever takes a function's address may have it called.
                    structure::Slot::Insn(
                        Insn::Call(Callee::Subprog(off)) | Insn::LdImm64 { imm: Imm64::Func(off), .. },
                    ) => {
                        let to = (at as i64 + 1 + i64::from(off)) as usize;
                        let Some(callee) = structure.subprog_at(to) else { continue };
                        moves |= functions[callee].changes_pkt;
                        sleeps |= functions[callee].might_sleep;
                    }
                    _ => {}
                }
            }
            let f = &mut functions[n];
            changed |= (moves, sleeps) != (f.changes_pkt, f.might_sleep);
            (f.changes_pkt, f.might_sleep) = (moves, sleeps);
        }
    }
    functions
}
