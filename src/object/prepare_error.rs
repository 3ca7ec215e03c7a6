//! Why an object does not fit a target, and why a program cannot be prepared.

use oxbpf_isa::btf::core::{CoreError, PatchError};
use oxbpf_isa::kernel::{MapCondition, Need};
use std::fmt;

/// Why no program of an object can be loaded for a target.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PrepareError {
    /// The target lacks what the object insists on.
    Extern { name: String, problem: ResolveProblem },
    /// A struct of callbacks does not fit the kernel's.
    StructOps { map: String, problem: StructOpsProblem },
    /// The kernel would not create a map.
    Map { map: String, problem: CreateProblem },
    /// A subprogram, which every program may call, cannot be fitted to the target's types.
    Subprogram(Box<ProgramError>),
    /// The caller speaks of a map that the object does not have.
    NoMap { name: String },
}

/// Why an extern has no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ResolveProblem {
    NotFound,
    Incompatible,
    /// A name that stands for no property of kernels.
    UnknownVirtual,
    Value {
        problem: ValueProblem,
    },
}

/// Why a configuration value cannot be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ValueProblem {
    /// Neither a choice, nor a text, nor a number.
    Malformed,
    /// The declaration is for another form of value.
    Form,
    Range {
        bytes: usize,
    },
}

/// Why a struct of callbacks does not fit the kernel's.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StructOpsProblem {
    /// The kernel has no such struct, or it is none of callbacks.
    NotFound,
    /// The kernel's struct has no such member, and it is not zero.
    NoMember {
        member: String,
    },
    BitField {
        member: String,
    },
    Kind {
        member: String,
    },
    Size {
        member: String,
    },
    NotCallback {
        member: String,
    },
    /// A program stands at two different callbacks.
    Reuse {
        program: String,
    },
    /// A program of another type stands at a callback.
    ProgramType {
        program: String,
    },
}

/// Why the kernel would not create a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CreateProblem {
    /// The kernel does not know the type.
    Type {
        number: u32,
    },
    /// A number of the definition is not as the type needs it.
    Number {
        field: &'static str,
        value: u32,
        need: Need,
    },
    /// Flags that the type does not have.
    Flags {
        flags: u32,
    },
    /// `map_extra` is for other types.
    Extra,
    Condition(MapCondition),
}

impl fmt::Display for ResolveProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResolveProblem::NotFound => f.write_str("the target has nothing of this name"),
            ResolveProblem::Incompatible => f.write_str("the target's has another type"),
            ResolveProblem::UnknownVirtual => f.write_str("this is no property of kernels"),
            ResolveProblem::Value { problem } => problem.fmt(f),
        }
    }
}

impl fmt::Display for ValueProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueProblem::Malformed => f.write_str("the configured value is no choice, text or number"),
            ValueProblem::Form => f.write_str("the configured value has another form than the declaration"),
            ValueProblem::Range { bytes } => write!(f, "the configured value does not fit {bytes} bytes"),
        }
    }
}

impl fmt::Display for StructOpsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StructOpsProblem::NotFound => f.write_str("the target has no such struct of callbacks"),
            StructOpsProblem::NoMember { member } => {
                write!(f, "the target's struct has no member {member}, expected it to be zero")
            }
            StructOpsProblem::BitField { member } => write!(f, "member {member} is a bit field"),
            StructOpsProblem::Kind { member } => {
                write!(f, "member {member} is of another kind than the target's")
            }
            StructOpsProblem::Size { member } => {
                write!(f, "member {member} is of another size than the target's")
            }
            StructOpsProblem::NotCallback { member } => {
                write!(f, "the target's member {member} is no callback")
            }
            StructOpsProblem::Reuse { program } => {
                write!(f, "program {program} stands at another callback already")
            }
            StructOpsProblem::ProgramType { program } => {
                write!(f, "program {program} is not of type struct_ops")
            }
        }
    }
}

impl fmt::Display for CreateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateProblem::Type { number } => write!(f, "the kernel has no map type {number}"),
            CreateProblem::Number { field, value, need } => {
                write!(f, "{field} is {value}, expected {}", NeedText(*need))
            }
            CreateProblem::Flags { flags } => write!(f, "the type has no flags {flags:#x}"),
            CreateProblem::Extra => f.write_str("the type has no map_extra"),
            CreateProblem::Condition(condition) => f.write_str(condition_text(*condition)),
        }
    }
}

