//! CO-RE: fitting instructions that were compiled against one kernel's types to another's.
//!
//! A relocation names a type of the object, a path into it and a question: where is that field, how
//! large is it, does it exist. It is answered by the types of the target with the rules of libbpf
//! 1.7 (`relo_core.c`): candidates are the types of the same essential name, every candidate that
//! fits must give the same answer, and what has no answer becomes an instruction that no verifier
//! accepts when it can be reached.

mod access;
mod fit;
mod matches;
mod patch;
mod target;
mod value;

pub use access::{Access, Step};
pub use patch::{BAD_RELOCATION, PatchError, patch};
pub use target::CoreTarget;
pub use value::Resolution;

use super::ext::ExtCore;
use super::layout::MAX_DEPTH;
use super::read::Btf;
use super::types::TypeId;
use core::cell::Cell;
use core::fmt;

/// What a relocation asks (Linux uapi `bpf_core_relo_kind`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum CoreKind {
    FieldByteOffset,
    FieldByteSize,
    FieldExists,
    FieldSigned,
    FieldLshiftU64,
    FieldRshiftU64,
    TypeIdLocal,
    TypeIdTarget,
    TypeExists,
    TypeSize,
    EnumvalExists,
    EnumvalValue,
    TypeMatches,
}

impl CoreKind {
    const ALL: [CoreKind; 13] = [
        CoreKind::FieldByteOffset,
        CoreKind::FieldByteSize,
        CoreKind::FieldExists,
        CoreKind::FieldSigned,
        CoreKind::FieldLshiftU64,
        CoreKind::FieldRshiftU64,
        CoreKind::TypeIdLocal,
        CoreKind::TypeIdTarget,
        CoreKind::TypeExists,
        CoreKind::TypeSize,
        CoreKind::EnumvalExists,
        CoreKind::EnumvalValue,
        CoreKind::TypeMatches,
    ];

    /// The kind with this number.
    pub fn from_number(number: u32) -> Option<CoreKind> {
        Self::ALL.get(number as usize).copied()
    }

    /// The name libbpf prints.
    pub const fn name(self) -> &'static str {
        match self {
            CoreKind::FieldByteOffset => "byte_off",
            CoreKind::FieldByteSize => "byte_sz",
            CoreKind::FieldExists => "field_exists",
            CoreKind::FieldSigned => "signed",
            CoreKind::FieldLshiftU64 => "lshift_u64",
            CoreKind::FieldRshiftU64 => "rshift_u64",
            CoreKind::TypeIdLocal => "local_type_id",
            CoreKind::TypeIdTarget => "target_type_id",
            CoreKind::TypeExists => "type_exists",
            CoreKind::TypeSize => "type_size",
            CoreKind::EnumvalExists => "enumval_exists",
            CoreKind::EnumvalValue => "enumval_value",
            CoreKind::TypeMatches => "type_matches",
        }
    }

    /// Whether the path leads to a field.
    pub const fn is_field(self) -> bool {
        (self as u8) <= CoreKind::FieldRshiftU64 as u8
    }

    /// Whether the path names a value of an enumeration.
    pub const fn is_enumval(self) -> bool {
        matches!(self, CoreKind::EnumvalExists | CoreKind::EnumvalValue)
    }

    /// Whether the question is about a whole type.
    pub const fn is_type(self) -> bool {
        !self.is_field() && !self.is_enumval()
    }
}

/// Why a relocation has no answer at all. A missing field is none of these: it is an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CoreError {
    /// The kind is not known.
    Kind { number: u32 },
    /// The path is not a list of numbers, or does not fit the type it starts from.
    Access,
    /// The type does not exist, is cyclic, or has no size.
    Type { id: TypeId },
    /// The type has no name to search by.
    Anonymous { id: TypeId },
    /// Two candidates fit and give different answers.
    Ambiguous,
    /// The question cannot be asked of an array element or of this bit field.
    Unanswerable,
    /// The types nest deeper or in more ways than is allowed.
    TooDeep,
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            CoreError::Kind { number } => write!(f, "unknown kind {number} of CO-RE relocation"),
            CoreError::Access => f.write_str("the access path does not fit the type"),
            CoreError::Type { id } => write!(f, "type {id} is missing, cyclic or without a size"),
            CoreError::Anonymous { id } => write!(f, "type {id} has no name to search by"),
            CoreError::Ambiguous => f.write_str("several types of the target fit and disagree"),
            CoreError::Unanswerable => f.write_str("the field cannot answer this question"),
            CoreError::TooDeep => f.write_str("types nest too deep"),
        }
    }
}

