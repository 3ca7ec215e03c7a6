//! What a program attaches to, as far as it decides how the program is judged.
//!
//! Rules: `bpf_check_attach_target`, `check_attach_btf_id`, `check_struct_ops_btf_id`,
//! `bpf_lsm_verify_prog`, `bpf_iter_prog_supported` and `btf_distill_func_proto` of Linux 6.18, after
//! what libbpf does to find the target by name. A target that this kernel does not have is a finding
//! of its own: the loader would not even ask the kernel.

use super::{Kernel, Part, Types, extended, near};
use crate::explore::{Judged, Stop};
use crate::report::{Errno, Finding};
use crate::state::{Kind as RegKind, Mods};
use crate::verdict::Feature;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, FuncProto, Kind, Type, TypeId};
use oxbpf_isa::kernel::{
    AttachType, HookTraits, IterFlags, KernelModel, Known, ProgFlags as Of, ProgKind, ProgRecord, ProgType,
    StructOpsRecord,
};
use oxbpf_isa::program::{ProgFlags, Program};

/// Programs see this many arguments at most (Linux `MAX_BPF_FUNC_ARGS`).
pub(crate) const MAX_ARGS: usize = 12;
/// What a tracepoint's type is named after.
const TRACE: &str = "btf_trace_";
const TEMPLATE: &str = "__bpf_trace_";
const LSM: &str = "bpf_lsm_";
const ITER: &str = "bpf_iter_";
/// How a target names the kernel itself in place of a module.
const VMLINUX: &str = "vmlinux";
/// Bytes of the largest structure that may be passed by value.
const MAX_ARG_SIZE: u32 = 16;

/// What is said of an argument beside its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ArgInfo {
    /// Where it stands in the context.
    pub off: u32,
    pub kind: RegKind,
    pub mods: Mods,
    pub id: TypeId,
    /// The program is given a reference that it must release.
    pub is_ref: bool,
}

/// A target that exists.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As messages write it.
    pub name: String,
    /// Whose types its prototype counts in.
    pub part: Part,
    pub id: TypeId,
    /// Its prototype; five numbers where none can be relied on.
    pub proto: Option<TypeId>,
    /// Its first parameter is not the program's.
    pub is_tracepoint: bool,
    pub traits: HookTraits,
    pub args: Vec<ArgInfo>,
    pub ops: Option<&'static StructOpsRecord>,
}

impl Target {
    pub fn proto<'b>(&self, btf: &'b Btf) -> Option<FuncProto<'b>> {
        proto_of(btf, self.proto?)
    }
}

pub(crate) fn proto_of(btf: &Btf, id: TypeId) -> Option<FuncProto<'_>> {
    match btf.ty(id) {
        Some(Type::FuncProto(proto)) => Some(proto),
        _ => None,
    }
}

fn reject<T>(finding: Finding) -> Judged<T> {
    Err(finding.into())
}

/// Finds the target of a program whose type has one. `moves` tells whether the program, or a function
/// of the program that it replaces, moves packet data.
pub(crate) fn resolve(
    program: &Program,
    kernel: &Kernel<'_>,
    types: &Types<'_>,
    kind: &ProgKind,
    prog: &ProgRecord,
    moves: impl Fn(Option<usize>) -> Judged<bool>,
) -> Judged<Option<Target>> {
    let seeker = Seeker { program, model: kernel.model, types, kind };
    let says_so = program.flags.has(ProgFlags::SLEEPABLE);
    if prog.prog_type == ProgType::Syscall && !says_so {
        return reject(Finding::SyscallSleeps);
    }
    if kind.sleepable && !may_sleep(prog, kind) {
        return reject(Finding::CannotSleep);
    }
    let of = kernel.target.and_then(|of| Some((of, kernel.model.prog(of.prog_type?)?)));
    match prog.prog_type {
        ProgType::StructOps => seeker.struct_ops().map(Some),
        ProgType::Ext => match of {
            Some((of, record)) => extended::extension(program, of, record, moves).map(|()| None),
            None if kernel.target.is_some() => Err(Stop::Unknown(Feature::ProgramType)),
            None => Err(Stop::Unknown(Feature::Target)),
        },
        ProgType::Tracing if kernel.target.is_some() => match of {
            Some((of, record)) => extended::traced(program, of, record, kind).map(Some),
            None => Err(Stop::Unknown(Feature::ProgramType)),
        },
        ProgType::Tracing | ProgType::Lsm => seeker.function().map(Some),
        _ => Ok(None),
    }
}

