//! The functions of an object: entry points in their sections, subprograms in `.text`.
//!
//! Follows `bpf_object__add_programs` of libbpf 1.7.

use super::elf::{Elf, SectionKind, SymbolKind};
use super::error::{ObjectError, SectionProblem};
use oxbpf_isa::insn::{RawInsn, SLOT_SIZE};

/// The section of subprograms.
pub(super) const TEXT: &str = ".text";

/// One function.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// Index of its section.
    pub section: usize,
    /// Slots from the start of the section.
    pub offset: usize,
    pub insns: Vec<RawInsn>,
    /// A program of its own rather than a subprogram of others.
    pub is_entry: bool,
    pub global: bool,
    /// Global, but to be judged as static: its symbol is hidden.
    pub hidden: bool,
}

/// Finds the functions, ordered by section and position.
pub(super) fn find(elf: &Elf, bytes: &[u8]) -> Result<Vec<Function>, ObjectError> {
    let mut functions = Vec::new();
    for (index, section) in elf.sections.iter().enumerate() {
        if section.kind != SectionKind::Code || section.size == 0 {
            continue;
        }
        let err =
            |offset, problem| Err(ObjectError::Section { section: section.name.clone(), offset, problem });
        let Some(slots) = RawInsn::slots(&bytes[section.range.clone()], elf.order) else {
            return err(0, SectionProblem::InsnSize { size: section.size });
        };
        let is_text = section.name == TEXT;
        let in_section = |s: &&super::elf::Symbol| s.section == Some(index) && s.kind == SymbolKind::Function;
        for symbol in elf.symbols.iter().filter(in_section) {
            let end = symbol.value.checked_add(symbol.size).filter(|&e| e <= section.size);
            let aligned = symbol.value % SLOT_SIZE as u64 == 0 && symbol.size % SLOT_SIZE as u64 == 0;
            let Some(end) = end.filter(|_| aligned && symbol.size > 0) else {
                let problem = SectionProblem::FunctionRange {
                    name: symbol.name.clone(),
                    size: symbol.size,
                    section: section.size,
                };
                return err(symbol.value, problem);
            };
            if symbol.local && !is_text {
                return err(symbol.value, SectionProblem::StaticProgram { name: symbol.name.clone() });
            }
            let offset = symbol.value as usize / SLOT_SIZE;
            functions.push(Function {
                name: symbol.name.clone(),
                section: index,
                offset,
                insns: slots[offset..end as usize / SLOT_SIZE].to_vec(),
                is_entry: !is_text,
                global: !symbol.local,
                hidden: !symbol.local && symbol.hidden,
            });
        }
    }
    functions.sort_by_key(|f| (f.section, f.offset));
    // A single function in .text is a program.
    if let [only] = &mut functions[..] {
        only.is_entry = true;
    }
    Ok(functions)
}

/// The function that covers a slot of a section.
pub(super) fn covering(functions: &[Function], section: usize, slot: usize) -> Option<usize> {
    let after = functions.partition_point(|f| (f.section, f.offset) <= (section, slot));
    let index = after.checked_sub(1)?;
    let f = &functions[index];
    (f.section == section && slot < f.offset + f.insns.len()).then_some(index)
}
