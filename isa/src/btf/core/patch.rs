//! Putting an answer into an instruction (libbpf `bpf_core_patch_insn`).

use super::value::Resolution;
use crate::insn::opcode::{class, mode};
use crate::insn::{RawInsn, Size};
use core::fmt;

/// The helper number of a call that stands where a relocation had no answer. No kernel has it, so
/// the verifier refuses the program if the call can be reached.
pub const BAD_RELOCATION: i32 = 0x0bad_2310;

/// Why an answer does not fit the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PatchError {
    /// The instruction has no immediate or offset that could be relocated.
    Form { insn: RawInsn },
    /// The instruction does not hold what the compiler assumed.
    Unexpected { holds: u64, expected: u64 },
    /// The offset does not fit the instruction.
    Range { value: u64 },
    /// The access is not as wide as the field it was compiled for.
    Size { bytes: u32, expected: u32 },
    /// No access is as wide as the field of the target.
    NewSize { bytes: u32 },
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            PatchError::Form { insn } => write!(f, "this instruction cannot be relocated: {insn:?}"),
            PatchError::Unexpected { holds, expected } => {
                write!(f, "the instruction holds {holds}, expected the compiler's {expected}")
            }
            PatchError::Range { value } => write!(f, "offset {value} does not fit an instruction"),
            PatchError::Size { bytes, expected } => {
                write!(f, "an access of {bytes} bytes, expected {expected}")
            }
            PatchError::NewSize { bytes } => write!(f, "no access is {bytes} bytes wide"),
        }
    }
}

impl core::error::Error for PatchError {}

/// Puts `answer` into the instruction at the start of `insns`.
///
/// # Errors
/// When the instruction is not of a form that can hold it, or not as the compiler left it.
pub fn patch(insns: &mut [RawInsn], answer: &Resolution) -> Result<(), PatchError> {
    let Some(&insn) = insns.first() else { return Err(PatchError::Form { insn: RawInsn::default() }) };
    match insn.code & class::MASK {
        class::ALU | class::ALU64 if insn.code & class::X == 0 => {
            if answer.poison {
                poison(insns);
                return Ok(());
            }
            expect(answer, insn.imm as i64 as u64)?;
            insns[0].imm = answer.new as i32;
        }
        class::LDX | class::ST | class::STX => {
            if answer.poison {
                poison(insns);
                return Ok(());
            }
            expect(answer, insn.off as i64 as u64)?;
            if answer.new > i16::MAX as u64 {
                return Err(PatchError::Range { value: answer.new });
            }
            if answer.size_mismatch {
                poison(insns);
                return Ok(());
            }
            insns[0].off = answer.new as i16;
            resize(&mut insns[0], answer)?;
        }
        class::LD => patch_imm64(insns, answer)?,
        _ => return Err(PatchError::Form { insn }),
    }
    Ok(())
}

fn expect(answer: &Resolution, holds: u64) -> Result<(), PatchError> {
    match answer.validate && holds != answer.orig {
        true => Err(PatchError::Unexpected { holds, expected: answer.orig }),
        false => Ok(()),
    }
}

fn resize(insn: &mut RawInsn, answer: &Resolution) -> Result<(), PatchError> {
    if answer.new_size == answer.orig_size {
        return Ok(());
    }
    let bytes = Size::from_code(insn.code).bytes();
    if bytes != answer.orig_size {
        return Err(PatchError::Size { bytes, expected: answer.orig_size });
    }
    let size = Size::from_bytes(answer.new_size).ok_or(PatchError::NewSize { bytes: answer.new_size })?;
    insn.code = insn.code & (mode::MASK | class::MASK) | size.code();
    Ok(())
}

fn patch_imm64(insns: &mut [RawInsn], answer: &Resolution) -> Result<(), PatchError> {
    let [first, second, ..] = insns else { return Err(PatchError::Form { insn: insns[0] }) };
    let blank = RawInsn { imm: second.imm, ..RawInsn::default() };
    if !first.is_ldimm64() || first.src != 0 || first.off != 0 || *second != blank {
        return Err(PatchError::Form { insn: *first });
    }
    if answer.poison {
        poison(insns);
        return Ok(());
    }
    expect(answer, first.imm64(*second))?;
    first.imm = answer.new as i32;
    second.imm = (answer.new >> 32) as i32;
    Ok(())
}

/// Replaces the instruction by calls of a helper that does not exist.
fn poison(insns: &mut [RawInsn]) {
    let slots = if insns[0].is_ldimm64() { 2 } else { 1 };
    for slot in insns.iter_mut().take(slots) {
        *slot = RawInsn::new(0x85, 0, 0, 0, BAD_RELOCATION);
    }
}
