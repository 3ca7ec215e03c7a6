//! The path of a relocation, followed through the object's own types.

use super::{CoreError, CoreKind};
use crate::btf::read::Btf;
use crate::btf::types::{Type, TypeId};
use alloc::string::String;
use alloc::vec::Vec;

/// Steps a path may have (libbpf `BPF_CORE_SPEC_MAX_LEN`).
pub(super) const MAX_STEPS: usize = 64;

/// One meaningful step: a named member, a value of an enumeration, or an array element.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// For a member the struct it is in, for an element the element's type.
    pub ty: TypeId,
    pub index: u32,
    /// None for array elements.
    pub name: Option<String>,
}

/// A path, and where it leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// The type the path starts from, as the relocation names it.
    pub root: TypeId,
    /// Anonymous structs on the way are not steps.
    pub steps: Vec<Step>,
    /// From the start of the root.
    pub bit_offset: u32,
    /// The number of steps with the anonymous ones.
    pub(super) raw_len: usize,
}

impl Access {
    pub(super) fn at(root: TypeId) -> Access {
        Access { root, steps: Vec::new(), bit_offset: 0, raw_len: 0 }
    }

    /// Follows `path`, such as `0:1:2`, from a type.
    ///
    /// # Errors
    /// [`CoreError::Access`] when the path is malformed or leaves the type.
    pub fn parse(btf: &Btf, root: TypeId, path: &str, kind: CoreKind) -> Result<Access, CoreError> {
        let mut access = Access::at(root);
        if kind.is_type() {
            return if path == "0" { Ok(access) } else { Err(CoreError::Access) };
        }
        let mut indices = Vec::new();
        for part in path.split(':') {
            if indices.len() == MAX_STEPS {
                return Err(CoreError::TooDeep);
            }
            indices
                .push(part.parse::<u32>().ok().filter(|&i| i <= i32::MAX as u32).ok_or(CoreError::Access)?);
        }
        access.raw_len = indices.len();
        let (id, ty) = btf.resolved(root).ok_or(CoreError::Type { id: root })?;
        let first = indices[0];
        if kind.is_enumval() {
            let Type::Enum(e) = ty else { return Err(CoreError::Access) };
            let (name, _) = e.values().nth(first as usize).ok_or(CoreError::Access)?;
            if indices.len() > 1 {
                return Err(CoreError::Access);
            }
            access.steps.push(Step { ty: id, index: first, name: Some(name.into()) });
            return Ok(access);
        }
        access.steps.push(Step { ty: id, index: first, name: None });
        access.add_elements(btf, id, first)?;
        let mut id = id;
        for &index in &indices[1..] {
            id = access.follow(btf, id, index)?;
        }
        Ok(access)
    }

    /// Takes one step of the path and gives the type it arrives at.
    fn follow(&mut self, btf: &Btf, id: TypeId, index: u32) -> Result<TypeId, CoreError> {
        let (id, ty) = btf.resolved(id).ok_or(CoreError::Type { id })?;
        match ty {
            Type::Struct(c) | Type::Union(c) => {
                let m = c.member(index as usize).ok_or(CoreError::Access)?;
                self.bit_offset = self.bit_offset.wrapping_add(m.bit_offset);
                if !m.name.is_empty() {
                    self.steps.push(Step { ty: id, index, name: Some(m.name.into()) });
                }
                Ok(m.ty)
            }
            Type::Array { elem, len, .. } => {
                let elem = btf.resolve(elem).ok_or(CoreError::Type { id: elem })?;
                if index >= len && !is_flexible(btf, self.steps.last(), len) {
                    return Err(CoreError::Access);
                }
                self.steps.push(Step { ty: elem, index, name: None });
                self.add_elements(btf, elem, index)?;
                Ok(elem)
            }
            _ => Err(CoreError::Access),
        }
    }

    /// Moves on by `count` elements of a type.
    pub(super) fn add_elements(&mut self, btf: &Btf, elem: TypeId, count: u32) -> Result<(), CoreError> {
        let size = btf.size_of(elem).ok_or(CoreError::Type { id: elem })?;
        self.bit_offset = self.bit_offset.wrapping_add(count.wrapping_mul(size).wrapping_mul(8));
        Ok(())
    }
}

/// Whether an array of length `len` reached by the step is the flexible last member of its struct.
pub(super) fn is_flexible(btf: &Btf, step: Option<&Step>, len: u32) -> bool {
    let Some(step) = step.filter(|s| s.name.is_some() && len == 0) else { return false };
    let composite = btf.ty(step.ty).and_then(|t| t.composite());
    composite.is_some_and(|c| step.index as usize + 1 == c.len())
}
