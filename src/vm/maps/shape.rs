//! What a map is made from, and what every map carries: its shape, the settings of its host, and
//! the state that is the same for all families (name, id, frozen, writers).
//!
//! Flag values are uapi `BPF_F_*` of map creation; permission rules follow Linux
//! `map_get_sys_perms` and `bpf_map_flags_access_ok`. Which flags a family allows is decided in
//! [`rules`](super::rules).

use super::errno::Errno;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::MapDef;

/// Flags of map creation (uapi `BPF_F_*`).
pub mod flag {
    pub const NO_PREALLOC: u32 = 1 << 0;
    pub const NO_COMMON_LRU: u32 = 1 << 1;
    pub const NUMA_NODE: u32 = 1 << 2;
    /// Not writable through bpf(2).
    pub const RDONLY: u32 = 1 << 3;
    /// Not readable through bpf(2).
    pub const WRONLY: u32 = 1 << 4;
    pub const STACK_BUILD_ID: u32 = 1 << 5;
    pub const ZERO_SEED: u32 = 1 << 6;
    /// Not writable by programs.
    pub const RDONLY_PROG: u32 = 1 << 7;
    /// Not readable by programs.
    pub const WRONLY_PROG: u32 = 1 << 8;
    pub const CLONE: u32 = 1 << 9;
    pub const MMAPABLE: u32 = 1 << 10;
    pub const PRESERVE_ELEMS: u32 = 1 << 11;
    pub const INNER_MAP: u32 = 1 << 12;
    pub const LINK: u32 = 1 << 13;
    pub const PATH_FD: u32 = 1 << 14;
    pub const VTYPE_BTF_OBJ_FD: u32 = 1 << 15;
    pub const TOKEN_FD: u32 = 1 << 16;
    pub const SEGV_ON_FAULT: u32 = 1 << 17;
    pub const NO_USER_CONV: u32 = 1 << 18;
    /// The four access flags.
    pub const ACCESS: u32 = RDONLY | WRONLY | RDONLY_PROG | WRONLY_PROG;
}

/// Flags of update (uapi `BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`, `BPF_F_LOCK`).
pub mod update {
    pub const ANY: u64 = 0;
    pub const NOEXIST: u64 = 1;
    pub const EXIST: u64 = 2;
    pub const LOCK: u64 = 4;
}

/// The numbers a map is created with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapShape {
    pub map_type: MapType,
    /// Bytes in a key.
    pub key_size: u32,
    /// Bytes in a value.
    pub value_size: u32,
    pub max_entries: u32,
    /// [`flag`] bits.
    pub flags: u32,
    pub map_extra: u64,
}

impl MapShape {
    /// A shape without flags.
    pub const fn new(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapShape {
        MapShape { map_type, key_size, value_size, max_entries, flags: 0, map_extra: 0 }
    }

    /// The same shape with these flags.
    pub const fn with_flags(self, flags: u32) -> MapShape {
        MapShape { flags, ..self }
    }

    /// The same shape with this `map_extra`.
    pub const fn with_extra(self, map_extra: u64) -> MapShape {
        MapShape { map_extra, ..self }
    }

    /// The shape of a definition; none when its map type has no known number.
    pub fn of(def: &MapDef) -> Option<MapShape> {
        Some(MapShape {
            map_type: def.kind()?,
            key_size: def.key_size,
            value_size: def.value_size,
            max_entries: def.max_entries,
            flags: def.flags,
            map_extra: def.map_extra,
        })
    }

    /// Whether any of the flags is set.
    pub const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Whether each CPU has a value of its own.
    pub const fn is_percpu(&self) -> bool {
        matches!(
            self.map_type,
            MapType::PercpuArray
                | MapType::PercpuHash
                | MapType::LruPercpuHash
                | MapType::PercpuCgroupStorage
        )
    }

    /// Whether bpf(2) shows values as four-byte handles (maps of maps, programs, events, cgroups).
    pub const fn holds_handles(&self) -> bool {
        matches!(
            self.map_type,
            MapType::ProgArray
                | MapType::PerfEventArray
                | MapType::CgroupArray
                | MapType::ArrayOfMaps
                | MapType::HashOfMaps
        )
    }

    /// Bytes of a value as bpf(2) copies it on a machine with this many CPUs.
    pub const fn user_value_size(&self, cpus: u32) -> usize {
        if self.is_percpu() {
            round8(self.value_size as usize) * cpus as usize
        } else if self.holds_handles() {
            4
        } else {
            self.value_size as usize
        }
    }
}

/// Rounds up to a multiple of eight.
pub const fn round8(n: usize) -> usize {
    n.saturating_add(7) & !7
}

/// What a member of a value is, when it is not plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpecialKind {
    /// `struct bpf_spin_lock`: four bytes, 0 free, 1 held.
    SpinLock,
    /// A timer, kptr, list, tree or other object that only programs may touch.
    Object,
}

