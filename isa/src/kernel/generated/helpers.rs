pub(crate) const HELPERS: &[crate::kernel::HelperRecord] = &[];
