//! The numbers and names of system calls, one table for each calling convention, as the uapi headers
//! of Linux give them. What they mean is left to [`Arch`](super::Arch).

pub(super) mod aarch64;
pub(super) mod arm;
pub(super) mod i386;
pub(super) mod loongarch64;
pub(super) mod mips;
pub(super) mod mips64;
pub(super) mod mips64n32;
pub(super) mod ppc;
pub(super) mod ppc64;
pub(super) mod riscv64;
pub(super) mod s390;
pub(super) mod s390x;
pub(super) mod x32;
pub(super) mod x86_64;
