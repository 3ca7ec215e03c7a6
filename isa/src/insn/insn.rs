//! One instruction with its meaning, by shape.

use super::op::{AluOp, AtomicOp, Cond, EndianOp, Size, Width};
use core::fmt;

/// A register that a program can name. R10 is the frame pointer and read-only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reg {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

impl Reg {
    /// Every register, by number.
    pub const ALL: [Reg; 11] =
        [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R6, Reg::R7, Reg::R8, Reg::R9, Reg::R10];

    /// The frame pointer.
    pub const FP: Reg = Reg::R10;

    /// The register with this number, 0 to 10.
    pub const fn new(number: u8) -> Option<Reg> {
        if number < 11 { Some(Self::ALL[number as usize]) } else { None }
    }

    /// The number, 0 to 10.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The number as an index.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Prints `r0` to `r10`.
impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.number())
    }
}

impl fmt::Debug for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A second operand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operand {
    Reg(Reg),
    /// Sign-extended to 64 bits where the operation is 64 bits wide.
    Imm(i32),
}

/// What `call` calls.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Callee {
    /// A helper by its number.
    Helper(i32),
    /// The subprogram that starts this many slots after the next instruction.
    Subprog(i32),
    /// A kernel function by its BTF id, in the kernel's BTF when `btf` is 0 and else in the module
    /// BTF that this index of the program's descriptor array names.
    Kfunc { id: i32, btf: i16 },
    /// The function whose address the register holds (RFC 9669 `callx`; Linux refuses it).
    Reg(Reg),
}

/// What a two-slot load gives (RFC 9669 section 5.4; Linux `BPF_PSEUDO_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Imm64 {
    /// A constant.
    Const(u64),
    /// A map by descriptor.
    MapFd(i32),
    /// An address inside the first value of a map given by descriptor.
    MapValue { fd: i32, off: u32 },
    /// A kernel variable by BTF id, in the BTF object `fd` or in the kernel's when 0.
    BtfId { id: i32, fd: i32 },
    /// The address of the subprogram that starts this many slots after the next instruction slot.
    Func(i32),
    /// A map by index in the program's descriptor array.
    MapIdx(i32),
    /// An address inside the first value of a map given by index.
    MapIdxValue { idx: i32, off: u32 },
}

/// Where a packet load reads, relative to the packet's start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketBase {
    /// At the immediate.
    Abs,
    /// At the register plus the immediate.
    Ind(Reg),
}

/// One instruction.
///
/// Jump and call offsets count slots from the instruction after, as encoded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Insn {
    /// `dst = dst op src`.
    Alu { op: AluOp, width: Width, dst: Reg, src: Operand },
    /// `dst = -dst`.
    Neg { width: Width, dst: Reg },
    /// `dst = src`.
    Mov { width: Width, dst: Reg, src: Operand },
    /// `dst = src` with the low bytes of `from` sign-extended to `width`.
    MovSx { width: Width, from: Size, dst: Reg, src: Reg },
    /// Converts an arena pointer between address spaces (Linux; LLVM `addr_space_cast`).
    AddrSpaceCast { dst: Reg, src: Reg, to: u16, from: u16 },
    /// Changes the byte order of the low bytes of `dst`; the rest becomes zero.
    Endian { op: EndianOp, size: Size, dst: Reg },
    /// `dst = *(size *)(base + off)`, zero- or sign-extended.
    Load { size: Size, signed: bool, dst: Reg, base: Reg, off: i16 },
    /// A load that later accesses of this thread are not moved before.
    LoadAcquire { size: Size, dst: Reg, base: Reg, off: i16 },
    /// `*(size *)(base + off) = src`.
    Store { size: Size, base: Reg, off: i16, src: Operand },
    /// A store that earlier accesses of this thread are not moved after.
    StoreRelease { size: Size, base: Reg, off: i16, src: Reg },
    /// Read, compute and write in one step. With `fetch`, `src` receives the old value, or R0
    /// for [`AtomicOp::Cmpxchg`].
    Atomic { op: AtomicOp, fetch: bool, size: Size, base: Reg, off: i16, src: Reg },
    /// Unconditional jump; `long` takes the offset from the immediate (`gotol`).
    Goto { off: i32, long: bool },
    /// Jumps when the condition holds.
    Jump { cond: Cond, width: Width, dst: Reg, src: Operand, off: i16 },
    /// Goes on, or jumps when the program has run for too long (Linux `may_goto`).
    MayGoto { off: i16 },
    /// Calls; R1 to R5 are arguments, R0 receives the result.
    Call(Callee),
    /// `dst = imm64`; takes two slots.
    LdImm64 { dst: Reg, imm: Imm64 },
    /// `r0 = ntoh(*(size *)(packet + off))`, or leaves the program with R0 = 0 outside the packet.
    Packet { base: PacketBase, size: Size, off: i32 },
    /// Returns R0.
    Exit,
}

impl Insn {
    /// The number of eight-byte slots: 2 for 64-bit immediate loads, else 1.
    pub const fn slots(self) -> usize {
        match self {
            Insn::LdImm64 { .. } => 2,
            _ => 1,
        }
    }

    /// The register the instruction writes, if it names one; calls write R0 to R5.
    pub const fn def(self) -> Option<Reg> {
        match self {
            Insn::Alu { dst, .. }
            | Insn::Neg { dst, .. }
            | Insn::Mov { dst, .. }
            | Insn::MovSx { dst, .. }
            | Insn::AddrSpaceCast { dst, .. }
            | Insn::Endian { dst, .. }
            | Insn::Load { dst, .. }
            | Insn::LoadAcquire { dst, .. }
            | Insn::LdImm64 { dst, .. } => Some(dst),
            Insn::Atomic { op: AtomicOp::Cmpxchg, .. } | Insn::Packet { .. } | Insn::Call(_) => Some(Reg::R0),
            Insn::Atomic { fetch: true, src, .. } => Some(src),
            Insn::Atomic { .. }
            | Insn::Store { .. }
            | Insn::StoreRelease { .. }
            | Insn::Goto { .. }
            | Insn::Jump { .. }
            | Insn::MayGoto { .. }
            | Insn::Exit => None,
        }
    }

    /// The offset of the jump, counted from the next instruction, if this is a jump inside the
    /// subprogram.
    pub const fn jump_offset(self) -> Option<i32> {
        match self {
            Insn::Goto { off, .. } => Some(off),
            Insn::Jump { off, .. } | Insn::MayGoto { off } => Some(off as i32),
            _ => None,
        }
    }
}
