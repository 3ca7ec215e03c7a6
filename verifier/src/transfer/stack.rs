//! The stack: storing, loading, and what helpers do to it.
//!
//! Rules: `check_stack_access_within_bounds`, `check_stack_write_fixed_off`,
//! `check_stack_write_var_off`, `check_stack_read_fixed_off`, `check_stack_read_var_off`,
//! `check_stack_range_initialized` of Linux 6.18. Eight aligned bytes that hold a register are filled
//! with all that is known of it. Bytes never written may be read by a privileged program and are any
//! number.

use super::memory::Way;
use crate::explore::{Judged, Walker};
use crate::report::Finding;
use crate::state::{Access, Byte, Kind, Reg, Slot, Spilled};
use alloc::format;
use oxbpf_isa::insn::Operand;

impl Walker<'_> {
    /// The lowest and highest byte the access can touch; grows the stack down to it.
    pub(super) fn stack_bounds(
        &mut self,
        r: usize,
        off: i32,
        size: i64,
        word: &'static str,
    ) -> Judged<(i64, i64)> {
        let reg = *self.cur.reg(r);
        let number = r as u8;
        let (min, max) = match reg.num.const_value() {
            Some(var) => {
                let min = (var as i64).wrapping_add(i64::from(off));
                (min, min + size)
            }
            None => {
                let (smin, smax) = (reg.num.smin(), reg.num.smax());
                if smax >= self.max_offset() || smin <= -self.max_offset() {
                    return Err(Finding::StackUnbounded { way: word, reg: number }.into());
                }
                (smin + i64::from(off), smax + i64::from(off) + size)
            }
        };
        let stack = self.model.limits().stack_bytes as i64;
        let low = !(-stack..=-1).contains(&min);
        if low || max > 0 || size < 0 {
            let finding = match reg.num.is_const() {
                true => Finding::StackBounds { way: word, reg: number, off, size },
                false => {
                    let var_off = format!("{}", reg.num.tnum());
                    Finding::StackVarBounds { way: word, reg: number, var_off, off, size }
                }
            };
            let errno_invalid = !low;
            return Err(if errno_invalid { finding.into_invalid() } else { finding }.into());
        }
        self.grow(reg.frame as usize, -min);
        Ok((min, max))
    }

    /// Makes room in a frame's stack.
    fn grow(&mut self, frame: usize, bytes: i64) {
        let slots = (bytes as usize).div_ceil(8);
        if self.cur.frames[frame].stack.len() < slots {
            self.cur.frame_mut(frame).stack_mut().resize(slots, Slot::invalid());
        }
        let subprog = self.cur.frames[frame].subprog as usize;
        let depth = &mut self.functions[subprog].stack_depth;
        *depth = (*depth).max(8 * slots as u32);
    }

    pub(super) fn stack_write(
        &mut self,
        r: usize,
        off: i32,
        size: u32,
        value: Option<Operand>,
    ) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let frame = reg.frame as usize;
        match reg.num.const_value() {
            Some(var) => self.stack_write_fixed(frame, (var as i64 + i64::from(off)) as i32, size, value),
            None => {
                let min = reg.num.smin() + i64::from(off);
                let max = reg.num.smax() + i64::from(off) + i64::from(size);
                self.stack_write_var(frame, min, max, value)
            }
        }
    }

    fn stack_write_fixed(&mut self, frame: usize, off: i32, size: u32, value: Option<Operand>) -> Judged<()> {
        let byte = (-off - 1) as usize;
        let spi = byte / 8;
        self.uses_stack(frame, i64::from(off));
        self.log.scratch_slot(frame == self.cur.curframe(), spi);
        self.stack_live.ensure(&self.cur);
        self.destroy_dynptr(frame, spi)?;
        if size == 8 {
            self.stack_live.write(frame, 1 << spi);
        }
        let aligned = off % 8 == 0;
        let step = Access { stack: Some((frame as u8, spi as u8)), ..Access::default() };
        match value {
            Some(Operand::Reg(src)) if aligned && self.cur.reg(src.index()).is_scalar() => {
                let fits = self.cur.reg(src.index()).num.needed_bits() <= 8 * size;
                if fits {
                    self.link_before_copy(src.index());
                }
                let mut reg = *self.cur.reg(src.index());
                if !fits {
                    (reg.id, reg.off) = (0, 0);
                }
                self.save(frame, spi, reg, size);
                self.push_step(step, 0);
            }
            Some(Operand::Imm(imm)) if aligned => {
                self.save(frame, spi, Reg::known(imm as i64 as u64), size);
                self.push_step(step, 0);
            }
            Some(Operand::Reg(src)) if self.cur.reg(src.index()).kind.is_spillable() => {
                let reg = *self.cur.reg(src.index());
                if size != 8 {
                    self.log_source(self.at);
                    return Err(Finding::SpillSize.into());
                }
                if frame != self.cur.curframe() && reg.kind == Kind::Stack {
                    return Err(Finding::SpillToCaller.into());
                }
                self.save(frame, spi, reg, size);
                self.push_step(step, 0);
            }
            _ => {
                let zero = match value {
                    Some(Operand::Reg(src)) => self.cur.reg(src.index()).is_null(),
                    Some(Operand::Imm(imm)) => imm == 0,
                    None => false,
                };
                if let (true, Some(Operand::Reg(src))) = (zero, value) {
                    self.mark_precise(src.index())?;
                }
                let slot = &mut self.cur.frame_mut(frame).stack_mut()[spi];
                scrub(slot);
                for i in 0..size as usize {
                    slot.bytes[(byte - i) % 8] = if zero { Byte::Zero } else { Byte::Misc };
                }
            }
        }
        Ok(())
    }

    /// Stores a register at the beginning of a slot.
    fn save(&mut self, frame: usize, spi: usize, reg: Reg, size: u32) {
        if let Some(recorder) = &mut self.recorder {
            recorder.spilled(self.at, &reg, frame == self.cur.curframe());
        }
        let slot = &mut self.cur.frame_mut(frame).stack_mut()[spi];
        slot.reg = reg.into();
        let size = size as usize;
        for byte in &mut slot.bytes[8 - size..] {
            *byte = Byte::Spill;
        }
        // What else was in the slot is no register any more.
        for byte in &mut slot.bytes[..8 - size] {
            if !matches!(byte, Byte::Zero | Byte::Invalid) {
                *byte = Byte::Misc;
            }
        }
    }

    fn stack_write_var(&mut self, frame: usize, min: i64, max: i64, value: Option<Operand>) -> Judged<()> {
        let zero = match value {
            Some(Operand::Reg(src)) => self.cur.reg(src.index()).is_null(),
            Some(Operand::Imm(imm)) => imm == 0,
            None => false,
        };
        self.stack_live.ensure(&self.cur);
        for i in min..max {
            self.destroy_dynptr(frame, (-i - 1) as usize / 8)?;
        }
        self.uses_stack(frame, min);
        let mut zero_used = false;
        let is_cur = frame == self.cur.curframe();
        for i in min..max {
            let byte = (-i - 1) as usize;
            let spi = byte / 8;
            self.log.scratch_slot(is_cur, spi);
            let slot = &mut self.cur.frame_mut(frame).stack_mut()[spi];
            let old = slot.bytes[byte % 8];
            if zero && old == Byte::Spill && slot.is_scalar_spill() && slot.reg.num.tnum().equals_const(0) {
                zero_used = true;
                continue;
            }
            scrub(slot);
            let stays = zero && slot.bytes[byte % 8] == Byte::Zero;
            zero_used |= stays;
            slot.bytes[byte % 8] = if stays { Byte::Zero } else { Byte::Misc };
        }
        if let (true, Some(Operand::Reg(src))) = (zero_used, value) {
            self.mark_precise(src.index())?;
        }
        Ok(())
    }

    /// Loads from the stack into a register, or from it into nothing.
    pub(super) fn stack_read(&mut self, r: usize, off: i32, size: u32, dst: Option<usize>) -> Judged<()> {
        let reg = *self.cur.reg(r);
        let frame = reg.frame as usize;
        let Some(var) = reg.num.const_value() else {
            if dst.is_none() {
                return Err(Finding::StackVarAtomic {
                    reg: r as u8,
                    var_off: format!("{}", reg.num.tnum()),
                    off,
                    size,
                }
                .into());
            }
            self.stack_range(r, off, i64::from(size), false, Way::Read, false, false)?;
            let min = reg.num.smin() + i64::from(off);
            let max = reg.num.smax() + i64::from(off) + i64::from(size);
            self.set_from_bytes(frame, min, max, dst);
            self.uses_stack(frame, min);
            return Ok(());
        };
        let off = (var as i64 + i64::from(off)) as i32;
        let byte = (-off - 1) as usize;
        let spi = byte / 8;
        self.uses_stack(frame, i64::from(off));
        self.log.scratch_slot(frame == self.cur.curframe(), spi);
        self.stack_live.ensure(&self.cur);
        self.stack_live.read(frame, 1 << spi);
        let slot = self.cur.frames[frame].stack[spi].clone();
        if !slot.is_spill() {
            readable_bytes(&slot, byte, off, size)?;
            self.set_from_bytes(frame, i64::from(off), i64::from(off) + i64::from(size), dst);
            return Ok(());
        }
        let spill_size = slot.bytes.iter().rev().take_while(|b| **b == Byte::Spill).count() as u32;
        let mut is_fill = true;
        if size != 8 || spill_size != 8 {
            if !slot.reg.is_scalar() {
                self.log_source(self.at);
                return Err(Finding::FillSize.into());
            }
            let Some(dst) = dst else { return Ok(()) };
            // Little-endian: a narrower load from the start of what was stored.
            if size <= spill_size && off % 8 == 0 {
                let mut reg = *slot.reg;
                if reg.num.needed_bits() > 8 * size {
                    (reg.id, reg.off) = (0, 0);
                }
                *self.cur.reg_mut(dst) = reg;
            } else {
                let bytes = || (0..size as usize).map(|i| slot.bytes[(byte - i) % 8]);
                let spilled = bytes().filter(|b| *b == Byte::Spill).count() as u32;
                let zeros = bytes().filter(|b| *b == Byte::Zero).count() as u32;
                if spilled == size && slot.reg.num.tnum().equals_const(0) {
                    *self.cur.reg_mut(dst) = Reg::known(0);
                } else if zeros == size {
                    *self.cur.reg_mut(dst) = Reg::known(0);
                    is_fill = false;
                } else {
                    *self.cur.reg_mut(dst) = Reg::unknown();
                    is_fill = false;
                }
            }
        } else if let Some(dst) = dst {
            *self.cur.reg_mut(dst) = *slot.reg;
        }
        if is_fill {
            self.push_step(Access { stack: Some((frame as u8, spi as u8)), ..Access::default() }, 0);
        }
        Ok(())
    }

    fn set_from_bytes(&mut self, frame: usize, min: i64, max: i64, dst: Option<usize>) {
        let Some(dst) = dst else { return };
        let is_cur = frame == self.cur.curframe();
        let mut zeros = true;
        for i in min..max {
            let byte = (-i - 1) as usize;
            self.log.scratch_slot(is_cur, byte / 8);
            if self.cur.frames[frame].stack[byte / 8].bytes[byte % 8] != Byte::Zero {
                zeros = false;
                break;
            }
        }
        *self.cur.reg_mut(dst) = if zeros { Reg::known(0) } else { Reg::unknown() };
    }

    /// A helper that fills memory must not fill a dynptr.
    fn spare_dynptrs(&self, frame: usize, min: i64, end: i64) -> Judged<()> {
        let stack = &self.cur.frames[frame].stack;
        let is_dynptr = |i: i64| {
            let byte = (-i - 1) as usize;
            stack.get(byte / 8).is_some_and(|slot| slot.bytes[byte % 8] == Byte::Dynptr)
        };
        match (min..end).find(|&i| is_dynptr(i)) {
            Some(off) => Err(Finding::DynptrMayWrite { off }.into()),
            None => Ok(()),
        }
    }

    /// A helper, or a load at a variable offset, touches a range of the stack. With `raw`, the
    /// range need not be initialised, and its extent is given back to be written as a whole.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn stack_range(
        &mut self,
        r: usize,
        off: i32,
        size: i64,
        zero_allowed: bool,
        way: Way,
        raw: bool,
        by_helper: bool,
    ) -> Judged<bool> {
        if size == 0 && !zero_allowed {
            return Err(Finding::ZeroSizedRead.into());
        }
        let indirect = by_helper && !self.rules.helpers_spare_what_they_read;
        let word = if indirect { "indirect access to" } else { way_word(way) };
        self.stack_bounds(r, off, size, word)?;
        let reg = *self.cur.reg(r);
        let frame = reg.frame as usize;
        let (min, max) = match reg.num.const_value() {
            Some(var) => {
                let min = var as i64 + i64::from(off);
                (min, min)
            }
            None => (reg.num.smin() + i64::from(off), reg.num.smax() + i64::from(off)),
        };
        if raw && reg.num.is_const() {
            self.spare_dynptrs(frame, min, max + size)?;
            return Ok(true);
        }
        self.stack_live.ensure(&self.cur);
        let clobber = way == Way::Write || indirect;
        for i in min..max + size {
            let byte = (-i - 1) as usize;
            let spi = byte / 8;
            let Some(slot) = self.cur.frames[frame].stack.get(spi) else {
                return Err(crate::explore::Stop::Unknown(crate::verdict::Feature::Internal));
            };
            if matches!(slot.bytes[byte % 8], Byte::Dynptr | Byte::Iter | Byte::Irq) {
                return Err(unreadable(&reg, r, min, i, size, indirect).into());
            }
            self.stack_live.read(frame, 1 << spi);
            match slot.bytes[byte % 8] {
                Byte::Misc => {}
                Byte::Zero | Byte::Invalid => {
                    if clobber {
                        self.cur.frame_mut(frame).stack_mut()[spi].bytes[byte % 8] = Byte::Misc;
                    }
                }
                Byte::Dynptr | Byte::Iter | Byte::Irq => {}
                Byte::Spill => {
                    if clobber {
                        let slot = &mut self.cur.frame_mut(frame).stack_mut()[spi];
                        slot.reg = Reg::unknown().into();
                        misc(slot);
                    }
                }
            }
        }
        Ok(false)
    }
}

