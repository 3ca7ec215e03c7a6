//! Branches: which way, and what is known afterwards.
//!
//! Rules: `check_cond_jmp_op`, `is_branch_taken`, `reg_set_min_max`, `mark_ptr_or_null_regs`,
//! `try_match_pkt_pointers` and `sync_linked_regs` of Linux 6.18. The fall-through is followed, the
//! target kept for later, unless only one side is possible. Comparing a pointer that may be null
//! with zero settles it for all its copies; comparing a packet pointer with the packet's end tells
//! how far the packet can be read.

use super::alu::width;
use super::fields::MapFields;
use crate::domain::{Alu, Cond as Test, Width};
use crate::explore::{Judged, Linked, LinkedRegs, MAX_LINKED, Next, Walker, pack};
use crate::report::Errno;
use crate::rules::Rules;
use crate::state::{ADD_CONST, ADD_CONST32, Access, Kind, Mods, Reference, Reg, State};
use oxbpf_isa::insn::{Cond, Operand, Reg as R, Width as InsnWidth};
use oxbpf_isa::kernel::Limits;

/// The range of a packet pointer that is at the very end, or beyond it.
const AT_PKT_END: u32 = -1i32 as u32;
const BEYOND_PKT_END: u32 = -2i32 as u32;

fn test(cond: Cond) -> Test {
    match cond {
        Cond::Eq => Test::Eq,
        Cond::Ne => Test::Ne,
        Cond::Gt => Test::Gt,
        Cond::Ge => Test::Ge,
        Cond::Lt => Test::Lt,
        Cond::Le => Test::Le,
        Cond::Sgt => Test::Sgt,
        Cond::Sge => Test::Sge,
        Cond::Slt => Test::Slt,
        Cond::Sle => Test::Sle,
        Cond::Set => Test::Set,
    }
}

/// The outcome of a jump, if there is only one.
fn taken(a: &Reg, b: &Reg, cond: Cond, w: InsnWidth, rules: Rules) -> Option<bool> {
    if a.is_packet_any() && b.is_packet_any() && w == InsnWidth::W64 {
        return packet_taken(a, b, cond);
    }
    if a.is_pointer() || b.is_pointer() {
        if w == InsnWidth::W32 && !rules.half_pointer_not_zero {
            return None;
        }
        let is_const = |r: &Reg| {
            r.is_scalar()
                && match w {
                    InsnWidth::W64 => r.num.is_const(),
                    InsnWidth::W32 => r.num.const_value_low().is_some(),
                }
        };
        let (ptr, num) = if is_const(b) { (a, b) } else { (b, a) };
        if !is_const(num) || !never_null(ptr, rules) {
            return None;
        }
        let zero = match w {
            InsnWidth::W64 => num.num.const_value() == Some(0),
            InsnWidth::W32 => num.num.const_value_low() == Some(0),
        };
        return match cond {
            Cond::Eq if zero => Some(false),
            Cond::Ne if zero => Some(true),
            _ => None,
        };
    }
    test(cond).decide(width(w), &a.num, &b.num)
}

/// Whether the pointer is of a kind that is not null.
fn never_null(ptr: &Reg, rules: Rules) -> bool {
    if !rules.wraps_to_null {
        return ptr.never_null();
    }
    const END: i64 = 1 << 29;
    let is_bounded = ptr.num.smin() > -END && ptr.num.smax() < END;
    is_bounded && (ptr.never_null() || matches!(ptr.kind, Kind::XdpSock | Kind::Buf) && !ptr.maybe_null())
}

/// With one pointer known to be at or beyond the packet's end.
fn packet_taken(a: &Reg, b: &Reg, cond: Cond) -> Option<bool> {
    let (pkt, cond) = match (a.kind, b.kind) {
        (_, Kind::PacketEnd) => (a, cond),
        (Kind::PacketEnd, _) => (b, flip(cond)),
        _ => return None,
    };
    if pkt.a as i32 >= 0 {
        return None;
    }
    match cond {
        Cond::Le => (pkt.a == BEYOND_PKT_END).then_some(false),
        Cond::Gt => (pkt.a == BEYOND_PKT_END).then_some(true),
        Cond::Lt => Some(false),
        Cond::Ge => Some(true),
        _ => None,
    }
}

