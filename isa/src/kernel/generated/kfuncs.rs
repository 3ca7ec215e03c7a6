//! Rendered from `isa/facts/kfuncs.toml`. Do not edit.

use crate::kernel::{HookTraits, KernelVersion, Known, KfuncFlags, KfuncRecord, KfuncUse, Selector, Sleep, Span};

pub(crate) const KFUNCS: &[KfuncRecord] = &[
];
