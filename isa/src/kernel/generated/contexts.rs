//! Rendered from `isa/facts/contexts.toml`. Do not edit.

use crate::kernel::{ContextRecord, CtxField, CtxModel, CtxReg, CtxRule, CtxTable, HookTraits, KernelVersion, Known, Selector, Sleep, Span, Widths};

pub(crate) const CONTEXTS: &[ContextRecord] = &[
];

pub(crate) const TABLES: &[CtxTable] = &[
];