/// The same comparison with its operands exchanged.
fn flip(cond: Cond) -> Cond {
    match cond {
        Cond::Gt => Cond::Lt,
        Cond::Ge => Cond::Le,
        Cond::Lt => Cond::Gt,
        Cond::Le => Cond::Ge,
        Cond::Sgt => Cond::Slt,
        Cond::Sge => Cond::Sle,
        Cond::Slt => Cond::Sgt,
        Cond::Sle => Cond::Sge,
        same => same,
    }
}

impl Walker<'_> {
    pub(super) fn may_goto(&mut self, off: i32) -> Judged<Next> {
        let at = self.at;
        let previous = self.previous_entry_of_parent(at);
        let mut later = self.cur.clone();
        later.may_goto_depth += 1;
        if let Some(previous) = previous {
            self.widen(previous, &mut later);
        }
        self.push_state(at + 1, at, later, Errno::ENOMEM)?;
        Ok(Next::To((i64::from(at) + 1 + i64::from(off)) as u32))
    }

    pub(super) fn jump(&mut self, cond: Cond, w: InsnWidth, dst: R, src: Operand, off: i16) -> Judged<Next> {
        self.readable(dst)?;
        if let Operand::Reg(src) = src {
            self.readable(src)?;
        }
        let a = *self.cur.reg(dst.index());
        let b = match src {
            Operand::Reg(src) => *self.cur.reg(src.index()),
            Operand::Imm(imm) => Reg::known(imm as i64 as u64),
        };
        let access =
            Access { stack: None, src_is_stack: b.kind == Kind::Stack, dst_is_stack: a.kind == Kind::Stack };
        if access != Access::default() {
            self.push_step(access, 0);
        }
        let target = (i64::from(self.at) + 1 + i64::from(off)) as u32;
        if let Some(taken) = taken(&a, &b, cond, w, self.rules) {
            if a.is_scalar() {
                self.mark_precise(dst.index())?;
            }
            if let Operand::Reg(src) = src
                && b.is_scalar()
            {
                self.mark_precise(src.index())?;
            }
            self.note_branch(taken, !taken);
            if self.log.on() {
                self.log_state();
            }
            return Ok(if taken { Next::To(target) } else { Next::Straight });
        }
        self.note_branch(true, true);
        let mut linked = LinkedRegs::new();
        if matches!(src, Operand::Reg(_)) && b.is_scalar() && b.id != 0 {
            self.collect_linked(b.id, &mut linked);
        }
        if a.is_scalar() && a.id != 0 {
            self.collect_linked(a.id, &mut linked);
        }
        if linked.len() > 1 {
            self.push_step(Access::default(), pack(&linked));
        }
        // Registers may have lost their ids.
        let a = *self.cur.reg(dst.index());
        let b = match src {
            Operand::Reg(src) => *self.cur.reg(src.index()),
            Operand::Imm(_) => b,
        };
        let at = self.at;
        let mut other = self.cur.clone();
        if a.is_scalar() && b.is_scalar() {
            self.refine(cond, w, dst, src, (a, b), &mut other)?;
            for (r, reg) in [(src, b), (Operand::Reg(dst), a)] {
                let Operand::Reg(r) = r else { continue };
                if reg.id != 0 {
                    sync_linked(&mut self.cur, r.index(), &linked, self.rules);
                    sync_linked(&mut other, r.index(), &linked, self.rules);
                }
            }
        }
        if w == InsnWidth::W64 {
            self.learn_pointers(cond, dst, src, (a, b), &mut other);
        }
        self.push_state(target, at, other, Errno::EFAULT)?;
        if self.log.on() {
            self.log_state();
        }
        Ok(Next::Straight)
    }

    fn note_branch(&mut self, taken: bool, falls_through: bool) {
        if let Some(recorder) = &mut self.recorder {
            recorder.branch(self.at, taken, falls_through);
        }
    }

    /// Cuts the ranges of both numbers on both sides.
    fn refine(
        &mut self,
        cond: Cond,
        w: InsnWidth,
        dst: R,
        src: Operand,
        (a, b): (Reg, Reg),
        other: &mut State,
    ) -> Judged<()> {
        let (test, w) = (test(cond), width(w));
        if src == Operand::Reg(dst) {
            other.reg_mut(dst.index()).num =
                self.sanitize(test.assume_same(w, true, &a.num, self.arithmetic), "true_reg1")?;
            self.cur.reg_mut(dst.index()).num =
                self.sanitize(test.assume_same(w, false, &a.num, self.arithmetic), "false_reg1")?;
            return Ok(());
        }
        let (a1, b1) = test.assume(w, true, &a.num, &b.num, self.arithmetic);
        let (a0, b0) = test.assume(w, false, &a.num, &b.num, self.arithmetic);
        other.reg_mut(dst.index()).num = self.sanitize(a1, "true_reg1")?;
        let b1 = self.sanitize(b1, "true_reg2")?;
        self.cur.reg_mut(dst.index()).num = self.sanitize(a0, "false_reg1")?;
        let b0 = self.sanitize(b0, "false_reg2")?;
        if let Operand::Reg(src) = src {
            other.reg_mut(src.index()).num = b1;
            self.cur.reg_mut(src.index()).num = b0;
        }
        Ok(())
    }

    fn learn_pointers(&mut self, cond: Cond, dst: R, src: Operand, (a, b): (Reg, Reg), other: &mut State) {
        if let Operand::Reg(src) = src {
            let plain = |r: &Reg| r.is_pointer() && r.kind != Kind::BtfId;
            if plain(&a) && plain(&b) && a.maybe_null() != b.maybe_null() {
                let (of, known) = if b.maybe_null() { (src, &a) } else { (dst, &b) };
                let tells = self.rules.equal_to_unmarked || never_null(known, self.rules);
                let equal = match cond {
                    _ if !tells => None,
                    Cond::Eq => Some(&mut *other),
                    Cond::Ne => Some(&mut self.cur),
                    _ => None,
                };
                if let Some(state) = equal {
                    not_null(&self.program.maps, &self.map_fields, state.reg_mut(of.index()));
                }
            }
        }
        // A register that holds zero does not count: the kernel looks at the instruction alone.
        if matches!(cond, Cond::Eq | Cond::Ne) && a.maybe_null() && src == Operand::Imm(0) {
            let a = *self.cur.reg(dst.index());
            self.settle_null(&a, cond == Cond::Ne, None);
            self.settle_null(&a, cond == Cond::Eq, Some(other));
        } else if let Operand::Reg(src) = src {
            let limits = self.model.limits();
            match_packets(cond, (dst, src), (&a, &b), (&mut self.cur, other), limits);
        }
    }

    /// All copies of a pointer that may be null become null, or cease to be possibly so.
    fn settle_null(&mut self, of: &Reg, is_null: bool, other: Option<&mut State>) {
        let (id, ref_id) = (of.id, of.ref_id);
        // What a callback does not own stays held, which no later release of it can satisfy.
        let in_callback = !self.rules.callbacks_share_references
            && self.cur.frames[1..].iter().any(|frame| frame.in_callback);
        let (maps, fields, objects) = (&self.program.maps, &self.map_fields, &self.objects);
        let state = match other {
            Some(other) => other,
            None => &mut self.cur,
        };
        if is_null && ref_id != 0 && ref_id == id {
            // Nothing was acquired after all.
            let frame = state.curframe();
            let is_own = |r: &Reference| !in_callback || usize::from(r.callback) == frame;
            state.refs.retain(|r| !r.is_object() || r.id != id || !is_own(r));
        }
        state.for_each_reg(
            |r| r.maybe_null() && r.id == id,
            |r| {
                if is_null {
                    *r = r.became_null();
                    return;
                }
                not_null(maps, fields, r);
                // The identity of a lock's value tells the lock.
                let fields = match r.kind {
                    Kind::MapValue => fields.of(super::maps::index_of(r.a), super::maps::is_inner(r.a)),
                    _ => objects.of_reg(r),
                };
                if !fields.is_some_and(|f| f.has_lock()) {
                    r.id = 0;
                }
            },
        );
    }

    /// Registers and slots with this id, as far as they are still read.
    /// Where numbers with this id are. Comparing two that are the same finds each twice; those for
    /// which there is no room left lose their id.
    fn collect_linked(&mut self, id: u32, linked: &mut LinkedRegs) {
        let id = id & !ADD_CONST;
        let matches = |r: &Reg| r.is_scalar() && r.id & !ADD_CONST == id;
        for n in (0..self.cur.frames.len()).rev() {
            let live = match self.rules.links_live_only {
                true => self.graph.live[self.cur.frame_insn(n) as usize],
                false => u16::MAX,
            };
            let mut fits = |index: usize, is_reg: bool| {
                let fits = linked.len() < MAX_LINKED;
                if fits {
                    linked.push(Linked { frame: n as u8, is_reg, index: index as u8 });
                }
                fits
            };
            for r in 0..10 {
                if live >> r & 1 == 1 && matches(&self.cur.frames[n].regs[r]) && !fits(r, true) {
                    let reg = &mut self.cur.frame_mut(n).regs[r];
                    (reg.id, reg.off) = (0, 0);
                }
            }
            for spi in 0..self.cur.frames[n].stack.len() {
                let slot = &self.cur.frames[n].stack[spi];
                if slot.is_spill() && matches(&slot.reg) && !fits(spi, false) {
                    let reg = &mut self.cur.frame_mut(n).stack_mut()[spi].reg;
                    (reg.id, reg.off) = (0, 0);
                }
            }
        }
    }
}

