//! Lists and trees of objects: who owns a node, and what is lent.
//!
//! Rules: `__process_kf_arg_ptr_to_graph_root`, `__process_kf_arg_ptr_to_graph_node`,
//! `ref_convert_owning_non_owning`, `ref_set_non_owning`, `invalidate_non_owning_refs` and
//! `set_rbtree_add_callback_state` of Linux 6.18. The lock that lies beside the root must be held. A
//! node that is put in belongs to the root from then on, and what the program still has of it is lent
//! to it until the lock is given back.

use super::fields::Field;
use super::kfunc::Meta;
use crate::explore::{Judged, Stop, Walker};
use crate::kfunc::{Call, Kfunc, Special};
use crate::report::Finding;
use crate::state::{Held, Kind, Mods, Reg};
use crate::types::{Part, walk};
use crate::verdict::Feature;
use alloc::string::ToString;
use oxbpf_isa::btf::TypeId;
use oxbpf_isa::kernel::FieldKind;

impl Walker<'_> {
    /// Whether the function at hand compares the nodes of a tree.
    pub(super) fn in_less(&self) -> bool {
        let frame = self.cur.cur();
        let is_add = |call| matches!(call, Call::Known(k) if k.special == Some(Special::RbtreeAdd));
        frame.in_callback && self.cur.curframe() > 0 && is_add(self.kfuncs.at(frame.callsite))
    }

    /// The root of a list or tree, as argument `n`.
    pub(super) fn root_argument(&mut self, n: usize, kind: FieldKind, meta: &mut Meta) -> Judged<()> {
        let reg = *self.cur.reg(n + 1);
        let name = kind.shown();
        let is_object = reg.kind == Kind::BtfId && reg.mods == Mods::ALLOC;
        if !is_object && (reg.kind != Kind::MapValue || reg.mods != Mods::NONE) {
            return Err(Finding::NotValueOrObject { n }.into());
        }
        if is_object && reg.ref_id == 0 {
            return Err(Finding::ObjectNotOwned.into());
        }
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::FieldOffsetVariable { reg: n as u8 + 1, name }.into());
        };
        let off = (reg.off as u32).wrapping_add(var as u32);
        let fields = self.fields_behind(&reg).unwrap_or_default();
        let Some(root) = fields.all().iter().find(|f| f.kind == kind && f.off == off) else {
            return Err(Finding::FieldNotAt { name, off }.into());
        };
        self.same_place_locked(&reg, name)?;
        if meta.root.is_some() {
            return Err(Stop::Unknown(Feature::Internal));
        }
        meta.root = Some(*root);
        Ok(())
    }

    /// Whether the lock of the value or object that a register points to is held.
    fn same_place_locked(&mut self, reg: &Reg, name: &'static str) -> Judged<()> {
        let place = self.lock_place(reg);
        let is_held = |held: Held| matches!(held, Held::Lock(_, p) if p == place);
        if self.cur.active_lock().is_some() {
            if self.cur.refs.iter().any(|r| r.id == reg.id && is_held(r.held)) {
                return Ok(());
            }
            self.log.line(format_args!("held lock and object are not in the same allocation\n"));
        }
        let fields = self.fields_behind(reg).unwrap_or_default();
        let off = fields.get(FieldKind::SpinLock).map_or(-22, |f| f.off as i32);
        Err(Finding::RootNotLocked { off, name }.into())
    }

    /// A node of a list or tree, as argument `n`.
    pub(super) fn node_argument(
        &mut self,
        n: usize,
        kind: FieldKind,
        kfunc: &Kfunc<'_>,
        meta: &mut Meta,
    ) -> Judged<()> {
        let reg = *self.cur.reg(n + 1);
        let name = kind.shown();
        let lent = reg.kind == Kind::BtfId && reg.mods.has(Mods::ALLOC.with(Mods::NON_OWN_REF));
        if kind == FieldKind::ListNode || kfunc.special == Some(Special::RbtreeAdd) {
            if reg.kind != Kind::BtfId || reg.mods != Mods::ALLOC {
                return Err(Finding::NotObject { n }.into());
            }
            if reg.ref_id == 0 {
                return Err(Finding::ObjectNotOwned.into());
            }
        } else {
            let names = self.rules.names_graph_functions;
            let name = || if names { kfunc.name } else { "rbtree_remove" }.to_string();
            let is_held = if names { lent || reg.ref_id != 0 } else { lent && reg.ref_id == 0 };
            if !is_held {
                return Err(match names {
                    true => Finding::NodeNotHeld { name: name() }.into(),
                    false => Finding::NodeNotLent.into(),
                });
            }
            if self.in_less() {
                return Err(Finding::NotInLess { name: name() }.into());
            }
        }
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::FieldOffsetVariable { reg: n as u8 + 1, name }.into());
        };
        let off = (reg.off as u32).wrapping_add(var as u32);
        let fields = self.fields_behind(&reg).unwrap_or_default();
        if !fields.all().iter().any(|f| f.kind == kind && f.off == off) {
            return Err(Finding::FieldNotAt { name, off }.into());
        }
        let Some(root) = meta.root else { return Err(Stop::Unknown(Feature::Internal)) };
        self.node_fits(&reg, off, &root, name)?;
        meta.object = Some((reg.b, reg.a));
        Ok(())
    }

    fn node_fits(&mut self, reg: &Reg, off: u32, root: &Field, node: &'static str) -> Judged<()> {
        let unknown = Stop::Unknown(Feature::Internal);
        let own = self.types.btf(Part::PROGRAM).ok_or(unknown.clone())?;
        let of = self.types.btf(Part(reg.b)).ok_or(unknown)?;
        let expected = own.ty(root.target).map_or("", |t| t.name()).to_string();
        if !walk::same_type(of, TypeId(reg.a), own, root.target) {
            let has = self.types.name_of(reg).to_string();
            let (root, at) = (root.kind.shown(), root.node_off);
            return Err(Finding::NodeOfOther { root, node, at, expected, off, has }.into());
        }
        if off != root.node_off {
            return Err(Finding::OtherNode { off, node, at: root.node_off, expected }.into());
        }
        Ok(())
    }

    /// A node of what a root is made of.
    pub(super) fn graph_node(&self, root: &Field) -> Reg {
        Reg { off: root.node_off as i32, ..Reg::typed(Part::PROGRAM, root.target, Mods::ALLOC) }
    }

    /// The same, lent to the program.
    pub(super) fn lend(&self, reg: &mut Reg) {
        reg.mods = reg.mods.with(Mods::NON_OWN_REF);
        if self.objects.of_reg(reg).is_some_and(|f| f.has(FieldKind::Refcount)) {
            reg.mods = reg.mods.with(Mods::RCU);
        }
    }

    /// The node in R2 belongs to the root now.
    pub(super) fn give_to_root(&mut self) -> Judged<()> {
        let ref_id = self.cur.reg(2).ref_id;
        let held = self.cur.refs.iter().position(|r| r.is_object() && r.id == ref_id);
        let held = held.ok_or(Stop::Unknown(Feature::Internal))?;
        if !self.may_drop(&self.cur.refs[held])? {
            return Err(Stop::Unknown(Feature::KernelVersion));
        }
        let objects = core::mem::take(&mut self.objects);
        self.cur.for_each_reg(
            |r| r.ref_id == ref_id,
            |r| {
                r.ref_id = 0;
                r.mods = r.mods.with(Mods::NON_OWN_REF);
                if objects.of_reg(r).is_some_and(|f| f.has(FieldKind::Refcount)) {
                    r.mods = r.mods.with(Mods::RCU);
                }
            },
        );
        self.objects = objects;
        self.cur.refs.remove(held);
        Ok(())
    }

    /// The lock is given back: what was lent may be gone.
    pub(super) fn forget_lent(&mut self) {
        let lent = Mods::ALLOC.with(Mods::NON_OWN_REF);
        self.cur.for_each_reg(|r| r.kind == Kind::BtfId && r.mods.has(lent), |r| *r = Reg::unknown());
    }

    /// The function that compares is called with two nodes of the tree, for as long as it takes.
    pub(super) fn push_less(&mut self, meta: &Meta) -> Judged<()> {
        let (Some(root), Some(subprog)) = (meta.root, meta.subprog) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let mut node = self.graph_node(&root);
        self.lend(&mut node);
        self.push_sync(subprog as usize, |frame, _| {
            frame.regs[1] = node;
            frame.regs[2] = node;
        })
    }
}
