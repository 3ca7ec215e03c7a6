//! Constants that would take registers or instructions without need.
//!
//! The code generator writes a constant to memory at once only where the store says how narrow it is; and
//! a constant that branches hand to where ways meet is loaded in front of each branch, taken or not. Both
//! can only be seen once a function is made: what a register of the program holds in a loop is known when
//! all ways into it are.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::{I8, I16, I32};
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, Function, Inst, InstBuilder, InstructionData, Opcode, Value, ValueDef,
};
use std::collections::BTreeMap;

/// Makes constants cheap where stores and branches use them.
pub(crate) fn cheapen(func: &mut Function) {
    let (mut stores, mut branches) = (Vec::new(), Vec::new());
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            match func.dfg.insts[inst].opcode() {
                Opcode::Istore8 | Opcode::Istore16 | Opcode::Istore32 => stores.push(inst),
                Opcode::Brif => branches.push(inst),
                _ => {}
            }
        }
    }
    stores.into_iter().for_each(|inst| store(func, inst));
    share(func, &branches);
}

/// Lets a store of a constant store a narrow one.
fn store(func: &mut Function, inst: Inst) {
    let InstructionData::Store { opcode, args: [value, addr], flags, offset } = func.dfg.insts[inst] else {
        return;
    };
    let Some(number) = constant(func, value) else { return };
    let (ty, number) = match opcode {
        Opcode::Istore8 => (I8, i64::from(number as u8)),
        Opcode::Istore16 => (I16, i64::from(number as u16)),
        _ => (I32, i64::from(number as u32)),
    };
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.use_srcloc(inst);
    let narrow = cursor.ins().iconst(ty, number);
    let (opcode, args) = (Opcode::Store, [narrow, addr]);
    cursor.func.dfg.insts[inst] = InstructionData::Store { opcode, args, flags, offset };
}

/// A branch, and which of its edges.
type Edge = (Inst, usize);

/// Where branches to one block hand over the same constants, lets them go to a block that does it for all.
fn share(func: &mut Function, branches: &[Inst]) {
    let mut edges: BTreeMap<(Block, Vec<i64>), Vec<Edge>> = BTreeMap::new();
    for &inst in branches {
        let InstructionData::Brif { blocks, .. } = func.dfg.insts[inst] else { continue };
        for (nth, call) in blocks.iter().enumerate() {
            let lists = &func.dfg.value_lists;
            let to = call.block(lists);
            let numbers: Option<Vec<i64>> =
                call.args(lists).map(|arg| constant(func, arg.as_value()?)).collect();
            if let Some(numbers) = numbers.filter(|n| !n.is_empty() && !func.layout.is_cold(to)) {
                edges.entry((to, numbers)).or_default().push((inst, nth));
            }
        }
    }
    for ((to, numbers), edges) in edges.into_iter().filter(|(_, edges)| edges.len() > 1) {
        let shared = func.dfg.make_block();
        func.layout.append_block(shared);
        let types: Vec<_> = func.dfg.block_params(to).iter().map(|&p| func.dfg.value_type(p)).collect();
        let mut cursor = FuncCursor::new(func).at_bottom(shared);
        let values = types.into_iter().zip(numbers).map(|(ty, number)| cursor.ins().iconst(ty, number));
        let args: Vec<BlockArg> = values.map(BlockArg::Value).collect();
        cursor.ins().jump(to, &args);
        for (inst, nth) in edges {
            let call = BlockCall::new(shared, [], &mut func.dfg.value_lists);
            if let InstructionData::Brif { blocks, .. } = &mut func.dfg.insts[inst] {
                blocks[nth] = call;
            }
        }
    }
}

/// The number that a value is known to be.
fn constant(func: &Function, value: Value) -> Option<i64> {
    match func.dfg.value_def(func.dfg.resolve_aliases(value)) {
        ValueDef::Result(inst, 0) => match func.dfg.insts[inst] {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits()),
            _ => None,
        },
        _ => None,
    }
}
