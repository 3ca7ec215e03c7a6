//! Programs that nobody checked: whatever they do, the host stands.

use super::*;
use crate::vm::task::{Random, Seeded};
use oxbpf_isa::insn::{
    AluOp, AtomicOp, Callee, Cond, EndianOp, Imm64, Insn, Operand, PacketBase, RawInsn, Reg, Size, Width,
    encode_all,
};
use oxbpf_isa::kernel::ProgType;

/// Random choices.
struct Dice(Seeded);

impl Dice {
    fn below(&self, n: usize) -> usize {
        (self.0.next_u64() >> 33) as usize % n
    }

    fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn reg(&self) -> Reg {
        // R0 to R9, and now and then R10, which most uses refuse.
        self.pick(&Reg::ALL[..if self.below(40) == 0 { 11 } else { 10 }])
    }

    fn any_reg(&self) -> Reg {
        self.pick(&Reg::ALL)
    }

    fn imm(&self) -> i32 {
        match self.below(4) {
            0 => self.0.next_u64() as i32,
            1 => self.pick(&[0, 1, -1, 8, 64, 512, i32::MAX, i32::MIN]),
            _ => self.below(64) as i32,
        }
    }

    fn off(&self) -> i16 {
        match self.below(8) {
            0 => self.0.next_u64() as i16,
            1..4 => -8 * self.below(66) as i16,
            _ => self.below(70) as i16 - 2,
        }
    }

    fn operand(&self) -> Operand {
        if self.below(2) == 0 { Operand::Reg(self.any_reg()) } else { Operand::Imm(self.imm()) }
    }

    fn width(&self) -> Width {
        self.pick(&[Width::W64, Width::W64, Width::W32])
    }

    fn size(&self) -> Size {
        self.pick(&Size::ALL)
    }

    fn insn(&self, at: usize, len: usize, maps: usize, entries: &[usize]) -> Insn {
        let (width, size, dst, base, off) =
            (self.width(), self.size(), self.reg(), self.any_reg(), self.off());
        let jump = |to: usize| to as i32 - at as i32 - 1;
        let somewhere = || jump(self.below(len));
        match self.below(22) {
            0..3 => Insn::Alu { op: self.pick(AluOp::ALL), width, dst, src: self.operand() },
            3 => Insn::Mov { width, dst, src: self.operand() },
            4 => Insn::Mov { width: Width::W64, dst, src: Operand::Reg(self.any_reg()) },
            5 => Insn::Endian { op: self.pick(EndianOp::ALL), size: self.pick(&Size::ALL[1..]), dst },
            6..8 => Insn::Load { size, signed: size != Size::Dw && self.below(4) == 0, dst, base, off },
            8..10 => Insn::Store { size, base, off, src: self.operand() },
            10 => match self.below(3) {
                0 => Insn::LoadAcquire { size, dst, base, off },
                1 => Insn::StoreRelease { size, base, off, src: self.any_reg() },
                _ => {
                    let (op, size) = (self.pick(AtomicOp::ALL), self.pick(&Size::ALL[2..]));
                    let fetch = !op.allows_no_fetch() || self.below(2) == 0;
                    Insn::Atomic { op, fetch, size, base, off, src: self.reg() }
                }
            },
            11..13 => Insn::Jump {
                cond: self.pick(Cond::ALL),
                width,
                dst: base,
                src: self.operand(),
                off: somewhere() as i16,
            },
            13 => match self.below(3) {
                0 => Insn::MayGoto { off: somewhere() as i16 },
                _ => Insn::Goto { off: somewhere(), long: true },
            },
            14 => Insn::Call(Callee::Subprog(jump(self.pick(entries)))),
            15 if self.below(4) == 0 => Insn::Call(Callee::Reg(base)),
            15..18 => Insn::Call(Callee::Helper(self.pick(crate::vm::helpers::ALL).0)),
            18 | 19 => Insn::LdImm64 { dst, imm: self.imm64(at, maps, entries) },
            20 => {
                let base = if self.below(2) == 0 { PacketBase::Abs } else { PacketBase::Ind(base) };
                Insn::Packet { base, size: self.pick(&Size::ALL[..3]), off: self.imm() }
            }
            _ => Insn::Neg { width, dst },
        }
    }

