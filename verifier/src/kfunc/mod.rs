//! The kernel functions that a program calls, looked up before the walk.
//!
//! Rules: `add_kfunc_call`, `btf_distill_func_proto` and `fetch_kfunc_meta` of Linux 6.18. Every call
//! in the program is looked at, also where no path leads: that the id is a function with a prototype
//! that can be called, that the licence allows it. Whether programs of this kind may call it, and what
//! the call does, matters only where the walk comes to it. Prototypes are the types of the kernel or
//! of one of its modules; flags and who may call are facts. Where no types are given, what the object
//! itself declares stands for the prototype, and nothing that the walk finds after such a call is
//! certain.
//!
//! Left to others: arguments and results of a call (`transfer::kfunc`).

mod special;
#[cfg(test)]
mod tests;

pub(crate) use special::Special;

use crate::report::{Fault, Finding};
use crate::types::{Part, Types};
use alloc::string::ToString;
use alloc::vec::Vec;
use oxbpf_isa::btf::core::essential_name;
use oxbpf_isa::btf::{Btf, FuncProto, Param, Type, TypeId};
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::insn::opcode::{class, jmp, pseudo};
use oxbpf_isa::kernel::{KernelModel, KfuncFlags, KfuncRefusal, ProgKind};
use oxbpf_isa::program::{KfuncRef, Program};

/// Prototypes have at most so many parameters (Linux `MAX_BPF_FUNC_ARGS`).
const MAX_PARAMS: usize = 12;
/// Arguments are at most so large.
const MAX_PARAM_SIZE: u32 = 16;
/// The tag that kernels from 6.10 on put on their functions for programs.
const TAG: &str = "bpf_kfunc";

/// What a call of a kernel function means.
#[derive(Clone, Copy)]
pub(crate) enum Call<'k> {
    /// The kernel lacks the function and the program can do without: an error only in live code.
    Absent,
    /// A function of the kernel that programs of this kind may not call. Where it is not meant for
    /// any program, nothing says that it has an address, without which the kernel would refuse the
    /// program before it walks.
    Forbidden {
        name: &'k str,
        has_address: bool,
    },
    /// Nothing is known of the function; its name, where that is known.
    Unknown(&'k str),
    Known(Kfunc<'k>),
}

/// A kernel function that the program may call.
#[derive(Clone, Copy)]
pub(crate) struct Kfunc<'k> {
    /// Whose types the prototype counts in.
    pub part: Part,
    pub id: TypeId,
    /// The prototype is the object's own declaration.
    pub assumed: bool,
    pub name: &'k str,
    pub flags: KfuncFlags,
    pub proto: FuncProto<'k>,
    /// What it does beyond its prototype.
    pub special: Option<Special>,
}

impl<'k> Kfunc<'k> {
    pub fn has(&self, flag: KfuncFlags) -> bool {
        self.flags.contains(flag)
    }

    pub fn is_iter(&self) -> bool {
        self.flags.intersects(KfuncFlags::ITER_NEW | KfuncFlags::ITER_NEXT | KfuncFlags::ITER_DESTROY)
    }

    /// Whether its pointers have to be valid: those to be released have to be anyway.
    pub fn takes_trusted(&self) -> bool {
        self.flags.intersects(KfuncFlags::TRUSTED_ARGS | KfuncFlags::RELEASE)
    }

    /// Whether packets may have moved afterwards.
    pub fn moves_packets(&self) -> bool {
        self.special == Some(Special::XdpPullData)
    }

    pub fn params(&self) -> impl ExactSizeIterator<Item = Param<'k>> + Clone + use<'k> {
        self.proto.params()
    }
}

/// The calls of a program by their slots.
#[derive(Clone, Default)]
pub(crate) struct Kfuncs<'k> {
    calls: Vec<(u32, Call<'k>)>,
    /// The fault for which the kernel refuses the program before it walks.
    pub fault: Option<Fault>,
}

/// What a call makes the control-flow walk mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pause {
    None,
    /// It advances an iterator.
    IterNext,
    /// It calls a function of the program back before it returns.
    CallsBack,
    /// It has a function of the program called later.
    CallsLater,
}

fn is_kfunc_call(insn: &RawInsn) -> bool {
    insn.code == class::JMP | jmp::CALL && insn.src == pseudo::CALL_KFUNC
}

