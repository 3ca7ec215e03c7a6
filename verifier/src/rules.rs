//! What kernel versions decide differently, in one place.
//!
//! A rule is a name, the versions that have it and where in the kernel it is decided; everything else
//! of the walk is common to all versions that have one. Code asks by name and never compares versions.
//! A version is known by its latest stable release that was asked (6.12.117, 6.18.44): fixes reach a
//! stable release years after its version, so a rule may hold in a version and not in a later one.

use crate::domain::Arithmetic;
use oxbpf_isa::kernel::{KernelVersion, Span};

const fn since(major: u8, minor: u8) -> Span {
    Span { since: KernelVersion::new(major, minor), until: None }
}

const fn until(major: u8, minor: u8) -> Span {
    Span { since: KernelVersion::new(0, 0), until: Some(KernelVersion::new(major, minor)) }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $name:ident: $span:expr, $source:literal;)*) => {
        /// The rules that a version has.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Rules {
            $($(#[doc = $doc])* pub $name: bool,)*
        }

        impl Rules {
            pub fn of(version: KernelVersion) -> Rules {
                Rules { $($name: $span.contains(version),)* }
            }
        }

        /// Each rule with its versions and where the kernel decides it.
        #[cfg(test)]
        pub(crate) const TABLE: &[(&str, Span, &str)] = &[$((stringify!($name), $span, $source),)*];
    };
}

rules! {
    /// Loads that acquire, stores that release, and with them atomics of one and two bytes.
    acquire_and_release: since(6, 15), "check_atomic, bpf_opcode_in_insntable";

    /// See [`Arithmetic::settles_single`].
    settles_single: since(6, 18), "__update_reg64_bounds";
    /// See [`Arithmetic::keeps_wrapped_sums`].
    keeps_wrapped_sums: since(6, 17), "scalar_min_max_add, scalar_min_max_sub";
    /// See [`Arithmetic::multiplies_signed`].
    multiplies_signed: since(6, 15), "scalar_min_max_mul";
    /// See [`Arithmetic::multiplies_by_union`].
    multiplies_by_union: since(6, 18), "tnum_mul";
    /// A negation is computed; else nothing is known of it.
    computes_negation: since(6, 17), "check_alu_op";
    /// A change of byte order is computed; else nothing is known of it.
    computes_byte_order: since(6, 18), "check_alu_op";
    /// Numbers are linked over differences of either sign and over additions in 32 bits; else over
    /// additions of what is not negative, in 64.
    links_any_difference: since(6, 18), "adjust_reg_min_max_vals";
    /// Only registers that are read later count as linked.
    links_live_only: since(6, 16), "collect_linked_regs, clean_verifier_state";

    /// What a comparison teaches about a number that is linked over a difference is drawn conclusions from.
    concludes_from_links: since(6, 18), "sync_linked_regs";

    /// Memory that helpers only read keeps what the program knows of it.
    helpers_spare_what_they_read: since(6, 14), "check_stack_range_initialized";
    /// An argument that passes because it is zero has to stay so.
    zero_arguments_are_precise: until(6, 18), "check_func_arg, check_helper_call";
    /// A lookup in an array by a constant key within it finds a value.
    constant_key_is_found: since(6, 14), "check_helper_call, get_constant_map_key";
    /// A tail call in a function may end that function.
    tail_calls_end_functions: since(6, 18), "check_helper_call";
    /// Functions of tracing programs may get stacks of their own.
    private_stacks: since(6, 13), "bpf_jit_supports_private_stack";
    /// Packets are loaded in callbacks too.
    packet_loads_in_callbacks: since(6, 18), "check_ld_abs";
    /// The program itself may be a callback.
    program_as_callback: since(6, 18), "check_ld_imm";

    /// References, locks and sections are judged together where the program can end.
    ends_are_judged_as_one: since(6, 14), "check_resource_leak";
    /// What a callback acquires its caller may release, and the other way round.
    callbacks_share_references: since(6, 14), "acquire_reference_state, release_reference_state";
    /// A callback of a structure may give a reference back to the kernel.
    callbacks_return_references: since(6, 15), "check_reference_leak";
    /// Global functions are called with preemption off, if they do not sleep.
    global_functions_without_preemption: since(6, 15), "check_func_call";
    /// Whether global functions sleep is asked where they are called.
    global_functions_may_sleep: since(6, 15), "check_func_call";
    /// Parameters may be tagged as addresses that nobody vouches for.
    untrusted_parameters: since(6, 17), "btf_prepare_func_args";
    /// Iterators over numbers and other locks are used while a lock is held.
    lock_allows_iterators: since(6, 14), "do_check, kfunc_spin_allowed";

    /// Pointers to nothing in particular, and to text, are read-only memory of any size; else numbers.
    reads_any_memory: since(6, 17), "btf_struct_access, check_special_kfunc";
    /// Functions under RCU's protection want its section, and what they give lasts as long.
    rcu_protects_results: since(6, 18), "check_kfunc_call";
    /// Nodes that the program owns are removed from no tree, in the function's own words.
    names_graph_functions: since(6, 16), "check_kfunc_args";

    /// Which registers and slots are still read is known before the walk, and decides what states are
    /// alike. Walks here always do so; where the kernel does not, their counts are estimates, and
    /// whether the work becomes too much is not known.
    prunes_by_static_liveness: since(6, 18), "clean_live_states, compute_live_registers";

    /// The low half of a pointer that is never null is taken not to be zero.
    half_pointer_not_zero: since(6, 18), "is_branch_taken";
    /// Pointers with an unbounded offset may wrap to null.
    wraps_to_null: until(6, 18), "reg_not_null";
    /// A pointer equal to any other that is not marked as possibly null is not null; else the other must
    /// be of a kind that is known not to be.
    equal_to_unmarked: since(6, 18), "check_cond_jmp_op";
}

impl Rules {
    /// What the version's arithmetic finds out.
    #[inline]
    pub fn arithmetic(&self) -> Arithmetic {
        Arithmetic {
            settles_single: self.settles_single,
            keeps_wrapped_sums: self.keeps_wrapped_sums,
            multiplies_signed: self.multiplies_signed,
            multiplies_by_union: self.multiplies_by_union,
        }
    }
}

/// Whether the counts of instructions and states are a version's own, and not estimates.
pub fn counts_are_exact(version: KernelVersion) -> bool {
    Rules::of(version).prunes_by_static_liveness
}

/// The versions whose walk is known.
pub const WALKS: [KernelVersion; 2] = [KernelVersion::new(6, 12), KernelVersion::new(6, 18)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_tells_walks_apart() {
        for (name, span, source) in TABLE {
            let has: alloc::vec::Vec<bool> = WALKS.iter().map(|v| span.contains(*v)).collect();
            assert!(has.contains(&true) && has.contains(&false), "{name} is the same in all");
            assert!(!source.is_empty(), "{name} has no source");
        }
    }

    #[test]
    fn arithmetic_is_that_of_the_versions() {
        let of = |minor| Rules::of(KernelVersion::new(6, minor)).arithmetic();
        assert_eq!((of(12), of(18)), (Arithmetic::LEAST, Arithmetic::LATEST));
    }
}
