//! Sizes, alignments and chains of types.
//!
//! Every walk is bounded: hostile type information may be cyclic or nest without end.

use super::read::Btf;
use super::types::{Composite, Kind, Type, TypeId};

/// Modifiers, typedefs and arrays may nest this deep (Linux `MAX_RESOLVE_DEPTH`).
pub const MAX_DEPTH: usize = 32;

/// Records that one question may look at. Types form a graph in which the number of paths can grow
/// beyond all bounds although every path is short; a kernel's largest types need a few thousand.
const MAX_VISITS: u32 = 1 << 18;

/// What is left of [`MAX_VISITS`].
pub(super) struct Budget(u32);

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(MAX_VISITS)
    }

    /// Counts one visit; `None` when there were too many.
    pub(super) fn visit(&mut self) -> Option<()> {
        self.0 = self.0.checked_sub(1)?;
        Some(())
    }
}

/// Bytes of a pointer in BPF and in every kernel that is spoken of.
const POINTER: u32 = 8;

impl Btf {
    /// Follows `const`, `volatile`, `restrict` and type tags, but not typedefs.
    pub fn skip_modifiers(&self, mut id: TypeId) -> TypeId {
        for _ in 0..MAX_DEPTH {
            match self.ty(id) {
                Some(
                    Type::Const(t) | Type::Volatile(t) | Type::Restrict(t) | Type::TypeTag { target: t, .. },
                ) => id = t,
                _ => break,
            }
        }
        id
    }

    /// Follows modifiers and typedefs; `None` when the chain does not end.
    pub fn resolve(&self, mut id: TypeId) -> Option<TypeId> {
        for _ in 0..MAX_DEPTH {
            match self.ty(id)? {
                Type::Const(t)
                | Type::Volatile(t)
                | Type::Restrict(t)
                | Type::TypeTag { target: t, .. }
                | Type::Typedef { target: t, .. } => id = t,
                _ => return Some(id),
            }
        }
        None
    }

    /// The type behind modifiers and typedefs, decoded.
    pub fn resolved(&self, id: TypeId) -> Option<(TypeId, Type<'_>)> {
        let id = self.resolve(id)?;
        Some((id, self.ty(id)?))
    }

    /// Bytes of a value of this type; `None` for void, functions, forward declarations, and where
    /// the size overflows.
    pub fn size_of(&self, id: TypeId) -> Option<u32> {
        let (mut id, mut count) = (id, 1u32);
        for _ in 0..MAX_DEPTH {
            let size = match self.ty(self.resolve(id)?)? {
                Type::Int { size, .. } | Type::Float { size, .. } => size,
                Type::Struct(c) | Type::Union(c) => c.size,
                Type::Enum(e) => e.size,
                Type::Datasec(d) => d.size,
                Type::Ptr(_) => POINTER,
                Type::Var { ty, .. } => {
                    id = ty;
                    continue;
                }
                Type::Array { elem, len, .. } => {
                    count = count.checked_mul(len)?;
                    id = elem;
                    continue;
                }
                _ => return None,
            };
            return size.checked_mul(count);
        }
        None
    }

    /// The alignment C gives a value of this type, in bytes; 1 for packed structs.
    pub fn align_of(&self, id: TypeId) -> Option<u32> {
        self.align_within(id, MAX_DEPTH, &mut Budget::new())
    }

    fn align_within(&self, id: TypeId, depth: usize, budget: &mut Budget) -> Option<u32> {
        let depth = depth.checked_sub(1)?;
        budget.visit()?;
        Some(match self.ty(self.resolve(id)?)? {
            Type::Int { size, .. } | Type::Float { size, .. } => size.clamp(1, POINTER),
            Type::Enum(e) => e.size.clamp(1, POINTER),
            Type::Ptr(_) => POINTER,
            Type::Array { elem, .. } => self.align_within(elem, depth, budget)?,
            Type::Var { ty, .. } => self.align_within(ty, depth, budget)?,
            Type::Struct(c) | Type::Union(c) => self.composite_align(c, depth, budget)?,
            _ => return None,
        })
    }

    /// The strictest alignment among the members, or 1 where offsets or size show that the struct
    /// is packed.
    fn composite_align(&self, c: Composite<'_>, depth: usize, budget: &mut Budget) -> Option<u32> {
        let mut align = 1;
        for m in c.members() {
            let a = self.align_within(m.ty, depth, budget)?;
            align = align.max(a);
            if m.bit_size == 0 && !m.bit_offset.is_multiple_of(8 * a) {
                return Some(1);
            }
        }
        Some(if !c.size.is_multiple_of(align) { 1 } else { align })
    }

    /// Whether the struct or union cannot have the layout that C gives its members by default.
    pub fn is_packed(&self, c: Composite<'_>) -> bool {
        let mut most = 1;
        let mut budget = Budget::new();
        for m in c.members() {
            let align = self.align_within(m.ty, MAX_DEPTH, &mut budget).unwrap_or(1);
            if m.bit_size == 0 && !m.bit_offset.is_multiple_of(8 * align) {
                return true;
            }
            most = most.max(align);
        }
        !c.size.is_multiple_of(most)
    }

    /// Finds a member by name, looking into anonymous structs and unions; gives its type, its
    /// offset in bits from the start of the outer type, and its bit-field size.
    pub fn find_member(&self, c: Composite<'_>, name: &str) -> Option<(TypeId, u32, u32)> {
        self.find_member_within(c, name, MAX_DEPTH, &mut Budget::new())
    }

    fn find_member_within(
        &self,
        c: Composite<'_>,
        name: &str,
        depth: usize,
        budget: &mut Budget,
    ) -> Option<(TypeId, u32, u32)> {
        let depth = depth.checked_sub(1)?;
        for m in c.members() {
            budget.visit()?;
            if m.name == name {
                return Some((m.ty, m.bit_offset, m.bit_size));
            }
            if m.name.is_empty()
                && let Some((_, inner)) = self.resolved(m.ty)
                && let Some(inner) = inner.composite()
                && let Some((ty, offset, bits)) = self.find_member_within(inner, name, depth, budget)
            {
                return Some((ty, m.bit_offset.checked_add(offset)?, bits));
            }
        }
        None
    }

    /// The tags on a declaration: name and the member or parameter tagged.
    pub fn decl_tags(&self, of: TypeId) -> impl Iterator<Item = (&str, Option<u32>)> + '_ {
        self.types().filter_map(move |(_, ty)| match ty {
            Type::DeclTag { name, target, component, .. } if target == of => Some((name, component)),
            _ => None,
        })
    }

    /// The function with this name and its prototype.
    pub fn find_func(&self, name: &str) -> Option<(TypeId, super::types::FuncProto<'_>)> {
        let id = self.find(name, Kind::Func)?;
        match self.ty(self.ty(id)?.target()?)? {
            Type::FuncProto(proto) => Some((id, proto)),
            _ => None,
        }
    }
}
