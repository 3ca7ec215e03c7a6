//! Rendered from `isa/facts/maps.toml`. Do not edit.

use crate::kernel::{HookTraits, KernelVersion, Known, MapCondition, MapCreateFlags, MapErrno, MapFlags, MapHelper, MapNeed, MapRecord, MapType, Need, Privilege, ProgSet, Selector, Sleep, Span};

pub(crate) const MAPS: &[MapRecord] = &[
];
