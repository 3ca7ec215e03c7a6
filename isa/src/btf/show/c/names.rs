//! Names that C can tell apart.
//!
//! C has one name space for the tags of structs, unions and enumerations, and one for typedefs and
//! enumerators. A kernel is built of many translation units, so both hold names that mean several
//! things there; the second and later ones get `___2` and so on, which CO-RE ignores.

use crate::btf::read::Btf;
use crate::btf::types::{Type, TypeId};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

/// The names given out.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// Tags and, by kind, the type that forward declarations mean.
    tags: BTreeMap<Cow<'a, str>, [Option<TypeId>; 3]>,
    idents: BTreeMap<Cow<'a, str>, u32>,
    /// Types that did not get the name that they have.
    renamed: BTreeMap<TypeId, String>,
    /// Typedefs that have their name.
    typedefs: BTreeMap<TypeId, ()>,
}

/// The keyword of a tagged type, and its place in [`Names::tags`].
pub(super) fn keyword(ty: &Type<'_>) -> Option<(&'static str, usize)> {
    match ty {
        Type::Struct(_) | Type::Fwd { is_union: false, .. } => Some(("struct", 0)),
        Type::Union(_) | Type::Fwd { is_union: true, .. } => Some(("union", 1)),
        Type::Enum(_) => Some(("enum", 2)),
        _ => None,
    }
}

/// Whether the type only says that there is such a tag.
pub(super) fn is_forward(ty: &Type<'_>) -> bool {
    match ty {
        Type::Fwd { .. } => true,
        Type::Enum(e) => e.values().len() == 0 && !e.name.is_empty(),
        _ => false,
    }
}

impl<'a> Names<'a> {
    /// Gives every tagged type its tag: the name to the first that has it, by id.
    pub fn new(btf: &'a Btf) -> Names<'a> {
        let mut names = Names::default();
        let ids = || (1..btf.type_count()).map(TypeId);
        let tagged = |id| {
            let ty = btf.ty(id)?;
            let (_, nth) = keyword(&ty)?;
            (!ty.name().is_empty()).then(|| (identifier(ty.name()), nth, is_forward(&ty)))
        };
        let mut owners: BTreeMap<Cow<'a, str>, TypeId> = BTreeMap::new();
        for id in ids() {
            let Some((name, nth, false)) = tagged(id) else { continue };
            owners.entry(name.clone()).or_insert(id);
            names.tags.entry(name).or_default()[nth].get_or_insert(id);
        }
        for id in ids() {
            let Some((name, nth, true)) = tagged(id) else { continue };
            let meant = *names.tags.entry(name.clone()).or_default()[nth].get_or_insert(id);
            if meant == id {
                owners.entry(name).or_insert(id);
            }
        }
        let mut count: BTreeMap<Cow<'a, str>, u32> = BTreeMap::new();
        for id in ids() {
            let Some((name, nth, forward)) = tagged(id) else { continue };
            let meant = names.tags.get(&name).and_then(|t| t[nth]);
            if owners.get(&name) == Some(&id) || forward && meant != Some(id) {
                continue;
            }
            let nth = count.entry(name.clone()).or_insert(1);
            let free = loop {
                *nth += 1;
                let free = format!("{name}___{nth}");
                if !owners.contains_key(free.as_str()) {
                    break free;
                }
            };
            names.renamed.insert(id, free);
        }
        names
    }

    /// The tag of a type.
    pub fn tag(&self, id: TypeId, ty: &Type<'a>) -> Cow<'a, str> {
        let name = identifier(ty.name());
        let meant = match keyword(ty) {
            Some((_, nth)) if is_forward(ty) => self.tags.get(&name).and_then(|t| t[nth]).unwrap_or(id),
            _ => id,
        };
        match self.renamed.get(&meant) {
            Some(other) => Cow::Owned(other.clone()),
            None => name,
        }
    }

    /// The name of a typedef, the same every time.
    pub fn typedef(&mut self, id: TypeId, name: &'a str) -> Cow<'a, str> {
        if let Some(other) = self.renamed.get(&id) {
            return Cow::Owned(other.clone());
        }
        let own = identifier(name);
        if self.typedefs.insert(id, ()).is_some() {
            return own;
        }
        let given = self.ident(name);
        if given != own {
            self.renamed.insert(id, given.clone().into_owned());
        }
        given
    }

    /// A name for something new among typedefs and enumerators.
    pub fn ident(&mut self, name: &'a str) -> Cow<'a, str> {
        let name = identifier(name);
        let count = match self.idents.get_mut(&name) {
            None => {
                self.idents.insert(name.clone(), 1);
                return name;
            }
            Some(count) => count,
        };
        let mut nth = *count;
        let free = loop {
            nth += 1;
            let free = Cow::Owned(format!("{name}___{nth}"));
            if !self.idents.contains_key(&free) {
                break free;
            }
        };
        self.idents.insert(name, nth);
        self.idents.insert(free.clone(), 1);
        free
    }
}

/// The name with `_` for everything that C does not allow in one, such as the `::` and `<>` of
/// other languages.
pub(super) fn identifier(name: &str) -> Cow<'_, str> {
    let allowed =
        |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || at > 0 && c.is_ascii_digit();
    if name.char_indices().all(allowed) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.char_indices().map(|(at, c)| if allowed((at, c)) { c } else { '_' }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ident_never_comes_twice() {
        let mut names = Names::default();
        let given: alloc::vec::Vec<_> =
            ["a", "a___2", "a", "a", "a___3", "b"].iter().map(|n| names.ident(n).into_owned()).collect();
        assert_eq!(given, ["a", "a___2", "a___3", "a___4", "a___3___2", "b"]);
    }

    #[test]
    fn foreign_names_become_identifiers() {
        assert_eq!(identifier("Option<&str>"), "Option__str_");
        assert_eq!(identifier("0"), "_");
        assert_eq!(identifier("task_struct"), "task_struct");
    }
}
