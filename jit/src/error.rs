//! Why a program cannot be compiled.

use cranelift_module::ModuleError;
use std::error::Error;
use std::fmt;

/// Why a program cannot be compiled. It can still be interpreted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CompileError {
    /// There is no compiler for this machine.
    Machine,
    /// The program is empty, or a jump or call leaves it, or it runs on past its end.
    Malformed { op: u32 },
    /// Functions that share code would make too much of it.
    TooLarge { ops: usize },
    /// No memory for code.
    Memory,
    /// The code generator refuses; what it says.
    Codegen(Box<str>),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompileError::Machine => f.write_str("there is no compiler for this machine"),
            CompileError::Malformed { op } => write!(f, "operation {op} leads outside the program"),
            CompileError::TooLarge { ops } => write!(f, "functions share code: {ops} operations in all"),
            CompileError::Memory => f.write_str("there is no memory for code"),
            CompileError::Codegen(text) => write!(f, "code generator: {text}"),
        }
    }
}

impl Error for CompileError {}

/// Why, when the code generator says so.
pub(crate) fn refused(error: ModuleError) -> CompileError {
    match error {
        ModuleError::Allocation { .. } => CompileError::Memory,
        ModuleError::Compilation(e) => {
            CompileError::Codegen(format!("{e:?}").chars().take(500).collect::<String>().into())
        }
        other => CompileError::Codegen(other.to_string().into()),
    }
}
