//! Takes out what nobody uses.
//!
//! The code generator keeps loads whose values are unused; here they fall away, with what was made of
//! them, when a load of the whole has taken their place.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode, Value};

/// Removes instructions that only give values nobody uses.
pub(crate) fn sweep(func: &mut Function) {
    let mut uses: SecondaryMap<Value, u32> = SecondaryMap::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            for value in func.dfg.inst_values(inst) {
                uses[func.dfg.resolve_aliases(value)] += 1;
            }
        }
    }
    let mut unused = Vec::new();
    // Users stand behind what they use, so one walk from the end finds what falls with its users.
    let blocks: Vec<_> = func.layout.blocks().collect();
    for block in blocks.into_iter().rev() {
        for inst in func.layout.block_insts(block).rev() {
            if may_go(func, inst) && func.dfg.inst_results(inst).iter().all(|&v| uses[v] == 0) {
                for value in func.dfg.inst_values(inst) {
                    uses[func.dfg.resolve_aliases(value)] -= 1;
                }
                unused.push(inst);
            }
        }
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
