//! Clocks and randomness, from what the host injected.

use crate::vm::engine::Engine;
use crate::vm::input::Input;

/// `bpf_ktime_get_ns()`.
pub(super) fn ktime(engine: &Engine, _: &Input<'_>) -> u64 {
    engine.config().clock.monotonic()
}

/// `bpf_ktime_get_boot_ns()`.
pub(super) fn boot(engine: &Engine, _: &Input<'_>) -> u64 {
    engine.config().clock.boottime()
}

/// `bpf_ktime_get_coarse_ns()`.
pub(super) fn coarse(engine: &Engine, _: &Input<'_>) -> u64 {
    engine.config().clock.coarse()
}

/// `bpf_ktime_get_tai_ns()`.
pub(super) fn tai(engine: &Engine, _: &Input<'_>) -> u64 {
    engine.config().clock.tai()
}

/// `bpf_jiffies64()`.
pub(super) fn jiffies(engine: &Engine, _: &Input<'_>) -> u64 {
    engine.config().clock.jiffies()
}

/// `bpf_get_prandom_u32()`.
pub(super) fn random(engine: &Engine, _: &Input<'_>) -> u64 {
    engine.config().random.next_u64() >> 32
}
