//! Bytes that are loaded one by one and put together become one load.
//!
//! Programs read numbers from packets byte by byte, by shifts and ors. Here it is kept for values of the
//! current block which bytes of memory they consist of; when one consists of neighbours, in either
//! order, it is loaded as a whole, and the loads of its parts fall away unused. Every byte has been
//! accessed by then, so nothing is read that the program does not read, and nothing was written in
//! between: a store or a call ends it.

use super::Translator;
use super::memory::flags;
use crate::program::OptLevel;
use cranelift_codegen::ir::types::{I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Value, ValueDef};
use oxbpf_isa::insn::{AluOp, Size};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A byte of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Byte {
    Zero,
    /// These bits of that of memory at this distance from an address.
    At(Value, i64, u8),
}

/// The bytes of a value, the lowest first.
type Bytes = [Byte; 8];

/// What values of the current block consist of.
#[derive(Default)]
pub(super) struct Parts {
    bytes: HashMap<Value, Bytes, BuildHasherDefault<Number>>,
    /// Whether some value has been loaded as a whole.
    pub joined: bool,
}

/// Numbers of values are their own hashes, spread.
#[derive(Default)]
struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u32(u32::from(b)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20);
    }
}

impl Parts {
    /// Memory may have changed, or control has come here from several places.
    pub fn forget(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.clear();
        }
    }
}

impl Translator<'_, '_> {
    /// An address as one that others are relative to, and the distance.
    fn relative(&self, addr: Value, off: i64) -> (Value, i64) {
        let dfg = &self.b.func.dfg;
        let (mut addr, mut off) = (dfg.resolve_aliases(addr), off);
        for _ in 0..8 {
            let ValueDef::Result(inst, 0) = dfg.value_def(addr) else { break };
            if dfg.insts[inst].opcode() != Opcode::Iadd {
                break;
            }
            let args = dfg.inst_args(inst);
            let Some(more) = self.constant(args[1]) else { break };
            (addr, off) = (dfg.resolve_aliases(args[0]), off.wrapping_add(more));
        }
        (addr, off)
    }

    /// The number that a value is.
    pub(super) fn constant(&self, value: Value) -> Option<i64> {
        let dfg = &self.b.func.dfg;
        let ValueDef::Result(inst, 0) = dfg.value_def(dfg.resolve_aliases(value)) else { return None };
        match dfg.insts[inst] {
            cranelift_codegen::ir::InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => {
                Some(imm.bits())
            }
            _ => None,
        }
    }

    /// Keeps that a value was loaded.
    pub(super) fn loaded(&mut self, value: Value, size: Size, addr: Value, off: i32) {
        if self.unit.opt == OptLevel::Fast {
            return;
        }
        let (addr, off) = self.relative(addr, i64::from(off));
        let mut bytes = [Byte::Zero; 8];
        for (n, byte) in bytes.iter_mut().take(size.bytes() as usize).enumerate() {
            *byte = Byte::At(addr, off.wrapping_add(n as i64), u8::MAX);
        }
        self.parts.bytes.insert(value, bytes);
    }

    /// Keeps that a value is the low half of another, or another widened.
    pub(super) fn same_bytes(&mut self, from: Value, to: Value, kept: usize) {
        if let Some(bytes) = self.parts.bytes.get(&from) {
            let mut bytes = *bytes;
            bytes[kept..].fill(Byte::Zero);
            self.parts.bytes.insert(to, bytes);
        }
    }

    /// What an operation makes of values whose bytes are known, if that can be had by one load.
    pub(super) fn joined(&mut self, op: AluOp, a: Value, b: Value, result: Value) -> Value {
        let wide = if self.b.func.dfg.value_type(result) == I64 { 8 } else { 4 };
        let Some(bytes) = self.combine(op, a, b, wide) else { return result };
        let value = match op {
            AluOp::Or | AluOp::Xor | AluOp::Add => self.load_whole(&bytes, wide).unwrap_or(result),
            // Nothing is masked out.
            AluOp::And if self.parts.bytes.get(&a) == Some(&bytes) => a,
            _ => result,
        };
        self.parts.bytes.insert(value, bytes);
        value
    }

    fn combine(&self, op: AluOp, a: Value, b: Value, wide: usize) -> Option<Bytes> {
        let first = self.parts.bytes.get(&a)?;
        let mut bytes = [Byte::Zero; 8];
        match op {
            AluOp::Or | AluOp::Xor | AluOp::Add => {
                let second = self.parts.bytes.get(&b)?;
                for (to, pair) in bytes.iter_mut().zip(first.iter().zip(second)) {
                    *to = match pair {
                        (Byte::Zero, &byte) | (&byte, Byte::Zero) => byte,
                        _ => return None,
                    };
                }
            }
            AluOp::Lsh | AluOp::Rsh => {
                let by = usize::try_from(self.constant(b)?).ok().filter(|n| n % 8 == 0 && *n < 8 * wide)? / 8;
                let kept = wide - by;
                match op {
                    AluOp::Lsh => bytes[by..wide].copy_from_slice(&first[..kept]),
                    _ => bytes[..kept].copy_from_slice(&first[by..wide]),
                }
            }
            AluOp::And => {
                let mask = self.constant(b)?;
                for (n, byte) in bytes.iter_mut().take(wide).enumerate() {
                    *byte = match (first[n], (mask >> (8 * n)) as u8) {
                        (Byte::At(addr, off, bits), mask) if bits & mask != 0 => {
                            Byte::At(addr, off, bits & mask)
                        }
                        _ => Byte::Zero,
                    };
                }
            }
            _ => return None,
        }
        Some(bytes)
    }

    /// Loads a value whose bytes are neighbours in memory.
    fn load_whole(&mut self, bytes: &Bytes, wide: usize) -> Option<Value> {
        let count = bytes.iter().rposition(|b| *b != Byte::Zero)? + 1;
        if !matches!(count, 2 | 4 | 8) || count > wide {
            return None;
        }
        let (Byte::At(base, first, _), Byte::At(_, last, _)) = (bytes[0], bytes[count - 1]) else {
            return None;
        };
        let span = count as i64 - 1;
        let up = last.wrapping_sub(first) == span;
        if !up && first.wrapping_sub(last) != span {
            return None;
        }
        let step = if up { 1 } else { -1 };
        let mut mask = 0;
        for (n, byte) in bytes[..count].iter().enumerate() {
            match *byte {
                Byte::At(addr, off, bits) if (addr, off) == (base, first.wrapping_add(step * n as i64)) => {
                    mask |= u64::from(bits) << (8 * n);
                }
                _ => return None,
            }
        }
        let off = i32::try_from(first.min(last)).ok()?;
        self.parts.joined = true;
        let ty = [I16, I32, I64][count.ilog2() as usize - 1];
        let value = self.b.ins().load(ty, flags(), base, off);
        let value = if up { value } else { self.b.ins().bswap(value) };
        let value = match u64::MAX >> (64 - 8 * count) {
            all if all == mask => value,
            _ => self.b.ins().band_imm_u(value, mask as i64),
        };
        let full = if wide == 8 { I64 } else { I32 };
        Some(if ty == full { value } else { self.b.ins().uextend(full, value) })
    }
}