impl<'k> Kfuncs<'k> {
    /// Looks up every call of the program, up to the first that the kernel refuses.
    pub fn new(
        program: &'k Program,
        model: &KernelModel,
        kind: Option<&ProgKind>,
        types: &Types<'k>,
    ) -> Kfuncs<'k> {
        let limits = model.limits();
        let mut kfuncs = Kfuncs::default();
        let mut seen: Vec<(i16, i32, Call<'k>)> = Vec::new();
        let mut modules: Vec<i16> = Vec::new();
        for (at, insn) in program.insns.iter().enumerate().filter(|(_, i)| is_kfunc_call(i)) {
            let same = |(off, id, _): &&(i16, i32, Call<'k>)| (*off, *id) == (insn.off, insn.imm);
            let is_new = insn.off > 0 && !modules.contains(&insn.off);
            let call = match seen.iter().find(same) {
                _ if !program.is_gpl_compatible() => Err(Finding::KfuncNeedsGpl),
                _ if types.kernel.is_none() => Ok(declared(at, program, model, kind)),
                Some((_, _, call)) => Ok(*call),
                _ if insn.imm == 0 && insn.off == 0 => Ok(Call::Absent),
                _ if insn.off < 0 => Err(Finding::KfuncBtfNegative),
                _ if is_new && modules.len() as u64 == limits.kfunc_btfs => Err(Finding::TooManyModules),
                _ if seen.len() as u64 == limits.kfuncs => {
                    Err(Finding::TooManyKfuncs { limit: limits.kfuncs as usize })
                }
                None => {
                    let part = Part(insn.off as u32);
                    let found = match types.btf(part) {
                        Some(btf) => look_up((part, btf, TypeId(insn.imm as u32)), program, model, kind),
                        // A descriptor that is not at hand.
                        None => Ok(Call::Unknown(reference(at, program).map_or("", |r| &r.name))),
                    };
                    if is_new {
                        modules.push(insn.off);
                    }
                    found.inspect(|call| seen.push((insn.off, insn.imm, *call)))
                }
            };
            match call {
                Ok(call) => kfuncs.calls.push((at as u32, call)),
                Err(finding) => {
                    kfuncs.fault = Some(Fault::at(at, finding));
                    break;
                }
            }
        }
        kfuncs
    }

    /// What the call in a slot means.
    pub fn at(&self, slot: u32) -> Call<'k> {
        match self.calls.binary_search_by_key(&slot, |(at, _)| *at) {
            Ok(found) => self.calls[found].1,
            Err(_) => Call::Unknown(""),
        }
    }

    /// Every call, in the order of the program.
    pub fn iter(&self) -> impl Iterator<Item = &(u32, Call<'k>)> {
        self.calls.iter()
    }

    /// What the control-flow walk has to mark at a slot.
    pub fn pause(&self, slot: usize) -> Pause {
        match self.at(slot as u32) {
            Call::Known(kfunc) if kfunc.has(KfuncFlags::ITER_NEXT) => Pause::IterNext,
            Call::Known(Kfunc { special: Some(Special::RbtreeAdd), .. }) => Pause::CallsBack,
            Call::Known(Kfunc {
                special: Some(Special::WqSetCallback | Special::TaskWorkSignal | Special::TaskWorkResume),
                ..
            }) => Pause::CallsLater,
            _ => Pause::None,
        }
    }
}

/// What the loader says of the call in a slot.
fn reference(at: usize, program: &Program) -> Option<&KfuncRef> {
    program.kfuncs.iter().find(|r| r.insn as usize == at)
}

/// A function as the object declares it. What is known of it by name is known all the same.
fn declared<'k>(at: usize, program: &'k Program, model: &KernelModel, kind: Option<&ProgKind>) -> Call<'k> {
    let Some(reference) = reference(at, program) else { return Call::Unknown("") };
    let unknown = Call::Unknown(&reference.name);
    let (Some(btf), Some(kind)) = (program.btf.as_deref(), kind) else { return unknown };
    let Some(Type::Func { proto, .. }) = btf.ty(reference.local_type) else { return unknown };
    let Some(Type::FuncProto(proto)) = btf.ty(proto) else { return unknown };
    // Several forms of a function may be declared, told apart by what follows their name.
    let name = essential_name(&reference.name);
    let found = match model.kfunc_for(kind, name) {
        Err(KfuncRefusal::NeedsSleepable) => model.kfunc_for(&kind.with_sleepable(true), name),
        found => found,
    };
    match found {
        Ok(found) if callable(btf, name, &proto).is_ok() => Call::Known(Kfunc {
            part: Part::PROGRAM,
            id: reference.local_type,
            assumed: true,
            name,
            flags: found.flags,
            proto,
            special: Special::named(name),
        }),
        _ => unknown,
    }
}

