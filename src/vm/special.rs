//! Members of map values that only helpers may touch, found through BTF.
//!
//! Linux `btf_parse_fields`: locks, timers, work queues, list heads and tree roots, anywhere in a
//! value. Pointers to kernel objects are not among them here: no helper of the machine gives one,
//! so they stay null, and programs read them like other data.

use super::maps::{SpecialField, SpecialKind};
use oxbpf_isa::btf::{Btf, Type, TypeId};
use oxbpf_isa::program::MapDef;

/// The most members of one value (Linux `BTF_FIELDS_MAX`).
const MOST: usize = 11;

/// How deep members are looked for.
const DEPTH: usize = 8;

/// How many members are looked at: hostile types can nest without end.
const LOOKS: u32 = 1 << 14;

/// The special members of a definition's value.
pub(crate) fn fields(def: &MapDef) -> Vec<SpecialField> {
    let mut found = Vec::new();
    if let Some(btf) = def.btf.as_deref() {
        let mut left = LOOKS;
        collect(btf, def.value_type, 0, DEPTH, &mut left, &mut found);
    }
    found.retain(|f| f.offset.checked_add(f.size).is_some_and(|end| end <= def.value_size));
    found
}

fn kind_of(name: &str) -> Option<SpecialKind> {
    match name {
        "bpf_spin_lock" => Some(SpecialKind::SpinLock),
        "bpf_res_spin_lock" | "bpf_timer" | "bpf_wq" | "bpf_list_head" | "bpf_list_node" | "bpf_rb_root"
        | "bpf_rb_node" | "bpf_refcount" | "bpf_task_work" => Some(SpecialKind::Object),
        _ => None,
    }
}

fn collect(btf: &Btf, id: TypeId, offset: u32, depth: usize, left: &mut u32, found: &mut Vec<SpecialField>) {
    if depth == 0 || found.len() >= MOST || *left == 0 {
        return;
    }
    *left -= 1;
    match btf.resolved(id) {
        Some((id, Type::Struct(s))) => {
            if let (Some(kind), Some(size)) = (kind_of(s.name), btf.size_of(id)) {
                found.push(SpecialField { offset, size, kind });
                return;
            }
            for member in s.members() {
                collect(btf, member.ty, offset.saturating_add(member.bit_offset / 8), depth - 1, left, found);
            }
        }
        Some((_, Type::Array { elem, len, .. })) => {
            let size = btf.size_of(elem).unwrap_or(0);
            for index in 0..len.min(MOST as u32) {
                let offset = offset.saturating_add(index.saturating_mul(size));
                collect(btf, elem, offset, depth - 1, left, found);
            }
        }
        // A section without a size has no offsets either: nobody has filled them in.
        Some((_, Type::Datasec(section))) if section.size != 0 => {
            for var in section.vars() {
                if let Some(Type::Var { ty, .. }) = btf.ty(var.var) {
                    collect(btf, ty, offset.saturating_add(var.offset), depth - 1, left, found);
                }
            }
        }
        _ => {}
    }
}
