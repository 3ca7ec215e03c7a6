//! Programs that replace or trace a function of another program.
//!
//! Rules: the part of `bpf_check_attach_target` of Linux 6.18 for a target program,
//! `btf_check_func_type_match` and `btf_translate_to_vmlinux`. The other program is taken as loaded:
//! whether the kernel would take it is not asked here.

use super::target::{Target, distill, kind_name, proto_of};
use super::{Part, Types};
use crate::explore::{Judged, Stop};
use crate::report::Finding;
use crate::verdict::Feature;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, FuncProto, Kind, Linkage, Type, TypeId};
use oxbpf_isa::kernel::{AttachType, HookTraits, ProgFlags as Of, ProgKind, ProgRecord, ProgType};
use oxbpf_isa::program::Program;

/// A function of another program that is the target.
struct Function<'a> {
    name: &'a str,
    btf: &'a Btf,
    id: TypeId,
    proto: FuncProto<'a>,
    linkage: Linkage,
    /// Its number among the functions; the program itself is 0.
    number: usize,
}

fn function<'a>(of: &'a Program, wanted: &str) -> Judged<Function<'a>> {
    let Some(btf) = of.btf.as_deref() else { return Err(Finding::TargetWithoutTypes.into()) };
    let found = of.funcs.iter().enumerate().find_map(|(number, f)| match btf.ty(f.type_id)? {
        Type::Func { name, proto, linkage } if name == wanted => {
            Some(Function { name, btf, id: f.type_id, proto: proto_of(btf, proto)?, linkage, number })
        }
        _ => None,
    });
    found.ok_or_else(|| {
        let (what, name) = ("function in the target program", wanted.to_string());
        Finding::MissingTarget { what, name, near: String::new() }.into()
    })
}

/// Which structure, by name, a program's context is.
fn context_name(prog: &ProgRecord) -> &'static str {
    match prog.prog_type {
        ProgType::RawTracepoint | ProgType::RawTracepointWritable => "bpf_raw_tracepoint_args",
        ProgType::Kprobe => "bpf_user_pt_regs_t",
        _ => prog.context,
    }
}

/// Whether a pointer to this is the context of a program of this type.
pub(crate) fn is_context(prog: &ProgRecord, btf: &Btf, to: TypeId) -> bool {
    let context = context_name(prog);
    let mut id = btf.skip_modifiers(to);
    for _ in 0..8 {
        match btf.ty(id) {
            Some(Type::Typedef { name, .. }) if name == context => return true,
            Some(Type::Typedef { target, .. }) => id = btf.skip_modifiers(target),
            Some(Type::Struct(s)) => {
                return s.name == context || context == "bpf_user_pt_regs_t" && s.name == "pt_regs";
            }
            _ => return false,
        }
    }
    false
}

/// What the kernel passes where a program sees its context.
pub(crate) fn kernel_context(
    types: &Types<'_>,
    prog: &ProgRecord,
    (btf, to): (&Btf, TypeId),
) -> Option<(Part, TypeId)> {
    if !is_context(prog, btf, to) {
        return None;
    }
    let vmlinux = types.btf(Part::VMLINUX)?;
    let Some(Type::Struct(list)) = vmlinux.ty(types.find("bpf_ctx_convert", Kind::Struct)?) else {
        return None;
    };
    let wanted = format!("{}_kern", prog.prog_type.symbol());
    Some((Part::VMLINUX, list.members().find(|m| m.name == wanted)?.ty))
}

/// Judges whether a program may take the place of a function. `moves` tells whether the program and
/// the function, by its number, move packet data.
pub(crate) fn extension(
    program: &Program,
    of: &Program,
    record: &ProgRecord,
    moves: impl Fn(Option<usize>) -> Judged<bool>,
) -> Judged<()> {
    let wanted = program.attach_target.as_deref().unwrap_or("");
    if wanted.is_empty() {
        return Err(Finding::NoTarget.into());
    }
    let target = function(of, wanted)?;
    if !is_reliable(&target, record) {
        return Err(Finding::ReplacesStatic.into());
    }
    if moves(None)? && !moves(Some(target.number))? {
        return Err(Finding::ReplacesPackets.into());
    }
    match record.prog_type {
        ProgType::Ext => return Err(Finding::ReplacesExtension.into()),
        ProgType::Tracing
            if matches!(of.expected_attach_type, Some(AttachType::TraceFentry | AttachType::TraceFexit)) =>
        {
            return Err(Finding::ReplacesTracing.into());
        }
        _ => {}
    }
    // Contexts that a target of the target types have no model here.
    if record.flags.contains(Of::BTF_CTX) {
        return Err(Stop::Unknown(Feature::Target));
    }
    let Some(btf) = program.btf.as_deref() else { return Err(Finding::ExtensionWithoutTypes.into()) };
    let own = program.funcs.first().and_then(|f| match btf.ty(f.type_id)? {
        Type::Func { name, proto, linkage } => {
            Some(Function { name, btf, id: f.type_id, proto: proto_of(btf, proto)?, linkage, number: 0 })
        }
        _ => None,
    });
    let Some(own) = own else { return Err(Finding::ExtensionWithoutTypes.into()) };
    if let Some(text) = mismatch(&own, &target) {
        return Err(Finding::PrototypeMismatch { text }.into());
    }
    distill(target.btf, target.name, target.proto)
}

