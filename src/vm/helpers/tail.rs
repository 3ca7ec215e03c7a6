//! Arrays of programs.
//!
//! An array holds the machine's programs weakly: a program refers to its maps, so a strong reference
//! back would keep both for ever. The instances made by one linker keep each other's programs.

use super::Ret;
use crate::vm::maps::{Compat, Map, MapKind, Target};
use crate::vm::run::{Linked, Run};
use crate::vm::trap::TrapKind;
use std::sync::{Arc, Weak};

/// The program at an index, with the stamp of the slot; the outer `None` when the map is no array of programs.
pub(crate) fn program_at(map: &dyn Map, index: u32) -> Option<Option<(u64, Arc<Linked>)>> {
    let MapKind::ProgArray(array) = map.kind() else { return None };
    let found = array
        .stamped(index)
        .and_then(|(stamp, target)| Some((stamp, target.program.downcast_ref::<Weak<Linked>>()?.upgrade()?)));
    Some(found)
}

/// Puts a program into an array of programs; false when there is no such place.
pub(crate) fn set_program(map: &dyn Map, index: u32, program: &Arc<Linked>) -> bool {
    let MapKind::ProgArray(array) = map.kind() else { return false };
    let compat = Compat { prog_type: program.prog_type, xdp_frags: program.xdp_frags };
    let target = Target { id: program.id, compat, program: Arc::new(Arc::downgrade(program)) };
    array.set(index, target).is_ok()
}

/// `bpf_tail_call` is done by the engines; only a call through a register comes here.
pub(super) fn through_register(_: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Err(TrapKind::Unsupported("a tail call through a register").into())
}
