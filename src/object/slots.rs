//! What the elements of maps refer to: initial values of program arrays and maps of maps, and the
//! programs in structs of callbacks.
//!
//! Follows `bpf_object__collect_map_relos` and `bpf_object__collect_st_ops_relos` of libbpf 1.7.

use super::elf::{Elf, Reloc};
use super::error::{ObjectError, SectionProblem};
use super::functions::{Function, covering};
use super::maps::{MapSource, ObjectMap};
use oxbpf_isa::btf::{Btf, Kind, Type};
use oxbpf_isa::insn::SLOT_SIZE;
use oxbpf_isa::kernel::MapType;
use oxbpf_isa::program::{MapSlot, SlotTarget};

/// Fills in the elements that relocations of map sections name.
pub(super) fn fill(
    elf: &Elf,
    btf: Option<&Btf>,
    functions: &[Function],
    maps: &mut [ObjectMap],
) -> Result<(), ObjectError> {
    for table in &elf.relocs {
        let section = &elf.sections[table.target];
        for reloc in &table.relocs {
            let result = match section.name.as_str() {
                ".maps" => map_slot(elf, btf, functions, maps, table.target, reloc),
                name if name.trim_start_matches('?').starts_with(".struct_ops") => {
                    callback(elf, btf, functions, maps, table.target, reloc)
                }
                _ => break,
            };
            result.map_err(|problem| ObjectError::Section {
                section: section.name.clone(),
                offset: reloc.offset,
                problem,
            })?;
        }
    }
    Ok(())
}

fn map_slot(
    elf: &Elf,
    btf: Option<&Btf>,
    functions: &[Function],
    maps: &mut [ObjectMap],
    section: usize,
    reloc: &Reloc,
) -> Result<(), SectionProblem> {
    let symbol = &elf.symbols[reloc.symbol];
    let reference = |expected| SectionProblem::Reference { symbol: symbol.name.clone(), expected };
    let btf = btf.ok_or(SectionProblem::NoTypes)?;
    let at = maps
        .iter()
        .rposition(|m| m.section == section && m.source == MapSource::Declared && m.offset <= reloc.offset);
    let at = at.ok_or(reference("a place inside a map"))?;
    let values = values_offset(btf, &maps[at].def.name).ok_or(SectionProblem::NoTypes)?;
    let within = (reloc.offset - maps[at].offset).checked_sub(values).filter(|w| w % 8 == 0);
    let index = within.and_then(|w| u32::try_from(w / 8).ok()).ok_or(reference("an element of values"))?;
    let target = match maps[at].def.kind() {
        Some(MapType::ProgArray) => {
            let program = functions.iter().find(|f| {
                f.is_entry
                    && Some(f.section) == symbol.section
                    && (f.offset * SLOT_SIZE) as u64 == symbol.value
            });
            SlotTarget::Program(program.ok_or(reference("a program"))?.name.clone())
        }
        Some(MapType::ArrayOfMaps | MapType::HashOfMaps) => {
            let known = maps.iter().any(|m| m.source == MapSource::Declared && m.def.name == symbol.name);
            if !known || symbol.section != Some(section) {
                return Err(reference("a map"));
            }
            SlotTarget::Map(symbol.name.clone())
        }
        _ => return Err(reference("nothing, since the map has no values")),
    };
    maps[at].def.slots.push(MapSlot { index, target });
    Ok(())
}

/// Bytes from the start of a map's variable to its `values`.
fn values_offset(btf: &Btf, map: &str) -> Option<u64> {
    let Type::Var { ty, .. } = btf.ty(btf.find(map, Kind::Var)?)? else { return None };
    let (_, Type::Struct(def)) = btf.resolved(ty)? else { return None };
    let last = def.members().last().filter(|m| m.name == "values")?;
    Some(last.bit_offset as u64 / 8)
}

fn callback(
    elf: &Elf,
    btf: Option<&Btf>,
    functions: &[Function],
    maps: &mut [ObjectMap],
    section: usize,
    reloc: &Reloc,
) -> Result<(), SectionProblem> {
    let symbol = &elf.symbols[reloc.symbol];
    let reference = |expected| SectionProblem::Reference { symbol: symbol.name.clone(), expected };
    let btf = btf.ok_or(SectionProblem::NoTypes)?;
    let covers = |m: &&mut ObjectMap| {
        m.section == section && m.offset <= reloc.offset && reloc.offset - m.offset < m.def.value_size as u64
    };
    let map = maps.iter_mut().find(covers).ok_or(reference("a place inside a variable"))?;
    let bit_offset = (reloc.offset - map.offset) * 8;
    let ops = btf.ty(map.def.value_type).and_then(|t| t.composite()).ok_or(SectionProblem::NoTypes)?;
    let member = ops.members().find(|m| m.bit_offset as u64 == bit_offset).ok_or(reference("a member"))?;
    let target = symbol.section.and_then(|s| covering(functions, s, symbol.value as usize / SLOT_SIZE));
    let program = &functions[target.ok_or(reference("a program"))?];
    if let Some(ops) = &mut map.def.struct_ops {
        ops.members.push((member.name.to_owned(), program.name.clone()));
    }
    Ok(())
}