/// Whether calls of the function are as its prototype says. The program itself is called as such
/// where its one parameter is the context; static functions are not looked at.
fn is_reliable(of: &Function<'_>, record: &ProgRecord) -> bool {
    if of.number > 0 {
        return of.linkage == Linkage::Global;
    }
    let mut params = of.proto.params();
    let first = params.next().and_then(|p| match of.btf.resolved(p.ty)?.1 {
        Type::Ptr(to) => Some(to),
        _ => None,
    });
    params.next().is_none() && first.is_some_and(|to| is_context(record, of.btf, to))
}

/// Where two prototypes differ, in the kernel's words.
fn mismatch(a: &Function<'_>, b: &Function<'_>) -> Option<String> {
    for f in [a, b] {
        if f.linkage != Linkage::Global {
            return Some(format!("{}() is not a global function", f.name));
        }
    }
    let (n1, n2) = (a.proto.params().len(), b.proto.params().len());
    if n1 != n2 {
        return Some(format!("{}() has {n1} args while {}() has {n2} args", a.name, b.name));
    }
    let kind = |f: &Function<'_>, ty: TypeId| f.btf.resolved(ty).map_or(Kind::Void, |t| t.1.kind());
    let (r1, r2) = (a.proto.ret, b.proto.ret);
    if !same_shape((a.btf, r1), (b.btf, r2)) {
        let (k1, k2) = (kind_name(kind(a, r1)), kind_name(kind(b, r2)));
        return Some(format!("Return type {k1} of {}() doesn't match type {k2} of {}()", a.name, b.name));
    }
    let params = a.proto.params().zip(b.proto.params()).enumerate();
    params.into_iter().find_map(|(n, (p1, p2))| argument(n, (a, p1.ty), (b, p2.ty)))
}

fn argument(n: usize, (a, t1): (&Function<'_>, TypeId), (b, t2): (&Function<'_>, TypeId)) -> Option<String> {
    let (first, second) = (a.btf.resolved(t1)?.1, b.btf.resolved(t2)?.1);
    if !same_shape((a.btf, t1), (b.btf, t2)) {
        let (k1, k2) = (kind_name(first.kind()), kind_name(second.kind()));
        return Some(format!("arg{n} in {}() is {k1} while {}() has {k2}", a.name, b.name));
    }
    let (s1, s2) = (a.btf.size_of(t1), b.btf.size_of(t2));
    let has_size = !matches!(first, Type::Ptr(_));
    if let (true, Some(s1), Some(s2)) = (has_size && s1 != s2, s1, s2) {
        return Some(format!("arg{n} in {}() has size {s1} while {}() has {s2}", a.name, b.name));
    }
    let (to1, to2) = match (first, second) {
        (Type::Int { .. } | Type::Enum(_), _) => return None,
        (Type::Ptr(to1), Type::Ptr(to2)) => (to1, to2),
        _ => return Some(format!("arg{n} in {}() has unrecognized type", a.name)),
    };
    let mut names = Vec::new();
    for (f, to) in [(a, to1), (b, to2)] {
        match f.btf.resolved(to) {
            Some((_, Type::Struct(s) | Type::Union(s))) => names.push(s.name),
            _ => return Some(format!("arg{n} in {}() is not a pointer to context", f.name)),
        }
    }
    (names[0] != names[1]).then(|| {
        let (s1, s2) = (names[0], names[1]);
        format!("arg{n} {}(struct {s1} *) doesn't match {}(struct {s2} *)", a.name, b.name)
    })
}

/// The same kind with as many members (Linux compares the `info` of the types).
fn same_shape((a, t1): (&Btf, TypeId), (b, t2): (&Btf, TypeId)) -> bool {
    let shape = |btf: &Btf, ty: TypeId| {
        let (_, ty) = btf.resolved(ty)?;
        let members = match ty {
            Type::Enum(e) => e.values().len(),
            _ => ty.composite().map_or(0, |c| c.len()),
        };
        Some((ty.kind(), members))
    };
    shape(a, t1) == shape(b, t2)
}

/// The target of a program that is called before or after a function of another program.
pub(crate) fn traced(
    program: &Program,
    of: &Program,
    record: &ProgRecord,
    kind: &ProgKind,
) -> Judged<Target> {
    let wanted = program.attach_target.as_deref().unwrap_or("");
    if wanted.is_empty() {
        return Err(Finding::NoTarget.into());
    }
    if !matches!(
        kind.attach_type,
        AttachType::TraceFentry | AttachType::TraceFexit | AttachType::ModifyReturn
    ) {
        return Err(Finding::TracesProgram.into());
    }
    let target = function(of, wanted)?;
    // A static function may have been called otherwise than its prototype says.
    if target.number > 0 && target.linkage != Linkage::Global {
        return Err(Stop::Unknown(Feature::Target));
    }
    let is_reliable = is_reliable(&target, record);
    let Some(Type::Func { proto, .. }) = target.btf.ty(target.id) else {
        return Err(Stop::Unknown(Feature::Internal));
    };
    if is_reliable {
        distill(target.btf, target.name, target.proto)?;
    }
    let name = target.name.to_string();
    if kind.sleepable {
        return Err(Finding::NotSleepable { name }.into());
    }
    if kind.attach_type == AttachType::ModifyReturn {
        return Err(Finding::ModifiesProgram.into());
    }
    Ok(Target {
        name,
        part: Part::TARGET,
        id: target.id,
        proto: is_reliable.then_some(proto),
        is_tracepoint: false,
        traits: HookTraits::NONE,
        args: Vec::new(),
        ops: None,
    })
}
