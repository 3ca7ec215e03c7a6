//! BPF maps with the semantics and error numbers of the kernel.