/// A member of a value that copies leave alone: reads show zeros, updates keep what is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpecialField {
    pub offset: u32,
    pub size: u32,
    pub kind: SpecialKind,
}

/// What the host decides about the maps it creates.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Possible CPUs: how many values a per-CPU map keeps for each key. From 1 to
    /// [`Settings::CPUS_MAX`]; other numbers are taken for the nearer of the two.
    pub cpus: u32,
    /// Most bytes one map may take, counted at creation for what is allocated at creation and on
    /// growth for the rest.
    pub memory_limit: u64,
    /// Seed of the hash functions; `BPF_F_ZERO_SEED` overrides it with 0.
    pub seed: u64,
    /// Page size, which ring buffers and arenas are measured in. A power of two.
    pub page_size: u32,
}

impl Settings {
    /// Most CPUs a kernel can be built for (x86 `CONFIG_NR_CPUS`).
    pub const CPUS_MAX: u32 = 8192;

    /// The bound of [`Settings::memory_limit`] unless said otherwise: 4 GiB, or 1 GiB where
    /// addresses have 32 bits.
    pub const DEFAULT_MEMORY_LIMIT: u64 = if usize::BITS >= 64 { 4 << 30 } else { 1 << 30 };
}

impl Default for Settings {
    /// As many CPUs as the host runs in parallel, and a seed that differs from run to run.
    fn default() -> Settings {
        use std::hash::{BuildHasher, RandomState};
        let cpus = std::thread::available_parallelism()
            .map_or(1, |n| n.get().min(Settings::CPUS_MAX as usize) as u32);
        let seed = RandomState::new().hash_one(0u64);
        Settings { cpus, memory_limit: Settings::DEFAULT_MEMORY_LIMIT, seed, page_size: 4096 }
    }
}

/// The part of a map that is the same in every family.
#[derive(Debug)]
pub struct MapHead {
    name: Box<str>,
    shape: MapShape,
    cpus: u32,
    id: u32,
    frozen: AtomicBool,
    /// Calls that freezing ends and that have not returned: those of the user side that may write, and
    /// others where programs may not.
    writers: AtomicU32,
    special: Box<[SpecialField]>,
}

impl MapHead {
    pub(super) fn new(
        name: &str,
        shape: MapShape,
        cpus: u32,
        id: u32,
        mut special: Vec<SpecialField>,
    ) -> MapHead {
        special.sort_by_key(|f| f.offset);
        let (frozen, writers) = (AtomicBool::new(false), AtomicU32::new(0));
        MapHead { name: name.into(), shape, cpus, id, frozen, writers, special: special.into() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn shape(&self) -> &MapShape {
        &self.shape
    }

    /// Possible CPUs: a CPU argument is below this.
    pub const fn cpus(&self) -> u32 {
        self.cpus
    }

    /// The number the user side of a map of maps shows for this map.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Members of the value that copies leave alone, by offset.
    pub fn special(&self) -> &[SpecialField] {
        &self.special
    }

    /// Offset of the value's `struct bpf_spin_lock`.
    pub fn spin_lock(&self) -> Option<u32> {
        self.special.iter().find(|f| f.kind == SpecialKind::SpinLock).map(|f| f.offset)
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    /// Whether nobody may ever write it again: neither programs nor the user side, nor is a writer at work
    /// that came before it was frozen.
    pub fn is_constant(&self) -> bool {
        // A writer counts itself before it looks whether the map is frozen.
        !self.program_may_write() && self.is_frozen() && self.writers.load(Ordering::SeqCst) == 0
    }

    /// Whether programs may read values directly and through lookups.
    pub const fn program_may_read(&self) -> bool {
        !self.shape.has(flag::WRONLY_PROG)
    }

    /// Whether programs may write values.
    pub const fn program_may_write(&self) -> bool {
        !self.shape.has(flag::RDONLY_PROG)
    }

    pub(super) const fn user_may_read(&self) -> bool {
        !self.shape.has(flag::WRONLY)
    }

    pub(super) fn user_may_write(&self) -> bool {
        !self.shape.has(flag::RDONLY) && !self.is_frozen()
    }

    /// Counts a writer for as long as the guard lives.
    pub(super) fn write_active(&self) -> WriteActive<'_> {
        self.writers.fetch_add(1, Ordering::SeqCst);
        WriteActive(self)
    }

    /// Ends all writing by the user side; refused while a writer is at work or when done before.
    pub(super) fn freeze(&self) -> Result<(), Errno> {
        if self.writers.load(Ordering::SeqCst) != 0 || self.frozen.swap(true, Ordering::SeqCst) {
            return Err(Errno::Busy);
        }
        Ok(())
    }
}

/// A writer at work.
pub(super) struct WriteActive<'a>(&'a MapHead);

impl Drop for WriteActive<'_> {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::SeqCst);
    }
}
