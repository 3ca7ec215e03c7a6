//! What the compiler is given: a program whose references are resolved.
//!
//! Jumps and calls name operations by index; addresses and handles are constants. The host has seen to
//! everything that lowering decides; what is held again here is only what the compiler itself relies
//! on, so that no input makes it panic.

use oxbpf_isa::insn::{AluOp, AtomicOp, Cond, PacketBase, Reg, Size, Width};

/// A second operand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Src {
    Reg(Reg),
    /// As wide as the operation.
    Imm(i64),
}

/// What a constant is, where that matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Meaning {
    Number,
    /// The address of the function that begins at this operation.
    Function(u32),
    /// An address in host memory: a value of a map. The region it lies in.
    Memory {
        start: u64,
        len: u64,
        writable: bool,
    },
    /// The handle of the map with this index.
    Map(u32),
}

/// A map that stays where it is for as long as the code is in use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MapAt {
    pub kind: MapKind,
    /// Bytes of a value that are one region, and whether they may be written; none where helpers alone may
    /// touch a part of it.
    pub values: Option<(u32, bool)>,
}

/// How a map is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MapKind {
    /// Values by index, so many bytes apart; those of the next CPU lie `apart` bytes further, for as many
    /// CPUs as there may be.
    Array { base: u64, stride: u32, count: u32, apart: u64, cpus: u32 },
    /// The host finds the value in the map at this address.
    Found { address: u64, by: Finder },
    /// Programs by index: where the stamps of the slots lie, and how many there are.
    Programs { stamps: u64, count: u32 },
    /// Not by machine code.
    Other,
}

/// Which function of the host finds values, and how it is told the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Finder {
    /// In a hash, by a word.
    Hash(Size),
    /// In a trie, by a word of length and data.
    Trie,
    /// In a hash, by the address of so many bytes.
    HashAt(u32),
    /// In a trie, likewise.
    TrieAt(u32),
}

/// What keys of a map are to machine code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyForm {
    /// Words that it loads.
    Word(Size),
    /// Bytes that it hands on the address of.
    Bytes(u32),
}

impl MapAt {
    pub const OTHER: MapAt = MapAt { kind: MapKind::Other, values: None };

    /// What its keys are, where machine code looks it up.
    pub fn key(&self) -> Option<KeyForm> {
        match self.kind {
            MapKind::Array { .. } => Some(KeyForm::Word(Size::W)),
            MapKind::Found { by: Finder::Hash(size), .. } => Some(KeyForm::Word(size)),
            MapKind::Found { by: Finder::Trie, .. } => Some(KeyForm::Word(Size::Dw)),
            MapKind::Found { by: Finder::HashAt(len) | Finder::TrieAt(len), .. } => Some(KeyForm::Bytes(len)),
            MapKind::Programs { .. } | MapKind::Other => None,
        }
    }
}

/// A key to look up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyAt {
    /// What is at the address in R2; in proven programs only.
    Pointed,
    /// The word in the frame at this offset from R10.
    Frame(i32),
    /// The bytes there.
    FrameBytes(i32),
    /// This number.
    Number(u64),
}

