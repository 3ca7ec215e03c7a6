//! The types of the kernel an object is fitted to, found by essential name.

use super::essential_name;
use super::fit::kinds_compatible;
use crate::btf::read::Btf;
use crate::btf::types::{Kind, TypeId};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A kernel's types and those of its modules, indexed by name.
#[derive(Debug)]
pub struct CoreTarget {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    btf: Arc<Btf>,
    /// Hash of the essential name and id of every named type, sorted.
    names: Vec<(u32, TypeId)>,
}

impl CoreTarget {
    /// Indexes a kernel's types.
    pub fn new(vmlinux: Arc<Btf>) -> CoreTarget {
        CoreTarget { parts: Vec::from([Part::new(vmlinux)]) }
    }

    /// Adds the types of a module, which are looked at when the kernel's own have no candidate.
    pub fn with_module(mut self, module: Arc<Btf>) -> CoreTarget {
        self.parts.push(Part::new(module));
        self
    }

    /// The kernel's types.
    pub fn vmlinux(&self) -> &Arc<Btf> {
        &self.parts[0].btf
    }

    /// The modules' types.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<Btf>> + '_ {
        self.parts[1..].iter().map(|p| &p.btf)
    }

    /// The types of the same kind and essential name as a type of the object: the kernel's, or if it
    /// has none, the modules'.
    pub(super) fn candidates(&self, local: &Btf, id: TypeId) -> Vec<(&Btf, TypeId)> {
        let Some(ty) = local.ty(id) else { return Vec::new() };
        let (name, kind) = (essential_name(ty.name()), ty.kind());
        let own = self.parts[0].candidates(name, kind);
        if !own.is_empty() {
            return own;
        }
        self.parts[1..].iter().flat_map(|part| part.candidates(name, kind)).collect()
    }
}

impl Part {
    fn new(btf: Arc<Btf>) -> Part {
        let mut names: Vec<(u32, TypeId)> = btf
            .types()
            .filter(|(_, ty)| !ty.name().is_empty())
            .map(|(id, ty)| (hash(essential_name(ty.name())), id))
            .collect();
        names.sort_unstable();
        Part { btf, names }
    }

    fn candidates(&self, name: &str, kind: Kind) -> Vec<(&Btf, TypeId)> {
        let hash = hash(name);
        let from = self.names.partition_point(|n| n.0 < hash);
        let same = self.names[from..].iter().take_while(|n| n.0 == hash).map(|n| n.1);
        let fits = |id: &TypeId| {
            let ty = self.btf.ty(*id);
            ty.is_some_and(|t| essential_name(t.name()) == name && kinds_compatible(kind, t.kind()))
        };
        same.filter(fits).map(|id| (&*self.btf, id)).collect()
    }
}

/// FNV-1a: only to bring equal names together; names are compared afterwards.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |h, b| (h ^ b as u32).wrapping_mul(0x0100_0193))
}
