//! The types of the kernel an object is fitted to, found by essential name.

use super::essential_name;
use super::fit::kinds_compatible;
use crate::btf::index::NameIndex;
use crate::btf::read::Btf;
use crate::btf::types::{Kind, TypeId};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A kernel's types and those of its modules, indexed by name.
#[derive(Debug)]
pub struct CoreTarget {
    /// Each by essential name.
    parts: Vec<NameIndex>,
}

impl CoreTarget {
    /// Indexes a kernel's types.
    pub fn new(vmlinux: Arc<Btf>) -> CoreTarget {
        CoreTarget { parts: Vec::from([NameIndex::by(vmlinux, essential_name)]) }
    }

    /// Adds the types of a module, which are looked at when the kernel's own have no candidate.
    pub fn with_module(mut self, module: Arc<Btf>) -> CoreTarget {
        self.parts.push(NameIndex::by(module, essential_name));
        self
    }

    /// The kernel's types.
    pub fn vmlinux(&self) -> &Arc<Btf> {
        self.parts[0].btf()
    }

    /// The modules' types.
    pub fn modules(&self) -> impl Iterator<Item = &Arc<Btf>> + '_ {
        self.parts[1..].iter().map(NameIndex::btf)
    }

    /// The kernel's own type of this name and kind.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        let part = &self.parts[0];
        part.find_all(essential_name(name))
            .find(|&id| part.btf().ty(id).is_some_and(|t| t.kind() == kind && t.name() == name))
    }

    /// The types of the same kind and essential name as a type of the object: the kernel's, or if it
    /// has none, the modules'.
    pub(super) fn candidates(&self, local: &Btf, id: TypeId) -> Vec<(&Btf, TypeId)> {
        let Some(ty) = local.ty(id) else { return Vec::new() };
        let (name, kind) = (essential_name(ty.name()), ty.kind());
        let own = candidates(&self.parts[0], name, kind);
        if !own.is_empty() {
            return own;
        }
        self.parts[1..].iter().flat_map(|part| candidates(part, name, kind)).collect()
    }
}

fn candidates<'a>(part: &'a NameIndex, name: &str, kind: Kind) -> Vec<(&'a Btf, TypeId)> {
    let btf = part.btf();
    let fits = |&id: &TypeId| btf.kind(id).is_some_and(|k| kinds_compatible(kind, k));
    part.find_all(name).filter(fits).map(|id| (&**btf, id)).collect()
}
