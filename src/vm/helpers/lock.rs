//! Spin locks in map values (Linux `bpf_spin_lock`).
//!
//! The kernel's verifier lets a program hold one lock at a time and call nothing meanwhile, so
//! waiting always ends. Here a second lock is a trap, and waiting burns the budget, so that
//! it ends even next to a program that nobody verified.

use super::Ret;
use crate::vm::run::Run;
use crate::vm::trap::{AccessKind, TrapKind};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// What one look at a taken lock costs.
const WAIT: i64 = 16;

fn word(run: &mut Run<'_>, lock: u64) -> Result<&'static AtomicU32, crate::vm::Trap> {
    run.hold_lock(lock, AccessKind::HelperWrite)?;
    // SAFETY: the word is aligned and lies in a value of a map that the run keeps; the reference
    // does not leave this file's helpers.
    Ok(unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(lock as usize)) })
}

/// `bpf_spin_lock(lock)`.
pub(super) fn lock(run: &mut Run<'_>, [lock, ..]: [u64; 5]) -> Ret {
    if !run.locks.is_empty() {
        return Err(TrapKind::Lock.into());
    }
    let word = word(run, lock)?;
    while word.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
        run.fuel -= WAIT;
        if run.fuel <= 0 {
            run.fuel = run.refuel(run.fuel)?;
            #[cfg(not(target_family = "wasm"))]
            std::thread::yield_now();
        }
        std::hint::spin_loop();
    }
    run.locks.push(lock);
    Ok(0)
}

/// `bpf_spin_unlock(lock)`.
pub(super) fn unlock(run: &mut Run<'_>, [lock, ..]: [u64; 5]) -> Ret {
    let Some(at) = run.locks.iter().position(|&l| l == lock) else {
        return Err(TrapKind::Lock.into());
    };
    word(run, lock)?.store(0, Ordering::Release);
    run.locks.swap_remove(at);
    Ok(0)
}

/// Releases a lock that a run holds at its end.
pub(crate) fn force_unlock(lock: u64) {
    // SAFETY: the run took this lock, so it is an aligned word of a map value, and the map is kept
    // until after this.
    unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(lock as usize)) }
        .store(0, Ordering::Release);
}
