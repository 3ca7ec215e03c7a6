pub(crate) const SECTIONS: &[crate::kernel::sections::SectionDef] = &[];
