//! Maps as registers name them, and the special fields of their values.
//!
//! A register names a map by its index in the program; the map inside a map of maps has the same
//! index with a bit set. Values may hold fields that only helpers may touch (Linux
//! `btf_parse_fields`): locks, timers, pointers to kernel objects, lists and trees.

use crate::explore::Walker;
use crate::report::{Fault, Finding};
use crate::structure::{Slot, Structure};
use crate::verdict::{Feature, Verdict};
use alloc::rc::Rc;
use alloc::vec::Vec;
use oxbpf_isa::btf::{Btf, Type, TypeId};
use oxbpf_isa::insn::{Imm64, Insn};
use oxbpf_isa::kernel::{KernelModel, MapType, ProgKind, ProgType};
use oxbpf_isa::program::{MapDef, Program};

const INNER: u32 = 1 << 31;

pub(super) fn index_of(a: u32) -> usize {
    (a & !INNER) as usize
}

pub(super) fn is_inner(a: u32) -> bool {
    a & INNER != 0
}

pub(super) fn inner(a: u32) -> u32 {
    a | INNER
}

/// A field of a value that ordinary loads and stores may not touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Special {
    pub name: &'static str,
    pub off: u32,
    pub size: u32,
}

/// Structures of the kernel's interface that are special, with their sizes.
const NAMED: &[(&str, u32)] = &[
    ("bpf_spin_lock", 4),
    ("bpf_res_spin_lock", 8),
    ("bpf_timer", 16),
    ("bpf_wq", 16),
    ("bpf_list_head", 16),
    ("bpf_list_node", 24),
    ("bpf_rb_root", 16),
    ("bpf_rb_node", 32),
    ("bpf_refcount", 4),
    ("bpf_task_work", 8),
];
/// Tags that make a pointer a kernel pointer.
const KPTR_TAGS: &[&str] = &["kptr", "kptr_untrusted", "percpu_kptr", "uptr"];
/// What a kernel pointer is called here.
pub(super) const KPTR: &str = "kptr";
/// Structures nest no deeper than this where special fields are looked for.
const MAX_DEPTH: u32 = 8;

/// The special fields of a map's values.
pub(super) fn specials(map: &MapDef) -> Vec<Special> {
    let mut found = Vec::new();
    if let Some(btf) = &map.btf {
        collect(btf, map.value_type, 0, 0, &mut found);
    }
    found
}

fn collect(btf: &Btf, ty: TypeId, off: u32, depth: u32, found: &mut Vec<Special>) {
    if depth > MAX_DEPTH {
        return;
    }
    let Some((id, resolved)) = btf.resolved(ty) else { return };
    match resolved {
        Type::Struct(s) | Type::Union(s) => {
            if let Some(&(name, size)) = NAMED.iter().find(|(name, _)| *name == s.name) {
                found.push(Special { name, off, size });
                return;
            }
            for member in s.members() {
                collect(btf, member.ty, off + member.bit_offset / 8, depth + 1, found);
            }
        }
        Type::Datasec(d) => {
            for var in d.vars() {
                if let Some(Type::Var { ty, .. }) = btf.ty(var.var) {
                    collect(btf, ty, off + var.offset, depth + 1, found);
                }
            }
        }
        Type::Array { elem, len, .. } => {
            let Some(size) = btf.size_of(elem) else { return };
            let mut one = Vec::new();
            collect(btf, elem, 0, depth + 1, &mut one);
            for i in 0..if one.is_empty() { 0 } else { len.min(16) } {
                found.extend(one.iter().map(|s| Special { off: off + i * size + s.off, ..*s }));
            }
        }
        Type::Ptr(to) => {
            let mut to = to;
            while let Some(Type::TypeTag { name, target, .. }) = btf.ty(to) {
                if KPTR_TAGS.contains(&name) {
                    found.push(Special { name: KPTR, off, size: 8 });
                }
                to = target;
            }
        }
        _ => {}
    }
    let _ = id;
}

