//! Rendered from `isa/facts/limits.toml` and `kernels.toml`. Do not edit.

use crate::kernel::{Behaviours, KernelRecord, KernelVersion, Known, Settings, Span};

pub(crate) const LIMITS: &[(&str, Span, u64)] = &[
    ("bits_iter_words", Span::ALWAYS, 511),
    ("btf_bytes", Span::ALWAYS, 16777216),
    ("btf_name_offset", Span::ALWAYS, 16777215),
    ("btf_record_bytes", Span::ALWAYS, 252),
    ("btf_resolve_depth", Span::ALWAYS, 32),
    ("btf_scalar_nesting", Span::ALWAYS, 4),
    ("btf_types", Span::ALWAYS, 1048575),
    ("btf_vlen", Span::ALWAYS, 65535),
    ("btfs", Span::ALWAYS, 64),
    ("call_frames", Span::ALWAYS, 8),
    ("dynptr_bytes", Span::ALWAYS, 16777215),
    ("id_map", Span::ALWAYS, 600),
    ("insns_privileged", Span::ALWAYS, 1000000),
    ("insns_unprivileged", Span::ALWAYS, 4096),
    ("kfunc_btfs", Span::ALWAYS, 256),
    ("kfuncs", Span::ALWAYS, 256),
    ("linked_regs", Span::ALWAYS, 6),
    ("log_line_bytes", Span::ALWAYS, 1024),
    ("loop_iterations", Span::ALWAYS, 8388608),
    ("map_key_bytes", Span::ALWAYS, 512),
    ("maps", Span::ALWAYS, 64),
    ("may_goto_steps", Span::ALWAYS, 65535),
    ("object_name_bytes", Span::ALWAYS, 16),
    ("ownership_depth", Span::ALWAYS, 8),
    ("packet_offset", Span::ALWAYS, 65535),
    ("pending_branches", Span::ALWAYS, 8192),
    ("percpu_object_bytes", Span::ALWAYS, 512),
    ("print_args", Span::ALWAYS, 12),
    ("print_bytes", Span::ALWAYS, 512),
    ("private_stack_min", Span::ALWAYS, 64),
    ("processed_insns", Span::ALWAYS, 1000000),
    ("special_fields", Span::ALWAYS, 11),
    ("stack_bytes", Span::ALWAYS, 512),
    ("stack_bytes_before_tail_call", Span::ALWAYS, 256),
    ("states_per_insn_unprivileged", Span::ALWAYS, 64),
    ("subprogs", Span::ALWAYS, 256),
    ("syscall_ctx_bytes", Span::ALWAYS, 65535),
    ("tail_calls", Span::ALWAYS, 33),
    ("traced_args", Span::ALWAYS, 12),
    ("trampoline_links", Span::ALWAYS, 38),
    ("user_ringbuf_samples", Span::ALWAYS, 131072),
    ("variable_offset", Span::ALWAYS, 536870912),
];

pub(crate) const BEHAVIOURS: &[(Behaviours, Span)] = &[
    (Behaviours::from_bits(0x1), Span { since: KernelVersion::new(0, 0), until: Some(KernelVersion::new(6, 18)) }),
];

pub(crate) const KERNELS: &[KernelRecord] = &[
    KernelRecord { version: KernelVersion::new(6, 1), known: Known::Measured, measured_with: Settings::NONE },
    KernelRecord { version: KernelVersion::new(6, 12), known: Known::Measured, measured_with: Settings::NONE },
    KernelRecord { version: KernelVersion::new(6, 18), known: Known::Measured, measured_with: Settings::from_bits(0x1) },
];
