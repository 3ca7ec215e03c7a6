pub(crate) const MAPS: &[crate::kernel::MapRecord] = &[];
