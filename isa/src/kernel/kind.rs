//! Which program a fact is about: its type, where it attaches, whether it may sleep.
//!
//! The numbers of program types are open: bpf(2)'s own come first, an embedder's begin at
//! [`ProgTypeId::FIRST_CUSTOM`]. What a type allows is a fact of the [model](super::KernelModel).

use core::fmt;

use super::{AttachType, ProgType};

/// A program type: one of the kernel's, or one that an embedder added to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgTypeId(u16);

impl ProgTypeId {
    /// The first number for types of embedders; below it lie those of bpf(2).
    pub const FIRST_CUSTOM: u16 = 64;

    /// The embedder's type with this index.
    pub const fn custom(index: u16) -> Option<Self> {
        match Self::FIRST_CUSTOM.checked_add(index) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The kernel's type, unless an embedder added it.
    pub const fn kernel(self) -> Option<ProgType> {
        ProgType::from_number(self.0 as u32)
    }

    /// The number: bpf(2)'s, or one from [`Self::FIRST_CUSTOM`] on.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The index among an embedder's types.
    pub const fn custom_index(self) -> Option<usize> {
        match self.0.checked_sub(Self::FIRST_CUSTOM) {
            Some(index) => Some(index as usize),
            None => None,
        }
    }
}

impl From<ProgType> for ProgTypeId {
    fn from(value: ProgType) -> Self {
        Self(value as u16)
    }
}

impl fmt::Display for ProgTypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kernel() {
            Some(prog_type) => prog_type.fmt(f),
            None => write!(f, "custom{}", self.0.saturating_sub(Self::FIRST_CUSTOM)),
        }
    }
}

/// What is known of a program before its first instruction is read.
///
/// `attach_type` is the number given to bpf(2) as expected attach type: a type that does not
/// distinguish leaves it 0, which is also the number of
/// [`CgroupInetIngress`](AttachType::CgroupInetIngress), as in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgKind {
    /// The program type.
    pub prog_type: ProgTypeId,
    /// The expected attach type.
    pub attach_type: AttachType,
    /// Whether the program was loaded as sleepable.
    pub sleepable: bool,
    /// What is special about the very function the program attaches to.
    pub hook: HookTraits,
}

impl ProgKind {
    /// A program of this type with no attach type, that does not sleep.
    pub fn new(prog_type: impl Into<ProgTypeId>) -> Self {
        Self {
            prog_type: prog_type.into(),
            attach_type: AttachType::CgroupInetIngress,
            sleepable: false,
            hook: HookTraits::NONE,
        }
    }

    /// The same with this attach type.
    #[must_use]
    pub fn attached_to(mut self, attach_type: AttachType) -> Self {
        self.attach_type = attach_type;
        self
    }

    /// The same, sleepable or not.
    #[must_use]
    pub fn with_sleepable(mut self, sleepable: bool) -> Self {
        self.sleepable = sleepable;
        self
    }

    /// The same with these traits of its attach target.
    #[must_use]
    pub fn with_hook(mut self, hook: HookTraits) -> Self {
        self.hook = hook;
        self
    }
}

macro_rules! bit_set {
    ($(#[$doc:meta])* $name:ident($int:ty) { $($(#[$bit_doc:meta])* $bit:ident = $shift:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name($int);

        impl $name {
            /// No bit.
            pub const NONE: Self = Self(0);
            $($(#[$bit_doc])* pub const $bit: Self = Self(1 << $shift);)*
            /// Every named bit with its name.
            pub const NAMED: &'static [(Self, &'static str)] = &[$((Self::$bit, $text),)*];

            /// The set with exactly these bits.
            pub const fn from_bits(bits: $int) -> Self { Self(bits) }
            /// The bits.
            pub const fn bits(self) -> $int { self.0 }
            /// Whether all of `other` is in this set.
            pub const fn contains(self, other: Self) -> bool { self.0 & other.0 == other.0 }
            /// Whether some of `other` is in this set.
            pub const fn intersects(self, other: Self) -> bool { self.0 & other.0 != 0 }
            /// Whether no bit is set.
            pub const fn is_empty(self) -> bool { self.0 == 0 }
            /// Both sets together.
            #[must_use]
            pub const fn union(self, other: Self) -> Self { Self(self.0 | other.0) }
            /// This set without `other`.
            #[must_use]
            pub const fn without(self, other: Self) -> Self { Self(self.0 & !other.0) }
            /// The bit with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::NAMED.iter().find(|(_, text)| *text == name).map(|(bit, _)| *bit)
            }
        }

        impl core::ops::BitOr for $name {
            type Output = Self;
            fn bitor(self, other: Self) -> Self { self.union(other) }
        }

        impl core::ops::BitOrAssign for $name {
            fn bitor_assign(&mut self, other: Self) { *self = self.union(other); }
        }
    };
}
pub(crate) use bit_set;

