pub(crate) const LIMITS: &[(&str, crate::kernel::Span, u64)] = &[];
pub(crate) const BEHAVIOURS: &[(crate::kernel::Behaviours, crate::kernel::Span)] = &[];
pub(crate) const KERNELS: &[crate::kernel::KernelRecord] = &[];
