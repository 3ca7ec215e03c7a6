//! Control: loops, exceptions, numeric iterators.
//!
//! Linux `bpf_loop`, `bpf_throw`, `bpf_iter_num_*` (`kernel/bpf/bpf_iter.c`, `helpers.c`).

use super::{E2BIG, EINVAL, Ret};
use crate::vm::run::Run;
use crate::vm::trap::TrapKind;

/// The most turns of a loop (Linux `BPF_MAX_LOOPS`).
const MAX_LOOPS: i64 = 8 << 20;

/// `bpf_loop(nr_loops, callback, ctx, flags)`.
pub(super) fn r#loop(run: &mut Run<'_>, [turns, callback, context, flags, _]: [u64; 5]) -> Ret {
    let turns = turns as u32;
    if flags != 0 {
        return Ok(EINVAL);
    }
    if turns as i64 > MAX_LOOPS {
        return Ok(E2BIG);
    }
    for turn in 0..turns {
        if run.call_function(callback, [turn as u64, context, 0, 0, 0])? != 0 {
            return Ok(turn as u64 + 1);
        }
    }
    Ok(turns as u64)
}

/// `bpf_throw(cookie)`.
pub(super) fn throw(_: &mut Run<'_>, [cookie, ..]: [u64; 5]) -> Ret {
    Err(TrapKind::Thrown(cookie).into())
}

/// A function that only matters to the kernel's own locking.
pub(super) fn nothing(_: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(0)
}

/// The two halves of `struct bpf_iter_num`: current and end.
fn iterator(run: &mut Run<'_>, at: u64) -> Result<(i32, i32), crate::vm::Trap> {
    let bytes = run.bytes(at, 8, 0)?;
    let half = |i: usize| i32::from_ne_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
    Ok((half(0), half(4)))
}

fn set_iterator(run: &mut Run<'_>, at: u64, current: i32, end: i32) -> Result<(), crate::vm::Trap> {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&current.to_ne_bytes());
    bytes[4..].copy_from_slice(&end.to_ne_bytes());
    run.write_bytes(at, &bytes)
}

/// `bpf_iter_num_new(it, start, end)`.
pub(super) fn iter_num_new(run: &mut Run<'_>, [it, start, end, ..]: [u64; 5]) -> Ret {
    let (start, end) = (start as i32, end as i32);
    let error = match end as i64 - start as i64 {
        ..0 => EINVAL,
        0..=MAX_LOOPS => {
            // The first step goes to `start`, by wrapping where it is the least number.
            set_iterator(run, it, start.wrapping_sub(1), end)?;
            return Ok(0);
        }
        _ => E2BIG,
    };
    set_iterator(run, it, 0, 0)?;
    Ok(error)
}

/// `bpf_iter_num_next(it)`: the address of the current number, or null at the end.
pub(super) fn iter_num_next(run: &mut Run<'_>, [it, ..]: [u64; 5]) -> Ret {
    let (current, end) = iterator(run, it)?;
    let next = current.wrapping_add(1);
    if next >= end {
        set_iterator(run, it, 0, 0)?;
        return Ok(0);
    }
    set_iterator(run, it, next, end)?;
    Ok(it)
}

/// `bpf_iter_num_destroy(it)`.
pub(super) fn iter_num_destroy(run: &mut Run<'_>, [it, ..]: [u64; 5]) -> Ret {
    set_iterator(run, it, 0, 0)?;
    Ok(0)
}
