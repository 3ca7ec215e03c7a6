//! A program made ready to run: decoded once, operands resolved, jumps turned into distances.
//!
//! Lowering refuses what no engine could run: slots that do not decode, jumps that leave the
//! program or land inside a two-slot load, a last instruction that falls off the end, a write to
//! the frame pointer, references to maps, helpers and kernel functions that nobody linked. Those
//! are the structural rules of Linux's `check_cfg` and `resolve_pseudo_ldimm64`, without
//! reachability: what cannot be reached must be well-formed too. Everything about values is left
//! to the verifier, or in checked mode to the run.
//!
//! The interpreter relies on what [`Lowered`] promises, so its fields stay private to the machine.

use super::context::ContextLayout;
use super::maps::{CreateError, Errno};
use super::op::{Code, Op, alu_code, jump_code};
use oxbpf_isa::insn::{
    AluOp, AtomicOp, Callee, DecodeError, EndianOp, Imm64, Insn, Operand, PacketBase, Reg, Size, Width,
};
use oxbpf_isa::program::Program;
use std::error::Error;
use std::fmt;

/// Bytes of stack in one frame (Linux `MAX_BPF_STACK`).
pub const STACK_SIZE: usize = 512;

/// Helper numbers from here on are what loaders put where a reference could not be resolved; such
/// calls stand in branches that are not meant to run, so they trap only when reached (libbpf).
const POISON: i32 = 2_000_000_000;

/// The helper number in place of an instruction whose CO-RE relocation found nothing (libbpf).
const CORE_POISON: i32 = 0x0bad_2310;

/// The tag of addresses of functions, above all addresses of memory.
const FUNC_TAG: u64 = 0xbf00_0000 << 32;

/// Why a program cannot be made ready to run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LinkError {
    /// A program needs at least one instruction, and has at most 2^24.
    Length { insns: usize },
    /// A slot is no instruction.
    Decode { insn: u32, error: DecodeError },
    /// A jump or call goes to a slot that begins no instruction.
    Target { insn: u32, target: i64 },
    /// The last instruction lets the program run on past its end.
    FallsOff { insn: u32 },
    /// R10 is written.
    FramePointer { insn: u32 },
    /// The program names a map it does not have.
    NoSuchMap { insn: u32, index: i32 },
    /// The map has no value at that offset whose address a program could hold.
    NoMapValue { insn: u32, index: i32, offset: u32 },
    /// The linker has no such helper.
    UnknownHelper { insn: u32, id: i32, name: Option<&'static str> },
    /// The linker has no such function of the kernel.
    UnknownKfunc { insn: u32, name: String },
    /// A variable of the kernel, which this process does not have.
    KernelVariable { insn: u32, id: i32 },
    /// Something the virtual machine does not do.
    Unsupported { insn: u32, what: &'static str },
    /// A map could not be made.
    Map { name: String, error: CreateError },
    /// A map of a type that nobody knows.
    MapType { name: String, number: u32 },
    /// The first content of a map does not fit it.
    MapData { name: String, errno: Errno },
    /// The map that the linker has under this name does not fit the program's definition.
    MapMismatch { name: String, field: &'static str, wanted: u64, found: u64 },
    /// The proof's list of context accesses is needed to run in proven mode on this context.
    NeedsContextFacts,
    /// The engine is to compile, and cannot.
    #[cfg(feature = "jit")]
    Compile(oxbpf_jit::CompileError),
    /// The proof does not hold for what is linked.
    Proof(ProofGap),
}

/// Why a proof does not hold for what a program is linked with.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProofGap {
    /// There are more processors than the proof speaks of.
    Cpus { proof: u32, engine: u32 },
    /// The helper called here is one of the host's, of which a proof knows nothing.
    HostHelper { insn: u32, id: i32 },
    /// The helper called here rests on more than a proof says.
    Helper { insn: u32, id: i32 },
    /// The context of programs of this type is not laid out as the program reads it.
    Context,
    /// What the program was proved for: the map of this name has other rights, content or inner maps.
    Map { name: String },
}

impl fmt::Display for ProofGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofGap::Cpus { proof, engine } => {
                write!(f, "it speaks of {proof} processors, and there are {engine}")
            }
            ProofGap::HostHelper { insn, id } => {
                write!(f, "helper {id}, called in instruction {insn}, is the host's")
            }
            ProofGap::Helper { insn, id } => {
                write!(f, "helper {id}, called in instruction {insn}, rests on more than it says")
            }
            ProofGap::Context => f.write_str("contexts of this type are not laid out as it says"),
            ProofGap::Map { name } => write!(f, "map {name} is not the one it speaks of"),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::Length { insns } => {
                write!(f, "{insns} instruction slots, expected 1 to {}", Lowered::MAX_SLOTS)
            }
            LinkError::Decode { insn, error } => write!(f, "instruction {insn}: {error}"),
            LinkError::Target { insn, target } => {
                write!(f, "instruction {insn}: goes to slot {target}, where no instruction begins")
            }
            LinkError::FallsOff { insn } => {
                write!(f, "instruction {insn}: the last one must be a jump or exit")
            }
            LinkError::FramePointer { insn } => write!(f, "instruction {insn}: writes the frame pointer R10"),
            LinkError::NoSuchMap { insn, index } => {
                write!(f, "instruction {insn}: the program has no map with index {index}")
            }
            LinkError::NoMapValue { insn, index, offset } => {
                write!(f, "instruction {insn}: map {index} has no value whose byte {offset} has an address")
            }
            LinkError::UnknownHelper { insn, id, name: Some(name) } => {
                write!(f, "instruction {insn}: helper {id} (bpf_{name}) is not linked")
            }
            LinkError::UnknownHelper { insn, id, name: None } => {
                write!(f, "instruction {insn}: helper {id} is not linked")
            }
            LinkError::UnknownKfunc { insn, name } => {
                write!(f, "instruction {insn}: kernel function {name} is not linked")
            }
            LinkError::KernelVariable { insn, id } => {
                write!(f, "instruction {insn}: the kernel variable with BTF id {id} is not available")
            }
            LinkError::Unsupported { insn, what } => {
                write!(f, "instruction {insn}: {what} is not supported by the virtual machine")
            }
            LinkError::Map { name, error } => write!(f, "map {name}: {error}"),
            LinkError::MapType { name, number } => write!(f, "map {name}: {number} is no map type"),
            LinkError::MapData { name, errno } => write!(f, "map {name}: cannot take its data: {errno}"),
            LinkError::MapMismatch { name, field, wanted, found } => {
                write!(f, "map {name}: the program wants {field} {wanted}, the linker's map has {found}")
            }
            LinkError::Proof(gap) => write!(f, "the proof does not hold: {gap}"),
            LinkError::NeedsContextFacts => {
                f.write_str("the proof must list the accesses to a context with packet pointers")
            }
            #[cfg(feature = "jit")]
            LinkError::Compile(error) => error.fmt(f),
        }
    }
}

