//! Takes out what nobody uses.
//!
//! The code generator keeps loads whose values are unused; here they fall away, with what was made of
//! them, when a load of the whole has taken their place.

use cranelift_codegen::entity::EntityRef;
use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode, Value};

/// Removes instructions that only give values nobody uses.
pub(crate) fn sweep(func: &mut Function) {
    let dfg = &func.dfg;
    let mut uses: Vec<u32> = vec![0; dfg.num_values()];
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            if dfg.insts[inst].opcode().is_branch() {
                dfg.inst_values(inst).for_each(|v| uses[dfg.resolve_aliases(v).index()] += 1);
            } else {
                dfg.inst_args(inst).iter().for_each(|&v| uses[dfg.resolve_aliases(v).index()] += 1);
            }
        }
    }
    let mut unused = Vec::new();
    // Users stand behind what they use, so one walk from the end finds what falls with its users.
    let mut block = func.layout.last_block();
    while let Some(here) = block {
        for inst in func.layout.block_insts(here).rev() {
            let is_used = |v: &Value| uses[v.index()] != 0;
            if !dfg.inst_results(inst).iter().any(is_used) && may_go(func, inst) {
                dfg.inst_args(inst).iter().for_each(|&v| uses[dfg.resolve_aliases(v).index()] -= 1);
                unused.push(inst);
            }
        }
        block = func.layout.prev_block(here);
    }
    for inst in unused {
        func.layout.remove_inst(inst);
    }
}

fn may_go(func: &Function, inst: Inst) -> bool {
    match func.dfg.insts[inst] {
        InstructionData::Load { opcode: Opcode::AtomicLoad, .. } => false,
        InstructionData::Load { flags, .. } => func.dfg.mem_flags[flags].notrap(),
        InstructionData::Binary { .. }
        | InstructionData::Unary { .. }
        | InstructionData::UnaryImm { .. }
        | InstructionData::IntCompare { .. } => {
            let opcode = func.dfg.insts[inst].opcode();
            !opcode.can_trap() && !opcode.other_side_effects() && !opcode.can_load() && !opcode.can_store()
        }
        _ => false,
    }
}
