//! The texts in which classic programs travel: each is read and written, and told from the others by
//! its content.
//!
//! Reading gives raw instructions and checks no rule of any dialect: an illegal program is text as
//! well. Whatever a form cannot say of an instruction (the listings of tcpdump drop the branch
//! distances of instructions that do not branch, for one) is zero after reading.

mod asm;
mod cursor;
mod numeric;
mod seccomp_tools;
mod tcpdump;

use super::{Op, SockFilter};
use crate::insn::ByteOrder;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use cursor::Cursor;

/// A text form, or raw bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Form {
    /// `tcpdump -d`: `(000) ldh      [12]`.
    Tcpdump,
    /// `tcpdump -dd`, and `bpf_asm -c`: `{ 0x28, 0, 0, 0x0000000c },`.
    C,
    /// `tcpdump -ddd`: a count, then one instruction a line, in decimal.
    Decimal,
    /// nfbpf_compile, xt_bpf and bpf_asm: `4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0`.
    OneLine,
    /// The grammar of the kernel's bpf_asm, with labels and extensions.
    Asm,
    /// The listing of `seccomp-tools disasm` and `dump`.
    SeccompTools,
    /// `struct sock_filter`, eight bytes each.
    Raw(ByteOrder),
}

/// A program that was read, and the form it was in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The instructions.
    pub program: Vec<SockFilter>,
    /// The form.
    pub form: Form,
}

/// Why a text is not a program, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextError {
    /// The line, from 1; 0 for raw bytes.
    pub line: usize,
    /// The column in characters, from 1; for raw bytes the offset of the first byte not read.
    pub column: usize,
    /// What was wrong.
    pub kind: TextErrorKind,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// Something else was expected here.
    Expected(&'static str),
    /// No instruction of this name takes such operands.
    Mnemonic(String),
    /// The number does not fit its field, of so many bits.
    TooLarge {
        /// The width of the field.
        bits: u32,
    },
    /// Nothing carries this label.
    UndefinedLabel(String),
    /// Two instructions carry this label.
    DuplicateLabel(String),
    /// A branch goes back, or further than 255 instructions.
    Distance {
        /// The instructions to skip.
        distance: i64,
    },
    /// The count at the start is not that of the instructions.
    Count {
        /// The count.
        said: usize,
        /// The instructions.
        found: usize,
    },
    /// The listing numbers an instruction out of order.
    Numbering {
        /// The number it should have.
        expected: usize,
        /// The number it has.
        found: u32,
    },
    /// The listing does not tell the constant of an opcode it does not know.
    Unimplemented {
        /// The opcode.
        code: u16,
    },
    /// The text holds no instruction.
    Empty,
    /// The bytes are neither text nor a multiple of eight.
    NotAProgram,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "byte {}: ", self.column)?,
            line => write!(f, "line {line}, column {}: ", self.column)?,
        }
        match &self.kind {
            TextErrorKind::Expected(what) => write!(f, "expected {what}"),
            TextErrorKind::Mnemonic(name) => write!(f, "no instruction \"{name}\" with such operands"),
            TextErrorKind::TooLarge { bits } => write!(f, "the number does not fit {bits} bits"),
            TextErrorKind::UndefinedLabel(label) => write!(f, "label \"{label}\" is not defined"),
            TextErrorKind::DuplicateLabel(label) => write!(f, "label \"{label}\" is defined twice"),
            TextErrorKind::Distance { distance } => {
                write!(f, "a branch over {distance} instructions; it can skip 0 to 255")
            }
            TextErrorKind::Count { said, found } => {
                write!(f, "{found} instructions, where the text says {said}")
            }
            TextErrorKind::Numbering { expected, found } => {
                write!(f, "instruction numbered {found}, expected {expected}")
            }
            TextErrorKind::Unimplemented { code } => {
                write!(f, "opcode {code:#x} is unknown, and the listing does not tell its constant")
            }
            TextErrorKind::Empty => f.write_str("no instructions"),
            TextErrorKind::NotAProgram => f.write_str("neither text nor instructions of eight bytes each"),
        }
    }
}

impl core::error::Error for TextError {}