impl Error for LinkError {}

/// Where references lead.
pub(crate) trait Resolve {
    /// What the program holds for a map.
    fn map(&self, index: usize) -> Option<u64>;
    /// The address of a byte of the first value of a map.
    fn map_value(&self, index: usize, offset: u32) -> Option<u64>;
    /// The index of a helper in the linked table.
    fn helper(&self, id: i32) -> Option<u32>;
    fn helper_name(&self, id: i32) -> Option<&'static str>;
    /// The index of a kernel function in the linked table.
    fn kfunc(&self, name: &str) -> Option<u32>;
    /// Whether calls of unknown functions trap at run time.
    fn trap_unknown(&self) -> bool;
    /// The context, when proven accesses to it are to be lowered.
    fn proven_context(&self) -> Option<(&ContextLayout, &[u32])>;
}

/// A program ready to run.
///
/// Every jump and call distance leads to an operation of the program, and the last operation never
/// runs on; no operation writes register 10; every index of a function is one of the table it was
/// resolved against; register fields are below 11.
#[derive(Clone, Debug)]
pub struct Lowered {
    pub(crate) ops: Box<[Op]>,
    /// The slot each operation comes from.
    pub(crate) slots: Box<[u32]>,
    /// Operations at which functions begin, in order.
    pub(crate) entries: Box<[u32]>,
}

impl Lowered {
    /// The most slots a program may have: well above any kernel's million.
    pub const MAX_SLOTS: usize = 1 << 24;

    /// The lowered operations.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The slot that an operation comes from.
    pub fn slot_of(&self, op: usize) -> Option<u32> {
        self.slots.get(op).copied()
    }

    /// The operation at which the function with this address begins.
    pub(crate) fn function(&self, address: u64) -> Option<u32> {
        let op = u32::try_from(address ^ FUNC_TAG).ok()?;
        self.entries.binary_search(&op).ok().map(|_| op)
    }

