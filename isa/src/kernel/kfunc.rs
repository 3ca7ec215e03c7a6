//! Kernel functions that programs call by BTF id: their flags, and which programs may call them.
//!
//! Their prototypes are in the kernel's BTF; what stands here is what BTF does not say.

use super::kind::bit_set;
use super::{Known, Selector, Span};

bit_set! {
    /// Flags of a kfunc.
    KfuncFlags(u32) {
        /// It returns a reference.
        ACQUIRE = 0, "acquire";
        /// It releases its argument.
        RELEASE = 1, "release";
        /// It may return null.
        RET_NULL = 2, "ret_null";
        /// It takes only trusted pointers.
        TRUSTED_ARGS = 4, "trusted_args";
        /// Only sleepable programs may call it.
        SLEEPABLE = 5, "sleepable";
        /// It may break the system.
        DESTRUCTIVE = 6, "destructive";
        /// It takes RCU-protected or trusted pointers.
        RCU = 7, "rcu";
        /// It starts an iterator.
        ITER_NEW = 8, "iter_new";
        /// It advances an iterator.
        ITER_NEXT = 9, "iter_next";
        /// It ends an iterator.
        ITER_DESTROY = 10, "iter_destroy";
        /// Its iterator works only under RCU protection.
        RCU_PROTECTED = 11, "rcu_protected";
        /// It leaves caller-saved registers alone when inlined.
        FASTCALL = 12, "fastcall";
    }
}

/// Who may call a kfunc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KfuncUse {
    /// The programs.
    pub who: Selector,
    /// The versions.
    pub span: Span,
}

/// A kfunc.
#[derive(Clone, Copy, Debug)]
pub struct KfuncRecord {
    /// The function's name in the kernel's BTF.
    pub name: &'static str,
    /// The versions that have it.
    pub span: Span,
    /// How the record is known.
    pub known: Known,
    /// Its flags, and since when; the last that applies holds.
    pub flags: &'static [(Span, KfuncFlags)],
    /// Who may call it.
    pub uses: &'static [KfuncUse],
}

/// A kfunc as one model offers it to one kind of program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KfuncMatch {
    /// The function's name.
    pub name: &'static str,
    /// Its flags.
    pub flags: KfuncFlags,
}

/// Why a program may not call a kfunc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KfuncRefusal {
    /// The facts do not know it, though the kernel's BTF may.
    Unknown,
    /// This kernel does not have it.
    NotInThisKernel,
    /// Programs of this kind may not call it.
    NotForThisProgram,
    /// Only sleepable programs may call it.
    NeedsSleepable,
}
