//! Sizes, alignments and chains of types.
//!
//! Every walk is bounded: hostile type information may be cyclic or nest without end.

use super::read::Btf;
use super::types::{Composite, Kind, Type, TypeId};

/// Modifiers, typedefs and arrays may nest this deep (Linux `MAX_RESOLVE_DEPTH`).
pub const MAX_DEPTH: usize = 32;

/// Bytes of a pointer in BPF and in every kernel that is spoken of.
const POINTER: u32 = 8;

/// Members looked at in one walk. The widest struct of a kernel has some thousands with all that is
/// nested in it; types made to nest in each other many times would have no end of them.
const MAX_VISITS: u32 = 1 << 20;

/// How C lays out a struct or union.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CLayout {
    pub packed: bool,
    /// Bytes.
    pub align: u32,
}

/// The alignment of a type that has no parts, in bytes.
pub(super) fn scalar_align(ty: &Type<'_>) -> Option<u32> {
    let size = match *ty {
        Type::Int { size, .. } | Type::Float { size, .. } => size,
        Type::Enum(e) => e.size,
        Type::Ptr(_) => POINTER,
        _ => return None,
    };
    // Integers of 128 bits are aligned to their size on x86-64 and BPF alike.
    Some(size.clamp(1, 16))
}

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

    /// The alignment C gives a value of this type, in bytes; 1 for packed structs. `None` also for
    /// types that nest too deep or too wide to tell.
    pub fn align_of(&self, id: TypeId) -> Option<u32> {
        self.align_within(id, MAX_DEPTH, &mut MAX_VISITS.clone())
    }

    fn align_within(&self, id: TypeId, depth: usize, visits: &mut u32) -> Option<u32> {
        let depth = depth.checked_sub(1)?;
        *visits = visits.checked_sub(1)?;
        match self.ty(self.resolve(id)?)? {
            Type::Struct(c) | Type::Union(c) => {
                let layout = self.c_layout(c, |id| self.align_within(id, depth, visits))?;
                Some(layout.align)
            }
            Type::Array { elem, .. } => self.align_within(elem, depth, visits),
            Type::Var { ty, .. } => self.align_within(ty, depth, visits),
            ty => scalar_align(&ty),
        }
    }

    /// What C does with the members of a struct or union, whose alignments the caller knows.
    ///
    /// Type information does not say that a struct is packed; it shows where a member does not
    /// stand, or a size is not, where C would put it.
    pub(super) fn c_layout(
        &self,
        c: Composite<'_>,
        mut align_of: impl FnMut(TypeId) -> Option<u32>,
    ) -> Option<CLayout> {
        let mut layout = CLayout { packed: false, align: 1 };
        for m in c.members() {
            let align = align_of(m.ty)?;
            layout.align = layout.align.max(align);
            layout.packed |= match m.bit_size {
                0 => !m.bit_offset.is_multiple_of(8 * align),
                bits => {
                    let unit = self.size_of(m.ty)?.checked_mul(8).filter(|&u| u > 0)?;
                    m.bit_offset / unit != m.bit_offset.checked_add(bits - 1)? / unit
                }
            };
        }
        layout.packed |= !c.size.is_multiple_of(layout.align);
        if layout.packed {
            layout.align = 1;
        }
        Some(layout)
    }

    /// Whether the struct or union cannot have the layout that C gives its members by default.
    pub fn is_packed(&self, c: Composite<'_>) -> bool {
        self.c_layout(c, |id| self.align_of(id)).is_some_and(|l| l.packed)
    }

    /// Finds a member by name, looking into anonymous structs and unions; gives its type, its
    /// offset in bits from the start of the outer type, and its bit-field size.
    pub fn find_member(&self, c: Composite<'_>, name: &str) -> Option<(TypeId, u32, u32)> {
        self.find_member_within(c, name, MAX_DEPTH, &mut MAX_VISITS.clone())
    }

    fn find_member_within(
        &self,
        c: Composite<'_>,
        name: &str,
        depth: usize,
        visits: &mut u32,
    ) -> Option<(TypeId, u32, u32)> {
        let depth = depth.checked_sub(1)?;
        for m in c.members() {
            *visits = visits.checked_sub(1)?;
            if m.name == name {
                return Some((m.ty, m.bit_offset, m.bit_size));
            }
            if m.name.is_empty()
                && let Some((_, inner)) = self.resolved(m.ty)
                && let Some(inner) = inner.composite()
                && let Some((ty, offset, bits)) = self.find_member_within(inner, name, depth, visits)
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
