//! Arithmetic, the stack, values of maps, packets and contexts.

use oxbpf::isa::insn::{AluOp, AtomicOp, Cond, EndianOp, Imm64, Insn, Operand, PacketBase, Reg, Size, Width};
use oxbpf::isa::kernel::{CtxReg, MapType, ProgFlags};

use super::writer::{SLOTS, What, Writer};

impl Writer<'_> {
    /// A register with a number, made if there is none.
    pub fn number(&mut self) -> Reg {
        if let Some(r) = self.find(What::is_number)
            && self.random.percent(90)
        {
            return r;
        }
        let r = self.free();
        match self.random.below(3) {
            0 => {
                let imm = self.constant();
                self.mov_imm(r, imm);
            }
            1 => {
                let value = match self.random.below(3) {
                    0 => self.random.number(),
                    1 => 1 << self.random.below(64),
                    _ => (1u64 << self.random.below(64)).wrapping_sub(1),
                };
                self.put(Insn::LdImm64 { dst: r, imm: Imm64::Const(value) });
                self.set(r, What::Num(None));
            }
            // Something that the verifier does not know.
            _ => {
                self.helper(self.unknown_number_helper());
                self.set(Reg::R0, What::Num(None));
                return Reg::R0;
            }
        }
        r
    }

    fn unknown_number_helper(&self) -> u32 {
        const CANDIDATES: [u32; 3] = [7, 5, 8];
        CANDIDATES.into_iter().find(|id| self.helpers.contains(id)).unwrap_or(5)
    }

    pub fn arithmetic(&mut self) {
        let width = self.width();
        let dst = self.number();
        if self.locked >> dst.number() & 1 == 1 {
            return;
        }
        match self.random.below(12) {
            0 => {
                let dst = self.free();
                let src = self.number();
                self.put(Insn::Mov { width, dst, src: Operand::Reg(src) });
                let kept = if width == Width::W64 { self.what(src) } else { What::Num(None) };
                self.set(dst, kept);
            }
            1 => {
                let src = self.number();
                let from = self.random.one(&[Size::B, Size::H, Size::W]);
                let width = if from == Size::W { Width::W64 } else { width };
                self.put(Insn::MovSx { width, from, dst, src });
                self.set(dst, What::Num(None));
            }
            2 => {
                self.put(Insn::Neg { width, dst });
                self.set(dst, What::Num(None));
            }
            3 => {
                let op = self.random.one(EndianOp::ALL);
                let size = self.random.one(&[Size::H, Size::W, Size::Dw]);
                self.put(Insn::Endian { op, size, dst });
                self.set(dst, What::Num(None));
            }
            _ => self.operate(width, dst),
        }
    }

    fn operate(&mut self, width: Width, dst: Reg) {
        let op = self.random.one(AluOp::ALL);
        let src = match self.random.percent(45) {
            true => Operand::Reg(self.number()),
            false => {
                let imm = self.constant();
                let imm = match op {
                    AluOp::Lsh | AluOp::Rsh | AluOp::Arsh if self.random.percent(97) => {
                        imm.rem_euclid(width.bits() as i32)
                    }
                    AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod
                        if imm == 0 && self.random.percent(97) =>
                    {
                        3
                    }
                    _ => imm,
                };
                Operand::Imm(imm)
            }
        };
        self.put(Insn::Alu { op, width, dst, src });
        let bound = match (op, src) {
            (AluOp::And, Operand::Imm(imm)) => u32::try_from(imm).ok(),
            _ => None,
        };
        self.set(dst, What::Num(bound));
    }

    /// A register with a number that is at most so large, made so by a mask or a check.
    pub fn bounded(&mut self, max: u32) -> Reg {
        let fits = |w: What| matches!(w, What::Num(Some(n)) if n <= max);
        if self.random.percent(30)
            && let Some(r) = self.find(fits)
        {
            return r;
        }
        let mut r = self.number();
        if self.locked >> r.number() & 1 == 1 {
            let to = self.free();
            self.mov(to, r);
            r = to;
        }
        let mask =
            (max + 1).checked_next_power_of_two().map_or(max, |p| if p > max + 1 { p / 2 } else { p }) - 1;
        let way = if self.sheltered > 0 { 0 } else { self.random.below(9) };
        let width = self.width();
        match way {
            0..3 => {
                self.put(Insn::Alu { op: AluOp::And, width, dst: r, src: Operand::Imm(mask as i32) });
            }
            3 if max > 0 => {
                self.put(Insn::Alu { op: AluOp::Mod, width, dst: r, src: Operand::Imm(max as i32) });
            }
            3 | 4 => {
                let by = 64 - (u64::from(mask).count_ones() as i32).min(63);
                self.put(Insn::Alu { op: AluOp::Rsh, width: Width::W64, dst: r, src: Operand::Imm(by) });
            }
            5 => {
                // Learned through a copy that differs by a constant.
                let copy = self.free();
                if copy == r {
                    return r;
                }
                self.mov(copy, r);
                let by = self.random.below(u64::from(max) + 1) as i32;
                self.add_imm(copy, by);
                let of = Operand::Imm((max as i32).saturating_sub(by));
                let from = self.jump(Cond::Gt, Width::W64, r, of);
                self.exits.push(from);
                self.set(copy, What::Num(Some(max)));
                return copy;
            }
            6 => {
                let from = self.jump(Cond::Sgt, width, r, Operand::Imm(max as i32));
                self.exits.push(from);
                let from = self.jump(Cond::Slt, width, r, Operand::Imm(0));
                self.exits.push(from);
            }
            7 => {
                let from = self.jump(Cond::Gt, width, r, Operand::Imm(max as i32));
                self.exits.push(from);
            }
            _ => {
                let over = self.jump(Cond::Le, width, r, Operand::Imm(max as i32));
                self.leave();
                self.land(over);
            }
        }
        let exact = width == Width::W64 || way < 3;
        self.set(r, if exact { What::Num(Some(max)) } else { What::Num(None) });
        if !exact {
            // The upper half is not known yet.
            self.put(Insn::Mov { width: Width::W32, dst: r, src: Operand::Reg(r) });
            self.set(r, What::Num(Some(max)));
        }
        r
    }

    /// Stores to the frame's own stack and loads from it.
    pub fn stack(&mut self) {
        let slot = self.random.below(SLOTS as u64) as usize;
        let top = -8 * (slot as i16 + 1);
        match self.random.below(10) {
            // Spill and fill.
            0..3 => {
                if let Some(src) = self.find(|w| w != What::No && w != What::Fp(0)) {
                    self.put(Insn::Store { size: Size::Dw, base: Reg::FP, off: top, src: Operand::Reg(src) });
                    self.frame.slots[slot] = self.what(src);
                }
            }
            3..5 => {
                let full: Vec<usize> = (0..SLOTS).filter(|&s| self.frame.slots[s] != What::No).collect();
                if full.is_empty() {
                    return;
                }
                let slot = self.random.one(&full);
                let dst = self.free();
                let off = -8 * (slot as i16 + 1);
                self.put(Insn::Load { size: Size::Dw, signed: false, dst, base: Reg::FP, off });
                self.set(dst, self.frame.slots[slot]);
            }
            // Parts.
            5..7 => {
                let size = self.size();
                let off = top + size.bytes() as i16 * self.random.below(u64::from(8 / size.bytes())) as i16;
                let src = match self.random.percent(50) {
                    true => Operand::Reg(self.number()),
                    false => Operand::Imm(self.constant()),
                };
                self.put(Insn::Store { size, base: Reg::FP, off, src });
                let whole = size == Size::Dw || self.frame.slots[slot] != What::No;
                self.frame.slots[slot] = if whole { What::Num(None) } else { What::No };
            }
            7..9 => {
                let numbers: Vec<usize> = (0..SLOTS).filter(|&s| self.frame.slots[s].is_number()).collect();
                let slot = if numbers.is_empty() || self.random.percent(5) {
                    slot
                } else {
                    self.random.one(&numbers)
                };
                let size = self.size();
                let part = size.bytes() as i16 * self.random.below(u64::from(8 / size.bytes())) as i16;
                let signed = size != Size::Dw && self.random.percent(25);
                let dst = self.free();
                let off = -8 * (slot as i16 + 1) + part;
                self.put(Insn::Load { size, signed, dst, base: Reg::FP, off });
                self.set(dst, What::Num(None));
            }
            _ => self.variable_stack(),
        }
    }

    /// Through a stack pointer with a variable offset.
    fn variable_stack(&mut self) {
        let index = self.bounded(7);
        let base = self.free();
        if base == index {
            return;
        }
        self.mov(base, Reg::FP);
        if self.random.percent(50) && self.locked >> index.number() & 1 == 0 {
            let shift = self.random.below(3) as i32;
            self.put(Insn::Alu { op: AluOp::Lsh, width: Width::W64, dst: index, src: Operand::Imm(shift) });
            self.set(index, What::Num(Some(7 << shift)));
        }
        self.put(Insn::Alu { op: AluOp::Add, width: Width::W64, dst: base, src: Operand::Reg(index) });
        self.set(base, What::Pointer);
        let size = self.random.one(&[Size::B, Size::B, Size::H, Size::W, Size::Dw]);
        let off = -(self.random.below(SLOTS as u64 * 8 - 40) as i16) - 40;
        if self.random.percent(50) {
            let dst = self.free();
            self.put(Insn::Load { size, signed: false, dst, base, off });
            self.set(dst, What::Num(None));
            return;
        }
        let src = if self.random.percent(50) { Operand::Reg(self.number()) } else { Operand::Imm(0) };
        self.put(Insn::Store { size, base, off, src });
        for slot in &mut self.frame.slots {
            if *slot != What::No {
                *slot = What::Num(None);
            }
        }
    }

    /// A pointer to memory moved by a number, fixed or not.
    pub fn pointer_arithmetic(&mut self) {
        let like = |w: What| {
            matches!(w, What::Value(..) | What::Packet(_) | What::Fp(_) | What::Memory(_) | What::Meta(_))
        };
        let Some(src) = self.find(like) else { return };
        let dst = self.free();
        self.mov(dst, src);
        match self.what(dst) {
            What::Value(map, off, more) => {
                let left = self.shapes[map as usize].value_size.saturating_sub(off as u32 + more).max(1);
                if self.random.percent(50) {
                    let by = self.random.below(u64::from(left)) as i32;
                    self.add_imm(dst, by);
                    self.set(dst, What::Value(map, off + by, more));
                    return;
                }
                self.set(dst, What::No);
                let index = self.bounded(left - 1);
                if index == dst {
                    return;
                }
                self.put(Insn::Alu { op: AluOp::Add, width: Width::W64, dst, src: Operand::Reg(index) });
                self.set(dst, What::Value(map, off, more + left - 1));
            }
            What::Packet(room) => {
                if self.random.percent(60) {
                    let by = self.random.below(room.max(1) as u64) as i32;
                    self.add_imm(dst, by);
                    self.set(dst, What::Packet(room - by));
                    return;
                }
                self.set(dst, What::No);
                let index = self.bounded(255);
                if index != dst {
                    self.put(Insn::Alu { op: AluOp::Add, width: Width::W64, dst, src: Operand::Reg(index) });
                    self.set(dst, What::Packet(0));
                }
            }
            What::Fp(off) => {
                let by = -(self.random.below(64) as i32);
                self.add_imm(dst, by);
                self.set(dst, What::Fp(off + by));
            }
            What::Memory(size) => {
                let by = self.random.below(u64::from(size.max(1))) as i32;
                self.add_imm(dst, by);
                self.set(dst, What::Memory(size - by as u32));
            }
            _ => self.set(dst, What::Pointer),
        }
    }

    /// A load or store through a pointer that should allow it.
    pub fn access(&mut self) {
        let like = |w: What| match w {
            What::Value(..) | What::FlowKeys | What::Sock => true,
            What::Packet(n) | What::Meta(n) => n > 0,
            What::Memory(n) => n > 0,
            What::Fp(n) | What::Outer(n) => n < 0,
            _ => false,
        };
        let Some(base) = self.find(like) else { return };
        let size = self.size();
        let bytes = size.bytes();
        let (room, first) = match self.what(base) {
            What::Value(map, off, more) => {
                (self.shapes[map as usize].value_size as i32 - off - more as i32, 0)
            }
            What::Packet(n) | What::Meta(n) => (n, 0),
            What::Memory(n) => (n as i32, 0),
            What::FlowKeys => (56, 0),
            What::Sock => (80, 0),
            What::Fp(n) | What::Outer(n) => (64, -n - 64),
            _ => (8, 0),
        };
        if room < bytes as i32 && self.random.percent(95) {
            return;
        }
        let places = (room - bytes as i32 + 1).max(1) as u64;
        let mut off = first + self.random.below(places) as i32;
        if self.random.percent(80) {
            off &= -(bytes as i32);
        }
        if self.random.percent(1) {
            off += self.random.one(&[-1, 1, bytes as i32]);
        }
        self.touch(base, off as i16, size);
    }

    fn touch(&mut self, base: Reg, off: i16, size: Size) {
        let pointer = self.what(base);
        let writable = !matches!(pointer, What::Sock) || self.random.percent(3);
        let atomic = size >= Size::W || self.random.percent(10);
        match self.random.below(10) {
            0..5 => {
                let signed = size != Size::Dw && self.random.percent(20);
                let dst = self.free();
                self.put(Insn::Load { size, signed, dst, base, off });
                self.set(dst, What::Num(None));
            }
            5..8 if writable => {
                let src = match self.random.percent(60) {
                    true => Operand::Reg(self.number()),
                    false => Operand::Imm(self.constant()),
                };
                if src == Operand::Reg(base) {
                    return;
                }
                self.put(Insn::Store { size, base, off, src });
            }
            8 if atomic && writable => {
                let src = self.number();
                if src == base || self.locked >> src.number() & 1 == 1 {
                    return;
                }
                let op = self.random.one(AtomicOp::ALL);
                if op == AtomicOp::Cmpxchg && !self.what(Reg::R0).is_number() {
                    return;
                }
                let fetch = !op.allows_no_fetch() || self.random.percent(50);
                self.put(Insn::Atomic { op, fetch, size, base, off, src });
                if op == AtomicOp::Cmpxchg {
                    self.set(Reg::R0, What::Num(None));
                } else if fetch {
                    self.set(src, What::Num(None));
                }
            }
            _ if writable && self.random.percent(30) => {
                if self.random.percent(50) {
                    let dst = self.free();
                    self.put(Insn::LoadAcquire { size, dst, base, off });
                    self.set(dst, What::Num(None));
                } else {
                    let src = self.number();
                    self.put(Insn::StoreRelease { size, base, off, src });
                }
            }
            _ => {}
        }
        if let What::Fp(at) = pointer {
            let slot = (-(at + i32::from(off)) - 1) / 8;
            if let Some(slot) = self.frame.slots.get_mut(slot.max(0) as usize)
                && *slot != What::No
            {
                *slot = What::Num(None);
            }
        }
    }

    /// The address of a value of a one-element array.
    pub fn direct_value(&mut self) {
        let arrays = self.shapes_of(&[MapType::Array]);
        let single: Vec<u8> =
            arrays.iter().copied().filter(|&s| self.shapes[s as usize].max_entries == 1).collect();
        let shape = if self.slip() { self.random.one(&arrays) } else { self.random.one(&single) };
        let off = self.random.below(u64::from(self.shapes[shape as usize].value_size)) as u32 & !3;
        let dst = self.free();
        let fd = self.map_index(shape);
        self.put(Insn::LdImm64 { dst, imm: Imm64::MapValue { fd, off } });
        self.set(dst, What::Value(shape, off as i32, 0));
    }

    /// A field of the context.
    pub fn context(&mut self) {
        let Some(base) = self.find(|w| w == What::Ctx) else { return };
        let (mut off, mut size, mut write) = (0, Size::W, false);
        let mut reg = CtxReg::Scalar;
        for _ in 0..30 {
            size = self.random.one(&[Size::W, Size::W, Size::Dw, Size::H, Size::B]);
            off = self.random.below(240) as i32 & -(size.bytes() as i32);
            write = self.random.percent(25);
            match self.model.ctx_access(&self.kind, off, size.bytes(), write) {
                Ok(found) => {
                    reg = found.reg;
                    break;
                }
                Err(_) if self.random.percent(1) => break,
                Err(_) => {}
            }
        }
        let off = off as i16;
        if write {
            let src = if self.random.percent(50) {
                Operand::Reg(self.number())
            } else {
                Operand::Imm(self.constant())
            };
            if src != Operand::Reg(base) {
                self.put(Insn::Store { size, base, off, src });
            }
            return;
        }
        let signed = size != Size::Dw && self.random.percent(10);
        let dst = self.free();
        self.put(Insn::Load { size, signed, dst, base, off });
        self.set(dst, ctx_what(reg));
    }

    /// Packet pointers, a comparison, and what it allows.
    pub fn packet(&mut self) {
        let (Some(packet), Some(end)) = (self.fields.packet, self.fields.end) else { return };
        let Some(ctx) = self.find(|w| w == What::Ctx) else { return };
        let load = |w: &mut Self, (off, size): (i16, u32), what: What| {
            let dst = w.free();
            if dst == ctx {
                return None;
            }
            let size = Size::from_bytes(size).unwrap_or(Size::W);
            w.put(Insn::Load { size, signed: false, dst, base: ctx, off });
            w.set(dst, what);
            Some(dst)
        };
        let meta = self.fields.meta.filter(|_| self.random.percent(15));
        let (from, to) = match meta {
            Some(meta) => ((meta, What::Meta(0)), (packet, What::Packet(0))),
            None => ((packet, What::Packet(0)), (end, What::PacketEnd)),
        };
        let Some(begin) = load(self, from.0, from.1) else { return };
        let Some(limit) = load(self, to.0, to.1) else { return };
        if limit == begin {
            return;
        }
        let probe = self.free();
        if probe == begin || probe == limit {
            return;
        }
        self.mov(probe, begin);
        let room = 1 + self.random.below(40) as i32;
        if self.random.percent(35) && meta.is_none() {
            // Headers of variable length.
            self.set(probe, What::No);
            let index = self.bounded(127);
            if [begin, limit, probe].contains(&index) {
                return;
            }
            self.put(Insn::Alu { op: AluOp::Add, width: Width::W64, dst: probe, src: Operand::Reg(index) });
            self.set(probe, What::Packet(0));
            if self.random.percent(50) {
                let copy = self.free();
                if ![begin, limit, probe].contains(&copy) {
                    self.mov(copy, probe);
                    self.add_imm(probe, room);
                    self.compare_packet(probe, limit, room, &[copy]);
                    return;
                }
            }
        }
        self.add_imm(probe, room);
        self.compare_packet(probe, limit, room, &[begin]);
    }

    /// Compares so that `good` pointers can be read for `room` bytes.
    fn compare_packet(&mut self, probe: Reg, limit: Reg, room: i32, good: &[Reg]) {
        // Condition, whether the operands change places, whether the good side is the target, and
        // how many bytes more or fewer it shows.
        const FORMS: [(Cond, bool, bool, i32); 8] = [
            (Cond::Gt, false, false, 0),
            (Cond::Ge, false, false, 1),
            (Cond::Lt, false, true, 1),
            (Cond::Le, false, true, 0),
            (Cond::Lt, true, false, 0),
            (Cond::Le, true, false, 1),
            (Cond::Gt, true, true, 1),
            (Cond::Ge, true, true, 0),
        ];
        let (cond, swapped, at_target, more) = self.random.one(&FORMS);
        let (dst, src) = if swapped { (limit, probe) } else { (probe, limit) };
        let from = self.jump(cond, Width::W64, dst, Operand::Reg(src));
        let room = room + if self.random.percent(95) { more } else { 0 };
        let learn = |w: &mut Self| {
            for &r in good {
                match w.what(r) {
                    What::Packet(n) => w.set(r, What::Packet(n.max(room))),
                    What::Meta(n) => w.set(r, What::Meta(n.max(room))),
                    _ => {}
                }
            }
        };
        if self.sheltered > 0 || self.random.percent(40) {
            let before = self.frame;
            if at_target {
                let over = self.put(Insn::Goto { off: 0, long: false });
                self.land(from);
                learn(self);
                self.block(3);
                self.land(over);
            } else {
                learn(self);
                self.block(3);
                self.land(from);
            }
            self.frame = self.frame.join(&before);
            return;
        }
        if at_target {
            self.leave();
            self.land(from);
        } else {
            self.exits.push(from);
        }
        learn(self);
    }

    /// LD_ABS and LD_IND.
    pub fn packet_load(&mut self) {
        let prog = self.kind.prog_type.kernel().and_then(|t| self.model.prog(t));
        if !prog.is_some_and(|p| p.flags.contains(ProgFlags::LD_ABS)) && self.random.percent(98) {
            return;
        }
        // Functions with such loads would need types.
        if self.function.is_some() && self.random.percent(98) {
            return;
        }
        if self.what(Reg::R6) != What::Ctx {
            let Some(ctx) = self.find(|w| w == What::Ctx) else { return };
            if self.locked >> 6 & 1 == 1 {
                return;
            }
            self.mov(Reg::R6, ctx);
        }
        let size = self.random.one(&[Size::B, Size::H, Size::W]);
        let base = match self.random.percent(30) {
            true => PacketBase::Ind(self.number()),
            false => PacketBase::Abs,
        };
        let off = self.random.below(64) as i32;
        self.put(Insn::Packet { base, size, off });
        for r in 1..6 {
            self.frame.regs[r] = What::No;
        }
        self.set(Reg::R0, What::Num(None));
    }

    /// Anything at all.
    pub fn nonsense(&mut self) {
        let n = self.random.number().to_le_bytes();
        let mut insn = oxbpf::isa::insn::RawInsn::from_bytes(n, oxbpf::isa::insn::ByteOrder::Little);
        insn.dst %= 12;
        insn.src %= 12;
        // Kernel functions are found by numbers that change from build to build.
        let is_kfunc = insn.code == 0x85 && insn.src == 2;
        if !insn.is_ldimm64() && !is_kfunc {
            self.code.push(insn);
        }
    }
}

/// What a load from the context gives.
fn ctx_what(reg: CtxReg) -> What {
    match reg {
        CtxReg::Scalar => What::Num(None),
        CtxReg::Packet => What::Packet(0),
        CtxReg::PacketMeta => What::Meta(0),
        CtxReg::PacketEnd => What::PacketEnd,
        CtxReg::FlowKeys => What::FlowKeys,
        CtxReg::Socket => What::Sock,
        CtxReg::SocketOrNull | CtxReg::SockCommonOrNull => What::SockOrNull,
        _ => What::Pointer,
    }
}
