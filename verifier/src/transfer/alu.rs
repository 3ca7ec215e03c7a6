//! Arithmetic: what an operation makes of the registers.
//!
//! Rules: `check_alu_op`, `adjust_reg_min_max_vals`, `adjust_ptr_min_max_vals` and
//! `check_reg_sane_offset` of Linux 6.18. Numbers are the domain's business; here it is decided
//! whether an operand is a number at all, which registers stay linked, and what may be done to
//! pointers: constants go into the fixed offset, numbers into the variable one, everything else is
//! refused.

use crate::domain::{Alu, Scalar, Violation, Width};
use crate::explore::{Judged, Next, Walker};
use crate::report::Finding;
use crate::state::{ADD_CONST, ADD_CONST32, ADD_CONST64, Kind, Mods, Reg};
use alloc::string::String;
use oxbpf_isa::insn::{AluOp, EndianOp, Operand, Reg as R, Size, Width as InsnWidth};
use oxbpf_isa::program::ProgFlags;

pub(super) fn width(width: InsnWidth) -> Width {
    match width {
        InsnWidth::W64 => Width::W64,
        InsnWidth::W32 => Width::W32,
    }
}

fn operation(op: AluOp) -> Alu {
    match op {
        AluOp::Add => Alu::Add,
        AluOp::Sub => Alu::Sub,
        AluOp::Mul => Alu::Mul,
        AluOp::Div => Alu::Div,
        AluOp::Sdiv => Alu::Sdiv,
        AluOp::Mod => Alu::Mod,
        AluOp::Smod => Alu::Smod,
        AluOp::And => Alu::And,
        AluOp::Or => Alu::Or,
        AluOp::Xor => Alu::Xor,
        AluOp::Lsh => Alu::Lsh,
        AluOp::Rsh => Alu::Rsh,
        AluOp::Arsh => Alu::Arsh,
    }
}

