//! Names for disassembly: helpers from the facts, functions and labels from the object.

use oxbpf_isa::disasm::Names;
use oxbpf_isa::kernel::KernelModel;
use oxbpf_isa::program::Program;
use std::borrow::Cow;

/// Names of helpers alone.
pub struct HelperNames(pub KernelModel);

/// The helper's name as the kernel writes it.
fn helper(model: &KernelModel, id: i32) -> Option<Cow<'_, str>> {
    let name = model.helper_name(u32::try_from(id).ok()?)?;
    Some(Cow::Owned(format!("bpf_{name}")))
}

impl Names for HelperNames {
    fn helper(&self, id: i32) -> Option<Cow<'_, str>> {
        helper(&self.0, id)
    }
}

/// The symbols of one section of an object, by slot.
pub struct SectionNames {
    pub model: KernelModel,
    /// Slot and name, ordered.
    pub symbols: Vec<(i64, String)>,
}

#[cfg(feature = "elf")]
impl SectionNames {
    /// The symbols of the section with this index.
    pub fn of(object: &crate::object::Object, section: usize) -> SectionNames {
        use crate::object::{Symbol, SymbolKind};
        let named =
            |s: &&Symbol| s.section == Some(section) && s.kind != SymbolKind::Section && !s.name.is_empty();
        let symbols = object.elf().symbols.iter().filter(named);
        let mut symbols: Vec<_> = symbols.map(|s| (s.value as i64 / 8, s.name.clone())).collect();
        symbols.sort();
        SectionNames { model: KernelModel::latest(), symbols }
    }
}

impl Names for SectionNames {
    fn helper(&self, id: i32) -> Option<Cow<'_, str>> {
        helper(&self.model, id)
    }

    /// The last symbol at or before the place and the bytes from there, as llvm-objdump writes it.
    fn code(&self, slot: i64) -> Option<Cow<'_, str>> {
        let after = self.symbols.partition_point(|s| s.0 <= slot);
        let (start, name) = self.symbols[..after].last()?;
        Some(match slot - start {
            0 => Cow::Borrowed(name.as_str()),
            slots => Cow::Owned(format!("{name}+{:#x}", slots * 8)),
        })
    }
}

/// The names of a linked program.
pub struct ProgramNames<'a> {
    pub model: KernelModel,
    pub program: &'a Program,
}

impl Names for ProgramNames<'_> {
    fn helper(&self, id: i32) -> Option<Cow<'_, str>> {
        helper(&self.model, id)
    }

    fn kfunc(&self, slot: usize, _id: i32) -> Option<Cow<'_, str>> {
        let called = self.program.kfuncs.iter().find(|k| k.insn as usize == slot)?;
        // A flavour is libbpf's affair; the kernel's function goes without it.
        let name = called.name.split_once("___").map_or(called.name.as_str(), |(name, _)| name);
        Some(Cow::Borrowed(name))
    }

    fn code(&self, slot: i64) -> Option<Cow<'_, str>> {
        let btf = self.program.btf.as_ref()?;
        let function = self.program.funcs.iter().find(|f| f.insn as i64 == slot)?;
        Some(Cow::Borrowed(btf.ty(function.type_id)?.name()))
    }
}
