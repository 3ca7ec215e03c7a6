//! seccomp: what a filter sees of a system call, what its verdict means, and what it allows.
//!
//! The kernel runs every filter of a task on each system call and takes the verdict of highest
//! precedence; among equals the filter installed last decides (`seccomp_run_filters`, 6.18).

mod analysis;
mod arch;
mod tables;
mod wordset;

pub use analysis::{Analysis, Incomplete, Limits, Outcome, Path, analyze};
pub use arch::{Arch, Syscall};
pub use wordset::{Step, WordSet};

use super::check::Filter;
use core::fmt;

/// `struct seccomp_data`: one system call about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct SeccompData {
    /// The number.
    pub nr: i32,
    /// The calling convention, an `AUDIT_ARCH_*` value.
    pub arch: u32,
    /// The address of the instruction after the call.
    pub instruction_pointer: u64,
    /// The six arguments.
    pub args: [u64; 6],
}

impl SeccompData {
    /// Bytes in the structure.
    pub const SIZE: u32 = 64;

    /// The word at `offset`. Which half of a 64-bit field comes first follows the byte order, which
    /// `arch` tells. `None` when the offset is not a multiple of four below 64.
    pub const fn word(&self, offset: u32) -> Option<u32> {
        if !offset.is_multiple_of(4) || offset >= Self::SIZE {
            return None;
        }
        let wide = match offset {
            0 => return Some(self.nr as u32),
            4 => return Some(self.arch),
            8..16 => self.instruction_pointer,
            _ => self.args[(offset / 8) as usize - 2],
        };
        let high = offset.is_multiple_of(8) != (self.arch & AUDIT_LITTLE_ENDIAN != 0);
        Some(if high { (wide >> 32) as u32 } else { wide as u32 })
    }
}

/// The bit of an `AUDIT_ARCH_*` value that says little-endian (`__AUDIT_ARCH_LE`).
const AUDIT_LITTLE_ENDIAN: u32 = 0x4000_0000;

/// The action of a verdict, in its high 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Kill the process.
    KillProcess,
    /// Kill the thread.
    KillThread,
    /// Send `SIGSYS`.
    Trap,
    /// Fail with an error number, the data.
    Errno,
    /// Ask a supervisor.
    UserNotif,
    /// Ask a tracer, who gets the data.
    Trace,
    /// Log and allow.
    Log,
    /// Allow.
    Allow,
    /// None of these, with the high half: the kernel kills the process.
    Unknown(u16),
}

/// A verdict, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Return {
    /// What happens.
    pub action: Action,
    /// The low 16 bits.
    pub data: u16,
}

impl Return {
    /// Takes the value a filter returned apart.
    pub const fn decode(value: u32) -> Self {
        let action = match value >> 16 {
            0x8000 => Action::KillProcess,
            0x0000 => Action::KillThread,
            0x0003 => Action::Trap,
            0x0005 => Action::Errno,
            0x7fc0 => Action::UserNotif,
            0x7ff0 => Action::Trace,
            0x7ffc => Action::Log,
            0x7fff => Action::Allow,
            high => Action::Unknown(high as u16),
        };
        Self { action, data: value as u16 }
    }

    /// The value with this meaning.
    pub const fn encode(self) -> u32 {
        (self.action.high() as u32) << 16 | self.data as u32
    }

    /// The error number the caller sees, for [`Action::Errno`]: the kernel caps it at 4,095.
    pub const fn errno(self) -> Option<u16> {
        match self.action {
            Action::Errno if self.data > 4095 => Some(4095),
            Action::Errno => Some(self.data),
            _ => None,
        }
    }

    /// Whether the call goes ahead with nobody asked.
    pub const fn permits(self) -> bool {
        matches!(self.action, Action::Allow | Action::Log)
    }
}

impl Action {
    /// The high 16 bits of a verdict with this action.
    pub const fn high(self) -> u16 {
        match self {
            Self::KillProcess => 0x8000,
            Self::KillThread => 0x0000,
            Self::Trap => 0x0003,
            Self::Errno => 0x0005,
            Self::UserNotif => 0x7fc0,
            Self::Trace => 0x7ff0,
            Self::Log => 0x7ffc,
            Self::Allow => 0x7fff,
            Self::Unknown(high) => high,
        }
    }

