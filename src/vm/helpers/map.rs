//! Maps: lookup, update, delete, push, pop, peek, iteration.
//!
//! What the maps themselves do stands in [`maps`](crate::vm::maps); here program memory becomes keys
//! and values.

use super::{EINVAL, Ret};
use crate::vm::maps::{Errno, Map, MapKind, update};
use crate::vm::memory::Region;
use crate::vm::quick::Quick;
use crate::vm::run::Run;
use crate::vm::trap::{AccessKind, RegionKind, Trap, TrapKind};
use std::ops::ControlFlow;
use std::ptr::NonNull;
use std::sync::Arc;

/// What a helper returns of a map operation.
fn status(result: Result<(), Errno>) -> u64 {
    match result {
        Ok(()) => 0,
        Err(errno) => errno.ret() as u64,
    }
}

/// An address for the program, or null.
fn address(value: Option<NonNull<u8>>) -> u64 {
    value.map_or(0, |p| p.as_ptr().expose_provenance() as u64)
}

/// `bpf_map_lookup_elem(map, key)`.
pub(in crate::vm) fn lookup(run: &mut Run<'_>, [map, key, ..]: [u64; 5]) -> Ret {
    let cpu = run.cpu();
    let quick = run.prog().quick(map).map_or(Quick::Other, |map| map.how);
    if let Some(size) = quick.key_size() {
        run.hold(key, size, AccessKind::HelperRead)?;
        // SAFETY: the running program keeps its maps; in checked mode the key was held, in proven mode the
        // proof says so.
        return Ok(unsafe { quick.lookup(key, cpu) });
    }
    let map = run.map(map)?;
    let key = run.bytes(key, map.head().shape().key_size as u64, 0)?;
    if map.head().shape().holds_handles() {
        return Ok(match inner_map(&*map, key) {
            Some(inner) => run.inner_handle(inner),
            None => 0,
        });
    }
    Ok(address(map.lookup(key, cpu)))
}

/// `bpf_map_lookup_percpu_elem(map, key, cpu)`.
pub(super) fn lookup_percpu(run: &mut Run<'_>, [map, key, cpu, ..]: [u64; 5]) -> Ret {
    let map = run.map(map)?;
    let cpu = cpu as u32;
    let key = run.bytes(key, map.head().shape().key_size as u64, 0)?;
    Ok(if cpu < map.head().cpus() { address(map.lookup_percpu(key, cpu)) } else { 0 })
}

/// `bpf_map_update_elem(map, key, value, flags)`.
pub(super) fn update(run: &mut Run<'_>, [map, key, value, flags, _]: [u64; 5]) -> Ret {
    let map = run.map(map)?;
    let cpu = run.cpu();
    if flags & update::LOCK != 0 && !run.locks.is_empty() {
        // The map would wait for a lock that this run may hold.
        return Err(TrapKind::Lock.into());
    }
    let shape = map.head().shape();
    let (key, value) = run.two((key, shape.key_size as u64), (value, shape.value_size as u64))?;
    Ok(status(map.update(key, value, flags, cpu)))
}

/// `bpf_map_delete_elem(map, key)`.
pub(super) fn delete(run: &mut Run<'_>, [map, key, ..]: [u64; 5]) -> Ret {
    let map = run.map(map)?;
    let cpu = run.cpu();
    let key = run.bytes(key, map.head().shape().key_size as u64, 0)?;
    Ok(status(map.delete(key, cpu)))
}

/// `bpf_map_push_elem(map, value, flags)`.
pub(super) fn push(run: &mut Run<'_>, [map, value, flags, ..]: [u64; 5]) -> Ret {
    let map = run.map(map)?;
    let value = run.bytes(value, map.head().shape().value_size as u64, 0)?;
    Ok(status(map.push(value, flags)))
}

/// `bpf_map_pop_elem(map, value)`.
pub(super) fn pop(run: &mut Run<'_>, [map, value, ..]: [u64; 5]) -> Ret {
    take(run, map, value, |map, buffer| map.pop(buffer))
}

/// `bpf_map_peek_elem(map, value)`.
pub(super) fn peek(run: &mut Run<'_>, [map, value, ..]: [u64; 5]) -> Ret {
    take(run, map, value, |map, buffer| map.peek(buffer))
}

fn take(
    run: &mut Run<'_>,
    map: u64,
    value: u64,
    operation: impl Fn(&dyn Map, &mut [u8]) -> Result<(), Errno>,
) -> Ret {
    let map = run.map(map)?;
    // A bloom filter reads what others only write.
    let mut buffer = run.copy(value, map.head().shape().value_size as u64)?;
    run.hold(value, buffer.len() as u64, AccessKind::HelperWrite)?;
    let result = operation(&*map, &mut buffer);
    run.write_bytes(value, &buffer)?;
    Ok(status(result))
}

/// `bpf_for_each_map_elem(map, callback, ctx, flags)`.
pub(super) fn for_each(run: &mut Run<'_>, [handle, callback, context, flags, _]: [u64; 5]) -> Ret {
    if flags != 0 {
        return Ok(EINVAL);
    }
    let map = run.map(handle)?;
    let cpu = run.cpu();
    let mut trap: Option<Trap> = None;
    let result = map.for_each(cpu, &mut |key, value| {
        let start = key.as_ptr().expose_provenance() as u64;
        let kind = RegionKind::Granted;
        run.memory.add(Region { start, len: key.len() as u64, kind, writable: false });
        let value = value.as_ptr().expose_provenance() as u64;
        let stop = run.call_function(callback, [handle, start, value, context, 0]);
        run.memory.remove(kind, start);
        match stop {
            Ok(0) => ControlFlow::Continue(()),
            Ok(_) => ControlFlow::Break(()),
            Err(t) => {
                trap = Some(t);
                ControlFlow::Break(())
            }
        }
    });
    match (trap, result) {
        (Some(trap), _) => Err(trap),
        (None, Ok(count)) => Ok(count),
        (None, Err(errno)) => Ok(errno.ret() as u64),
    }
}

/// The map that a map of maps has at a key.
fn inner_map(map: &dyn Map, key: &[u8]) -> Option<Arc<dyn Map>> {
    match map.kind() {
        MapKind::MapOfMaps(outer) => outer.get(key),
        _ => None,
    }
}

/// Puts a map into a map of maps at an index; false when it does not belong there.
pub(crate) fn set_map(map: &dyn Map, index: u32, inner: &Arc<dyn Map>) -> bool {
    match map.kind() {
        MapKind::MapOfMaps(outer) => outer.set(&index.to_ne_bytes(), inner.clone(), update::ANY).is_ok(),
        _ => false,
    }
}