impl Walker<'_> {
    /// Forgets contradictory bounds, or refuses them where the program was loaded to test that. `place`
    /// is where they were found, in the kernel's word.
    pub(super) fn sanitize(&mut self, num: Scalar, place: &'static str) -> Judged<Scalar> {
        let Some(violation) = num.violation() else { return Ok(num) };
        let finding = Finding::RegInvariants { text: violation_text(violation, &num, place) };
        if self.program.flags.has(ProgFlags::TEST_REG_INVARIANTS) {
            return Err(finding.into());
        }
        self.log.line(format_args!("{finding}\n"));
        let mut num = num;
        num.forget_bounds();
        Ok(num)
    }

    /// Gives a scalar that is about to be copied an id to be known by.
    pub(super) fn link_before_copy(&mut self, r: usize) {
        let reg = self.cur.reg(r);
        if !reg.is_scalar() {
            return;
        }
        let linked = reg.id & ADD_CONST != 0;
        if linked {
            let reg = self.cur.reg_mut(r);
            (reg.id, reg.off) = (0, 0);
        }
        let reg = self.cur.reg(r);
        if reg.id == 0 && !reg.num.is_const() {
            let id = self.fresh_id();
            self.cur.reg_mut(r).id = id;
        }
    }

    pub(super) fn neg(&mut self, w: InsnWidth, dst: R) -> Judged<Next> {
        self.readable(dst)?;
        self.writable(dst)?;
        let (how, computes) = (self.arithmetic, self.rules.computes_negation);
        let reg = self.cur.reg_mut(dst.index());
        *reg = match reg.is_scalar() && computes {
            true => Reg { num: reg.num.negate(width(w), how), id: 0, off: 0, ..*reg },
            false => Reg::unknown(),
        };
        self.sanitize_reg(dst)
    }

    pub(super) fn endian(&mut self, op: EndianOp, size: Size, dst: R) -> Judged<Next> {
        self.readable(dst)?;
        self.writable(dst)?;
        let (how, computes) = (self.arithmetic, self.rules.computes_byte_order);
        // Nothing is changed here, so the number stays linked to others.
        if computes && op == EndianOp::ToLe && size == Size::Dw && self.cur.reg(dst.index()).is_scalar() {
            return self.sanitize_reg(dst);
        }
        let reg = self.cur.reg_mut(dst.index());
        *reg = match reg.is_scalar() && computes {
            true => {
                let num = match op {
                    EndianOp::ToLe => reg.num.truncate(size.bits(), how),
                    EndianOp::ToBe | EndianOp::Swap => reg.num.byte_swap(size.bits(), how),
                };
                Reg { num, id: 0, off: 0, ..*reg }
            }
            false => Reg::unknown(),
        };
        self.sanitize_reg(dst)
    }

    fn sanitize_reg(&mut self, dst: R) -> Judged<Next> {
        self.sanitize_as(dst, "alu")
    }

    /// As [`Self::sanitize`], of a register; it is most often in order.
    pub(super) fn sanitize_as(&mut self, dst: R, place: &'static str) -> Judged<Next> {
        let num = self.cur.reg(dst.index()).num;
        if num.violation().is_some() {
            self.cur.reg_mut(dst.index()).num = self.sanitize(num, place)?;
        }
        Ok(Next::Straight)
    }

    pub(super) fn mov(&mut self, w: InsnWidth, dst: R, src: Operand) -> Judged<Next> {
        let src = match src {
            Operand::Imm(imm) => {
                self.writable(dst)?;
                let value = if w == InsnWidth::W64 { imm as i64 as u64 } else { u64::from(imm as u32) };
                *self.cur.reg_mut(dst.index()) = Reg::known(value);
                return Ok(Next::Straight);
            }
            Operand::Reg(src) => src,
        };
        self.readable(src)?;
        self.writable(dst)?;
        if w == InsnWidth::W64 {
            self.link_before_copy(src.index());
            *self.cur.reg_mut(dst.index()) = *self.cur.reg(src.index());
            return Ok(Next::Straight);
        }
        let from = *self.cur.reg(src.index());
        if !from.is_scalar() {
            *self.cur.reg_mut(dst.index()) = Reg::scalar(Scalar::UNKNOWN.zero_extend(self.arithmetic));
            return self.sanitize_reg(dst);
        }
        let fits = from.num.needed_bits() <= 32;
        if fits {
            self.link_before_copy(src.index());
        }
        let mut to = *self.cur.reg(src.index());
        if !fits {
            (to.id, to.off) = (0, 0);
        }
        to.num = to.num.zero_extend(self.arithmetic);
        *self.cur.reg_mut(dst.index()) = to;
        self.sanitize_reg(dst)
    }

    pub(super) fn movsx(&mut self, w: InsnWidth, from: Size, dst: R, src: R) -> Judged<Next> {
        self.readable(src)?;
        self.writable(dst)?;
        let reg = *self.cur.reg(src.index());
        if !reg.is_scalar() {
            let num = if w == InsnWidth::W64 {
                Scalar::UNKNOWN
            } else {
                Scalar::UNKNOWN.zero_extend(self.arithmetic)
            };
            *self.cur.reg_mut(dst.index()) = Reg::scalar(num);
            return self.sanitize_reg(dst);
        }
        let unchanged = reg.num.umax() < 1 << (from.bits() - 1);
        if unchanged {
            self.link_before_copy(src.index());
        }
        let mut to = *self.cur.reg(src.index());
        if !unchanged {
            (to.id, to.off) = (0, 0);
        }
        to.num = to.num.sign_extend(width(w), from.bits(), self.arithmetic);
        *self.cur.reg_mut(dst.index()) = to;
        self.sanitize_reg(dst)
    }

    pub(super) fn alu(&mut self, op: AluOp, w: InsnWidth, dst: R, src: Operand) -> Judged<Next> {
        if let Operand::Reg(src) = src {
            self.readable(src)?;
        }
        self.readable(dst)?;
        if let Operand::Imm(imm) = src {
            if imm == 0 && matches!(op, AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod) {
                return Err(Finding::DivByZero.into());
            }
            let bits = w.bits() as i32;
            if matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh) && !(0..bits).contains(&imm) {
                return Err(Finding::InvalidShift { imm }.into());
            }
        }
        self.writable(dst)?;
        let a = *self.cur.reg(dst.index());
        let b = match src {
            Operand::Reg(src) => *self.cur.reg(src.index()),
            Operand::Imm(imm) => Reg::known(imm as i64 as u64),
        };
        if a.kind == Kind::Arena || b.kind == Kind::Arena {
            if a.kind != Kind::Arena {
                *self.cur.reg_mut(dst.index()) = b;
            }
            return Ok(Next::Straight);
        }
        if a.is_pointer() && b.is_pointer() {
            if op == AluOp::Sub {
                *self.cur.reg_mut(dst.index()) = Reg::unknown();
                return Ok(Next::Straight);
            }
            let finding = Finding::PointerPointer { reg: dst.number(), op: symbol(op) };
            return Err(finding.into());
        }
        if b.is_pointer() {
            self.mark_precise(dst.index())?;
            return self.pointer_alu(op, w, dst, b, a, true);
        }
        if a.is_pointer() {
            if let Operand::Reg(src) = src {
                self.mark_precise(src.index())?;
            }
            return self.pointer_alu(op, w, dst, a, b, false);
        }
        if a.precise
            && let Operand::Reg(src) = src
        {
            self.mark_precise(src.index())?;
        }
        let same = src == Operand::Reg(dst);
        self.scalar_alu(op, w, dst, a, b, same)
    }

    fn scalar_alu(
        &mut self,
        op: AluOp,
        w: InsnWidth,
        dst: R,
        mut a: Reg,
        b: Reg,
        same: bool,
    ) -> Judged<Next> {
        let alu = operation(op);
        if let Some(fork) = a.num.fork_before(alu, &b.num) {
            let at = self.at;
            let pushed = self.push_path(at, at)?.reg_mut(dst.index());
            pushed.num = fork.pushed;
            a.num = fork.current;
        }
        let was_narrow = a.num.umax() <= u64::from(u32::MAX);
        let num = a.num.alu(alu, width(w), &b.num, self.arithmetic);
        let mut to = Reg { num, ..a };
        (to.id, to.off) = (0, 0);
        let is32 = w == InsnWidth::W32;
        let delta = if is32 {
            b.num.const_value_low().map(|v| i64::from(v as i32))
        } else {
            b.num.const_value().map(|v| v as i64)
        };
        let delta = delta.and_then(|d| i32::try_from(d).ok());
        let delta = match (op, delta) {
            (AluOp::Add, Some(d)) if d >= 0 && !is32 => Some(d),
            _ if !self.rules.links_any_difference => None,
            (AluOp::Add, Some(d)) => Some(d),
            (AluOp::Sub, Some(d)) => d.checked_neg(),
            _ => None,
        };
        if let Some(delta) = delta
            && a.id != 0
            && a.id & ADD_CONST == 0
            && !same
            && (!is32 || was_narrow)
        {
            to.id = a.id | if is32 { ADD_CONST32 } else { ADD_CONST64 };
            to.off = delta;
        }
        *self.cur.reg_mut(dst.index()) = to;
        self.sanitize_reg(dst)
    }

    /// `pointer op number`, or `number op pointer` where the number came first.
    fn pointer_alu(
        &mut self,
        op: AluOp,
        w: InsnWidth,
        dst: R,
        ptr: Reg,
        num: Reg,
        number_first: bool,
    ) -> Judged<Next> {
        let reg = dst.number();
        let known = num.num.is_const();
        let (smin, smax) = (num.num.smin(), num.num.smax());
        let (umin, umax) = (num.num.umin(), num.num.umax());
        if known && (smin != smax || umin != umax) || smin > smax || umin > umax {
            *self.cur.reg_mut(dst.index()) = Reg::unknown();
            return Ok(Next::Straight);
        }
        if w == InsnWidth::W32 {
            if op == AluOp::Sub {
                *self.cur.reg_mut(dst.index()) = Reg::unknown();
                return Ok(Next::Straight);
            }
            return Err(Finding::Pointer32Bit { reg }.into());
        }
        if ptr.maybe_null() {
            return Err(Finding::ArithmeticOnMaybeNull { reg, ty: ptr.type_name() }.into());
        }
        // What is read through these may fail at any address, so the kernel keeps no account of the
        // offset, and leaves the destination as it was even where that is the number.
        if ptr.kind == Kind::Mem && ptr.mods.has(Mods::UNTRUSTED) {
            return Ok(Next::Straight);
        }
        let allowed = match ptr.kind {
            Kind::Ctx
            | Kind::MapValue
            | Kind::MapKey
            | Kind::Stack
            | Kind::PacketMeta
            | Kind::Packet
            | Kind::TpBuffer
            | Kind::BtfId
            | Kind::Mem
            | Kind::Buf
            | Kind::Dynptr
            | Kind::Func => true,
            Kind::FlowKeys if known => true,
            Kind::FlowKeys | Kind::MapPtr => known && smin == 0 && op == AluOp::Add,
            _ => false,
        };
        if !allowed {
            return Err(Finding::ArithmeticProhibited { reg, ty: ptr.type_name() }.into());
        }
        self.sane_offset(&num, &ptr)?;
        self.sane_offset(&ptr, &ptr)?;
        let mut to = ptr;
        match op {
            AluOp::Add => match fixed(i64::from(ptr.off).wrapping_add(smin), known) {
                Some(off) => to.off = off,
                None => {
                    to.num = ptr.num.pointer_plus(&num.num, self.arithmetic);
                    if ptr.is_packet() {
                        to.id = self.fresh_id();
                        to.a = 0;
                    }
                }
            },
            AluOp::Sub => {
                if number_first {
                    return Err(Finding::SubtractPointer { reg }.into());
                }
                if ptr.kind == Kind::Stack {
                    return Err(Finding::SubtractFromStack { reg }.into());
                }
                match fixed(i64::from(ptr.off).wrapping_sub(smin), known) {
                    Some(off) => to.off = off,
                    None => {
                        to.num = ptr.num.pointer_minus(&num.num, self.arithmetic);
                        if ptr.is_packet() {
                            to.id = self.fresh_id();
                            if smin < 0 {
                                to.a = 0;
                            }
                        }
                    }
                }
            }
            AluOp::And | AluOp::Or | AluOp::Xor => {
                return Err(Finding::BitwiseOnPointer { reg, op: symbol(op) }.into());
            }
            _ => return Err(Finding::OperatorOnPointer { reg, op: symbol(op) }.into()),
        }
        self.sane_offset(&to, &ptr)?;
        *self.cur.reg_mut(dst.index()) = to;
        self.sanitize_reg(dst)
    }

    /// Where offsets of pointers end.
    pub(super) fn max_offset(&self) -> i64 {
        self.model.limits().variable_offset as i64
    }

    /// Pointers, and numbers added to them, stay within bounds.
    fn sane_offset(&self, reg: &Reg, ptr: &Reg) -> Judged<()> {
        let limit = self.max_offset();
        let outside = |value: i64| value >= limit || value <= -limit;
        let ty = || ptr.type_name();
        if let Some(value) = reg.num.const_value() {
            let value = value as i64;
            if outside(value) {
                return Err(Finding::PointerMath { ty: ty(), value }.into());
            }
        }
        if outside(i64::from(reg.off)) {
            return Err(Finding::PointerOffset { ty: ty(), off: reg.off }.into());
        }
        let smin = reg.num.smin();
        if smin == i64::MIN {
            return Err(Finding::PointerUnboundedMin { ty: ty() }.into());
        }
        if outside(smin) {
            return Err(Finding::PointerOutOfBounds { ty: ty(), value: smin }.into());
        }
        Ok(())
    }
}

/// The new fixed offset, where the number is known and the sum fits.
fn fixed(sum: i64, known: bool) -> Option<i32> {
    if known { i32::try_from(sum).ok() } else { None }
}

/// The operator as messages write it: the kernel names signed division as the other.
fn symbol(op: AluOp) -> &'static str {
    match op {
        AluOp::Sdiv => AluOp::Div.symbol(),
        AluOp::Smod => AluOp::Mod.symbol(),
        other => other.symbol(),
    }
}

/// What contradicts itself, as the kernel writes it.
fn violation_text(violation: Violation, num: &Scalar, place: &str) -> String {
    alloc::format!(
        "({place}): {} u64=[{:#x}, {:#x}] s64=[{:#x}, {:#x}] u32=[{:#x}, {:#x}] s32=[{:#x}, {:#x}] \
         var_off=({:#x}, {:#x})",
        violation.kernel_text(),
        num.umin(),
        num.umax(),
        num.smin(),
        num.smax(),
        num.umin32(),
        num.umax32(),
        num.smin32(),
        num.smax32(),
        num.tnum().value(),
        num.tnum().mask()
    )
}
