//! Calls of helpers, with arguments that fit their signatures.

use oxbpf::isa::insn::{AluOp, Cond, Insn, Operand, Reg, Size, Width};
use oxbpf::isa::kernel::{Arg, ArgFlags, ArgKind, HelperProto, MapType, RetFlags, RetKind};

use super::writer::{SLOTS, What, Writer};

const MAP_LOOKUP: u32 = 1;
const MAP_UPDATE: u32 = 2;
const MAP_DELETE: u32 = 3;
const TAIL_CALL: u32 = 12;
const RINGBUF_RESERVE: u32 = 131;
const RINGBUF_SUBMIT: u32 = 132;
const RINGBUF_DISCARD: u32 = 133;
const SK_LOOKUP_TCP: u32 = 84;
const SK_RELEASE: u32 = 86;
const FOR_EACH: u32 = 164;
const LOOP: u32 = 181;

impl Writer<'_> {
    /// Looks up in a map, and mostly checks what comes.
    pub fn lookup(&mut self) {
        use MapType::*;
        let shapes = self.shapes_of(&[Array, Hash, PercpuArray, LruHash, LpmTrie, ArrayOfMaps, HashOfMaps]);
        let shape = self.random.one(&shapes);
        let size = self.shapes[shape as usize].key_size;
        self.key(Reg::R2, size);
        self.load_map(Reg::R1, shape);
        self.helper(MAP_LOOKUP);
        let kind = self.shapes[shape as usize].kind();
        if matches!(kind, Some(ArrayOfMaps | HashOfMaps)) {
            self.set(Reg::R0, What::No);
            self.inner_lookup();
            return;
        }
        self.set(Reg::R0, What::ValueOrNull(shape));
        if self.random.percent(40) {
            let to = self.lasting();
            self.mov(to, Reg::R0);
        }
        if self.random.percent(85) {
            self.null_check();
        }
    }

    /// Looks up in the map that came from a lookup.
    fn inner_lookup(&mut self) {
        if self.random.percent(20) {
            return;
        }
        let r = Reg::R0;
        let settled = What::Pointer;
        self.sheltered += 1;
        self.when_not_null(r, settled, |w| {
            w.mov(Reg::R1, Reg::R0);
            w.key(Reg::R2, 4);
            w.helper(MAP_LOOKUP);
            // Shape 1 is that of the inner map in key and value.
            w.set(Reg::R0, What::ValueOrNull(1));
            w.null_check();
        });
        self.sheltered -= 1;
    }

    /// Initialised memory of so many bytes.
    fn memory(&mut self, dst: Reg, size: u32) {
        let large = |s: &Self, w: What| match w {
            What::Value(map, off, more) => {
                s.shapes[map as usize].value_size as i64 >= i64::from(off) + i64::from(more) + i64::from(size)
            }
            What::Packet(n) => n >= size as i32,
            What::Memory(n) => n >= size,
            _ => false,
        };
        if self.random.percent(30) {
            let fit: Vec<Reg> = Reg::ALL.into_iter().filter(|r| large(self, self.what(*r))).collect();
            if !fit.is_empty() {
                let src = self.random.one(&fit);
                self.mov(dst, src);
                return;
            }
        }
        self.buffer(dst, size, self.random.clone().percent(95));
    }

    /// A pointer to a buffer on the stack.
    fn buffer(&mut self, dst: Reg, size: u32, initialised: bool) {
        let slots = size.div_ceil(8).clamp(1, SLOTS as u32) as usize;
        let first = self.random.below((SLOTS - slots + 1) as u64) as usize;
        if initialised {
            for slot in first..first + slots {
                if self.frame.slots[slot] == What::No || self.random.percent(20) {
                    let off = -8 * (slot as i16 + 1);
                    let imm = if self.random.percent(70) { 0 } else { self.random.below(4) as i32 };
                    self.put(Insn::Store { size: Size::Dw, base: Reg::FP, off, src: Operand::Imm(imm) });
                    self.frame.slots[slot] = What::Num(None);
                }
            }
        }
        self.put(Insn::Mov { width: Width::W64, dst, src: Operand::Reg(Reg::FP) });
        let off = -8 * (first + slots) as i32;
        self.add_imm(dst, off);
        self.set(dst, What::Fp(off));
    }

    fn key(&mut self, dst: Reg, size: u32) {
        if size == 4 && self.random.percent(50) {
            // A key that is known.
            let slot = self.random.below(SLOTS as u64) as usize;
            let off = -8 * slot as i16 - 4 - 4 * self.random.below(2) as i16;
            let imm = self.random.below(5) as i32;
            let src = match self.random.percent(30) {
                true => Operand::Reg(self.bounded(5)),
                false => Operand::Imm(imm),
            };
            self.put(Insn::Store { size: Size::W, base: Reg::FP, off, src });
            self.put(Insn::Mov { width: Width::W64, dst, src: Operand::Reg(Reg::FP) });
            self.add_imm(dst, i32::from(off));
            self.set(dst, What::Fp(i32::from(off)));
            return;
        }
        self.memory(dst, size.max(1));
    }

    /// A helper that this kind of program has, or now and then one that it has not.
    pub fn any_helper(&mut self) {
        if self.random.percent(15) {
            return self.call_back();
        }
        const COMMON: [u32; 12] = [MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, 5, 7, 8, 6, 26, 25, TAIL_CALL, 28, 44];
        let common: Vec<u32> = COMMON.into_iter().filter(|id| self.helpers.contains(id)).collect();
        let id = match self.random.below(100) {
            0..40 if !common.is_empty() => self.random.one(&common),
            0..98 if !self.helpers.is_empty() => {
                let helpers = std::mem::take(&mut self.helpers);
                let id = self.random.one(&helpers);
                self.helpers = helpers;
                id
            }
            _ => self.random.below(215) as u32,
        };
        if id == TAIL_CALL && self.function.is_some() && self.random.percent(98) {
            return;
        }
        let Some(record) = self.model.helper(id) else { return self.helper(id) };
        let Ok(found) = self.model.helper_for(&self.kind, id) else {
            if self.random.percent(30) {
                let _ = record;
                self.helper(id);
            }
            return;
        };
        let proto = *found.proto;
        if !proto.args.iter().all(|a| is_usual(a.kind)) && self.random.percent(95) {
            return;
        }
        self.call_with(id, &proto);
    }

    fn call_with(&mut self, id: u32, proto: &HelperProto) {
        let mut shape = None;
        let mut room = 0;
        for n in 0..5 {
            let arg = proto.args[n];
            if !arg.is_used() {
                break;
            }
            let dst = Reg::ALL[n + 1];
            if self.locked >> dst.number() & 1 == 1 {
                return;
            }
            if !self.argument(id, dst, &arg, &mut shape, &mut room) {
                return;
            }
        }
        self.helper(id);
        let nullable = proto.ret.flags.contains(RetFlags::NULLABLE);
        let what = match (proto.ret.kind, shape) {
            (RetKind::Void, _) => What::No,
            (RetKind::Integer, _) => What::Num(None),
            (RetKind::MapValue, Some(shape)) if nullable => What::ValueOrNull(shape),
            (RetKind::MapValue, Some(shape)) => What::Value(shape, 0, 0),
            (RetKind::Socket | RetKind::TcpSock | RetKind::SockCommon, _) if nullable => What::SockOrNull,
            _ => What::Pointer,
        };
        self.set(Reg::R0, what);
        if proto.flags.contains(oxbpf::isa::kernel::HelperFlags::CHANGES_PKT) {
            let forget = |w: &mut What| {
                if matches!(w, What::Packet(_) | What::Meta(_) | What::PacketEnd) {
                    *w = What::Num(None);
                }
            };
            self.frame.regs.iter_mut().for_each(forget);
            self.frame.slots.iter_mut().for_each(forget);
        }
    }

    /// Puts something that fits into an argument register; whether that was possible.
    fn argument(&mut self, id: u32, dst: Reg, arg: &Arg, shape: &mut Option<u8>, room: &mut u32) -> bool {
        if self.slip() {
            if let Some(src) = self.find(|w| w != What::No) {
                self.mov(dst, src);
            }
            return true;
        }
        if arg.flags.contains(ArgFlags::NULLABLE) && self.random.percent(25) {
            self.mov_imm(dst, 0);
            *room = 0;
            return true;
        }
        match arg.kind {
            ArgKind::MapPtr => {
                let fits: Vec<u8> = (0..self.shapes.len() as u8)
                    .filter(|&s| {
                        let kind = self.shapes[s as usize].kind();
                        kind.is_some_and(|k| self.model.map_allows(k, &self.kind, id))
                    })
                    .collect();
                let any = self.random.percent(4) || fits.is_empty();
                let of = if any {
                    self.random.below(self.shapes.len() as u64) as u8
                } else {
                    self.random.one(&fits)
                };
                *shape = Some(of);
                self.load_map(dst, of);
            }
            ArgKind::MapKey => {
                let size = shape.map_or(8, |s| self.shapes[s as usize].key_size);
                self.key(dst, size);
            }
            ArgKind::MapValue => {
                let size = shape.map_or(8, |s| self.shapes[s as usize].value_size);
                if arg.flags.contains(ArgFlags::UNINIT) {
                    self.buffer(dst, size, false);
                } else {
                    self.memory(dst, size.max(1));
                }
            }
            ArgKind::Mem => {
                let fixed = arg.flags.contains(ArgFlags::FIXED_SIZE);
                *room = if fixed { u32::from(arg.size) } else { 1 + self.random.below(48) as u32 };
                if arg.flags.contains(ArgFlags::UNINIT) && self.random.percent(60) {
                    let initialised = self.random.percent(30);
                    self.buffer(dst, *room, initialised);
                } else {
                    self.memory(dst, *room);
                }
            }
            ArgKind::ConstSize | ArgKind::ConstSizeOrZero => {
                let least = u32::from(arg.kind == ArgKind::ConstSize);
                if *room > least && self.random.percent(25) {
                    let r = self.bounded(*room - least);
                    if r.number() < dst.number() && r != Reg::R0 {
                        return false;
                    }
                    self.mov(dst, r);
                    if least > 0 {
                        self.add_imm(dst, 1);
                    }
                } else {
                    let size = if *room <= least {
                        *room
                    } else {
                        least + self.random.below(u64::from(*room - least + 1)) as u32
                    };
                    self.mov_imm(dst, size as i32);
                }
            }
            ArgKind::ConstAllocSizeOrZero => {
                let size = self.random.below(64) as i32;
                self.mov_imm(dst, size);
            }
            ArgKind::Ctx => match self.find(|w| w == What::Ctx) {
                Some(ctx) => self.mov(dst, ctx),
                None => return false,
            },
            ArgKind::Anything | ArgKind::Scalar => {
                let imm = self.random.below(3) as i32;
                if self.random.percent(60) {
                    self.mov_imm(dst, imm);
                } else {
                    let like = if arg.kind == ArgKind::Scalar { What::is_number } else { |w| w != What::No };
                    match self.find(like) {
                        Some(src) => self.mov(dst, src),
                        None => self.mov_imm(dst, imm),
                    }
                }
            }
            ArgKind::SockCommon | ArgKind::Socket | ArgKind::BtfIdSockCommon => {
                match self.find(|w| w == What::Sock) {
                    Some(src) => self.mov(dst, src),
                    None => return false,
                }
            }
            ArgKind::ConstStr => {
                let constants = 3;
                let fd = self.map_index(constants);
                let off = self.random.one(&[0, 0, 4, 8, 8, 29]);
                self.put(Insn::LdImm64 { dst, imm: oxbpf::isa::insn::Imm64::MapValue { fd, off } });
                self.set(dst, What::Value(constants, off as i32, 0));
            }
            _ => match self.find(|w| w.is_pointer()) {
                Some(src) => self.mov(dst, src),
                None => return false,
            },
        }
        true
    }

    /// A helper that calls a function of the program.
    fn call_back(&mut self) {
        if self.random.percent(60) {
            if !self.helpers.contains(&LOOP) {
                return;
            }
            let context = self.random.percent(60);
            if context {
                self.buffer(Reg::R3, 8, true);
            } else {
                self.mov_imm(Reg::R3, 0);
            }
            let passed = if context { What::Outer(self.offset_of(Reg::R3)) } else { What::Num(Some(0)) };
            if !self.callback(Reg::R2, vec![What::Num(None), passed]) {
                return;
            }
            if self.random.percent(70) {
                let rounds = self.random.one(&[0, 1, 2, 5, 10, 1000]);
                self.mov_imm(Reg::R1, rounds);
            } else {
                let r = self.number();
                if !matches!(r, Reg::R2 | Reg::R3) {
                    self.mov(Reg::R1, r);
                } else {
                    self.mov_imm(Reg::R1, 3);
                }
            }
            self.mov_imm(Reg::R4, 0);
            self.helper(LOOP);
        } else {
            if !self.helpers.contains(&FOR_EACH) {
                return;
            }
            let shapes = self.shapes_of(&[MapType::Array, MapType::Hash, MapType::PercpuArray]);
            let shape = self.random.one(&shapes);
            self.mov_imm(Reg::R3, 0);
            let key = What::Memory(self.shapes[shape as usize].key_size);
            let args = vec![What::Map(shape), key, What::Value(shape, 0, 0), What::Num(Some(0))];
            if !self.callback(Reg::R2, args) {
                return;
            }
            self.load_map(Reg::R1, shape);
            self.mov_imm(Reg::R4, 0);
            self.helper(FOR_EACH);
        }
        self.set(Reg::R0, What::Num(None));
        for slot in &mut self.frame.slots {
            if *slot != What::No {
                *slot = What::Num(None);
            }
        }
    }

    fn offset_of(&self, r: Reg) -> i32 {
        if let What::Fp(off) = self.what(r) { off } else { -8 }
    }

    /// Acquires something, uses it and releases it.
    pub fn acquire(&mut self) {
        if self.random.percent(50) && self.helpers.contains(&RINGBUF_RESERVE) {
            let size = 8 + self.random.below(32) as u32;
            let shape = self.shapes_of(&[MapType::Ringbuf])[0];
            self.load_map(Reg::R1, shape);
            self.mov_imm(Reg::R2, size as i32);
            self.mov_imm(Reg::R3, 0);
            self.helper(RINGBUF_RESERVE);
            let release = self.random.one(&[RINGBUF_SUBMIT, RINGBUF_DISCARD]);
            self.hold(What::Memory(size), release);
        } else if self.helpers.contains(&SK_LOOKUP_TCP) {
            let Some(ctx) = self.find(|w| w == What::Ctx) else { return };
            if (2..=5).contains(&ctx.number()) {
                return;
            }
            self.mov(Reg::R1, ctx);
            self.buffer(Reg::R2, 12, true);
            self.mov_imm(Reg::R3, 12);
            self.mov_imm(Reg::R4, -1);
            self.mov_imm(Reg::R5, 0);
            self.helper(SK_LOOKUP_TCP);
            self.hold(What::Sock, SK_RELEASE);
        }
    }

    /// R0 holds a reference if it is not null.
    fn hold(&mut self, what: What, release: u32) {
        let keep = self.lasting();
        if self.what(keep) == What::Ctx && self.random.percent(70) || keep.number() < 6 {
            // Nothing to hold it in: a leak.
            return;
        }
        self.mov(keep, Reg::R0);
        let locked = self.locked;
        self.locked |= 1 << keep.number();
        self.sheltered += 1;
        let leaks = self.random.percent(3);
        let zero = Operand::Imm(0);
        let from = self.jump(Cond::Eq, Width::W64, keep, zero);
        let before = self.frame;
        self.set(keep, what);
        if self.random.percent(50) {
            self.set(Reg::R0, what);
        }
        let most = 1 + self.random.below(4) as u32;
        self.block(most);
        if !leaks {
            self.mov(Reg::R1, keep);
            if release != SK_RELEASE {
                self.mov_imm(Reg::R2, 0);
            }
            self.helper(release);
        }
        self.land(from);
        self.frame = self.frame.join(&before);
        self.set(keep, What::No);
        self.sheltered -= 1;
        self.locked = locked;
        if self.random.percent(10) {
            self.put(Insn::Alu { op: AluOp::Add, width: Width::W64, dst: Reg::R0, src: zero });
        }
    }
}

/// Arguments that a writer has something for.
fn is_usual(kind: ArgKind) -> bool {
    !matches!(
        kind,
        ArgKind::SpinLock
            | ArgKind::BtfId
            | ArgKind::PercpuBtfId
            | ArgKind::RingbufMem
            | ArgKind::Func
            | ArgKind::Timer
            | ArgKind::KptrXchgDest
            | ArgKind::Dynptr
            | ArgKind::Arena
    )
}
