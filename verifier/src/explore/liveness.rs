//! Which stack slots may be read later, learned while walking.
//!
//! Rules: `kernel/bpf/liveness.c` of Linux 6.18. For each function as called along one chain of
//! calls, every instruction has a mask of slots that it may read and one of slots that it surely
//! writes, for each frame it can reach; they are noted when the walk executes it. Each time a path
//! ends, what is live before each instruction is computed anew for the functions on the path, and
//! handed on to their callers. The walk's order decides what is known when, so it is the kernel's:
//! instructions in postorder, again and again until nothing changes. Those to which nothing happened
//! since they were last looked at are passed over, for they would stay as they are.

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
    /// Instructions to look at, by their places in the postorder of the function.
    stale: Places,
    updated: bool,
    /// A mask of sure writes became smaller.
    dropped: bool,
}

/// A set of places in a postorder.
#[derive(Debug)]
struct Places(Vec<u64>);

impl Places {
    fn new(count: usize) -> Places {
        Places(vec![0; count.div_ceil(64)])
    }

    /// Places outside are none.
    fn insert(&mut self, place: u32) {
        if let Some(word) = self.0.get_mut(place as usize / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// Puts in every place and perhaps a few that are outside.
    fn insert_all(&mut self) {
        self.0.fill(u64::MAX);
    }

    /// Takes out the first place that is not before `from`.
    fn take_from(&mut self, from: usize) -> Option<usize> {
        let mut n = from / 64;
        let mut word = self.0.get(n)? & u64::MAX << (from % 64);
        while word == 0 {
            n += 1;
            word = *self.0.get(n)?;
        }
        self.0[n] &= !(1 << word.trailing_zeros());
        Some(64 * n + word.trailing_zeros() as usize)
    }
}

/// A function's place among the instructions.
#[derive(Debug)]
struct Extent {
    start: u32,
    end: u32,
    /// Its part of the postorder.
    order: core::ops::Range<usize>,
}

impl Extent {
    /// Its own instructions with their places in its postorder. Where a function runs into the next,
    /// the order has instructions of that too.
    fn own<'g>(&self, graph: &'g Graph) -> impl Iterator<Item = (usize, u32)> + use<'g> {
        let insns = self.start..self.end;
        let order = graph.postorder[self.order.clone()].iter().copied().enumerate();
        order.filter(move |(_, insn)| insns.contains(insn))
    }
}

/// The graph as it is needed here, by places in the postorder.
#[derive(Debug)]
struct Order {
    functions: Vec<Extent>,
    /// The place of each instruction in its function's postorder.
    place: Vec<u32>,
    /// The places of each instruction's predecessors, which stand in one list, and where they begin.
    before: Vec<u32>,
    before_start: Vec<u32>,
}

impl Order {
    fn new(structure: &Structure, graph: &Graph) -> Order {
        let functions: Vec<Extent> = structure
            .subprogs
            .iter()
            .enumerate()
            .map(|(n, s)| Extent {
                start: s.start as u32,
                end: s.end as u32,
                order: graph.postorder_start[n]..graph.postorder_start[n + 1],
            })
            .collect();
        let count = graph.successors.len();
        let mut place = vec![u32::MAX; count];
        let mut before_start = vec![0u32; count + 1];
        for extent in &functions {
            for (n, insn) in extent.own(graph) {
                place[insn as usize] = n as u32;
                graph.successors[insn as usize]
                    .get()
                    .iter()
                    .for_each(|&to| before_start[to as usize + 1] += 1);
            }
        }
        for n in 0..count {
            before_start[n + 1] += before_start[n];
        }
        let mut next = before_start.clone();
        let mut before = vec![0; before_start[count] as usize];
        for (_, insn) in functions.iter().flat_map(|f| f.own(graph)) {
            for &to in graph.successors[insn as usize].get() {
                before[next[to as usize] as usize] = place[insn as usize];
                next[to as usize] += 1;
            }
        }
        Order { functions, place, before, before_start }
    }

    fn before(&self, insn: u32) -> &[u32] {
        let (from, to) = (self.before_start[insn as usize], self.before_start[insn as usize + 1]);
        &self.before[from as usize..to as usize]
    }
}

