//! What one kernel version knows: helpers, maps, program types, contexts, sections and limits.
//!
//! Every fact is a record in `isa/facts/*.toml`, rendered into `generated/`, which is checked in
//! and held fresh by a test of the conformance crate. [`KernelModel`] is a view of those records as
//! one version sees them; reference is Linux 6.18. Judging a program by the facts is the verifier's.

mod context;
mod field;
mod generated;
mod helper;
mod kfunc;
mod kind;
mod limits;
mod map;
mod model;
mod prog;
pub mod sections;
#[cfg(test)]
mod tests;
mod typed;
mod uapi;
mod version;

pub use context::{
    ContextRecord, CtxAccess, CtxField, CtxModel, CtxRefusal, CtxReg, CtxRule, CtxTable, Widths,
};
pub use field::{FieldKind, FieldRecord, FieldSign};
pub use helper::{
    Arg, ArgFlags, ArgKind, HelperFlags, HelperMatch, HelperProto, HelperRecord, HelperRefusal, HelperUse,
    Privilege, Ret, RetBounds, RetFlags, RetKind,
};
pub use kfunc::{KfuncFlags, KfuncMatch, KfuncRecord, KfuncRefusal, KfuncUse};
pub use kind::{AttachSet, HookTraits, ProgKind, ProgSet, ProgTypeId, Selector, Settings, Sleep};
pub use limits::{Behaviours, KernelRecord, Limits};
pub use map::{
    HelperMaps, MapCondition, MapCreateFlags, MapErrno, MapFlags, MapHelper, MapNeed, MapRecord, Need,
};
pub use model::{BuildError, KernelModel, ModelBuilder, ProgTypeSpec};
pub use prog::{AttachRecord, AttachRule, ProgFlags, ProgRecord, RetRecord, RetRule};
pub use typed::{
    IterArg, IterFlags, IteratorRecord, OpsArg, StructOpsRecord, TracepointRecord, WriteRecord, WriteWords,
};
pub use uapi::{AttachType, MapType, ProgType};
pub use version::{KernelVersion, Known, Span, VersionError};

/// Every helper record, whatever the version, by rising number.
pub const HELPERS: &[HelperRecord] = generated::helpers::HELPERS;
/// Every kfunc record, whatever the version.
pub const KFUNCS: &[KfuncRecord] = generated::kfuncs::KFUNCS;
/// The context structures.
pub const CONTEXTS: &[ContextRecord] = generated::contexts::CONTEXTS;
/// Every kind of special field.
pub const FIELDS: &[FieldRecord] = generated::fields::FIELDS;
/// Every map record.
pub const MAPS: &[MapRecord] = generated::maps::MAPS;
/// Every program type record.
pub const PROGS: &[ProgRecord] = generated::progs::PROGS;