/// Whose value is looked up, where each CPU has its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CpuOf {
    Run,
    /// That of the number in the low half of R3; there may be none.
    R3,
}

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    Alu {
        op: AluOp,
        width: Width,
        dst: Reg,
        src: Src,
    },
    Neg {
        width: Width,
        dst: Reg,
    },
    Mov {
        width: Width,
        dst: Reg,
        src: Reg,
    },
    Const {
        dst: Reg,
        value: u64,
        meaning: Meaning,
    },
    MovSx {
        width: Width,
        from: Size,
        dst: Reg,
        src: Reg,
    },
    /// Reverses the low bytes; the rest becomes zero.
    Swap {
        size: Size,
        dst: Reg,
    },
    /// Keeps the low bytes.
    Truncate {
        size: Size,
        dst: Reg,
    },
    Nop,
    Load {
        size: Size,
        signed: bool,
        dst: Reg,
        base: Reg,
        off: i32,
    },
    Store {
        size: Size,
        base: Reg,
        off: i32,
        src: Src,
    },
    LoadAcquire {
        size: Size,
        dst: Reg,
        base: Reg,
        off: i32,
    },
    StoreRelease {
        size: Size,
        base: Reg,
        off: i32,
        src: Reg,
    },
    Atomic {
        op: AtomicOp,
        fetch: bool,
        size: Size,
        base: Reg,
        off: i32,
        src: Reg,
    },
    /// A packet load at the offset, plus the register if there is one.
    Packet {
        base: PacketBase,
        size: Size,
        off: i32,
    },
    Goto {
        to: u32,
    },
    Jump {
        cond: Cond,
        width: Width,
        dst: Reg,
        src: Src,
        to: u32,
    },
    MayGoto {
        to: u32,
    },
    CallSub {
        to: u32,
    },
    /// Calls a function of the linked table, which takes so many arguments; a plain one neither takes fuel
    /// nor calls what does.
    CallHelper {
        index: u32,
        args: u8,
        plain: bool,
    },
    CallReg {
        src: Reg,
    },
    /// Looks up the map of [`Unit::maps`] with this index: the address of a value, or zero.
    Lookup {
        map: u32,
        key: KeyAt,
        of: CpuOf,
    },
    /// The number of the CPU.
    Cpu,
    /// `bpf_csum_diff`; in proven programs only.
    Csum,
    /// Goes to another program, in the array of [`Unit::maps`] with this index where that is known.
    TailCall {
        array: Option<u32>,
    },
    /// The host makes the trap.
    Trap,
    Exit,
}

/// How accesses to memory are treated.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    /// A proof says that every access is good.
    Proven,
    /// Every access is held against the regions of the run.
    Checked,
}

/// What compiled code does about how much it executes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fuel {
    /// Nothing.
    Off,
    /// It counts; something else bounds it.
    Count,
    /// It counts, and asks the host when what it was given is used up.
    Limit,
}

/// How much work the compiler does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OptLevel {
    /// Compiles fast.
    Fast,
    /// Makes fast code.
    #[default]
    Full,
}

/// Where packet loads find the packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PacketAt {
    /// In the context.
    #[default]
    Context,
    /// The first function gets data and length in R2 and R3: what filters are called with. There are no
    /// other functions. With headers, the host knows what lies at negative offsets; without, nothing does.
    Args { headers: bool },
    /// In a list of [`abi::Packet`](crate::abi::Packet)s: the first function is called with the list, how
    /// many packets there are, and where their verdicts go, 32 bits each. For each packet R1 points to its
    /// length, on the wire or captured. There are no other functions, and nothing lies at negative offsets.
    Batch { wire: bool },
}

impl PacketAt {
    /// Whether the host knows what lies at negative offsets.
    pub(crate) fn has_headers(self) -> bool {
        matches!(self, PacketAt::Context | PacketAt::Args { headers: true })
    }
}

/// A program to compile.
#[derive(Clone, Debug)]
pub struct Unit<'a> {
    /// For profilers.
    pub name: &'a str,
    pub ops: &'a [Op],
    /// The slot that each operation comes from.
    pub slots: &'a [u32],
    pub mode: Mode,
    /// What becomes of executed instructions.
    pub fuel: Fuel,
    pub opt: OptLevel,
    pub packet: PacketAt,
    /// How maps are looked up.
    pub maps: &'a [MapAt],
}

impl Op {
    /// Registers that are read, and those that are written, a bit each.
    pub fn registers(&self) -> (u16, u16) {
        crate::flow::effect(self)
    }
}

#[cfg(test)]
impl<'a> Unit<'a> {
    /// A program without a name, in fast code that asks for fuel.
    pub(crate) fn plain(ops: &'a [Op], slots: &'a [u32], mode: Mode) -> Unit<'a> {
        let (fuel, opt, packet) = (Fuel::Limit, OptLevel::Full, PacketAt::Context);
        Unit { name: "", ops, slots, mode, fuel, opt, packet, maps: &[] }
    }
}
