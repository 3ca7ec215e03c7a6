//! Sections that programs enter and leave: RCU readers, preemption or interrupts switched off.
//!
//! Rules: the sections of `check_kfunc_call`, `process_irq_flag`, `acquire_irq_state` and
//! `release_irq_state` of Linux 6.18. RCU sections do not nest, preemption counts, and the state of
//! the interrupts is kept in a slot of the stack and given back in the opposite order.

use super::dynptr::Place;
use super::memory::{Value, Way};
use crate::explore::{Judged, Stop, Walker};
use crate::kfunc::{Kfunc, Special};
use crate::report::Finding;
use crate::state::{Byte, Held, Kind, Mods, Reference, Reg, Slot};
use crate::verdict::Feature;
use alloc::rc::Rc;
use alloc::string::ToString;
use oxbpf_isa::kernel::KfuncFlags;

/// What the slot of saved interrupts is called.
const IRQ_FLAG: &str = "irq_flag";

impl Walker<'_> {
    /// What a helper that may sleep breaks, as the kernel names it.
    pub(super) fn atomic_section(&self) -> Option<&'static str> {
        if self.cur.in_rcu {
            Some("rcu_read_lock")
        } else if self.cur.preempt_off != 0 {
            Some("non-preemptible")
        } else if self.cur.irq_id != 0 {
            Some("IRQ-disabled")
        } else {
            None
        }
    }

    /// Whether what may sleep may be called at all.
    pub(super) fn may_sleep(&self) -> bool {
        self.cur.in_sleepable && self.atomic_section().is_none()
    }

    /// What a kernel function does to the sections, and what it may not do in them.
    pub(super) fn sections(&mut self, kfunc: &Kfunc<'_>) -> Judged<()> {
        let name = || kfunc.name.to_string();
        let sleeps = kfunc.has(KfuncFlags::SLEEPABLE);
        let (lock, unlock) = match kfunc.special {
            Some(Special::RcuReadLock) => (true, false),
            Some(Special::RcuReadUnlock) => (false, true),
            _ => (false, false),
        };
        if self.cur.in_rcu {
            if self.in_less() && (lock || unlock) {
                return Err(Finding::RcuInLess.into());
            }
            if lock {
                return Err(Finding::RcuNested { name: name() }.into());
            }
            if unlock {
                self.leave_rcu();
            } else if sleeps {
                return Err(Finding::SleepsIn { name: name(), section: "rcu_read_lock" }.into());
            }
        } else if lock {
            self.cur.in_rcu = true;
        } else if unlock {
            return Err(Finding::RcuUnmatched { name: name() }.into());
        }
        match kfunc.special {
            Some(Special::PreemptDisable) => self.cur.preempt_off += 1,
            Some(Special::PreemptEnable) if self.cur.preempt_off == 0 => {
                return Err(Finding::PreemptUnmatched { name: name() }.into());
            }
            Some(Special::PreemptEnable) => self.cur.preempt_off -= 1,
            _ if sleeps && self.cur.preempt_off != 0 => {
                return Err(Finding::SleepsIn { name: name(), section: "non-preemptible" }.into());
            }
            _ => {}
        }
        if self.cur.irq_id != 0 && sleeps {
            return Err(Finding::SleepsIn { name: name(), section: "IRQ-disabled" }.into());
        }
        Ok(())
    }

    /// What RCU protected may be gone.
    fn leave_rcu(&mut self) {
        let lose = |r: &mut Reg| {
            r.mods = r.mods.without(Mods::RCU).without(Mods::MAYBE_NULL).with(Mods::UNTRUSTED);
        };
        self.cur.for_each_reg(|r| r.mods.has(Mods::RCU), lose);
        for frame in &mut self.cur.frames {
            let of = |s: &Slot| s.bytes[0] == Byte::Iter && s.reg.mods.has(Mods::RCU);
            if frame.stack.iter().any(of) {
                let stack = Rc::make_mut(frame).stack_mut();
                stack.iter_mut().filter(|s| of(s)).for_each(|s| lose(&mut s.reg));
            }
        }
        self.cur.in_rcu = false;
    }

    /// The slot of the stack that interrupts are saved in, as argument `n`.
    pub(super) fn irq_argument(&mut self, n: usize, kfunc: &Kfunc<'_>) -> Judged<()> {
        let r = n + 1;
        let reg = *self.cur.reg(r);
        if reg.kind != Kind::Stack {
            return Err(Finding::IrqNotStack { n }.into());
        }
        let by_lock =
            matches!(kfunc.special, Some(Special::ResSpinLockIrqsave | Special::ResSpinUnlockIrqrestore));
        match kfunc.special {
            Some(Special::LocalIrqSave | Special::ResSpinLockIrqsave) => self.save_irq(n, &reg, by_lock),
            _ => self.restore_irq(n, &reg, by_lock),
        }
    }

    fn irq_place(&mut self, reg: &Reg) -> Option<Place> {
        match self.object_place(reg, IRQ_FLAG, 1) {
            Ok(place) => Some(place),
            Err(stop) => {
                self.say(&stop);
                None
            }
        }
    }

    fn save_irq(&mut self, n: usize, reg: &Reg, by_lock: bool) -> Judged<()> {
        let frame = reg.frame as usize;
        let is_free = match self.irq_place(reg) {
            None => false,
            Some(Place::Beyond) => true,
            Some(Place::At(spi)) => {
                let slot = self.cur.frames[frame].stack.get(spi);
                slot.is_none_or(|s| !s.bytes.contains(&Byte::Irq))
            }
        };
        if !is_free {
            return Err(Finding::IrqInUse { n }.into());
        }
        self.access(n + 1, 0, 8, Way::Write, Value::None, false, false)?;
        let Place::At(spi) = self.object_place(reg, IRQ_FLAG, 1)? else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let id = self.fresh_id();
        self.hold(Reference { id, insn: self.at, held: Held::Irq, callback: 0 })?;
        self.cur.irq_id = id;
        let held = Reg { ref_id: id, b: u32::from(by_lock), ..Reg::pointer(Kind::Stack, Mods::NONE) };
        self.cur.frame_mut(frame).stack_mut()[spi] = Slot { bytes: [Byte::Irq; 8], reg: held.into() };
        self.log.scratch_slot(frame == self.cur.curframe(), spi);
        self.object_written(frame, spi, 1);
        Ok(())
    }

    fn restore_irq(&mut self, n: usize, reg: &Reg, by_lock: bool) -> Judged<()> {
        let frame = reg.frame as usize;
        let spi = match self.irq_place(reg) {
            Some(Place::At(spi)) => Some(spi),
            _ => None,
        };
        let slot = spi.and_then(|spi| Some((spi, self.cur.frames[frame].stack.get(spi)?.clone())));
        let Some((spi, slot)) = slot.filter(|(_, s)| s.reg.ref_id != 0 && s.bytes == [Byte::Irq; 8]) else {
            return Err(Finding::IrqNotSaved { n }.into());
        };
        self.object_read(frame, spi, 1);
        let saved_by_lock = slot.reg.b != 0;
        if saved_by_lock != by_lock {
            let word = |lock: bool| if lock { "lock" } else { "native" };
            return Err(Finding::IrqKind { saved: word(saved_by_lock), by: word(by_lock) }.into());
        }
        let id = slot.reg.ref_id;
        if id != self.cur.irq_id {
            let id = self.cur.irq_id;
            let insn = self.cur.refs.iter().find(|r| r.id == id).map_or(0, |r| r.insn);
            return Err(Finding::IrqOrder { id, insn }.into());
        }
        let (mut before, mut found) = (0, None);
        for (at, held) in self.cur.refs.iter().enumerate().filter(|(_, r)| r.held == Held::Irq) {
            if held.id == id {
                found = Some(at);
                break;
            }
            before = held.id;
        }
        let at = found.ok_or(Stop::Unknown(Feature::Internal))?;
        self.cur.refs.remove(at);
        self.cur.irq_id = before;
        self.cur.frame_mut(frame).stack_mut()[spi] = Slot::invalid();
        self.log.scratch_slot(frame == self.cur.curframe(), spi);
        self.object_written(frame, spi, 1);
        Ok(())
    }
}
