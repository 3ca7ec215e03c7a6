//! Maps that were made before the program was written out: an instruction then holds the file
//! descriptor of the process that made them, which means nothing here. The caller may say which map
//! each number stands for; what he does not name stays unresolved.

use super::load::Unresolved;
use super::options::LoadOptions;
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::program::{MapDef, foreign_descriptor};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Puts the caller's maps in place of descriptors, at every load of a map that is not among the
/// slots already `bound`; gives the loads that remain.
pub(super) fn bind(
    insns: &mut [RawInsn],
    bound: &BTreeSet<usize>,
    options: &LoadOptions<'_>,
    maps: &mut Vec<Arc<MapDef>>,
) -> Vec<Unresolved> {
    let mut unresolved = Vec::new();
    let mut known: HashMap<i32, i32> = HashMap::new();
    let mut slot = 0;
    while slot + 1 < insns.len() {
        let insn = insns[slot];
        let is_map = matches!(insn.src, pseudo::MAP_FD | pseudo::MAP_VALUE);
        if insn.is_ldimm64() && is_map && !bound.contains(&slot) {
            let fd = insn.imm;
            let index = known.get(&fd).copied().or_else(|| {
                maps.push(Arc::new(options.map_of_fd(fd)?));
                known.insert(fd, maps.len() as i32 - 1);
                Some(maps.len() as i32 - 1)
            });
            insns[slot].imm = index.unwrap_or_else(|| {
                unresolved.push(Unresolved::MapFd { insn: slot, fd });
                foreign_descriptor(fd)
            });
        }
        slot += if insn.is_ldimm64() { 2 } else { 1 };
    }
    unresolved
}
