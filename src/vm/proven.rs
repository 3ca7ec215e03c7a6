//! Whether a verifier's proof holds for what a program is linked with here.
//!
//! A proof speaks of the kernel: of what its helpers give, how many processors there are, what
//! constant maps hold. Here each of these is held against the engine and the linker. What the
//! machine's own helpers give lies within what the kernel's give; functions of the host may give
//! anything. Contexts are read at the kernel's offsets, which [`ContextLayout`] has; pointers to
//! packets come from the words behind it at run time, and each run is given zeros where there is no
//! packet, so that no comparison ever shows a byte of it.
//!
//! Left to others: that a run gets the right context ([`Linked::accepts`](super::run::Linked)), and
//! what is accessed, which the verifier has shown.

use super::context::ContextLayout;
use super::engine::Engine;
use super::linker::Table;
use super::lower::{LinkError, ProofGap};
use super::maps::{Map, MapKind, MapShape, flag, same_shape};
use oxbpf_isa::insn::{Callee, Insn};
use oxbpf_isa::program::{MapDef, Program};
use oxbpf_isa::proof::Region;
use oxbpf_verifier::Verified;
use std::sync::Arc;

/// Helpers that believe what a program keeps on its stack for them: dynptrs.
const BELIEVING: &[i32] = &[197, 198, 199, 200, 201, 202, 203, 209];

/// Holds a proof against functions, processors and context. Gives the context with packet pointers
/// that the program reads, and the slots of its loads from it.
pub(super) fn hold(
    verified: &Verified<'_>,
    table: &Table,
    engine: &Engine,
) -> Result<Option<(ContextLayout, Vec<u32>)>, LinkError> {
    let (program, facts) = (verified.program(), verified.facts());
    if facts.cpus < engine.cpus() {
        return Err(LinkError::Proof(ProofGap::Cpus { proof: facts.cpus, engine: engine.cpus() }));
    }
    let mut accesses = Vec::new();
    for (slot, insn) in Insn::decode_all(&program.insns) {
        let known = facts.insn(slot);
        let insn32 = slot as u32;
        match insn {
            Ok(Insn::Call(Callee::Helper(id))) if known.reached => match table.helper(id) {
                Some(index) if !table.is_own(index) => {
                    return Err(LinkError::Proof(ProofGap::HostHelper { insn: insn32, id }));
                }
                Some(_) if BELIEVING.contains(&id) => {
                    return Err(LinkError::Proof(ProofGap::Helper { insn: insn32, id }));
                }
                _ => {}
            },
            Ok(Insn::Load { .. }) if known.access.is_some_and(|a| a.region == Region::Context) => {
                accesses.push(insn32);
            }
            _ => {}
        }
    }
    if !facts.context.packet {
        return Ok(None);
    }
    let context = program.prog_type.and_then(|t| super::newest().prog(t)).map(|p| p.context);
    let layout = match context {
        Some("xdp_md") => ContextLayout::xdp_md(),
        Some("__sk_buff") => ContextLayout::sk_buff(),
        _ => return Err(LinkError::Proof(ProofGap::Context)),
    };
    if facts.context.extent > layout.size {
        return Err(LinkError::Proof(ProofGap::Context));
    }
    Ok(Some((layout, accesses)))
}

/// Holds the maps that a verified program is linked with against its definitions.
pub(super) fn hold_maps(program: &Program, maps: &[Arc<dyn Map>]) -> Result<(), LinkError> {
    for (def, map) in program.maps.iter().zip(maps) {
        if !is_same(def, &**map) {
            return Err(LinkError::Proof(ProofGap::Map { name: def.name.clone() }));
        }
    }
    Ok(())
}

fn is_same(def: &MapDef, map: &dyn Map) -> bool {
    const RIGHTS: u32 = flag::RDONLY_PROG | flag::WRONLY_PROG;
    let shape = map.head().shape();
    if (def.flags ^ shape.flags) & RIGHTS != 0 || def.max_entries > shape.max_entries {
        return false;
    }
    // The verifier takes what a constant map holds as known.
    if def.frozen && def.flags & flag::RDONLY_PROG != 0 && !holds_data(def, map) {
        return false;
    }
    match (&def.inner, map.kind()) {
        (Some(inner), MapKind::MapOfMaps(outer)) => {
            MapShape::of(inner).is_some_and(|wanted| same_shape(&wanted, outer.template()))
        }
        (Some(_), _) => false,
        (None, _) => true,
    }
}

fn holds_data(def: &MapDef, map: &dyn Map) -> bool {
    let Some(data) = &def.data else { return true };
    let mut value = vec![0; map.head().shape().value_size as usize];
    let read = map.head().is_constant() && map.user_lookup(&0u32.to_ne_bytes(), 0, &mut value).is_ok();
    read && value.get(..data.len()) == Some(data) && value[data.len()..].iter().all(|&b| b == 0)
}
