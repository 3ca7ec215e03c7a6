//! Constants that code loads.
//!
//! Cranelift makes constants anew wherever they are used, and moves them from one side of a comparison to
//! the other. In a loop both cost: an address takes ten bytes and an operation in every turn, and a loop that
//! compares its register after counting would keep what it was before. What is loaded stays in a register
//! from before the loop on, and nothing is known of it.

use super::Translator;
use crate::program::{Mode, OptLevel};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Opcode, Type, Value, ValueDef};

impl Translator<'_, '_> {
    /// Whether constants of the function being translated are better loaded.
    fn pools(&self) -> bool {
        self.unit.opt == OptLevel::Full && self.frame.func.loops
    }

    fn pooled(&mut self, ty: Type, constant: u64) -> Value {
        let address = self.b.ins().iconst(I64, self.plan.pool.address(constant).cast_signed());
        let flags = MemFlagsData::trusted().with_readonly().with_can_move();
        // The low bytes come first where words are loaded of which only half is wanted.
        self.b.ins().load(
            ty,
            flags,
            address,
            if cfg!(target_endian = "big") { 8 - ty.bytes() as i32 } else { 0 },
        )
    }

    /// The address of memory of the host's.
    pub(super) fn host_address(&mut self, value: u64) -> Value {
        // Checked code tells regions by their addresses.
        if self.unit.mode == Mode::Proven && self.pools() {
            return self.pooled(I64, value);
        }
        self.b.ins().iconst(I64, value.cast_signed())
    }

    /// What a sum is compared to, if it is a constant.
    pub(super) fn beside_sum(&mut self, sum: Value, constant: i64) -> Option<Value> {
        let dfg = &self.b.func.dfg;
        let ValueDef::Result(inst, 0) = dfg.value_def(dfg.resolve_aliases(sum)) else { return None };
        let ty = dfg.value_type(sum);
        let is_sum = dfg.insts[inst].opcode() == Opcode::Iadd;
        (is_sum && self.pools()).then(|| self.pooled(ty, constant.cast_unsigned()))
    }
}
