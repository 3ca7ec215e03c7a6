//! What a writer knows of the program so far, and how it puts down an instruction.

use std::sync::Arc;

use oxbpf::isa::insn::{AluOp, Callee, Cond, Imm64, Insn, Operand, RawInsn, Reg, Size, Width};
use oxbpf::isa::kernel::{KernelModel, MapType, ProgKind};
use oxbpf::isa::program::MapDef;

use super::{Fields, Random, map_shapes};

/// What a register or eight bytes of stack probably hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    No,
    /// A number, at most so large where that was checked.
    Num(Option<u32>),
    Ctx,
    /// So far from the top of the frame.
    Fp(i32),
    /// The same in the caller's frame.
    Outer(i32),
    Map(u8),
    ValueOrNull(u8),
    /// In a value: the fixed offset, and how much further it may be.
    Value(u8, i32, u32),
    /// Into the packet, with so many bytes shown to be there.
    Packet(i32),
    Meta(i32),
    PacketEnd,
    FlowKeys,
    Memory(u32),
    Sock,
    SockOrNull,
    /// Some other pointer.
    Pointer,
}

impl What {
    pub fn is_number(self) -> bool {
        matches!(self, What::Num(_))
    }

    pub fn is_pointer(self) -> bool {
        !matches!(self, What::Num(_) | What::No)
    }

    /// What is known after two paths have met.
    pub fn join(self, other: What) -> What {
        match (self, other) {
            (a, b) if a == b => a,
            (What::Num(a), What::Num(b)) => What::Num(a.zip(b).map(|(a, b)| a.max(b))),
            (What::Packet(a), What::Packet(b)) => What::Packet(a.min(b)),
            _ => What::No,
        }
    }
}

pub(super) const SLOTS: usize = 8;

/// Registers and stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub regs: [What; 11],
    /// The eight bytes from `-8 * (n + 1)`.
    pub slots: [What; SLOTS],
}

impl Frame {
    pub fn new(args: &[What]) -> Frame {
        let mut regs = [What::No; 11];
        regs[1..1 + args.len()].copy_from_slice(args);
        regs[10] = What::Fp(0);
        Frame { regs, slots: [What::No; SLOTS] }
    }

    pub fn join(&self, other: &Frame) -> Frame {
        Frame {
            regs: std::array::from_fn(|r| self.regs[r].join(other.regs[r])),
            slots: std::array::from_fn(|s| self.slots[s].join(other.slots[s])),
        }
    }
}

/// A function that is called and still to be written.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub args: Vec<What>,
    /// Calls, and loads of its address.
    pub sites: Vec<usize>,
    pub is_callback: bool,
    /// Judged by its prototype alone.
    pub is_global: bool,
    pub start: Option<usize>,
}

pub(super) struct Writer<'m> {
    pub random: Random,
    pub model: &'m KernelModel,
    pub kind: ProgKind,
    pub fields: Fields,
    pub helpers: Vec<u32>,
    pub code: Vec<RawInsn>,
    pub maps: Vec<Arc<MapDef>>,
    pub shapes: Vec<MapDef>,
    pub frame: Frame,
    /// Registers that must not be written here.
    pub locked: u16,
    /// Inside something that has to be closed, so that the function may not be left.
    pub sheltered: u32,
    /// Jumps to the end of the function.
    pub exits: Vec<usize>,
    pub functions: Vec<Function>,
    /// The function at hand; none for the program.
    pub function: Option<usize>,
    pub budget: i32,
    /// Slips in ten thousand choices.
    pub slips: u64,
    pub depth: u32,
}

