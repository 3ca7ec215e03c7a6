//! Calls of kernel functions.
//!
//! Rules: `check_kfunc_call` and `check_special_kfunc` of Linux 6.18. What a function takes and gives
//! is read from its prototype, its flags and the names of its parameters
//! ([`super::kfunc_args`]); the few that do more are named by [`Special`].
//!
//! Left to others: objects that programs own, locks and sections, exceptions.

use super::call::MAX_ERRNO;
use super::dynptr::Given;
use super::fields::Field;
use super::later::Later;
use crate::explore::{Judged, Next, Stop, Walker};
use crate::kfunc::{Call, Kfunc, Special};
use crate::report::Finding;
use crate::state::{Kind, Mods, Reg};
use crate::types::Part;
use crate::verdict::Feature;
use alloc::string::ToString;
use oxbpf_isa::btf::{Btf, Type, TypeId};
use oxbpf_isa::kernel::KfuncFlags;

/// What the arguments said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meta {
    pub ref_id: u32,
    /// The argument whose reference is released.
    pub release: Option<usize>,
    /// The argument that had to be constant.
    pub constant: Option<u64>,
    /// The size of the memory that is given, where an argument says it.
    pub ret_size: u64,
    pub ret_readonly: bool,
    /// The type that the context is cast to.
    pub context: Option<TypeId>,
    pub subprog: Option<u32>,
    pub dynptr: Option<Given>,
    /// Frame and first slot of the iterator.
    pub iter: Option<(usize, usize)>,
    pub map: Option<(u32, u32)>,
    /// The type of the object that is given: whose types, and which.
    pub object: Option<(u32, u32)>,
    /// The program owns that object.
    pub owning: bool,
    /// The list or tree.
    pub root: Option<Field>,
}

