//! Maps as registers name them, and the special fields of their values.
//!
//! A register names a map by its index in the program; the map inside a map of maps has the same
//! index with a bit set. Which special fields its values hold is found once for each program.

use super::fields::Fields;
use crate::explore::Walker;
use crate::report::Finding;
use crate::structure::{Slot, Structure};
use crate::verdict::Feature;
use alloc::rc::Rc;
use alloc::string::String;
use oxbpf_isa::insn::{Imm64, Insn};
use oxbpf_isa::kernel::{FieldKind, KernelModel, MapType, ProgFlags, ProgKind, ProgType};
use oxbpf_isa::program::{MapDef, Program};

const INNER: u32 = 1 << 31;

pub(crate) fn index_of(a: u32) -> usize {
    (a & !INNER) as usize
}

pub(crate) fn is_inner(a: u32) -> bool {
    a & INNER != 0
}

pub(super) fn inner(a: u32) -> u32 {
    a | INNER
}

impl Walker<'_> {
    /// The map that a register names.
    pub(super) fn map(&self, a: u32) -> Option<&MapDef> {
        let map = self.program.maps.get(index_of(a))?;
        if is_inner(a) { map.inner.as_deref() } else { Some(map) }
    }
}

impl Walker<'_> {
    /// Its name as the kernel has it, which keeps room for an end, and none of a map that stands inside
    /// another.
    pub(crate) fn map_name(&self, a: u32) -> String {
        let own = self.map(a).filter(|_| !is_inner(a));
        let most = self.model.limits().object_name_bytes as usize - 1;
        own.map_or_else(String::new, |map| map.name.chars().take(most).collect())
    }

    /// The special fields of the values of a map that a register names.
    pub(super) fn fields_of(&self, a: u32) -> Rc<Fields> {
        self.map_fields.of(index_of(a), is_inner(a)).cloned().unwrap_or_default()
    }

    /// Whether the kernel knows the types of the map's values.
    pub(super) fn is_typed(&self, a: u32) -> bool {
        self.map_fields.is_typed(index_of(a), is_inner(a))
    }

    /// Whether values of the map hold a lock, so that each value has an identity.
    pub(super) fn has_lock(&self, a: u32) -> bool {
        self.map_fields.of(index_of(a), is_inner(a)).is_some_and(|f| f.has_lock())
    }
}

/// The first map that the program names and that has no model.
pub(crate) fn unknown_map(program: &Program, structure: &Structure) -> Option<Feature> {
    for slot in &structure.insns {
        let Slot::Insn(Insn::LdImm64 { imm, .. }) = slot else { continue };
        let (Imm64::MapFd(map)
        | Imm64::MapIdx(map)
        | Imm64::MapValue { fd: map, .. }
        | Imm64::MapIdxValue { idx: map, .. }) = imm
        else {
            continue;
        };
        let def = program.maps.get(*map as usize)?;
        if def.kind().is_none() {
            return Some(Feature::Maps);
        }
    }
    None
}

/// Whether the program uses an arena.
pub(crate) fn has_arena(program: &Program, structure: &Structure) -> bool {
    structure.insns.iter().any(|slot| {
        let Slot::Insn(Insn::LdImm64 { imm: Imm64::MapFd(map) | Imm64::MapValue { fd: map, .. }, .. }) = slot
        else {
            return false;
        };
        program.maps.get(*map as usize).is_some_and(|m| m.kind() == Some(MapType::Arena))
    })
}

/// Why programs of a kind may not use a map (Linux `check_map_prog_compatibility`); none if they may.
pub(crate) fn unusable(
    def: &MapDef,
    model: &KernelModel,
    kind: &ProgKind,
    fields: &Fields,
) -> Option<Finding> {
    let has = |kinds: &[FieldKind]| kinds.iter().any(|k| fields.has(*k));
    let prog = kind.prog_type.kernel().and_then(|t| model.prog(t));
    let tracing = prog.is_some_and(|p| p.flags.contains(ProgFlags::TRACING));
    if tracing && has(&[FieldKind::ListHead, FieldKind::RbRoot]) {
        return Some(Finding::TracingMapField { field: "bpf_{list_head,rb_root}" });
    }
    if has(&[FieldKind::SpinLock, FieldKind::ResSpinLock]) {
        if kind.prog_type.kernel() == Some(ProgType::SocketFilter) {
            return Some(Finding::SocketFilterLock);
        }
        if tracing {
            return Some(Finding::TracingMapField { field: "bpf_spin_lock" });
        }
    }
    if tracing && has(&[FieldKind::Timer]) {
        return Some(Finding::TracingMapField { field: "bpf_timer" });
    }
    if tracing && has(&[FieldKind::Workqueue]) {
        return Some(Finding::TracingMapField { field: "bpf_wq" });
    }
    let map_type = def.kind()?;
    let flags = model.map(map_type)?.flags;
    (kind.sleepable && !flags.contains(oxbpf_isa::kernel::MapFlags::SLEEPABLE))
        .then_some(Finding::SleepableMap)
}