impl<'m> Writer<'m> {
    pub fn new(mut random: Random, model: &'m KernelModel, kind: ProgKind, fields: Fields) -> Writer<'m> {
        let helpers = (0..model.helper_count()).filter(|&id| model.helper_for(&kind, id).is_ok()).collect();
        let slips = random.one(&[0, 0, 20, 50, 150]);
        let budget = random.one(&[10, 25, 50, 100]);
        Writer {
            random,
            model,
            kind,
            fields,
            helpers,
            code: Vec::new(),
            maps: Vec::new(),
            shapes: map_shapes(),
            frame: Frame::new(&[What::Ctx]),
            locked: 1 << 10,
            sheltered: 0,
            exits: Vec::new(),
            functions: Vec::new(),
            function: None,
            budget,
            slips,
            depth: 0,
        }
    }

    pub fn finish(self) -> (Vec<RawInsn>, Vec<Arc<MapDef>>) {
        (self.code, self.maps)
    }

    /// Whether to do something else than what is right.
    pub fn slip(&mut self) -> bool {
        self.random.below(10_000) < self.slips
    }

    /// Puts an instruction down; its place.
    pub fn put(&mut self, insn: Insn) -> usize {
        let (first, second) = insn.encode();
        let first = if self.slip() { self.scratched(first) } else { first };
        self.code.push(first);
        self.code.extend(second);
        self.budget -= 1;
        self.code.len() - insn.slots()
    }

    /// An instruction with one field changed.
    fn scratched(&mut self, insn: RawInsn) -> RawInsn {
        let mut out = insn;
        // What a kernel function's number means changes from build to build.
        if insn.is_ldimm64() || insn.code == 0x85 {
            return out;
        }
        match self.random.below(7) {
            0 => out.dst = self.random.below(11) as u8,
            1 => out.src = self.random.below(11) as u8,
            2 => out.off = out.off.wrapping_add(self.random.below(17) as i16 - 8),
            3 => out.imm = out.imm.wrapping_add(self.random.below(17) as i32 - 8),
            4 => out.code = out.code & 7 | (self.random.below(32) as u8) << 3,
            5 => out.code ^= 1 << self.random.below(8),
            _ => out.imm = self.random.number() as i32,
        }
        out
    }

    pub fn set(&mut self, r: Reg, what: What) {
        if r != Reg::FP {
            self.frame.regs[r.index()] = what;
        }
    }

    pub fn what(&self, r: Reg) -> What {
        self.frame.regs[r.index()]
    }

    /// A register that holds something like that.
    pub fn find(&mut self, like: impl Fn(What) -> bool) -> Option<Reg> {
        if self.slip() {
            return Reg::new(self.random.below(11) as u8);
        }
        let fit: Vec<Reg> = Reg::ALL.into_iter().filter(|r| like(self.what(*r))).collect();
        if fit.is_empty() { None } else { Some(self.random.one(&fit)) }
    }

    /// A register to write to.
    pub fn free(&mut self) -> Reg {
        if self.slip() {
            return Reg::ALL[self.random.below(11) as usize];
        }
        let open: Vec<Reg> = Reg::ALL.into_iter().filter(|r| self.locked >> r.number() & 1 == 0).collect();
        let unused: Vec<Reg> = open.iter().copied().filter(|r| self.what(*r) == What::No).collect();
        // A context is hard to come by again.
        let unimportant: Vec<Reg> = open.iter().copied().filter(|r| self.what(*r) != What::Ctx).collect();
        match self.random.below(10) {
            0..6 if !unused.is_empty() => self.random.one(&unused),
            6 if !open.is_empty() => self.random.one(&open),
            _ if !unimportant.is_empty() => self.random.one(&unimportant),
            _ => Reg::R0,
        }
    }

    /// As [`Self::free`], but one that calls leave alone where there is any.
    pub fn lasting(&mut self) -> Reg {
        let open: Vec<Reg> =
            Reg::ALL[6..10].iter().copied().filter(|r| self.locked >> r.number() & 1 == 0).collect();
        let unused: Vec<Reg> = open.iter().copied().filter(|r| self.what(*r) == What::No).collect();
        match (unused.is_empty(), open.is_empty()) {
            (false, _) => self.random.one(&unused),
            (_, false) => self.random.one(&open),
            _ => self.free(),
        }
    }

    /// A constant, small or at some border.
    pub fn constant(&mut self) -> i32 {
        match self.random.below(8) {
            0 => 0,
            1 => self.random.below(8) as i32,
            2 => self.random.below(64) as i32,
            3 => -(self.random.below(64) as i32),
            4 => self.random.one(&[
                i32::MAX,
                i32::MIN,
                -1,
                255,
                256,
                65535,
                65536,
                0x1000_0000,
                -4096,
                1 << 29,
            ]),
            5 => 1i32.wrapping_shl(self.random.below(32) as u32),
            6 => (1i32.wrapping_shl(self.random.below(32) as u32)).wrapping_sub(1),
            _ => self.random.number() as i32,
        }
    }

    pub fn width(&mut self) -> Width {
        if self.random.percent(70) { Width::W64 } else { Width::W32 }
    }

    pub fn size(&mut self) -> Size {
        self.random.one(&Size::ALL)
    }

    pub fn mov(&mut self, dst: Reg, src: Reg) {
        self.put(Insn::Mov { width: Width::W64, dst, src: Operand::Reg(src) });
        self.set(dst, self.what(src));
    }

    pub fn mov_imm(&mut self, dst: Reg, imm: i32) {
        self.put(Insn::Mov { width: Width::W64, dst, src: Operand::Imm(imm) });
        self.set(dst, What::Num(u32::try_from(imm).ok()));
    }

    pub fn add_imm(&mut self, dst: Reg, imm: i32) {
        self.put(Insn::Alu { op: AluOp::Add, width: Width::W64, dst, src: Operand::Imm(imm) });
    }

    pub fn jump(&mut self, cond: Cond, width: Width, dst: Reg, src: Operand) -> usize {
        self.put(Insn::Jump { cond, width, dst, src, off: 0 })
    }

    /// Makes the jump at `from` lead here.
    pub fn land(&mut self, from: usize) {
        let to = self.code.len();
        self.point(from, to);
    }

    pub fn point(&mut self, from: usize, to: usize) {
        self.code[from].off = (to as i64 - from as i64 - 1) as i16;
    }

    pub fn helper(&mut self, id: u32) {
        self.put(Insn::Call(Callee::Helper(id as i32)));
        for r in 0..6 {
            self.frame.regs[r] = What::No;
        }
    }

    /// The index of a map of a shape in the program.
    pub fn map_index(&mut self, shape: u8) -> i32 {
        let name = format!("s{shape}");
        let found = self.maps.iter().position(|m| m.name == name);
        found.unwrap_or_else(|| {
            self.maps.push(Arc::new(MapDef { name, ..self.shapes[shape as usize].clone() }));
            self.maps.len() - 1
        }) as i32
    }

    pub fn load_map(&mut self, dst: Reg, shape: u8) {
        let fd = self.map_index(shape);
        self.put(Insn::LdImm64 { dst, imm: Imm64::MapFd(fd) });
        self.set(dst, What::Map(shape));
    }

    /// Shapes of these types.
    pub fn shapes_of(&self, types: &[MapType]) -> Vec<u8> {
        (0..self.shapes.len() as u8)
            .filter(|&s| self.shapes[s as usize].kind().is_some_and(|k| types.contains(&k)))
            .collect()
    }
}
