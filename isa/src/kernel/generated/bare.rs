//! No facts at all, for the one build that is to write facts whose records have a new shape.
//!
//! The renderer is built with this crate, so it could not be built from files that do not fit yet:
//! `RUSTFLAGS="--cfg oxbpf_bare_facts" cargo run -p oxbpf-conformance -- facts` builds it without them.

pub(in crate::kernel) mod contexts {
    pub(crate) const CONTEXTS: &[crate::kernel::ContextRecord] = &[];
    pub(crate) const TABLES: &[crate::kernel::CtxTable] = &[];
}
pub(in crate::kernel) mod helpers {
    pub(crate) const HELPERS: &[crate::kernel::HelperRecord] = &[];
}
pub(in crate::kernel) mod fields {
    pub(crate) const FIELDS: &[crate::kernel::FieldRecord] = &[];
}
pub(in crate::kernel) mod hooks {
    pub(crate) const HOOKS: &[(&str, crate::kernel::HookTraits)] = &[];
}
pub(in crate::kernel) mod kfuncs {
    pub(crate) const KFUNCS: &[crate::kernel::KfuncRecord] = &[];
}
pub(in crate::kernel) mod limits {
    pub(crate) const LIMITS: &[(&str, crate::kernel::Span, u64)] = &[];
    pub(crate) const BEHAVIOURS: &[(crate::kernel::Behaviours, crate::kernel::Span)] = &[];
    pub(crate) const KERNELS: &[crate::kernel::KernelRecord] = &[];
}
pub(in crate::kernel) mod maps {
    pub(crate) const MAPS: &[crate::kernel::MapRecord] = &[];
    pub(crate) const BOUND: &[crate::kernel::HelperMaps] = &[];
}
pub(in crate::kernel) mod progs {
    pub(crate) const PROGS: &[crate::kernel::ProgRecord] = &[];
    pub(crate) const RETURNS: &[crate::kernel::RetRecord] = &[];
    pub(crate) const ATTACH: &[crate::kernel::AttachRecord] = &[];
}
pub(in crate::kernel) mod types {
    pub(crate) const TRACEPOINTS: &[crate::kernel::TracepointRecord] = &[];
    pub(crate) const ITERATORS: &[crate::kernel::IteratorRecord] = &[];
    pub(crate) const STRUCT_OPS: &[crate::kernel::StructOpsRecord] = &[];
}
pub(in crate::kernel) mod sections {
    pub(crate) const SECTIONS: &[crate::kernel::sections::SectionDef] = &[];
}
