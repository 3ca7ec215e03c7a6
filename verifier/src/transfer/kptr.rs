//! Pointers to objects that values and objects hold.
//!
//! Rules: `check_map_kptr_access`, `map_kptr_match_type`, `btf_ld_kptr_type`, `process_kptr_func` and
//! the exchange in `check_helper_call` of Linux 6.18. A pointer that is read is not trusted, unless
//! RCU protects what it points to; what is to be held goes in and out by exchange alone.

use super::args::Seen;
use super::fields::Field;
use crate::explore::{Judged, Stop, Walker};
use crate::report::Finding;
use crate::state::{Kind, Mods, Reg, type_name};
use crate::types::{Part, walk};
use crate::verdict::Feature;
use alloc::string::{String, ToString};
use oxbpf_isa::btf::TypeId;
use oxbpf_isa::insn::{Insn, Operand};
use oxbpf_isa::kernel::FieldKind;

impl Walker<'_> {
    /// What a kernel pointer points to must be known.
    fn known_pointee(&self) -> Judged<()> {
        if self.types.kernel.is_none() { Err(Stop::Unknown(Feature::KernelTypes)) } else { Ok(()) }
    }

    /// An access of bytes that touch the pointer `field` of a value.
    pub(super) fn kptr_bytes(
        &self,
        field: &Field,
        reg: &Reg,
        off: i32,
        size: u32,
        by_helper: bool,
    ) -> Judged<()> {
        let name = field.kind.shown();
        if by_helper {
            return Err(Finding::KptrByHelper { name }.into());
        }
        let Some(var) = reg.num.const_value() else { return Err(Finding::KptrVariable { name }.into()) };
        let at = i64::from(off).wrapping_add(var as i64);
        if at != i64::from(field.off) {
            return Err(Finding::KptrMisaligned { name, expected: field.off, off: at }.into());
        }
        if size != 8 {
            return Err(Finding::KptrSize { name }.into());
        }
        Ok(())
    }

    /// The pointer of a value that an access goes to, if it goes to one.
    pub(super) fn kptr_at(&self, reg: &Reg, off: i32) -> Option<Field> {
        let at = i64::from(off).wrapping_add(reg.num.const_value()? as i64);
        let fields = self.fields_of(reg.a);
        fields.all().iter().find(|f| f.kind.is_pointer() && i64::from(f.off) == at).copied()
    }

    /// Loads or stores a pointer of a value.
    pub(super) fn kptr_access(&mut self, field: &Field, into: Option<usize>) -> Judged<()> {
        self.known_pointee()?;
        let insn = self.insn(self.at);
        let held = matches!(field.kind, FieldKind::Kptr | FieldKind::PercpuKptr);
        match insn {
            Some(Insn::Load { signed: false, .. } | Insn::Store { .. }) => {}
            _ => return Err(Finding::KptrMode.into()),
        }
        if let Some(Insn::Store { src, .. }) = insn {
            if held {
                return Err(Finding::KptrHeldStore.into());
            }
            if field.kind == FieldKind::Uptr {
                return Err(Finding::UptrStore.into());
            }
            return self.store_kptr(field, src);
        }
        let Some(dst) = into else { return Err(Stop::Unknown(Feature::Internal)) };
        let loaded = self.loaded_kptr(field)?;
        *self.cur.reg_mut(dst) = loaded;
        Ok(())
    }

    fn loaded_kptr(&mut self, field: &Field) -> Judged<Reg> {
        let id = self.fresh_id();
        if field.kind == FieldKind::Uptr {
            let btf = self.types.btf(field.part).ok_or(Stop::Unknown(Feature::Internal))?;
            let size = btf.size_of(field.target).ok_or(Stop::Unknown(Feature::Internal))?;
            return Ok(Reg { a: size, id, ..Reg::pointer(Kind::Mem, Mods::MAYBE_NULL) });
        }
        let is_own = field.part == Part::PROGRAM;
        let is_safe = field.kind == FieldKind::PercpuKptr
            || field.kind == FieldKind::Kptr && (is_own || self.is_rcu_protected(field));
        let mut mods = Mods::MAYBE_NULL;
        if is_safe && self.in_rcu_section() {
            mods = mods.with(Mods::RCU);
            if field.kind == FieldKind::PercpuKptr {
                mods = mods.with(Mods::PERCPU);
            } else if is_own {
                mods = mods.with(Mods::ALLOC);
            }
            let is_node =
                |f: &&alloc::rc::Rc<super::fields::Fields>| f.all().iter().any(|f| f.kind.is_node());
            if is_own && self.objects.of(field.target).filter(is_node).is_some() {
                mods = mods.with(Mods::NON_OWN_REF);
            }
        } else {
            mods = mods.with(Mods::UNTRUSTED);
        }
        Ok(Reg { id, ..Reg::typed(field.part, field.target, mods) })
    }

    fn is_rcu_protected(&self, field: &Field) -> bool {
        let btf = self.types.btf(field.part);
        let name = btf.and_then(|b| b.ty(field.target)).map_or("", |t| t.name());
        self.model.is_rcu_protected(name)
    }

    fn store_kptr(&mut self, field: &Field, src: Operand) -> Judged<()> {
        match src {
            Operand::Imm(0) => Ok(()),
            Operand::Imm(_) => Err(Finding::KptrImmediate { off: field.off }.into()),
            Operand::Reg(src) => {
                let reg = *self.cur.reg(src.index());
                if reg.is_null() {
                    return self.mark_precise(src.index());
                }
                self.kptr_fits(field, &reg, src.index())
            }
        }
    }

    /// Whether the pointer in a register is one that a field can hold.
    pub(super) fn kptr_fits(&mut self, field: &Field, reg: &Reg, r: usize) -> Judged<()> {
        self.known_pointee()?;
        if reg.kind != Kind::BtfId {
            return Err(self.misfit(field, reg, r, ""));
        }
        let is_own = Part(reg.b) == Part::PROGRAM;
        let mut allowed = Mods::MAYBE_NULL;
        if is_own {
            allowed = allowed.with(Mods::ALLOC);
            if field.kind == FieldKind::PercpuKptr {
                allowed = allowed.with(Mods::PERCPU);
            }
        } else {
            allowed = allowed.with(Mods::TRUSTED).with(Mods::RCU);
            if field.kind == FieldKind::KptrUntrusted {
                allowed = allowed.with(Mods::UNTRUSTED);
            }
        }
        let percpu = field.kind == FieldKind::PercpuKptr;
        if reg.mods.without(allowed) != Mods::NONE || percpu != reg.mods.has(Mods::PERCPU) {
            return Err(self.misfit(field, reg, r, ""));
        }
        let name = self.types.name_of(reg).to_string();
        self.fixed_offset(reg, r)?;
        let unknown = Stop::Unknown(Feature::Internal);
        let has = self.types.btf(Part(reg.b)).ok_or(unknown.clone())?;
        let wants = self.types.btf(field.part).ok_or(unknown)?;
        let exact = field.kind != FieldKind::KptrUntrusted;
        let log = &mut self.log;
        let is_it =
            walk::matches((has, TypeId(reg.a), reg.off), (wants, field.target), (exact, true), |finding| {
                log.line(format_args!("{finding}\n"))
            });
        if is_it { Ok(()) } else { Err(self.misfit(field, reg, r, &name)) }
    }

    fn misfit(&self, field: &Field, reg: &Reg, r: usize, has: &str) -> Stop {
        let wants = self.types.btf(field.part).and_then(|b| b.ty(field.target)).map_or("", |t| t.name());
        let or = match field.kind {
            FieldKind::KptrUntrusted => {
                let untrusted = type_name(Kind::BtfId, Mods::UNTRUSTED);
                alloc::format!(" or {untrusted}{wants}")
            }
            _ => String::new(),
        };
        let (ty, wants) = (reg.type_name().into(), wants.into());
        Finding::KptrType { reg: r as u8, ty, has: has.into(), wants, or: or.into() }.into()
    }

    /// Where the exchange goes to, in the register of its first argument.
    pub(super) fn kptr_dest(&mut self, reg: &Reg, r: usize, seen: &mut Seen) -> Judged<()> {
        let number = r as u8;
        let fields = match reg.kind {
            Kind::MapValue => {
                if !self.is_typed(reg.a) {
                    let map = self.map_name(reg.a);
                    return Err(Finding::FieldMapUntyped { map, name: "bpf_kptr_xchg" }.into());
                }
                seen.map = Some((reg.a, reg.b));
                self.fields_of(reg.a)
            }
            _ => self.fields_of_object(reg),
        };
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::FieldOffsetVariable { reg: number, name: "kptr" }.into());
        };
        let is_kptr = |f: &&Field| f.kind.is_pointer() && f.kind != FieldKind::Uptr;
        if !fields.all().iter().any(|f| is_kptr(&f)) {
            return Err(Finding::KptrNone { reg: number }.into());
        }
        let off = reg.off.wrapping_add(var as i32);
        let at = fields.all().iter().filter(is_kptr).find(|f| i64::from(f.off) == i64::from(off));
        let Some(field) = at else { return Err(Finding::KptrNotAt { off }.into()) };
        if field.kind == FieldKind::KptrUntrusted {
            return Err(Finding::KptrNotHeld { off }.into());
        }
        seen.kptr = Some(*field);
        Ok(())
    }

    /// What goes in by exchange belongs to the value from then on.
    pub(super) fn give_to_value(&mut self, ref_id: u32) {
        let rcu = self.in_rcu_section();
        let percpu = Mods::ALLOC.with(Mods::PERCPU);
        self.cur.for_each_reg(
            |r| r.ref_id == ref_id,
            |r| {
                if rcu && r.mods.has(percpu) {
                    r.ref_id = 0;
                    r.mods = r.mods.without(Mods::ALLOC).with(Mods::RCU);
                } else {
                    *r = Reg::unknown();
                }
            },
        );
    }

    /// What comes out by exchange.
    pub(super) fn taken_kptr(&self, seen: &Seen, mods: Mods) -> Judged<Reg> {
        self.known_pointee()?;
        let field = seen.kptr.ok_or(Stop::Unknown(Feature::Internal))?;
        let mut mods = mods;
        if field.part == Part::PROGRAM {
            mods = mods.with(Mods::ALLOC);
            if field.kind == FieldKind::PercpuKptr {
                mods = mods.with(Mods::PERCPU);
            }
        }
        Ok(Reg::typed(field.part, field.target, mods))
    }
}
