//! The types of the target kernel, as registers and rules name them.
//!
//! A typed pointer names its type by an id and by whose types that id counts in: those of the
//! kernel, of one of its modules, or of the program itself (objects that programs allocate). Rules:
//! `PTR_TO_BTF_ID` and `struct btf` in `struct bpf_reg_state` of Linux 6.18.
//!
//! Left to others: what may be done with such a pointer (`transfer`).

pub(crate) mod extended;
mod near;
pub(crate) mod symbol;
pub(crate) mod target;
#[cfg(test)]
mod tests;
pub(crate) mod walk;

use crate::state::{Kind as RegKind, Mods, Reg};
use alloc::sync::Arc;
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::btf::{Btf, Kind, Type, TypeId};
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;

/// The kernel that a program is judged for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Kernel<'a> {
    pub model: &'a KernelModel,
    /// Its types and those of its modules. Without them, a program that needs them is unknown.
    pub types: Option<&'a CoreTarget>,
    /// The program that this one extends or traces, where its target is no function of the kernel.
    pub target: Option<&'a Program>,
}

impl<'a> Kernel<'a> {
    /// A kernel whose types are not known.
    pub fn new(model: &'a KernelModel) -> Kernel<'a> {
        Kernel { model, types: None, target: None }
    }

    /// The same with these types.
    #[must_use]
    pub fn with_types(self, types: Option<&'a CoreTarget>) -> Kernel<'a> {
        Kernel { types, ..self }
    }

    /// The same for a program that extends or traces this one.
    #[must_use]
    pub fn with_target(self, target: Option<&'a Program>) -> Kernel<'a> {
        Kernel { target, ..self }
    }
}

/// Whose types an id counts in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Part(pub u32);

impl Part {
    pub const VMLINUX: Part = Part(0);
    pub const PROGRAM: Part = Part(u32::MAX);
    /// The program that this one traces.
    pub const TARGET: Part = Part(u32::MAX - 1);
}

/// Every type that a register may name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Types<'p> {
    pub kernel: Option<&'p CoreTarget>,
    pub program: Option<&'p Arc<Btf>>,
    pub target: Option<&'p Arc<Btf>>,
}

impl<'p> Types<'p> {
    pub fn new(program: &'p Program, kernel: &Kernel<'p>) -> Types<'p> {
        let target = kernel.target.and_then(|t| t.btf.as_ref());
        Types { kernel: kernel.types, program: program.btf.as_ref(), target }
    }

    /// The types of a part.
    pub fn btf(&self, part: Part) -> Option<&'p Arc<Btf>> {
        match part {
            Part::PROGRAM => self.program,
            Part::TARGET => self.target,
            Part::VMLINUX => self.kernel.map(CoreTarget::vmlinux),
            Part(n) => self.kernel?.modules().nth(n as usize - 1),
        }
    }

    /// The type that a typed pointer points to.
    pub fn pointee(&self, reg: &Reg) -> Option<Type<'p>> {
        self.btf(Part(reg.b))?.ty(TypeId(reg.a))
    }

    /// Its name as the log writes it.
    pub fn name_of(&self, reg: &Reg) -> &'p str {
        self.pointee(reg).map_or("", |ty| ty.name())
    }

    /// The structure of this name that the kernel has, or else one of its modules.
    pub fn find_struct(&self, name: &str) -> Option<(Part, TypeId)> {
        let kernel = self.kernel?;
        if let Some(id) = kernel.find(name, Kind::Struct) {
            return Some((Part::VMLINUX, id));
        }
        let of = |n: usize| Some((Part(n as u32 + 1), kernel.find_in_module(n, name, Kind::Struct)?));
        (0..kernel.modules().count()).find_map(of)
    }

    /// The kernel's own type of this name and kind.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.kernel?.find(name, kind)
    }
}

/// Whether a pointer surely points to what its type says (Linux `is_trusted_reg`).
pub(crate) fn is_trusted(reg: &Reg) -> bool {
    const TRUSTED: Mods = Mods::TRUSTED.with(Mods::ALLOC).with(Mods::NON_OWN_REF);
    if reg.ref_id != 0 {
        return true;
    }
    let is_safe = reg.mods.without(TRUSTED) == Mods::NONE;
    let is_known =
        matches!(reg.kind, RegKind::Socket | RegKind::SockCommon | RegKind::TcpSock | RegKind::MapPtr);
    is_safe && (is_known || reg.mods != Mods::NONE)
}
