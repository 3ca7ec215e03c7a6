//! What an object's types leave open and the rest of the file knows: where variables stand in their
//! sections, and which global names are hidden.
//!
//! Follows `btf_fixup_datasec` and the marking of hidden functions in
//! `bpf_object__sanitize_and_load_btf` of libbpf 1.7. Type ids and string offsets do not change, so
//! that `.BTF.ext` still fits. What libbpf changes for kernels that do not know a kind of type is
//! left out: it hides types from such a kernel, and a model of that kernel may do so itself.

use super::elf::{Elf, SectionKind, Symbol, SymbolKind};
use super::error::{ObjectError, SectionProblem};
use super::externs::{KCONFIG, KSYMS};
use oxbpf_isa::btf::{Btf, Datasec, Linkage, SecVar, Type, TypeId};
use oxbpf_isa::insn::ByteOrder;
use std::collections::HashMap;

/// The types with sizes and offsets of sections filled in, variables ordered by offset, and hidden
/// functions and variables made static.
pub(super) fn complete(btf: Btf, elf: &Elf) -> Result<Btf, ObjectError> {
    let mut edit = Edit { order: btf.order(), bytes: btf.bytes().to_vec() };
    let symbols = Globals::new(elf);
    for (id, ty) in btf.types() {
        match ty {
            Type::Datasec(section) => edit.datasec(&btf, id, section, elf, &symbols)?,
            Type::Func { name, linkage: Linkage::Global, .. } if symbols.hides(name, true) => {
                edit.set_static_func(&btf, id);
            }
            _ => {}
        }
    }
    Btf::parse(edit.bytes).map_err(|error| ObjectError::Btf { section: ".BTF".to_owned(), error })
}

/// Global symbols by name.
struct Globals<'a>(HashMap<&'a str, &'a Symbol>);

impl<'a> Globals<'a> {
    fn new(elf: &'a Elf) -> Globals<'a> {
        let mut by_name = HashMap::new();
        for symbol in elf.symbols.iter().filter(|s| !s.local && s.section.is_some()) {
            by_name.entry(symbol.name.as_str()).or_insert(symbol);
        }
        Globals(by_name)
    }

    fn hides(&self, name: &str, function: bool) -> bool {
        let wanted = |s: &&&Symbol| (s.kind == SymbolKind::Function) == function;
        self.0.get(name).filter(wanted).is_some_and(|s| s.hidden)
    }
}

struct Edit {
    order: ByteOrder,
    bytes: Vec<u8>,
}

impl Edit {
    fn put(&mut self, at: usize, word: u32) {
        let word = match self.order {
            ByteOrder::Little => word.to_le_bytes(),
            ByteOrder::Big => word.to_be_bytes(),
        };
        self.bytes[at..at + 4].copy_from_slice(&word);
    }

    fn set_static_func(&mut self, btf: &Btf, id: TypeId) {
        const KIND_FUNC: u32 = 12;
        if let Some(record) = btf.record_range(id) {
            self.put(record.start + 4, KIND_FUNC << 24 | Linkage::Static.number());
        }
    }

    fn datasec(
        &mut self,
        btf: &Btf,
        id: TypeId,
        datasec: Datasec<'_>,
        elf: &Elf,
        symbols: &Globals<'_>,
    ) -> Result<(), ObjectError> {
        let Some(record) = btf.record_range(id) else { return Ok(()) };
        let mut vars: Vec<SecVar> = datasec.vars().collect();
        if !matches!(datasec.name, KCONFIG | KSYMS) {
            let err = |problem| ObjectError::Section { section: datasec.name.to_owned(), offset: 0, problem };
            let is_open = datasec.size == 0;
            if is_open {
                let size = section_size(elf, datasec.name);
                self.put(record.start + 8, size.ok_or(err(SectionProblem::NoTypes))?);
            }
            for var in &mut vars {
                let Some(Type::Var { name, linkage, .. }) = btf.ty(var.var) else {
                    return Err(err(SectionProblem::NotVariable { id: var.var }));
                };
                if linkage != Linkage::Global {
                    continue;
                }
                let symbol = symbols.0.get(name).filter(|s| s.kind != SymbolKind::Function);
                let symbol = symbol.ok_or(err(SectionProblem::NoSymbol { name: name.to_owned() }))?;
                if is_open {
                    let outside =
                        SectionProblem::VariableRange { name: name.to_owned(), offset: symbol.value };
                    var.offset = u32::try_from(symbol.value).map_err(|_| err(outside))?;
                }
                if symbol.hidden
                    && let Some(record) = btf.record_range(var.var)
                {
                    self.put(record.start + 12, Linkage::Static.number());
                }
            }
        }
        vars.sort_by_key(|v| v.offset);
        for (nth, var) in vars.iter().enumerate() {
            let at = record.start + 12 + nth * 12;
            self.put(at, var.var.0);
            self.put(at + 4, var.offset);
            self.put(at + 8, var.size);
        }
        Ok(())
    }
}

/// Bytes in the section of this name, unless it has none.
fn section_size(elf: &Elf, name: &str) -> Option<u32> {
    let has_bytes = |k| matches!(k, SectionKind::Data | SectionKind::Code | SectionKind::Zero);
    let section = elf.sections.iter().find(|s| s.name == name && has_bytes(s.kind))?;
    u32::try_from(section.size).ok().filter(|&s| s > 0)
}