/// A pointer that is not null after all. What a lookup in a map of maps gave is then a map.
fn not_null(maps: &[alloc::sync::Arc<oxbpf_isa::program::MapDef>], fields: &MapFields, reg: &mut Reg) {
    reg.mods = reg.mods.without(Mods::MAYBE_NULL);
    if reg.kind != Kind::MapValue {
        return;
    }
    use oxbpf_isa::kernel::MapType;
    let Some(map) = maps.get(super::maps::index_of(reg.a)) else { return };
    if super::maps::is_inner(reg.a) {
        return;
    }
    match map.kind() {
        Some(MapType::ArrayOfMaps | MapType::HashOfMaps) => {
            reg.kind = Kind::MapPtr;
            let index = super::maps::index_of(reg.a);
            reg.a = super::maps::inner(reg.a);
            // Timers of the inner map would tell maps apart by this.
            reg.b = if fields.of(index, true).is_some_and(|f| f.needs_uid()) { reg.id } else { 0 };
        }
        // The kernel still has the map beside such a socket, which so differs from one found otherwise.
        Some(MapType::Xskmap) => (reg.kind, reg.a) = (Kind::XdpSock, reg.a + 1),
        Some(MapType::Sockmap | MapType::Sockhash) => (reg.kind, reg.a) = (Kind::Socket, reg.a + 1),
        _ => {}
    }
}

