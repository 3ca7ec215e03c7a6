//! Objects that programs allocate.
//!
//! Rules: `btf_parse_struct_metas`, `check_ptr_to_btf_access` for allocated objects,
//! `check_special_kfunc` and the arguments of the functions that make and give up objects, of Linux
//! 6.18. An object is of a structure among the program's own types. Numbers in it are read and
//! written; its special fields are not touched, and pointers that it holds are numbers.

use super::fields::{self, Fields};
use super::kfunc::Meta;
use super::memory::Way;
use crate::explore::{Judged, Stop, Walker};
use crate::kfunc::{Kfunc, Special};
use crate::report::Finding;
use crate::state::{Kind, Mods, Reg};
use crate::types::walk::{self, Found};
use crate::types::{Part, Types};
use crate::verdict::Feature;
use alloc::rc::Rc;
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Type, TypeId};
use oxbpf_isa::kernel::{FieldKind, FieldSign, KernelModel};
use oxbpf_isa::program::Program;

/// The structures among a program's types that have special fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects(Vec<(TypeId, Rc<Fields>)>);

impl Objects {
    /// Finds them.
    ///
    /// # Errors
    /// When one breaks a rule; the kernel then refuses the program's types as a whole.
    pub fn new(program: &Program, model: &KernelModel, types: &Types<'_>) -> Result<Objects, fields::Broken> {
        let Some(btf) = program.btf.as_deref() else { return Ok(Objects::default()) };
        let special = special_types(btf, model);
        if special.is_empty() {
            return Ok(Objects::default());
        }
        let mut found = Vec::new();
        for (id, ty) in btf.types() {
            let Type::Struct(s) = ty else { continue };
            if !s.members().any(|m| special.binary_search(&m.ty).is_ok()) {
                continue;
            }
            let in_objects = |kind: FieldKind| {
                let later = matches!(kind, FieldKind::Timer | FieldKind::Workqueue | FieldKind::TaskWork);
                !later && kind != FieldKind::Uptr
            };
            let fields = fields::find(btf, id, s.size, (model, types), |r| in_objects(r.kind))?;
            if fields.all().is_empty() {
                return Err(fields::Broken);
            }
            found.push((id, Rc::new(fields)));
        }
        let objects = Objects(found);
        objects.check_ownership()?;
        Ok(objects)
    }

    /// What lists and trees are made of has nodes, and does not own others in turn where its owner
    /// is owned.
    fn check_ownership(&self) -> Result<(), fields::Broken> {
        for (_, fields) in &self.0 {
            let is_node = fields.all().iter().any(|f| f.kind.is_node());
            for root in fields.all().iter().filter(|f| f.kind.is_root()) {
                let value = self.of(root.target).ok_or(fields::Broken)?;
                if is_node && value.all().iter().any(|f| f.kind.is_root()) {
                    return Err(fields::Broken);
                }
            }
        }
        Ok(())
    }

    /// The special fields of a structure, if it has any.
    pub fn of(&self, id: TypeId) -> Option<&Rc<Fields>> {
        self.0.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| &self.0[at].1)
    }

    /// The special fields of the object that a register points to.
    pub fn of_reg(&self, reg: &Reg) -> Option<&Rc<Fields>> {
        let is_object = reg.kind == Kind::BtfId && reg.mods.has(Mods::ALLOC) && Part(reg.b) == Part::PROGRAM;
        if is_object { self.of(TypeId(reg.a)) } else { None }
    }
}

/// The types by which structures with special fields are told, sorted.
fn special_types(btf: &Btf, model: &KernelModel) -> Vec<TypeId> {
    let records: Vec<_> = model.fields().collect();
    let by_name = |name: &str| {
        let of =
            |kind: FieldKind| !matches!(kind, FieldKind::Timer | FieldKind::Workqueue | FieldKind::TaskWork);
        records.iter().any(|r| of(r.kind) && matches!(r.sign, FieldSign::Struct(n) if n == name))
    };
    let by_tag = |name: &str| {
        records.iter().any(|r| r.kind != FieldKind::Uptr && matches!(r.sign, FieldSign::Tag(n) if n == name))
    };
    let is_kptr = |ty: &Type<'_>| {
        let mut to = match ty {
            Type::Volatile(to) => match btf.ty(*to) {
                Some(Type::Ptr(to)) => to,
                _ => return false,
            },
            Type::Ptr(to) => *to,
            _ => return false,
        };
        let Some(Type::TypeTag { name, target, .. }) = btf.ty(to) else { return false };
        if !by_tag(name) || matches!(btf.ty(target), Some(Type::TypeTag { .. })) {
            return false;
        }
        to = target;
        matches!(btf.resolved(to), Some((_, Type::Struct(_))))
    };
    let is_special = |ty: &Type<'_>| matches!(ty, Type::Struct(s) if by_name(s.name)) || is_kptr(ty);
    btf.types().filter(|(_, ty)| is_special(ty)).map(|(id, _)| id).collect()
}

