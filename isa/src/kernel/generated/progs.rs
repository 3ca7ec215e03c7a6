pub(crate) const PROGS: &[crate::kernel::ProgRecord] = &[];
pub(crate) const RETURNS: &[crate::kernel::RetRecord] = &[];
pub(crate) const ATTACH: &[crate::kernel::AttachRecord] = &[];
