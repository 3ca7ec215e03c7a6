//! Keeping states, and ending paths that a kept state covers.
//!
//! Rules: `is_state_visited`, `clean_live_states`, `update_branch_counts` of Linux 6.18. A state is
//! kept where the control-flow walk said so, but only after two jumps and eight instructions since
//! the last, or wherever it is forced; within loops more rarely. One that covers nothing for long is
//! evicted. Keeping is what bounds the work, and what is kept when decides the counts.

use super::{Judged, Kept, Walker};
use crate::kfunc::Pause;
use crate::report::Finding;
use crate::state::{
    Access, Exact, Kind, Reg, Slot, State, StateId, iter_depths_differ, regs_exact, states_equal,
};
use crate::structure::Marks;
use alloc::rc::Rc;
use oxbpf_isa::insn::Insn;
use oxbpf_isa::program::ProgFlags;

impl Walker<'_> {
    /// Whether the path may end here; if not, the state may be kept.
    pub(super) fn is_seen(&mut self, at: u32) -> Judged<bool> {
        let marks = self.structure.marks[at as usize];
        let forced = self.program.flags.has(ProgFlags::TEST_STATE_FREQ)
            || marks.has(Marks::FORCE)
            || self.cur.history.len() > 40;
        let (jumps, insns) = (self.jumps - self.jumps_at_keep, self.stats.insns - self.insns_at_keep);
        let mut add = forced || jumps >= 2 && insns >= 8;
        self.clean_kept(at);
        let bucket = self.bucket(at);
        let mut count = 0u64;
        // Newest first.
        let mut i = self.buckets[bucket].len();
        while i > 0 {
            i -= 1;
            let id = self.buckets[bucket][i];
            count += 1;
            if self.state(id).insn != at {
                continue;
            }
            match self.compare(id, at, marks)? {
                Compared::Covers { unfinished } => {
                    self.take_over(id, at, unfinished)?;
                    return Ok(true);
                }
                Compared::InLoop => {
                    if !forced && jumps < 20 && insns < 100 {
                        add = false;
                    }
                }
                Compared::Differs => {}
            }
            let Some(kept) = self.kept[id as usize].as_mut() else { continue };
            kept.misses += add as u32;
            let patience = if marks.has(Marks::FORCE) && kept.state.branches > 0 { 64 } else { 3 };
            if kept.misses > kept.hits * patience + patience {
                kept.evicted = true;
                self.buckets[bucket].remove(i);
                self.free_list_size += 1;
                self.explored_size -= 1;
                self.free_if_done(id);
            }
        }
        self.stats.max_states_per_insn = self.stats.max_states_per_insn.max(count);
        if add {
            self.keep(at, bucket)?;
        }
        Ok(false)
    }

    /// Holds the current state against a kept one at the same instruction.
    fn compare(&mut self, id: StateId, at: u32, marks: Marks) -> Judged<Compared> {
        if self.state(id).branches == 0 {
            let unfinished = self.is_cycle_unfinished(id);
            let exact = if unfinished { Exact::RangeWithin } else { Exact::Not };
            return Ok(match self.covers(id, exact) {
                true => Compared::Covers { unfinished },
                false => Compared::Differs,
            });
        }
        let old = self.state(id);
        let frame = old.cur();
        if frame.in_async_callback && frame.async_entry != self.cur.cur().async_entry {
            return Ok(Compared::InLoop);
        }
        if matches!(self.kfuncs.pause(at as usize), Pause::IterNext) {
            let converged = self.covers(id, Exact::RangeWithin) && self.next_is_active();
            return Ok(if converged { Compared::Covers { unfinished: true } } else { Compared::InLoop });
        }
        if matches!(self.insn(at), Some(Insn::MayGoto { .. }))
            && self.state(id).may_goto_depth != self.cur.may_goto_depth
            && self.covers(id, Exact::RangeWithin)
        {
            return Ok(Compared::Covers { unfinished: true });
        }
        if marks.has(Marks::CALLS_BACK) {
            return Ok(match self.covers(id, Exact::RangeWithin) {
                true => Compared::Covers { unfinished: true },
                false => Compared::InLoop,
            });
        }
        if self.maybe_looping(id) && self.covers(id, Exact::Fully) {
            let old = self.state(id);
            if old.may_goto_depth == self.cur.may_goto_depth
                && old.callback_unroll_depth == self.cur.callback_unroll_depth
                && !iter_depths_differ(old, &self.cur)
            {
                self.log_infinite_loop(id, at);
                return Err(Finding::InfiniteLoop { insn: at }.into());
            }
        }
        Ok(Compared::InLoop)
    }

    fn covers(&mut self, id: StateId, exact: Exact) -> bool {
        let mut ids = core::mem::take(&mut self.ids);
        ids.reset(self.id_gen);
        let live = |insn: u32| self.graph.live[insn as usize];
        let kept = self.kept[id as usize].as_mut().expect("a kept state lives as long as it is referred to");
        let equal = states_equal(&kept.state, &self.cur, &mut ids, exact, live, &mut kept.differs);
        self.ids = ids;
        equal
    }

    /// A cheap look at whether the current state could be an exact repetition.
    fn maybe_looping(&self, id: StateId) -> bool {
        let old = self.state(id);
        if old.frames.len() != self.cur.frames.len() {
            return false;
        }
        let (a, b) = (&old.cur().regs, &self.cur.cur().regs);
        a.iter().zip(b).all(|(a, b)| {
            a.kind == b.kind
                && a.mods == b.mods
                && a.off == b.off
                && a.a == b.a
                && a.b == b.b
                && a.num == b.num
                // Ids are compared as they are, so a loop that takes a new one each time is not told.
                && a.id == b.id
                && a.ref_id == b.ref_id
        })
    }

    /// The path ends in a state that `id` covers: what mattered to it matters here.
    fn take_over(&mut self, id: StateId, at: u32, unfinished: bool) -> Judged<()> {
        if let Some(kept) = self.kept[id as usize].as_mut() {
            kept.hits += 1;
        }
        if self.structure.marks[at as usize].has(Marks::JUMP) {
            self.push_step(Access::default(), 0);
        }
        self.propagate_precision_to_cur(id)?;
        if unfinished {
            let mut end = self.cur.clone();
            end.equal = Some(id);
            end.insn = at;
            self.add_backedge(id, end);
        }
        Ok(())
    }

    fn keep(&mut self, at: u32, bucket: usize) -> Judged<()> {
        self.stats.total_states += 1;
        self.explored_size += 1;
        self.update_peak();
        self.jumps_at_keep = self.jumps;
        self.insns_at_keep = self.stats.insns;
        imprecise(&mut self.cur);
        let mut state = self.cur.clone();
        state.insn = at;
        let dfs_depth = state.dfs_depth;
        let kept = Kept { state, hits: 0, misses: 0, evicted: false, differs: None };
        let id = match self.free.pop() {
            Some(id) => {
                self.kept[id as usize] = Some(kept);
                id
            }
            None => {
                self.kept.push(Some(kept));
                self.kept.len() as StateId - 1
            }
        };
        self.enter_cycle(id);
        self.cur.parent = Some(id);
        self.cur.first_insn = at;
        self.cur.dfs_depth = dfs_depth + 1;
        self.cur.history.clear();
        self.step_open = false;
        self.buckets[bucket].push(id);
        Ok(())
    }

    pub(super) fn update_peak(&mut self) {
        let now = self.explored_size + self.free_list_size + self.backedge_count;
        self.stats.peak_states = self.stats.peak_states.max(now);
    }

    fn bucket(&self, at: u32) -> usize {
        let callsite = self.cur.cur().callsite;
        (at ^ callsite) as usize % self.buckets.len()
    }

    /// The newest state on the current path at an instruction.
    pub(crate) fn previous_entry(&self, from: &State, at: u32) -> Option<StateId> {
        let bucket = &self.buckets[self.bucket(at)];
        bucket.iter().rev().copied().find(|&id| {
            let old = self.state(id);
            old.insn == at && old.branches > 0 && old.same_callsites(from) && old.dfs_depth < from.dfs_depth
        })
    }

    /// As [`Self::previous_entry`], but beginning at an ancestor.
    pub(crate) fn previous_entry_of_parent(&self, at: u32) -> Option<StateId> {
        let parent = self.cur.parent?;
        let from = self.state(parent);
        let bucket = &self.buckets[self.bucket(at)];
        bucket.iter().rev().copied().find(|&id| {
            let old = self.state(id);
            old.insn == at && old.branches > 0 && old.same_callsites(from) && old.dfs_depth < from.dfs_depth
        })
    }

    /// Forgets what differs between the last visit and this where nothing depended on it, so that
    /// loops converge.
    pub(crate) fn widen(&mut self, old: StateId, state: &mut State) {
        let old = self.state(old);
        let mut ids = crate::state::Ids::default();
        ids.reset(self.id_gen);
        let widen = |o: &Reg, c: &mut Reg, ids: &mut crate::state::Ids| {
            if o.is_scalar() && c.is_scalar() && !o.precise && !c.precise && !regs_exact(o, c, ids) {
                *c = Reg::unknown();
            }
        };
        for (o, c) in old.frames.iter().zip(state.frames.iter_mut()) {
            let c = Rc::make_mut(c);
            for r in 0..10 {
                widen(&o.regs[r], &mut c.regs[r], &mut ids);
            }
            for (o, c) in o.stack.iter().zip(c.stack_mut()) {
                if o.is_spill() && c.is_spill() {
                    widen(&o.reg, &mut c.reg, &mut ids);
                }
            }
        }
    }

    /// Forgets registers and stack that are not read any more in states whose paths are finished.
    fn clean_kept(&mut self, at: u32) {
        let bucket = self.bucket(at);
        for i in 0..self.buckets[bucket].len() {
            let id = self.buckets[bucket][i];
            let old = self.state(id);
            if old.branches > 0 || old.insn != at || old.cleaned || !old.same_callsites(&self.cur) {
                continue;
            }
            if self.is_cycle_unfinished(id) {
                continue;
            }
            self.clean(id);
        }
    }

    fn clean(&mut self, id: StateId) {
        let frames = self.state(id).frames.len();
        self.state_mut(id).cleaned = true;
        let query = self.stack_live.query(
            &self.kept[id as usize].as_ref().expect("a kept state lives as long as it is referred to").state,
            &self.structure.marks,
        );
        for f in 0..frames {
            let state = self.state(id);
            let live = self.graph.live[state.frame_insn(f) as usize];
            let dead = !self.stack_live.alive(&query, f);
            // What is written is no longer shared with other states.
            let frame = &self.state(id).frames[f];
            let dead_regs = (0..10).filter(|&r| live >> r & 1 == 0 && frame.regs[r].kind != Kind::NotInit);
            let dead_regs: u16 = dead_regs.fold(0, |all, r| all | 1 << r);
            let is_dead = |(spi, slot): (usize, &Slot)| dead >> spi & 1 == 1 && *slot != Slot::invalid();
            let any_slot = frame.stack.iter().enumerate().any(is_dead);
            if dead_regs == 0 && !any_slot {
                continue;
            }
            let frame = self.state_mut(id).frame_mut(f);
            for r in 0..10 {
                if dead_regs >> r & 1 == 1 {
                    frame.regs[r] = Reg::not_init();
                }
            }
            if any_slot {
                for (spi, slot) in frame.stack_mut().iter_mut().enumerate() {
                    if dead >> spi & 1 == 1 {
                        *slot = Slot::invalid();
                    }
                }
            }
        }
    }

    /// A path from the current state is finished, and perhaps its parents with it.
    pub(super) fn finish_branches(&mut self) -> Judged<()> {
        self.cur.branches = self.cur.branches.saturating_sub(1);
        if self.cur.branches > 0 {
            return Ok(());
        }
        let mut next = self.cur.parent;
        while let Some(id) = next {
            let state = self.state_mut(id);
            state.branches = state.branches.saturating_sub(1);
            if state.branches > 0 {
                return Ok(());
            }
            self.exit_cycle(id)?;
            next = self.state(id).parent;
            self.free_if_done(id);
        }
        Ok(())
    }

    fn free_if_done(&mut self, id: StateId) {
        let done = self.kept[id as usize].as_ref().is_some_and(|k| k.evicted && k.state.branches == 0);
        if done {
            self.free_list_size -= 1;
            // Promises of unfinished loops name states by number; then none is given out again.
            if self.backedge_count == 0 {
                self.kept[id as usize] = None;
                self.free.push(id);
            }
        }
    }
}

enum Compared {
    Covers {
        unfinished: bool,
    },
    /// The kept state is on the current path.
    InLoop,
    Differs,
}

/// Forgets which scalars mattered.
pub(super) fn imprecise(state: &mut State) {
    state.for_each_reg(|r| r.precise, |r| r.precise = false);
}
