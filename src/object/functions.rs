//! The functions of an object: entry points in their sections, subprograms in `.text`.
//!
//! Follows `bpf_object__add_programs` of libbpf 1.7, with one addition: when an object has no code
//! outside `.text`, as objects for user-space machines do, the global functions there are entry
//! points.

use super::elf::{Elf, SectionKind, Symbol, SymbolKind};
use super::error::{ObjectError, SectionProblem};
use oxbpf_isa::insn::{RawInsn, SLOT_SIZE};
use std::fmt;
use std::sync::Arc;

/// The section of subprograms.
pub(super) const TEXT: &str = ".text";

/// Functions may be aliases of each other, but not so many that their sum outgrows the file.
const MAX_SHARED: usize = 16;

/// One function.
#[derive(Clone)]
pub struct Function {
    pub name: String,
    /// Index of its section.
    pub section: usize,
    /// Slots from the start of the section.
    pub offset: usize,
    /// A program of its own rather than a subprogram of others.
    pub is_entry: bool,
    pub global: bool,
    /// Global, but to be judged as static: its symbol is hidden.
    pub hidden: bool,
    /// Loaded unless asked otherwise; not so in a section whose name begins with `?`.
    pub autoload: bool,
    /// The slots of the whole section.
    code: Arc<[RawInsn]>,
    len: usize,
}

impl Function {
    /// Its instructions as the compiler left them.
    pub fn insns(&self) -> &[RawInsn] {
        &self.code[self.offset..self.offset + self.len]
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.name)
            .field("section", &self.section)
            .field("offset", &self.offset)
            .field("insns", &self.len)
            .finish_non_exhaustive()
    }
}

/// Finds the functions, ordered by section and position.
pub(super) fn find(elf: &Elf, bytes: &[u8]) -> Result<Vec<Function>, ObjectError> {
    let mut code = vec![None; elf.sections.len()];
    for (index, section) in elf.sections.iter().enumerate() {
        if section.kind != SectionKind::Code || section.size == 0 {
            continue;
        }
        let slots = RawInsn::slots(&bytes[section.range.clone()], elf.order);
        let slots = slots.ok_or_else(|| ObjectError::Section {
            section: section.name.clone(),
            offset: 0,
            problem: SectionProblem::InsnSize { size: section.size },
        })?;
        code[index] = Some(Arc::<[RawInsn]>::from(slots));
    }
    let is_text = |index: usize| elf.sections[index].name == TEXT;
    let only_text = code.iter().enumerate().all(|(index, c)| c.is_none() || is_text(index));
    let mut room: Vec<usize> = code.iter().map(|c| MAX_SHARED * c.as_ref().map_or(0, |c| c.len())).collect();
    let mut functions = Vec::new();
    for symbol in elf.symbols.iter().filter(|s| s.kind == SymbolKind::Function) {
        let Some(section) = symbol.section else { continue };
        let Some(code) = &code[section] else { continue };
        let function = function(elf, symbol, section, code, !is_text(section), only_text)?;
        room[section] = room[section].checked_sub(function.len).ok_or_else(|| ObjectError::Section {
            section: elf.sections[section].name.clone(),
            offset: symbol.value,
            problem: SectionProblem::SharedCode,
        })?;
        functions.push(function);
    }
    functions.sort_by_key(|f| (f.section, f.offset));
    Ok(functions)
}

fn function(
    elf: &Elf,
    symbol: &Symbol,
    index: usize,
    code: &Arc<[RawInsn]>,
    is_program: bool,
    only_text: bool,
) -> Result<Function, ObjectError> {
    const SLOT: u64 = SLOT_SIZE as u64;
    let section = &elf.sections[index];
    let err =
        |problem| Err(ObjectError::Section { section: section.name.clone(), offset: symbol.value, problem });
    let end = symbol.value.checked_add(symbol.size).filter(|&e| e <= section.size);
    let is_aligned = symbol.value.is_multiple_of(SLOT) && symbol.size.is_multiple_of(SLOT);
    if end.is_none() || !is_aligned || symbol.size == 0 {
        return err(SectionProblem::FunctionRange {
            name: symbol.name.clone(),
            size: symbol.size,
            section: section.size,
        });
    }
    if is_program && symbol.local {
        return err(SectionProblem::StaticProgram { name: symbol.name.clone() });
    }
    Ok(Function {
        name: symbol.name.clone(),
        section: index,
        offset: (symbol.value / SLOT) as usize,
        is_entry: is_program || only_text && !symbol.local,
        global: !symbol.local,
        hidden: !symbol.local && symbol.hidden,
        autoload: !section.name.starts_with('?'),
        code: code.clone(),
        len: (symbol.size / SLOT) as usize,
    })
}

/// The function that covers a slot of a section.
pub(super) fn covering(functions: &[Function], section: usize, slot: usize) -> Option<usize> {
    let after = functions.partition_point(|f| (f.section, f.offset) <= (section, slot));
    let index = after.checked_sub(1)?;
    let f = &functions[index];
    (f.section == section && slot < f.offset + f.len).then_some(index)
}
