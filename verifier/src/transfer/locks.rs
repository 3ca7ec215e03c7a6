//! Locks in values and objects, and what may not be left or called while something is held.
//!
//! Rules: `process_spin_lock`, `acquire_lock_state`, `release_lock_state` and `check_resource_leak` of
//! Linux 6.18. A lock is told by where it is (a map, or the types its object belongs to) and by the
//! identity of the value or object. Locks are given back in the opposite order in which they were
//! taken. While one is held only its release may be called, and static functions of the program.

use crate::explore::{Judged, Stop, Walker};
use crate::report::Finding;
use crate::state::{Held, Kind, LockKind, Reference, Reg};
use crate::verdict::Feature;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use oxbpf_isa::insn::Callee;
use oxbpf_isa::kernel::FieldKind;

pub(super) const SPIN_LOCK: i32 = 93;
pub(super) const SPIN_UNLOCK: i32 = 94;

/// Locks of objects, whose types the program brings, are all in one place.
const OBJECTS: u64 = u64::MAX;

impl Walker<'_> {
    /// Takes or gives back the lock that a register points to.
    pub(super) fn lock(&mut self, r: usize, reg: &Reg, kind: LockKind, take: bool) -> Judged<()> {
        let resilient = kind != LockKind::Spin;
        let lock = if resilient { "bpf_res_spin" } else { "bpf_spin" };
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::LockOffsetVariable { reg: r as u8, lock }.into());
        };
        let (place, what, name, fields) = match reg.kind {
            Kind::MapValue => {
                let Some(map) = self.map(reg.a) else { return Err(Stop::Unknown(Feature::Internal)) };
                let name = map.name.to_string();
                if !self.is_typed(reg.a) {
                    return Err(Finding::LockMapUntyped { map: name, lock }.into());
                }
                (u64::from(reg.a), "map", name, self.fields_of(reg.a))
            }
            Kind::BtfId => (OBJECTS, "local", String::from("kptr"), self.fields_of_object(reg)?),
            _ => return Err(Stop::Unknown(Feature::Internal)),
        };
        let field = if resilient { FieldKind::ResSpinLock } else { FieldKind::SpinLock };
        let Some(field) = fields.get(field) else {
            return Err(Finding::LockMissing { what, name, lock }.into());
        };
        let off = (var as i64).wrapping_add(i64::from(reg.off));
        if off != i64::from(field.off) {
            return Err(Finding::LockOffset { off, lock, at: field.off }.into());
        }
        if take { self.take_lock(reg.id, place, kind) } else { self.give_lock(reg.id, place, kind, lock) }
    }

    fn take_lock(&mut self, id: u32, place: u64, kind: LockKind) -> Judged<()> {
        let same = |r: &Reference| matches!(r.held, Held::Lock(k, p) if k != LockKind::Spin && p == place);
        if kind != LockKind::Spin && self.cur.refs.iter().any(|r| r.id == id && same(r)) {
            return Err(Finding::LockAgain.into());
        }
        self.cur.refs.push(Reference { id, insn: self.at, held: Held::Lock(kind, place) });
        Ok(())
    }

    fn give_lock(&mut self, id: u32, place: u64, kind: LockKind, lock: &'static str) -> Judged<()> {
        let Some(&active) = self.cur.active_lock() else {
            return Err(Finding::UnlockNothing { lock }.into());
        };
        let held = Held::Lock(kind, place);
        let Some(at) = self.cur.refs.iter().position(|r| r.id == id && r.held == held) else {
            return Err(Finding::UnlockOther { lock }.into());
        };
        if active.id != id || !matches!(active.held, Held::Lock(_, p) if p == place) {
            return Err(Finding::UnlockOrder { lock }.into());
        }
        self.cur.refs.remove(at);
        self.forget_borrowed();
        Ok(())
    }

    /// What a call of this may do while a lock is held; whether a kfunc may be called is its own
    /// family's to say.
    pub(super) fn callable_under_lock(&self, callee: Callee) -> Judged<()> {
        if self.cur.active_lock().is_none() {
            return Ok(());
        }
        match callee {
            Callee::Helper(id) if id != SPIN_UNLOCK => Err(Finding::CallUnderLock.into()),
            _ => Ok(()),
        }
    }

    /// Nothing may be held where the program can end. In functions of the program only sections
    /// count: what they hold is their callers' too.
    pub(super) fn nothing_left(&mut self, what: &'static str, sections: bool) -> Judged<()> {
        if sections && self.cur.active_lock().is_some() {
            return Err(Finding::LeftInSection { what, section: "bpf_spin_lock" }.into());
        }
        if self.cur.curframe() == 0 && self.cur.holds_objects() {
            self.log_references();
            return Err(Finding::LeakAt { what }.into());
        }
        if !sections {
            return Ok(());
        }
        let section = if self.cur.irq_id != 0 {
            "bpf_local_irq_save"
        } else if self.cur.in_rcu {
            "bpf_rcu_read_lock"
        } else if self.cur.preempt_off != 0 {
            "bpf_preempt_disable"
        } else {
            return Ok(());
        };
        Err(Finding::LeftInSection { what, section }.into())
    }

    /// Whether what RCU protects stays while the program is at this instruction.
    pub(crate) fn in_rcu_section(&self) -> bool {
        self.cur.in_rcu || !self.cur.in_sleepable || self.cur.active_lock().is_some()
    }

    /// The special fields of the object that a register points to.
    pub(super) fn fields_of_object(&self, _reg: &Reg) -> Judged<Rc<super::fields::Fields>> {
        Err(Stop::Unknown(Feature::OwnedObjects))
    }

    /// Objects that the program does not own are lent only while their list or tree is locked.
    fn forget_borrowed(&mut self) {}
}
