//! Ring buffers and perf buffers: records from programs to the host.
//!
//! A reserved record is memory of the run until it is submitted or discarded. The kernel's verifier
//! sees to it that this happens; a program that nobody verified, or that trapped, loses its records
//! when the run ends.

use super::{EINVAL, ENOENT, Ret};
use crate::vm::maps::{Map, MapKind};
use crate::vm::memory::Region;
use crate::vm::run::{Reservation, Run};
use crate::vm::trap::{RegionKind, Trap, TrapKind};
use std::ptr::{self, NonNull};

/// What a ring buffer helper returns of a map operation.
fn status(result: Result<(), crate::vm::maps::Errno>) -> u64 {
    result.map_or_else(|errno| errno.ret() as u64, |()| 0)
}

/// A helper's third argument when it says "this CPU" leaves other bits for a length.
const CURRENT_CPU: u64 = 0xffff_ffff;

/// `bpf_ringbuf_output(ringbuf, data, size, flags)`.
pub(super) fn output(run: &mut Run<'_>, [handle, data, size, flags, _]: [u64; 5]) -> Ret {
    let map = run.map(handle)?;
    let MapKind::Ringbuf(ring) = map.kind() else { return Err(TrapKind::NotAMap { handle }.into()) };
    Ok(status(ring.output(run.bytes(data, size, 0)?, flags)))
}

/// Reserves a record and makes it memory of the run.
fn take(run: &mut Run<'_>, handle: u64, size: u64, flags: u64) -> Result<Option<u64>, Trap> {
    let map = run.map(handle)?;
    let MapKind::Ringbuf(ring) = map.kind() else { return Err(TrapKind::NotAMap { handle }.into()) };
    let Some(record) = ring.reserve(size, flags) else { return Ok(None) };
    let start = record.as_ptr().expose_provenance() as u64;
    run.memory.add(Region { start, len: size, kind: RegionKind::Record, writable: true });
    run.reservations.push(Reservation { start, map });
    Ok(Some(start))
}

/// `bpf_ringbuf_reserve(ringbuf, size, flags)`.
pub(super) fn reserve(run: &mut Run<'_>, [handle, size, flags, ..]: [u64; 5]) -> Ret {
    Ok(take(run, handle, size, flags)?.unwrap_or(0))
}

/// Ends a reservation.
fn give(run: &mut Run<'_>, record: u64, flags: u64, discard: bool) -> Result<(), Trap> {
    let Some(at) = run.reservations.iter().position(|r| r.start == record) else {
        let helper = if discard { "ringbuf_discard" } else { "ringbuf_submit" };
        return Err(TrapKind::BadArgument { helper, argument: 1 }.into());
    };
    let reservation = run.reservations.swap_remove(at);
    run.memory.remove(RegionKind::Record, record);
    finish(reservation, flags, discard);
    Ok(())
}

fn finish(record: Reservation, flags: u64, discard: bool) {
    let MapKind::Ringbuf(ring) = record.map.kind() else { return };
    let Some(address) = NonNull::new(ptr::with_exposed_provenance_mut(record.start as usize)) else { return };
    // Neither can fail for a record that is reserved.
    let _ = if discard { ring.discard(address, flags) } else { ring.submit(address, flags) };
}

/// Discards a record that its run left behind.
pub(crate) fn abandon(record: Reservation) {
    finish(record, 0, true);
}

/// `bpf_ringbuf_submit(record, flags)`.
pub(super) fn submit(run: &mut Run<'_>, [record, flags, ..]: [u64; 5]) -> Ret {
    give(run, record, flags, false).map(|()| 0)
}

/// `bpf_ringbuf_discard(record, flags)`.
pub(super) fn discard(run: &mut Run<'_>, [record, flags, ..]: [u64; 5]) -> Ret {
    give(run, record, flags, true).map(|()| 0)
}

/// `bpf_ringbuf_query(ringbuf, what)`.
pub(super) fn query(run: &mut Run<'_>, [handle, what, ..]: [u64; 5]) -> Ret {
    let map = run.map(handle)?;
    match map.kind() {
        MapKind::Ringbuf(ring) => Ok(ring.query(what)),
        _ => Err(TrapKind::NotAMap { handle }.into()),
    }
}

/// `bpf_ringbuf_reserve_dynptr(ringbuf, size, flags, ptr)`.
pub(super) fn reserve_dynptr(run: &mut Run<'_>, [handle, size, flags, out, _]: [u64; 5]) -> Ret {
    let size = size as u32 as u64;
    super::dynptr::set_null(run, out)?;
    if flags != 0 || size > super::dynptr::MAX_SIZE {
        return Ok(if flags != 0 { EINVAL } else { super::E2BIG });
    }
    match take(run, handle, size, 0)? {
        Some(start) => {
            super::dynptr::set(run, out, start, size as u32)?;
            Ok(0)
        }
        None => Ok(EINVAL),
    }
}