/// Why a program has no text in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteError {
    /// The form has no word for this opcode.
    Opcode {
        /// The instruction.
        insn: usize,
        /// Its opcode.
        code: u16,
    },
    /// A jump goes where no instruction can carry a label.
    Target {
        /// The instruction.
        insn: usize,
    },
    /// The form is not text.
    NotText,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opcode { insn, code } => {
                write!(f, "instruction {insn}: the form has no word for opcode {code:#x}")
            }
            Self::Target { insn } => write!(f, "instruction {insn}: the jump leaves the program"),
            Self::NotText => f.write_str("raw instructions are not text"),
        }
    }
}

impl core::error::Error for WriteError {}

/// The form of `bytes`, by their content. What is text but none of the listings is taken for
/// bpf_asm's grammar; `None` when it is neither text nor whole instructions.
pub fn detect(bytes: &[u8]) -> Option<Form> {
    match core::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => Some(detect_text(text)),
        _ => raw_order(bytes).map(Form::Raw),
    }
}

fn detect_text(text: &str) -> Form {
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
    let line = lines.next().unwrap_or_default();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line.as_bytes().first() {
        Some(b'(') => Form::Tcpdump,
        Some(b'{') => Form::C,
        Some(b'0'..=b'9') => match line.as_bytes().get(digits) {
            Some(b':') => Form::SeccompTools,
            _ if line.contains(',') => Form::OneLine,
            _ => Form::Decimal,
        },
        _ if line.starts_with("line ") && line.contains("CODE") => Form::SeccompTools,
        _ => Form::Asm,
    }
}

/// The order in which more opcodes are known; of equals, that of this kind of machine, little.
fn raw_order(bytes: &[u8]) -> Option<ByteOrder> {
    let known = |order| {
        let program = SockFilter::slots(bytes, order)?;
        Some(program.iter().filter(|insn| Op::from_code(insn.code).is_some()).count())
    };
    let (little, big) = (known(ByteOrder::Little)?, known(ByteOrder::Big)?);
    match (bytes.is_empty(), little >= big) {
        (true, _) => None,
        (_, true) => Some(ByteOrder::Little),
        (_, false) => Some(ByteOrder::Big),
    }
}

/// Reads a program in whatever form it is.
pub fn read(bytes: &[u8]) -> Result<Parsed, TextError> {
    let not_a_program = |column| TextError { line: 0, column, kind: TextErrorKind::NotAProgram };
    let form = detect(bytes).ok_or(not_a_program(bytes.len() - bytes.len() % SockFilter::SIZE))?;
    let program = match (form, core::str::from_utf8(bytes)) {
        (Form::Raw(order), _) => SockFilter::slots(bytes, order).ok_or(not_a_program(0))?,
        (form, Ok(text)) => parse_as(text, form)?,
        (_, Err(error)) => return Err(not_a_program(error.valid_up_to())),
    };
    Ok(Parsed { program, form })
}

/// Reads a text in whatever form it is.
pub fn parse(text: &str) -> Result<Parsed, TextError> {
    let form = detect_text(text);
    Ok(Parsed { program: parse_as(text, form)?, form })
}

/// Reads a text of the given form.
pub fn parse_as(text: &str, form: Form) -> Result<Vec<SockFilter>, TextError> {
    let mut cursor = Cursor::new(text);
    let program = match form {
        Form::Tcpdump => tcpdump::parse(&mut cursor)?,
        Form::C => numeric::parse_c(&mut cursor)?,
        Form::Decimal => numeric::parse_decimal(&mut cursor)?,
        Form::OneLine => numeric::parse_one_line(&mut cursor)?,
        Form::Asm => asm::parse(&mut cursor)?,
        Form::SeccompTools => seccomp_tools::parse(&mut cursor)?,
        Form::Raw(_) => return Err(cursor.error(0, TextErrorKind::NotAProgram)),
    };
    match program.is_empty() {
        true => Err(cursor.error(text.len(), TextErrorKind::Empty)),
        false => Ok(program),
    }
}

/// Writes a program. The forms of tcpdump are its own byte for byte (libpcap 1.10).
pub fn write(program: &[SockFilter], form: Form) -> Result<String, WriteError> {
    match form {
        Form::Tcpdump => Ok(tcpdump::write(program)),
        Form::C => Ok(numeric::write_c(program)),
        Form::Decimal => Ok(numeric::write_decimal(program)),
        Form::OneLine => Ok(numeric::write_one_line(program)),
        Form::Asm => asm::write(program),
        Form::SeccompTools => Ok(seccomp_tools::write(program)),
        Form::Raw(_) => Err(WriteError::NotText),
    }
}

#[cfg(test)]
mod tests;
