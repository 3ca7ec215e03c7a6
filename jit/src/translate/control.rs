//! Jumps, `may_goto` and exits.
//!
//! A jump backwards costs as many instructions as it goes back, and leaving a function as many as lie
//! between its beginning and the end: together at least what was executed, and exactly that where
//! nothing was skipped. So a loop pays once for each turn, and straight code not at all.

use super::Translator;
use crate::program::Src;
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Opcode, Value, ValueDef};
use oxbpf_isa::insn::{Cond, Reg, Width};

impl Translator<'_, '_> {
    pub(super) fn return_value(&mut self, value: Value) {
        if let Some(caller) = self.frame.caller {
            self.b.ins().jump(caller, &[value.into()]);
            return;
        }
        self.pay_for_leaving();
        let status = self.b.ins().iconst(I64, 0);
        self.b.ins().return_(&[value, status]);
    }

    pub(super) fn exit(&mut self) {
        let value = self.get(Reg::R0);
        self.return_value(value);
    }

    pub(super) fn goto(&mut self, to: u32) {
        if self.turn(to) {
            return self.fill_ways();
        }
        let way = self.way(to);
        self.b.ins().jump(way, &[]);
        self.fill_ways();
    }

    /// Whether a condition holds, as a value that is not zero.
    pub(super) fn holds(&mut self, cond: Cond, width: Width, dst: Reg, src: Src) -> Value {
        let (a, b) = self.compared(cond, width, dst, src);
        match condition(cond) {
            Some(cc) => self.b.ins().icmp(cc, a, b),
            None => self.b.ins().band(a, b),
        }
    }

    /// Whether a condition does not hold.
    pub(super) fn fails(&mut self, cond: Cond, width: Width, dst: Reg, src: Src) -> Value {
        let (a, b) = self.compared(cond, width, dst, src);
        match condition(cond) {
            Some(cc) => self.b.ins().icmp(cc.complement(), a, b),
            None => {
                let common = self.b.ins().band(a, b);
                self.b.ins().icmp_imm_s(IntCC::Equal, common, 0)
            }
        }
    }

    /// Both sides of a comparison.
    fn compared(&mut self, cond: Cond, width: Width, dst: Reg, src: Src) -> (Value, Value) {
        let (a, b) = match width {
            Width::W64 => (self.get(dst), self.src64(src)),
            Width::W32 => (self.low(dst), self.src32(src)),
        };
        let (a, b) = self.unswapped(cond, a, src).unwrap_or((a, b));
        let b = match (cond, src) {
            (Cond::Eq | Cond::Ne, Src::Imm(imm)) => self.beside_sum(a, imm).unwrap_or(b),
            _ => b,
        };
        (a, b)
    }

    /// Bytes that were swapped just now and are held against a constant need not be: the constant can
    /// be swapped instead. Gives both sides of the comparison in the bytes' own order.
    fn unswapped(&mut self, cond: Cond, a: Value, src: Src) -> Option<(Value, Value)> {
        let (Cond::Eq | Cond::Ne | Cond::Set, Src::Imm(imm)) = (cond, src) else { return None };
        let arguments = |of: Value, wanted: Opcode| {
            let dfg = &self.b.func.dfg;
            match dfg.value_def(dfg.resolve_aliases(of)) {
                ValueDef::Result(inst, 0) if dfg.insts[inst].opcode() == wanted => Some(dfg.inst_args(inst)),
                _ => None,
            }
        };
        // What was widened, perhaps twice, is as it was.
        let mut narrow = a;
        while let Some(before) = arguments(narrow, Opcode::Uextend) {
            narrow = before[0];
        }
        let masked =
            arguments(narrow, Opcode::Band).and_then(|args| Some((args[0], self.constant(args[1])?)));
        let (whole, mask) = masked.map_or((narrow, None), |(whole, mask)| (whole, Some(mask)));
        let bytes = arguments(whole, Opcode::Bswap)?[0];
        let ty = self.b.func.dfg.value_type(bytes);
        let bits = ty.bits();
        let swapped = |number: i64| (number.swap_bytes() as u64 >> (64 - bits)) as i64;
        // A constant with more bits never equals what has fewer.
        if bits != 64 && imm as u64 >> bits != 0 {
            return None;
        }
        let kept = match mask {
            Some(mask) => self.b.ins().band_imm_u(bytes, swapped(mask)),
            None => bytes,
        };
        Some((kept, self.b.ins().iconst(ty, swapped(imm))))
    }

    pub(super) fn jump(&mut self, cond: Cond, width: Width, dst: Reg, src: Src, to: u32) {
        if self.turn(to) {
            return self.fill_ways();
        }
        let holds = self.holds(cond, width, dst, src);
        let (there, next) = (self.way(to), self.way(self.at + 1));
        self.b.ins().brif(holds, there, &[], next, &[]);
        self.fill_ways();
    }

    pub(super) fn may_goto(&mut self, to: u32) {
        let Some(var) = self.frame.may_goto else { return };
        let turns = self.b.use_var(var);
        let (there, next) = (self.way(to), self.way(self.at + 1));
        let go_on = self.b.create_block();
        self.b.ins().brif(turns, go_on, &[], there, &[]);
        self.enter(go_on);
        let left = self.b.ins().iadd_imm_s(turns, -1);
        self.b.def_var(var, left);
        self.b.ins().jump(next, &[]);
        self.fill_ways();
    }
}

/// The comparison of a condition; none for the test of bits.
fn condition(cond: Cond) -> Option<IntCC> {
    Some(match cond {
        Cond::Eq => IntCC::Equal,
        Cond::Ne => IntCC::NotEqual,
        Cond::Gt => IntCC::UnsignedGreaterThan,
        Cond::Ge => IntCC::UnsignedGreaterThanOrEqual,
        Cond::Lt => IntCC::UnsignedLessThan,
        Cond::Le => IntCC::UnsignedLessThanOrEqual,
        Cond::Sgt => IntCC::SignedGreaterThan,
        Cond::Sge => IntCC::SignedGreaterThanOrEqual,
        Cond::Slt => IntCC::SignedLessThan,
        Cond::Sle => IntCC::SignedLessThanOrEqual,
        Cond::Set => return None,
    })
}