    fn imm64(&self, at: usize, maps: usize, entries: &[usize]) -> Imm64 {
        let map = self.below(maps) as i32;
        match self.below(8) {
            0 => Imm64::Const(self.0.next_u64()),
            1 => Imm64::MapValue { fd: ARRAY, off: self.below(8) as u32 },
            2 | 3 => Imm64::Func(self.pick(entries) as i32 - at as i32 - 1),
            _ => Imm64::MapFd(map),
        }
    }
}

/// The index of the map whose value has an address.
const ARRAY: i32 = 1;

fn maps() -> Vec<Arc<MapDef>> {
    vec![
        map_def("hash", MapType::Hash, 8, 24, 16),
        map_def("data", MapType::Array, 4, 64, 1),
        map_def("array", MapType::Array, 4, 12, 8),
        map_def("percpu", MapType::PercpuArray, 4, 8, 4),
        map_def("lru", MapType::LruHash, 4, 8, 4),
        map_def("queue", MapType::Queue, 0, 8, 4),
        map_def("bloom", MapType::BloomFilter, 0, 8, 4),
        map_def("ring", MapType::Ringbuf, 0, 0, 4096),
        map_def("user", MapType::UserRingbuf, 0, 0, 4096),
        map_def("events", MapType::PerfEventArray, 4, 4, 2),
        map_def("progs", MapType::ProgArray, 4, 4, 4),
        Arc::new(MapDef {
            inner: Some(Box::new((*map_def("inner", MapType::Array, 4, 8, 2)).clone())),
            ..(*map_def("outer", MapType::ArrayOfMaps, 4, 4, 4)).clone()
        }),
    ]
}

/// A call whose arguments have a chance to be good: a map, a key and a value on the stack, or memory
/// and its size.
fn prepared_call(dice: &Dice, maps: usize, entries: &[usize], insns: &mut Vec<Insn>) {
    let mov = |dst, src| Insn::Mov { width: Width::W64, dst, src };
    let frame = |dst: Reg, off| {
        let add = Insn::Alu { op: AluOp::Add, width: Width::W64, dst, src: Operand::Imm(off) };
        [mov(dst, Operand::Reg(Reg::R10)), add]
    };
    insns.push(Insn::Store {
        size: Size::Dw,
        base: Reg::R10,
        off: -16,
        src: Operand::Imm(dice.below(4) as i32),
    });
    if dice.below(3) < 2 {
        insns.push(Insn::LdImm64 { dst: Reg::R1, imm: Imm64::MapFd(dice.below(maps) as i32) });
        insns.extend(frame(Reg::R2, -16));
        insns.extend(frame(Reg::R3, -64));
        insns.push(mov(Reg::R4, Operand::Imm(dice.below(3) as i32)));
    } else {
        insns.extend(frame(Reg::R1, -64));
        insns.push(mov(Reg::R2, Operand::Imm(dice.below(48) as i32)));
        insns.extend(frame(Reg::R3, -128));
        insns.push(mov(Reg::R4, Operand::Imm(dice.below(24) as i32)));
        insns.extend(frame(Reg::R5, -200));
    }
    if dice.below(4) == 0 {
        let dst = dice.pick(&[Reg::R2, Reg::R2, Reg::R3]);
        insns.push(Insn::LdImm64 {
            dst,
            imm: Imm64::Func(dice.pick(entries) as i32 - insns.len() as i32 - 1),
        });
    }
    insns.push(Insn::Call(Callee::Helper(dice.pick(crate::vm::helpers::ALL).0)));
    // What came back is kept where loads and stores look for addresses.
    insns.push(mov(dice.reg(), Operand::Reg(Reg::R0)));
}

/// A program that decodes; now and then one that does not.
fn random_program(dice: &Dice) -> Program {
    let len = 2 + dice.below(40);
    let entries: Vec<usize> = (0..3).map(|_| dice.below(len)).collect();
    let maps = maps();
    let mut insns = Vec::new();
    while insns.len() < len {
        if dice.below(6) == 0 {
            prepared_call(dice, maps.len(), &entries, &mut insns);
        } else {
            insns.push(dice.insn(insns.len(), len, maps.len(), &entries));
        }
    }
    insns.push(Insn::Exit);
    // Offsets were drawn for single slots; relink them over double ones.
    let starts: Vec<i32> = insns
        .iter()
        .scan(0, |slot, insn| {
            let here = *slot;
            *slot += insn.slots() as i32;
            Some(here)
        })
        .collect();
    let relink = |at: usize, off: i32| {
        let target = (at as i32 + 1 + off) as usize;
        starts[target] - starts[at] - 1
    };
    for (at, insn) in insns.iter_mut().enumerate() {
        match insn {
            Insn::Jump { off, .. } | Insn::MayGoto { off } => *off = relink(at, *off as i32) as i16,
            Insn::Goto { off, .. } => *off = relink(at, *off),
            Insn::Call(Callee::Subprog(off)) => *off = relink(at, *off),
            Insn::LdImm64 { imm: Imm64::Func(off), .. } => *off = relink(at, *off),
            _ => {}
        }
    }
    let mut slots = encode_all(insns);
    if dice.below(50) == 0 {
        let at = dice.below(slots.len());
        slots[at] = RawInsn::from_bytes(dice.0.next_u64().to_le_bytes(), Default::default());
    }
    let prog_type = dice.pick(&[None, Some(ProgType::Xdp), Some(ProgType::SchedCls)]);
    Program { maps, prog_type, ..Program::from_insns("hostile", slots) }
}

