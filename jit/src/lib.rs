//! Verified BPF to machine code, through Cranelift.