    pub(crate) fn lower(program: &Program, resolve: &dyn Resolve) -> Result<Lowered, LinkError> {
        let slots = &program.insns;
        if slots.is_empty() || slots.len() > Self::MAX_SLOTS {
            return Err(LinkError::Length { insns: slots.len() });
        }
        let mut insns = Vec::with_capacity(slots.len());
        let mut op_of = vec![u32::MAX; slots.len()];
        for (slot, insn) in Insn::decode_all(slots) {
            let slot32 = slot as u32;
            let insn = insn.map_err(|error| LinkError::Decode { insn: slot32, error })?;
            op_of[slot] = insns.len() as u32;
            insns.push((slot32, insn));
        }
        let mut lowering = Lowering { program, resolve, op_of, entries: vec![0] };
        let mut ops = Vec::with_capacity(insns.len());
        for &(slot, insn) in &insns {
            if insn.def() == Some(Reg::R10) {
                return Err(LinkError::FramePointer { insn: slot });
            }
            ops.push(lowering.insn(slot, ops.len(), insn)?);
        }
        if let Some(&(slot, last)) = insns.last()
            && !matches!(last, Insn::Exit | Insn::Goto { .. })
        {
            return Err(LinkError::FallsOff { insn: slot });
        }
        let mut entries = lowering.entries;
        entries.sort_unstable();
        entries.dedup();
        Ok(Lowered {
            ops: ops.into(),
            slots: insns.iter().map(|&(slot, _)| slot).collect(),
            entries: entries.into(),
        })
    }
}

struct Lowering<'a> {
    program: &'a Program,
    resolve: &'a dyn Resolve,
    op_of: Vec<u32>,
    entries: Vec<u32>,
}

fn op(code: Code) -> Op {
    Op { code, dst: 0, src: 0, aux: 0, off: 0, imm: 0 }
}

/// The code of an access by size, from the four of a row.
fn by_size(size: Size, codes: [Code; 4]) -> Code {
    codes[size as usize]
}

/// Whether an access relative to R10 stays inside the frame whatever the program does.
fn in_frame(base: Reg, off: i16, size: Size) -> bool {
    let (off, size) = (off as i32, size.bytes() as i32);
    base == Reg::FP && off >= -(STACK_SIZE as i32) && off + size <= 0
}

