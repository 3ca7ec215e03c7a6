//! Locks in values and objects, and what may not be left or called while something is held.
//!
//! Rules: `process_spin_lock`, `acquire_lock_state`, `release_lock_state` and `check_resource_leak` of
//! Linux 6.18. A lock is told by where it is (a map, or the types its object belongs to) and by the
//! identity of the value or object. Locks are given back in the opposite order in which they were
//! taken. While one is held only its release may be called, and static functions of the program.

use crate::explore::{Judged, Stop, Walker};
use crate::helper::SPIN_UNLOCK;
use crate::kfunc::{Call, Kfunc, Special};
use crate::report::Finding;
use crate::state::{Held, Kind, LockKind, Mods, Reference, Reg};
use crate::verdict::Feature;
use alloc::string::String;
use alloc::vec::Vec;
use oxbpf_isa::insn::Callee;
use oxbpf_isa::kernel::{FieldKind, ProgType};

/// Where a program can end.
pub(super) const EXIT: &str = "BPF_EXIT instruction in main prog";
pub(super) const PACKET_LOAD: &str = "BPF_LD_[ABS|IND]";
pub(super) const THROW: &str = "bpf_throw";

/// Locks of objects, whose types the program brings, are all in one place.
const OBJECTS: u64 = u64::MAX;