/// Linux `can_be_sleepable`.
fn may_sleep(prog: &ProgRecord, kind: &ProgKind) -> bool {
    prog.flags.contains(Of::ALWAYS_SLEEPABLE)
        || prog.flags.contains(Of::SLEEPABLE)
        || prog.sleepable_at.has(kind.attach_type)
}

struct Seeker<'a> {
    program: &'a Program,
    model: &'a KernelModel,
    types: &'a Types<'a>,
    kind: &'a ProgKind,
}

impl Seeker<'_> {
    /// The kernel's, or the first module's, type of this name.
    fn find(&self, name: &str, kind: Kind) -> Judged<Option<(Part, TypeId)>> {
        self.find_in(None, name, kind)
    }

    /// The type of this name, of the kernel or else of a module, or only of the one that is named
    /// (libbpf `find_kernel_btf_id`).
    fn find_in(&self, module: Option<&str>, name: &str, kind: Kind) -> Judged<Option<(Part, TypeId)>> {
        let Some(kernel) = self.types.kernel else { return Err(Stop::Unknown(Feature::KernelTypes)) };
        if module.is_none_or(|module| module == VMLINUX)
            && let Some(id) = kernel.find(name, kind)
        {
            return Ok(Some((Part::VMLINUX, id)));
        }
        let named = |own: &str| module.is_none_or(|module| module == own);
        let mut modules = kernel.module_names().enumerate().filter(|(_, own)| named(own));
        Ok(modules.find_map(|(n, _)| Some((Part(n as u32 + 1), kernel.find_in_module(n, name, kind)?))))
    }

    fn function(&self) -> Judged<Target> {
        let attach = self.kind.attach_type;
        let (prefix, kind, what) = match attach {
            AttachType::TraceRawTp => (TRACE, Kind::Typedef, "tracepoint"),
            AttachType::TraceIter => (ITER, Kind::Func, "iterator"),
            AttachType::LsmMac | AttachType::LsmCgroup => (LSM, Kind::Func, "LSM hook"),
            _ => ("", Kind::Func, "function"),
        };
        let wanted = self.program.attach_target.as_deref().unwrap_or("");
        // A module may be named before the function.
        let (module, short) = match wanted.split_once(':') {
            Some((module, name)) => (Some(module), name),
            None => (None, wanted),
        };
        if short.is_empty() {
            return reject(Finding::NoTarget);
        }
        let full = format!("{prefix}{short}");
        let Some((part, id)) = self.find_in(module, &full, kind)? else {
            return self.missing(what, module, (short, prefix), kind);
        };
        let btf = self.types.btf(part).ok_or(Stop::Unknown(Feature::Internal))?;
        let name = if attach == AttachType::TraceRawTp { short } else { &full };
        let mut target = Target {
            name: name.to_string(),
            part,
            id,
            proto: None,
            is_tracepoint: attach == AttachType::TraceRawTp,
            traits: self.model.hook_traits(&full),
            args: Vec::new(),
            ops: None,
        };
        target.proto = match btf.ty(id) {
            Some(Type::Func { proto, .. }) => Some(proto),
            Some(Type::Typedef { target: to, .. }) => Some(self.tracepoint(btf, short, to)?),
            _ => None,
        };
        let Some(proto) = target.proto(btf) else { return Err(Stop::Unknown(Feature::Internal)) };
        if btf.resolve(proto.ret) == Some(TypeId::VOID) {
            target.traits |= HookTraits::VOID;
        }
        match attach {
            AttachType::TraceRawTp => return Ok(target),
            AttachType::TraceIter => {
                distill(btf, &target.name, proto)?;
                target.args = self.iterator(btf, short, proto)?;
                return Ok(target);
            }
            _ => {}
        }
        distill(btf, &target.name, proto)?;
        self.trampoline(&target)?;
        Ok(target)
    }

    /// There is no such target; says what is near, or that the module is not at hand.
    fn missing<T>(
        &self,
        what: &'static str,
        module: Option<&str>,
        (name, prefix): (&str, &str),
        kind: Kind,
    ) -> Judged<T> {
        if let (Some(module), Some(kernel)) = (module, self.types.kernel)
            && module != VMLINUX
            && !kernel.module_names().any(|own| own == module)
        {
            // The module may have it; its types were not given.
            return Err(Stop::Unknown(Feature::KernelTypes));
        }
        let near = near::names(self.types, name, prefix, kind);
        reject(Finding::MissingTarget { what, name: name.to_string(), near })
    }

    /// The prototype with the names of the parameters is that of the function which calls programs.
    fn tracepoint(&self, btf: &Btf, name: &str, pointer: TypeId) -> Judged<TypeId> {
        let internal = Stop::Unknown(Feature::Internal);
        let Some(Type::Ptr(bare)) = btf.ty(pointer) else { return Err(internal) };
        let func = |name: &str| match btf.ty(self.find(name, Kind::Func).ok()??.1) {
            Some(Type::Func { proto, .. }) => Some(proto),
            _ => None,
        };
        if let Some(proto) = func(&format!("{TEMPLATE}{name}")) {
            return Ok(proto);
        }
        // Events of a class share a function that bears the name of the class. Names matter only
        // where one says that an argument may be null; of such functions this must be none.
        Ok(bare)
    }

    fn iterator(&self, btf: &Btf, name: &str, proto: FuncProto<'_>) -> Judged<Vec<ArgInfo>> {
        let Some(record) = self.model.iterator(name) else {
            // Every iterator has a structure for its context.
            let is_iterator = self.find(&format!("{ITER}_{name}"), Kind::Struct)?.is_some();
            if is_iterator {
                return Err(Stop::Unknown(Feature::Target));
            }
            return reject(Finding::NoIterator);
        };
        let mut args = Vec::new();
        for arg in record.args {
            let Some(param) = proto.params().nth(usize::from(arg.arg)) else { continue };
            let is_buf = arg.flags.contains(IterFlags::BUF);
            let mut mods = Mods::MAYBE_NULL;
            if arg.flags.contains(IterFlags::TRUSTED) {
                mods = mods.with(Mods::TRUSTED);
            }
            if arg.flags.contains(IterFlags::RDONLY) {
                mods = mods.with(Mods::RDONLY);
            }
            args.push(ArgInfo {
                off: u32::from(arg.arg) * 8,
                kind: if is_buf { RegKind::Buf } else { RegKind::BtfId },
                mods,
                id: pointee(btf, param.ty).unwrap_or_default(),
                is_ref: false,
            });
        }
        Ok(args)
    }

    /// Targets at which a trampoline calls programs.
    fn trampoline(&self, target: &Target) -> Judged<()> {
        let (attach, traits) = (self.kind.attach_type, target.traits);
        let name = || target.name.clone();
        let is_lsm = matches!(attach, AttachType::LsmMac | AttachType::LsmCgroup);
        let injectable = traits.contains(HookTraits::INJECT) || is_syscall(&target.name);
        let injects = injectable && self.find("within_error_injection_list", Kind::Func)?.is_some();
        if self.kind.sleepable {
            let may = match is_lsm {
                true => traits.contains(HookTraits::LSM_SLEEPABLE),
                false => {
                    injects && !traits.contains(HookTraits::INJECT_ATOMIC)
                        || traits.contains(HookTraits::MODIFY_SLEEPABLE)
                }
            };
            if !may {
                return reject(Finding::NotSleepable { name: name() });
            }
        } else if attach == AttachType::ModifyReturn {
            let may =
                injects || traits.contains(HookTraits::MODIFY_RETURN) || target.name.starts_with("security_");
            if !may {
                return reject(Finding::NotModifiable { name: name() });
            }
        }
        if is_lsm {
            return self.lsm(target);
        }
        if traits.contains(HookTraits::DENIED) {
            return reject(Finding::TargetDenied { name: name() });
        }
        let at_exit = matches!(attach, AttachType::TraceFexit | AttachType::ModifyReturn);
        if at_exit && traits.contains(HookTraits::NO_RETURN) {
            return reject(Finding::TargetNoReturn { name: name() });
        }
        Ok(())
    }

    fn lsm(&self, target: &Target) -> Judged<()> {
        let (id, name) = (target.id.0, target.name.clone());
        if !self.program.is_gpl_compatible() {
            return reject(Finding::LsmGpl);
        }
        if target.traits.contains(HookTraits::LSM_DISABLED) {
            return reject(Finding::LsmDisabled { id, name });
        }
        // Every hook is a member of this union; other functions of that name are not.
        let btf = self.types.btf(Part::VMLINUX).ok_or(Stop::Unknown(Feature::Internal))?;
        let hooks = self.find("security_list_options", Kind::Union)?;
        let Some(Type::Union(hooks)) = hooks.and_then(|(_, id)| btf.ty(id)) else {
            return Err(Stop::Unknown(Feature::Target));
        };
        let hook = &name[LSM.len()..];
        if !hooks.members().any(|m| m.name == hook) {
            return reject(Finding::LsmNoHook { id, name });
        }
        Ok(())
    }

    fn struct_ops(&self) -> Judged<Target> {
        if !self.program.is_gpl_compatible() {
            return reject(Finding::StructOpsGpl);
        }
        let Some(given) = &self.program.struct_ops else { return reject(Finding::NoTarget) };
        if self.types.kernel.is_none() {
            return Err(Stop::Unknown(Feature::KernelTypes));
        }
        let Some((id, index)) = given.kernel else {
            let of = self.find(&given.type_name, Kind::Struct)?;
            let of = of.and_then(|(part, id)| self.types.btf(part)?.ty(id)?.composite());
            if let Some(of) = of {
                let near = near::among(of.members().map(|m| m.name), &given.member);
                let name = format!("{}.{}", given.type_name, given.member);
                return reject(Finding::MissingTarget { what: "callback", name, near });
            }
            let near = near::names(self.types, &given.type_name, "", Kind::Struct);
            let what = "structure of callbacks";
            return reject(Finding::MissingTarget { what, name: given.type_name.clone(), near });
        };
        let Some((part, _)) = self.find(&given.type_name, Kind::Struct)? else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let btf = self.types.btf(part).ok_or(Stop::Unknown(Feature::Internal))?;
        let Some(Type::Struct(of)) = btf.ty(id) else { return Err(Stop::Unknown(Feature::Internal)) };
        // A structure that is registered has a type for its map's value.
        let registered = self.find(&format!("bpf_struct_ops_{}", of.name), Kind::Struct)?.is_some();
        if !registered {
            return reject(Finding::UnsupportedStruct { id: id.0 });
        }
        let name = of.name.to_string();
        let Some(member) = of.member(index as usize) else {
            return reject(Finding::MemberIndex { index, name });
        };
        let (member_name, func) = (member.name, pointee(btf, member.ty));
        let proto = func.and_then(|id| proto_of(btf, id));
        let (Some(func), Some(proto)) = (func, proto) else {
            let member = member_name.to_string();
            return reject(Finding::MemberNotFunction { member, index, name });
        };
        let Some(ops) = self.model.struct_ops(of.name) else { return Err(Stop::Unknown(Feature::Target)) };
        let sleeps = |m: &[&str]| !self.kind.sleepable || m.contains(&member_name);
        let errno = match (ops.members.contains(&member_name), ops.sleepable.is_none_or(sleeps)) {
            (false, _) => Some(Errno::ENOTSUPP),
            (true, false) => Some(Errno::EINVAL),
            (true, true) => None,
        };
        if let Some(errno) = errno {
            if ops.known != Known::Measured {
                return Err(Stop::Unknown(Feature::UnmeasuredCallbacks));
            }
            return reject(Finding::UnsupportedMember { member: member_name.to_string(), name, errno });
        }
        let mut traits = self.model.hook_traits(&format!("{}.{member_name}", of.name));
        if btf.resolve(proto.ret) == Some(TypeId::VOID) {
            traits |= HookTraits::VOID;
        }
        let args = self.stub(btf, of.name, member_name)?;
        Ok(Target {
            name: member_name.to_string(),
            part,
            id,
            proto: Some(func),
            is_tracepoint: false,
            traits,
            args,
            ops: Some(ops),
        })
    }

    /// What the stub of a member says of its arguments by their names (Linux `prepare_arg_info`).
    fn stub(&self, btf: &Btf, ops: &str, member: &str) -> Judged<Vec<ArgInfo>> {
        let mut args = Vec::new();
        let Some((_, stub)) = self.find(&format!("{ops}__{member}"), Kind::Func)? else { return Ok(args) };
        let Some(Type::Func { proto, .. }) = btf.ty(stub) else { return Ok(args) };
        let mut off = 0;
        for param in proto_of(btf, proto).into_iter().flat_map(|p| p.params()) {
            let (nullable, is_ref) = (param.name.ends_with("__nullable"), param.name.ends_with("__ref"));
            if nullable || is_ref {
                let mods = if nullable { Mods::TRUSTED.with(Mods::MAYBE_NULL) } else { Mods::TRUSTED };
                let id = pointee(btf, param.ty).unwrap_or_default();
                args.push(ArgInfo { off, kind: RegKind::BtfId, mods, id, is_ref });
            }
            off += btf.size_of(param.ty).unwrap_or(8).next_multiple_of(8);
        }
        Ok(args)
    }
}