/// What an instruction does to the stack, in the kernel's words.
pub(super) fn way_word(way: Way) -> &'static str {
    if way == Way::Read { "read from" } else { "write to" }
}

/// A slot that held a register or an object does not any more.
fn scrub(slot: &mut Slot) {
    if slot.is_special() {
        misc(slot);
    }
    forget_reg(slot);
}

/// What reference was here is remembered, as in the kernel, which misses it when a dynptr ends.
fn forget_reg(slot: &mut Slot) {
    let ref_id = slot.reg.ref_id;
    slot.reg = Spilled::NONE;
    if ref_id != 0 {
        slot.reg.ref_id = ref_id;
    }
}

/// Whether bytes that hold no register may be loaded.
fn readable_bytes(slot: &Slot, byte: usize, off: i32, size: u32) -> Judged<()> {
    let hidden = (0..size as usize)
        .find(|i| matches!(slot.bytes[(byte - i) % 8], Byte::Dynptr | Byte::Iter | Byte::Irq));
    match hidden {
        Some(at) => Err(Finding::StackReadBytes { off, at: at as i32, size }.into()),
        None => Ok(()),
    }
}

/// A byte in a range that is not to be read.
fn unreadable(reg: &Reg, r: usize, min: i64, at: i64, size: i64, indirect: bool) -> Finding {
    let (number, at) = (r as u8, at - min);
    let way = if indirect { "indirect read from" } else { "read from" };
    match reg.num.is_const() {
        true => Finding::StackRangeRead { way, reg: number, off: min, at, size },
        false => {
            Finding::StackRangeReadVar { way, reg: number, var_off: format!("{}", reg.num.tnum()), at, size }
        }
    }
}

/// Every byte that was written may be anything.
fn misc(slot: &mut Slot) {
    for byte in &mut slot.bytes {
        if *byte != Byte::Invalid {
            *byte = Byte::Misc;
        }
    }
}
