//! What an object's types leave open and the rest of the file knows: where variables stand in their
//! sections, and which global names are hidden; and the types in the form that kernels take, which
//! know no externs.
//!
//! Follows `btf_fixup_datasec`, the marking of hidden functions in
//! `bpf_object__sanitize_and_load_btf`, and what `bpf_object__collect_externs` does to types, of
//! libbpf 1.7. Type ids and string offsets do not change, so
//! that `.BTF.ext` still fits. What libbpf changes for kernels that do not know a kind of type is
//! left out: it hides types from such a kernel, and a model of that kernel may do so itself.

use super::elf::{Elf, SectionKind, Symbol, SymbolKind};
use super::error::{ObjectError, SectionProblem};
use super::externs::{Extern, ExternKind, KCONFIG, KSYMS, kconfig_size};
use oxbpf_isa::btf::{Btf, Datasec, Linkage, SecVar, Type, TypeId};
use oxbpf_isa::insn::ByteOrder;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The types with sizes and offsets of sections filled in, variables ordered by offset, and hidden
/// functions and variables made static.
pub(super) fn complete(btf: Btf, elf: &Elf) -> Result<Btf, ObjectError> {
    let mut edit = Edit { order: btf.order(), bytes: btf.bytes().to_vec() };
    let symbols = Globals::new(elf);
    for (id, ty) in btf.types() {
        match ty {
            Type::Datasec(section) => edit.datasec(&btf, id, section, &symbols)?,
            Type::Func { name, linkage: Linkage::Global, .. } if symbols.hides(name, true) => {
                edit.set_func(&btf, id, Linkage::Static);
            }
            _ => {}
        }
    }
    Btf::parse(edit.bytes).map_err(|error| ObjectError::Btf { section: ".BTF".to_owned(), error })
}

/// The types without externs, as kernels take them: configuration values become variables at their
/// places in the map, kernel variables become integers, and kernel functions in their section are
/// stood for by one variable more, since a section may hold variables only.
pub(super) fn for_kernel(btf: &Arc<Btf>, externs: &[Extern]) -> Arc<Btf> {
    if externs.is_empty() {
        return btf.clone();
    }
    let mut edit = Edit { order: btf.order(), bytes: btf.bytes().to_vec() };
    let is_int = |ty: &Type<'_>| matches!(ty, Type::Int { bits: 32, .. });
    let int = btf.types().find(|(_, ty)| is_int(ty)).map_or(TypeId::VOID, |t| t.0);
    let dummy = Dummy { var: TypeId(btf.type_count()), name: btf.string_section().len() as u32, int };
    let kconfig: HashMap<TypeId, u32> = externs.iter().filter_map(kconfig_offset).collect();
    let mut needs_dummy = false;
    for (id, ty) in btf.types() {
        let (Type::Datasec(section), Some(record)) = (ty, btf.record_range(id)) else { continue };
        match section.name {
            KCONFIG => {
                edit.put(record.start + 8, kconfig_size(externs));
                for (nth, var) in section.vars().enumerate() {
                    let offset = kconfig.get(&var.var).copied().unwrap_or(0);
                    edit.put(record.start + 12 + nth * 12 + 4, offset);
                    if let Some(var) = btf.record_range(var.var) {
                        edit.put(var.start + 12, Linkage::Global.number());
                    }
                }
                edit.sort_section(record);
            }
            KSYMS => {
                edit.put(record.start + 8, section.vars().len() as u32 * INT_SIZE);
                for (nth, var) in section.vars().enumerate() {
                    let at = record.start + 12 + nth * 12;
                    edit.put(at + 4, nth as u32 * INT_SIZE);
                    edit.put(at + 8, INT_SIZE);
                    needs_dummy |= edit.kernel_symbol(btf, var.var, at, &dummy);
                }
            }
            _ => {}
        }
    }
    let bytes = if needs_dummy { edit.with_dummy(btf, &dummy) } else { edit.bytes };
    // The edits keep every record whole, so this opens; if not, what was read stands.
    Btf::parse(bytes).map_or_else(|_| btf.clone(), Arc::new)
}

const INT_SIZE: u32 = 4;

/// The variable that stands for kernel functions.
struct Dummy {
    var: TypeId,
    /// Offset of its name, which unnamed parameters borrow.
    name: u32,
    int: TypeId,
}

fn kconfig_offset(e: &Extern) -> Option<(TypeId, u32)> {
    match e.kind {
        ExternKind::Kconfig { offset, .. } => Some((e.btf_id, offset)),
        _ => None,
    }
}

/// Global symbols by name, and the sizes of sections.
struct Globals<'a> {
    symbols: HashMap<&'a str, &'a Symbol>,
    sizes: HashMap<&'a str, u64>,
}

