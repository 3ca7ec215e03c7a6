//! Program types: what bpf(2) asks before the verifier starts, and which results a program may end with.
//!
//! What depends on the attach target's BTF (LSM hooks, struct_ops members) is named, not judged.

use super::kind::bit_set;
use super::{AttachSet, Known, Privilege, ProgType, Selector, Span};

/// What the expected attach type of a program type must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttachRule {
    /// Anything; the kernel does not look.
    Ignored,
    /// One of the listed, else `EINVAL`.
    OneOf,
    /// Zero, else `EINVAL`.
    Zero,
    /// Judged with the attach target.
    ByTarget,
}

bit_set! {
    /// Properties of a program type.
    ProgFlags(u32) {
        /// It may read packet memory directly.
        PKT_READ = 0, "pkt_read";
        /// It may write packet memory directly.
        PKT_WRITE = 1, "pkt_write";
        /// It may use LD_ABS and LD_IND.
        LD_ABS = 2, "ld_abs";
        /// It may be loaded as sleepable.
        SLEEPABLE = 3, "sleepable";
        /// It is always sleepable.
        ALWAYS_SLEEPABLE = 4, "always_sleepable";
        /// It must be under a GPL-compatible licence.
        GPL_ONLY = 5, "gpl_only";
        /// It needs an attach target (a BTF id, or a program).
        NEEDS_TARGET = 6, "needs_target";
        /// Its context is typed by BTF.
        BTF_CTX = 7, "btf_ctx";
        /// It observes the kernel, so tracing restrictions on maps hold.
        TRACING = 8, "tracing";
        /// It can be loaded without `CAP_BPF` when the system allows that.
        UNPRIVILEGED = 9, "unprivileged";
        /// It may keep fragments beyond the first buffer (`BPF_F_XDP_HAS_FRAGS`).
        FRAGS = 10, "frags";
        /// The kernel can run it through `BPF_PROG_TEST_RUN`.
        TEST_RUN = 11, "test_run";
        /// It may attach through a cgroup.
        CGROUP = 12, "cgroup";
        /// A packet-writing program's prologue makes the header private first.
        PKT_PROLOGUE = 13, "pkt_prologue";
        /// Its subprograms may get stacks of their own, because it cannot run nested on one processor.
        PRIVATE_STACK = 14, "private_stack";
        /// It may give packet memory to any helper, whether or not the helper is made for that.
        PKT_TO_ANY_HELPER = 15, "pkt_to_any_helper";
        /// Its context is what the kernel itself sees: accesses are not rewritten.
        PLAIN_CTX = 16, "plain_ctx";
    }
}

/// Which values R0 may have at the exit of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetRule {
    /// Any scalar.
    Any,
    /// A scalar within these bounds.
    Within(i32, i32),
    /// The program returns nothing; R0 is not looked at.
    Ignored,
    /// The attach target's type decides.
    ByTarget,
}

/// The values some programs may return.
#[derive(Clone, Copy, Debug)]
pub struct RetRecord {
    /// The programs.
    pub who: Selector,
    /// The versions.
    pub span: Span,
    /// The rule.
    pub rule: RetRule,
    /// Whether a program that returns 2 or 3 can later be attached at its expected attach type alone.
    pub enforce_attach: bool,
}

/// A program type.
#[derive(Clone, Copy, Debug)]
pub struct ProgRecord {
    /// The type.
    pub prog_type: ProgType,
    /// The versions that know it.
    pub span: Span,
    /// How the record is known.
    pub known: Known,
    /// The name of its context structure.
    pub context: &'static str,
    /// The rule for the expected attach type.
    pub attach_rule: AttachRule,
    /// The attach types of this program type.
    pub attach: AttachSet,
    /// The attach type taken for 0, when 0 is none of them.
    pub attach_default: Option<super::AttachType>,
    /// Attach types at which it may sleep, when it may at some alone.
    pub sleepable_at: AttachSet,
    /// Its properties.
    pub flags: ProgFlags,
    /// The privilege needed beyond `CAP_BPF`.
    pub need: Privilege,
}

/// An attach type.
#[derive(Clone, Copy, Debug)]
pub struct AttachRecord {
    /// The type.
    pub attach_type: super::AttachType,
    /// The versions that know it.
    pub span: Span,
}
