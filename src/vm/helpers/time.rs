//! Clocks and randomness, from what the host injected.

use super::Ret;
use crate::vm::run::Run;

/// `bpf_ktime_get_ns()`.
pub(super) fn ktime(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(run.engine.config().clock.monotonic())
}

/// `bpf_ktime_get_boot_ns()`.
pub(super) fn boot(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(run.engine.config().clock.boottime())
}

/// `bpf_ktime_get_coarse_ns()`.
pub(super) fn coarse(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(run.engine.config().clock.coarse())
}

/// `bpf_ktime_get_tai_ns()`.
pub(super) fn tai(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(run.engine.config().clock.tai())
}

/// `bpf_jiffies64()`.
pub(super) fn jiffies(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(run.engine.config().clock.jiffies())
}

/// `bpf_get_prandom_u32()`.
pub(super) fn random(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(run.engine.config().random.next_u64() >> 32)
}
