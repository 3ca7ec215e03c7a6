//! On which scalars did that rest? Walking back over a path to mark them.
//!
//! Rules: `__mark_chain_precision`, `backtrack_insn` and `propagate_precision` of Linux 6.18. When
//! the exact value of a scalar decides something, the instructions of the path are walked backwards
//! and the registers and stack slots that it was computed from are marked in every kept state on the
//! way. Only marked scalars keep a state from covering another. Where the trail is lost, every
//! scalar of the path is marked.

use super::{Judged, Stop, Walker};
use crate::helper::TAIL_CALL;
use crate::report::Finding;
use crate::state::{Access, State, StateId, Step};
use crate::structure::{Marks, Slot};
use crate::verdict::Feature;
use alloc::vec::Vec;
use oxbpf_isa::insn::{Callee, Insn, Operand, Reg as R};
use smallvec::SmallVec;

/// R1 to R5.
const ARGS: u16 = 0x3e;
/// A register or slot among those linked, packed into ten bits; six of them and their number.
const LINKED_BITS: u32 = 10;
pub(crate) const MAX_LINKED: usize = 6;
/// Linked registers and slots.
pub(crate) type LinkedRegs = SmallVec<[Linked; MAX_LINKED]>;

/// Set in an entry of [`touches`] for instructions that must always be looked at.
const ALWAYS: u16 = 1 << 15;
/// Set for those that must be looked at while any stack slot is looked for.
const STORES: u16 = 1 << 14;

/// For each instruction the registers that it does something about on the way back: most do nothing
/// about most.
pub(super) fn touches(slots: &[Slot]) -> Vec<u16> {
    let bit = |r: R| 1u16 << r.index();
    let of = |slot: &Slot| match *slot {
        Slot::Second | Slot::Bad(_) => 0,
        Slot::Insn(insn) => match insn {
            Insn::Alu { dst, .. }
            | Insn::Mov { dst, .. }
            | Insn::MovSx { dst, .. }
            | Insn::AddrSpaceCast { dst, .. }
            | Insn::Load { dst, .. }
            | Insn::LoadAcquire { dst, .. }
            | Insn::LdImm64 { dst, .. } => bit(dst),
            Insn::Jump { dst, src: Operand::Reg(src), .. } => bit(dst) | bit(src),
            Insn::Neg { .. }
            | Insn::Endian { .. }
            | Insn::Jump { .. }
            | Insn::Goto { .. }
            | Insn::MayGoto { .. } => 0,
            Insn::Store { base, .. } | Insn::StoreRelease { base, .. } => STORES | bit(base),
            Insn::Atomic { .. } | Insn::Call(_) | Insn::Exit | Insn::Packet { .. } => ALWAYS,
        },
    };
    slots.iter().map(of).collect()
}

/// What is looked for on the way back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backtrack {
    pub frame: usize,
    pub regs: [u16; 8],
    pub slots: [u64; 8],
}

impl Backtrack {
    #[inline]
    fn is_empty(&self) -> bool {
        self.regs == [0; 8] && self.slots == [0; 8]
    }

    /// Whether an instruction with this entry of [`touches`] does anything to what is looked for.
    #[inline]
    fn is_touched(&self, by: u16) -> bool {
        (self.regs[self.frame] | ALWAYS) & by != 0 || by & STORES != 0 && self.slots != [0; 8]
    }

    fn has(&self, reg: usize) -> bool {
        self.regs[self.frame] >> reg & 1 == 1
    }

    fn set(&mut self, reg: usize) {
        self.regs[self.frame] |= 1 << reg;
    }

    fn clear(&mut self, reg: usize) {
        self.regs[self.frame] &= !(1 << reg);
    }
}

/// A register or stack slot linked to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Linked {
    pub frame: u8,
    pub is_reg: bool,
    /// Register number or slot.
    pub index: u8,
}

/// Packs linked registers for the history.
pub(crate) fn pack(linked: &[Linked]) -> u64 {
    let mut packed = 0u64;
    for l in linked.iter().rev() {
        packed =
            packed << LINKED_BITS | u64::from(l.frame) | u64::from(l.index) << 3 | u64::from(l.is_reg) << 9;
    }
    packed << 4 | linked.len() as u64
}

fn unpack(packed: u64) -> impl Iterator<Item = Linked> + Clone {
    let count = (packed & 0xf) as u32;
    (0..count).map(move |i| {
        let bits = packed >> (4 + i * LINKED_BITS);
        Linked { frame: (bits & 7) as u8, index: (bits >> 3 & 0x3f) as u8, is_reg: bits >> 9 & 1 == 1 }
    })
}