impl Instance {
    #[inline]
    fn masks(&self, frame: usize, insn: u32) -> Option<&Masks> {
        self.frames.get(frame)?.as_ref()?.get(insn.checked_sub(self.start)? as usize)
    }

    fn masks_mut(&mut self, frame: usize, insn: u32) -> Option<&mut Masks> {
        let count = self.write_seen.len();
        let at = insn.checked_sub(self.start)? as usize;
        let masks = self.frames.get_mut(frame)?;
        if masks.is_none() {
            self.stale.insert_all();
        }
        masks.get_or_insert_with(|| vec![Masks::default(); count]).get_mut(at)
    }

    fn is_stale(&mut self, place: u32) {
        self.stale.insert(place);
        self.updated = true;
    }

    fn note_read(&mut self, frame: usize, insn: u32, slots: u64, place: u32) {
        let Some(masks) = self.masks_mut(frame, insn) else { return };
        if masks.may_read | slots != masks.may_read {
            masks.may_read |= slots;
            self.is_stale(place);
        }
    }

    fn note_writes(&mut self, insn: u32, writes: &[u64; MAX_FRAMES], place: u32) {
        let Some(seen) =
            insn.checked_sub(self.start).and_then(|at| self.write_seen.get(at as usize)).copied()
        else {
            return;
        };
        for (frame, &slots) in writes.iter().enumerate().take(self.frames.len()) {
            let mut slots = slots;
            if slots == 0 && (!seen || self.masks(frame, insn).is_none_or(|m| m.must_write == 0)) {
                continue;
            }
            let Some(masks) = self.masks_mut(frame, insn) else { continue };
            let old = masks.must_write;
            if seen {
                slots &= old;
            }
            masks.must_write = slots;
            self.dropped |= old & !slots != 0;
            if old != slots {
                self.is_stale(place);
            }
        }
        self.write_seen[(insn - self.start) as usize] = true;
    }

