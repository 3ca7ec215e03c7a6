//! Open-coded iterators: `bpf_iter_<type>_new`, `_next` and `_destroy`.
//!
//! Rules: `process_iter_arg`, `process_iter_next_call`, `mark_stack_slots_iter` and
//! `unmark_stack_slots_iter` of Linux 6.18. An iterator is an object on the stack that holds a
//! reference until it is destroyed. Advancing it splits the path: it is drained, or there is another
//! element, and then the loop may come back to the same place; where the state is the same but for
//! what nothing depended on, another round would find nothing new.

use super::dynptr::Place;
use super::kfunc::Meta;
use super::memory::{Value, Way};
use crate::explore::{Judged, Next, Stop, Walker};
use crate::kfunc::{Kfunc, Special};
use crate::report::{Errno, Finding};
use crate::state::{Byte, Kind, Mods, Reg, Slot};
use crate::types::Part;
use crate::verdict::Feature;
use alloc::string::{String, ToString};
use oxbpf_isa::btf::{Btf, Type, TypeId};
use oxbpf_isa::kernel::{AttachType, KfuncFlags, ProgType};

/// How types of iterators begin (Linux `ITER_PREFIX`).
const PREFIX: &str = "bpf_iter_";

/// The type of an iterator that a parameter points to.
struct IterType {
    id: TypeId,
    slots: usize,
    /// Without the prefix.
    name: String,
}

fn iter_type(btf: &Btf, kfunc: &Kfunc<'_>, n: usize) -> Option<IterType> {
    let (_, Type::Ptr(to)) = btf.resolved(kfunc.params().nth(n)?.ty)? else { return None };
    let (id, Type::Struct(s)) = btf.resolved(to)? else { return None };
    let name = s.name.strip_prefix(PREFIX)?;
    (!name.is_empty()).then(|| IterType { id, slots: (s.size / 8) as usize, name: name.to_string() })
}

