//! Whether a kernel function may be given what is in the argument registers.
//!
//! Rules: `check_kfunc_args`, `get_kfunc_ptr_arg_type`, `btf_is_prog_ctx_type` and
//! `__btf_type_is_scalar_struct` of Linux 6.18. What a parameter wants follows from its type, from
//! the ending of its name, and in part from what is in the register.

use super::dynptr::Wanted;
use super::kfunc::Meta;
use super::memory::Way;
use crate::explore::{Judged, Stop, Walker};
use crate::kfunc::{Kfunc, Special};
use crate::report::Finding;
use crate::state::{DynptrType, Kind, Mods, Reg, type_name};
use crate::types::{Part, extended, is_trusted, walk};
use crate::verdict::Feature;
use alloc::format;
use alloc::string::ToString;
use oxbpf_isa::btf::{Btf, Kind as BtfKind, Param, Type, TypeId};
use oxbpf_isa::kernel::{Arg, ArgFlags, ArgKind, FieldKind, KfuncFlags, ProgType};

/// Structures may nest so deep in memory that a kernel function reads.
const MAX_NESTING: u32 = 4;

/// What a parameter that is a pointer wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Ctx,
    Null,
    AllocObject,
    RefcountedKptr,
    Dynptr,
    Iter,
    ListHead,
    ListNode,
    RbRoot,
    RbNode,
    ConstStr,
    Map,
    Workqueue,
    TaskWork,
    IrqFlag,
    ResSpinLock,
    Object,
    Callback,
    Memory,
    /// With its size in the next argument.
    SizedMemory,
}

/// Structures of which a parameter wants a particular kind.
const NAMED: &[(&str, Class)] = &[
    ("bpf_dynptr", Class::Dynptr),
    ("bpf_list_head", Class::ListHead),
    ("bpf_list_node", Class::ListNode),
    ("bpf_rb_root", Class::RbRoot),
    ("bpf_rb_node", Class::RbNode),
    ("bpf_wq", Class::Workqueue),
    ("bpf_task_work", Class::TaskWork),
    ("bpf_res_spin_lock", Class::ResSpinLock),
];

/// A parameter with its types resolved.
#[derive(Clone, Copy)]
struct Pointer<'k> {
    n: usize,
    param: Param<'k>,
    /// The pointee as declared, and behind modifiers.
    declared: TypeId,
    id: TypeId,
    to: Type<'k>,
}

fn is_scalar_type(ty: &Type<'_>) -> bool {
    match ty {
        Type::Int { .. } => true,
        Type::Enum(e) => !e.wide,
        _ => false,
    }
}

/// Whether a structure holds nothing but numbers; tells when it nests too deep.
pub(super) fn is_scalar_struct(btf: &Btf, ty: &Type<'_>, depth: u32, too_deep: &mut bool) -> bool {
    let (Type::Struct(s) | Type::Union(s)) = ty else { return false };
    s.members().all(|member| match btf.resolved(member.ty) {
        Some((_, inner @ (Type::Struct(_) | Type::Union(_)))) => {
            if depth + 1 >= MAX_NESTING {
                *too_deep = true;
                return false;
            }
            is_scalar_struct(btf, &inner, depth + 1, too_deep)
        }
        Some((_, Type::Array { elem, len, .. })) => {
            len > 0 && btf.resolved(elem).is_some_and(|(_, ty)| is_scalar_type(&ty))
        }
        Some((_, ty)) => is_scalar_type(&ty),
        None => false,
    })
}

/// The kernel's structure for sockets that programs see under another name (Linux `reg2btf_ids`).
pub(super) fn stands_for(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Socket => Some("sock"),
        Kind::SockCommon => Some("sock_common"),
        Kind::TcpSock => Some("tcp_sock"),
        Kind::MapPtr => Some("bpf_map"),
        _ => None,
    }
}

/// Modifiers with which a pointer is as good as a trusted one.
const SAFE: Mods = Mods::ALLOC.with(Mods::TRUSTED).with(Mods::NON_OWN_REF);
/// The ending of types that are not cast to those without, nor from them.
const NOCAST: &str = "___init";

