pub(crate) const KFUNCS: &[crate::kernel::KfuncRecord] = &[];
