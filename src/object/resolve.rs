//! What a target says to an object's externs.
//!
//! Follows `bpf_object__resolve_externs` of libbpf 1.7: configuration values are looked up in the
//! kernel's configuration, functions and typed variables in its types and then its modules',
//! addresses in its symbols. What is weak may be missing; what is not makes the whole object
//! unusable. What the caller does not give (types, configuration, symbols) is not guessed but
//! stays [`Resolved::Unknown`].

use super::error::{PrepareError, ResolveProblem};
use super::externs::{Extern, ExternKind, kconfig_size};
use super::kconfig::{self, Place};
use super::options::LoadOptions;
use oxbpf_isa::btf::core::{CoreTarget, essential_name, types_compatible};
use oxbpf_isa::btf::{Btf, Kind, TypeId};
use oxbpf_isa::insn::ByteOrder;
use std::sync::Arc;

/// What became of one extern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Resolved {
    /// A configuration value whose bytes stand in the map, whether set or zero for want of a value.
    Value,
    /// A function or variable of the kernel's types, or with a number from 1 of that module's.
    Type { id: TypeId, module: usize },
    /// An address.
    Address(u64),
    /// Weak, and the target has nothing of that name or type.
    Missing,
    /// The caller did not give what would say.
    Unknown,
}

/// Resolves all externs and fills in the bytes of the `.kconfig` map.
pub(super) fn externs(
    externs: &[Extern],
    btf: Option<&Btf>,
    order: ByteOrder,
    options: &LoadOptions<'_>,
) -> Result<(Vec<Resolved>, Arc<[u8]>), PrepareError> {
    let mut values = vec![0; kconfig_size(externs) as usize];
    let mut resolved = Vec::with_capacity(externs.len());
    for e in externs {
        let answer = match e.kind {
            ExternKind::Kconfig { form, size, offset, .. } => {
                let bytes = &mut values[offset as usize..(offset + size) as usize];
                value(e, Place { form, bytes, order }, options)
            }
            ExternKind::Address => address(e, options),
            ExternKind::Function { .. } | ExternKind::Variable { .. } => symbol(e, btf, options),
        };
        resolved.push(answer.map_err(|problem| PrepareError::Extern { name: e.name.clone(), problem })?);
    }
    Ok((resolved, values.into()))
}

fn missing(e: &Extern) -> Result<Resolved, ResolveProblem> {
    if e.weak { Ok(Resolved::Missing) } else { Err(ResolveProblem::NotFound) }
}

fn value(e: &Extern, mut place: Place<'_>, options: &LoadOptions<'_>) -> Result<Resolved, ResolveProblem> {
    let problem = |problem| ResolveProblem::Value { problem };
    if e.name.starts_with("CONFIG_") {
        let Some(config) = options.config else { return Ok(Resolved::Unknown) };
        return match config.get(&e.name) {
            Some(text) => place.set(text).map(|()| Resolved::Value).map_err(problem),
            None => missing(e).map(|_| Resolved::Value),
        };
    }
    let is_known = matches!(
        e.name.as_str(),
        "LINUX_KERNEL_VERSION" | "LINUX_HAS_BPF_COOKIE" | "LINUX_HAS_SYSCALL_WRAPPER"
    );
    if !is_known {
        // Another name of this form may be known to later loaders and is zero until then.
        let is_virtual = e.name.starts_with("LINUX_") && e.weak;
        return if is_virtual { Ok(Resolved::Value) } else { Err(ResolveProblem::UnknownVirtual) };
    }
    if let Some(text) = options.config.and_then(|c| c.get(&e.name)) {
        let number = kconfig::parse_number(text).and_then(|n| place.set_number(n));
        return number.map(|()| Resolved::Value).map_err(problem);
    }
    let Some(kernel) = options.kernel else { return Ok(Resolved::Unknown) };
    match kconfig::of_kernel(&e.name, kernel.version(), options.patch) {
        Some(number) => place.set_number(number).map(|()| Resolved::Value).map_err(problem),
        None => Ok(Resolved::Unknown),
    }
}

fn address(e: &Extern, options: &LoadOptions<'_>) -> Result<Resolved, ResolveProblem> {
    let Some(addresses) = options.addresses else { return Ok(Resolved::Unknown) };
    match addresses.get(&e.name) {
        Some(&address) => Ok(Resolved::Address(address)),
        None => missing(e),
    }
}

fn symbol(e: &Extern, local: Option<&Btf>, options: &LoadOptions<'_>) -> Result<Resolved, ResolveProblem> {
    let (Some(target), Some(local)) = (options.target, local) else { return Ok(Resolved::Unknown) };
    let (kind, name, ours) = match e.kind {
        // Functions may carry a flavour, as types do, so that an object can declare several forms.
        ExternKind::Function { proto } => (Kind::Func, essential_name(&e.name), proto),
        ExternKind::Variable { ty } => (Kind::Var, e.name.as_str(), ty),
        _ => return Ok(Resolved::Unknown),
    };
    let Some((module, btf, id)) = find(target, name, kind) else { return missing(e) };
    let theirs = btf.ty(id).and_then(|t| t.target()).and_then(|t| btf.resolve(t)).unwrap_or_default();
    if types_compatible(local, ours, btf, theirs) {
        return Ok(Resolved::Type { id, module });
    }
    match e.weak && kind == Kind::Func {
        true => Ok(Resolved::Missing),
        false => Err(ResolveProblem::Incompatible),
    }
}

/// A named type of the kernel, or of the first module that has it.
pub(super) fn find<'a>(
    target: &'a CoreTarget,
    name: &str,
    kind: Kind,
) -> Option<(usize, &'a Arc<Btf>, TypeId)> {
    let parts = std::iter::once(target.vmlinux()).chain(target.modules());
    parts.enumerate().find_map(|(module, btf)| Some((module, btf, btf.find(name, kind)?)))
}