impl Lowering<'_> {
    /// The operation that begins `distance` slots after the slot after `slot`.
    fn target(&self, slot: u32, distance: i32) -> Result<u32, LinkError> {
        let target = slot as i64 + 1 + distance as i64;
        let op = usize::try_from(target).ok().and_then(|t| self.op_of.get(t)).copied();
        op.filter(|&o| o != u32::MAX).ok_or(LinkError::Target { insn: slot, target })
    }

    /// The distance from the operation after `here` to the one that a slot distance leads to.
    fn distance(&self, slot: u32, here: usize, distance: i32) -> Result<i32, LinkError> {
        Ok(self.target(slot, distance)? as i32 - (here as i32 + 1))
    }

    fn insn(&mut self, slot: u32, here: usize, insn: Insn) -> Result<Op, LinkError> {
        Ok(match insn {
            Insn::Alu { op, width, dst, src } => alu(op, width, dst, src),
            Insn::Neg { width, dst } => {
                Op { dst: dst.number(), ..op(if width == Width::W64 { Code::Neg64 } else { Code::Neg32 }) }
            }
            Insn::Mov { width, dst, src } => mov(width, dst, src),
            Insn::MovSx { width, from, dst, src } => {
                let code = match (width, from) {
                    (Width::W64, Size::B) => Code::Movsx64B,
                    (Width::W64, Size::H) => Code::Movsx64H,
                    (Width::W64, _) => Code::Movsx64W,
                    (Width::W32, Size::B) => Code::Movsx32B,
                    (Width::W32, _) => Code::Movsx32H,
                };
                Op { dst: dst.number(), src: src.number(), ..op(code) }
            }
            Insn::AddrSpaceCast { .. } => {
                return Err(LinkError::Unsupported { insn: slot, what: "an arena" });
            }
            Insn::Endian { op, size, dst } => endian(op, size, dst),
            Insn::Load { size, signed, dst, base, off } => self.load(slot, size, signed, dst, base, off),
            Insn::Store { size, base, off, src } => store(size, base, off, src),
            Insn::LoadAcquire { size, dst, base, off } => Op {
                dst: dst.number(),
                src: base.number(),
                aux: size as u8,
                off: off as i32,
                ..op(Code::LdAcq)
            },
            Insn::StoreRelease { size, base, off, src } => Op {
                dst: base.number(),
                src: src.number(),
                aux: size as u8,
                off: off as i32,
                ..op(Code::StRel)
            },
            Insn::Atomic { op: kind, fetch, size, base, off, src } => {
                if fetch && kind != AtomicOp::Cmpxchg && src == Reg::R10 {
                    return Err(LinkError::FramePointer { insn: slot });
                }
                Op {
                    dst: base.number(),
                    src: src.number(),
                    aux: atomic_aux(kind, fetch, size),
                    off: off as i32,
                    ..op(Code::Atomic)
                }
            }
            Insn::Goto { off, .. } => Op { off: self.distance(slot, here, off)?, ..op(Code::Ja) },
            Insn::MayGoto { off } => Op { off: self.distance(slot, here, off as i32)?, ..op(Code::MayGoto) },
            Insn::Jump { cond, width, dst, src, off } => {
                let off = self.distance(slot, here, off as i32)?;
                let (register, src, imm) = operand(src, width);
                let code = jump_code(cond, width, register);
                Op { code, dst: dst.number(), src, aux: 0, off, imm }
            }
            Insn::Call(callee) => self.call(slot, here, callee)?,
            Insn::LdImm64 { dst, imm } => self.ldimm64(slot, dst, imm)?,
            Insn::Packet { base, size, off } => {
                let (code, src) = match base {
                    PacketBase::Abs => (Code::PktAbs, 0),
                    PacketBase::Ind(r) => (Code::PktInd, r.number()),
                };
                Op { code, dst: 0, src, aux: size as u8, off, imm: 0 }
            }
            Insn::Exit => op(Code::Exit),
        })
    }

    fn load(&self, slot: u32, size: Size, signed: bool, dst: Reg, base: Reg, off: i16) -> Op {
        let mut disp = off as i32;
        let mut size = size;
        if let Some((layout, facts)) = self.resolve.proven_context()
            && facts.binary_search(&slot).is_ok()
            && size == Size::W
            && let Some(field) = u32::try_from(off).ok().and_then(|o| layout.wide_at(o))
        {
            disp = layout.wide_base() as i32 + 8 * field.what.word() as i32;
            size = Size::Dw;
        }
        let code = match (in_frame(base, off, size), signed) {
            (false, false) => by_size(size, [Code::Ld8, Code::Ld16, Code::Ld32, Code::Ld64]),
            (false, true) => by_size(size, [Code::LdS8, Code::LdS16, Code::LdS32, Code::Ld64]),
            (true, false) => by_size(size, [Code::LdF8, Code::LdF16, Code::LdF32, Code::LdF64]),
            (true, true) => by_size(size, [Code::LdFS8, Code::LdFS16, Code::LdFS32, Code::LdF64]),
        };
        Op { dst: dst.number(), src: base.number(), off: disp, ..op(code) }
    }

    fn call(&mut self, slot: u32, here: usize, callee: Callee) -> Result<Op, LinkError> {
        /// The number of the helper that the engines do themselves.
        const TAIL_CALL: i32 = 12;
        let trap = |aux: u8, id: i32| Op { aux, imm: id as i64, ..op(Code::Trap) };
        match callee {
            Callee::Subprog(distance) => {
                let target = self.target(slot, distance)?;
                self.entries.push(target);
                Ok(Op { off: target as i32 - (here as i32 + 1), ..op(Code::CallSub) })
            }
            Callee::Reg(r) => Ok(Op { src: r.number(), ..op(Code::CallReg) }),
            Callee::Helper(id) => match self.resolve.helper(id) {
                Some(_) if id == TAIL_CALL => Ok(op(Code::TailCall)),
                Some(index) => Ok(Op { imm: index as i64, ..op(Code::CallHelper) }),
                None if id >= POISON || id == CORE_POISON || self.resolve.trap_unknown() => Ok(trap(0, id)),
                None => {
                    let name = self.resolve.helper_name(id);
                    Err(LinkError::UnknownHelper { insn: slot, id, name })
                }
            },
            Callee::Kfunc { id, .. } => {
                let name = self.program.kfuncs.iter().find(|k| k.insn == slot).map(|k| k.name.as_str());
                match name.and_then(|n| self.resolve.kfunc(n)) {
                    Some(index) => Ok(Op { imm: index as i64, ..op(Code::CallHelper) }),
                    None if self.resolve.trap_unknown() => Ok(trap(1, id)),
                    None => {
                        let name = name.map_or_else(|| format!("with BTF id {id}"), str::to_owned);
                        Err(LinkError::UnknownKfunc { insn: slot, name })
                    }
                }
            }
        }
    }

    fn ldimm64(&mut self, slot: u32, dst: Reg, imm: Imm64) -> Result<Op, LinkError> {
        let (code, value) = match imm {
            Imm64::Const(value) => (Code::MovI, value),
            Imm64::Func(distance) => {
                let target = self.target(slot, distance)?;
                self.entries.push(target);
                (Code::Addr, FUNC_TAG | target as u64)
            }
            Imm64::MapFd(index) | Imm64::MapIdx(index) => {
                let handle = usize::try_from(index).ok().and_then(|i| self.resolve.map(i));
                (Code::Addr, handle.ok_or(LinkError::NoSuchMap { insn: slot, index })?)
            }
            Imm64::MapValue { fd: index, off } | Imm64::MapIdxValue { idx: index, off } => {
                let map = usize::try_from(index).ok();
                if map.and_then(|i| self.resolve.map(i)).is_none() {
                    return Err(LinkError::NoSuchMap { insn: slot, index });
                }
                let address = map.and_then(|i| self.resolve.map_value(i, off));
                (Code::Addr, address.ok_or(LinkError::NoMapValue { insn: slot, index, offset: off })?)
            }
            Imm64::BtfId { id, .. } => return Err(LinkError::KernelVariable { insn: slot, id }),
        };
        Ok(Op { dst: dst.number(), imm: value as i64, ..op(code) })
    }
}

