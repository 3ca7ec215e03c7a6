//! Random programs.

use super::*;
use crate::vm::task::{Random, Seeded};
use oxbpf_isa::insn::{
    AluOp, AtomicOp, Callee, Cond, EndianOp, Imm64, Insn, Operand, PacketBase, RawInsn, Reg, Size, Width,
    encode_all,
};
use oxbpf_isa::kernel::ProgType;

/// Random choices.
pub(super) struct Dice(pub Seeded);

/// What random programs have to do with.
pub(super) struct World {
    helpers: Vec<i32>,
    /// Indexes of the maps they name.
    maps: Vec<usize>,
    /// Whether they are likely to stay in memory: R6 holds the first argument, and addresses are mostly
    /// taken from it and from R10.
    tame: bool,
}

impl World {
    /// Everything there is.
    pub fn hostile() -> World {
        let helpers = crate::vm::helpers::ALL.iter().map(|row| row.0).collect();
        World { helpers, maps: (0..maps().len()).collect(), tame: false }
    }

    /// What gives the same result twice when memory and array elements are as before.
    #[cfg(feature = "jit")]
    pub fn same(tame: bool) -> World {
        let helpers =
            [1, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 26, 28, 44, 125, 164, 165, 181, 181, 182, 189];
        World { helpers: helpers.to_vec(), maps: vec![1, 2, 3, 10], tame }
    }

    fn reg(&self, dice: &Dice) -> Reg {
        match self.tame {
            true => dice.pick(&[Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R8, Reg::R9]),
            false => dice.reg(),
        }
    }

    fn base(&self, dice: &Dice) -> Reg {
        match self.tame && dice.below(16) != 0 {
            true => dice.pick(&[Reg::R6, Reg::R10]),
            false => dice.any_reg(),
        }
    }

    fn off(&self, dice: &Dice, base: Reg, size: Size) -> i16 {
        match (self.tame && dice.below(32) != 0, base) {
            (true, Reg::R10) => -(size.bytes() as i16) * (1 + dice.below(6) as i16),
            (true, _) => dice.below(16) as i16 * size.bytes() as i16 % 40,
            _ => dice.off(),
        }
    }

    fn map(&self, dice: &Dice) -> i32 {
        dice.pick(&self.maps) as i32
    }

    fn helper(&self, dice: &Dice) -> Insn {
        Insn::Call(Callee::Helper(dice.pick(&self.helpers)))
    }
}

impl Dice {
    pub fn below(&self, n: usize) -> usize {
        (self.0.next_u64() >> 33) as usize % n
    }

    pub fn pick<T: Copy>(&self, from: &[T]) -> T {
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

    fn insn(&self, at: usize, len: usize, world: &World, entries: &[usize]) -> Insn {
        let (width, size, dst, base) = (self.width(), self.size(), world.reg(self), world.base(self));
        let off = world.off(self, base, size);
        let jump = |to: usize| to as i32 - at as i32 - 1;
        // Tame programs seldom jump back, and mostly end.
        let somewhere = || match world.tame && self.below(8) != 0 {
            true => jump(at + 1 + self.below(len - at)),
            false => jump(self.below(len)),
        };
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
                    let off = world.off(self, base, size);
                    let fetch = !op.allows_no_fetch() || self.below(2) == 0;
                    Insn::Atomic { op, fetch, size, base, off, src: world.reg(self) }
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
            15..18 => world.helper(self),
            18 | 19 => Insn::LdImm64 { dst, imm: self.imm64(at, world, entries) },
            20 => {
                let base = if self.below(2) == 0 { PacketBase::Abs } else { PacketBase::Ind(base) };
                Insn::Packet { base, size: self.pick(&Size::ALL[..3]), off: self.imm() }
            }
            _ => Insn::Neg { width, dst },
        }
    }

    fn imm64(&self, at: usize, world: &World, entries: &[usize]) -> Imm64 {
        let map = world.map(self);
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

pub(super) fn maps() -> Vec<Arc<MapDef>> {
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
fn prepared_call(dice: &Dice, world: &World, entries: &[usize], insns: &mut Vec<Insn>) {
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
        insns.push(Insn::LdImm64 { dst: Reg::R1, imm: Imm64::MapFd(world.map(dice)) });
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
    insns.push(world.helper(dice));
    // What came back is kept where loads and stores look for addresses.
    insns.push(mov(world.reg(dice), Operand::Reg(Reg::R0)));
}

/// A program that decodes; now and then one that does not.
pub(super) fn random_program(dice: &Dice, world: &World) -> Program {
    let len = 2 + dice.below(40);
    let entries: Vec<usize> = (0..3).map(|_| dice.below(len)).collect();
    let maps = maps();
    let mut insns = Vec::new();
    if world.tame {
        insns.push(Insn::Mov { width: Width::W64, dst: Reg::R6, src: Operand::Reg(Reg::R1) });
    }
    while insns.len() < len {
        if dice.below(6) == 0 {
            prepared_call(dice, world, &entries, &mut insns);
        } else {
            insns.push(dice.insn(insns.len(), len, world, &entries));
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
    if dice.below(50) == 0 && !world.tame {
        let at = dice.below(slots.len());
        slots[at] = RawInsn::from_bytes(dice.0.next_u64().to_le_bytes(), Default::default());
    }
    let prog_type = dice.pick(&[None, Some(ProgType::Xdp), Some(ProgType::SchedCls)]);
    Program { maps, prog_type, ..Program::from_insns("hostile", slots) }
}
