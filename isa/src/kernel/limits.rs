//! Numeric limits and named behaviours of a kernel version.
//!
//! A limit is a number the kernel compares with. A behaviour is a way of working that changed
//! between versions, read in one place by whoever works that way.

use super::kind::bit_set;
use super::{KernelVersion, Span};

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident;)+) => {
        /// The numbers a kernel compares with.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub struct Limits { $($(#[$doc])* pub $name: u64,)+ }

        impl Limits {
            /// The names of all limits.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)+];

            fn set(&mut self, name: &str, value: u64) {
                match name { $(stringify!($name) => self.$name = value,)+ _ => {} }
            }

            /// The limit with this name.
            pub fn get(&self, name: &str) -> Option<u64> {
                match name { $(stringify!($name) => Some(self.$name),)+ _ => None }
            }
        }
    };
}

limits! {
    /// Instructions of a program loaded without `CAP_BPF`.
    insns_unprivileged;
    /// Instructions of a program loaded with it.
    insns_privileged;
    /// Instructions the verifier processes before it gives up.
    processed_insns;
    /// Branches waiting to be explored.
    pending_branches;
    /// States kept for one instruction when unprivileged.
    states_per_insn_unprivileged;
    /// Nested calls, the main program included.
    call_frames;
    /// Bytes of stack of one call chain.
    stack_bytes;
    /// Bytes of stack of the callers of a subprogram that tail-calls.
    stack_bytes_before_tail_call;
    /// Bytes of stack from which a subprogram may get a private stack.
    private_stack_min;
    /// Tail calls at run time.
    tail_calls;
    /// Subprograms.
    subprogs;
    /// Maps a program may use.
    maps;
    /// BTF objects a program may use.
    btfs;
    /// Different kfuncs a program may call.
    kfuncs;
    /// BTF objects those kfuncs may come from.
    kfunc_btfs;
    /// Bytes of one record of function, line or relocation information.
    btf_record_bytes;
    /// Bytes of one line of the log.
    log_line_bytes;
    /// The largest offset in a packet.
    packet_offset;
    /// The magnitude of offsets and sizes of pointers, exclusive.
    variable_offset;
    /// Registers linked to one another that one jump records.
    linked_regs;
    /// Pairs of ids that comparing two states may relate.
    id_map;
    /// Bytes of BTF.
    btf_bytes;
    /// Types in one BTF.
    btf_types;
    /// Bytes of the string section of BTF that names can reach.
    btf_name_offset;
    /// Members of one BTF type.
    btf_vlen;
    /// Depth of resolving one BTF type.
    btf_resolve_depth;
    /// Nesting of a structure that counts as scalar.
    btf_scalar_nesting;
    /// Special fields in one structure.
    special_fields;
    /// Depth of objects owning objects.
    ownership_depth;
    /// Bytes of a per-CPU object.
    percpu_object_bytes;
    /// Bytes a dynptr can cover.
    dynptr_bytes;
    /// Words a bits iterator can walk.
    bits_iter_words;
    /// Arguments of a print helper.
    print_args;
    /// Bytes those arguments may take together.
    print_bytes;
    /// Iterations of `bpf_loop`, and of `may_goto` where it is untimed.
    loop_iterations;
    /// Samples one drain of a user ring buffer takes.
    user_ringbuf_samples;
    /// Steps between two looks at the clock of timed `may_goto`.
    may_goto_steps;
    /// Programs one trampoline runs.
    trampoline_links;
    /// Arguments of a traced function.
    traced_args;
    /// Bytes of the name of a program or map, the terminating zero included.
    object_name_bytes;
    /// Bytes of the context of a syscall program.
    syscall_ctx_bytes;
    /// Bytes of a map's key on the stack.
    map_key_bytes;
}

bit_set! {
    /// Ways of working that changed between versions.
    Behaviours(u64) {
        /// The log marks what is read and written of registers (`_w`, `_r`, `_rw`).
        LOG_LIVENESS = 0, "log_liveness";
        /// The log prints numbers above 1,023 in hexadecimal, and equal bounds together.
        LOG_COMPACT_BOUNDS = 1, "log_compact_bounds";
        /// "invalid indirect read/access to stack" instead of "invalid read from/write to stack".
        SAYS_INDIRECT_STACK = 2, "says_indirect_stack";
        /// What must not be held at the exit is reported with "BPF_EXIT instruction in main prog".
        SAYS_EXIT_IN_MAIN = 3, "says_exit_in_main";
        /// Which registers live is computed before exploration.
        LIVE_REGS_STATIC = 4, "live_regs_static";
        /// Stack liveness is its own analysis by call chain rather than marks on states.
        LIVE_STACK_BY_CHAIN = 5, "live_stack_by_chain";
        /// Loops are judged by strongly connected components of the control flow graph.
        LOOPS_BY_SCC = 6, "loops_by_scc";
        /// Scalars keep a constant distance to those they were copied from.
        LINKED_SCALAR_DELTAS = 7, "linked_scalar_deltas";
        /// Several locks may be held, and there are resilient and interrupt-saving ones.
        LOCK_LIST = 8, "lock_list";
        /// Global subprograms that do not sleep may be called where preemption is off.
        GLOBAL_CALL_IN_ATOMIC = 9, "global_call_in_atomic";
        /// An unsafe speculative path gets a barrier rather than a refusal.
        NOSPEC_BARRIER = 10, "nospec_barrier";
        /// `may_goto` looks at the clock.
        MAY_GOTO_TIMED = 11, "may_goto_timed";
        /// Load-acquire and store-release exist.
        LOAD_ACQUIRE = 12, "load_acquire";
        /// `may_goto` exists.
        MAY_GOTO = 13, "may_goto";
        /// Sign-extending moves and loads, signed division, byte swaps and long jumps exist.
        CPU_V4 = 14, "cpu_v4";
        /// Spills and fills around helpers that keep registers can be removed.
        FASTCALL = 15, "fastcall";
        /// Programs of tracing kinds may get private stacks.
        PRIVATE_STACK = 16, "private_stack";
        /// Programs may throw exceptions.
        EXCEPTIONS = 17, "exceptions";
        /// Global subprograms are verified only when something calls them.
        GLOBAL_LAZY = 18, "global_lazy";
        /// Bounds of the signed and unsigned kind are met across the sign boundary.
        SIGN_BOUNDARY_DEDUCTION = 20, "sign_boundary_deduction";
        /// Multiplication keeps bounds.
        MUL_BOUNDS = 21, "mul_bounds";
        /// Looking up a constant key within the bounds of an array never gives null.
        CONST_KEY_NOT_NULL = 23, "const_key_not_null";
        /// The history of jumps records which stack slot an access touches.
        JUMP_HISTORY_STACK = 24, "jump_history_stack";
    }
}

impl Limits {
    /// The limits that hold for a version.
    pub(super) fn at(version: KernelVersion, facts: &[(&'static str, Span, u64)]) -> Self {
        let mut limits = Self::default();
        for (name, span, value) in facts {
            if span.contains(version) {
                limits.set(name, *value);
            }
        }
        limits
    }
}

/// One kernel release this crate has heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelRecord {
    /// The version.
    pub version: KernelVersion,
    /// How its facts are known as a whole.
    pub known: super::Known,
    /// The settings of the kernel that was measured.
    pub measured_with: super::Settings,
}