bit_set! {
    /// Properties of the attach target that facts depend on; who resolves the target sets them.
    HookTraits(u32) {
        /// A function that returns nothing. Its BTF says so; the facts do not.
        VOID = 0, "void";
        /// An LSM hook whose result is a truth value rather than an error number.
        BOOL = 1, "bool";
        /// An LSM hook that sleepable programs may attach to.
        LSM_SLEEPABLE = 2, "lsm_sleepable";
        /// An LSM hook that no program may attach to.
        LSM_DISABLED = 3, "lsm_disabled";
        /// An LSM hook whose arguments are not trusted.
        LSM_UNTRUSTED = 4, "lsm_untrusted";
        /// An LSM hook about a socket that is in no cgroup yet, so that the current task's cgroup counts.
        LSM_CURRENT = 5, "lsm_current";
        /// An LSM hook called with a locked socket.
        LSM_LOCKED_SOCK = 6, "lsm_locked_sock";
        /// An LSM hook called with a socket that is not locked.
        LSM_UNLOCKED_SOCK = 7, "lsm_unlocked_sock";
        /// The structure of operations of TCP congestion control.
        TCP_CONGESTION_OPS = 8, "tcp_congestion_ops";
        /// The release operation of TCP congestion control.
        TCP_CONGESTION_RELEASE = 9, "tcp_congestion_release";
        /// The structure of operations of the extensible scheduler.
        SCHED_EXT_OPS = 10, "sched_ext_ops";
        /// An iterator over sockets that hands them out locked.
        ITER_SOCK = 11, "iter_sock";
        /// A function that may call `d_path` when traced.
        D_PATH = 12, "d_path";
        /// A function that cannot be traced.
        DENIED = 13, "denied";
        /// A function that does not return, so that its exit cannot be traced.
        NO_RETURN = 14, "no_return";
        /// A function whose errors can be injected, but not by sleepable programs.
        INJECT_ATOMIC = 15, "inject_atomic";
        /// A function whose errors can be injected, where the kernel is built for that.
        INJECT = 16, "inject";
        /// A function whose result programs may change.
        MODIFY_RETURN = 17, "modify_return";
        /// A function at which programs may sleep.
        MODIFY_SLEEPABLE = 18, "modify_sleepable";
        /// A structure of callbacks whose programs may call no helper.
        NO_HELPERS = 19, "no_helpers";
        /// The structure of operations of queueing disciplines.
        QDISC_OPS = 20, "qdisc_ops";
        /// The operation that takes a packet into a queue.
        QDISC_ENQUEUE = 21, "qdisc_enqueue";
        /// The operation that takes a packet out of a queue.
        QDISC_DEQUEUE = 22, "qdisc_dequeue";
    }
}

bit_set! {
    /// A set of the kernel's program types, as bits by number.
    ProgSet(u64) {}
}

impl ProgSet {
    /// Every program type, an embedder's too.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether the set holds this type. An embedder's types are in [`Self::ALL`] alone.
    pub const fn has(self, prog_type: ProgTypeId) -> bool {
        if prog_type.number() < 64 { self.0 >> prog_type.number() & 1 == 1 } else { self.0 == u64::MAX }
    }
}