/// Carries what was learned about a register over to those that differ from it by a constant.
fn sync_linked(state: &mut State, known: usize, linked: &[Linked], rules: Rules) {
    let known_reg = *state.reg(known);
    for l in linked {
        let frame = l.frame as usize;
        let reg = match l.is_reg {
            true => state.frames[frame].regs[l.index as usize],
            false => *state.frames[frame].stack[l.index as usize].reg,
        };
        let is_known = l.is_reg && frame == state.curframe() && l.index as usize == known;
        if !reg.is_scalar() || is_known || (reg.id & !ADD_CONST) != (known_reg.id & !ADD_CONST) {
            continue;
        }
        let Some(updated) = synced(&known_reg, &reg, rules) else { continue };
        match l.is_reg {
            true => state.frame_mut(frame).regs[l.index as usize] = updated,
            false => state.frame_mut(frame).stack_mut()[l.index as usize].reg = updated.into(),
        }
    }
}

fn synced(known: &Reg, reg: &Reg, rules: Rules) -> Option<Reg> {
    // A distance in 32 bits says nothing of one in 64.
    if (known.id ^ reg.id) & ADD_CONST == ADD_CONST {
        return None;
    }
    if known.id & ADD_CONST == 0 && reg.id & ADD_CONST == 0 || reg.off == known.off {
        return Some(*known);
    }
    let known_off = if known.id & ADD_CONST != 0 { known.off } else { 0 };
    let reg_off = if reg.id & ADD_CONST != 0 { reg.off } else { 0 };
    let delta = i64::from(reg_off) - i64::from(known_off);
    let narrow = (known.id | reg.id) & ADD_CONST32 != 0;
    let by = crate::domain::Scalar::constant(delta as u64);
    let width = if narrow { Width::W32 } else { Width::W64 };
    let num = match rules.concludes_from_links {
        true => known.num.alu(Alu::Add, width, &by, rules.arithmetic()),
        false => known.num.sum(&by, rules.arithmetic()),
    };
    Some(Reg { num, id: reg.id, off: reg.off, ..*known })
}

