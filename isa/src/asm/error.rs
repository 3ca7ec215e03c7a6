//! What can be wrong with assembler text, and where.

use core::fmt;

/// A fault in the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AsmError {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    pub expected: Expected,
}

/// What should have stood there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Expected {
    /// A word, number or sign.
    Token,
    Instruction,
    Register,
    /// A register of the other width: `w` where 32 bits are meant, `r` for 64.
    SameWidth,
    RegisterOrNumber,
    Number,
    /// A number that fits the field.
    NumberInRange,
    Operator,
    MemoryType,
    /// This sign or word.
    Exactly(&'static str),
    Target,
    End,
    NewLabel,
    KnownLabel,
    /// The helper's own name before its number, or `kfunc` before a kernel function's.
    HelperNumber,
    /// A label that the offset field can reach.
    NearLabel,
    /// The opcode in parentheses that the instruction has.
    SameOpcode,
    /// Eight bytes in hexadecimal.
    Bytes,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Expected::Token => "a word, number or sign",
            Expected::Instruction => "an instruction",
            Expected::Register => "a register, r0 to r10 or w0 to w10",
            Expected::SameWidth => "registers of one width",
            Expected::RegisterOrNumber => "a register or a number",
            Expected::Number => "a number",
            Expected::NumberInRange => "a number that fits the field",
            Expected::Operator => "an operator",
            Expected::MemoryType => "a memory type, u8 to u64 or s8 to s32",
            Expected::Exactly(text) => return write!(f, "`{text}`"),
            Expected::Target => "a label or an offset",
            Expected::End => "the end of the line",
            Expected::NewLabel => "a label that is not defined before",
            Expected::KnownLabel => "a label that is defined somewhere",
            Expected::HelperNumber => {
                "the name of the helper of this number, or `kfunc` for a kernel function"
            }
            Expected::NearLabel => "a label within reach of the jump",
            Expected::SameOpcode => "the opcode of this instruction",
            Expected::Bytes => "eight bytes in hexadecimal",
        })
    }
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: expected {}", self.line, self.column, self.expected)
    }
}

impl core::error::Error for AsmError {}