/// Whether the second operand is a register, its number, and the immediate as wide as it counts.
fn operand(src: Operand, width: Width) -> (bool, u8, i64) {
    match (src, width) {
        (Operand::Reg(r), _) => (true, r.number(), 0),
        (Operand::Imm(imm), Width::W64) => (false, 0, imm as i64),
        (Operand::Imm(imm), Width::W32) => (false, 0, imm as u32 as i64),
    }
}

fn alu(kind: AluOp, width: Width, dst: Reg, src: Operand) -> Op {
    let (register, src, imm) = operand(src, width);
    Op { code: alu_code(kind, width, register), dst: dst.number(), src, aux: 0, off: 0, imm }
}

fn mov(width: Width, dst: Reg, src: Operand) -> Op {
    let (register, src, imm) = operand(src, width);
    let code = match (register, width) {
        (false, _) => Code::MovI,
        (true, Width::W64) => Code::Mov64R,
        (true, Width::W32) => Code::Mov32R,
    };
    Op { code, dst: dst.number(), src, aux: 0, off: 0, imm }
}

/// On a big-endian machine the conversions to little and to big endian change places.
fn endian(kind: EndianOp, size: Size, dst: Reg) -> Op {
    let swaps = match kind {
        EndianOp::ToLe => cfg!(target_endian = "big"),
        EndianOp::ToBe => cfg!(target_endian = "little"),
        EndianOp::Swap => true,
    };
    let code = match (swaps, size) {
        (true, Size::H) => Code::Swap16,
        (true, Size::W) => Code::Swap32,
        (true, _) => Code::Swap64,
        (false, Size::H) => Code::Trunc16,
        (false, Size::W) => Code::Trunc32,
        (false, _) => Code::Nop,
    };
    Op { dst: dst.number(), ..op(code) }
}

fn store(size: Size, base: Reg, off: i16, src: Operand) -> Op {
    let (register, src, imm) = operand(src, Width::W64);
    let code = match (in_frame(base, off, size), register) {
        (false, true) => by_size(size, [Code::St8R, Code::St16R, Code::St32R, Code::St64R]),
        (false, false) => by_size(size, [Code::St8I, Code::St16I, Code::St32I, Code::St64I]),
        (true, true) => by_size(size, [Code::StF8R, Code::StF16R, Code::StF32R, Code::StF64R]),
        (true, false) => by_size(size, [Code::StF8I, Code::StF16I, Code::StF32I, Code::StF64I]),
    };
    Op { code, dst: base.number(), src, aux: 0, off: off as i32, imm }
}

/// The kind of an atomic operation in one byte: bit 0 the size, bit 1 fetch, the rest the index.
fn atomic_aux(kind: AtomicOp, fetch: bool, size: Size) -> u8 {
    let index = AtomicOp::ALL.iter().position(|&k| k == kind).unwrap_or_default() as u8;
    (size == Size::Dw) as u8 | (fetch as u8) << 1 | index << 2
}

/// The operation, whether it fetches and whether it is 64 bits wide; the reverse of `atomic_aux`.
pub(crate) fn atomic_of(aux: u8) -> (AtomicOp, bool, bool) {
    (AtomicOp::ALL[(aux >> 2) as usize % AtomicOp::ALL.len()], aux & 2 != 0, aux & 1 != 0)
}