fn look_up<'k>(
    (part, kernel, id): (Part, &'k Btf, TypeId),
    program: &Program,
    model: &KernelModel,
    kind: Option<&ProgKind>,
) -> Result<Call<'k>, Finding> {
    let Some(Type::Func { name, proto, .. }) = kernel.ty(id) else {
        return Err(Finding::KfuncNoFunction { id: id.0 });
    };
    let Some(Type::FuncProto(proto)) = kernel.ty(proto) else {
        return Err(Finding::KfuncNoPrototype { id: id.0 });
    };
    let special = Special::named(name);
    if special == Some(Special::XdpMetadata) && !is_bound_to_device(program) {
        return Err(Finding::KfuncNotBound);
    }
    callable(kernel, name, &proto)?;
    let Some(kind) = kind else { return Ok(Call::Unknown(name)) };
    // A function of the kernel itself that is asked for by a module is none of the module's.
    if id.0 < kernel.first_id().0 {
        return Ok(Call::Unknown(name));
    }
    // Whether the program may sleep is asked at the call, after other questions.
    let found = match model.kfunc_for(kind, name) {
        Err(KfuncRefusal::NeedsSleepable) => model.kfunc_for(&kind.with_sleepable(true), name),
        found => found,
    };
    Ok(match found {
        Ok(found) => {
            Call::Known(Kfunc { part, id, assumed: false, name, flags: found.flags, proto, special })
        }
        Err(KfuncRefusal::NotForThisProgram) => Call::Forbidden { name, has_address: true },
        // Kernels that tag their functions for programs have no others.
        Err(_) if !is_tagged(kernel, id) && kernel_tags(kernel) => {
            Call::Forbidden { name, has_address: false }
        }
        Err(_) => Call::Unknown(name),
    })
}

fn is_tagged(kernel: &Btf, id: TypeId) -> bool {
    kernel.decl_tags(id).any(|(tag, _)| tag == TAG)
}

/// Whether this kernel's types say which functions are for programs.
fn kernel_tags(kernel: &Btf) -> bool {
    kernel.find("bpf_rcu_read_lock", oxbpf_isa::btf::Kind::Func).is_some_and(|id| is_tagged(kernel, id))
}

fn is_bound_to_device(program: &Program) -> bool {
    program.flags.has(oxbpf_isa::program::ProgFlags::XDP_DEV_BOUND_ONLY)
}

/// Whether a prototype is one that compiled code can call (Linux `btf_distill_func_proto`).
fn callable(kernel: &Btf, name: &str, proto: &FuncProto<'_>) -> Result<(), Finding> {
    let name = || name.to_string();
    let params = proto.params();
    let count = params.len();
    if count > MAX_PARAMS {
        return Err(Finding::KfuncParams { name: name(), count });
    }
    if !is_returnable(kernel, proto.ret) {
        return Err(Finding::KfuncReturn { name: name(), ty: kind_name(kernel, proto.ret) });
    }
    for (n, param) in params.enumerate() {
        if n + 1 == count && param.ty == TypeId(0) {
            return Err(Finding::KfuncVariadic { name: name() });
        }
        match passed_size(kernel, param.ty) {
            Some(0) => return Err(Finding::KfuncVoidParam { name: name() }),
            Some(size) if size <= MAX_PARAM_SIZE => {}
            _ => return Err(Finding::KfuncParam { name: name(), n, ty: kind_name(kernel, param.ty) }),
        }
    }
    Ok(())
}

fn is_returnable(kernel: &Btf, ty: TypeId) -> bool {
    if ty == TypeId(0) {
        return true;
    }
    matches!(kernel.resolved(ty), Some((_, Type::Ptr(_) | Type::Int { .. } | Type::Enum(_))))
}

/// The size with which a value is passed; none where it cannot be.
fn passed_size(kernel: &Btf, ty: TypeId) -> Option<u32> {
    if ty == TypeId(0) {
        return Some(0);
    }
    match kernel.resolved(ty)?.1 {
        Type::Ptr(_) => Some(8),
        Type::Int { size, .. } => Some(size),
        Type::Enum(e) => Some(e.size),
        Type::Struct(s) => Some(s.size),
        _ => None,
    }
}

/// The kind of the type behind modifiers and typedefs, as messages write it (Linux `btf_type_str`).
fn kind_name(btf: &Btf, ty: TypeId) -> &'static str {
    btf.resolved(ty).map_or("UNKNOWN", |(_, ty)| ty.kind().name())
}