/// Whether the types are the same but that one is not set up yet (Linux `btf_type_ids_nocast_alias`).
fn is_nocast_alias(a: &str, b: &str) -> bool {
    a.strip_suffix(NOCAST) == Some(b) || b.strip_suffix(NOCAST) == Some(a)
}

/// Whether programs see the second type under the name of the first.
fn is_projection(name: &str, of: &str) -> bool {
    matches!((name, of), ("__sk_buff", "sk_buff") | ("xdp_md", "xdp_buff"))
}

impl Walker<'_> {
    pub(super) fn kfunc_arguments(&mut self, kfunc: &Kfunc<'_>, meta: &mut Meta) -> Judged<()> {
        let btf = self.btf_of(kfunc)?;
        let count = kfunc.params().len();
        if count > 5 {
            return Err(Finding::KfuncTooManyArgs { name: kfunc.name.to_string(), count }.into());
        }
        let mut n = 0;
        while let Some(param) = kfunc.params().nth(n) {
            let (_, ty) = btf.resolved(param.ty).ok_or(Stop::Unknown(Feature::Internal))?;
            if param.name.ends_with("__ign") || param.name.ends_with("__prog") {
                n += 1;
                continue;
            }
            if is_scalar_type(&ty) {
                self.scalar_argument(n, param.name, meta)?;
                n += 1;
                continue;
            }
            let Type::Ptr(declared) = ty else {
                return Err(Finding::KfuncArgKind { n, ty: ty.kind().name() }.into());
            };
            let (id, to) = btf.resolved(declared).ok_or(Stop::Unknown(Feature::Internal))?;
            let pointer = Pointer { n, param, declared, id, to };
            n += 1;
            if self.pointer_argument(&pointer, kfunc, btf, meta)? == Class::SizedMemory {
                n += 1;
            }
        }
        if kfunc.has(KfuncFlags::RELEASE) && meta.release.is_none() {
            return Err(Finding::KfuncReleasesNothing { name: kfunc.name.to_string() }.into());
        }
        Ok(())
    }

    fn scalar_argument(&mut self, n: usize, name: &str, meta: &mut Meta) -> Judged<()> {
        let (r, number) = (n + 1, n as u8 + 1);
        let reg = *self.cur.reg(r);
        if !reg.is_scalar() {
            return Err(Finding::KfuncNotScalar { reg: number }.into());
        }
        if name.ends_with("__k") {
            if meta.constant.is_some() {
                return Err(Stop::Unknown(Feature::Internal));
            }
            let value = reg.num.const_value().ok_or(Finding::KfuncNotConstant { reg: number })?;
            self.mark_precise(r)?;
            meta.constant = Some(value);
            return Ok(());
        }
        if !matches!(name, "rdonly_buf_size" | "rdwr_buf_size") {
            return Ok(());
        }
        if meta.ret_size != 0 {
            return Err(Stop::Unknown(Feature::Internal));
        }
        meta.ret_readonly = name == "rdonly_buf_size";
        meta.ret_size = reg.num.const_value().ok_or(Finding::KfuncSizeNotConstant { reg: number })?;
        self.mark_precise(r)
    }

    /// Judges an argument that is a pointer; gives what it was taken as.
    fn pointer_argument(
        &mut self,
        pointer: &Pointer<'_>,
        kfunc: &Kfunc<'_>,
        btf: &Btf,
        meta: &mut Meta,
    ) -> Judged<Class> {
        let (n, r) = (pointer.n, pointer.n + 1);
        let reg = *self.cur.reg(r);
        let strict = kfunc.takes_trusted() || kfunc.has(KfuncFlags::RCU);
        let nullable = pointer.param.name.ends_with("__nullable");
        if strict && (reg.is_null() || reg.maybe_null()) && !nullable {
            return Err(Finding::KfuncNull { n }.into());
        }
        if reg.ref_id != 0 {
            if kfunc.has(KfuncFlags::RELEASE) && meta.ref_id != 0 {
                return Err(Stop::Unknown(Feature::Internal));
            }
            meta.ref_id = reg.ref_id;
            if kfunc.has(KfuncFlags::RELEASE) {
                meta.release = Some(r);
            }
        }
        let class = self.classify(pointer, kfunc, btf)?;
        match class {
            Class::Null => return Ok(class),
            Class::Map => self.map_argument(&reg, r, meta)?,
            _ => {}
        }
        if matches!(class, Class::Map | Class::AllocObject | Class::Object) && strict && !is_trusted(&reg) {
            let number = r as u8;
            if !kfunc.has(KfuncFlags::RCU) {
                return Err(Finding::KfuncNotTrusted { reg: number }.into());
            }
            if !reg.mods.has(Mods::RCU) {
                return Err(Finding::KfuncNotRcu { reg: number }.into());
            }
        }
        let release = kfunc.has(KfuncFlags::RELEASE) && reg.ref_id != 0;
        let flags = if release { ArgFlags::RELEASE } else { ArgFlags::NONE };
        self.argument_offset(&reg, r, &Arg::new(ArgKind::Anything).with(flags))?;
        self.use_pointer(class, pointer, kfunc, btf, meta)?;
        Ok(class)
    }

    fn map_argument(&mut self, reg: &Reg, r: usize, meta: &mut Meta) -> Judged<()> {
        match reg.kind {
            Kind::MapPtr | Kind::MapKey | Kind::MapValue => {}
            // The kernel takes what it keeps in the same place for a map, and then sees what it is.
            Kind::BtfId | Kind::Dynptr => return Ok(()),
            Kind::Mem | Kind::Packet | Kind::PacketMeta | Kind::Func if (reg.a, reg.b) != (0, 0) => {
                return Ok(());
            }
            _ => return Err(Finding::KfuncNotMap { reg: r as u8 }.into()),
        }
        if let Some(of) = meta.map
            && of != (reg.a, reg.b)
        {
            return self.work_of_other_map(reg, of);
        }
        meta.map = Some((reg.a, reg.b));
        Ok(())
    }

    fn classify(&mut self, pointer: &Pointer<'_>, kfunc: &Kfunc<'_>, btf: &Btf) -> Judged<Class> {
        let (n, r, name) = (pointer.n, pointer.n + 1, pointer.param.name);
        let reg = *self.cur.reg(r);
        if kfunc.special == Some(Special::CastToKernCtx) || self.is_context_type(btf, pointer.declared) {
            return Ok(Class::Ctx);
        }
        if name.ends_with("__nullable") && reg.is_null() {
            return Ok(Class::Null);
        }
        if name.ends_with("__alloc") {
            return Ok(Class::AllocObject);
        }
        if name.ends_with("__refcounted_kptr") {
            return Ok(Class::RefcountedKptr);
        }
        let named = match pointer.to {
            Type::Struct(s) => NAMED.iter().find(|(name, _)| *name == s.name).map(|(_, class)| *class),
            _ => None,
        };
        if named == Some(Class::Dynptr) {
            return Ok(Class::Dynptr);
        }
        if if kfunc.is_iter() { n == 0 } else { name.ends_with("__iter") } {
            return Ok(Class::Iter);
        }
        let early = [Class::ListHead, Class::ListNode, Class::RbRoot, Class::RbNode];
        if let Some(class) = named.filter(|class| early.contains(class)) {
            return Ok(class);
        }
        for (ending, class) in [("__str", Class::ConstStr), ("__map", Class::Map)] {
            if name.ends_with(ending) {
                return Ok(class);
            }
        }
        if named == Some(Class::Workqueue) || named == Some(Class::TaskWork) {
            return Ok(named.unwrap_or(Class::Workqueue));
        }
        if name.ends_with("__irq_flag") {
            return Ok(Class::IrqFlag);
        }
        if let Some(class) = named {
            return Ok(class);
        }
        if reg.kind == Kind::BtfId || stands_for(reg.kind).is_some() {
            if !matches!(pointer.to, Type::Struct(_) | Type::Union(_)) {
                return Err(Finding::KfuncPointeeKind {
                    func: kfunc.name.to_string(),
                    n,
                    kind: pointer.to.kind().name(),
                    name: pointer.to.name().to_string(),
                }
                .into());
            }
            return Ok(Class::Object);
        }
        if matches!(pointer.to, Type::FuncProto(_)) {
            return Ok(Class::Callback);
        }
        self.memory_class(pointer, kfunc, btf)
    }

    /// Memory of numbers, or any memory where its size is an argument too.
    fn memory_class(&mut self, pointer: &Pointer<'_>, kfunc: &Kfunc<'_>, btf: &Btf) -> Judged<Class> {
        let n = pointer.n;
        let sized = kfunc.params().nth(n + 1).is_some_and(|size| {
            let is_number = btf.resolved(size.ty).is_some_and(|(_, ty)| is_scalar_type(&ty));
            let named = size.name.ends_with("__sz") || size.name.ends_with("__szk");
            is_number && named && self.cur.frames[self.cur.curframe()].regs[n + 2].is_scalar()
        });
        let mut too_deep = false;
        let is_numbers = is_scalar_type(&pointer.to) || is_scalar_struct(btf, &pointer.to, 0, &mut too_deep);
        if too_deep {
            self.log.line(format_args!("max struct nesting depth exceeded\n"));
        }
        if !(is_numbers || sized && matches!(pointer.to, Type::Void)) {
            return Err(Finding::KfuncPointee {
                n,
                kind: pointer.to.kind().name(),
                name: pointer.to.name().to_string(),
                what: if sized { "void, " } else { "" },
            }
            .into());
        }
        Ok(if sized { Class::SizedMemory } else { Class::Memory })
    }

    fn use_pointer(
        &mut self,
        class: Class,
        pointer: &Pointer<'_>,
        kfunc: &Kfunc<'_>,
        btf: &Btf,
        meta: &mut Meta,
    ) -> Judged<()> {
        let (n, r) = (pointer.n, pointer.n + 1);
        let reg = *self.cur.reg(r);
        match class {
            Class::Ctx => {
                if reg.kind != Kind::Ctx || reg.mods != Mods::NONE {
                    return Err(Finding::KfuncNotCtx { n, ty: reg.type_name() }.into());
                }
                if kfunc.special == Some(Special::CastToKernCtx) {
                    meta.context = Some(self.kernel_context(btf)?);
                }
                Ok(())
            }
            Class::Dynptr => self.dynptr_of_kfunc(pointer, kfunc, meta),
            Class::Iter => self.iter_argument(n, kfunc, meta),
            Class::Memory => {
                let size = btf.size_of(pointer.id).ok_or(Stop::Unknown(Feature::Internal))?;
                self.fixed_memory(r, size)
            }
            Class::SizedMemory => self.sized_memory(pointer, kfunc, meta),
            Class::Callback => {
                if reg.kind != Kind::Func {
                    return Err(Finding::KfuncNotFunc { n }.into());
                }
                meta.subprog = Some(reg.a);
                Ok(())
            }
            Class::ConstStr => {
                if reg.kind != Kind::MapValue || reg.mods != Mods::NONE {
                    return Err(Finding::KfuncNotString { n }.into());
                }
                self.constant_string(&reg, r)
            }
            Class::Map => self.kernel_object(&reg, pointer, Some("bpf_map"), kfunc, btf),
            Class::Object => self.kernel_object(&reg, pointer, None, kfunc, btf),
            Class::AllocObject => self.dropped_argument(n, kfunc, meta),
            Class::RefcountedKptr => self.shared_argument(n, meta),
            Class::ListHead => self.root_argument(n, FieldKind::ListHead, meta),
            Class::ListNode => self.node_argument(n, FieldKind::ListNode, kfunc, meta),
            Class::RbRoot => self.root_argument(n, FieldKind::RbRoot, meta),
            Class::RbNode => self.node_argument(n, FieldKind::RbNode, kfunc, meta),
            Class::Workqueue => self.work_argument(n, FieldKind::Workqueue, meta),
            Class::TaskWork => self.work_argument(n, FieldKind::TaskWork, meta),
            Class::IrqFlag => self.irq_argument(n, kfunc),
            Class::ResSpinLock => self.res_lock_argument(n, kfunc),
            Class::Null => Ok(()),
        }
    }

    fn dynptr_of_kfunc(&mut self, pointer: &Pointer<'_>, kfunc: &Kfunc<'_>, meta: &mut Meta) -> Judged<()> {
        let r = pointer.n + 1;
        let uninit = pointer.param.name.ends_with("__uninit");
        let ty = match kfunc.special {
            Some(Special::DynptrFromSkb) => Some(DynptrType::Skb),
            Some(Special::DynptrFromXdp) => Some(DynptrType::Xdp),
            Some(Special::DynptrFromSkbMeta) => Some(DynptrType::SkbMeta),
            _ => None,
        };
        let wanted = if uninit {
            match (ty, kfunc.special, meta.dynptr) {
                (Some(ty), _, _) => Wanted::New { ty, shares: 0 },
                (None, Some(Special::DynptrClone), Some(parent)) => {
                    Wanted::New { ty: parent.ty, shares: parent.ref_id }
                }
                _ => return Err(Stop::Unknown(Feature::Kfuncs)),
            }
        } else if self.cur.reg(r).kind == Kind::Dynptr {
            Wanted::Constant(ty)
        } else {
            Wanted::Mutable(ty)
        };
        if let Some(given) = self.dynptr_argument(r, wanted)? {
            meta.dynptr = Some(given);
        }
        Ok(())
    }

    /// Memory of a size that the type tells, to be read and written.
    pub(super) fn fixed_memory(&mut self, r: usize, size: u32) -> Judged<()> {
        if self.cur.reg(r).is_null() {
            return Ok(());
        }
        self.as_not_null(r, |walker| {
            let size = i64::from(size);
            walker.helper_memory(r, size, Way::Read, true, None)?;
            walker.helper_memory(r, size, Way::Write, true, None)
        })
    }

    /// Judges something about a pointer as if it were not null.
    fn as_not_null(&mut self, r: usize, judge: impl FnOnce(&mut Self) -> Judged<()>) -> Judged<()> {
        let mods = self.cur.reg(r).mods;
        if mods.has(Mods::MAYBE_NULL) {
            self.cur.reg_mut(r).mods = mods.without(Mods::MAYBE_NULL);
            let result = judge(self);
            self.cur.reg_mut(r).mods = mods;
            return result;
        }
        judge(self)
    }

    fn sized_memory(&mut self, pointer: &Pointer<'_>, kfunc: &Kfunc<'_>, meta: &mut Meta) -> Judged<()> {
        let (n, r) = (pointer.n, pointer.n + 1);
        let size = *self.cur.reg(r + 1);
        let optional = pointer.param.name.ends_with("__opt");
        if !(self.cur.reg(r).is_null() && optional) {
            let judged = self.as_not_null(r, |walker| {
                let mut seen = super::args::Seen::default();
                walker.memory_size(r + 1, &size, Way::Read, true, &mut seen)?;
                walker.memory_size(r + 1, &size, Way::Write, true, &mut seen)
            });
            if let Err(stop) = judged {
                self.say(&stop);
                return Err(match stop {
                    Stop::Reject(finding) => {
                        Finding::KfuncMemory { n, size: n + 1, errno: finding.errno() }.into()
                    }
                    unknown => unknown,
                });
            }
        }
        if kfunc.params().nth(n + 1).is_some_and(|p| p.name.ends_with("__szk")) {
            if meta.constant.is_some() {
                return Err(Stop::Unknown(Feature::Internal));
            }
            let value = size.num.const_value().ok_or(Finding::KfuncNotConstant { reg: r as u8 + 1 })?;
            meta.constant = Some(value);
        }
        Ok(())
    }

    /// An object of the kernel, of the parameter's type or of another that is named.
    fn kernel_object(
        &mut self,
        reg: &Reg,
        pointer: &Pointer<'_>,
        named: Option<&str>,
        kfunc: &Kfunc<'_>,
        btf: &Btf,
    ) -> Judged<()> {
        let (n, r) = (pointer.n, pointer.n + 1);
        let unsafe_mods = reg.mods.without(SAFE) != Mods::NONE && !reg.mods.has(Mods::RCU);
        let stands_for = stands_for(reg.kind);
        if (reg.kind != Kind::BtfId || unsafe_mods) && stands_for.is_none() {
            let safe = Mods(reg.mods.0 & SAFE.0);
            let expected = type_name(reg.kind, safe);
            return Err(Finding::KfuncUnsafe { n, ty: reg.type_name(), expected }.into());
        }
        let unknown = Stop::Unknown(Feature::KernelTypes);
        let find = |name: &str| self.types.find(name, BtfKind::Struct).ok_or(unknown.clone());
        let (part, id) = match stands_for {
            Some(name) => (Part::VMLINUX, find(name)?),
            None => (Part(reg.b), TypeId(reg.a)),
        };
        let (wanted, to) = match named {
            Some(name) => {
                let id = find(name)?;
                (id, btf.ty(id).ok_or(unknown.clone())?)
            }
            None => (pointer.id, pointer.to),
        };
        let has_btf = self.types.btf(part).ok_or(unknown.clone())?;
        let (resolved, has) = has_btf.resolved(id).ok_or(unknown)?;
        let of_type = has_btf.ty(id).map_or("", |ty| ty.name());
        let strict = kfunc.has(KfuncFlags::RELEASE) && reg.ref_id != 0 || is_nocast_alias(of_type, to.name());
        let log = &mut self.log;
        let same = walk::matches((has_btf, resolved, reg.off), (btf, wanted), (strict, true), |finding| {
            log.line(format_args!("{finding}\n"))
        });
        let words = |ty: &Type<'_>| format!("{} {}", ty.kind().name(), ty.name());
        if !same && !is_projection(to.name(), has.name()) {
            return Err(Finding::KfuncObject {
                func: kfunc.name.to_string(),
                n,
                wanted: words(&to),
                reg: r,
                has: words(&has),
            }
            .into());
        }
        Ok(())
    }

    /// The member of the kernel's table of contexts for this kind of program.
    fn context_member(&self, btf: &Btf, ending: &str) -> Option<TypeId> {
        let id = self.types.find("bpf_ctx_convert", oxbpf_isa::btf::Kind::Struct)?;
        let Type::Struct(table) = btf.ty(id)? else { return None };
        let name = self.prog.prog_type.symbol();
        let member = table.members().find(|m| m.name.strip_suffix(ending) == Some(name))?;
        Some(member.ty)
    }

    /// What the kernel itself sees as the context (Linux `get_kern_ctx_btf_id`).
    fn kernel_context(&self, btf: &Btf) -> Judged<TypeId> {
        let id = self.context_member(btf, "_kern").ok_or(Stop::Unknown(Feature::Kfuncs))?;
        match btf.ty(id) {
            Some(Type::Struct(_) | Type::Union(_)) => Ok(id),
            _ => Err(Finding::CastContext { id: id.0 }.into()),
        }
    }

    /// Whether a pointer to this type is the program's context (Linux `btf_is_prog_ctx_type`).
    fn is_context_type(&self, btf: &Btf, declared: TypeId) -> bool {
        let declared = btf.skip_modifiers(declared);
        if self.prog.prog_type == ProgType::Kprobe
            && matches!(btf.ty(declared), Some(Type::Typedef { name: "bpf_user_pt_regs_t", .. }))
        {
            return true;
        }
        if self.types.kernel.is_none() {
            return extended::is_context(self.prog, btf, declared);
        }
        let Some((_, Type::Struct(s) | Type::Union(s))) = btf.resolved(declared) else { return false };
        let Some(context) = self.context_member(btf, "_prog") else { return false };
        let Some(context) = btf.ty(btf.skip_modifiers(context)) else { return false };
        let is = |name: &str| {
            !name.is_empty()
                && (name == s.name
                    || matches!((name, s.name), ("__sk_buff", "sk_buff") | ("xdp_md", "xdp_buff")))
        };
        match context {
            Type::Typedef { name, target } => {
                is(name) || btf.resolved(target).is_some_and(|(_, ty)| is(ty.name()))
            }
            ty => is(ty.name()),
        }
    }
}
