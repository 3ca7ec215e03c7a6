//! Map types: what bpf(2) asks of their creation, and which programs and helpers may use them.
//!
//! The creation rules are those that can be told from the attributes alone; limits of memory and
//! of the machine (how many processors, how much may be locked) are left to whoever creates maps.

use super::kind::bit_set;
use super::{Known, MapType, Privilege, ProgSet, Span};

/// What a number in the attributes of a new map must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Anything.
    Any,
    /// Zero.
    Zero,
    /// Exactly this.
    Exactly(u32),
    /// From the first to the second.
    Within(u32, u32),
    /// One of two values.
    Either(u32, u32),
    /// From the first to the second and a multiple of the third.
    MultipleWithin(u32, u32, u32),
    /// A power of two that is a multiple of the page size.
    PagesPowerOfTwo,
    /// Zero, or a multiple of the page size.
    Pages,
}

impl Need {
    /// Whether the number meets the need on a machine with pages of this size.
    pub const fn met_by(self, value: u32, page_size: u32) -> bool {
        match self {
            Self::Any => true,
            Self::Zero => value == 0,
            Self::Exactly(n) => value == n,
            Self::Within(low, high) => low <= value && value <= high,
            Self::Either(a, b) => value == a || value == b,
            Self::MultipleWithin(low, high, of) => low <= value && value <= high && value.is_multiple_of(of),
            Self::PagesPowerOfTwo => value.is_power_of_two() && value.is_multiple_of(page_size),
            Self::Pages => value.is_multiple_of(page_size),
        }
    }
}

/// What a new map must be like, apart from [`Need`]s of single numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MapCondition {
    /// The key and value types must be given in BTF.
    NeedsBtf,
    /// `BPF_F_NO_PREALLOC` must be set.
    NeedsNoPrealloc,
    /// `BPF_F_MMAPABLE` must be set.
    NeedsMmapable,
    /// An inner map must be given.
    NeedsInnerMap,
    /// `BPF_F_NO_PREALLOC` is answered with [`MapErrno::NotSupported`], and `BPF_F_NO_COMMON_LRU` does
    /// not go together with `BPF_F_NUMA_NODE`.
    LruFlags,
    /// Key and value together must stay 48 bytes below 4 MiB, and a per-CPU value within 32 KiB, else `E2BIG`.
    ElementFitsAllocation,
    /// `map_extra` is the number of hash functions, up to 15.
    ExtraIsHashCount,
    /// `map_extra` is a page-aligned address.
    ExtraIsAddress,
    /// Exactly one of a BTF `vmlinux` value type and a module's.
    ValueTypeOfKernel,
    /// The value is a whole number of frames, 127 at most: of 32 bytes with `BPF_F_STACK_BUILD_ID`, of 8 without.
    FrameSizeByFlag,
    /// The number of entries must not be above the number of processors the kernel was built for, else `E2BIG`.
    AtMostCpus,
}

bit_set! {
    /// What a map type can do.
    MapFlags(u32) {
        /// Its value can be addressed by ldimm64 and read without a helper; of an array, if it has one entry.
        DIRECT_VALUE = 0, "direct_value";
        /// User space can map it.
        MMAP = 1, "mmap";
        /// Its values may hold a spin lock.
        SPIN_LOCK = 2, "spin_lock";
        /// Its values may hold a timer.
        TIMER = 3, "timer";
        /// Its values may hold a work queue.
        WORKQUEUE = 4, "workqueue";
        /// Its values may hold pointers to kernel objects.
        KPTR = 5, "kptr";
        /// Its values may hold lists and trees.
        GRAPH_ROOT = 6, "graph_root";
        /// It may be the inner map of a map of maps.
        INNER = 7, "inner";
        /// Sleepable programs may use it.
        SLEEPABLE = 8, "sleepable";
        /// Each processor has its own value.
        PERCPU = 9, "percpu";
        /// Its values are maps.
        OF_MAPS = 10, "of_maps";
        /// Programs can never use it.
        NOT_IN_PROGRAMS = 11, "not_in_programs";
        /// A program may hold at most one of it.
        ONE_PER_PROGRAM = 12, "one_per_program";
        /// It gives programs a dense array of values, so a constant index within bounds always finds one.
        ARRAY_LIKE = 13, "array_like";
        /// Its values may hold a pointer to user memory.
        UPTR = 14, "uptr";
        /// Its values may hold deferred task work.
        TASK_WORK = 15, "task_work";
        /// Its values may hold a resilient spin lock.
        RES_SPIN_LOCK = 16, "res_spin_lock";
        /// User space can freeze it, and a program then sees constants.
        CONSTANT_WHEN_FROZEN = 17, "constant_when_frozen";
        /// Programs may only read its values, whatever its flags.
        RDONLY_IN_PROGRAMS = 18, "rdonly_in_programs";
        /// It holds programs: the first program that uses it decides which type its users must have, else `EINVAL`.
        OWNED = 19, "owned";
    }
}

