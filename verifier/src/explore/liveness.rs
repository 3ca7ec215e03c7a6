//! Which stack slots may be read later, learned while walking.
//!
//! Rules: `kernel/bpf/liveness.c` of Linux 6.18. For each function as called along one chain of
//! calls, every instruction has a mask of slots that it may read and one of slots that it surely
//! writes, for each frame it can reach; they are noted when the walk executes it. Each time a path
//! ends, what is live before each instruction is computed anew for the functions on the path, and
//! handed on to their callers. The walk's order decides what is known when, so it is the kernel's.

use super::Walker;
use crate::log::Log;
use crate::state::{MAX_FRAMES, State};
use crate::structure::{Graph, Marks, Structure, Successors};
use alloc::vec;
use alloc::vec::Vec;
use hashbrown::HashMap;

#[derive(Clone, Copy, Debug, Default)]
struct Masks {
    may_read: u64,
    must_write: u64,
    /// Slots surely written on every way from here to the end of the function.
    must_write_all: u64,
    live: u64,
}

/// A function as called along one chain of calls.
#[derive(Debug)]
struct Instance {
    callsites: Vec<u32>,
    subprog: usize,
    start: u32,
    frames: Vec<Option<Vec<Masks>>>,
    write_seen: Vec<bool>,
    updated: bool,
    /// A mask of sure writes became smaller.
    dropped: bool,
}

impl Instance {
    fn masks(&self, frame: usize, insn: u32) -> Option<&Masks> {
        self.frames.get(frame)?.as_ref()?.get(insn.checked_sub(self.start)? as usize)
    }

    fn masks_mut(&mut self, frame: usize, insn: u32) -> Option<&mut Masks> {
        let count = self.write_seen.len();
        let at = insn.checked_sub(self.start)? as usize;
        self.frames.get_mut(frame)?.get_or_insert_with(|| vec![Masks::default(); count]).get_mut(at)
    }

    fn note_read(&mut self, frame: usize, insn: u32, slots: u64) {
        let Some(masks) = self.masks_mut(frame, insn) else { return };
        masks.may_read |= slots;
        // What is live already changes nothing.
        self.updated |= slots & !masks.live != 0;
    }

    fn note_writes(&mut self, insn: u32, writes: &[u64; MAX_FRAMES]) {
        let Some(seen) =
            insn.checked_sub(self.start).and_then(|at| self.write_seen.get(at as usize)).copied()
        else {
            return;
        };
        for (frame, &slots) in writes.iter().enumerate().take(self.frames.len()) {
            let mut slots = slots;
            if slots == 0 && !seen {
                continue;
            }
            let Some(masks) = self.masks_mut(frame, insn) else { continue };
            let old = masks.must_write;
            if seen {
                slots &= old;
            }
            masks.must_write = slots;
            self.updated |= old != slots;
            self.dropped |= old & !slots != 0;
        }
        self.write_seen[(insn - self.start) as usize] = true;
    }
}

/// What is known of the stack's liveness.
#[derive(Debug)]
pub(crate) struct StackLiveness {
    instances: Vec<Instance>,
    by_chain: HashMap<(Vec<u32>, usize), usize>,
    current: Option<usize>,
    insn: u32,
    writes: [u64; MAX_FRAMES],
    /// First and past-the-last slot of each function, and its part of the postorder.
    functions: Vec<(u32, u32, core::ops::Range<usize>)>,
}

/// The functions on a state's chain of calls, to ask about many slots.
pub(crate) struct Query {
    instances: Vec<Option<usize>>,
    /// Where each frame is, or goes on once the next returns.
    insns: Vec<u32>,
}

impl StackLiveness {
    pub fn new(structure: &Structure, graph: &Graph) -> StackLiveness {
        let functions = structure.subprogs.iter().enumerate().map(|(n, s)| {
            (s.start as u32, s.end as u32, graph.postorder_start[n]..graph.postorder_start[n + 1])
        });
        StackLiveness {
            instances: Vec::new(),
            by_chain: HashMap::new(),
            current: None,
            insn: 0,
            writes: [0; MAX_FRAMES],
            functions: functions.collect(),
        }
    }

    fn key(state: &State, frame: usize) -> (Vec<u32>, usize) {
        let callsites = state.frames[1..=frame].iter().map(|f| f.callsite).collect();
        (callsites, state.frames[frame].subprog as usize)
    }

    fn instance(&mut self, state: &State, frame: usize) -> usize {
        let key = Self::key(state, frame);
        if let Some(&found) = self.by_chain.get(&key) {
            return found;
        }
        let (start, end, _) = self.functions[key.1];
        self.instances.push(Instance {
            callsites: key.0.clone(),
            subprog: key.1,
            start,
            frames: vec![None; frame + 1],
            write_seen: vec![false; (end - start) as usize],
            updated: false,
            dropped: false,
        });
        self.by_chain.insert(key, self.instances.len() - 1);
        self.instances.len() - 1
    }

    /// An instruction begins.
    #[inline]
    pub fn begin(&mut self, insn: u32) {
        self.insn = insn;
        self.writes = [0; MAX_FRAMES];
    }