impl<'p> Walker<'p> {
    /// The types that a kernel function is declared with.
    pub(super) fn btf_of(&self, kfunc: &Kfunc<'_>) -> Judged<&'p Btf> {
        self.types.btf(kfunc.part).map(|btf| &**btf).ok_or(Stop::Unknown(Feature::KernelTypes))
    }

    pub(super) fn call_kfunc(&mut self) -> Judged<Next> {
        let kfunc = match self.kfuncs.at(self.at) {
            Call::Known(kfunc) => kfunc,
            Call::Absent => {
                let first = self.absent_kfunc.map_or(self.at, |at| at.min(self.at));
                self.absent_kfunc = Some(first);
                self.log.scratch(0);
                return Ok(Next::Straight);
            }
            Call::Forbidden { name, .. } => {
                return Err(Finding::KfuncNotAllowed { name: name.to_string() }.into());
            }
            Call::Unknown(_) => return Err(Stop::Unknown(Feature::Kfuncs)),
        };
        self.assumes |= kfunc.assumed;
        if matches!(kfunc.special, Some(Special::ResSpinLock | Special::ResSpinLockIrqsave)) {
            self.push_failed_lock()?;
        }
        if kfunc.special == Some(Special::Trap) {
            return Err(Finding::KfuncTrap.into());
        }
        let name = || kfunc.name.to_string();
        if kfunc.has(KfuncFlags::SLEEPABLE) && !self.cur.in_sleepable {
            return Err(Finding::KfuncSleeps { name: name() }.into());
        }
        let mut meta = Meta::default();
        self.kfunc_arguments(&kfunc, &mut meta)?;
        if kfunc.special == Some(Special::SessionCookie) {
            meta.ret_size = 8;
        }
        match kfunc.special {
            Some(Special::RbtreeAdd) => self.called_back(&kfunc, |walker| walker.push_less(&meta))?,
            Some(Special::WqSetCallback) => {
                self.called_back(&kfunc, |walker| walker.push_async(meta.subprog, meta.map, Later::Work))?;
            }
            Some(Special::TaskWorkSignal | Special::TaskWorkResume) => {
                self.called_back(&kfunc, |walker| walker.push_async(meta.subprog, meta.map, Later::Task))?;
            }
            _ => {}
        }
        self.sections(&kfunc)?;
        let protected = self.rules.rcu_protects_results && kfunc.has(KfuncFlags::RCU_PROTECTED);
        if protected && !self.in_rcu_section() {
            return Err(Finding::KfuncRcu { name: name() }.into());
        }
        if let Some(r) = meta.release {
            self.release_reference(r, &kfunc)?;
        }
        let gives = [Special::ListPushFront, Special::ListPushBack, Special::RbtreeAdd];
        if kfunc.special.is_some_and(|s| gives.contains(&s)) {
            self.give_to_root()?;
        }
        if kfunc.special == Some(Special::Throw) {
            self.thrown_value()?;
        }
        for reg in &mut self.cur.cur_mut().regs[..6] {
            *reg = Reg::not_init();
        }
        self.kfunc_result(&kfunc, &meta)?;
        self.log.scratch(0);
        if kfunc.has(KfuncFlags::ITER_NEXT) {
            return self.iter_next(&meta);
        }
        if kfunc.moves_packets() {
            self.forget_packets();
        }
        if kfunc.special == Some(Special::Throw) {
            return self.leave_by_throw();
        }
        Ok(Next::Straight)
    }

    /// Judges that a function of the program is called back; the kernel adds a line to what it says
    /// where it is not.
    fn called_back(&mut self, kfunc: &Kfunc<'_>, push: impl FnOnce(&mut Self) -> Judged<()>) -> Judged<()> {
        push(self).map_err(|stop| {
            self.say(&stop);
            match stop {
                Stop::Reject(finding) => {
                    let (name, id, errno) = (kfunc.name.to_string(), kfunc.id.0, finding.errno());
                    Finding::CallbackFailed { name, id, errno }.into()
                }
                unknown => unknown,
            }
        })
    }

    /// A lock that cannot be had leaves an error; that path is followed later.
    fn push_failed_lock(&mut self) -> Judged<()> {
        let at = self.at;
        let how = self.arithmetic;
        let failed = self.push_path(at + 1, at)?;
        let frame = failed.cur_mut();
        for reg in &mut frame.regs[..6] {
            *reg = Reg::not_init();
        }
        let errors =
            crate::domain::Scalar::UNKNOWN.with_signed_bounds_both((-MAX_ERRNO) as u32, (-1i32) as u32, how);
        frame.regs[0] = Reg::scalar(errors);
        Ok(())
    }

    fn release_reference(&mut self, r: usize, kfunc: &Kfunc<'_>) -> Judged<()> {
        let ref_id = self.cur.reg(r).ref_id;
        if !self.drop_reference(ref_id)? {
            return Err(Finding::KfuncNotAcquired { name: kfunc.name.to_string(), id: kfunc.id.0 }.into());
        }
        self.cur.for_each_reg(|reg| reg.ref_id == ref_id, |reg| *reg = Reg::unknown());
        Ok(())
    }

    fn kfunc_result(&mut self, kfunc: &Kfunc<'_>, meta: &Meta) -> Judged<()> {
        let btf = self.btf_of(kfunc)?;
        let (_, ret) = btf.resolved(kfunc.proto.ret).ok_or(Stop::Unknown(Feature::Internal))?;
        let pointee = match ret {
            Type::Ptr(to) => Some(btf.resolved(to).ok_or(Stop::Unknown(Feature::Internal))?),
            _ => None,
        };
        let made = [Special::ObjNew, Special::PercpuObjNew, Special::RefcountAcquire];
        let is_made = kfunc.special.is_some_and(|s| made.contains(&s));
        if kfunc.has(KfuncFlags::ACQUIRE) && !is_made && !matches!(pointee, Some((_, Type::Struct(_)))) {
            return Err(Finding::KfuncAcquiresNothing.into());
        }
        let Some((id, to)) = pointee else {
            if matches!(ret, Type::Int { .. } | Type::Enum(_)) {
                let locked =
                    matches!(kfunc.special, Some(Special::ResSpinLock | Special::ResSpinLockIrqsave));
                *self.cur.reg_mut(0) = if locked { Reg::known(0) } else { Reg::unknown() };
            }
            return Ok(());
        };
        let mut r0 = match self.special_result(kfunc, meta, btf)? {
            Some(r0) => r0,
            None => self.pointer_result(kfunc, meta, btf, id, &to)?,
        };
        // Who owns an object can always have one more owner.
        let may_fail = kfunc.has(KfuncFlags::RET_NULL)
            && !(kfunc.special == Some(Special::RefcountAcquire) && meta.owning);
        if may_fail {
            r0.mods = r0.mods.with(Mods::MAYBE_NULL);
            r0.id = self.fresh_id();
        }
        if kfunc.has(KfuncFlags::ACQUIRE) {
            let acquired = self.acquire()?;
            if may_fail {
                r0.id = acquired;
            }
            r0.ref_id = acquired;
        } else if matches!(to, Type::Struct(s) if matches!(s.name, "bpf_rb_node" | "bpf_list_node")) {
            self.lend(&mut r0);
        }
        if r0.id == 0 && self.may_be_locked(&r0) {
            r0.id = self.fresh_id();
        }
        *self.cur.reg_mut(0) = r0;
        Ok(())
    }

    /// A pointer by the type it points to.
    fn pointer_result(
        &mut self,
        kfunc: &Kfunc<'_>,
        meta: &Meta,
        btf: &Btf,
        id: TypeId,
        to: &Type<'_>,
    ) -> Judged<Reg> {
        let protected = self.rules.rcu_protects_results && kfunc.has(KfuncFlags::RCU_PROTECTED);
        let rcu = if protected { Mods::RCU } else { Mods::NONE };
        match to {
            // Nothing can be read through it.
            Type::Void => Ok(Reg::unknown()),
            Type::Struct(_) => {
                let mut mods = rcu;
                if kfunc.special == Some(Special::GetKmemCache) {
                    mods = Mods::UNTRUSTED;
                }
                if let (true, Some((frame, spi))) = (kfunc.has(KfuncFlags::ITER_NEXT), meta.iter) {
                    let iter = *self.cur.frames[frame].stack[spi].reg;
                    mods = mods.with(if iter.mods.has(Mods::RCU) { Mods::RCU } else { Mods::TRUSTED });
                }
                Ok(Reg::typed(kfunc.part, id, mods))
            }
            _ => {
                let (size, readonly) = match meta.ret_size {
                    0 => (btf.size_of(id).map_or(0, u64::from), true),
                    size => (size, meta.ret_readonly),
                };
                if size == 0 {
                    let (name, pointee) = (kfunc.name.to_string(), to.name().to_string());
                    return Err(Finding::KfuncResultKind { name, kind: to.kind().name(), pointee }.into());
                }
                let mods = if readonly { rcu.with(Mods::RDONLY) } else { rcu };
                Ok(Reg { a: size as u32, ref_id: meta.ref_id, ..Reg::pointer(Kind::Mem, mods) })
            }
        }
    }

    /// What functions give that do not go by their prototypes.
    fn special_result(&mut self, kfunc: &Kfunc<'_>, meta: &Meta, btf: &Btf) -> Judged<Option<Reg>> {
        let unknown = Stop::Unknown(Feature::Internal);
        Ok(Some(match kfunc.special {
            Some(Special::CastToKernCtx) => {
                Reg::typed(kfunc.part, meta.context.ok_or(unknown)?, Mods::TRUSTED)
            }
            Some(Special::RdonlyCast) => {
                let wanted = meta.constant.ok_or(unknown)?;
                // The kernel looks the low half up and reports the whole.
                let id = TypeId(wanted as u32);
                match btf.ty(id) {
                    None | Some(Type::Void) if !self.rules.reads_any_memory => {
                        return Err(Finding::CastNotStruct.into());
                    }
                    None => return Err(Finding::CastUnknownType { id: wanted as i64 }.into()),
                    Some(Type::Struct(_) | Type::Union(_)) => Reg::typed(kfunc.part, id, Mods::UNTRUSTED),
                    Some(Type::Void) => Reg::pointer(Kind::Mem, Mods::RDONLY.with(Mods::UNTRUSTED)),
                    Some(_) if !self.rules.reads_any_memory => return Err(Finding::CastNotStruct.into()),
                    Some(_) => return Err(Finding::CastType.into()),
                }
            }
            Some(Special::DynptrSlice | Special::DynptrSliceRdwr) => {
                let (size, given) = (meta.constant.ok_or(unknown.clone())?, meta.dynptr.ok_or(unknown)?);
                let mut mods = given.ty.mods();
                if kfunc.special == Some(Special::DynptrSlice) {
                    mods = mods.with(Mods::RDONLY);
                } else if !self.may_access_packet(super::memory::Way::Write, None) {
                    return Err(Finding::SliceWrite.into());
                }
                Reg { a: size as u32, b: given.id, ..Reg::pointer(Kind::Mem, mods) }
            }
            Some(Special::ObjNew | Special::PercpuObjNew) => self.new_object(kfunc, meta)?,
            Some(Special::RefcountAcquire) => {
                let (part, id) = meta.object.ok_or(unknown)?;
                Reg::typed(Part(part), TypeId(id), Mods::ALLOC)
            }
            Some(special) if special.is_graph() => self.graph_node(&meta.root.ok_or(unknown)?),
            _ => return Ok(None),
        }))
    }
}
