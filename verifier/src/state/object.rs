//! Objects of the kernel that live on a program's stack: dynptrs and iterators.
//!
//! Rules: the `dynptr` and `iter` members of `struct bpf_reg_state` of Linux 6.18. A dynptr fills two
//! slots, an iterator as many as its type has words; each slot holds a register that says what it is
//! part of. Ordinary loads and stores of registers never see these.

use super::{Kind, Mods, Reg};
use crate::types::Part;
use oxbpf_isa::btf::TypeId;

/// Slots of a dynptr.
pub const DYNPTR_SLOTS: usize = 2;

/// The memory that a dynptr is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DynptrType {
    Local,
    Ringbuf,
    Skb,
    Xdp,
    SkbMeta,
}

impl DynptrType {
    const ALL: [DynptrType; 5] =
        [DynptrType::Local, DynptrType::Ringbuf, DynptrType::Skb, DynptrType::Xdp, DynptrType::SkbMeta];

    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            DynptrType::Local => "local",
            DynptrType::Ringbuf => "ringbuf",
            DynptrType::Skb => "skb",
            DynptrType::Xdp => "xdp",
            DynptrType::SkbMeta => "skb_meta",
        }
    }

    /// The mark on slices of such memory.
    pub const fn mods(self) -> Mods {
        match self {
            DynptrType::Local => Mods::DYNPTR_LOCAL,
            DynptrType::Ringbuf => Mods::DYNPTR_RINGBUF,
            DynptrType::Skb => Mods::DYNPTR_SKB,
            DynptrType::Xdp => Mods::DYNPTR_XDP,
            DynptrType::SkbMeta => Mods::DYNPTR_SKB_META,
        }
    }

    /// Whether the memory has to be given back.
    pub const fn is_referenced(self) -> bool {
        matches!(self, DynptrType::Ringbuf)
    }
}

impl Reg {
    /// One slot of a dynptr, or a dynptr that the kernel lends.
    pub fn dynptr(ty: DynptrType, first: bool, id: u32) -> Reg {
        Reg { a: ty as u32, b: first as u32, id, ..Reg::pointer(Kind::Dynptr, Mods::NONE) }
    }

    pub fn dynptr_type(&self) -> Option<DynptrType> {
        if self.kind != Kind::Dynptr {
            return None;
        }
        DynptrType::ALL.get(self.a as usize).copied()
    }

    /// Whether the slot is the upper one of a dynptr.
    pub fn is_first_of_dynptr(&self) -> bool {
        self.kind == Kind::Dynptr && self.b != 0
    }

    /// One slot of an iterator that was just started.
    pub fn iter(part: Part, id: TypeId, mods: Mods, ref_id: u32) -> Reg {
        Reg { a: id.0, b: part.0, ref_id, ..Reg::pointer(Kind::Stack, mods) }
    }

    /// Whether the iterator can have more elements.
    pub fn iter_is_active(&self) -> bool {
        self.off & 1 == 0
    }

    /// How often the iterator was advanced on this path.
    pub fn iter_depth(&self) -> u32 {
        (self.off >> 1) as u32
    }

    /// The iterator gave another element.
    pub fn advance_iter(&mut self) {
        self.off = self.off.wrapping_add(2);
    }

    /// The iterator has no more elements.
    pub fn drain_iter(&mut self) {
        self.off |= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_what_they_are() {
        for ty in DynptrType::ALL {
            for first in [false, true] {
                let reg = Reg::dynptr(ty, first, 7);
                assert_eq!((reg.dynptr_type(), reg.is_first_of_dynptr(), reg.id), (Some(ty), first, 7));
            }
        }
        let mut iter = Reg::iter(Part::VMLINUX, TypeId(5), Mods::NONE, 3);
        iter.advance_iter();
        iter.advance_iter();
        assert!(iter.iter_is_active() && iter.iter_depth() == 2);
        iter.drain_iter();
        assert!(!iter.iter_is_active() && iter.iter_depth() == 2 && iter.dynptr_type().is_none());
    }
}
