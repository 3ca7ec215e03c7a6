//! The registers of the program inside a block.
//!
//! Inside a block registers are held as values, at 32 bits and at 64 as they come; only at its end are they
//! written to the variables that blocks share, and only those that are read afterwards. So what is computed
//! at 32 bits and read at 32 bits is never widened. Between blocks, and on the edges that leave one, every
//! register is its variable, since what is made there is there for nobody else.

use super::Translator;
use crate::flow::{Regs, bit};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, Opcode, Value, ValueDef};
use oxbpf_isa::insn::Reg;

/// What is known of the registers R0 to R9.
#[derive(Clone, Default)]
pub(super) struct Held {
    regs: [Register; 10],
    /// Whether a block is being translated, and new values are held.
    inside: bool,
}

#[derive(Clone, Copy, Default)]
struct Register {
    wide: Option<Value>,
    /// The low half; without the whole, the rest is zeros.
    low: Option<Value>,
    /// Whether its variable is another.
    changed: bool,
}

impl Translator<'_, '_> {
    /// A block begins: registers are what their variables are.
    pub(super) fn hold_registers(&mut self) {
        self.frame.held = Held { regs: Default::default(), inside: true };
    }

    /// Writes registers of a set to their variables.
    pub(super) fn keep_registers(&mut self, live: Regs) {
        for (reg, var) in Reg::ALL.into_iter().zip(self.frame.vars) {
            if self.frame.held.regs[reg.index()].changed && live & bit(reg) != 0 {
                let value = self.get(reg);
                self.b.def_var(var, value);
                self.frame.held.regs[reg.index()].changed = false;
            }
        }
    }

    /// A block ends, by index in its function: what is read afterwards is written to variables.
    pub(super) fn end_registers(&mut self, block: usize) {
        let live = self.frame.func.live_out(self.unit.ops, block);
        self.keep_registers(live);
        self.frame.held.inside = false;
    }

    pub(super) fn get(&mut self, reg: Reg) -> Value {
        let Some(&var) = self.frame.vars.get(reg.index()) else { return self.frame.fp };
        let value = match self.frame.held.regs[reg.index()] {
            Register { wide: Some(wide), .. } => return wide,
            Register { low: Some(low), .. } => {
                let wide = self.b.ins().uextend(I64, low);
                self.same_bytes(low, wide, 4);
                wide
            }
            _ => self.b.use_var(var),
        };
        if self.frame.held.inside {
            self.frame.held.regs[reg.index()].wide = Some(value);
        }
        value
    }

    pub(super) fn set(&mut self, reg: Reg, value: Value) {
        // Nothing writes R10; lowering has seen to it.
        let Some(&var) = self.frame.vars.get(reg.index()) else { return };
        let changed = self.frame.held.inside;
        let wide = changed.then_some(value);
        self.frame.held.regs[reg.index()] = Register { wide, low: None, changed };
        if !changed {
            self.b.def_var(var, value);
        }
    }

    /// The low half of a register.
    pub(super) fn low(&mut self, reg: Reg) -> Value {
        if let Some(Register { low: Some(low), .. }) = self.frame.held.regs.get(reg.index()) {
            return *low;
        }
        let value = self.get(reg);
        let low = match self.widened(value) {
            Some(low) => low,
            None => {
                let low = self.b.ins().ireduce(I32, value);
                self.same_bytes(value, low, 4);
                low
            }
        };
        if self.frame.held.inside
            && let Some(register) = self.frame.held.regs.get_mut(reg.index())
        {
            register.low = Some(low);
        }
        low
    }

    /// What of 32 bits a value was widened from.
    fn widened(&self, value: Value) -> Option<Value> {
        let dfg = &self.b.func.dfg;
        match dfg.value_def(dfg.resolve_aliases(value)) {
            ValueDef::Result(inst, 0) if dfg.insts[inst].opcode() == Opcode::Uextend => {
                Some(dfg.inst_args(inst)[0]).filter(|&narrow| dfg.value_type(narrow) == I32)
            }
            _ => None,
        }
    }

    /// Sets a register from its low half.
    pub(super) fn set_low(&mut self, reg: Reg, value: Value) {
        if self.frame.held.inside
            && let Some(register) = self.frame.held.regs.get_mut(reg.index())
        {
            *register = Register { wide: None, low: Some(value), changed: true };
            return;
        }
        let wide = self.b.ins().uextend(I64, value);
        self.same_bytes(value, wide, 4);
        self.set(reg, wide);
    }
}

#[cfg(test)]
mod tests {
    use crate::program::{Mode, Op, Src, Unit};
    use crate::{Compiler, OptLevel};
    use oxbpf_isa::insn::{AluOp, Cond, Reg, Width};

    /// How many values are widened.
    fn widened(ops: &[Op]) -> usize {
        let slots: Vec<u32> = (0..ops.len() as u32).collect();
        let unit = Unit { opt: OptLevel::Fast, ..Unit::plain(ops, &slots, Mode::Proven) };
        let code = Compiler::new().unwrap().keep_clif(true).compile(&unit).unwrap();
        code.clif().matches("uextend").count()
    }

    fn add(dst: Reg, src: Src) -> Op {
        Op::Alu { op: AluOp::Add, width: Width::W32, dst, src }
    }

    #[test]
    fn what_is_read_at_32_bits_is_not_widened() {
        let mov = Op::Mov { width: Width::W32, dst: Reg::R0, src: Reg::R1 };
        let (two, r2) = (Src::Imm(2), Src::Reg(Reg::R2));
        assert_eq!(widened(&[mov, add(Reg::R0, two), add(Reg::R0, r2), add(Reg::R0, two), Op::Exit]), 1);
        // Nobody reads R2 after the block.
        let jump = Op::Jump { cond: Cond::Eq, width: Width::W32, dst: Reg::R2, src: two, to: 4 };
        assert_eq!(widened(&[mov, add(Reg::R2, two), jump, add(Reg::R0, two), Op::Exit]), 2);
    }
}