impl Walker<'_> {
    /// Judges an iterator that is argument `n`.
    pub(super) fn iter_argument(&mut self, n: usize, kfunc: &Kfunc<'_>, meta: &mut Meta) -> Judged<()> {
        let r = n + 1;
        let reg = *self.cur.reg(r);
        if kfunc.special == Some(Special::IterCssTaskNew) && !self.may_iterate_css_tasks() {
            return Err(Finding::IterCssTask.into());
        }
        if reg.kind != Kind::Stack {
            return Err(Finding::IterNotStack { n }.into());
        }
        let btf = self.btf_of(kfunc)?;
        let Some(ty) = iter_type(btf, kfunc, n) else { return Err(Finding::IterType { n }.into()) };
        if kfunc.has(KfuncFlags::ITER_NEW) {
            return self.start_iter(r, &reg, kfunc, &ty);
        }
        let spi = match self.started_iter(&reg, kfunc.part, &ty) {
            Ok(Some(spi)) => spi,
            Ok(None) => return Err(Finding::IterNotInitialized { name: ty.name, n }.into()),
            Err(Stop::Reject(finding)) if matches!(*finding, Finding::IterRcu { .. }) => {
                return Err(Finding::IterRcu { name: kfunc.name.to_string() }.into());
            }
            Err(stop) => {
                self.say(&stop);
                return Err(match stop {
                    Stop::Reject(_) => Finding::IterNotInitialized { name: ty.name, n }.into(),
                    unknown => unknown,
                });
            }
        };
        let frame = reg.frame as usize;
        self.object_read(frame, spi, ty.slots);
        meta.iter = Some((frame, spi));
        meta.ref_id = self.cur.frames[frame].stack[spi].reg.ref_id;
        if kfunc.has(KfuncFlags::ITER_DESTROY) {
            self.end_iter(frame, spi, ty.slots)?;
        }
        Ok(())
    }

    /// The iterator over the tasks of a cgroup's subsystem could deadlock in other programs (Linux
    /// `check_css_task_iter_allowlist`).
    fn may_iterate_css_tasks(&self) -> bool {
        match self.prog.prog_type {
            ProgType::Lsm => true,
            ProgType::Tracing if self.kind.attach_type == AttachType::TraceIter => true,
            _ => self.cur.in_sleepable,
        }
    }

    fn start_iter(&mut self, r: usize, reg: &Reg, kfunc: &Kfunc<'_>, ty: &IterType) -> Judged<()> {
        let in_use = || Stop::from(Finding::IterInitialized { name: ty.name.clone(), n: r - 1 });
        let frame = reg.frame as usize;
        match self.object_place(reg, "iter", ty.slots) {
            Err(stop) => {
                self.say(&stop);
                return Err(in_use());
            }
            Ok(Place::At(spi)) => {
                let slots = &self.cur.frames[frame].stack[spi + 1 - ty.slots..=spi];
                if slots.iter().any(|s| s.bytes.contains(&Byte::Iter)) {
                    return Err(in_use());
                }
            }
            Ok(Place::Beyond) => {}
        }
        for n in 0..ty.slots {
            self.access(r, 8 * n as i32, 8, Way::Write, Value::None, false, false)?;
        }
        let Place::At(spi) = self.object_place(reg, "iter", ty.slots)? else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let ref_id = self.acquire()?;
        let mods = match (kfunc.has(KfuncFlags::RCU_PROTECTED), self.in_rcu_section()) {
            (false, _) => Mods::NONE,
            (true, true) => Mods::RCU,
            (true, false) => Mods::UNTRUSTED,
        };
        let is_cur = frame == self.cur.curframe();
        for n in 0..ty.slots {
            let held = if n == 0 { ref_id } else { 0 };
            let reg = Reg::iter(kfunc.part, ty.id, mods, held);
            self.cur.frame_mut(frame).stack_mut()[spi - n] = Slot { bytes: [Byte::Iter; 8], reg: reg.into() };
            self.log.scratch_slot(is_cur, spi - n);
        }
        self.object_written(frame, spi, ty.slots);
        Ok(())
    }

    /// Where the iterator is, if it was started.
    fn started_iter(&self, reg: &Reg, part: Part, ty: &IterType) -> Judged<Option<usize>> {
        let Place::At(spi) = self.object_place(reg, "iter", ty.slots)? else { return Ok(None) };
        let stack = &self.cur.frames[reg.frame as usize].stack;
        for n in 0..ty.slots {
            let slot = &stack[spi - n];
            if slot.reg.mods.has(Mods::UNTRUSTED) {
                return Err(Finding::IterRcu { name: String::new() }.into());
            }
            let is_part = slot.bytes == [Byte::Iter; 8]
                && (slot.reg.ref_id != 0) == (n == 0)
                && slot.reg.a == ty.id.0
                && slot.reg.b == part.0;
            if !is_part {
                return Ok(None);
            }
        }
        Ok(Some(spi))
    }

    fn end_iter(&mut self, frame: usize, spi: usize, slots: usize) -> Judged<()> {
        let ref_id = self.cur.frames[frame].stack[spi].reg.ref_id;
        if !self.drop_reference(ref_id)? && !self.rules.callbacks_share_references {
            return Err(Stop::Unknown(Feature::KernelVersion));
        }
        self.cur.for_each_reg(|reg| reg.ref_id == ref_id, |reg| *reg = Reg::unknown());
        let is_cur = frame == self.cur.curframe();
        for n in 0..slots {
            self.cur.frame_mut(frame).stack_mut()[spi - n] = Slot::invalid();
            self.log.scratch_slot(is_cur, spi - n);
        }
        self.object_written(frame, spi, slots);
        Ok(())
    }

    /// The iterator was advanced: this path goes on with none left, another with one more element.
    pub(super) fn iter_next(&mut self, meta: &Meta) -> Judged<Next> {
        let Some((frame, spi)) = meta.iter else { return Err(Stop::Unknown(Feature::Internal)) };
        let at = self.at;
        if self.cur.frames[frame].stack[spi].reg.iter_is_active() {
            let previous = self.previous_entry_of_parent(at);
            let mut other = self.cur.clone();
            other.frame_mut(frame).stack_mut()[spi].reg.advance_iter();
            if let Some(previous) = previous {
                self.widen(previous, &mut other);
            }
            let r0 = other.reg_mut(0);
            r0.mods = r0.mods.without(Mods::MAYBE_NULL);
            self.push_state(at + 1, at, other, Errno::ENOMEM)?;
        }
        self.cur.frame_mut(frame).stack_mut()[spi].reg.drain_iter();
        *self.cur.reg_mut(0) = Reg::known(0);
        Ok(Next::Straight)
    }

    /// Whether the iterator that the instruction at hand advances can have more elements.
    pub(crate) fn next_is_active(&self) -> bool {
        let reg = self.cur.reg(1);
        let Some(var) = reg.num.const_value() else { return false };
        let off = i64::from(reg.off) + var as i64;
        let slot = usize::try_from((-off - 1) / 8).ok();
        let slot = slot.and_then(|spi| self.cur.frames[reg.frame as usize].stack.get(spi));
        slot.is_some_and(|s| s.reg.iter_is_active())
    }
}