/// Runs many random programs; gives how many were linked, ended, and trapped.
fn hostile(seed: u64, programs: usize) -> (usize, usize, usize) {
    let dice = Dice(Seeded::new(seed));
    let engine = Engine::new(config().budget(3000).clock(Arc::new(ManualClock::at(5))).cpus(2));
    let (mut linked, mut ended, mut trapped) = (0, 0, 0);
    while linked < programs {
        let mut linker: Linker<()> = Linker::new(&engine);
        // Maps and their content outlive a few programs.
        for _ in 0..20 {
            let program = random_program(&dice);
            let Ok(instance) = linker.instantiate(&program) else { continue };
            linked += 1;
            let array = &instance.maps()[10];
            instance.insert_into(&**array, dice.below(4) as u32).ok();
            if let maps::MapKind::UserRingbuf(ring) = instance.maps()[8].kind() {
                ring.produce(&[1; 24]).ok();
            }
            if let maps::MapKind::PerfEventArray(events) = instance.maps()[9].kind() {
                events.open_all(1024);
            }
            let mut words = [0x0123_4567_89ab_cdefu64; 8];
            let (guard_low, rest) = words.split_at_mut(1);
            let (memory, guard_high) = rest.split_at_mut(6);
            let mut packet = Packet::new(&[0x45; 100]);
            let mut context = match dice.below(3) {
                0 => Context::new(ContextLayout::xdp_md()),
                1 => Context::new(ContextLayout::sk_buff()),
                _ => Context::new(ContextLayout::plain(32)),
            };
            // SAFETY: six words are so many bytes.
            let bytes = unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<u8>(), 48) };
            let input = match dice.below(2) {
                0 => Input::memory(bytes).packet(&mut packet),
                _ => Input::context(&mut context).packet(&mut packet).grant(bytes),
            };
            match instance.run(&mut (), input.cpu(dice.below(2) as u32)) {
                Ok(_) => ended += 1,
                Err(_) => trapped += 1,
            }
            assert_eq!((guard_low[0], guard_high[0]), (0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef));
        }
    }
    (linked, ended, trapped)
}

#[test]
fn random_programs_end_in_a_value_or_a_trap() {
    let count = std::env::var("OXBPF_HOSTILE").ok().and_then(|n| n.parse().ok());
    // Compiling takes longer than running.
    let default = if config().strategy == Strategy::Interpret { 20_000 } else { 1000 };
    let count = count.unwrap_or(if cfg!(miri) { 100 } else { default });
    let seed = std::env::var("OXBPF_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let (linked, ended, trapped) = hostile(seed, count);
    println!("{linked} linked, {ended} ended, {trapped} trapped");
    assert!(ended * 20 > linked && trapped * 20 > linked, "{linked} {ended} {trapped}");
}

#[test]
fn random_bytes_are_refused_or_run() {
    let dice = Dice(Seeded::new(7));
    let engine = Engine::new(config().budget(1000).unknown(Unknown::TrapAtCall));
    for _ in 0..if cfg!(miri) { 200 } else { 50_000 } {
        let slots = (0..1 + dice.below(4))
            .map(|_| RawInsn::from_bytes(dice.0.next_u64().to_le_bytes(), Default::default()))
            .chain([RawInsn::new(0x95, 0, 0, 0, 0)])
            .collect();
        let mut linker: Linker<()> = Linker::new(&engine);
        if let Ok(instance) = linker.instantiate(&Program::from_insns("bytes", slots)) {
            instance.run(&mut (), Input::memory(&mut [0; 64])).ok();
        }
    }
}
