//! What the instructions of a function refer to.
//!
//! Follows `bpf_program__record_reloc` of libbpf 1.7. As there, the symbol and the instruction
//! decide and the type of the relocation does not: `R_BPF_64_64`, `R_BPF_64_32` and the absolute
//! ones are written by compilers for different kinds of instructions and data.

use super::elf::{Elf, Symbol, SymbolKind};
use super::error::ProgramProblem;
use super::externs::Extern;
use super::functions::{Function, TEXT, covering};
use super::maps::{ARENA_SECTION, MapIndex, MapSource, ObjectMap, data_source};
use oxbpf_isa::insn::opcode::pseudo;
use oxbpf_isa::insn::{RawInsn, SLOT_SIZE};
use oxbpf_isa::kernel::MapType;
use std::collections::HashMap;

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
    let classifier = Classifier {
        elf,
        maps,
        index: MapIndex::new(maps),
        arena: maps.iter().position(|m| m.def.kind() == Some(MapType::Arena)),
        externs: externs.iter().enumerate().map(|(index, e)| (e.symbol, index)).collect(),
    };
    let mut found = vec![Vec::new(); functions.len()];
    for table in &elf.relocs {
        for reloc in &table.relocs {
            let slot = reloc.offset as usize / SLOT_SIZE;
            // What lies in no function belongs to a weak one that was dropped when linking.
            let Some(index) = covering(functions, table.target, slot) else { continue };
            let insn = slot - functions[index].offset;
            let target = match reloc.offset.is_multiple_of(SLOT_SIZE as u64) {
                true => classifier.target(&functions[index].insns()[insn], reloc.symbol),
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

struct Classifier<'a> {
    elf: &'a Elf,
    maps: &'a [ObjectMap],
    index: MapIndex,
    arena: Option<usize>,
    /// Externs by symbol.
    externs: HashMap<usize, usize>,
}

impl Classifier<'_> {
    fn target(&self, insn: &RawInsn, index: usize) -> Result<RelocTarget, ProgramProblem> {
        let symbol = &self.elf.symbols[index];
        let is_call = insn.code == CALL;
        if !is_call && !insn.is_ldimm64() {
            return Err(ProgramProblem::Form);
        }
        let bad = || ProgramProblem::Target { symbol: self.name(symbol) };
        if symbol.is_extern() {
            return self.externs.get(&index).copied().map(RelocTarget::Extern).ok_or_else(bad);
        }
        let section = symbol.section.ok_or_else(bad)?;
        let is_text = self.elf.sections[section].name == TEXT;
        let is_aligned = |offset: i64| offset % SLOT_SIZE as i64 == 0;
        if is_call {
            let valid = insn.src == pseudo::CALL_SUBPROG && is_text && is_aligned(symbol.value as i64);
            return if valid { Ok(RelocTarget::Call { offset: symbol.value }) } else { Err(bad()) };
        }
        // A static function is named by its section and the immediate, a global one by its symbol.
        let is_function = match symbol.kind {
            SymbolKind::Section => symbol.local,
            SymbolKind::Function => !symbol.local,
            _ => false,
        };
        if is_text && is_function {
            let valid = is_aligned(symbol.value as i64) && is_aligned(insn.imm as i64);
            return if valid { Ok(RelocTarget::FuncAddr { offset: symbol.value }) } else { Err(bad()) };
        }
        self.data(section, symbol).ok_or_else(bad)
    }

    fn data(&self, section: usize, symbol: &Symbol) -> Option<RelocTarget> {
        let s = &self.elf.sections[section];
        let offset = u32::try_from(symbol.value).ok();
        if s.name == ARENA_SECTION {
            return Some(RelocTarget::Data { map: self.arena?, offset: offset? });
        }
        if data_source(&s.name, s.kind).is_some() {
            return Some(RelocTarget::Data { map: self.index.at(section, 0)?, offset: offset? });
        }
        let map = self.index.at(section, symbol.value)?;
        (self.maps[map].source == MapSource::Declared).then_some(RelocTarget::Map(map))
    }

    fn name(&self, symbol: &Symbol) -> String {
        let section = symbol.section.filter(|_| symbol.name.is_empty());
        section.map_or(&symbol.name, |s| &self.elf.sections[s].name).clone()
    }
}
