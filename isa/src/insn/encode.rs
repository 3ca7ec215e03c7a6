//! Instructions to slots: the inverse of [decoding](super::decode).

use super::insn::{Callee, Imm64, Insn, Operand, PacketBase, Reg};
use super::op::{AtomicOp, Size, Width};
use super::opcode::{alu, class, jmp, mode, pseudo};
use super::raw::RawInsn;
use alloc::vec::Vec;

impl Insn {
    /// Encodes the instruction: its slot, and the second slot of a 64-bit immediate load.
    pub fn encode(self) -> (RawInsn, Option<RawInsn>) {
        if let Insn::LdImm64 { dst, imm } = self {
            let (first, second) = encode_imm64(dst, imm);
            return (first, Some(second));
        }
        (self.encode_slot(), None)
    }

    /// Appends the slots of the instruction to `slots`.
    pub fn encode_to(self, slots: &mut Vec<RawInsn>) {
        let (first, second) = self.encode();
        slots.push(first);
        slots.extend(second);
    }

    fn encode_slot(self) -> RawInsn {
        match self {
            Insn::Alu { op, width, dst, src } => {
                with_operand(alu_class(width) | op.code(), dst, op.off(), src)
            }
            Insn::Neg { width, dst } => slot(alu_class(width) | alu::NEG, Some(dst), None, 0, 0),
            Insn::Mov { width, dst, src } => with_operand(alu_class(width) | alu::MOV, dst, 0, src),
            Insn::MovSx { width, from, dst, src } => {
                slot(alu_class(width) | alu::MOV | class::X, Some(dst), Some(src), from.bits() as i16, 0)
            }
            Insn::AddrSpaceCast { dst, src, to, from } => {
                let imm = ((to as u32) << 16 | from as u32) as i32;
                slot(class::ALU64 | alu::MOV | class::X, Some(dst), Some(src), 1, imm)
            }
            Insn::Endian { op, size, dst } => slot(op.code(), Some(dst), None, 0, size.bits() as i32),
            Insn::Load { size, signed, dst, base, off } => {
                let mode = if signed { mode::MEMSX } else { mode::MEM };
                slot(class::LDX | mode | size.code(), Some(dst), Some(base), off, 0)
            }
            Insn::Store { size, base, off, src: Operand::Reg(src) } => {
                slot(class::STX | mode::MEM | size.code(), Some(base), Some(src), off, 0)
            }
            Insn::Store { size, base, off, src: Operand::Imm(imm) } => {
                slot(class::ST | mode::MEM | size.code(), Some(base), None, off, imm)
            }
            Insn::LoadAcquire { size, dst, base, off } => atomic(size, dst, base, off, pseudo::LOAD_ACQ),
            Insn::StoreRelease { size, base, off, src } => atomic(size, base, src, off, pseudo::STORE_REL),
            Insn::Atomic { op, fetch, size, base, off, src } => {
                let imm = op.code() | if fetch { AtomicOp::FETCH } else { 0 };
                atomic(size, base, src, off, imm)
            }
            Insn::Goto { off, long: false } => slot(class::JMP | jmp::JA, None, None, off as i16, 0),
            Insn::Goto { off, long: true } => slot(class::JMP32 | jmp::JA, None, None, 0, off),
            Insn::Jump { cond, width, dst, src, off } => {
                let class = if width == Width::W64 { class::JMP } else { class::JMP32 };
                with_operand(class | cond.code(), dst, off, src)
            }
            Insn::MayGoto { off } => slot(class::JMP | jmp::JCOND, None, None, off, 0),
            Insn::Call(callee) => encode_call(callee),
            Insn::Packet { base, size, off } => {
                let (mode, src) = match base {
                    PacketBase::Abs => (mode::ABS, None),
                    PacketBase::Ind(src) => (mode::IND, Some(src)),
                };
                slot(class::LD | mode | size.code(), None, src, 0, off)
            }
            Insn::Exit => slot(class::JMP | jmp::EXIT, None, None, 0, 0),
            Insn::LdImm64 { dst, imm } => encode_imm64(dst, imm).0,
        }
    }
}

/// Encodes a whole program.
pub fn encode_all(insns: impl IntoIterator<Item = Insn>) -> Vec<RawInsn> {
    let mut slots = Vec::new();
    for insn in insns {
        insn.encode_to(&mut slots);
    }
    slots
}

fn slot(code: u8, dst: Option<Reg>, src: Option<Reg>, off: i16, imm: i32) -> RawInsn {
    RawInsn::new(code, dst.map_or(0, Reg::number), src.map_or(0, Reg::number), off, imm)
}

fn with_operand(code: u8, dst: Reg, off: i16, src: Operand) -> RawInsn {
    match src {
        Operand::Reg(src) => slot(code | class::X, Some(dst), Some(src), off, 0),
        Operand::Imm(imm) => slot(code, Some(dst), None, off, imm),
    }
}

fn atomic(size: Size, dst: Reg, src: Reg, off: i16, imm: i32) -> RawInsn {
    slot(class::STX | mode::ATOMIC | size.code(), Some(dst), Some(src), off, imm)
}

const fn alu_class(width: Width) -> u8 {
    match width {
        Width::W32 => class::ALU,
        Width::W64 => class::ALU64,
    }
}

fn encode_call(callee: Callee) -> RawInsn {
    let code = class::JMP | jmp::CALL;
    match callee {
        Callee::Helper(id) => RawInsn::new(code, 0, pseudo::CALL_HELPER, 0, id),
        Callee::Subprog(off) => RawInsn::new(code, 0, pseudo::CALL_SUBPROG, 0, off),
        Callee::Kfunc { id, btf } => RawInsn::new(code, 0, pseudo::CALL_KFUNC, btf, id),
        Callee::Reg(reg) => RawInsn::new(code | class::X, reg.number(), 0, 0, 0),
    }
}

fn encode_imm64(dst: Reg, imm: Imm64) -> (RawInsn, RawInsn) {
    let (src, low, high) = match imm {
        Imm64::Const(value) => (pseudo::CONST, value as i32, (value >> 32) as i32),
        Imm64::MapFd(fd) => (pseudo::MAP_FD, fd, 0),
        Imm64::MapValue { fd, off } => (pseudo::MAP_VALUE, fd, off as i32),
        Imm64::BtfId { id, fd } => (pseudo::BTF_ID, id, fd),
        Imm64::Func(off) => (pseudo::FUNC, off, 0),
        Imm64::MapIdx(idx) => (pseudo::MAP_IDX, idx, 0),
        Imm64::MapIdxValue { idx, off } => (pseudo::MAP_IDX_VALUE, idx, off as i32),
    };
    let first = RawInsn::new(class::LD | mode::IMM | Size::Dw.code(), dst.number(), src, 0, low);
    (first, RawInsn::new(0, 0, 0, 0, high))
}
