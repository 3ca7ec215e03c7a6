//! Parameters of global functions, by prototype and tags, and whether a call's arguments fit them.
//!
//! Rules: `btf_prepare_func_args`, `btf_validate_prog_ctx_type`, `btf_get_ptr_to_btf_id` and
//! `btf_check_func_arg_match` of Linux 6.18. A global function is judged once, with any arguments
//! that its prototype allows; what a parameter is beyond its type is said by tags on the declaration.

use super::dynptr::Wanted;
use super::prototype::{described, kind_name};
use crate::explore::{Judged, Stop, Walker};
use crate::report::{Errno, Finding};
use crate::state::{DynptrType, Kind, Mods, Reg, type_name};
use crate::types::{Part, walk};
use crate::verdict::Feature;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Type, TypeId};
use oxbpf_isa::kernel::{Arg, ArgKind, AttachType, ProgType};

/// Registers that pass arguments.
const MAX_PARAMS: usize = 5;

/// What a global function expects as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Param {
    Scalar,
    Ctx,
    Memory {
        size: u32,
        nullable: bool,
    },
    Dynptr,
    /// An object of the kernel that the caller vouches for.
    Trusted {
        id: TypeId,
        nullable: bool,
    },
    /// An address in an arena, or a number.
    Arena,
    /// Any address; memory that can be read with care.
    UntrustedMemory,
    /// The same, of an object of the kernel.
    UntrustedObject(TypeId),
}

/// The tags on a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Tags(u8);

impl Tags {
    const CTX: Tags = Tags(1 << 0);
    const NONNULL: Tags = Tags(1 << 1);
    const TRUSTED: Tags = Tags(1 << 2);
    const NULLABLE: Tags = Tags(1 << 3);
    const ARENA: Tags = Tags(1 << 4);
    const UNTRUSTED: Tags = Tags(1 << 5);

    fn named(name: &str) -> Option<Tags> {
        Some(match name {
            "ctx" => Tags::CTX,
            "nonnull" => Tags::NONNULL,
            "trusted" => Tags::TRUSTED,
            "nullable" => Tags::NULLABLE,
            "arena" => Tags::ARENA,
            "untrusted" => Tags::UNTRUSTED,
            _ => return None,
        })
    }

    fn has(self, tag: Tags) -> bool {
        self.0 & tag.0 != 0
    }

    fn any(self) -> bool {
        self.0 != 0
    }

    fn others(self, tag: Tags) -> bool {
        self.0 & !tag.0 != 0
    }
}

