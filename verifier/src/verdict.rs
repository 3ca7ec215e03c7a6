//! What is said of a program in the end.

use crate::explore::{Function, Stop, Walker};
use crate::kfunc::{Call, Kfuncs};
use crate::log::Log;
use crate::proof::Recorder;
use crate::report::{Fault, Finding};
use crate::state::State;
use crate::structure::{self, Graph, Structure};
use crate::transfer::MapFields;
use crate::types::{Kernel, Part, Types, symbol, target};
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use oxbpf_isa::btf::{Linkage, Type};
use oxbpf_isa::insn::{Callee, Imm64, Insn};
use oxbpf_isa::kernel::{HelperFlags, KernelModel, KernelVersion, KfuncFlags, ProgFlags as Of, ProgKind};
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
    /// How a kernel other than the reference walks.
    KernelVersion,
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
            Feature::KernelVersion => "only the walk of Linux 6.18 has a model yet",
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
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options { level: 0, cpus: MEASURED_CPUS, recorder: None, observer: None }
    }
}

/// The processors of the machine on which the recorded kernel answered.
const MEASURED_CPUS: u32 = 2;

pub(crate) fn verify_with(
    program: &Program,
    kernel: &Kernel<'_>,
    options: Options<'_>,
) -> (Judgement, String) {
    let mut stats = Stats::default();
    let mut log = Log::new(options.level);
    let prog = program.prog_type.and_then(|of| Some((of, kernel.model.prog(of)?)));
    let kind = prog.map(|(of, prog)| kind_of(program, of, prog));
    let types = Types::new(program, kernel).btf(Part::VMLINUX);
    let kfuncs = Kfuncs::new(program, kernel.model, kind.as_ref(), types.map(|btf| &**btf));
    let map_fields = MapFields::new(program, kernel.model);
    let unusable = |index: usize, map: &MapDef| {
        let fields = map_fields.of(index, false).cloned().unwrap_or_default();
        crate::transfer::unusable(map, kernel.model, kind.as_ref()?, &fields)
    };
    let tell = |subprogs: &[structure::Subprog]| log.functions(subprogs);
    let structure = structure::analyze_with(program, kernel.model, &kfuncs, tell, &unusable);
    let verdict = match structure {
        Err(fault) => Verdict::Reject(fault),
        Ok(structure) => {
            judge(program, kernel, kfuncs, map_fields, &structure, options, &mut stats, &mut log)
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
    (Judgement { verdict, stats }, log.into_text())
}

#[allow(clippy::too_many_arguments)]
fn judge<'a>(
    program: &'a Program,
    kernel: &'a Kernel<'a>,
    kfuncs: Kfuncs<'a>,
    map_fields: MapFields,
    structure: &'a Structure,
    options: Options<'a>,
    stats: &mut Stats,
    log: &mut Log,
) -> Verdict {
    let model = kernel.model;
    let Some(prog_type) = program.prog_type else { return Verdict::Unknown(Feature::ProgramType) };
    let Some(prog) = model.prog(prog_type) else { return Verdict::Unknown(Feature::ProgramType) };
    if model.version() != REFERENCE {
        return Verdict::Unknown(Feature::KernelVersion);
    }
    if structure.exception_callback.is_some() {
        return Verdict::Unknown(Feature::Exceptions);
    }
    let kind = kind_of(program, prog_type, prog);
    if let Some(feature) = crate::transfer::unknown_map(program, structure) {
        return Verdict::Unknown(feature);
    }
    let types = Types::new(program, kernel);
    if let Err(verdict) = symbols(structure, &types, model) {
        return verdict;
    }
    let attach = match target::resolve(program, kernel, &types, &kind, prog) {
        Ok(attach) => attach.map(Rc::new),
        Err(Stop::Reject(finding)) => return Verdict::Reject(Fault::of(*finding)),
        Err(Stop::Unknown(feature)) => return Verdict::Unknown(feature),
    };
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
    let graph = Graph::new(&structure.insns, &structure.subprogs, args);
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
    (walker.cpus, walker.recorder, walker.observer) = (options.cpus, options.recorder, options.observer);
    let verdict = walk_all(&mut walker);
    *stats = walker.stats;
    *log = core::mem::take(&mut walker.log);
    match verdict {
        Ok(()) => match crate::transfer::check_depth(&walker.functions, structure, prog, stats) {
            Ok(()) => match (walker.absent_kfunc, unseen(&walker)) {
                (Some(at), _) => Verdict::Reject(Fault::at(at as usize, Finding::KfuncAbsent)),
                (None, Some(feature)) => Verdict::Unknown(feature),
                (None, None) => crate::transfer::dangling(&walker).unwrap_or(Verdict::Accept),
            },
            Err((stop, at)) => said(stop, at),
        },
        Err((stop, at)) => said(stop, at),
    }
}

/// The kernel whose walk this is.
const REFERENCE: KernelVersion = KernelVersion::new(6, 18);

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
    let unsure = |call: &Call<'_>| matches!(call, Call::Unknown | Call::Forbidden { has_address: false, .. });
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
            let name = walker.subprog_name(n);
            walker
                .log
                .line(format_args!("Func#{n} ('{name}') is safe for any args that match its prototype\n"));
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
) -> ProgKind {
    let attach = program.expected_attach_type.unwrap_or(oxbpf_isa::kernel::AttachType::CgroupInetIngress);
    let attach = match prog.attach_default {
        Some(default) if attach.number() == 0 && !prog.attach.has(attach) => default,
        _ => attach,
    };
    let sleepable = program.flags.has(ProgFlags::SLEEPABLE) || prog.flags.contains(Of::ALWAYS_SLEEPABLE);
    ProgKind::new(prog_type).attached_to(attach).with_sleepable(sleepable)
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
                    structure::Slot::Insn(Insn::Call(Callee::Subprog(off))) => {
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