/// Whether registers must tell instances of this inner map apart.
pub(super) fn needs_uid(map: Option<&MapDef>) -> bool {
    map.is_some_and(|m| {
        specials(m).iter().any(|s| matches!(s.name, "bpf_timer" | "bpf_wq" | "bpf_task_work"))
    })
}

impl Walker<'_> {
    /// The map that a register names.
    pub(super) fn map(&self, a: u32) -> Option<&MapDef> {
        let map = self.program.maps.get(index_of(a))?;
        if is_inner(a) { map.inner.as_deref() } else { Some(map) }
    }
}

impl Walker<'_> {
    /// The special fields of the values of a map that a register names. Found once for each map.
    pub(super) fn specials_of(&mut self, a: u32) -> Rc<[Special]> {
        let index = index_of(a) * 2 + is_inner(a) as usize;
        if self.specials.len() <= index {
            self.specials.resize(index + 1, None);
        }
        if let Some(found) = &self.specials[index] {
            return found.clone();
        }
        let found: Rc<[Special]> = self.map(a).map_or(Vec::new(), specials).into();
        self.specials[index] = Some(found.clone());
        found
    }

    /// Whether values of the map hold a spin lock, so that each value has an identity.
    pub(super) fn has_lock(&mut self, a: u32) -> bool {
        self.specials_of(a).iter().any(|s| matches!(s.name, "bpf_spin_lock" | "bpf_res_spin_lock"))
    }
}

/// Whether the program may use the maps it names (Linux `check_map_prog_compatibility`); none if so.
pub(crate) fn check_maps(
    program: &Program,
    structure: &Structure,
    model: &KernelModel,
    kind: &ProgKind,
) -> Option<Verdict> {
    for (at, slot) in structure.insns.iter().enumerate() {
        let Slot::Insn(Insn::LdImm64 { imm, .. }) = slot else { continue };
        let (Imm64::MapFd(map)
        | Imm64::MapIdx(map)
        | Imm64::MapValue { fd: map, .. }
        | Imm64::MapIdxValue { idx: map, .. }) = imm
        else {
            continue;
        };
        let def = program.maps.get(*map as usize)?;
        if let Some(finding) = unusable(def, model, kind) {
            return Some(Verdict::Reject(Fault::at(at, finding)));
        }
        match def.kind() {
            None => return Some(Verdict::Unknown(Feature::Maps)),
            Some(MapType::Arena) => return Some(Verdict::Unknown(Feature::Arena)),
            Some(_) => {}
        }
    }
    None
}

fn unusable(def: &MapDef, model: &KernelModel, kind: &ProgKind) -> Option<Finding> {
    let specials = specials(def);
    let has = |names: &[&str]| specials.iter().any(|s| names.contains(&s.name));
    let tracing = matches!(
        kind.prog_type.kernel(),
        Some(
            ProgType::Kprobe
                | ProgType::Tracepoint
                | ProgType::PerfEvent
                | ProgType::RawTracepoint
                | ProgType::RawTracepointWritable
        )
    );
    if tracing && has(&["bpf_list_head", "bpf_rb_root"]) {
        return Some(Finding::TracingMapField { field: "bpf_{list_head,rb_root}" });
    }
    if has(&["bpf_spin_lock", "bpf_res_spin_lock"]) {
        if kind.prog_type.kernel() == Some(ProgType::SocketFilter) {
            return Some(Finding::SocketFilterLock);
        }
        if tracing && has(&["bpf_spin_lock"]) {
            return Some(Finding::TracingMapField { field: "bpf_spin_lock" });
        }
    }
    if tracing && has(&["bpf_timer"]) {
        return Some(Finding::TracingMapField { field: "bpf_timer" });
    }
    if tracing && has(&["bpf_wq"]) {
        return Some(Finding::TracingMapField { field: "bpf_wq" });
    }
    let map_type = def.kind()?;
    let flags = model.map(map_type)?.flags;
    (kind.sleepable && !flags.contains(oxbpf_isa::kernel::MapFlags::SLEEPABLE))
        .then_some(Finding::SleepableMap)
}
