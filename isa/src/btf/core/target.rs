//! The types of the kernel an object is fitted to, found by essential name.

use super::essential_name;
use super::fit::kinds_compatible;
use crate::btf::index::NameIndex;
use crate::btf::read::Btf;
use crate::btf::types::{Kind, TypeId};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A kernel's types and those of its modules, indexed by name.
#[derive(Debug)]
pub struct CoreTarget {
    /// Each by essential name.
    parts: Vec<NameIndex>,
    /// The names of the modules, empty where they are not known.
    names: Vec<String>,
}

impl CoreTarget {
    /// Indexes a kernel's types.
    pub fn new(vmlinux: Arc<Btf>) -> CoreTarget {
        CoreTarget { parts: Vec::from([NameIndex::by(vmlinux, essential_name)]), names: Vec::new() }
    }

    /// Adds the types of a module, which are looked at when the kernel's own have no candidate.
    pub fn with_module(self, module: Arc<Btf>) -> CoreTarget {
        self.with_named_module("", module)
    }

    /// The same with the module's name, by which attach targets may say which module they mean.
    pub fn with_named_module(mut self, name: impl Into<String>, module: Arc<Btf>) -> CoreTarget {
        self.parts.push(NameIndex::by(module, essential_name));
        self.names.push(name.into());
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

    /// The modules' names, in the order of [`CoreTarget::modules`]; empty where they are not known.
    pub fn module_names(&self) -> impl Iterator<Item = &str> + '_ {
        self.names.iter().map(String::as_str)
    }

    /// A module's own type of this name and kind; modules count from 0.
    pub fn find_in_module(&self, module: usize, name: &str, kind: Kind) -> Option<TypeId> {
        find_in(self.parts.get(module + 1)?, name, kind)
    }

    /// The kernel's own type of this name and kind.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        find_in(&self.parts[0], name, kind)
    }

    /// The types of the same kind and essential name as a type of the object: the kernel's, or if it
    /// has none, the modules'.
    pub fn candidates(&self, local: &Btf, id: TypeId) -> Vec<(&Btf, TypeId)> {
        let Some(ty) = local.ty(id) else { return Vec::new() };
        let (name, kind) = (essential_name(ty.name()), ty.kind());
        let own = candidates(&self.parts[0], name, kind);
        if !own.is_empty() {
            return own;
        }
        self.parts[1..].iter().flat_map(|part| candidates(part, name, kind)).collect()
    }
}

fn find_in(part: &NameIndex, name: &str, kind: Kind) -> Option<TypeId> {
    let is_it = |&id: &TypeId| part.btf().ty(id).is_some_and(|t| t.kind() == kind && t.name() == name);
    part.find_all(essential_name(name)).find(is_it)
}

fn candidates<'a>(part: &'a NameIndex, name: &str, kind: Kind) -> Vec<(&'a Btf, TypeId)> {
    let btf = part.btf();
    let fits = |&id: &TypeId| btf.kind(id).is_some_and(|k| kinds_compatible(kind, k));
    part.find_all(name).filter(fits).map(|id| (&**btf, id)).collect()
}