impl Walker<'_> {
    /// The parameters of a global function by its prototype.
    pub(super) fn params(&self, subprog: usize) -> Judged<Vec<Param>> {
        let unknown = Stop::Unknown(Feature::GlobalFunctions);
        let btf = self.program.btf.as_ref().ok_or(unknown.clone())?;
        let start = self.structure.subprogs[subprog].start as u32;
        let func = self.program.funcs.iter().find(|f| f.insn == start).ok_or(unknown.clone())?;
        let Some(Type::Func { name, proto, .. }) = btf.ty(func.type_id) else { return Err(unknown) };
        let Some(Type::FuncProto(proto)) = btf.ty(proto) else { return Err(unknown) };
        let count = proto.params().len();
        if count > MAX_PARAMS {
            return Err(Finding::GlobalParams { name: name.to_string(), count }.into());
        }
        if !matches!(btf.resolved(proto.ret), Some((_, Type::Int { .. } | Type::Enum(_)))) {
            return Err(Finding::GlobalReturn { name: name.to_string() }.into());
        }
        let mut params = Vec::with_capacity(count);
        for (n, param) in proto.params().enumerate() {
            let tags = tags_of(btf, func.type_id, n)?;
            if tags.has(Tags::UNTRUSTED) && !self.rules.untrusted_parameters {
                return Err(Finding::TagUnknown { n }.into());
            }
            let (id, ty) = btf.resolved(param.ty).ok_or(unknown.clone())?;
            params.push(match ty {
                Type::Ptr(to) => self.pointer_param(btf, n, to, tags)?,
                _ if tags.any() => return Err(Finding::TagNoPointer { n }.into()),
                Type::Int { .. } | Type::Enum(_) => Param::Scalar,
                _ => {
                    let kind = kind_name(btf.kind(id));
                    return Err(Finding::GlobalParam { n, kind, name: name.to_string() }.into());
                }
            });
        }
        Ok(params)
    }

    fn pointer_param(&self, btf: &Btf, n: usize, to: TypeId, tags: Tags) -> Judged<Param> {
        let combination = || Err(Finding::TagCombination { n }.into());
        if tags.has(Tags::CTX) || self.is_context(btf, to) {
            if tags.others(Tags::CTX) {
                return combination();
            }
            if tags.has(Tags::CTX) {
                self.valid_context(btf, n, to)?;
            }
            return Ok(Param::Ctx);
        }
        let pointee = btf.resolved(to);
        let is_dynptr = match pointee {
            Some((_, Type::Struct(s) | Type::Union(s))) => s.name == "bpf_dynptr",
            Some((_, Type::Fwd { name, is_union: false })) => name == "bpf_dynptr",
            _ => false,
        };
        if is_dynptr {
            return if tags.any() { combination() } else { Ok(Param::Dynptr) };
        }
        if tags.has(Tags::TRUSTED) {
            if tags.has(Tags::NONNULL) {
                return combination();
            }
            let id = self.kernel_type(btf, n, to)?;
            return Ok(Param::Trusted { id, nullable: tags.has(Tags::NULLABLE) });
        }
        if tags.has(Tags::UNTRUSTED) {
            if tags.others(Tags::UNTRUSTED) {
                return Err(Finding::TagAlone { n, tag: "untrusted" }.into());
            }
            return self.untrusted_param(btf, n, to);
        }
        if tags.has(Tags::ARENA) {
            if tags.others(Tags::ARENA) {
                return Err(Finding::TagAlone { n, tag: "arena" }.into());
            }
            return Ok(Param::Arena);
        }
        if tags.has(Tags::NULLABLE) {
            return combination();
        }
        let id = pointee.map_or(TypeId::VOID, |(id, _)| id);
        match btf.size_of(id) {
            Some(size) => Ok(Param::Memory { size, nullable: !tags.has(Tags::NONNULL) }),
            None => Err(Finding::ParamSize { n, what: described(btf, id) }.into()),
        }
    }

    fn untrusted_param(&self, btf: &Btf, n: usize, to: TypeId) -> Judged<Param> {
        let pointee = btf.resolved(to);
        if matches!(pointee, Some((_, Type::Void | Type::Int { .. } | Type::Enum(_)))) {
            return Ok(Param::UntrustedMemory);
        }
        let id = self.kernel_type(btf, n, to)?;
        let kernel = self.types.btf(Part::VMLINUX).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        match kernel.ty(id) {
            Some(Type::Struct(_) | Type::Union(_)) => Ok(Param::UntrustedObject(id)),
            other => {
                let kind = kind_name(other.map(|t| t.kind()));
                Err(Finding::UntrustedType { n, kind, name: String::new() }.into())
            }
        }
    }

    /// The kernel's structure that one of the program's stands for.
    fn kernel_type(&self, btf: &Btf, n: usize, to: TypeId) -> Judged<TypeId> {
        let kernel = self.types.kernel.ok_or(Stop::Unknown(Feature::KernelTypes))?;
        let id = btf.resolve(to).ok_or(Stop::Unknown(Feature::Internal))?;
        let found = kernel.candidates(btf, id);
        let what = || described(btf, id);
        match found[..] {
            [(of, id)] if core::ptr::eq(of, &**kernel.vmlinux()) => Ok(id),
            [_] => Err(Finding::ParamOfModule { n, what: what() }.into()),
            [] => Err(Finding::ParamNoMatch { n, what: what() }.into()),
            _ => Err(Finding::ParamAmbiguous { n, what: what() }.into()),
        }
    }

    /// Whether a parameter tagged as the context may be declared so.
    fn valid_context(&self, btf: &Btf, n: usize, to: TypeId) -> Judged<()> {
        let prog_type = self.prog.prog_type;
        let pt_regs = matches!(prog_type, ProgType::Kprobe | ProgType::PerfEvent);
        let is_user_regs =
            matches!(btf.ty(btf.skip_modifiers(to)), Some(Type::Typedef { name: "bpf_user_pt_regs_t", .. }));
        let (_, ty) = btf.resolved(to).ok_or(Stop::Unknown(Feature::Internal))?;
        if pt_regs && is_user_regs || matches!(ty, Type::Void) {
            return Ok(());
        }
        if ty.name().is_empty() {
            return Err(Finding::CtxUnnamed { n }.into());
        }
        let is_word = matches!(ty, Type::Int { size: 8, .. });
        let is_struct = |of: &str| matches!(ty, Type::Struct(s) if s.name == of);
        let is_iter = matches!(ty, Type::Struct(s) if s.name.starts_with("bpf_iter__"));
        let fits = match prog_type {
            ProgType::Kprobe | ProgType::PerfEvent => is_struct("pt_regs"),
            ProgType::RawTracepoint | ProgType::RawTracepointWritable => is_word,
            ProgType::Tracing => match self.kind.attach_type {
                AttachType::TraceRawTp => is_word || is_struct("bpf_raw_tracepoint_args"),
                AttachType::TraceIter => is_iter,
                AttachType::TraceFentry | AttachType::TraceFexit | AttachType::ModifyReturn => is_word,
                _ => false,
            },
            ProgType::Lsm | ProgType::StructOps => is_word,
            ProgType::Tracepoint | ProgType::Syscall | ProgType::Ext => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        if matches!(prog_type, ProgType::Tracing | ProgType::Lsm | ProgType::StructOps) {
            return Err(Finding::CtxVoid { n }.into());
        }
        let name = match prog_type {
            ProgType::RawTracepoint | ProgType::RawTracepointWritable => "bpf_raw_tracepoint_args",
            ProgType::Kprobe => "pt_regs",
            _ => self.prog.context,
        };
        if is_struct(name) { Ok(()) } else { Err(Finding::CtxStruct { n, name }.into()) }
    }

    /// Whether a pointer to this is the program's context.
    pub(super) fn is_context(&self, btf: &Btf, to: TypeId) -> bool {
        let context = match self.prog.prog_type {
            ProgType::RawTracepoint | ProgType::RawTracepointWritable => "bpf_raw_tracepoint_args",
            ProgType::Kprobe => "bpf_user_pt_regs_t",
            _ => self.prog.context,
        };
        let mut id = btf.skip_modifiers(to);
        for _ in 0..8 {
            match btf.ty(id) {
                Some(Type::Typedef { name, target }) => {
                    if name == context {
                        return true;
                    }
                    id = btf.skip_modifiers(target);
                }
                Some(Type::Struct(s)) => {
                    // What the kernel works on under another name.
                    let inner =
                        matches!((context, s.name), ("__sk_buff", "sk_buff") | ("xdp_md", "xdp_buff"));
                    // A kernel's struct pt_regs is what user space calls bpf_user_pt_regs_t.
                    let regs = context == "bpf_user_pt_regs_t" && s.name == "pt_regs";
                    return s.name == context || inner || regs;
                }
                _ => return false,
            }
        }
        false
    }

    /// The registers with which a global function's own walk begins.
    pub(super) fn enter_with(&mut self, params: Vec<Param>) {
        for (n, param) in params.into_iter().enumerate() {
            let reg = match param {
                Param::Scalar | Param::Arena => Reg::unknown(),
                Param::Ctx => Reg::pointer(Kind::Ctx, Mods::NONE),
                Param::Dynptr => Reg::dynptr(DynptrType::Local, true, self.fresh_id()),
                Param::Memory { size, nullable } => {
                    let mods = if nullable { Mods::MAYBE_NULL } else { Mods::NONE };
                    let id = if nullable { self.fresh_id() } else { 0 };
                    Reg { a: size, id, ..Reg::pointer(Kind::Mem, mods) }
                }
                Param::Trusted { id, nullable } => {
                    let mods = if nullable { Mods::TRUSTED.with(Mods::MAYBE_NULL) } else { Mods::TRUSTED };
                    Reg { id: self.fresh_id(), ..Reg::typed(Part::VMLINUX, id, mods) }
                }
                Param::UntrustedMemory => Reg::pointer(Kind::Mem, Mods::RDONLY.with(Mods::UNTRUSTED)),
                Param::UntrustedObject(id) => {
                    Reg { id: self.fresh_id(), ..Reg::typed(Part::VMLINUX, id, Mods::UNTRUSTED) }
                }
            };
            *self.cur.reg_mut(n + 1) = reg;
        }
    }

    /// Whether the arguments of a call fit; what the kernel says of the first that does not is
    /// written, and its error number given.
    pub(super) fn first_misfit(&mut self, params: Vec<Param>) -> Judged<Option<Errno>> {
        for (n, param) in params.into_iter().enumerate() {
            let is_memory = matches!(param, Param::Memory { .. });
            match self.fits(n, param) {
                Ok(()) => {}
                Err(Stop::Reject(finding)) => {
                    let errno = if is_memory { Errno::EINVAL } else { finding.errno() };
                    self.say(&Stop::Reject(finding));
                    return Ok(Some(errno));
                }
                Err(unknown) => return Err(unknown),
            }
        }
        Ok(None)
    }

    fn fits(&mut self, n: usize, param: Param) -> Judged<()> {
        let r = n + 1;
        let reg = *self.cur.reg(r);
        let anything = Arg::new(ArgKind::Anything);
        match param {
            Param::Scalar if !reg.is_scalar() => Err(Finding::GlobalNotScalar { reg: r as u8 }.into()),
            Param::Scalar | Param::UntrustedMemory | Param::UntrustedObject(_) => Ok(()),
            Param::Ctx => {
                self.argument_offset(&reg, r, &anything)?;
                if reg.kind == Kind::Ctx { Ok(()) } else { Err(Finding::GlobalNotCtx { n }.into()) }
            }
            Param::Memory { size, nullable } => {
                self.argument_offset(&reg, r, &anything)?;
                self.fixed_memory(r, size)?;
                if !nullable && reg.maybe_null() {
                    return Err(Finding::GlobalMaybeNull { n }.into());
                }
                Ok(())
            }
            Param::Arena => match reg.kind {
                Kind::Arena | Kind::Scalar => Ok(()),
                _ => Err(Finding::GlobalNotArena { reg: r as u8 }.into()),
            },
            Param::Dynptr => {
                self.argument_offset(&reg, r, &Arg::new(ArgKind::Dynptr))?;
                self.dynptr_argument(r, Wanted::Constant(None)).map(drop)
            }
            Param::Trusted { nullable, .. } if nullable && reg.is_null() => Ok(()),
            Param::Trusted { id, nullable } => {
                self.trusted_argument(&reg, r, id, nullable)?;
                self.argument_offset(&reg, r, &anything)
            }
        }
    }

    fn trusted_argument(&mut self, reg: &Reg, r: usize, id: TypeId, nullable: bool) -> Judged<()> {
        let mods = if nullable { reg.mods.without(Mods::MAYBE_NULL) } else { reg.mods };
        let accepted = [Mods::NONE, Mods::TRUSTED, Mods::RCU];
        if reg.kind != Kind::BtfId || !accepted.contains(&mods) {
            let names: Vec<String> = accepted.iter().map(|m| type_name(Kind::BtfId, *m)).collect();
            let (ty, expected) = (reg.type_name(), names.join(", "));
            return Err(Finding::ArgumentType { reg: r as u8, ty, expected }.into());
        }
        let unknown = Stop::Unknown(Feature::KernelTypes);
        let has = self.types.btf(Part(reg.b)).ok_or(unknown.clone())?;
        let kernel = self.types.btf(Part::VMLINUX).ok_or(unknown)?;
        let log = &mut self.log;
        let is_it = walk::matches((has, TypeId(reg.a), reg.off), (kernel, id), (false, true), |finding| {
            log.line(format_args!("{finding}\n"))
        });
        if !is_it {
            let ty = self.types.name_of(reg).to_string();
            let expected = kernel.ty(id).map_or("", |t| t.name()).to_string();
            return Err(Finding::GlobalObject { reg: r as u8, ty, expected }.into());
        }
        Ok(())
    }
}

/// The tags on a parameter.
fn tags_of(btf: &Btf, func: TypeId, n: usize) -> Judged<Tags> {
    let mut tags = Tags::default();
    for (tag, component) in btf.decl_tags(func) {
        let Some(name) = tag.strip_prefix("arg:").filter(|_| component == Some(n as u32)) else { continue };
        match Tags::named(name) {
            Some(tag) => tags.0 |= tag.0,
            None => return Err(Finding::TagUnknown { n }.into()),
        }
    }
    Ok(tags)
}