struct NeedText(Need);

impl fmt::Display for NeedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Need::Any => f.write_str("anything"),
            Need::Zero => f.write_str("0"),
            Need::Exactly(n) => write!(f, "{n}"),
            Need::Within(low, u32::MAX) => write!(f, "at least {low}"),
            Need::Within(low, high) => write!(f, "{low} to {high}"),
            Need::Either(a, b) => write!(f, "{a} or {b}"),
            Need::MultipleWithin(low, high, of) => write!(f, "a multiple of {of} from {low} to {high}"),
            Need::PagesPowerOfTwo => f.write_str("a power of two of pages"),
            Need::Pages => f.write_str("whole pages"),
        }
    }
}

fn condition_text(condition: MapCondition) -> &'static str {
    match condition {
        MapCondition::NeedsBtf => "the type needs types of key and value",
        MapCondition::NeedsNoPrealloc => "the type needs the flag BPF_F_NO_PREALLOC",
        MapCondition::NeedsMmapable => "the type needs the flag BPF_F_MMAPABLE",
        MapCondition::NeedsInnerMap => "the type needs a definition of its inner maps",
        MapCondition::LruFlags => "BPF_F_NO_COMMON_LRU fits neither the type nor BPF_F_NUMA_NODE",
        MapCondition::ElementFitsAllocation => "key and value are larger than one allocation",
        MapCondition::ExtraIsHashCount => "map_extra is the number of hash functions, expected 0 to 15",
        MapCondition::ExtraIsAddress => "map_extra is an address, expected whole pages",
        MapCondition::ValueTypeOfKernel => "the value must be of a type of the kernel",
        MapCondition::FrameSizeByFlag => "the value must be whole frames of a stack",
        MapCondition::AtMostCpus => "more entries than possible processors",
        _ => "a condition of the type is not met",
    }
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrepareError::Extern { name, problem } => write!(f, "extern {name}: {problem}"),
            PrepareError::StructOps { map, problem } => write!(f, "struct_ops {map}: {problem}"),
            PrepareError::Map { map, problem } => write!(f, "map {map}: {problem}"),
            PrepareError::Subprogram(error) => error.fmt(f),
            PrepareError::NoMap { name } => write!(f, "the object has no map {name}"),
        }
    }
}

impl std::error::Error for PrepareError {}

/// Why one program of an object cannot be prepared. `insn` counts slots from the start of the
/// function it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgramError {
    pub function: String,
    pub insn: usize,
    pub problem: ProgramProblem,
}

/// What is wrong with a program.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProgramProblem {
    /// The instruction cannot carry a relocation.
    Form,
    /// The relocation leads to something that programs cannot use.
    Target { symbol: String },
    /// A call leads to no function of the object.
    NoFunction,
    /// A CO-RE relocation has no answer.
    Core { error: CoreError },
    /// The answer to a CO-RE relocation does not fit the instruction.
    Patch { error: PatchError },
    /// The function has no line in `.BTF.ext`, where that of the entry point has.
    NoFuncInfo,
    /// The object as a whole does not fit the target.
    Object(PrepareError),
    /// The exception callback that a tag names does not exist, or is not a global function.
    ExceptionCallback { name: String },
    /// Functions together are larger than a program may be.
    TooLarge,
}

impl fmt::Display for ProgramProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramProblem::Form => f.write_str("this instruction cannot be relocated"),
            ProgramProblem::Target { symbol } => write!(f, "{symbol:?} is nothing a program can refer to"),
            ProgramProblem::NoFunction => f.write_str("the call leads to no function"),
            ProgramProblem::Core { error } => write!(f, "CO-RE relocation: {error}"),
            ProgramProblem::Patch { error } => write!(f, "CO-RE relocation: {error}"),
            ProgramProblem::NoFuncInfo => {
                f.write_str(".BTF.ext does not describe the function, though it describes its caller")
            }
            ProgramProblem::Object(error) => error.fmt(f),
            ProgramProblem::ExceptionCallback { name } => {
                write!(f, "exception callback {name:?} is no global function of the object")
            }
            ProgramProblem::TooLarge => f.write_str("more than a million instructions"),
        }
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            ProgramProblem::Object(error) => error.fmt(f),
            problem => write!(f, "function {} insn {}: {problem}", self.function, self.insn),
        }
    }
}

impl std::error::Error for ProgramError {}
