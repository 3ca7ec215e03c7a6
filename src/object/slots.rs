//! What the elements of maps refer to: initial values of program arrays and maps of maps, and the
//! programs in structs of callbacks.
//!
//! Follows `bpf_object__collect_map_relos` and `bpf_object__collect_st_ops_relos` of libbpf 1.7.

use super::elf::{Elf, Reloc};
use super::error::{ObjectError, SectionProblem};
use super::functions::{Function, covering};
use super::maps::{MapIndex, MapSource, ObjectMap};
use oxbpf_isa::btf::{Btf, Member, Type};
use oxbpf_isa::insn::SLOT_SIZE;
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::{MapSlot, SlotTarget};
use std::collections::{BTreeMap, HashMap};

const SLOT: u64 = SLOT_SIZE as u64;

/// Bytes of a pointer in the object's data.
const POINTER: u64 = 8;

/// Fills in the elements that relocations of map sections name.
pub(super) fn fill(
    elf: &Elf,
    btf: Option<&Btf>,
    functions: &[Function],
    maps: &mut [ObjectMap],
) -> Result<(), ObjectError> {
    let index = MapIndex::new(maps);
    let mut callbacks: HashMap<usize, Callbacks<'_>> = HashMap::new();
    for table in &elf.relocs {
        let section = &elf.sections[table.target];
        for reloc in &table.relocs {
            let err = |problem| ObjectError::Section {
                section: section.name.clone(),
                offset: reloc.offset,
                problem,
            };
            let map = index.before(table.target, reloc.offset);
            let Some(map) = map else { continue };
            let filler = Filler { elf, functions, index: &index, reloc };
            let btf = btf.ok_or_else(|| err(SectionProblem::NoTypes))?;
            match maps[map].source {
                MapSource::Declared => filler.element(maps, map).map_err(err)?,
                MapSource::StructOps => {
                    let of_map = callbacks.entry(map).or_insert_with(|| Callbacks::new(btf, &maps[map]));
                    filler.callback(btf, &maps[map], of_map).map_err(err)?;
                }
                _ => {}
            }
        }
    }
    for (map, found) in callbacks {
        if let Some(ops) = &mut maps[map].def.struct_ops {
            ops.members = found.programs.into_values().collect();
        }
    }
    Ok(())
}

/// The members of a struct of callbacks by offset in bits, and the programs found to stand there.
struct Callbacks<'a> {
    members: HashMap<u64, Member<'a>>,
    programs: BTreeMap<u64, (String, String)>,
}

impl<'a> Callbacks<'a> {
    fn new(btf: &'a Btf, map: &ObjectMap) -> Callbacks<'a> {
        let mut members = HashMap::new();
        let ops = btf.ty(map.def.value_type).and_then(|t| t.composite());
        for member in ops.into_iter().flat_map(|ops| ops.members()) {
            members.entry(member.bit_offset as u64).or_insert(member);
        }
        Callbacks { members, programs: BTreeMap::new() }
    }
}

struct Filler<'a> {
    elf: &'a Elf,
    functions: &'a [Function],
    index: &'a MapIndex,
    reloc: &'a Reloc,
}

impl Filler<'_> {
    fn error(&self, expected: &'static str) -> SectionProblem {
        SectionProblem::Reference { symbol: self.elf.symbols[self.reloc.symbol].name.clone(), expected }
    }

    /// An element of a program array or of a map of maps.
    fn element(&self, maps: &mut [ObjectMap], at: usize) -> Result<(), SectionProblem> {
        let symbol = &self.elf.symbols[self.reloc.symbol];
        let target = match maps[at].def.kind() {
            Some(MapType::ProgArray) => {
                let covering =
                    symbol.section.and_then(|s| covering(self.functions, s, (symbol.value / SLOT) as usize));
                let program = covering.map(|f| &self.functions[f]);
                let program = program.filter(|f| f.is_entry && f.offset as u64 * SLOT == symbol.value);
                SlotTarget::Program(program.ok_or_else(|| self.error("an entry point"))?.name.clone())
            }
            Some(MapType::HashOfMaps) if maps[at].def.key_size != 4 => {
                return Err(self.error("no elements, since the keys are not of four bytes"));
            }
            Some(MapType::ArrayOfMaps | MapType::HashOfMaps) => {
                let inner = symbol.section.and_then(|s| self.index.at(s, symbol.value));
                let inner = inner.map(|m| &maps[m]).filter(|m| m.source == MapSource::Declared);
                SlotTarget::Map(inner.ok_or_else(|| self.error("a map"))?.def.name.clone())
            }
            _ => return Err(self.error("nothing, since the map has no values")),
        };
        let within = (self.reloc.offset - maps[at].offset).checked_sub(maps[at].values.unwrap_or(u64::MAX));
        let index =
            within.filter(|w| w.is_multiple_of(POINTER)).and_then(|w| u32::try_from(w / POINTER).ok());
        let index = index.ok_or_else(|| self.error("to stand in an element of values"))?;
        maps[at].def.slots.push(MapSlot { index, target });
        Ok(())
    }

    /// A member of a struct of callbacks.
    fn callback(&self, btf: &Btf, map: &ObjectMap, found: &mut Callbacks<'_>) -> Result<(), SectionProblem> {
        let symbol = &self.elf.symbols[self.reloc.symbol];
        let within = self.reloc.offset - map.offset;
        if within >= map.def.value_size as u64 {
            return Err(self.error("to stand inside a variable"));
        }
        let member = found.members.get(&(within * 8)).ok_or_else(|| self.error("to stand in a member"))?;
        let is_callback = match btf.resolved(member.ty) {
            Some((_, Type::Ptr(target))) => matches!(btf.resolved(target), Some((_, Type::FuncProto(_)))),
            _ => false,
        };
        if !is_callback {
            return Err(self.error("to stand in a pointer to a function"));
        }
        let slot = (symbol.value / SLOT) as usize;
        let program = symbol.section.and_then(|s| covering(self.functions, s, slot));
        let program = program.filter(|_| symbol.value.is_multiple_of(SLOT)).map(|p| &self.functions[p]);
        let program = program.filter(|p| p.is_entry).ok_or_else(|| self.error("a program"))?;
        found.programs.insert(within, (member.name.to_owned(), program.name.clone()));
        Ok(())
    }
}
