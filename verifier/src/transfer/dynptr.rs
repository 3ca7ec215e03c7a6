//! Dynptrs: making them, what they are given to, and what destroys them.
//!
//! Rules: `process_dynptr_func`, `mark_stack_slots_dynptr`, `unmark_stack_slots_dynptr` and
//! `destroy_if_dynptr_stack_slot` of Linux 6.18. A dynptr is a 16-byte object on the stack that only
//! functions of the kernel read and write. A store into it destroys it, and with it the memory that
//! was given out of it; one over reserved ring buffer memory cannot be destroyed so. Callbacks get
//! dynptrs from the kernel that are constant.

use super::memory::{Value, Way};
use crate::explore::{Judged, Stop, Walker};
use crate::report::Finding;
use crate::state::{Byte, DYNPTR_SLOTS, DynptrType, Kind, Mods, Reg, Slot};
use crate::verdict::Feature;
use oxbpf_isa::kernel::{Arg, ArgFlags};

/// What a function wants of a dynptr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    /// Makes one, perhaps as a clone that shares a reference.
    New { ty: DynptrType, shares: u32 },
    /// Only looks at it; any, or one of a type.
    Constant(Option<DynptrType>),
    /// Changes it.
    Mutable(Option<DynptrType>),
}

/// A dynptr that was given to a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub id: u32,
    pub ty: DynptrType,
    pub ref_id: u32,
}

impl Wanted {
    /// What the argument of a helper wants.
    pub fn of(arg: &Arg) -> Wanted {
        let ty = if arg.flags.contains(ArgFlags::DYNPTR_LOCAL) {
            Some(DynptrType::Local)
        } else if arg.flags.contains(ArgFlags::DYNPTR_RINGBUF) {
            Some(DynptrType::Ringbuf)
        } else {
            None
        };
        match ty {
            Some(ty) if arg.flags.contains(ArgFlags::UNINIT) => Wanted::New { ty, shares: 0 },
            ty if arg.flags.contains(ArgFlags::RDONLY) => Wanted::Constant(ty),
            ty => Wanted::Mutable(ty),
        }
    }
}

/// Where on the stack an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Its first slot, which has the highest number.
    At(usize),
    /// In a part of the stack that was not used so far.
    Beyond,
}

