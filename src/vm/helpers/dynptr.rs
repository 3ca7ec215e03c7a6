//! Dynptrs: sixteen bytes on the program's stack that say where memory lies and how much.
//!
//! Linux `struct bpf_dynptr_kern`: address, size with the type and a read-only bit on top, offset.
//! What a program that nobody verified puts there is not believed: each access through a dynptr is
//! held like any other.

use super::{E2BIG, EINVAL, Ret};
use crate::vm::memory::Region;
use crate::vm::run::Run;
use crate::vm::trap::{AccessKind, RegionKind, Trap};

/// The largest size (Linux `DYNPTR_MAX_SIZE`).
pub(super) const MAX_SIZE: u64 = (1 << 24) - 1;

const READ_ONLY: u32 = 1 << 31;

/// A dynptr taken apart.
#[derive(Clone, Copy)]
pub(super) struct Dynptr {
    pub data: u64,
    size: u32,
    offset: u32,
}

impl Dynptr {
    fn len(self) -> u64 {
        (self.size as u64) & MAX_SIZE
    }

    /// The address of `len` bytes at `offset`, if they are inside.
    fn part(self, offset: u64, len: u64) -> Option<u64> {
        let inside = len <= self.len() && offset <= self.len() - len;
        inside.then(|| self.data.wrapping_add(self.offset as u64).wrapping_add(offset))
    }
}

pub(super) fn get(run: &mut Run<'_>, at: u64) -> Result<Dynptr, Trap> {
    let bytes: [u8; 16] = run.bytes(at, 16, 0)?.try_into().unwrap_or_default();
    let word = u128::from_ne_bytes(bytes);
    let half = |i: usize| u32::from_ne_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
    let data = if cfg!(target_endian = "little") { word as u64 } else { (word >> 64) as u64 };
    Ok(Dynptr { data, size: half(8), offset: half(12) })
}

fn encode(data: u64, size: u32) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&data.to_ne_bytes());
    bytes[8..12].copy_from_slice(&size.to_ne_bytes());
    bytes
}

pub(super) fn set(run: &mut Run<'_>, at: u64, data: u64, size: u32) -> Result<(), Trap> {
    run.write_bytes(at, &encode(data, size))
}

pub(super) fn set_null(run: &mut Run<'_>, at: u64) -> Result<(), Trap> {
    run.zero_bytes(at, 16)
}

/// Lends a callback a read-only dynptr over memory of the run.
pub(super) fn lend<R>(run: &mut Run<'_>, data: u64, size: u32, f: impl FnOnce(&mut Run<'_>, u64) -> R) -> R {
    let bytes = encode(data, size | READ_ONLY);
    let start = bytes.as_ptr().expose_provenance() as u64;
    run.memory.add(Region { start, len: 16, kind: RegionKind::Granted, writable: false });
    let result = f(run, start);
    run.memory.remove(RegionKind::Granted, start);
    result
}

/// `bpf_dynptr_from_mem(data, size, flags, ptr)`.
pub(super) fn from_mem(run: &mut Run<'_>, [data, size, flags, out, _]: [u64; 5]) -> Ret {
    let size = size as u32;
    if size as u64 > MAX_SIZE || flags != 0 {
        set_null(run, out)?;
        return Ok(if flags != 0 { EINVAL } else { E2BIG });
    }
    run.hold(data, size as u64, AccessKind::HelperWrite)?;
    set(run, out, data, size)?;
    Ok(0)
}

/// `bpf_dynptr_read(dst, len, src, offset, flags)`.
pub(super) fn read(run: &mut Run<'_>, [dst, len, src, offset, flags]: [u64; 5]) -> Ret {
    let dynptr = get(run, src)?;
    let (len, offset) = (len as u32 as u64, offset as u32 as u64);
    if dynptr.data == 0 || flags != 0 {
        return Ok(EINVAL);
    }
    let Some(at) = dynptr.part(offset, len) else { return Ok(E2BIG) };
    let bytes = run.copy(at, len)?;
    run.write_bytes(dst, &bytes)?;
    Ok(0)
}

/// `bpf_dynptr_write(dst, offset, src, len, flags)`.
pub(super) fn write(run: &mut Run<'_>, [dst, offset, src, len, flags]: [u64; 5]) -> Ret {
    let dynptr = get(run, dst)?;
    let (len, offset) = (len as u32 as u64, offset as u32 as u64);
    if dynptr.data == 0 || dynptr.size & READ_ONLY != 0 || flags != 0 {
        return Ok(EINVAL);
    }
    let Some(at) = dynptr.part(offset, len) else { return Ok(E2BIG) };
    let bytes = run.copy(src, len)?;
    run.write_bytes(at, &bytes)?;
    Ok(0)
}

/// `bpf_dynptr_data(ptr, offset, len)`: an address, or null.
pub(super) fn data(run: &mut Run<'_>, [at, offset, len, ..]: [u64; 5]) -> Ret {
    let dynptr = get(run, at)?;
    if dynptr.data == 0 || dynptr.size & READ_ONLY != 0 {
        return Ok(0);
    }
    Ok(dynptr.part(offset as u32 as u64, len as u32 as u64).unwrap_or(0))
}