/// `bpf_ringbuf_submit_dynptr(ptr, flags)`.
pub(super) fn submit_dynptr(run: &mut Run<'_>, [dynptr, flags, ..]: [u64; 5]) -> Ret {
    give_dynptr(run, dynptr, flags, false)
}

/// `bpf_ringbuf_discard_dynptr(ptr, flags)`.
pub(super) fn discard_dynptr(run: &mut Run<'_>, [dynptr, flags, ..]: [u64; 5]) -> Ret {
    give_dynptr(run, dynptr, flags, true)
}

fn give_dynptr(run: &mut Run<'_>, dynptr: u64, flags: u64, discard: bool) -> Ret {
    let record = super::dynptr::get(run, dynptr)?;
    if record.data != 0 {
        give(run, record.data, flags, discard)?;
        super::dynptr::set_null(run, dynptr)?;
    }
    Ok(0)
}

/// `bpf_user_ringbuf_drain(map, callback, ctx, flags)`.
pub(super) fn drain(run: &mut Run<'_>, [handle, callback, context, flags, _]: [u64; 5]) -> Ret {
    let map = run.map(handle)?;
    let MapKind::UserRingbuf(ring) = map.kind() else {
        return Err(TrapKind::NotAMap { handle }.into());
    };
    let mut trap = None;
    let result = ring.drain(flags, &mut |record, len| {
        let start = record.as_ptr().expose_provenance() as u64;
        let region = Region { start, len: len as u64, kind: RegionKind::Record, writable: false };
        run.memory.add(region);
        let result = super::dynptr::lend(run, start, len, |run, dynptr| {
            run.call_function(callback, [dynptr, context, 0, 0, 0])
        });
        run.memory.remove(RegionKind::Record, start);
        match result {
            Ok(stop) => stop as i64,
            Err(t) => {
                trap = Some(t);
                1
            }
        }
    });
    match (trap, result) {
        (Some(trap), _) => Err(trap),
        (None, Ok(count)) => Ok(count),
        (None, Err(errno)) => Ok(errno.ret() as u64),
    }
}

/// `bpf_perf_event_output(ctx, map, flags, data, size)`; bits 32 to 51 of the flags ask for so many
/// bytes of the packet after the data, where there is one (Linux `BPF_F_CTXLEN_MASK`).
pub(super) fn perf_output(run: &mut Run<'_>, [_, handle, flags, data, size]: [u64; 5]) -> Ret {
    const PACKET_LEN: u64 = 0xf_ffff << 32;
    let map = run.map(handle)?;
    let MapKind::PerfEventArray(array) = map.kind() else {
        return Err(TrapKind::NotAMap { handle }.into());
    };
    let packet_len = (flags & PACKET_LEN) >> 32;
    if flags & !(PACKET_LEN | CURRENT_CPU) != 0 {
        return Ok(EINVAL);
    }
    let cpu = run.cpu();
    let mut record = run.copy(data, size)?;
    if packet_len != 0 {
        let packet = run.input.packet.as_deref().map(|p| p.bytes());
        match packet.and_then(|p| p.get(..packet_len as usize)) {
            Some(bytes) => record.extend_from_slice(bytes),
            None => return Ok(if run.input.packet.is_some() { super::EFAULT } else { EINVAL }),
        }
    }
    Ok(status(array.output(flags & CURRENT_CPU, cpu, &[&record])))
}

/// The counter that a flags argument means.
fn counter(run: &mut Run<'_>, handle: u64, flags: u64) -> Result<Result<[u64; 3], u64>, Trap> {
    let map = run.map(handle)?;
    let MapKind::PerfEventArray(array) = map.kind() else {
        return Err(TrapKind::NotAMap { handle }.into());
    };
    let counter = array.read(flags, run.cpu()).map_err(|errno| errno.ret() as u64);
    Ok(counter.map(|c| [c.value, c.enabled, c.running]))
}

/// `bpf_perf_event_read(map, flags)`.
pub(super) fn perf_read(run: &mut Run<'_>, [handle, flags, ..]: [u64; 5]) -> Ret {
    Ok(counter(run, handle, flags)?.map_or_else(|error| error, |[value, ..]| value))
}

/// `bpf_perf_event_read_value(map, flags, buf, buf_size)`.
pub(super) fn perf_read_value(run: &mut Run<'_>, [handle, flags, out, size, _]: [u64; 5]) -> Ret {
    let size = size as u32 as u64;
    let value = if size == 24 { counter(run, handle, flags)? } else { Err(EINVAL) };
    match value {
        Ok(words) => {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            run.write_bytes(out, &bytes)?;
            Ok(0)
        }
        Err(error) => {
            run.zero_bytes(out, size)?;
            Ok(error)
        }
    }
}

/// `bpf_get_stackid(ctx, map, flags)`: there is no kernel stack to walk, so none is found.
pub(super) fn stackid(run: &mut Run<'_>, [_, handle, ..]: [u64; 5]) -> Ret {
    let map: &dyn Map = &*run.map(handle)?;
    match map.kind() {
        MapKind::StackTrace(_) => Ok(super::EFAULT),
        _ => Ok(ENOENT),
    }
}