/// What a pointer points to, without modifiers.
pub(crate) fn pointee(btf: &Btf, ty: TypeId) -> Option<TypeId> {
    match btf.resolved(ty)?.1 {
        Type::Ptr(to) => btf.resolve(to),
        _ => None,
    }
}

/// Whether a function is the entry of a system call, whose errors can be injected.
fn is_syscall(name: &str) -> bool {
    ["__x64_sys_", "__ia32_sys_", "__ia32_compat_sys_", "__arm64_sys_", "__s390x_sys_", "__riscv_sys_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether a trampoline can pass on the arguments and the result of a function.
pub(super) fn distill(btf: &Btf, name: &str, proto: FuncProto<'_>) -> Judged<()> {
    let name = || name.to_string();
    let count = proto.params().len();
    if count > MAX_ARGS {
        return reject(Finding::TargetArgs { name: name(), count });
    }
    let kind = |ty: TypeId| btf.resolved(ty).map_or("UNKNOWN", |(_, t)| kind_name(t.kind()));
    let ret = proto.ret;
    let is_returnable = ret == TypeId::VOID
        || value_size(btf, ret).is_some()
            && !btf.resolved(ret).is_some_and(|t| matches!(t.1, Type::Struct(_) | Type::Union(_)));
    if !is_returnable {
        return reject(Finding::TargetReturn { name: name(), kind: kind(ret) });
    }
    for (n, param) in proto.params().enumerate() {
        if n + 1 == count && param.ty == TypeId::VOID {
            return reject(Finding::TargetVariadic { name: name() });
        }
        match value_size(btf, param.ty) {
            Some(0) => return reject(Finding::TargetVoidArg { name: name() }),
            Some(size) if size <= MAX_ARG_SIZE => {}
            _ => return reject(Finding::TargetArg { name: name(), n, kind: kind(param.ty) }),
        }
    }
    Ok(())
}

/// Bytes of what can be passed to or returned from a function.
fn value_size(btf: &Btf, ty: TypeId) -> Option<u32> {
    match btf.resolved(ty)?.1 {
        Type::Void if ty == TypeId::VOID => Some(0),
        Type::Ptr(_) => Some(8),
        Type::Int { size, .. } => Some(size),
        Type::Enum(e) => Some(e.size),
        Type::Struct(c) | Type::Union(c) => Some(c.size),
        _ => None,
    }
}

/// A kind of type as messages write it (Linux `btf_kind_str`).
pub(crate) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Void => "UNKNOWN",
        Kind::Int => "INT",
        Kind::Ptr => "PTR",
        Kind::Array => "ARRAY",
        Kind::Struct => "STRUCT",
        Kind::Union => "UNION",
        Kind::Enum => "ENUM",
        Kind::Fwd => "FWD",
        Kind::Typedef => "TYPEDEF",
        Kind::Volatile => "VOLATILE",
        Kind::Const => "CONST",
        Kind::Restrict => "RESTRICT",
        Kind::Func => "FUNC",
        Kind::FuncProto => "FUNC_PROTO",
        Kind::Var => "VAR",
        Kind::Datasec => "DATASEC",
        Kind::Float => "FLOAT",
        Kind::DeclTag => "DECL_TAG",
        Kind::TypeTag => "TYPE_TAG",
        Kind::Enum64 => "ENUM64",
    }
}
