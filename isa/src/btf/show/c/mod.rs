//! Type information as C that compiles, to structs of the same sizes and offsets.
//!
//! The result is of the kind that `bpftool btf dump … format c` writes: every named type once, in
//! an order that C accepts. Type information holds offsets but neither alignment nor packing, so
//! gaps are filled with nameless bit fields, and a struct that C would lay out otherwise is marked
//! packed. Functions and variables are not part of it; [`define`] writes them one by one.

mod define;
mod names;
mod order;
mod print;

use super::ShowError;
use crate::btf::read::Btf;
use crate::btf::types::{Type, TypeId};
use alloc::vec;
use core::fmt::Write;
use names::Names;
use order::{Need, Order};
use print::Printer;

/// A whole BTF as a C header.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    btf: &'a Btf,
    guard: Option<&'a str>,
    relocatable: bool,
}

impl<'a> Header<'a> {
    pub fn new(btf: &'a Btf) -> Header<'a> {
        Header { btf, guard: None, relocatable: false }
    }

    /// Surrounds the text with an include guard of this name.
    pub fn guard(self, name: &'a str) -> Header<'a> {
        Header { guard: Some(name), ..self }
    }

    /// Asks clang to make a CO-RE relocation of every access to a member, unless
    /// `BPF_NO_PRESERVE_ACCESS_INDEX` is defined.
    pub fn relocatable(self) -> Header<'a> {
        Header { relocatable: true, ..self }
    }

    /// Writes the header: every named type of the BTF's own, and what those need of its base.
    ///
    /// # Errors
    /// Types that C cannot express; what was written until then is not complete.
    pub fn write(&self, out: &mut dyn Write) -> Result<(), ShowError> {
        if let Some(guard) = self.guard {
            writeln!(out, "#ifndef {guard}\n#define {guard}\n")?;
        }
        if self.relocatable {
            out.write_str(concat!(
                "#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n",
                "#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)\n",
                "#endif\n\n"
            ))?;
        }
        self.types(out)?;
        if self.relocatable {
            out.write_str("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n")?;
        }
        if let Some(guard) = self.guard {
            writeln!(out, "\n#endif /* {guard} */")?;
        }
        Ok(())
    }

    fn types(&self, out: &mut dyn Write) -> Result<(), ShowError> {
        let btf = self.btf;
        let mut order = Order::new(btf);
        let mut printer = Printer::new(btf, Names::new(btf));
        let referenced = referenced(btf);
        for (id, ty) in btf.types() {
            let need = match ty {
                Type::Struct(c) | Type::Union(c) if c.name.is_empty() => continue,
                Type::Struct(_) | Type::Union(_) => Need::Whole,
                Type::Enum(e) if e.name.is_empty() && referenced[id.0 as usize] => continue,
                Type::Enum(_) | Type::Fwd { .. } | Type::Typedef { .. } => Need::Declared,
                _ => continue,
            };
            order.walk(btf, need, id, |need, id| {
                let named = id != TypeId::VOID && btf.ty(id).is_some_and(|t| !t.name().is_empty());
                let orphan = !referenced[id.0 as usize];
                printer.leave(out, need, id, named || orphan)
            })?;
        }
        Ok(())
    }
}

/// Which types are named by others: an anonymous enumeration that is not must be written alone.
fn referenced(btf: &Btf) -> vec::Vec<bool> {
    let mut referenced = vec![false; btf.type_count() as usize];
    let mut mark = |id: TypeId| {
        if let Some(r) = referenced.get_mut(id.0 as usize) {
            *r = true;
        }
    };
    for (_, ty) in (1..btf.type_count()).filter_map(|id| Some((id, btf.ty(TypeId(id))?))) {
        ty.target().into_iter().for_each(&mut mark);
        match ty {
            Type::Struct(c) | Type::Union(c) => c.members().for_each(|m| mark(m.ty)),
            Type::FuncProto(p) => p.params().for_each(|p| mark(p.ty)),
            _ => {}
        }
    }
    referenced
}

/// Writes one type as C defines it, without what it depends on: a struct with its members, an
/// enumeration, a typedef, a function's prototype, a variable's declaration, or for types without
/// a name of their own the way they are written. No line end follows.
///
/// # Errors
/// Types that C cannot express.
pub fn define(btf: &Btf, id: TypeId, out: &mut dyn Write) -> Result<(), ShowError> {
    Printer::new(btf, Names::default()).definition(out, id)
}

/// Writes the declaration of something called `name`, such as `int (*name)(void *)`; with an empty
/// name the type alone. Nothing but the declaration is written, not even a semicolon.
///
/// # Errors
/// Types that C cannot express.
pub fn declare(btf: &Btf, ty: TypeId, name: &str, out: &mut dyn Write) -> Result<(), ShowError> {
    Printer::new(btf, Names::default()).declaration(out, ty, name, 0)
}
