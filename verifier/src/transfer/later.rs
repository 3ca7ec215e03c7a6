//! What runs later and on its own: timers, work queues, task work, and their callbacks.
//!
//! Rules: `process_timer_func`, `process_wq_func`, `process_task_work_func`, `push_async_cb` and
//! `set_timer_callback_state` of Linux 6.18. A callback that runs later is walked as a program of its
//! own that begins where it was set: it has a fresh stack, and nothing of the setter's state.

use super::args::Map;
use super::kfunc::Meta;
use crate::explore::{Judged, Stop, Walker, fresh_state};
use crate::report::{Errno, Finding};
use crate::state::{Kind, Mods, Reg};
use crate::verdict::Feature;
use alloc::rc::Rc;
use oxbpf_isa::kernel::FieldKind;

/// What a callback is called by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Later {
    /// A timer: not in a place that may sleep.
    Timer,
    /// A work queue: where it may sleep.
    Work,
    /// A task, as its own work: there too, and what it returns does not matter.
    Task,
}

impl Walker<'_> {
    /// Whether a register points to the timer, or other such field, of a map's value.
    pub(crate) fn later_field(&mut self, r: usize, reg: &Reg, kind: FieldKind) -> Judged<()> {
        let name = kind.shown();
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::FieldOffsetVariable { reg: r as u8, name }.into());
        };
        if self.map(reg.a).is_none() {
            return Err(Stop::Unknown(Feature::Internal));
        }
        if !self.is_typed(reg.a) {
            return Err(Finding::FieldMapUntyped { map: self.map_name(reg.a), name }.into());
        }
        let fields = self.fields_of(reg.a);
        let Some(field) = fields.get(kind) else {
            return Err(Finding::FieldMissing { map: self.map_name(reg.a), name }.into());
        };
        let off = (var as i64).wrapping_add(i64::from(reg.off));
        if off != i64::from(field.off) {
            return Err(Finding::FieldOffset { off, name, at: field.off }.into());
        }
        Ok(())
    }

    /// A work queue or a task's work, as argument `n`.
    pub(super) fn work_argument(&mut self, n: usize, kind: FieldKind, meta: &mut Meta) -> Judged<()> {
        let reg = *self.cur.reg(n + 1);
        if reg.kind != Kind::MapValue || reg.mods != Mods::NONE {
            return Err(Finding::WorkNotValue { n }.into());
        }
        self.later_field(n + 1, &reg, kind)?;
        meta.map = Some((reg.a, reg.b));
        Ok(())
    }

    /// The map that is given is not the one that the work lies in.
    pub(super) fn work_of_other_map(&self, reg: &Reg, of: Map) -> Judged<()> {
        let fields = self.fields_of(of.0);
        let what = match fields.get(FieldKind::Workqueue) {
            Some(_) => "workqueue pointer in R1",
            None => "bpf_task_work pointer in R2",
        };
        let with = if fields.has(FieldKind::Workqueue) { 2 } else { 3 };
        Err(Finding::WorkMap { what, uid: of.1, with, map: reg.b }.into())
    }

    /// A function of the program is called later, with the map, the key and the value.
    pub(crate) fn push_async(&mut self, subprog: Option<u32>, map: Option<Map>, by: Later) -> Judged<()> {
        let (Some(subprog), Some((map, uid))) = (subprog, map) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let regs = self.cur.cur().regs;
        self.look_at_call(subprog as usize, &regs);
        let function = &mut self.functions[subprog as usize];
        function.is_callback = true;
        function.is_async_callback = true;
        let mut state = fresh_state(subprog);
        state.in_sleepable = by != Later::Timer;
        let entry = self.cur.cur().async_entry + 1;
        let frame = Rc::make_mut(&mut state.frames[0]);
        frame.async_entry = entry;
        frame.in_async_callback = true;
        frame.callback_ret = if by == Later::Task { (i32::MIN, i32::MAX) } else { (0, 0) };
        for (r, kind) in [(1, Kind::MapPtr), (2, Kind::MapKey), (3, Kind::MapValue)] {
            frame.regs[r] = Reg { a: map, b: uid, ..Reg::pointer(kind, Mods::NONE) };
        }
        self.log.scratch_all();
        let start = self.structure.subprogs[subprog as usize].start as u32;
        let at = self.at;
        self.push_state(start, at, state, Errno::EFAULT)?;
        Ok(())
    }
}
