//! Rendered from `isa/facts/progs.toml`. Do not edit.

use crate::kernel::{AttachRecord, AttachRule, AttachSet, AttachType, HookTraits, KernelVersion, Known, Privilege, ProgFlags, ProgRecord, ProgType, RetRecord, RetRule, Selector, Span};

pub(crate) const PROGS: &[ProgRecord] = &[
];

pub(crate) const RETURNS: &[RetRecord] = &[
];

pub(crate) const ATTACH: &[AttachRecord] = &[
];
