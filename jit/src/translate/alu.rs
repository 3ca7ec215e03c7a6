//! Arithmetic, moves and byte swaps (RFC 9669 sections 4.1 and 4.2).
//!
//! Division by zero gives zero and modulo zero leaves the dividend; the least number divided by -1
//! gives itself. Machines trap at these, so the divisor is replaced before and the result after.

use super::Translator;
use crate::program::Src;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use oxbpf_isa::insn::{AluOp, Reg, Size, Width};

impl Translator<'_, '_> {
    pub(super) fn alu(&mut self, op: AluOp, width: Width, dst: Reg, src: Src) {
        match width {
            Width::W64 => {
                let a = self.get(dst);
                let b = self.src64(src);
                let value = self.binary(op, I64, a, b, src);
                let value = self.joined(op, a, b, value);
                self.set(dst, value);
            }
            Width::W32 => {
                let a = self.low(dst);
                let b = self.src32(src);
                let value = self.binary(op, I32, a, b, src);
                let value = self.joined(op, a, b, value);
                self.set_low(dst, value);
            }
        }
    }

    fn binary(&mut self, op: AluOp, ty: Type, a: Value, b: Value, src: Src) -> Value {
        let imm = match src {
            Src::Imm(imm) => Some(if ty == I32 { imm as i32 as i64 } else { imm }),
            Src::Reg(_) => None,
        };
        match op {
            AluOp::Add => self.b.ins().iadd(a, b),
            AluOp::Sub => self.b.ins().isub(a, b),
            AluOp::Mul => self.b.ins().imul(a, b),
            AluOp::Or => self.b.ins().bor(a, b),
            AluOp::And => self.b.ins().band(a, b),
            AluOp::Xor => self.b.ins().bxor(a, b),
            AluOp::Lsh => self.b.ins().ishl(a, b),
            AluOp::Rsh => self.b.ins().ushr(a, b),
            AluOp::Arsh => self.b.ins().sshr(a, b),
            AluOp::Div | AluOp::Mod => self.unsigned(op, ty, a, b, imm),
            AluOp::Sdiv | AluOp::Smod => self.signed(op, ty, a, b, imm),
        }
    }

    fn unsigned(&mut self, op: AluOp, ty: Type, a: Value, b: Value, imm: Option<i64>) -> Value {
        let is_div = op == AluOp::Div;
        let quotient = |t: &mut Self, b| match is_div {
            true => t.b.ins().udiv(a, b),
            false => t.b.ins().urem(a, b),
        };
        match imm {
            Some(0) if is_div => self.b.ins().iconst(ty, 0),
            Some(0) => a,
            Some(_) => quotient(self, b),
            None => {
                let one = self.b.ins().iconst(ty, 1);
                let zero = self.b.ins().iconst(ty, 0);
                let is_zero = self.b.ins().icmp(IntCC::Equal, b, zero);
                let divisor = self.b.ins().select(is_zero, one, b);
                let value = quotient(self, divisor);
                self.b.ins().select(is_zero, if is_div { zero } else { a }, value)
            }
        }
    }

    fn signed(&mut self, op: AluOp, ty: Type, a: Value, b: Value, imm: Option<i64>) -> Value {
        let is_div = op == AluOp::Sdiv;
        let quotient = |t: &mut Self, b| match is_div {
            true => t.b.ins().sdiv(a, b),
            false => t.b.ins().srem(a, b),
        };
        match (imm, is_div) {
            (Some(0), true) | (Some(-1), false) => self.b.ins().iconst(ty, 0),
            (Some(0), false) => a,
            (Some(-1), true) => self.b.ins().ineg(a),
            (Some(_), _) => quotient(self, b),
            (None, _) => {
                let one = self.b.ins().iconst(ty, 1);
                let zero = self.b.ins().iconst(ty, 0);
                let next = self.b.ins().iadd(b, one);
                // Zero and -1 are the two that machines trap at.
                let special = self.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, next, one);
                let is_zero = self.b.ins().icmp(IntCC::Equal, b, zero);
                let divisor = self.b.ins().select(special, one, b);
                let value = quotient(self, divisor);
                let (by_zero, by_minus_one) = match is_div {
                    true => (zero, self.b.ins().ineg(a)),
                    false => (a, zero),
                };
                let other = self.b.ins().select(is_zero, by_zero, by_minus_one);
                self.b.ins().select(special, other, value)
            }
        }
    }

    pub(super) fn neg(&mut self, width: Width, dst: Reg) {
        match width {
            Width::W64 => {
                let value = self.get(dst);
                let value = self.b.ins().ineg(value);
                self.set(dst, value);
            }
            Width::W32 => {
                let value = self.low(dst);
                let value = self.b.ins().ineg(value);
                self.set_low(dst, value);
            }
        }
    }

    pub(super) fn mov(&mut self, width: Width, dst: Reg, src: Reg) {
        match width {
            Width::W64 => {
                let value = self.get(src);
                self.set(dst, value);
            }
            Width::W32 => {
                let value = self.low(src);
                self.set_low(dst, value);
            }
        }
    }

    pub(super) fn movsx(&mut self, width: Width, from: Size, dst: Reg, src: Reg) {
        let value = self.get(src);
        let narrow = self.narrow(value, from);
        match width {
            Width::W64 => {
                let value = self.b.ins().sextend(I64, narrow);
                self.set(dst, value);
            }
            Width::W32 => {
                let value = self.b.ins().sextend(I32, narrow);
                self.set_low(dst, value);
            }
        }
    }

    /// The low bytes of a value, as a value of that size.
    pub(super) fn narrow(&mut self, value: Value, size: Size) -> Value {
        match size {
            Size::Dw => value,
            _ => self.b.ins().ireduce(int(size), value),
        }
    }

    /// A value of a size, widened with zeros.
    pub(super) fn widen(&mut self, value: Value, size: Size) -> Value {
        match size {
            Size::Dw => value,
            _ => self.b.ins().uextend(I64, value),
        }
    }

    pub(super) fn swap(&mut self, size: Size, dst: Reg) {
        let value = self.get(dst);
        let narrow = self.narrow(value, size);
        let swapped = if size == Size::B { narrow } else { self.b.ins().bswap(narrow) };
        let value = self.widen(swapped, size);
        self.set(dst, value);
    }

    pub(super) fn truncate(&mut self, size: Size, dst: Reg) {
        let value = self.get(dst);
        let narrow = self.narrow(value, size);
        let value = self.widen(narrow, size);
        self.set(dst, value);
    }
}

/// The type of an integer of a size.
pub(super) const fn int(size: Size) -> Type {
    match size {
        Size::B => I8,
        Size::H => I16,
        Size::W => I32,
        Size::Dw => I64,
    }
}
