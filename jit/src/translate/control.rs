//! Jumps, `may_goto`, exits, and the fuel they cost.
//!
//! A jump backwards costs as many instructions as it goes back, and leaving a function as many as lie
//! between its beginning and the end: together at least what was executed, and exactly that where
//! nothing was skipped. So a loop pays once for each turn, and straight code not at all.

use super::Translator;
use crate::abi::{Context, Service};
use crate::program::Src;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, InstBuilder, Opcode, Value, ValueDef};
use oxbpf_isa::insn::{Cond, Reg, Width};

const FUEL: usize = std::mem::offset_of!(Context, fuel);

impl Translator<'_, '_> {
    /// Takes what is left of the fuel from the context.
    pub(super) fn fuel_in(&mut self) {
        if let Some(var) = self.fuel {
            let fuel = self.load_context(FUEL as i32);
            self.b.def_var(var, fuel);
        }
    }

    /// Puts what is left of the fuel into the context.
    pub(super) fn fuel_out(&mut self) {
        if let Some(var) = self.fuel {
            let fuel = self.b.use_var(var);
            self.store_context(FUEL, fuel);
        }
    }

    /// Pays for everything from the function's beginning to here.
    pub(super) fn pay_for_leaving(&mut self) {
        if !self.unit.fuel {
            return;
        }
        let cost = self.at as i64 + 1 - self.func.entry as i64;
        let fuel = match self.fuel {
            Some(var) => self.b.use_var(var),
            None => self.load_context(FUEL as i32),
        };
        let left = self.b.ins().iadd_imm_s(fuel, -cost);
        self.store_context(FUEL, left);
    }

    pub(super) fn return_value(&mut self, value: Value) {
        self.pay_for_leaving();
        let status = self.b.ins().iconst(I64, 0);
        self.b.ins().return_(&[value, status]);
    }

    pub(super) fn exit(&mut self) {
        let value = self.get(Reg::R0);
        self.return_value(value);
    }

    /// The block to jump to for a target: itself, or for one behind us a block that pays first.
    fn edge(&mut self, to: u32) -> (Block, bool) {
        match self.fuel {
            Some(_) if to <= self.at => (self.b.create_block(), true),
            _ => (self.block_of(to), false),
        }
    }

    /// Fills the block that pays.
    fn fill_edge(&mut self, edge: Block, to: u32) {
        let Some(var) = self.fuel else { return };
        self.b.switch_to_block(edge);
        let target = self.block_of(to);
        let fuel = self.b.use_var(var);
        let left = self.b.ins().iadd_imm_s(fuel, -(self.at as i64 + 1 - to as i64));
        self.b.def_var(var, left);
        let enough = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, left, 0);
        let empty = self.cold_block();
        self.b.ins().brif(enough, target, &[], empty, &[]);
        self.b.switch_to_block(empty);
        self.fuel_out();
        let here = self.here();
        let (_, status) = self.call_rarely(Service::refuel, &[here]);
        self.trap_if_cold(status);
        self.fuel_in();
        self.b.ins().jump(target, &[]);
    }

    pub(super) fn goto(&mut self, to: u32) {
        let (edge, pays) = self.edge(to);
        self.b.ins().jump(edge, &[]);
        if pays {
            self.fill_edge(edge, to);
        }
    }

    pub(super) fn jump(&mut self, cond: Cond, width: Width, dst: Reg, src: Src, to: u32) {
        let (a, b) = match width {
            Width::W64 => (self.get(dst), self.src64(src)),
            Width::W32 => (self.low(dst), self.src32(src)),
        };
        let (a, b) = self.unswapped(cond, a, src).unwrap_or((a, b));
        let holds = match condition(cond) {
            Some(cc) => self.b.ins().icmp(cc, a, b),
            None => self.b.ins().band(a, b),
        };
        let next = self.block_of(self.at + 1);
        let (edge, pays) = self.edge(to);
        self.b.ins().brif(holds, edge, &[], next, &[]);
        if pays {
            self.fill_edge(edge, to);
        }
    }

    /// Bytes that were swapped just now and are held against a constant need not be: the constant can
    /// be swapped instead. Gives both sides of the comparison in the bytes' own order.
    fn unswapped(&mut self, cond: Cond, a: Value, src: Src) -> Option<(Value, Value)> {
        let (Cond::Eq | Cond::Ne | Cond::Set, Src::Imm(imm)) = (cond, src) else { return None };
        let argument = |of: Value, wanted: Opcode| {
            let dfg = &self.b.func.dfg;
            match dfg.value_def(dfg.resolve_aliases(of)) {
                ValueDef::Result(inst, 0) if dfg.insts[inst].opcode() == wanted => {
                    Some(dfg.inst_args(inst)[0])
                }
                _ => None,
            }
        };
        // What was widened is as it was.
        let narrow = argument(a, Opcode::Uextend).unwrap_or(a);
        let bytes = argument(narrow, Opcode::Bswap)?;
        let ty = self.b.func.dfg.value_type(bytes);
        let bits = ty.bits();
        let swapped = imm.swap_bytes() as u64 >> (64 - bits);
        // A constant with more bits never equals what has fewer.
        let fits = bits == 64 || imm as u64 >> bits == 0;
        fits.then(|| (bytes, self.b.ins().iconst(ty, swapped as i64)))
    }

    pub(super) fn may_goto(&mut self, to: u32) {
        let next = self.block_of(self.at + 1);
        let Some(var) = self.may_goto else { return };
        let turns = self.b.use_var(var);
        let (edge, pays) = self.edge(to);
        let go_on = self.b.create_block();
        self.b.ins().brif(turns, go_on, &[], edge, &[]);
        self.b.switch_to_block(go_on);
        let left = self.b.ins().iadd_imm_s(turns, -1);
        self.b.def_var(var, left);
        self.b.ins().jump(next, &[]);
        if pays {
            self.fill_edge(edge, to);
        }
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
