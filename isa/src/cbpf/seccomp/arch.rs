//! Calling conventions by their `AUDIT_ARCH_*` value, and their system calls by name and number.
//!
//! The numbers are those of Linux 6.18; a number once given never changes its meaning.

use super::tables;

/// A calling convention a seccomp filter can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Arch {
    X86_64,
    /// ILP32 on x86-64: the same `AUDIT_ARCH` value, bit 30 set in every number.
    X32,
    I386,
    Aarch64,
    Arm,
    Riscv64,
    Loongarch64,
    Ppc64le,
    Ppc64,
    Ppc,
    S390x,
    S390,
    Mips,
    Mipsel,
    Mips64,
    Mips64el,
    Mips64n32,
    Mips64n32el,
}

/// A system call of one calling convention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Syscall {
    /// The number as a filter sees it.
    pub nr: u32,
    /// The name, without a prefix.
    pub name: &'static str,
}

/// Set in every number of [`Arch::X32`].
const X32_BIT: u32 = 0x4000_0000;

const LE: u32 = 0x4000_0000;
const BITS_64: u32 = 0x8000_0000;
const N32: u32 = 0x2000_0000;

impl Arch {
    /// Every convention this crate knows.
    pub const ALL: &'static [Self] = &[
        Self::X86_64,
        Self::X32,
        Self::I386,
        Self::Aarch64,
        Self::Arm,
        Self::Riscv64,
        Self::Loongarch64,
        Self::Ppc64le,
        Self::Ppc64,
        Self::Ppc,
        Self::S390x,
        Self::S390,
        Self::Mips,
        Self::Mipsel,
        Self::Mips64,
        Self::Mips64el,
        Self::Mips64n32,
        Self::Mips64n32el,
    ];

    /// The `arch` word of `struct seccomp_data`: the ELF machine with flags for width and order.
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 62 | BITS_64 | LE,
            Self::I386 => 3 | LE,
            Self::Aarch64 => 183 | BITS_64 | LE,
            Self::Arm => 40 | LE,
            Self::Riscv64 => 243 | BITS_64 | LE,
            Self::Loongarch64 => 258 | BITS_64 | LE,
            Self::Ppc64le => 21 | BITS_64 | LE,
            Self::Ppc64 => 21 | BITS_64,
            Self::Ppc => 20,
            Self::S390x => 22 | BITS_64,
            Self::S390 => 22,
            Self::Mips => 8,
            Self::Mipsel => 8 | LE,
            Self::Mips64 => 8 | BITS_64,
            Self::Mips64el => 8 | BITS_64 | LE,
            Self::Mips64n32 => 8 | BITS_64 | N32,
            Self::Mips64n32el => 8 | BITS_64 | LE | N32,
        }
    }

    /// The convention with this `arch` word. For x86-64 that is [`Arch::X86_64`]; only the number
    /// tells [`Arch::X32`] from it.
    pub fn from_audit(value: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|arch| arch.audit() == value)
    }

    /// The name libseccomp and OCI profiles know it by, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::X32 => "x32",
            Self::I386 => "i386",
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
            Self::Riscv64 => "riscv64",
            Self::Loongarch64 => "loongarch64",
            Self::Ppc64le => "ppc64le",
            Self::Ppc64 => "ppc64",
            Self::Ppc => "ppc",
            Self::S390x => "s390x",
            Self::S390 => "s390",
            Self::Mips => "mips",
            Self::Mipsel => "mipsel",
            Self::Mips64 => "mips64",
            Self::Mips64el => "mipsel64",
            Self::Mips64n32 => "mips64n32",
            Self::Mips64n32el => "mipsel64n32",
        }
    }

    /// The convention of this name; `amd64`, `x86`, `arm64` and `SCMP_ARCH_…` are understood too.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = name.strip_prefix("SCMP_ARCH_").unwrap_or(name);
        let alias = [("amd64", Self::X86_64), ("x86", Self::I386), ("arm64", Self::Aarch64)];
        let named = Self::ALL.iter().copied().find(|arch| arch.name().eq_ignore_ascii_case(plain));
        named.or_else(|| alias.iter().find(|(a, _)| a.eq_ignore_ascii_case(plain)).map(|&(_, arch)| arch))
    }

    /// Whether the low half of a 64-bit field comes first in `struct seccomp_data`.
    pub const fn is_little_endian(self) -> bool {
        self.audit() & LE != 0
    }

    fn table(self) -> &'static [(u32, &'static str)] {
        match self {
            Self::X86_64 => tables::x86_64::TABLE,
            Self::X32 => tables::x32::TABLE,
            Self::I386 => tables::i386::TABLE,
            Self::Aarch64 => tables::aarch64::TABLE,
            Self::Arm => tables::arm::TABLE,
            Self::Riscv64 => tables::riscv64::TABLE,
            Self::Loongarch64 => tables::loongarch64::TABLE,
            Self::Ppc64le | Self::Ppc64 => tables::ppc64::TABLE,
            Self::Ppc => tables::ppc::TABLE,
            Self::S390x => tables::s390x::TABLE,
            Self::S390 => tables::s390::TABLE,
            Self::Mips | Self::Mipsel => tables::mips::TABLE,
            Self::Mips64 | Self::Mips64el => tables::mips64::TABLE,
            Self::Mips64n32 | Self::Mips64n32el => tables::mips64n32::TABLE,
        }
    }

    /// The bits every number of this convention has set.
    const fn base(self) -> u32 {
        match self {
            Self::X32 => X32_BIT,
            _ => 0,
        }
    }

    /// All system calls, in the order of their numbers.
    pub fn syscalls(self) -> impl Iterator<Item = Syscall> {
        self.table().iter().map(move |&(nr, name)| Syscall { nr: nr | self.base(), name })
    }

    /// The system call of this number.
    pub fn by_number(self, nr: u32) -> Option<Syscall> {
        let plain = nr & !self.base();
        if nr & self.base() != self.base() {
            return None;
        }
        let at = self.table().binary_search_by_key(&plain, |&(nr, _)| nr).ok()?;
        Some(Syscall { nr, name: self.table()[at].1 })
    }

    /// The system call of this name.
    pub fn by_name(self, name: &str) -> Option<Syscall> {
        self.syscalls().find(|syscall| syscall.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_ascend_and_names_are_unique() {
        for &arch in Arch::ALL {
            assert!(arch.table().is_sorted_by(|a, b| a.0 < b.0), "{arch:?}");
            let mut names: alloc::vec::Vec<_> = arch.table().iter().map(|row| row.1).collect();
            names.sort_unstable();
            assert!(names.is_sorted_by(|a, b| a < b), "{arch:?}");
        }
    }

    #[test]
    fn names_and_numbers_find_each_other() {
        for &arch in Arch::ALL {
            for syscall in arch.syscalls() {
                assert_eq!(arch.by_number(syscall.nr), Some(syscall));
                assert_eq!(arch.by_name(syscall.name), Some(syscall));
            }
            assert_eq!(Arch::from_name(arch.name()), Some(arch));
        }
    }

    /// Numbers everybody knows, against a slip in a whole table.
    #[test]
    fn well_known_numbers() {
        let known = [
            (Arch::X86_64, "execve", 59),
            (Arch::X32, "execve", 0x4000_0208),
            (Arch::I386, "execve", 11),
            (Arch::Aarch64, "execve", 221),
            (Arch::Riscv64, "mmap", 222),
            (Arch::Loongarch64, "clone", 220),
            (Arch::Arm, "set_tls", 0xf0005),
            (Arch::Ppc64le, "seccomp", 358),
            (Arch::S390x, "seccomp", 348),
            (Arch::Mips, "seccomp", 4352),
            (Arch::Mips64el, "seccomp", 5312),
            (Arch::X86_64, "file_setattr", 469),
        ];
        for (arch, name, nr) in known {
            assert_eq!(arch.by_name(name).map(|s| s.nr), Some(nr), "{arch:?} {name}");
        }
        assert_eq!(Arch::from_audit(0xc000_003e), Some(Arch::X86_64));
        assert_eq!(Arch::from_audit(0xc000_00b7), Some(Arch::Aarch64));
        assert_eq!(Arch::from_audit(0x4000_0003), Some(Arch::I386));
    }
}
