//! What is known of a program that was proved safe, instruction by instruction.
//!
//! A verifier writes these facts down while it walks over a program; engines use them to spare checks
//! and to make better code. They are plain data: anyone can make some up, so nobody may rely on them
//! without having them from a verifier. Slots are those of [`Program::insns`](crate::program::Program).
//!
//! A fact holds for every time that an instruction is executed, on any path, with any input.

use alloc::vec::Vec;

/// The facts of a program.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// By slot.
    pub insns: Vec<InsnFacts>,
    /// Bytes of stack of the deepest chain of calls.
    pub max_stack: u32,
    /// How many instructions a run executes at most. None where that rests on what helpers count: loops
    /// by callback, by iterator or by `may_goto`.
    pub bound: Option<u64>,
    /// How the context is used.
    pub context: ContextUse,
    /// Numbers of processors are below this.
    pub cpus: u32,
}

/// How a program uses its context.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ContextUse {
    /// Bytes from its beginning that are read or written.
    pub extent: u32,
    /// It is read, written or given to a helper.
    pub needed: bool,
    /// Addresses of the packet are read from it.
    pub packet: bool,
}

/// What is known of the instruction in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InsnFacts {
    /// Whether any path leads here. What is below holds only then.
    pub reached: bool,
    /// Of a conditional jump: whether it is ever taken.
    pub taken: bool,
    /// Of a conditional jump: whether it is ever not taken.
    pub falls_through: bool,
    /// What a load, store or atomic operation accesses.
    pub access: Option<Access>,
    /// What a load always gives.
    pub loaded: Option<u64>,
    /// The map that a helper is called with.
    pub map: Option<MapUse>,
}

/// What an instruction accesses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    pub region: Region,
    /// The least and the greatest offset of the first byte, from where the region begins; for the stack
    /// from the frame pointer, for packets from the start of the packet's data.
    pub min: i64,
    pub max: i64,
}

/// What a pointer points into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Region {
    /// The frame of the function that is running.
    Stack,
    /// The frame of one that called it.
    CallerStack,
    Context,
    Packet,
    /// The metadata before a packet, offsets being from where it begins.
    Metadata,
    /// A value of the map with this index; all values are alike.
    MapValue {
        map: u32,
    },
    /// A value of a map that was found in the map with this index.
    InnerMapValue {
        map: u32,
    },
    /// A key of the map with this index, that a callback was given.
    MapKey {
        map: u32,
    },
    /// Memory of at least so many bytes that a helper gave or a function was called with.
    Memory {
        size: u32,
    },
    /// Different regions at different times; the offsets say nothing.
    Several,
}

/// The map of a helper call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapUse {
    /// The map's index, or that of the map it was found in; none where it differs.
    pub map: Option<u32>,
    /// Whether it was found in another map.
    pub inner: bool,
    /// The key, where it is always the same number of at most eight bytes.
    pub key: Option<u64>,
}

impl Facts {
    /// What is known of the instruction in a slot; nothing outside the program.
    pub fn insn(&self, slot: usize) -> InsnFacts {
        self.insns.get(slot).copied().unwrap_or_default()
    }
}

impl InsnFacts {
    /// Notes one more time that memory is accessed.
    pub fn note_access(&mut self, access: Access) {
        self.access = Some(match self.access {
            None => access,
            Some(before) => before.joined(access),
        });
    }

    /// Notes one more time that something is loaded; `first` if it was not before.
    pub fn note_loaded(&mut self, value: Option<u64>, first: bool) {
        self.loaded = if first || self.loaded == value { value } else { None };
    }

    /// Notes one more time that a helper is called with a map.
    pub fn note_map(&mut self, map: u32, inner: bool, key: Option<u64>) {
        let new = MapUse { map: Some(map), inner, key };
        self.map = Some(match self.map {
            None => new,
            Some(before) => MapUse {
                map: before.map.filter(|_| before.map == new.map && before.inner == inner),
                inner: before.inner || inner,
                key: before.key.filter(|_| before.key == key),
            },
        });
    }
}

impl Access {
    /// What holds of both.
    fn joined(self, other: Access) -> Access {
        let region = match (self.region, other.region) {
            (a, b) if a == b => a,
            (Region::Memory { size: a }, Region::Memory { size: b }) => Region::Memory { size: a.min(b) },
            _ => Region::Several,
        };
        Access { region, min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(region: Region, min: i64, max: i64) -> Access {
        Access { region, min, max }
    }

    #[test]
    fn what_is_noted_twice_holds_for_both() {
        let mut facts = InsnFacts::default();
        facts.note_access(at(Region::Stack, -8, -8));
        facts.note_access(at(Region::Stack, -16, -12));
        assert_eq!(facts.access, Some(at(Region::Stack, -16, -8)));
        facts.note_access(at(Region::MapValue { map: 0 }, 0, 4));
        assert_eq!(facts.access.unwrap().region, Region::Several);
        let mut memory = InsnFacts::default();
        memory.note_access(at(Region::Memory { size: 16 }, 0, 0));
        memory.note_access(at(Region::Memory { size: 8 }, 4, 4));
        assert_eq!(memory.access, Some(at(Region::Memory { size: 8 }, 0, 4)));
    }

    #[test]
    fn constants_are_kept_only_while_they_agree() {
        let mut facts = InsnFacts::default();
        facts.note_loaded(Some(7), true);
        facts.note_loaded(Some(7), false);
        assert_eq!(facts.loaded, Some(7));
        facts.note_loaded(None, false);
        facts.note_loaded(Some(7), false);
        assert_eq!(facts.loaded, None);
        facts.note_map(1, false, Some(3));
        facts.note_map(1, false, Some(4));
        assert_eq!(facts.map, Some(MapUse { map: Some(1), inner: false, key: None }));
        facts.note_map(2, false, None);
        facts.note_map(2, false, Some(3));
        assert_eq!(facts.map.unwrap().map, None);
        assert_eq!(facts.map.unwrap().key, None);
    }
}