impl Walker<'_> {
    /// The place of an object of so many slots.
    pub(super) fn object_place(&self, reg: &Reg, what: &'static str, slots: usize) -> Judged<Place> {
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::SlotVariable { what }.into());
        };
        let off = i64::from(reg.off).wrapping_add(var as i64) as i32;
        // As the kernel counts: offsets at the frame pointer and above give slot 0.
        let spi = (-i64::from(off) - 1) / 8;
        if off % 8 != 0 || spi + 1 < slots as i64 {
            return Err(Finding::SlotOffset { what, off }.into());
        }
        let spi = spi as usize;
        let allocated = self.cur.frames[reg.frame as usize].stack.len();
        Ok(if spi < allocated { Place::At(spi) } else { Place::Beyond })
    }

    fn dynptr_slot(&self, reg: &Reg, spi: usize) -> Slot {
        self.cur.frames[reg.frame as usize].stack[spi].clone()
    }

    /// Judges a dynptr that is an argument, and makes it where the function does.
    pub(super) fn dynptr_argument(&mut self, r: usize, wanted: Wanted) -> Judged<Option<Given>> {
        let reg = *self.cur.reg(r);
        let n = r - 1;
        if !matches!(reg.kind, Kind::Stack | Kind::Dynptr) || reg.mods != Mods::NONE {
            return Err(Finding::DynptrArgument { n }.into());
        }
        let ty = match wanted {
            Wanted::New { ty, shares } => {
                self.new_dynptr(r, &reg, ty, shares)?;
                return Ok(None);
            }
            Wanted::Mutable(_) if reg.kind == Kind::Dynptr => return Err(Finding::DynptrMutates.into()),
            Wanted::Constant(ty) | Wanted::Mutable(ty) => ty,
        };
        let Some(found) = self.dynptr_at(&reg)? else {
            return Err(Finding::DynptrNotInitialized { n }.into());
        };
        if let Some(ty) = ty
            && found.ty != ty
        {
            return Err(Finding::DynptrType { ty: ty.name(), n }.into());
        }
        if reg.kind == Kind::Stack
            && let Place::At(spi) = self.object_place(&reg, "dynptr", DYNPTR_SLOTS)?
        {
            self.object_read(reg.frame as usize, spi, DYNPTR_SLOTS);
        }
        Ok(Some(found))
    }

    /// The dynptr that a register is or points to; none where there is none.
    pub(super) fn dynptr_at(&mut self, reg: &Reg) -> Judged<Option<Given>> {
        if let Some(ty) = reg.dynptr_type() {
            return Ok(Some(Given { id: reg.id, ty, ref_id: reg.ref_id }));
        }
        let place = match self.object_place(reg, "dynptr", DYNPTR_SLOTS) {
            Ok(place) => place,
            Err(stop) => {
                self.say(&stop);
                return Ok(None);
            }
        };
        let Place::At(spi) = place else { return Ok(None) };
        let (upper, lower) = (self.dynptr_slot(reg, spi), self.dynptr_slot(reg, spi - 1));
        let whole = upper.bytes == [Byte::Dynptr; 8] && lower.bytes == [Byte::Dynptr; 8];
        if !whole || !upper.reg.is_first_of_dynptr() {
            return Ok(None);
        }
        let ty = upper.reg.dynptr_type().ok_or(Stop::Unknown(Feature::Internal))?;
        Ok(Some(Given { id: upper.reg.id, ty, ref_id: upper.reg.ref_id }))
    }

    /// Writes a finding to the log that another one follows.
    pub(super) fn say(&mut self, stop: &Stop) {
        if let Stop::Reject(finding) = stop
            && !self.log.goes_on()
        {
            self.log.line(format_args!("{finding}\n"));
        }
    }

    /// An object on the stack was looked at.
    pub(super) fn object_read(&mut self, frame: usize, spi: usize, slots: usize) {
        self.stack_live.ensure(&self.cur);
        for spi in spi + 1 - slots..=spi {
            self.stack_live.read(frame, 1 << spi);
            self.log.scratch_slot(frame == self.cur.curframe(), spi);
        }
    }

    fn new_dynptr(&mut self, r: usize, reg: &Reg, ty: DynptrType, shares: u32) -> Judged<()> {
        let place = match reg.kind {
            Kind::Stack => self.object_place(reg, "dynptr", DYNPTR_SLOTS),
            _ => Err(Finding::DynptrInitialized.into()),
        };
        if let Err(stop) = place {
            if reg.kind == Kind::Stack {
                self.say(&stop);
            }
            return Err(Finding::DynptrInitialized.into());
        }
        for off in [0, 8] {
            self.access(r, off, 8, Way::Write, Value::None, false, false)?;
        }
        let Place::At(spi) = self.object_place(reg, "dynptr", DYNPTR_SLOTS)? else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let frame = reg.frame as usize;
        self.destroy_dynptr(frame, spi)?;
        self.destroy_dynptr(frame, spi - 1)?;
        let id = self.fresh_id();
        let mut ref_id = 0;
        if ty.is_referenced() {
            ref_id = if shares != 0 { shares } else { self.acquire()? };
        }
        for (slot, first) in [(spi, true), (spi - 1, false)] {
            self.cur.frame_mut(frame).stack_mut()[slot] =
                Slot { bytes: [Byte::Dynptr; 8], reg: Reg { ref_id, ..Reg::dynptr(ty, first, id) }.into() };
        }
        self.object_written(frame, spi, DYNPTR_SLOTS);
        Ok(())
    }

    /// Slots of an object were surely written.
    pub(super) fn object_written(&mut self, frame: usize, spi: usize, slots: usize) {
        self.stack_live.ensure(&self.cur);
        for spi in spi + 1 - slots..=spi {
            self.stack_live.write(frame, 1 << spi);
        }
    }

    fn clear_dynptr(&mut self, frame: usize, spi: usize) {
        let stack = self.cur.frame_mut(frame).stack_mut();
        stack[spi] = Slot::invalid();
        stack[spi - 1] = Slot::invalid();
        self.object_written(frame, spi, DYNPTR_SLOTS);
    }

    /// A store destroys the dynptr that the slot is part of, if any.
    pub(super) fn destroy_dynptr(&mut self, frame: usize, spi: usize) -> Judged<()> {
        let Some(slot) = self.cur.frames[frame].stack.get(spi) else { return Ok(()) };
        if slot.bytes[0] != Byte::Dynptr {
            return Ok(());
        }
        let spi = if slot.reg.is_first_of_dynptr() { spi } else { spi + 1 };
        let Some(first) = self.cur.frames[frame].stack.get(spi).map(|s| *s.reg) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        if first.dynptr_type().is_some_and(DynptrType::is_referenced) {
            return Err(Finding::DynptrOverwrite.into());
        }
        let is_cur = frame == self.cur.curframe();
        self.log.scratch_slot(is_cur, spi);
        self.log.scratch_slot(is_cur, spi - 1);
        // Slices that carry the mark of their memory are not among them.
        let is_slice = |r: &Reg| r.kind == Kind::Mem && r.mods.without(Mods::MAYBE_NULL) == Mods::NONE;
        self.cur.for_each_reg(|r| is_slice(r) && r.b == first.id, |r| *r = Reg::unknown());
        self.clear_dynptr(frame, spi);
        Ok(())
    }

    /// Whether a dynptr on the stack holds a reference to be given back.
    pub(super) fn owned_dynptr(&mut self, reg: &Reg, r: usize) -> Judged<()> {
        if reg.kind != Kind::Stack {
            return Err(Finding::DynptrRelease.into());
        }
        let held = match self.object_place(reg, "dynptr", DYNPTR_SLOTS) {
            Ok(Place::At(spi)) => self.dynptr_slot(reg, spi).reg.ref_id,
            Ok(Place::Beyond) => 0,
            Err(stop) => {
                self.say(&stop);
                0
            }
        };
        if held == 0 {
            return Err(Finding::DynptrUnacquired { reg: r as u8 }.into());
        }
        Ok(())
    }

    /// The function that is called takes the dynptr away.
    pub(super) fn release_dynptr(&mut self, r: usize) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let frame = reg.frame as usize;
        let Place::At(spi) = self.object_place(&reg, "dynptr", DYNPTR_SLOTS)? else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let first = *self.cur.frames[frame].stack[spi].reg;
        if !first.dynptr_type().is_some_and(DynptrType::is_referenced) {
            self.clear_dynptr(frame, spi);
            return Ok(());
        }
        let ref_id = first.ref_id;
        if !self.drop_reference(ref_id)? && !self.rules.callbacks_share_references {
            return Err(Stop::Unknown(Feature::KernelVersion));
        }
        self.cur.for_each_reg(|reg| reg.ref_id == ref_id, |reg| *reg = Reg::unknown());
        for spi in 1..self.cur.frames[frame].stack.len() {
            let slot = &self.cur.frames[frame].stack[spi];
            if slot.reg.ref_id != ref_id {
                continue;
            }
            // What is left of a register that was overwritten.
            if slot.bytes[0] != Byte::Dynptr {
                return Err(Stop::Unknown(Feature::Internal));
            }
            if slot.reg.is_first_of_dynptr() {
                self.clear_dynptr(frame, spi);
            }
        }
        Ok(())
    }
}