bit_set! {
    /// A set of attach types, as bits by number.
    AttachSet(u64) {}
}

impl AttachSet {
    /// Every attach type.
    pub const ALL: Self = Self(u64::MAX);

    /// Whether the set holds this attach type.
    pub const fn has(self, attach_type: AttachType) -> bool {
        self.0 >> attach_type.number() & 1 == 1
    }
}

/// Whether a fact asks for a sleepable program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sleep {
    /// Sleepable or not.
    Any,
    /// Only sleepable ones.
    Only,
    /// Only those that are not.
    Never,
}

/// A choice of programs: some types, at some attach types, with some traits of the hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    /// The program types.
    pub progs: ProgSet,
    /// The attach types among which the program's must be.
    pub attach: AttachSet,
    /// Traits the hook must have one of, if there is any here.
    pub hook: HookTraits,
    /// Traits the hook must have none of.
    pub not_hook: HookTraits,
    /// Whether the program sleeps.
    pub sleep: Sleep,
}

impl Selector {
    /// Every program.
    pub const ALL: Self = Self::new(u64::MAX, u64::MAX);

    /// Programs of these types at these attach types, both as bits by number.
    pub const fn new(progs: u64, attach: u64) -> Self {
        Self {
            progs: ProgSet::from_bits(progs),
            attach: AttachSet::from_bits(attach),
            hook: HookTraits::NONE,
            not_hook: HookTraits::NONE,
            sleep: Sleep::Any,
        }
    }

    /// The same where the hook has one of the first traits and none of the second.
    #[must_use]
    pub const fn hooked(mut self, hook: HookTraits, not_hook: HookTraits) -> Self {
        self.hook = hook;
        self.not_hook = not_hook;
        self
    }

    /// The same as far as the programs sleep or do not.
    #[must_use]
    pub const fn sleeping(mut self, sleep: Sleep) -> Self {
        self.sleep = sleep;
        self
    }

    /// Whether the program is among those chosen.
    pub const fn matches(&self, kind: &ProgKind) -> bool {
        self.progs.has(kind.prog_type)
            && self.attach.has(kind.attach_type)
            && (self.hook.is_empty() || self.hook.intersects(kind.hook))
            && !self.not_hook.intersects(kind.hook)
            && match self.sleep {
                Sleep::Any => true,
                Sleep::Only => kind.sleepable,
                Sleep::Never => !kind.sleepable,
            }
    }
}

bit_set! {
    /// How a kernel was built and started, as far as facts depend on it.
    Settings(u16) {
        /// Locked down for integrity.
        LOCKDOWN_INTEGRITY = 0, "lockdown_integrity";
        /// Locked down for confidentiality (which includes integrity).
        LOCKDOWN_CONFIDENTIALITY = 1, "lockdown_confidentiality";
        /// Built with `CONFIG_BPF_KPROBE_OVERRIDE`.
        KPROBE_OVERRIDE = 2, "kprobe_override";
        /// Built without `CONFIG_KALLSYMS_ALL`, so that variables have no known addresses.
        FEW_SYMBOLS = 3, "few_symbols";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_uapi_number_fits_its_set() {
        for prog_type in ProgType::ALL {
            assert!(u32::from(ProgTypeId::FIRST_CUSTOM) > prog_type.number());
            let id = ProgTypeId::from(*prog_type);
            assert_eq!(id.kernel(), Some(*prog_type));
            assert!(ProgSet::from_bits(1 << prog_type.number()).has(id));
        }
        assert!(AttachType::ALL.iter().all(|attach| attach.number() < 64));
    }

    #[test]
    fn custom_types_are_apart() {
        let id = ProgTypeId::custom(3).unwrap();
        assert_eq!((id.kernel(), id.custom_index()), (None, Some(3)));
        assert!(!ProgSet::from_bits(u64::MAX >> 1).has(id) && ProgSet::ALL.has(id));
        assert_eq!(ProgTypeId::custom(u16::MAX), None);
    }
}