impl Walker<'_> {
    /// The special fields of the object that a register points to.
    pub(super) fn fields_of_object(&self, reg: &Reg) -> Rc<Fields> {
        self.objects.of_reg(reg).cloned().unwrap_or_default()
    }

    /// The special fields of the value or object that a register points to, if it has any.
    pub(super) fn fields_behind(&self, reg: &Reg) -> Option<Rc<Fields>> {
        match reg.kind {
            Kind::MapValue if reg.mods == Mods::NONE => Some(self.fields_of(reg.a)),
            _ => self.objects.of_reg(reg).cloned(),
        }
    }

    /// Whether a register points to a value or object with a lock, whose identity is kept.
    pub(super) fn may_be_locked(&self, reg: &Reg) -> bool {
        self.fields_behind(reg).is_some_and(|f| f.has_lock())
    }

    /// Reads or writes an object that the program allocated.
    pub(super) fn object_access(
        &mut self,
        reg: &Reg,
        off: i32,
        size: u32,
        way: Way,
        into: Option<usize>,
    ) -> Judged<()> {
        let borrowed = reg.mods.has(Mods::NON_OWN_REF) || reg.mods.has(Mods::RCU);
        if !borrowed && reg.ref_id == 0 {
            return Err(Stop::Unknown(Feature::Internal));
        }
        let (start, end) = (i64::from(off), i64::from(off) + i64::from(size));
        for field in self.fields_of_object(reg).all() {
            if start < i64::from(field.off + field.size) && i64::from(field.off) < end {
                return Err(Finding::ObjectField { name: field.kind.shown() }.into());
            }
        }
        let btf = self.types.btf(Part(reg.b)).ok_or(Stop::Unknown(Feature::KernelTypes))?;
        let found = walk::access(btf, TypeId(reg.a), off, size, true)?;
        let (Some(dst), Way::Read) = (into, way) else { return Ok(()) };
        *self.cur.reg_mut(dst) = match found {
            // Pointers that a program stored are numbers to it.
            Found::Scalar | Found::Pointer { .. } => Reg::unknown(),
            Found::Memory if !self.rules.reads_any_memory => Reg::unknown(),
            Found::Memory => Reg::pointer(Kind::Mem, Mods::RDONLY.with(Mods::UNTRUSTED)),
        };
        Ok(())
    }

    /// An object to be given up, as argument `n`.
    pub(super) fn dropped_argument(&mut self, n: usize, kfunc: &Kfunc<'_>, meta: &mut Meta) -> Judged<()> {
        let reg = *self.cur.reg(n + 1);
        let is = |mods: Mods| reg.kind == Kind::BtfId && reg.mods == mods;
        if is(Mods::ALLOC) {
            if kfunc.special != Some(Special::ObjDrop) {
                return Err(Finding::ObjectFor { n, name: "bpf_obj_drop_impl" }.into());
            }
        } else if is(Mods::ALLOC.with(Mods::PERCPU)) {
            if kfunc.special != Some(Special::PercpuObjDrop) {
                return Err(Finding::ObjectFor { n, name: "bpf_percpu_obj_drop_impl" }.into());
            }
        } else {
            return Err(Finding::NotObject { n }.into());
        }
        if reg.ref_id == 0 {
            return Err(Finding::ObjectNotOwned.into());
        }
        meta.object = Some((reg.b, reg.a));
        Ok(())
    }

    /// An object of which there may be several owners, as argument `n`.
    pub(super) fn shared_argument(&mut self, n: usize, meta: &mut Meta) -> Judged<()> {
        let reg = *self.cur.reg(n + 1);
        if reg.kind != Kind::BtfId || !reg.mods.has(Mods::ALLOC) {
            return Err(Finding::NotShared { n }.into());
        }
        meta.owning = !reg.mods.has(Mods::NON_OWN_REF) && reg.ref_id != 0;
        let Some(fields) = self.objects.of_reg(&reg) else { return Err(Stop::Unknown(Feature::Internal)) };
        if !fields.has(FieldKind::Refcount) {
            return Err(Finding::NoRefcount { n }.into());
        }
        meta.object = Some((reg.b, reg.a));
        Ok(())
    }

    /// A new object, of the type whose number is the argument.
    pub(super) fn new_object(&mut self, kfunc: &Kfunc<'_>, meta: &Meta) -> Judged<Reg> {
        let is_percpu = kfunc.special == Some(Special::PercpuObjNew);
        let wanted = meta.constant.ok_or(Stop::Unknown(Feature::Internal))?;
        let Ok(id) = u32::try_from(wanted) else { return Err(Finding::ObjectTypeRange.into()) };
        let Some(btf) = self.types.program else { return Err(Finding::ObjectNoTypes.into()) };
        let id = TypeId(id);
        let Some(Type::Struct(s)) = btf.ty(id) else { return Err(Finding::ObjectNoStruct.into()) };
        let mut mods = Mods::ALLOC;
        if is_percpu {
            let limit = self.model.limits().percpu_object_bytes as u32;
            if s.size > limit {
                return Err(Finding::PercpuSize { size: s.size, limit }.into());
            }
            let mut too_deep = false;
            let is_numbers = super::kfunc_args::is_scalar_struct(btf, &Type::Struct(s), 0, &mut too_deep);
            if too_deep {
                self.log.line(format_args!("max struct nesting depth exceeded\n"));
            }
            if !is_numbers {
                return Err(Finding::PercpuNotNumbers.into());
            }
            if self.objects.of(id).is_some() {
                return Err(Finding::PercpuFields.into());
            }
            mods = mods.with(Mods::PERCPU);
        }
        Ok(Reg::typed(Part::PROGRAM, id, mods))
    }
}