enum Trail {
    Goes,
    /// Everything has to be taken as mattering.
    Lost,
}

/// Where a walk back begins.
struct Start {
    frame: usize,
    frames: usize,
    first_insn: u32,
    insn: u32,
    parent: Option<StateId>,
    is_global: bool,
}

impl Start {
    fn of(state: &State) -> Start {
        Start {
            frame: state.curframe(),
            frames: state.frames.len(),
            first_insn: state.first_insn,
            insn: state.insn,
            parent: state.parent,
            is_global: state.frames.len() == 1 && state.frames[0].subprog > 0,
        }
    }
}

impl Walker<'_> {
    /// The exact value of a register of the current frame matters.
    pub(crate) fn mark_precise(&mut self, reg: usize) -> Judged<()> {
        if !self.cur.reg(reg).is_scalar() {
            return Err(Finding::PrecisionOfPointer.into());
        }
        self.backtrack.set_only(self.cur.curframe(), reg);
        let start = Start::of(&self.cur);
        let history = core::mem::take(&mut self.cur.history);
        let result = self.walk_back(&start, &history);
        self.cur.history = history;
        result.map(drop)
    }

    /// The exact value in a stack slot matters.
    pub(crate) fn mark_slot_precise(&mut self, frame: usize, spi: usize) -> Judged<()> {
        self.backtrack = Backtrack { frame: self.cur.curframe(), ..Backtrack::default() };
        self.backtrack.slots[frame] |= 1 << spi;
        let start = Start::of(&self.cur);
        let history = core::mem::take(&mut self.cur.history);
        let result = self.walk_back(&start, &history);
        self.cur.history = history;
        result.map(drop)
    }

    /// What mattered to `old` matters to the current state.
    pub(super) fn propagate_precision_to_cur(&mut self, old: StateId) -> Judged<()> {
        self.collect_precise(old);
        self.backtrack.frame = self.cur.curframe();
        let start = Start::of(&self.cur);
        let history = core::mem::take(&mut self.cur.history);
        let result = self.walk_back(&start, &history);
        self.cur.history = history;
        result.map(drop)
    }

    /// What mattered to `old` matters to `end`; whether any mark is new.
    pub(super) fn propagate_precision(&mut self, old: StateId, end: &mut State) -> Judged<bool> {
        if self.kept[old as usize].is_none() {
            return Err(Stop::Unknown(Feature::Internal));
        }
        self.collect_precise(old);
        self.backtrack.frame = end.curframe();
        self.walk_back(&Start::of(end), &end.history)
    }

    fn collect_precise(&mut self, old: StateId) {
        let state =
            &self.kept[old as usize].as_ref().expect("a kept state lives as long as it is referred to").state;
        for (n, frame) in state.frames.iter().enumerate() {
            for r in 0..10 {
                if frame.regs[r].is_scalar() && frame.regs[r].precise {
                    self.backtrack.regs[n] |= 1 << r;
                }
            }
            for (spi, slot) in frame.stack.iter().enumerate() {
                if slot.is_scalar_spill() && slot.reg.precise {
                    self.backtrack.slots[n] |= 1 << spi;
                }
            }
        }
        for frame in (0..state.frames.len()).rev() {
            self.log.propagating(frame, &self.backtrack);
        }
    }

    /// Marks every scalar in the states before this one.
    pub(super) fn all_precise(&mut self, from: &State) {
        self.all_precise_from(from.curframe(), from.parent);
    }

    fn all_precise_from(&mut self, frame: usize, mut next: Option<StateId>) {
        let verbose = self.log.verbose();
        if verbose {
            self.log.line(format_args!(
                "mark_precise: frame{frame}: falling back to forcing all scalars precise\n"
            ));
        }
        while let Some(id) = next {
            if verbose {
                self.log_forced(id);
            }
            let state = self.state_mut(id);
            state.for_each_reg(|r| r.is_scalar() && !r.precise, |r| r.precise = true);
            next = state.parent;
        }
    }

    /// Walks back until nothing is looked for; whether any mark is new.
    fn walk_back(&mut self, start: &Start, history: &[Step]) -> Judged<bool> {
        let mut bt = core::mem::take(&mut self.backtrack);
        bt.frame = start.frame;
        let result =
            if bt.is_empty() { Ok((Trail::Goes, false)) } else { self.follow(start, history, &mut bt) };
        self.backtrack = Backtrack::default();
        let (trail, changed) = result?;
        if matches!(trail, Trail::Lost) {
            self.all_precise_from(start.frame, start.parent);
        }
        Ok(changed)
    }

    fn follow(&mut self, start: &Start, history: &[Step], bt: &mut Backtrack) -> Judged<(Trail, bool)> {
        let mut changed = false;
        let (mut first, mut last, mut subsequent) = (start.first_insn, i64::from(start.insn), -1i64);
        let mut skip = true;
        let mut state: Option<StateId> = None;
        loop {
            self.log.mark_precise(bt.frame, last, first, subsequent);
            if last < 0 {
                return self.at_entry(state, start, bt).map(|new| (Trail::Goes, changed | new));
            }
            // Steps are read where they are kept; nothing of the walk back changes them.
            let kept = state.map(|id| core::mem::take(&mut self.state_mut(id).history));
            let steps = kept.as_deref().unwrap_or(history);
            let passed = self.back_through(steps, first, last as u32, &mut subsequent, skip, bt);
            if let (Some(id), Some(kept)) = (state, kept) {
                self.state_mut(id).history = kept;
            }
            skip = false;
            if let Some(trail) = passed? {
                return Ok((trail, changed));
            }
            let parent = match state {
                None => start.parent,
                Some(id) => self.state(id).parent,
            };
            let Some(parent) = parent else { break };
            changed |= self.mark_in(parent, bt)?;
            if bt.is_empty() {
                return Ok((Trail::Goes, changed));
            }
            subsequent = i64::from(first);
            state = Some(parent);
            last = self.state(parent).last_insn;
            first = self.state(parent).first_insn;
        }
        Ok((Trail::Lost, changed))
    }

    /// Walks back from `last` to `first`, where a state was kept, or until nothing is looked for; then the
    /// trail ends there. The instruction at `last` is left out with `skip`.
    fn back_through(
        &mut self,
        steps: &[Step],
        first: u32,
        last: u32,
        subsequent: &mut i64,
        skip: bool,
        bt: &mut Backtrack,
    ) -> Judged<Option<Trail>> {
        let (mut i, mut left, mut skip) = (last, steps.len(), skip);
        let verbose = self.log.verbose();
        loop {
            let step = left.checked_sub(1).map(|n| steps[n]).filter(|s| s.at == i);
            if skip {
                skip = false;
                if bt.is_empty() {
                    return Ok(Some(Trail::Goes));
                }
            } else if verbose
                || step.is_some_and(|s| s.linked != 0)
                || bt.is_touched(self.touches[i as usize])
            {
                if let Trail::Lost = self.back_over(i, *subsequent, step, bt)? {
                    return Ok(Some(Trail::Lost));
                }
                if bt.is_empty() {
                    return Ok(Some(Trail::Goes));
                }
            }
            *subsequent = i64::from(i);
            match previous(steps, first, i, &mut left) {
                Some(to) => i = to,
                None => return Ok(None),
            }
            if i as usize >= self.touches.len() {
                return Err(Stop::Unknown(Feature::Internal));
            }
        }
    }

    /// The walk back has come to the entry of a function that is judged alone: its arguments.
    fn at_entry(&mut self, state: Option<StateId>, start: &Start, bt: &mut Backtrack) -> Judged<bool> {
        let is_global = match state {
            None => start.frames == 1 && start.is_global,
            Some(id) => Start::of(self.state(id)).is_global,
        };
        if !is_global || bt.slots[bt.frame] != 0 || bt.regs[bt.frame] & !ARGS != 0 {
            return Err(Stop::Unknown(Feature::Internal));
        }
        let mut changed = false;
        if let Some(id) = state {
            let regs = bt.regs[0];
            let frame = self.state_mut(id).frame_mut(0);
            for r in 0..10 {
                if regs >> r & 1 == 1 && frame.regs[r].is_scalar() {
                    frame.regs[r].precise = true;
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    /// Marks what is looked for in a kept state.
    fn mark_in(&mut self, id: StateId, bt: &mut Backtrack) -> Judged<bool> {
        let mut changed = false;
        if bt.frame >= self.state(id).frames.len() {
            return Err(Stop::Unknown(Feature::Internal));
        }
        for f in (0..=bt.frame).rev() {
            let (mut regs, mut slots) = (bt.regs[f], bt.slots[f]);
            if regs == 0 && slots == 0 && !self.log.verbose() {
                continue;
            }
            let frame = &self.state(id).frames[f];
            for r in bits(regs.into()) {
                let reg = &frame.regs[r];
                if !reg.is_scalar() || reg.precise {
                    regs &= !(1 << r);
                }
            }
            for spi in bits(slots) {
                match frame.stack.get(spi) {
                    None => return Err(Stop::Unknown(Feature::Internal)),
                    Some(slot) if !slot.is_scalar_spill() || slot.reg.precise => slots &= !(1 << spi),
                    Some(_) => {}
                }
            }
            (bt.regs[f], bt.slots[f]) = (regs, slots);
            if regs != 0 || slots != 0 {
                changed = true;
                let frame = self.state_mut(id).frame_mut(f);
                for r in bits(regs.into()) {
                    frame.regs[r].precise = true;
                }
                if slots != 0 {
                    let stack = frame.stack_mut();
                    bits(slots).for_each(|spi| stack[spi].reg.precise = true);
                }
            }
            if self.log.verbose() {
                let state = &self.kept[id as usize].as_ref().expect("it was just marked").state;
                self.log.parent_state(f, bt, state, self.subject);
            }
        }
        Ok(changed)
    }

    /// What an instruction makes of what is looked for.
    fn back_over(
        &mut self,
        at: u32,
        subsequent: i64,
        step: Option<Step>,
        bt: &mut Backtrack,
    ) -> Judged<Trail> {
        let Some(insn) = self.insn(at) else { return Ok(Trail::Goes) };
        if self.log.verbose() {
            self.log_backtrack(at, bt);
        }
        let linked = step.map_or(0, |s| s.linked);
        sync_linked(linked, bt);
        let access = step.map_or(Access::default(), |s| s.access);
        match insn {
            Insn::Alu { dst, src, .. } => {
                if !bt.has(dst.index()) {
                    return Ok(Trail::Goes);
                }
                if let Operand::Reg(src) = src
                    && src != R::FP
                {
                    bt.set(src.index());
                }
            }
            Insn::Neg { .. } | Insn::Endian { .. } => return Ok(Trail::Goes),
            Insn::Mov { dst, src: Operand::Reg(src), .. }
            | Insn::MovSx { dst, src, .. }
            | Insn::AddrSpaceCast { dst, src, .. } => {
                if !bt.has(dst.index()) {
                    return Ok(Trail::Goes);
                }
                bt.clear(dst.index());
                if src != R::FP {
                    bt.set(src.index());
                }
            }
            Insn::Mov { dst, .. } => {
                if !bt.has(dst.index()) {
                    return Ok(Trail::Goes);
                }
                bt.clear(dst.index());
            }
            Insn::Load { dst, .. } | Insn::LoadAcquire { dst, .. } => {
                return Ok(back_over_load(dst, access, bt));
            }
            // To the kernel these are stores, whatever they fetch.
            Insn::Store { base, src, .. } => return Ok(back_over_store(base, src, access, bt)),
            Insn::StoreRelease { base, src, .. } | Insn::Atomic { base, src, .. } => {
                return Ok(back_over_store(base, Operand::Reg(src), access, bt));
            }
            Insn::Call(callee) => return self.back_over_call(at, subsequent, callee, bt),
            Insn::Exit => return self.back_over_exit(subsequent, bt),
            Insn::Jump { dst, src: Operand::Reg(src), .. } => {
                if !bt.has(dst.index()) && !bt.has(src.index()) {
                    return Ok(Trail::Goes);
                }
                if !access.src_is_stack {
                    bt.set(src.index());
                }
                if !access.dst_is_stack {
                    bt.set(dst.index());
                }
            }
            Insn::Jump { .. } | Insn::Goto { .. } | Insn::MayGoto { .. } => {}
            Insn::LdImm64 { dst, .. } => {
                bt.clear(dst.index());
                return Ok(Trail::Goes);
            }
            Insn::Packet { .. } => {
                // Where the load left the function, the kernel does not see that a frame was left; its
                // count of frames is off from here on, and so is ours.
                if bt.has(0) {
                    return Ok(Trail::Lost);
                }
                return Ok(Trail::Goes);
            }
        }
        sync_linked(linked, bt);
        Ok(Trail::Goes)
    }

    fn back_over_call(
        &mut self,
        at: u32,
        subsequent: i64,
        callee: Callee,
        bt: &mut Backtrack,
    ) -> Judged<Trail> {
        let bug = Err(Stop::Unknown(Feature::Internal));
        let regs = bt.regs[bt.frame];
        if let Callee::Subprog(off) = callee {
            let to = (i64::from(at) + 1 + i64::from(off)) as usize;
            let Some(subprog) = self.structure.subprog_at(to) else { return bug };
            if self.functions[subprog].global {
                if regs & ARGS != 0 {
                    return bug;
                }
                bt.clear(0);
                return Ok(Trail::Goes);
            }
            if regs & !ARGS != 0 || bt.slots[bt.frame] != 0 || bt.frame == 0 {
                return bug;
            }
            bt.regs[bt.frame] &= !ARGS;
            bt.frame -= 1;
            bt.regs[bt.frame] |= regs & ARGS;
            return Ok(Trail::Goes);
        }
        if self.structure.marks[at as usize].has(Marks::CALLS_BACK) && i64::from(at) != subsequent - 1 {
            if regs & !ARGS != 0 || bt.slots[bt.frame] != 0 || bt.frame == 0 {
                return bug;
            }
            bt.regs[bt.frame] &= !ARGS;
            bt.frame -= 1;
            return Ok(Trail::Goes);
        }
        bt.clear(0);
        if bt.regs[bt.frame] & ARGS != 0 {
            return bug;
        }
        if callee == Callee::Helper(TAIL_CALL) && subsequent != i64::from(at) + 1 {
            return enter(bt);
        }
        Ok(Trail::Goes)
    }

    fn back_over_exit(&mut self, subsequent: i64, bt: &mut Backtrack) -> Judged<Trail> {
        let before = u32::try_from(subsequent - 1).ok().and_then(|at| self.insn(at));
        let from_call = matches!(before, Some(Insn::Call(Callee::Subprog(_))));
        // Whoever calls back sets the arguments itself.
        let next = usize::try_from(subsequent).ok().and_then(|at| self.structure.marks.get(at));
        if next.is_some_and(|m| m.has(Marks::CALLS_BACK)) {
            bt.regs[bt.frame] &= !ARGS;
        }
        let r0 = from_call && bt.has(0);
        if from_call && bt.regs[bt.frame] & ARGS != 0 {
            return Err(Stop::Unknown(Feature::Internal));
        }
        bt.clear(0);
        let trail = enter(bt)?;
        if r0 {
            bt.set(0);
        }
        Ok(trail)
    }
}

/// The bits that are set, by number.
fn bits(mut of: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = (of != 0).then(|| of.trailing_zeros() as usize);
        of &= of.wrapping_sub(1);
        bit
    })
}

impl Backtrack {
    fn set_only(&mut self, frame: usize, reg: usize) {
        *self = Backtrack::default();
        self.frame = frame;
        self.set(reg);
    }
}

fn enter(bt: &mut Backtrack) -> Judged<Trail> {
    if bt.frame + 1 >= bt.regs.len() {
        return Err(Stop::Unknown(Feature::Internal));
    }
    bt.frame += 1;
    Ok(Trail::Goes)
}

fn back_over_load(dst: R, access: Access, bt: &mut Backtrack) -> Trail {
    if bt.has(dst.index()) {
        bt.clear(dst.index());
        if let Some((frame, spi)) = access.stack {
            bt.slots[frame as usize & 7] |= 1 << spi;
        }
    }
    Trail::Goes
}

fn back_over_store(base: R, src: Operand, access: Access, bt: &mut Backtrack) -> Trail {
    if bt.has(base.index()) {
        // A scalar is no base: the pointer was made into a number by a subtraction.
        return Trail::Lost;
    }
    let Some((frame, spi)) = access.stack else { return Trail::Goes };
    let frame = frame as usize & 7;
    if bt.slots[frame] >> spi & 1 == 1 {
        bt.slots[frame] &= !(1 << spi);
        if let Operand::Reg(src) = src {
            bt.set(src.index());
        }
    }
    Trail::Goes
}

/// If one of the linked registers is looked for, all are.
fn sync_linked(packed: u64, bt: &mut Backtrack) {
    if packed == 0 {
        return;
    }
    let mut linked = unpack(packed);
    let wanted = linked.clone().any(|l| match l.is_reg {
        true => bt.regs[l.frame as usize] >> l.index & 1 == 1,
        false => bt.slots[l.frame as usize] >> l.index & 1 == 1,
    });
    if wanted {
        for l in &mut linked {
            match l.is_reg {
                true => bt.regs[l.frame as usize] |= 1 << l.index,
                false => bt.slots[l.frame as usize] |= 1 << l.index,
            }
        }
    }
}

/// The instruction before `at` on the path; none before the first since the last kept state.
fn previous(steps: &[Step], first: u32, at: u32, left: &mut usize) -> Option<u32> {
    if at == first && (*left == 0 || *left == 1 && steps[0].at == at) {
        return None;
    }
    if *left > 0 && steps[*left - 1].at == at {
        *left -= 1;
        return Some(steps[*left].from);
    }
    Some(at.wrapping_sub(1))
}
