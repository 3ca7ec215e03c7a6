//! Whether a state that was seen before covers a new one.
//!
//! Rules: `states_equal`, `regsafe`, `stacksafe` and `refsafe` of Linux 6.18, in three strengths:
//! ordinary pruning, exact equality for infinite loops, and containment of ranges for loops that
//! are not finished. Ids need not be equal but must correspond one to one.

use super::{ADD_CONST, Byte, Kind, Reg, Slot, State};
use alloc::vec::Vec;

/// How alike two states must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exact {
    /// The old state covers the new one as far as the old one mattered.
    Not,
    /// Nothing differs.
    Fully,
    /// Every range of the new state lies in the old one's, whether it mattered or not.
    RangeWithin,
}

/// Which id of the old state corresponds to which of the new one.
#[derive(Debug, Default)]
pub struct Ids {
    pairs: Vec<(u32, u32)>,
    fresh: u32,
}

impl Ids {
    pub fn reset(&mut self, id_gen: u32) {
        self.pairs.clear();
        self.fresh = id_gen;
    }

    fn check(&mut self, old: u32, cur: u32) -> bool {
        if (old == 0) != (cur == 0) {
            return false;
        }
        if old == 0 {
            return true;
        }
        for &(o, c) in &self.pairs {
            if o == old {
                return c == cur;
            }
            if c == cur {
                return false;
            }
        }
        self.pairs.push((old, cur));
        true
    }

    /// A scalar without an id is linked to none; a new one is taken as having one of its own.
    fn check_scalar(&mut self, old: u32, cur: u32) -> bool {
        if old == 0 {
            return true;
        }
        let mut cur = cur;
        if cur == 0 {
            self.fresh += 1;
            cur = self.fresh;
        }
        self.check(old, cur)
    }
}

/// Whether everything but ids, and what only paths need, is the same.
#[inline]
fn same_value(a: &Reg, b: &Reg) -> bool {
    a.kind == b.kind && a.mods == b.mods && a.off == b.off && a.a == b.a && a.b == b.b && a.num == b.num
}

/// Linux `regs_exact`.
pub fn regs_exact(old: &Reg, cur: &Reg, ids: &mut Ids) -> bool {
    same_value(old, cur) && ids.check(old.id, cur.id) && ids.check(old.ref_id, cur.ref_id)
}

fn reg_safe(old: &Reg, cur: &Reg, ids: &mut Ids, exact: Exact) -> bool {
    if exact == Exact::Fully {
        return regs_exact(old, cur, ids);
    }
    if old.kind == Kind::NotInit && (exact == Exact::Not || cur.kind == Kind::NotInit) {
        return true;
    }
    if !old.same_type(cur) {
        return false;
    }
    match old.kind {
        Kind::Scalar => {
            if !old.precise && exact == Exact::Not {
                return true;
            }
            // A scalar that stood alone is covered however the new one is linked.
            if old.id != 0 && old.id & ADD_CONST != cur.id & ADD_CONST
                || old.id & ADD_CONST != 0 && old.off != cur.off
            {
                return false;
            }
            cur.num.is_within(&old.num) && ids.check_scalar(old.id, cur.id)
        }
        Kind::MapKey | Kind::MapValue | Kind::Mem | Kind::Buf | Kind::TpBuffer => {
            old.off == cur.off
                && old.a == cur.a
                && old.b == cur.b
                && cur.num.is_within(&old.num)
                && ids.check(old.id, cur.id)
                && ids.check(old.ref_id, cur.ref_id)
        }
        Kind::PacketMeta | Kind::Packet => {
            (old.a as i32) <= cur.a as i32
                && old.off == cur.off
                && ids.check(old.id, cur.id)
                && cur.num.is_within(&old.num)
        }
        Kind::Stack => regs_exact(old, cur, ids) && old.frame == cur.frame,
        _ => regs_exact(old, cur, ids),
    }
}

/// A slot that is a number, whether stored whole or never written as a register.
fn as_scalar<'a>(slot: &'a Slot, unbound: &'a Reg) -> Option<&'a Reg> {
    if slot.is_scalar_spill64() {
        Some(&slot.reg)
    } else if slot.is_all_misc() {
        Some(unbound)
    } else {
        None
    }
}

fn slot_safe(o: &Slot, c: Option<&Slot>, ids: &mut Ids, exact: Exact) -> bool {
    static UNBOUND: Reg = Reg::unknown();
    if exact == Exact::Not && o.is_all_misc() {
        return true;
    }
    for i in 0..8 {
        if exact != Exact::Not && c.is_none_or(|c| c.bytes[i] != o.bytes[i]) {
            return false;
        }
        if matches!(o.bytes[i], Byte::Invalid | Byte::Misc) {
            continue;
        }
        let Some(c) = c else { return false };
        if let (Some(o), Some(c)) = (as_scalar(o, &UNBOUND), as_scalar(c, &UNBOUND)) {
            return reg_safe(o, c, ids, exact);
        }
        if o.bytes[i] != c.bytes[i] {
            return false;
        }
        if i == 7 && !content_safe(o, c, ids, exact) {
            return false;
        }
    }
    true
}