    /// The name, as in `/proc/sys/kernel/seccomp/actions_avail`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillProcess => "kill_process",
            Self::KillThread => "kill_thread",
            Self::Trap => "trap",
            Self::Errno => "errno",
            Self::UserNotif => "user_notif",
            Self::Trace => "trace",
            Self::Log => "log",
            Self::Allow => "allow",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl fmt::Display for Return {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.action, self.data) {
            (Action::Errno | Action::Trace, data) => write!(f, "{}({data})", self.action.name()),
            (Action::Unknown(high), data) => write!(f, "unknown({high:#06x}{data:04x})"),
            (action, 0) => f.write_str(action.name()),
            (action, data) => write!(f, "{}({data})", action.name()),
        }
    }
}

/// The verdict the kernel takes of several: the action that is lowest as a signed number; among
/// equal actions that of the filter installed last. `verdicts` are in the order of installation,
/// none at all allow.
pub fn combine(verdicts: impl IntoIterator<Item = u32>) -> u32 {
    // The kernel starts from a plain "allow" and walks from the newest filter, replacing only on
    // strictly lower; the data of an "allow" are therefore never seen.
    let plain = Return { action: Action::Allow, data: 0 }.encode();
    let rank = |value: u32| (value & 0xffff_0000).cast_signed();
    let stronger = |taken: u32, verdict: u32| match rank(verdict) {
        r if r == rank(plain) => taken,
        r if r <= rank(taken) => verdict,
        _ => taken,
    };
    verdicts.into_iter().fold(plain, stronger)
}

/// Runs several filters, in the order of installation, and combines their verdicts. `None` when one
/// of them was not checked for seccomp.
pub fn run_all(filters: &[Filter], data: &SeccompData) -> Option<u32> {
    let verdicts: Option<alloc::vec::Vec<u32>> = filters.iter().map(|f| f.run_seccomp(data)).collect();
    verdicts.map(combine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_structure_in_order() {
        let data = SeccompData {
            nr: -1,
            arch: 0xc000_003e,
            instruction_pointer: 0x1111_1111_2222_2222,
            args: core::array::from_fn(|i| ((i as u64) << 32) | (0x100 + i as u64)),
        };
        let words: alloc::vec::Vec<_> = (0..16).map(|i| data.word(4 * i).unwrap()).collect();
        assert_eq!(words[..6], [u32::MAX, 0xc000_003e, 0x2222_2222, 0x1111_1111, 0x100, 0]);
        assert_eq!(words[14..], [0x105, 5]);
        assert_eq!((data.word(64), data.word(2)), (None, None));
        let big = SeccompData { arch: Arch::S390x.audit(), ..data };
        assert_eq!(
            (big.word(8), big.word(12), big.word(20)),
            (Some(0x1111_1111), Some(0x2222_2222), Some(0x100))
        );
    }

    #[test]
    fn verdicts_decode_and_encode() {
        for high in 0..=u16::MAX {
            let value = u32::from(high) << 16 | 0xabc;
            assert_eq!(Return::decode(value).encode(), value);
        }
        assert_eq!(Return::decode(0x0005_ffff).errno(), Some(4095));
    }

    #[test]
    fn precedence_is_the_kernel_s() {
        let order =
            [0x8000_0000, 0x0000_0000, 0x0003_0000, 0x0005_0001, 0x7fc0_0000, 0x7ff0_0000, 0x7ffc_0000];
        for (i, &stronger) in order.iter().enumerate() {
            for &weaker in order[i + 1..].iter().chain(&[0x7fff_0000]) {
                assert_eq!(combine([stronger, weaker]), stronger);
                assert_eq!(combine([weaker, stronger]), stronger);
            }
        }
        // The newest of equal actions gives its data.
        assert_eq!(combine([0x0005_0001, 0x0005_0002]), 0x0005_0002);
        assert_eq!(combine([]), 0x7fff_0000);
    }
}
