//! Addresses of the kernel's variables and functions in wide loads.
//!
//! Rules: `check_pseudo_btf_id` of Linux 6.18. Per-CPU variables are known by type, as are structures;
//! of everything else the address of so many bytes is known, which may only be read.

use super::{Part, Types};
use crate::explore::{Judged, Stop};
use crate::report::Finding;
use crate::state::{Kind as RegKind, Mods, Reg};
use crate::verdict::Feature;
use alloc::string::ToString;
use oxbpf_isa::btf::{Btf, Kind, Type, TypeId};
use oxbpf_isa::kernel::{KernelModel, Settings};

/// What a wide load of a symbol gives. `module` is 0 for the kernel itself.
pub(crate) fn resolve(types: &Types<'_>, model: &KernelModel, id: i32, module: i32) -> Judged<Reg> {
    let unknown = Stop::Unknown(Feature::KernelTypes);
    let part = Part(u32::try_from(module).map_err(|_| unknown.clone())?);
    let btf = types.btf(part).ok_or(unknown)?;
    let type_id = TypeId(id as u32);
    let (name, ty) = match btf.ty(type_id) {
        None => return Err(Finding::SymbolId { id }.into()),
        Some(Type::Func { .. }) => return Ok(Reg::pointer(RegKind::Mem, Mods::RDONLY)),
        Some(Type::Var { name, ty, .. }) => (name, ty),
        Some(_) => return Err(Finding::SymbolKind { id }.into()),
    };
    if model.settings().contains(Settings::FEW_SYMBOLS) {
        return Err(Finding::SymbolAddress { name: name.to_string() }.into());
    }
    if is_percpu(types, btf, part, type_id) {
        return Ok(Reg::typed(part, ty, Mods::PERCPU));
    }
    let (_, resolved) = btf.resolved(ty).ok_or(Stop::Unknown(Feature::Internal))?;
    if matches!(resolved, Type::Struct(_) | Type::Union(_)) {
        return Ok(Reg::typed(part, ty, Mods::NONE));
    }
    match btf.size_of(ty) {
        Some(size) => Ok(Reg { a: size, ..Reg::pointer(RegKind::Mem, Mods::RDONLY) }),
        None => Err(Finding::SymbolSize { name: resolved.name().to_string() }.into()),
    }
}

fn is_percpu(types: &Types<'_>, btf: &Btf, part: Part, id: TypeId) -> bool {
    const SECTION: &str = ".data..percpu";
    let section = match part {
        Part::VMLINUX => types.find(SECTION, Kind::Datasec),
        _ => btf.find_own(SECTION).find(|&id| btf.kind(id) == Some(Kind::Datasec)),
    };
    match section.and_then(|id| btf.ty(id)) {
        Some(Type::Datasec(section)) => section.vars().any(|v| v.var == id),
        _ => false,
    }
}
