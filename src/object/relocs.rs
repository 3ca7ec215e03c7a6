//! What the instructions of a function refer to.
//!
//! Follows `bpf_program__record_reloc` of libbpf 1.7.

use super::elf::{Elf, Symbol, SymbolKind};
use super::error::ProgramProblem;
use super::externs::Extern;
use super::functions::{Function, TEXT, covering};
use super::maps::{ARENA_SECTION, MapSource, ObjectMap, data_source};
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::insn::{RawInsn, SLOT_SIZE};
use oxbpf_isa::kernel::MapType;

const CALL: u8 = 0x85;

/// What an instruction refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RelocTarget {
    /// A map, by index.
    Map(usize),
    /// Global data at an offset of a map's first value.
    Data { map: usize, offset: u32 },
    /// An extern, by index.
    Extern(usize),
    /// A function of `.text`, at a byte offset of the section to which the immediate adds.
    Call { offset: u64 },
    /// The address of such a function.
    FuncAddr { offset: u64 },
    /// Nothing that a program can refer to.
    Bad(ProgramProblem),
}

/// A reference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FuncReloc {
    /// Slot of the instruction in its function.
    pub insn: usize,
    pub target: RelocTarget,
}

/// Finds the references of every function, ordered by instruction.
pub(super) fn find(
    elf: &Elf,
    functions: &[Function],
    maps: &[ObjectMap],
    externs: &[Extern],
) -> Vec<Vec<FuncReloc>> {
    let mut found = vec![Vec::new(); functions.len()];
    for table in &elf.relocs {
        for reloc in &table.relocs {
            let slot = reloc.offset as usize / SLOT_SIZE;
            let Some(index) = covering(functions, table.target, slot) else { continue };
            let function = &functions[index];
            let insn = slot - function.offset;
            let symbol = &elf.symbols[reloc.symbol];
            let target = match reloc.offset.is_multiple_of(SLOT_SIZE as u64) {
                true => classify(elf, maps, externs, &function.insns[insn], reloc.symbol, symbol),
                false => Err(ProgramProblem::Form),
            };
            found[index].push(FuncReloc { insn, target: target.unwrap_or_else(RelocTarget::Bad) });
        }
    }
    for relocs in &mut found {
        relocs.sort_by_key(|r| r.insn);
    }
    found
}

fn classify(
    elf: &Elf,
    maps: &[ObjectMap],
    externs: &[Extern],
    insn: &RawInsn,
    index: usize,
    symbol: &Symbol,
) -> Result<RelocTarget, ProgramProblem> {
    let is_call = insn.code == CALL;
    if !is_call && !insn.is_ldimm64() {
        return Err(ProgramProblem::Form);
    }
    let bad = || ProgramProblem::Target { symbol: symbol.name.clone() };
    if symbol.is_extern() {
        return externs.iter().position(|e| e.symbol == index).map(RelocTarget::Extern).ok_or_else(bad);
    }
    let section = symbol.section.ok_or_else(bad)?;
    let is_text = elf.sections[section].name == TEXT;
    let aligned = |offset: i64| offset % SLOT_SIZE as i64 == 0;
    if is_call {
        let valid = insn.src == pseudo::CALL_SUBPROG && is_text && aligned(symbol.value as i64);
        return if valid { Ok(RelocTarget::Call { offset: symbol.value }) } else { Err(bad()) };
    }
    if is_text && matches!(symbol.kind, SymbolKind::Section | SymbolKind::Function) {
        let valid = aligned(symbol.value as i64) && aligned(insn.imm as i64);
        return if valid { Ok(RelocTarget::FuncAddr { offset: symbol.value }) } else { Err(bad()) };
    }
    let name = elf.sections[section].name.as_str();
    let find = |want: &dyn Fn(&ObjectMap) -> bool| maps.iter().position(want).ok_or_else(bad);
    let offset = || u32::try_from(symbol.value).map_err(|_| bad());
    if name == ARENA_SECTION {
        let map = find(&|m| m.def.kind() == Some(MapType::Arena))?;
        return Ok(RelocTarget::Data { map, offset: offset()? });
    }
    if data_source(name, elf.sections[section].kind).is_some() {
        let map = find(&|m| m.section == section && m.source != MapSource::Declared)?;
        return Ok(RelocTarget::Data { map, offset: offset()? });
    }
    let declared =
        |m: &ObjectMap| m.source == MapSource::Declared && m.section == section && m.offset == symbol.value;
    find(&declared).map(RelocTarget::Map)
}
