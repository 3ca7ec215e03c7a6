//! Finding types by name when many names are asked for.
//!
//! [`Btf::find`] goes through all types, which for one name is quicker than to sort them first. An
//! index costs that sorting once, and then finds in logarithmic time.

use super::read::Btf;
use super::types::{Kind, TypeId};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Type information with its own types, not those of its base, sorted by the hash of their names.
#[derive(Debug)]
pub struct NameIndex {
    btf: Arc<Btf>,
    /// Hash of the key of every named type.
    names: Vec<(u32, TypeId)>,
    /// What of a name is looked for.
    key: fn(&str) -> &str,
}

impl NameIndex {
    /// Sorts the types by name.
    pub fn new(btf: Arc<Btf>) -> NameIndex {
        NameIndex::by(btf, |name| name)
    }

    /// Sorts the types by a part of their name.
    pub(super) fn by(btf: Arc<Btf>, key: fn(&str) -> &str) -> NameIndex {
        let named = btf.types().map(|(id, ty)| (ty.name(), id)).filter(|(name, _)| !name.is_empty());
        let mut names: Vec<_> = named.map(|(name, id)| (hash(key(name)), id)).collect();
        names.sort_unstable();
        NameIndex { btf, names, key }
    }

    /// The types that are indexed.
    pub fn btf(&self) -> &Arc<Btf> {
        &self.btf
    }

    /// Every type of this name, by id.
    pub fn find_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = TypeId> + 'a {
        let hash = hash(name);
        let from = self.names.partition_point(|n| n.0 < hash);
        let same = self.names[from..].iter().take_while(move |n| n.0 == hash).map(|n| n.1);
        same.filter(move |&id| self.btf.ty(id).is_some_and(|t| (self.key)(t.name()) == name))
    }

    /// The first type of this name and kind.
    pub fn find(&self, name: &str, kind: Kind) -> Option<TypeId> {
        self.find_all(name).find(|&id| self.btf.kind(id) == Some(kind))
    }
}

/// FNV-1a: only to bring equal names together; names are compared afterwards.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |h, b| (h ^ b as u32).wrapping_mul(0x0100_0193))
}