bit_set! {
    /// Flags of bpf(2)'s map creation.
    MapCreateFlags(u32) {
        /// `BPF_F_NO_PREALLOC`
        NO_PREALLOC = 0, "no_prealloc";
        /// `BPF_F_NO_COMMON_LRU`
        NO_COMMON_LRU = 1, "no_common_lru";
        /// `BPF_F_NUMA_NODE`
        NUMA_NODE = 2, "numa_node";
        /// `BPF_F_RDONLY`
        RDONLY = 3, "rdonly";
        /// `BPF_F_WRONLY`
        WRONLY = 4, "wronly";
        /// `BPF_F_STACK_BUILD_ID`
        STACK_BUILD_ID = 5, "stack_build_id";
        /// `BPF_F_ZERO_SEED`
        ZERO_SEED = 6, "zero_seed";
        /// `BPF_F_RDONLY_PROG`
        RDONLY_PROG = 7, "rdonly_prog";
        /// `BPF_F_WRONLY_PROG`
        WRONLY_PROG = 8, "wronly_prog";
        /// `BPF_F_CLONE`
        CLONE = 9, "clone";
        /// `BPF_F_MMAPABLE`
        MMAPABLE = 10, "mmapable";
        /// `BPF_F_PRESERVE_ELEMS`
        PRESERVE_ELEMS = 11, "preserve_elems";
        /// `BPF_F_INNER_MAP`
        INNER_MAP = 12, "inner_map";
        /// `BPF_F_LINK`
        LINK = 13, "link";
        /// `BPF_F_PATH_FD`
        PATH_FD = 14, "path_fd";
        /// `BPF_F_VTYPE_BTF_OBJ_FD`
        VTYPE_BTF_OBJ_FD = 15, "vtype_btf_obj_fd";
        /// `BPF_F_TOKEN_FD`
        TOKEN_FD = 16, "token_fd";
        /// `BPF_F_SEGV_ON_FAULT`
        SEGV_ON_FAULT = 17, "segv_on_fault";
        /// `BPF_F_NO_USER_CONV`
        NO_USER_CONV = 18, "no_user_conv";
        /// `BPF_F_RB_OVERWRITE`
        RB_OVERWRITE = 19, "rb_overwrite";
    }
}

/// An error number that bpf(2) gives for a refused map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum MapErrno {
    /// `E2BIG`
    TooBig = 7,
    /// `EINVAL`
    Invalid = 22,
    /// `ENOTSUPP`, a number of the kernel's own that reaches user space all the same.
    NotSupported = 524,
}

impl MapErrno {
    /// The error number.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// One need of creation with the error it raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapNeed {
    /// What is asked.
    pub need: Need,
    /// The error when the number is too large in itself (otherwise [`MapErrno::Invalid`]).
    pub too_big: MapErrno,
}

/// A map type.
#[derive(Clone, Copy, Debug)]
pub struct MapRecord {
    /// The type.
    pub map_type: MapType,
    /// The versions that know it.
    pub span: Span,
    /// How the record is known.
    pub known: Known,
    /// What the key size must be.
    pub key_size: MapNeed,
    /// What the value size must be.
    pub value_size: MapNeed,
    /// What the number of entries must be.
    pub max_entries: MapNeed,
    /// The flags that are allowed.
    pub create_flags: MapCreateFlags,
    /// What else is asked.
    pub conditions: &'static [MapCondition],
    /// The privilege needed to create it.
    pub need: Privilege,
    /// What it can do.
    pub flags: MapFlags,
    /// When sleepable programs could first use it, if they can at all.
    pub sleepable_since: super::KernelVersion,
    /// The program types that may not use it.
    pub not_in: ProgSet,
    /// The helpers that take it; when there is no list, every helper that is not bound to other map types does.
    pub helpers: Option<&'static [MapHelper]>,
}

/// A helper that a map type accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapHelper {
    /// The helper's id.
    pub id: u32,
    /// The versions.
    pub span: Span,
    /// The programs, where not all may.
    pub who: super::Selector,
}

/// A helper that accepts some map types alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperMaps {
    /// The helper's id.
    pub id: u32,
    /// The map types, as bits by number.
    pub maps: u64,
}
