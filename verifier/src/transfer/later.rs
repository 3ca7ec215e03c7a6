//! What runs later and on its own: timers, work queues, task work, and their callbacks.
//!
//! Rules: `process_timer_func`, `process_wq_func`, `process_task_work_func`, `push_async_cb` and
//! `set_timer_callback_state` of Linux 6.18. A callback that runs later is walked as a program of its
//! own that begins where it was set: it has a fresh stack, and nothing of the setter's state.

use super::args::Map;
use crate::explore::{Judged, Stop, Walker, fresh_state};
use crate::report::Finding;
use crate::state::{Kind, Mods, Reg};
use crate::verdict::Feature;
use alloc::rc::Rc;
use alloc::string::ToString;
use oxbpf_isa::kernel::FieldKind;

/// What a callback is called by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Later {
    /// A timer: not in a place that may sleep.
    Timer,
    /// A work queue or a task's own work: where it may sleep.
    Work,
}

impl Walker<'_> {
    /// Whether a register points to the timer, or other such field, of a map's value.
    pub(crate) fn later_field(&mut self, r: usize, reg: &Reg, kind: FieldKind) -> Judged<()> {
        let name = kind.shown();
        let Some(var) = reg.num.const_value() else {
            return Err(Finding::FieldOffsetVariable { reg: r as u8, name }.into());
        };
        let Some(map) = self.map(reg.a) else { return Err(Stop::Unknown(Feature::Internal)) };
        if !self.is_typed(reg.a) {
            return Err(Finding::FieldMapUntyped { map: map.name.to_string(), name }.into());
        }
        let fields = self.fields_of(reg.a);
        let Some(field) = fields.get(kind) else {
            return Err(Finding::FieldMissing { map: map.name.to_string(), name }.into());
        };
        let off = (var as i64).wrapping_add(i64::from(reg.off));
        if off != i64::from(field.off) {
            return Err(Finding::FieldOffset { off, name, at: field.off }.into());
        }
        Ok(())
    }

    /// A function of the program is called later, with the map, the key and the value.
    pub(crate) fn push_async(&mut self, subprog: Option<u32>, map: Option<Map>, by: Later) -> Judged<()> {
        let (Some(subprog), Some((map, uid))) = (subprog, map) else {
            return Err(Stop::Unknown(Feature::Internal));
        };
        let function = &mut self.functions[subprog as usize];
        function.is_callback = true;
        function.is_async_callback = true;
        let mut state = fresh_state(subprog);
        state.in_sleepable = by == Later::Work;
        let entry = self.cur.cur().async_entry + 1;
        let frame = Rc::make_mut(&mut state.frames[0]);
        frame.async_entry = entry;
        frame.in_async_callback = true;
        for (r, kind) in [(1, Kind::MapPtr), (2, Kind::MapKey), (3, Kind::MapValue)] {
            frame.regs[r] = Reg { a: map, b: uid, ..Reg::pointer(kind, Mods::NONE) };
        }
        self.log.scratch_all();
        let start = self.structure.subprogs[subprog as usize].start as u32;
        let at = self.at;
        self.push_state(start, at, state)?;
        Ok(())
    }
}
