//! Text to instructions, in the dialects that [`disasm`](crate::disasm) writes.
//!
//! One instruction a line. A line may begin with labels (`loop:`), with the slot number that
//! disassemblers print (`12:`), and with the opcode in parentheses that the kernel prints (`(bf)`),
//! which is then held against the instruction. Comments run from `;`, `//` or `#` at a word's start
//! to the end of the line. Jumps go to a label or to an offset: `goto done`, `goto +3`, `goto pc-2`.
//! Helpers are called by number, by name or by both: `call 1`, `call bpf_map_lookup_elem#1`; a label
//! of the same name comes first.

mod clike;
mod error;
mod lexer;
mod line;
#[cfg(test)]
mod tests;
mod ubpf;

pub use error::{AsmError, Expected};

use crate::insn::{Callee, Insn, RawInsn};
use crate::kernel::HELPERS;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use line::{Label, Line, Parsed};

/// What the text is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Syntax {
    /// Decided by each line's first word.
    #[default]
    Any,
    Kernel,
    Llvm,
    Ubpf,
}

/// Assembles a program.
///
/// # Errors
/// The first fault, with line, column and what was expected.
pub fn assemble(text: &str, syntax: Syntax) -> Result<Vec<RawInsn>, AsmError> {
    assemble_lines(text, syntax).map(|(slots, _)| slots)
}

/// Assembles a program, and tells for each slot the line it comes from, counted from 1.
///
/// # Errors
/// The first fault, with line, column and what was expected.
pub fn assemble_lines(text: &str, syntax: Syntax) -> Result<(Vec<RawInsn>, Vec<u32>), AsmError> {
    let mut slots = Vec::new();
    let mut lines = Vec::new();
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    let mut pending: Vec<(usize, Label)> = Vec::new();
    // ubpf's programs jump to `exit` without defining it: the last one is meant.
    let (ubpf, mut last_exit) = (matches!(syntax, Syntax::Any | Syntax::Ubpf), None);
    for (index, text) in text.lines().enumerate() {
        let number = index as u32 + 1;
        let mut line = Line::new(text, number)?;
        while let Some(label) = line.label() {
            if labels.insert(label.into(), slots.len()).is_some() {
                return Err(line.error_at_start(Expected::NewLabel));
            }
        }
        if line.is_empty() {
            continue;
        }
        let parsed = line.instruction(syntax)?;
        if let Parsed::Insn { insn: Insn::Exit, .. } = parsed {
            last_exit = Some(slots.len());
        }
        match parsed {
            Parsed::Raw(raw) => slots.push(raw),
            Parsed::Insn { insn, label } => {
                if let Some(label) = label {
                    pending.push((slots.len(), label));
                }
                insn.encode_to(&mut slots);
            }
        }
        lines.resize(slots.len(), number);
    }
    for (slot, label) in pending {
        let is_exit = ubpf && label.name == "exit" && !label.called;
        match labels.get(&label.name).copied().or(last_exit.filter(|_| is_exit)) {
            Some(target) => resolve(&mut slots[slot], slot, target, &label)?,
            None => slots[slot] = call_helper(&label)?,
        }
    }
    Ok((slots, lines))
}

/// The call of a helper by its name alone, which reads like a label that nothing defines.
fn call_helper(label: &Label) -> Result<RawInsn, AsmError> {
    let name = label.name.strip_prefix("bpf_").filter(|_| label.called);
    let helper = name.and_then(|name| HELPERS.iter().find(|h| h.name == name));
    let id = helper.and_then(|h| i32::try_from(h.id).ok());
    let unknown = AsmError { line: label.line, column: label.column, expected: Expected::KnownLabel };
    Ok(Insn::Call(Callee::Helper(id.ok_or(unknown)?)).encode().0)
}

/// Puts the distance to a label into the instruction that names it.
fn resolve(raw: &mut RawInsn, slot: usize, target: usize, label: &Label) -> Result<(), AsmError> {
    let distance = target as i64 - slot as i64 - 1;
    let far = AsmError { line: label.line, column: label.column, expected: Expected::NearLabel };
    let insn = Insn::decode(&[*raw, RawInsn::default()]);
    match insn {
        Ok(Insn::Goto { long: true, .. } | Insn::Call(_) | Insn::LdImm64 { .. }) => {
            raw.imm = i32::try_from(distance).map_err(|_| far)?;
        }
        _ => raw.off = i16::try_from(distance).map_err(|_| far)?,
    }
    Ok(())
}