/// What comparing packet pointers with the end, or metadata with the packet, tells.
fn match_packets(
    cond: Cond,
    (dst, src): (R, R),
    (a, b): (&Reg, &Reg),
    (this, other): (&mut State, &mut State),
    limits: &Limits,
) {
    let is_begin =
        |r: &Reg| r.kind == Kind::Packet && r.off == 0 && r.num.tnum().equals_const(0) && r.id == 0;
    let forward =
        a.kind == Kind::Packet && b.kind == Kind::PacketEnd || a.kind == Kind::PacketMeta && is_begin(b);
    let backward =
        a.kind == Kind::PacketEnd && b.kind == Kind::Packet || is_begin(a) && b.kind == Kind::PacketMeta;
    let (pkt, reg, cond) = match (forward, backward) {
        (true, _) => (a, dst, cond),
        (_, true) => (b, src, flip(cond)),
        _ => return,
    };
    // After `pkt > end` fails, or `pkt < end` holds, so much can be read.
    let (good, bad, open) = match cond {
        Cond::Gt => (&mut *this, &mut *other, false),
        Cond::Ge => (&mut *this, &mut *other, true),
        Cond::Lt => (&mut *other, &mut *this, true),
        Cond::Le => (&mut *other, &mut *this, false),
        _ => return,
    };
    find_good_range(good, pkt, open, limits.packet_offset);
    let beyond = matches!(cond, Cond::Gt | Cond::Le);
    let bad = bad.reg_mut(reg.index());
    if bad.kind == Kind::Packet {
        bad.a = if beyond { BEYOND_PKT_END } else { AT_PKT_END };
    }
}

/// `end` is where packets are read up to at most.
fn find_good_range(state: &mut State, pkt: &Reg, open: bool, end: u64) {
    if pkt.off < 0 || pkt.off == 0 && open {
        return;
    }
    if pkt.num.umax() > end || pkt.num.umax() + pkt.off as u64 > end {
        return;
    }
    let range = pkt.off + open as i32;
    let (kind, id) = (pkt.kind, pkt.id);
    state.for_each_reg(
        |r| r.kind == kind && r.mods == Mods::NONE && r.id == id && (r.a as i32) < range,
        |r| r.a = range as u32,
    );
}