impl core::error::Error for CoreError {}

/// How far a comparison of types may still go. Types made to nest in each other many times have
/// few levels and no end of paths, so the steps are counted as well.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    levels: usize,
    steps: &'a Cell<u32>,
}

impl<'a> Bounds<'a> {
    /// Steps for one candidate. The comparisons that kernels need take some thousands.
    const STEPS: u32 = 1 << 20;

    fn new(steps: &'a Cell<u32>) -> Bounds<'a> {
        steps.set(Bounds::STEPS);
        Bounds { levels: MAX_DEPTH, steps }
    }

    /// One level and one step further.
    fn deeper(self) -> Result<Bounds<'a>, CoreError> {
        self.step()?;
        Ok(Bounds { levels: self.levels.checked_sub(1).ok_or(CoreError::TooDeep)?, ..self })
    }

    fn step(self) -> Result<(), CoreError> {
        self.steps.set(self.steps.get().checked_sub(1).ok_or(CoreError::TooDeep)?);
        Ok(())
    }
}

/// Answers one relocation of an object whose types are `local`.
///
/// # Errors
/// When the relocation is malformed or ambiguous; libbpf then refuses the program.
pub fn resolve(local: &Btf, relo: &ExtCore, target: &CoreTarget) -> Result<Resolution, CoreError> {
    let kind = CoreKind::from_number(relo.kind).ok_or(CoreError::Kind { number: relo.kind })?;
    let path = local.str(relo.access).ok_or(CoreError::Access)?;
    let ours = Access::parse(local, relo.type_id, path, kind)?;
    if kind == CoreKind::TypeIdLocal {
        return Ok(Resolution::local_type(relo.type_id));
    }
    let name = local.ty(relo.type_id).ok_or(CoreError::Type { id: relo.type_id })?.name();
    if name.is_empty() {
        return Err(CoreError::Anonymous { id: relo.type_id });
    }
    let mut found: Option<(u32, Resolution)> = None;
    for (btf, id) in target.candidates(local, relo.type_id) {
        let theirs = if kind.is_type() {
            fit::fit_type(kind, local, relo.type_id, btf, id)?.then(|| Access::at(id))
        } else {
            fit::fit(local, &ours, btf, id)?
        };
        let Some(theirs) = theirs else { continue };
        let answer = value::calculate(kind, (local, &ours), Some((btf, &theirs)))?;
        match &found {
            None => found = Some((theirs.bit_offset, answer)),
            Some((offset, first)) => {
                if *offset != theirs.bit_offset || first.poison != answer.poison || first.new != answer.new {
                    return Err(CoreError::Ambiguous);
                }
            }
        }
    }
    match found {
        Some((_, answer)) => Ok(answer),
        None => value::calculate(kind, (local, &ours), None),
    }
}

/// Whether a declaration of the object and one of the target are alike enough to stand for each
/// other: kinds agree down pointers, arrays and parameters.
pub fn types_compatible(local: &Btf, ours: TypeId, target: &Btf, theirs: TypeId) -> bool {
    fit::fit_type(CoreKind::TypeExists, local, ours, target, theirs) == Ok(true)
}

/// The name without the flavour that follows `___` (libbpf `bpf_core_essential_name_len`).
pub fn essential_name(name: &str) -> &str {
    let bytes = name.as_bytes();
    for i in (0..bytes.len().saturating_sub(4)).rev() {
        if bytes[i] != b'_' && &bytes[i + 1..i + 4] == b"___" && bytes[i + 4] != b'_' {
            return &name[..=i];
        }
    }
    name
}
