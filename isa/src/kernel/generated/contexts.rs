pub(crate) const CONTEXTS: &[crate::kernel::ContextRecord] = &[];
pub(crate) const TABLES: &[crate::kernel::CtxTable] = &[];