    /// Computes anew what is live, in how many rounds.
    fn settle(&mut self, graph: &Graph, order: &Order, marks: &[Marks], log: &mut Log) -> u32 {
        let extent = &order.functions[self.subprog];
        let insns = &graph.postorder[extent.order.clone()];
        if self.dropped {
            self.frames.iter_mut().flatten().flatten().for_each(|m| m.must_write_all = 0);
            self.stale.insert_all();
        }
        let mut rounds = 0;
        loop {
            rounds += 1;
            let (mut changed, mut from) = (false, 0);
            while let Some(place) = self.stale.take_from(from) {
                from = place + 1;
                // No place is beyond the last.
                let Some(&insn) = insns.get(place) else { break };
                let mut new = false;
                for frame in 0..self.frames.len() {
                    new |= update(self, frame, insn, &graph.successors, marks, log);
                }
                if new {
                    order.before(insn).iter().for_each(|&before| self.stale.insert(before));
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        self.updated = false;
        self.dropped = false;
        rounds
    }
}

/// What is known of the stack's liveness.
#[derive(Debug)]
pub(crate) struct StackLiveness {
    instances: Vec<Instance>,
    /// An instance by the one that called it, the place of the call and the function.
    by_caller: HashMap<(u32, u32, u32), u32>,
    current: Option<usize>,
    insn: u32,
    writes: [u64; MAX_FRAMES],
    order: Order,
}

/// The functions on a state's chain of calls, to ask about many slots.
pub(crate) struct Query {
    frames: usize,
    instances: [Option<u32>; MAX_FRAMES],
    /// Where each frame is, or goes on once the next returns.
    insns: [u32; MAX_FRAMES],
}

/// What the outermost function was called by.
const NONE: u32 = u32::MAX;

impl StackLiveness {
    pub fn new(structure: &Structure, graph: &Graph) -> StackLiveness {
        StackLiveness {
            instances: Vec::new(),
            by_caller: HashMap::new(),
            current: None,
            insn: 0,
            writes: [0; MAX_FRAMES],
            order: Order::new(structure, graph),
        }
    }

    /// The functions on the chain of calls of `state`, made known if they are not.
    fn chain(&mut self, state: &State) -> [u32; MAX_FRAMES] {
        let mut chain = [NONE; MAX_FRAMES];
        let mut caller = NONE;
        for (n, frame) in state.frames.iter().enumerate().take(MAX_FRAMES) {
            let callsite = if n == 0 { NONE } else { frame.callsite };
            let key = (caller, callsite, frame.subprog);
            caller = match self.by_caller.get(&key) {
                Some(&found) => found,
                None => self.add(key, n),
            };
            chain[n] = caller;
        }
        chain
    }

    fn add(&mut self, key: (u32, u32, u32), frame: usize) -> u32 {
        let (caller, callsite, subprog) = key;
        let Extent { start, end, ref order } = self.order.functions[subprog as usize];
        let mut callsites = match caller {
            NONE => Vec::new(),
            caller => self.instances[caller as usize].callsites.clone(),
        };
        callsites.extend((frame > 0).then_some(callsite));
        let count = (end - start) as usize;
        self.instances.push(Instance {
            callsites,
            subprog: subprog as usize,
            start,
            frames: vec![None; frame + 1],
            write_seen: vec![false; count],
            stale: Places::new(order.len()),
            updated: false,
            dropped: false,
        });
        let added = self.instances.len() as u32 - 1;
        self.by_caller.insert(key, added);
        added
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
            self.current = Some(self.chain(state)[state.curframe()] as usize);
        }
    }

    pub fn read(&mut self, frame: usize, slots: u64) {
        if let Some(current) = self.current {
            let place = self.order.place[self.insn as usize];
            self.instances[current].note_read(frame, self.insn, slots, place);
        }
    }

    #[inline]
    pub fn write(&mut self, frame: usize, slots: u64) {
        self.writes[frame] |= slots;
    }

    /// An instruction that may write to the stack is done. One that changed the chain of calls has
    /// written nothing.
    #[inline]
    pub fn commit(&mut self) {
        if let Some(current) = self.current {
            let place = self.order.place[self.insn as usize];
            self.instances[current].note_writes(self.insn, &self.writes, place);
        }
    }

    /// Brings the functions on the path up to date.
    fn finish(&mut self, state: &State, graph: &Graph, marks: &[Marks], log: &mut Log) {
        self.current = None;
        let chain = self.chain(state);
        for frame in (0..state.frames.len()).rev() {
            let instance = &mut self.instances[chain[frame] as usize];
            if !instance.updated {
                continue;
            }
            let rounds = instance.settle(graph, &self.order, marks, log);
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
                let place = self.order.place[callsite as usize];
                let outer = &mut self.instances[chain[frame - 1] as usize];
                for (of, &slots) in reads.iter().enumerate().take(frame) {
                    if slots != 0 {
                        outer.note_read(of, callsite, slots, place);
                    }
                }
                outer.note_writes(callsite, &writes, place);
            }
        }
    }

    pub fn query(&self, state: &State, marks: &[Marks]) -> Query {
        let frames = state.frames.len().min(MAX_FRAMES);
        let mut query = Query { frames, instances: [None; MAX_FRAMES], insns: [0; MAX_FRAMES] };
        let mut caller = Some(NONE);
        for f in 0..frames {
            let callsite = if f == 0 { NONE } else { state.frames[f].callsite };
            let key = caller.map(|c| (c, callsite, state.frames[f].subprog));
            caller = key.and_then(|k| self.by_caller.get(&k).copied());
            query.instances[f] = caller;
            let insn = state.frame_insn(f);
            let calls_back = marks[insn as usize].has(Marks::CALLS_BACK);
            query.insns[f] = if f + 1 == frames || calls_back { insn } else { insn + 1 };
        }
        query
    }

    /// The slots of a frame that may be read from the state of the query on.
    pub fn alive(&self, query: &Query, frame: usize) -> u64 {
        (frame..query.frames).fold(0, |alive, f| {
            let instance = query.instances[f].map(|i| &self.instances[i as usize]);
            alive | instance.and_then(|i| i.masks(frame, query.insns[f])).map_or(0, |m| m.live)
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
        self.stack_live.finish(&self.cur, &self.graph, &self.structure.marks, &mut self.log);
    }
}
