//! Structs of kernel callbacks held against the kernel's own struct.
//!
//! Follows `bpf_map__init_kern_struct_ops` of libbpf 1.7. The object's struct need not be the
//! kernel's: members are matched by name, and one that the kernel does not have must be zero.

use super::error::{PrepareError, StructOpsProblem};
use super::maps::ObjectMap;
use super::resolve::find;
use oxbpf_isa::btf::core::{CoreTarget, essential_name};
use oxbpf_isa::btf::{Btf, Composite, Kind, Member, Type, TypeId};
use oxbpf_isa::program::StructOpsMember;
use std::collections::{HashMap, HashSet};

/// The members that programs implement, by program, through the maps that will be created.
pub(super) fn members(
    maps: &[(&ObjectMap, bool)],
    target: Option<&CoreTarget>,
) -> Result<HashMap<String, StructOpsMember>, PrepareError> {
    let mut found = HashMap::new();
    for (map, autocreate) in maps {
        let Some(ops) = &map.def.struct_ops else { continue };
        if !autocreate {
            continue;
        }
        let err = |problem| PrepareError::StructOps { map: map.def.name.clone(), problem };
        let type_name = essential_name(&ops.type_name).to_owned();
        let mut kernel = match target {
            Some(target) => Some(KernelStruct::find(target, &type_name).map_err(err)?),
            None => None,
        };
        if let Some(kernel) = &mut kernel {
            kernel.compare(map).map_err(err)?;
        }
        for (member, program) in &ops.members {
            let place = match &kernel {
                Some(kernel) => kernel.indices.get(member).map(|&index| (kernel.id, index)),
                None => None,
            };
            let ours =
                StructOpsMember { type_name: type_name.clone(), member: member.clone(), kernel: place };
            let known = found.entry(program.clone()).or_insert_with(|| ours.clone());
            // One program may stand in several structs, but only at the same callback.
            if known.kernel != ours.kernel {
                return Err(err(StructOpsProblem::Reuse { program: program.clone() }));
            }
        }
    }
    Ok(found)
}

/// A struct of callbacks in the kernel's types.
struct KernelStruct<'a> {
    btf: &'a Btf,
    id: TypeId,
    ops: Composite<'a>,
    /// The numbers of the members that the object's struct has too.
    indices: HashMap<String, u32>,
}

impl<'a> KernelStruct<'a> {
    /// Finds the struct through the struct that the kernel makes for its map: a type without one
    /// cannot be registered.
    fn find(target: &'a CoreTarget, name: &str) -> Result<KernelStruct<'a>, StructOpsProblem> {
        let missing = StructOpsProblem::NotFound;
        let (_, btf, value) = find(target, &format!("bpf_struct_ops_{name}"), Kind::Struct).ok_or(missing)?;
        let id = btf.find(name, Kind::Struct).ok_or(StructOpsProblem::NotFound)?;
        let (Some(Type::Struct(value)), Some(Type::Struct(ops))) = (btf.ty(value), btf.ty(id)) else {
            return Err(StructOpsProblem::NotFound);
        };
        match value.members().any(|m| m.ty == id) {
            true => Ok(KernelStruct { btf, id, ops, indices: HashMap::new() }),
            false => Err(StructOpsProblem::NotFound),
        }
    }

    /// Holds every member of the object's struct against the kernel's.
    fn compare(&mut self, map: &ObjectMap) -> Result<(), StructOpsProblem> {
        let (Some(btf), Some(ops)) = (&map.def.btf, &map.def.struct_ops) else { return Ok(()) };
        let Some(ours) = btf.ty(map.def.value_type).and_then(|t| t.composite()) else { return Ok(()) };
        let mut theirs: HashMap<&str, (u32, Member<'_>)> = HashMap::new();
        for (index, member) in self.ops.members().enumerate() {
            theirs.entry(member.name).or_insert((index as u32, member));
        }
        let with_program: HashSet<&str> = ops.members.iter().map(|(member, _)| member.as_str()).collect();
        for member in ours.members() {
            let name = || member.name.to_owned();
            let size = btf.size_of(member.ty).ok_or_else(|| StructOpsProblem::Size { member: name() })?;
            let program = with_program.contains(member.name);
            let Some(&(index, kernel)) = theirs.get(member.name) else {
                if program || !is_zero(map, &member, size) {
                    return Err(StructOpsProblem::NoMember { member: name() });
                }
                continue;
            };
            self.member(btf, &member, &kernel, size, program)?;
            self.indices.insert(name(), index);
        }
        Ok(())
    }

    fn member(
        &self,
        btf: &Btf,
        ours: &Member<'_>,
        theirs: &Member<'_>,
        size: u32,
        program: bool,
    ) -> Result<(), StructOpsProblem> {
        let member = || ours.name.to_owned();
        if ours.bit_size != 0 || theirs.bit_size != 0 {
            return Err(StructOpsProblem::BitField { member: member() });
        }
        let (a, b) = (btf.resolved(ours.ty), self.btf.resolved(theirs.ty));
        let (Some((_, a)), Some((_, b))) = (a, b) else {
            return Err(StructOpsProblem::Kind { member: member() });
        };
        if a.kind() != b.kind() {
            return Err(StructOpsProblem::Kind { member: member() });
        }
        if let Type::Ptr(to) = b {
            let is_callback = matches!(self.btf.resolved(to), Some((_, Type::FuncProto(_))));
            return match program && !is_callback {
                true => Err(StructOpsProblem::NotCallback { member: member() }),
                false => Ok(()),
            };
        }
        match self.btf.size_of(theirs.ty) == Some(size) {
            true => Ok(()),
            false => Err(StructOpsProblem::Size { member: member() }),
        }
    }
}

/// Whether a member holds zero in the object's data.
fn is_zero(map: &ObjectMap, member: &Member<'_>, size: u32) -> bool {
    let start = (member.bit_offset / 8) as usize;
    let bytes = map.def.data.as_deref().and_then(|d| d.get(start..)?.get(..size as usize));
    bytes.is_none_or(|bytes| bytes.iter().all(|&b| b == 0))
}
