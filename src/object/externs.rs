//! What an object declares and leaves to the target: values of the kernel's configuration, kernel
//! functions and variables.
//!
//! Follows `bpf_object__collect_externs` of libbpf 1.7.

use super::elf::Elf;
use super::error::{ExternProblem, ObjectError};
use oxbpf_isa::btf::{Btf, Kind, Linkage, Type, TypeId};

/// A declaration.
#[derive(Clone, Debug)]
pub struct Extern {
    pub name: String,
    /// Index of its symbol.
    pub symbol: usize,
    /// May be missing in the target.
    pub weak: bool,
    /// The function or variable in the object's types.
    pub btf_id: TypeId,
    pub kind: ExternKind,
}

/// What is declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExternKind {
    /// A value of the kernel's configuration, at `offset` of the `.kconfig` map.
    Kconfig { ty: TypeId, size: u32, align: u32, offset: u32 },
    /// A function of the kernel.
    Function { proto: TypeId },
    /// A variable of the kernel whose type is known.
    Variable { ty: TypeId },
    /// An address of the kernel of no known type.
    Address,
}

/// Finds the declarations, in the order in which libbpf numbers them.
pub(super) fn find(elf: &Elf, btf: Option<&Btf>) -> Result<Vec<Extern>, ObjectError> {
    let mut externs = Vec::new();
    for (index, symbol) in elf.symbols.iter().enumerate() {
        if !symbol.is_extern() || symbol.name.is_empty() {
            continue;
        }
        let err = |problem| ObjectError::Extern { name: symbol.name.clone(), problem };
        let btf = btf.ok_or(err(ExternProblem::NoType))?;
        let (btf_id, declared) = declaration(btf, &symbol.name).ok_or(err(ExternProblem::NoType))?;
        let section = section_of(btf, btf_id).ok_or(err(ExternProblem::NoSection))?;
        let kind = match (section, declared) {
            (".kconfig", Type::Var { ty, .. }) => kconfig(btf, ty).map_err(err)?,
            (".kconfig", _) => return Err(err(ExternProblem::FunctionInKconfig)),
            (".ksyms", Type::Func { proto, .. }) => ExternKind::Function { proto },
            (".ksyms", Type::Var { ty, .. }) => match btf.resolve(ty) {
                Some(TypeId::VOID) | None => ExternKind::Address,
                Some(ty) => ExternKind::Variable { ty },
            },
            _ => return Err(err(ExternProblem::Section)),
        };
        externs.push(Extern { name: symbol.name.clone(), symbol: index, weak: symbol.weak, btf_id, kind });
    }
    externs.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name)));
    let mut end = 0u32;
    for e in &mut externs {
        if let ExternKind::Kconfig { size, align, offset, .. } = &mut e.kind {
            *offset = end.next_multiple_of(*align);
            end = *offset + *size;
        }
    }
    Ok(externs)
}

/// Configuration first, by falling alignment and rising size; the rest by name.
fn order(e: &Extern) -> (u8, std::cmp::Reverse<u32>, u32) {
    match e.kind {
        ExternKind::Kconfig { align, size, .. } => (0, std::cmp::Reverse(align), size),
        _ => (1, std::cmp::Reverse(0), 0),
    }
}

/// Bytes of the `.kconfig` map.
pub(super) fn kconfig_size(externs: &[Extern]) -> u32 {
    let end = |e: &Extern| match e.kind {
        ExternKind::Kconfig { size, offset, .. } => offset + size,
        _ => 0,
    };
    externs.iter().map(end).max().unwrap_or(0)
}

fn declaration<'a>(btf: &'a Btf, name: &str) -> Option<(TypeId, Type<'a>)> {
    btf.types().find(|(_, ty)| match ty {
        Type::Var { name: n, linkage: Linkage::Extern, .. } => *n == name,
        Type::Func { name: n, linkage: Linkage::Extern, .. } => *n == name,
        _ => false,
    })
}

fn section_of(btf: &Btf, var: TypeId) -> Option<&str> {
    btf.types().find_map(|(_, ty)| match ty {
        Type::Datasec(d) if d.vars().any(|v| v.var == var) => Some(d.name),
        _ => None,
    })
}

/// Configuration values are booleans, characters, integers, `enum libbpf_tristate` or strings.
fn kconfig(btf: &Btf, ty: TypeId) -> Result<ExternKind, ExternProblem> {
    let bad = ExternProblem::KconfigType;
    let (id, resolved) = btf.resolved(ty).ok_or(bad)?;
    match resolved {
        Type::Int { size: 1 | 2 | 4 | 8, .. } => {}
        Type::Enum(e) if e.size == 4 && e.name == "libbpf_tristate" => {}
        Type::Array { elem, len, .. } if len > 0 => match btf.resolved(elem) {
            Some((_, Type::Int { size: 1, .. })) => {}
            _ => return Err(bad),
        },
        _ => return Err(bad),
    }
    let size = btf.size_of(id).ok_or(bad)?;
    let align = btf.align_of(id).filter(|a| a.is_power_of_two()).ok_or(bad)?;
    Ok(ExternKind::Kconfig { ty: id, size, align, offset: 0 })
}

/// The kind of type a function or variable of the target has.
pub(super) fn target_kind(kind: ExternKind) -> Kind {
    match kind {
        ExternKind::Function { .. } => Kind::Func,
        _ => Kind::Var,
    }
}