/// What slots with equal bytes hold.
fn content_safe(o: &Slot, c: &Slot, ids: &mut Ids, exact: Exact) -> bool {
    let (old, cur) = (&o.reg, &c.reg);
    match o.bytes[7] {
        Byte::Spill => reg_safe(old, cur, ids, exact),
        Byte::Dynptr => old.a == cur.a && old.b == cur.b && ids.check(old.ref_id, cur.ref_id),
        // How often an iterator was advanced does not count, or loops would not converge.
        Byte::Iter => {
            old.a == cur.a
                && old.b == cur.b
                && old.iter_is_active() == cur.iter_is_active()
                && ids.check(old.ref_id, cur.ref_id)
        }
        _ => true,
    }
}

/// Whether an iterator that is active was advanced more often since.
pub fn iter_depths_differ(old: &State, cur: &State) -> bool {
    old.frames.iter().zip(&cur.frames).any(|(o, c)| {
        o.stack.iter().enumerate().any(|(spi, slot)| {
            slot.bytes[0] == Byte::Iter
                && slot.reg.iter_is_active()
                && c.stack.get(spi).is_none_or(|s| s.reg.iter_depth() != slot.reg.iter_depth())
        })
    })
}

/// Where two states were found to differ last: they most often differ there again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Differs {
    frame: u8,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Reg(u8),
    Slot(u8),
}

impl Differs {
    /// Whether they still do.
    fn holds(self, old: &State, cur: &State, ids: &mut Ids, exact: Exact) -> bool {
        let frame = self.frame as usize;
        let (Some(o), Some(c)) = (old.frames.get(frame), cur.frames.get(frame)) else { return false };
        !match self.place {
            Place::Reg(r) => reg_safe(&o.regs[r as usize], &c.regs[r as usize], ids, exact),
            Place::Slot(spi) => {
                let spi = spi as usize;
                o.stack.get(spi).is_none_or(|o| slot_safe(o, c.stack.get(spi), ids, exact))
            }
        }
    }
}

/// Whether the same is held, and the same sections are entered.
fn refs_safe(old: &State, cur: &State, ids: &mut Ids) -> bool {
    let (a, b) = (&old.refs, &cur.refs);
    if a.len() != b.len() {
        return false;
    }
    if old.preempt_off != cur.preempt_off || old.in_rcu != cur.in_rcu || !ids.check(old.irq_id, cur.irq_id) {
        return false;
    }
    let lock = |s: &State| s.active_lock().map_or((0, None), |l| (l.id, Some(l.held)));
    let (old_lock, cur_lock) = (lock(old), lock(cur));
    if !ids.check(old_lock.0, cur_lock.0) || old_lock.1 != cur_lock.1 {
        return false;
    }
    a.iter().zip(b).all(|(o, c)| ids.check(o.id, c.id) && o.held == c.held)
}

/// Whether `old` covers `cur`. `live` gives the registers that are read after an instruction is
/// reached. `hint` is where the states differed before, and is brought up to date.
pub fn states_equal(
    old: &State,
    cur: &State,
    ids: &mut Ids,
    exact: Exact,
    live: impl Fn(u32) -> u16,
    hint: &mut Option<Differs>,
) -> bool {
    if old.frames.len() != cur.frames.len() || old.in_sleepable != cur.in_sleepable {
        return false;
    }
    if let Some(place) = *hint {
        let fresh = ids.fresh;
        if place.holds(old, cur, ids, exact) {
            return false;
        }
        ids.reset(fresh);
    }
    if !refs_safe(old, cur, ids) {
        return false;
    }
    for (i, (o, c)) in old.frames.iter().zip(&cur.frames).enumerate() {
        if o.callsite != c.callsite || o.callback_depth > c.callback_depth {
            return false;
        }
        let live = live(old.frame_insn(i));
        for r in 0..11 {
            if live >> r & 1 == 1 && !reg_safe(&o.regs[r], &c.regs[r], ids, exact) {
                *hint = Some(Differs { frame: i as u8, place: Place::Reg(r as u8) });
                return false;
            }
        }
        for (spi, slot) in o.stack.iter().enumerate() {
            if !slot_safe(slot, c.stack.get(spi), ids, exact) {
                *hint = Some(Differs { frame: i as u8, place: Place::Slot(spi as u8) });
                return false;
            }
        }
    }
    true
}
