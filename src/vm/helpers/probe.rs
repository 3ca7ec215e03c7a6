//! Reads of memory that may not be there: another address space's, or freed.
//!
//! They succeed on memory the host named ([`Input::foreign`](crate::vm::Input::foreign)) and on
//! memory of the run itself; everything else is -EFAULT, with the destination zeroed, whatever mode
//! the program runs in. Linux `bpf_probe_read*`, `bpf_copy_from_user`.

use super::{EFAULT, EINVAL, Ret};
use crate::vm::run::Run;
use crate::vm::trap::AccessKind;

impl Run<'_> {
    /// The bytes at an address that may be anything.
    pub(crate) fn probe(&mut self, addr: u64, len: u64) -> Option<Vec<u8>> {
        let foreign = self.input.foreign.iter().find_map(|&(start, bytes)| {
            let offset = usize::try_from(addr.checked_sub(start)?).ok()?;
            bytes.get(offset..offset.checked_add(usize::try_from(len).ok()?)?)
        });
        match foreign {
            Some(bytes) => Some(bytes.to_vec()),
            None => self.bytes_held(addr, len).ok().map(<[u8]>::to_vec),
        }
    }

    /// The string at an address that may be anything, without its null byte, cut to `max` bytes.
    pub(crate) fn probe_str(&mut self, addr: u64, max: usize) -> Option<Vec<u8>> {
        let foreign = self.input.foreign.iter().find_map(|&(start, bytes)| {
            bytes.get(usize::try_from(addr.checked_sub(start)?).ok()?..).filter(|b| !b.is_empty())
        });
        match foreign {
            Some(bytes) => match bytes.iter().take(max).position(|&b| b == 0) {
                Some(end) => Some(bytes[..end].to_vec()),
                None => bytes.get(..max).map(<[u8]>::to_vec),
            },
            None => self.string(addr, max),
        }
    }
}

/// `bpf_probe_read(dst, size, src)` and its kin.
pub(super) fn read(run: &mut Run<'_>, [dst, size, src, ..]: [u64; 5]) -> Ret {
    let size = size as u32 as u64;
    run.hold(dst, size, AccessKind::HelperWrite)?;
    match run.probe(src, size) {
        Some(bytes) => {
            run.write_bytes(dst, &bytes)?;
            Ok(0)
        }
        None => {
            run.zero_bytes(dst, size)?;
            Ok(EFAULT)
        }
    }
}

/// `bpf_probe_read_str(dst, size, src)` and its kin: the length with the null byte.
pub(super) fn read_str(run: &mut Run<'_>, [dst, size, src, ..]: [u64; 5]) -> Ret {
    let size = size as u32 as u64;
    if size == 0 {
        return Ok(0);
    }
    run.hold(dst, size, AccessKind::HelperWrite)?;
    match run.probe_str(src, size as usize) {
        Some(mut bytes) => {
            bytes.truncate(size as usize - 1);
            bytes.push(0);
            run.write_bytes(dst, &bytes)?;
            Ok(bytes.len() as u64)
        }
        None => {
            run.zero_bytes(dst, size)?;
            Ok(EFAULT)
        }
    }
}

/// `bpf_copy_from_user_task(dst, size, user_ptr, tsk, flags)`.
pub(super) fn copy_from_task(run: &mut Run<'_>, args @ [_, _, _, _, flags]: [u64; 5]) -> Ret {
    if flags != 0 { Ok(EINVAL) } else { read(run, args) }
}

/// `bpf_probe_write_user(dst, src, len)`: nothing of another process is ever written.
pub(super) fn write_user(run: &mut Run<'_>, [_, src, len, ..]: [u64; 5]) -> Ret {
    run.bytes(src, len as u32 as u64, 0)?;
    Ok(super::EPERM)
}