impl<'a> Globals<'a> {
    fn new(elf: &'a Elf) -> Globals<'a> {
        let mut by_name = HashMap::new();
        for symbol in elf.symbols.iter().filter(|s| !s.local && s.section.is_some()) {
            by_name.entry(symbol.name.as_str()).or_insert(symbol);
        }
        let has_bytes = |k| matches!(k, SectionKind::Data | SectionKind::Code | SectionKind::Zero);
        let mut sizes = HashMap::new();
        for section in elf.sections.iter().filter(|s| has_bytes(s.kind)) {
            sizes.entry(section.name.as_str()).or_insert(section.size);
        }
        Globals { symbols: by_name, sizes }
    }

    fn hides(&self, name: &str, function: bool) -> bool {
        let wanted = |s: &&&Symbol| (s.kind == SymbolKind::Function) == function;
        self.symbols.get(name).filter(wanted).is_some_and(|s| s.hidden)
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

    fn word(&self, at: usize) -> u32 {
        let word = [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]];
        match self.order {
            ByteOrder::Little => u32::from_le_bytes(word),
            ByteOrder::Big => u32::from_be_bytes(word),
        }
    }

    fn set_func(&mut self, btf: &Btf, id: TypeId, linkage: Linkage) {
        const KIND_FUNC: u32 = 12;
        if let Some(record) = btf.record_range(id) {
            self.put(record.start + 4, KIND_FUNC << 24 | linkage.number());
        }
    }

    /// Makes an integer of a kernel variable; makes a kernel function global, and puts the dummy in
    /// its place at `at`. Whether the dummy is needed.
    fn kernel_symbol(&mut self, btf: &Btf, id: TypeId, at: usize, dummy: &Dummy) -> bool {
        match (btf.ty(id), btf.record_range(id)) {
            (Some(Type::Func { proto, .. }), _) => {
                self.set_func(btf, id, Linkage::Global);
                self.put(at, dummy.var.0);
                if let (Some(Type::FuncProto(p)), Some(record)) = (btf.ty(proto), btf.record_range(proto)) {
                    for (nth, param) in p.params().enumerate() {
                        if param.name.is_empty() && param.ty != TypeId::VOID {
                            self.put(record.start + 12 + nth * 8, dummy.name);
                        }
                    }
                }
                true
            }
            (Some(Type::Var { .. }), Some(record)) => {
                self.put(record.start + 8, dummy.int.0);
                self.put(record.start + 12, Linkage::Global.number());
                false
            }
            _ => false,
        }
    }

    /// Orders the variables of a section by offset.
    fn sort_section(&mut self, record: Range<usize>) {
        let entries = record.start + 12..record.end;
        let mut vars: Vec<[u32; 3]> = entries
            .clone()
            .step_by(12)
            .map(|at| [self.word(at), self.word(at + 4), self.word(at + 8)])
            .collect();
        vars.sort_by_key(|v| v[1]);
        for (at, var) in entries.step_by(12).zip(vars) {
            for (nth, word) in var.into_iter().enumerate() {
                self.put(at + nth * 4, word);
            }
        }
    }

    /// The bytes with the dummy after the last type and its name after the last string.
    fn with_dummy(self, btf: &Btf, dummy: &Dummy) -> Vec<u8> {
        const HEADER: usize = 24;
        const KIND_VAR: u32 = 14;
        const NAME: &[u8] = b"dummy_ksym\0";
        let strings = btf.string_section();
        let first = btf.record_range(btf.first_id()).map_or(0, |r| r.start);
        let end = btf.record_range(TypeId(btf.type_count() - 1)).map_or(first, |r| r.end);
        let mut out = Edit { order: self.order, bytes: self.bytes[..HEADER].to_vec() };
        out.bytes.extend_from_slice(&self.bytes[first..end]);
        let at = out.bytes.len();
        out.bytes.extend_from_slice(&[0; 16]);
        for (nth, word) in
            [dummy.name, KIND_VAR << 24, dummy.int.0, Linkage::Global.number()].into_iter().enumerate()
        {
            out.put(at + nth * 4, word);
        }
        let types = out.bytes.len() - HEADER;
        out.bytes.extend_from_slice(strings);
        out.bytes.extend_from_slice(NAME);
        let header = [HEADER, 0, types, types, strings.len() + NAME.len()];
        for (nth, word) in header.into_iter().enumerate() {
            out.put(4 + nth * 4, word as u32);
        }
        out.bytes
    }

    fn datasec(
        &mut self,
        btf: &Btf,
        id: TypeId,
        datasec: Datasec<'_>,
        symbols: &Globals<'_>,
    ) -> Result<(), ObjectError> {
        let Some(record) = btf.record_range(id) else { return Ok(()) };
        let mut vars: Vec<SecVar> = datasec.vars().collect();
        if !matches!(datasec.name, KCONFIG | KSYMS) {
            let err = |problem| ObjectError::Section { section: datasec.name.to_owned(), offset: 0, problem };
            let is_open = datasec.size == 0;
            if is_open {
                let size = symbols.sizes.get(datasec.name).and_then(|&s| u32::try_from(s).ok());
                self.put(record.start + 8, size.filter(|&s| s > 0).ok_or(err(SectionProblem::NoBytes))?);
            }
            for var in &mut vars {
                let Some(Type::Var { name, linkage, .. }) = btf.ty(var.var) else {
                    return Err(err(SectionProblem::NotVariable { id: var.var }));
                };
                if linkage != Linkage::Global {
                    continue;
                }
                let symbol = symbols.symbols.get(name).filter(|s| s.kind != SymbolKind::Function);
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
        for (nth, var) in vars.iter().enumerate() {
            self.put(record.start + 12 + nth * 12 + 4, var.offset);
        }
        self.sort_section(record);
        Ok(())
    }
}