impl Walker<'_> {
    /// Where the lock of a value or object is.
    pub(super) fn lock_place(&self, reg: &Reg) -> u64 {
        if reg.kind == Kind::MapValue { u64::from(reg.a) } else { OBJECTS }
    }

    /// Takes or gives back the lock that a register points to.
    pub(super) fn lock(&mut self, r: usize, reg: &Reg, kind: LockKind, take: bool) -> Judged<()> {
        let resilient = kind != LockKind::Spin;
        let lock = if resilient { "bpf_res_spin" } else { "bpf_spin" };
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::LockOffsetVariable { reg: r as u8, lock }.into());
        };
        let (place, what, name, fields) = match reg.kind {
            Kind::MapValue => {
                if self.map(reg.a).is_none() {
                    return Err(Stop::Unknown(Feature::Internal));
                }
                let name = self.map_name(reg.a);
                if !self.is_typed(reg.a) {
                    return Err(Finding::LockMapUntyped { map: name, lock }.into());
                }
                (u64::from(reg.a), "map", name, self.fields_of(reg.a))
            }
            Kind::BtfId => (OBJECTS, "local", String::from("kptr"), self.fields_of_object(reg)),
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

    /// A resilient lock, as argument `n`.
    pub(super) fn res_lock_argument(&mut self, n: usize, kfunc: &Kfunc<'_>) -> Judged<()> {
        let reg = *self.cur.reg(n + 1);
        let is_object = reg.kind == Kind::BtfId && reg.mods == Mods::ALLOC;
        if !is_object && (reg.kind != Kind::MapValue || reg.mods != Mods::NONE) {
            return Err(Finding::LockNotValue { n }.into());
        }
        let (kind, take) = match kfunc.special {
            Some(Special::ResSpinLock) => (LockKind::Res, true),
            Some(Special::ResSpinUnlock) => (LockKind::Res, false),
            Some(Special::ResSpinLockIrqsave) => (LockKind::ResIrq, true),
            Some(Special::ResSpinUnlockIrqrestore) => (LockKind::ResIrq, false),
            _ => return Err(Stop::Unknown(Feature::Internal)),
        };
        self.lock(n + 1, &reg, kind, take)
    }

    fn take_lock(&mut self, id: u32, place: u64, kind: LockKind) -> Judged<()> {
        let same = |r: &Reference| matches!(r.held, Held::Lock(k, p) if k != LockKind::Spin && p == place);
        if kind != LockKind::Spin && self.cur.refs.iter().any(|r| r.id == id && same(r)) {
            return Err(Finding::LockAgain.into());
        }
        self.hold(Reference { id, insn: self.at, held: Held::Lock(kind, place), callback: 0 })?;
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
        self.forget_lent();
        Ok(())
    }

    /// Whether this may be called while a lock is held.
    pub(super) fn callable_under_lock(&self, callee: Callee) -> Judged<()> {
        if self.cur.active_lock().is_none() {
            return Ok(());
        }
        match callee {
            Callee::Helper(id) if id != SPIN_UNLOCK => Err(Finding::CallUnderLock.into()),
            Callee::Kfunc { .. } if !self.kfunc_under_lock() => Err(Finding::CallUnderLock.into()),
            _ => Ok(()),
        }
    }

    /// Lists and trees, iterators over numbers and other locks are for the time a lock is held.
    fn kfunc_under_lock(&self) -> bool {
        let special = match self.kfuncs.at(self.at) {
            Call::Known(kfunc) => kfunc.special,
            Call::Forbidden { name, .. } => Special::named(name),
            Call::Absent | Call::Unknown(_) => None,
        };
        let more = |s: Special| self.rules.lock_allows_iterators && (s.is_lock() || s == Special::IterNum);
        special.is_some_and(|s| s.is_graph() || more(s))
    }

    /// Nothing may be held where the program can end. In functions of the program only sections
    /// count: what they hold is their callers' too.
    pub(super) fn nothing_left(&mut self, what: &'static str, sections: bool) -> Judged<()> {
        self.nothing_held(what, sections, self.cur.curframe() == 0)
    }

    /// The same, and whether objects count that are held.
    pub(super) fn nothing_held(&mut self, what: &'static str, sections: bool, objects: bool) -> Judged<()> {
        if !self.rules.ends_are_judged_as_one {
            return self.nothing_held_apart(what, sections, objects);
        }
        if sections && self.cur.active_lock().is_some() {
            return Err(Finding::LeftInSection { what, section: "bpf_spin_lock" }.into());
        }
        let given_back = match self.prog.prog_type {
            ProgType::StructOps if self.rules.callbacks_return_references => self.cur.reg(0).ref_id,
            _ => 0,
        };
        // What is returned belongs to the kernel again, if the callback returns such a thing.
        let held = |r: &Reference| r.is_object() && (r.id != given_back || given_back == 0);
        if objects && self.cur.refs.iter().any(held) {
            self.log_references(given_back);
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

    /// The same, each of them in its own words, and callbacks answer for what they acquired.
    fn nothing_held_apart(&mut self, what: &'static str, sections: bool, objects: bool) -> Judged<()> {
        let at_exit = what == EXIT;
        let is_load = what == PACKET_LOAD;
        let section = |section, missing: Finding| match at_exit {
            true => Stop::from(missing),
            false => Finding::LeftInSection { what, section }.into(),
        };
        let lock = sections && self.cur.active_lock().is_some();
        let left = match () {
            () if lock => Some(section("bpf_spin_lock", Finding::SpinUnlockMissing)),
            () if sections && self.cur.in_rcu => {
                Some(section("bpf_rcu_read_lock", Finding::RcuUnlockMissing))
            }
            () if sections && self.cur.preempt_off != 0 => {
                let count = self.cur.preempt_off;
                let verb = if count == 1 { " is" } else { "(s) are" };
                Some(section("bpf_preempt_disable", Finding::PreemptEnableMissing { count, verb }))
            }
            () => None,
        };
        // What is refused first decides the words only: calls and loads look for references early.
        if let Some(left) = left.clone().filter(|_| at_exit || lock && !is_load || what == THROW) {
            return Err(left);
        }
        let frame = self.cur.curframe();
        let is_callback = !objects && frame > 0 && self.cur.cur().in_callback;
        let held =
            |r: &&Reference| r.is_object() && (objects || is_callback && usize::from(r.callback) == frame);
        let held: Vec<Reference> = self.cur.refs.iter().filter(held).copied().collect();
        if let Some((last, others)) = held.split_last() {
            let finding = |r: &Reference| Finding::Unreleased { id: r.id, insn: r.insn };
            for other in others {
                self.log.line(format_args!("{}\n", finding(other)));
            }
            if at_exit || what == THROW {
                return Err(finding(last).into());
            }
            self.log.line(format_args!("{}\n", finding(last)));
            return Err(if is_load {
                Finding::LoadWithReference.into()
            } else {
                Finding::LeakAt { what }.into()
            });
        }
        left.map_or(Ok(()), Err)
    }

    /// Whether what RCU protects stays while the program is at this instruction.
    pub(crate) fn in_rcu_section(&self) -> bool {
        self.cur.in_rcu || !self.cur.in_sleepable || self.cur.active_lock().is_some()
    }
}
