//! What an object declares and leaves to the target: values of the kernel's configuration, kernel
//! functions and variables.
//!
//! Follows `bpf_object__collect_externs` of libbpf 1.7. What the target has to say to them stands in
//! [`resolve`](super::resolve).

use super::elf::Elf;
use super::error::{ExternProblem, ObjectError};
use oxbpf_isa::btf::{Btf, Linkage, Type, TypeId};
use std::cmp::Reverse;
use std::collections::HashMap;

pub(super) const KCONFIG: &str = ".kconfig";
pub(super) const KSYMS: &str = ".ksyms";

/// The most bytes that configuration values may take; the kernel's longest string has 4096.
const MAX_KCONFIG: u32 = 1 << 24;

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
    Kconfig { form: KconfigForm, size: u32, align: u32, offset: u32 },
    /// A function of the kernel.
    Function { proto: TypeId },
    /// A variable of the kernel whose type is known.
    Variable { ty: TypeId },
    /// An address of the kernel of no known type.
    Address,
}

/// How a configuration value is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KconfigForm {
    Bool,
    Char {
        signed: bool,
    },
    Int {
        signed: bool,
    },
    /// `enum libbpf_tristate`.
    Tristate,
    /// A C string.
    Text,
}

/// Finds the declarations, in the order in which libbpf numbers them.
pub(super) fn find(elf: &Elf, btf: Option<&Btf>) -> Result<Vec<Extern>, ObjectError> {
    let mut externs = Vec::new();
    let mut index_of_types = None;
    for (index, symbol) in elf.symbols.iter().enumerate() {
        if !symbol.is_extern() || symbol.name.is_empty() {
            continue;
        }
        let err = |problem| ObjectError::Extern { name: symbol.name.clone(), problem };
        let btf = btf.ok_or(err(ExternProblem::NoType))?;
        let types = index_of_types.get_or_insert_with(|| Declarations::new(btf));
        let &btf_id = types.ids.get(symbol.name.as_str()).ok_or(err(ExternProblem::NoType))?;
        let section = types.sections.get(&btf_id).ok_or(err(ExternProblem::NoSection))?;
        let kind = match (*section, btf.ty(btf_id)) {
            (KCONFIG, Some(Type::Var { ty, linkage: Linkage::Extern, .. })) => {
                kconfig(btf, ty).map_err(err)?
            }
            (KCONFIG, Some(Type::Func { .. })) => return Err(err(ExternProblem::FunctionInKconfig)),
            (KSYMS, Some(Type::Func { proto, linkage: Linkage::Extern, .. })) => {
                ExternKind::Function { proto }
            }
            (KSYMS, Some(Type::Var { ty, linkage: Linkage::Extern, .. })) => match btf.resolve(ty) {
                Some(TypeId::VOID) => ExternKind::Address,
                Some(ty) => ExternKind::Variable { ty },
                None => return Err(err(ExternProblem::NoType)),
            },
            (KCONFIG | KSYMS, _) => return Err(err(ExternProblem::NoType)),
            _ => return Err(err(ExternProblem::Section)),
        };
        externs.push(Extern { name: symbol.name.clone(), symbol: index, weak: symbol.weak, btf_id, kind });
    }
    externs.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.name.cmp(&b.name)));
    let mut end = 0u32;
    for e in &mut externs {
        if let ExternKind::Kconfig { size, align, offset, .. } = &mut e.kind {
            let at = end.checked_next_multiple_of(*align);
            let next = at.and_then(|at| at.checked_add(*size)).filter(|&end| end <= MAX_KCONFIG);
            let (Some(at), Some(next)) = (at, next) else {
                return Err(ObjectError::Extern {
                    name: e.name.clone(),
                    problem: ExternProblem::KconfigSize,
                });
            };
            (*offset, end) = (at, next);
        }
    }
    Ok(externs)
}

/// The functions and variables of the object's types by name, and the section each is in.
struct Declarations<'a> {
    ids: HashMap<&'a str, TypeId>,
    sections: HashMap<TypeId, &'a str>,
}

impl<'a> Declarations<'a> {
    fn new(btf: &'a Btf) -> Declarations<'a> {
        let (mut ids, mut sections) = (HashMap::new(), HashMap::new());
        for (id, ty) in btf.types() {
            match ty {
                Type::Var { name, .. } | Type::Func { name, .. } => {
                    ids.entry(name).or_insert(id);
                }
                Type::Datasec(d) => {
                    for var in d.vars() {
                        sections.entry(var.var).or_insert(d.name);
                    }
                }
                _ => {}
            }
        }
        Declarations { ids, sections }
    }
}

/// Configuration first, by falling alignment and rising size; the rest by name.
fn order(e: &Extern) -> (u8, Reverse<u32>, u32) {
    match e.kind {
        ExternKind::Kconfig { align, size, .. } => (0, Reverse(align), size),
        _ => (1, Reverse(0), 0),
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

fn kconfig(btf: &Btf, ty: TypeId) -> Result<ExternKind, ExternProblem> {
    let form = kconfig_form(btf, ty).ok_or(ExternProblem::KconfigType)?;
    let size = btf.size_of(ty).filter(|&s| s > 0).ok_or(ExternProblem::KconfigType)?;
    let align = btf.align_of(ty).filter(|a| a.is_power_of_two()).ok_or(ExternProblem::KconfigType)?;
    Ok(ExternKind::Kconfig { form, size, align, offset: 0 })
}

/// Configuration values are booleans, characters, integers, `enum libbpf_tristate` or strings.
fn kconfig_form(btf: &Btf, ty: TypeId) -> Option<KconfigForm> {
    Some(match btf.resolved(ty)?.1 {
        Type::Int { size, encoding, .. } => match size {
            1 if encoding.is_bool() => KconfigForm::Bool,
            _ if encoding.is_bool() => return None,
            1 => KconfigForm::Char { signed: encoding.is_signed() },
            2 | 4 | 8 => KconfigForm::Int { signed: encoding.is_signed() },
            _ => return None,
        },
        Type::Enum(e) if e.name == "libbpf_tristate" && (e.size == 4 || e.wide) => KconfigForm::Tristate,
        Type::Array { elem, len, .. } if len > 0 => match btf.resolved(elem)?.1 {
            Type::Int { size: 1, encoding, .. } if !encoding.is_bool() => KconfigForm::Text,
            _ => return None,
        },
        _ => return None,
    })
}
