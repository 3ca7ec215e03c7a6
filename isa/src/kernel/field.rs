//! Special fields: parts of values and objects that only helpers and kfuncs may touch.
//!
//! A record says how the kernel tells the field (Linux `btf_get_field_type`, `btf_find_kptr`), how
//! large it is, and where it may stand. How a type is searched for them is the verifier's.

use super::map::MapFlags;
use super::version::Span;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $shown:literal;)+) => {
        /// What a special field is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FieldKind { $($(#[$doc])* $variant,)+ }

        impl FieldKind {
            /// Reads the name that fact files use.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// The name that the verifier's messages use (Linux `btf_field_type_str`).
            pub const fn shown(self) -> &'static str {
                match self { $(Self::$variant => $shown,)+ }
            }
        }
    };
}

kinds! {
    /// `struct bpf_spin_lock`
    SpinLock = "spin_lock", "bpf_spin_lock";
    /// `struct bpf_res_spin_lock`
    ResSpinLock = "res_spin_lock", "bpf_res_spin_lock";
    /// `struct bpf_timer`
    Timer = "timer", "bpf_timer";
    /// `struct bpf_wq`
    Workqueue = "workqueue", "bpf_wq";
    /// `struct bpf_task_work`
    TaskWork = "task_work", "bpf_task_work";
    /// `struct bpf_list_head`
    ListHead = "list_head", "bpf_list_head";
    /// `struct bpf_list_node`
    ListNode = "list_node", "bpf_list_node";
    /// `struct bpf_rb_root`
    RbRoot = "rb_root", "bpf_rb_root";
    /// `struct bpf_rb_node`
    RbNode = "rb_node", "bpf_rb_node";
    /// `struct bpf_refcount`
    Refcount = "refcount", "bpf_refcount";
    /// A pointer to a kernel object that is not held.
    KptrUntrusted = "kptr_untrusted", "kptr";
    /// A pointer to an object that is held.
    Kptr = "kptr", "kptr";
    /// A pointer to an object of which each processor has its own.
    PercpuKptr = "percpu_kptr", "percpu_kptr";
    /// A pointer to memory of user space.
    Uptr = "uptr", "uptr";
}

impl FieldKind {
    /// A pointer, which loads and stores may touch in their own way.
    pub const fn is_pointer(self) -> bool {
        matches!(self, Self::KptrUntrusted | Self::Kptr | Self::PercpuKptr | Self::Uptr)
    }

    /// The root of a list or tree of objects.
    pub const fn is_root(self) -> bool {
        matches!(self, Self::ListHead | Self::RbRoot)
    }

    /// What makes an object a member of a list or tree.
    pub const fn is_node(self) -> bool {
        matches!(self, Self::ListNode | Self::RbNode)
    }

    /// A lock.
    pub const fn is_lock(self) -> bool {
        matches!(self, Self::SpinLock | Self::ResSpinLock)
    }
}

/// How the kernel tells a special field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldSign {
    /// By the name of its structure.
    Struct(&'static str),
    /// By the type tag between the pointer and what it points to.
    Tag(&'static str),
}

/// One kind of special field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldRecord {
    /// What it is.
    pub kind: FieldKind,
    /// How it is told.
    pub sign: FieldSign,
    /// The versions that know it.
    pub span: Span,
    /// Its bytes.
    pub size: u32,
    /// What its offset is a multiple of; others are no special fields.
    pub align: u32,
    /// No value has two of them.
    pub once: bool,
    /// It may be an element of an array.
    pub repeats: bool,
    /// What a map type must be able to hold; empty for a field of objects alone.
    pub map: MapFlags,
}
