//! What the host injects instead of the kernel's world: time, randomness, the current task.
//!
//! Nothing here is global; every engine has its own, and what is not set is fixed, so that a run
//! gives the same result twice.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clocks that helpers read, in nanoseconds.
pub trait Clock: Send + Sync {
    /// CLOCK_MONOTONIC.
    fn monotonic(&self) -> u64;

    /// CLOCK_BOOTTIME, which goes on while the machine sleeps.
    fn boottime(&self) -> u64 {
        self.monotonic()
    }

    /// CLOCK_TAI.
    fn tai(&self) -> u64 {
        self.monotonic()
    }

    /// CLOCK_MONOTONIC_COARSE, which stands still within a tick.
    fn coarse(&self) -> u64 {
        self.monotonic() / TICK * TICK
    }

    /// Ticks since boot, 250 in a second.
    fn jiffies(&self) -> u64 {
        self.monotonic() / TICK
    }
}

/// Nanoseconds in a tick at 250 Hz.
const TICK: u64 = 4_000_000;

/// The clock of the host; monotonic time begins when it is made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    pub fn new() -> SystemClock {
        SystemClock(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    fn tai(&self) -> u64 {
        /// TAI is ahead of UTC by so much since 2017.
        const AHEAD: Duration = Duration::from_secs(37);
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| (t + AHEAD).as_nanos() as u64)
    }
}

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock at this many nanoseconds.
    pub const fn at(nanoseconds: u64) -> ManualClock {
        ManualClock(AtomicU64::new(nanoseconds))
    }

    pub fn set(&self, nanoseconds: u64) {
        self.0.store(nanoseconds, Ordering::Relaxed);
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where helpers get randomness from.
pub trait Random: Send + Sync {
    fn next_u64(&self) -> u64;
}

/// A sequence fixed by its seed (SplitMix64).
#[derive(Debug)]
pub struct Seeded(AtomicU64);

impl Seeded {
    pub const fn new(seed: u64) -> Seeded {
        Seeded(AtomicU64::new(seed))
    }
}

impl Random for Seeded {
    fn next_u64(&self) -> u64 {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

/// The task in whose name a program runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// Thread id.
    pub pid: u32,
    /// Process id.
    pub tgid: u32,
    pub uid: u32,
    pub gid: u32,
    /// The name, ending in a null byte.
    pub comm: [u8; 16],
    pub cgroup_id: u64,
    /// Ids of the cgroup's ancestors, the root first; the task's own need not be among them.
    pub ancestor_cgroup_ids: Vec<u64>,
    pub numa_node: u32,
    /// Where the kernel's record of the task is, in memory that probe reads find; 0 for nowhere.
    pub address: u64,
    /// Process and thread id in the namespace that `bpf_get_ns_current_pid_tgid` is asked about, by
    /// device and inode.
    pub namespace: Option<Namespace>,
}

/// A process id namespace with the ids a task has in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Namespace {
    pub dev: u64,
    pub ino: u64,
    pub pid: u32,
    pub tgid: u32,
}

impl Task {
    /// A task with this process id and name, of root.
    pub fn new(pid: u32, comm: &str) -> Task {
        let mut bytes = [0; 16];
        let len = comm.len().min(15);
        bytes[..len].copy_from_slice(&comm.as_bytes()[..len]);
        Task {
            pid,
            tgid: pid,
            uid: 0,
            gid: 0,
            comm: bytes,
            cgroup_id: 1,
            ancestor_cgroup_ids: vec![1],
            numa_node: 0,
            address: 0,
            namespace: None,
        }
    }
}

impl Default for Task {
    fn default() -> Task {
        Task::new(1, "oxbpf")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_sequence() {
        // The first outputs of SplitMix64 from seed 0, as its authors publish them.
        let r = Seeded::new(0);
        assert_eq!(r.next_u64(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(r.next_u64(), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn a_manual_clock_goes_when_told() {
        let clock = ManualClock::at(10_000_001);
        assert_eq!((clock.monotonic(), clock.coarse(), clock.jiffies()), (10_000_001, 8_000_000, 2));
        clock.advance(Duration::from_millis(2));
        assert_eq!(clock.monotonic(), 12_000_001);
    }

    #[test]
    fn names_are_cut_to_fifteen_bytes() {
        assert_eq!(&Task::new(7, "a-rather-long-name").comm, b"a-rather-long-n\0");
    }
}