    /// The chain of calls has changed.
    pub fn reset_chain(&mut self) {
        self.current = None;
    }

    /// Makes the chain of calls of `state` the current one, if none is.
    #[inline]
    pub fn ensure(&mut self, state: &State) {
        if self.current.is_none() {
            self.current = Some(self.instance(state, state.curframe()));
        }
    }

    pub fn read(&mut self, frame: usize, slots: u64) {
        if let Some(current) = self.current {
            self.instances[current].note_read(frame, self.insn, slots);
        }
    }

    #[inline]
    pub fn write(&mut self, frame: usize, slots: u64) {
        self.writes[frame] |= slots;
    }

    /// An instruction is done. One that changed the chain of calls has written nothing.
    #[inline]
    pub fn commit(&mut self, _state: &State) {
        if let Some(current) = self.current {
            let writes = self.writes;
            self.instances[current].note_writes(self.insn, &writes);
        }
    }

    /// Brings the functions on the path up to date.
    fn finish(
        &mut self,
        state: &State,
        order: &[u32],
        successors: &[Successors],
        marks: &[Marks],
        log: &mut Log,
    ) {
        self.current = None;
        for frame in (0..state.frames.len()).rev() {
            let at = self.instance(state, frame);
            if !self.instances[at].updated {
                continue;
            }
            let order = &order[self.functions[self.instances[at].subprog].2.clone()];
            let instance = &mut self.instances[at];
            if instance.dropped {
                instance.frames.iter_mut().flatten().flatten().for_each(|m| m.must_write_all = 0);
            }
            let mut rounds = 0;
            loop {
                rounds += 1;
                let mut changed = false;
                for frame in 0..instance.frames.len() {
                    for &insn in order {
                        changed |= update(instance, frame, insn, successors, marks, log);
                    }
                }
                if !changed {
                    break;
                }
            }
            instance.updated = false;
            instance.dropped = false;
            log.stack_liveness(&instance.callsites, instance.start, rounds);
            if frame > 0 {
                let start = instance.start;
                let Some(&callsite) = instance.callsites.last() else { continue };
                let mut writes = [0; MAX_FRAMES];
                let mut reads = [0; MAX_FRAMES];
                for outer in 0..frame {
                    if let Some(masks) = instance.masks(outer, start) {
                        writes[outer] = masks.must_write_all;
                        reads[outer] = masks.live;
                    }
                }
                let outer = self.instance(state, frame - 1);
                for (of, &slots) in reads.iter().enumerate().take(frame) {
                    if slots != 0 {
                        self.instances[outer].note_read(of, callsite, slots);
                    }
                }
                self.instances[outer].note_writes(callsite, &writes);
            }
        }
    }

    pub fn query(&self, state: &State, marks: &[Marks]) -> Query {
        let count = state.frames.len();
        let instances = (0..count).map(|f| self.by_chain.get(&Self::key(state, f)).copied()).collect();
        let insns = (0..count).map(|f| {
            let insn = state.frame_insn(f);
            let calls_back = marks[insn as usize].has(Marks::CALLS_BACK);
            if f + 1 == count || calls_back { insn } else { insn + 1 }
        });
        Query { instances, insns: insns.collect() }
    }

    /// Whether a slot of a frame may be read from the state of the query on.
    pub fn is_alive(&self, query: &Query, frame: usize, spi: usize) -> bool {
        (frame..query.instances.len()).any(|f| {
            let masks = query.instances[f].and_then(|i| self.instances[i].masks(frame, query.insns[f]));
            masks.is_some_and(|m| m.live >> spi & 1 == 1)
        })
    }
}

/// Recomputes what is live before an instruction; whether that changed.
fn update(
    instance: &mut Instance,
    frame: usize,
    insn: u32,
    successors: &[Successors],
    marks: &[Marks],
    log: &mut Log,
) -> bool {
    if instance.frames[frame].is_none() {
        return false;
    }
    let next = successors[insn as usize].get();
    if next.is_empty() {
        return false;
    }
    let (mut after, mut all) = (0, u64::MAX);
    for &to in next {
        if let Some(masks) = instance.masks(frame, to) {
            after |= masks.live;
            all &= masks.must_write_all;
        }
    }
    let start = instance.start;
    let Some(masks) = instance.masks_mut(frame, insn) else { return false };
    let live = after & !masks.must_write | masks.may_read;
    let all = all | masks.must_write;
    let changed = live != masks.live || all != masks.must_write_all;
    let old = (masks.live, masks.must_write_all);
    masks.live = live;
    masks.must_write_all = all;
    let notable = masks.may_read != 0 || masks.must_write != 0 || insn == start;
    if log.verbose() && changed && (notable || marks[insn as usize].has(Marks::PRUNE)) {
        let place = (&instance.callsites[..], instance.start, frame, insn);
        log.mask_change(place, "live", old.0, live);
        log.mask_change(place, "written", old.1, all);
    }
    changed
}

impl Walker<'_> {
    pub(crate) fn finish_stack_liveness(&mut self) {
        let (order, successors) = (&self.graph.postorder, &self.graph.successors);
        self.stack_live.finish(&self.cur, order, successors, &self.structure.marks, &mut self.log);
    }
}
