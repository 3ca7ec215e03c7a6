//! Decides whether a classic program is legal: the rules of the kernel for socket filters
//! (`SO_ATTACH_FILTER`, xt_bpf, act_bpf, team and packet fanout all share them), the narrower ones
//! of seccomp, and, through [`check_pcap`](super::check_pcap), those of libpcap.
//!
//! The kernel's rules, stable since Linux 3.x and held against 6.18:
//!
//! 1. a program has 1 to 4,096 instructions;
//! 2. every opcode is one of the 49 of the [operation table](super::Op), all 16 bits compared;
//! 3. a constant divisor is not zero, a constant shift distance is below 32;
//! 4. scratch memory is `M[0]` to `M[15]`;
//! 5. a jump and both ways of a branch land inside the program, all forward;
//! 6. an absolute load at `0xfffff000` or above names an ancillary value exactly;
//! 7. the last instruction is `ret #k` or `ret a`;
//! 8. no scratch word is read before it was written, on any path. One forward pass suffices, since
//!    all jumps are forward: the set of written words at an instruction is the intersection over
//!    its predecessors. Unreachable code counts as having everything written;
//! 9. after the kernel's own conversion to eBPF every jump fits 16 bits.
//!
//! seccomp adds (`seccomp_check_filter`): 41 of the opcodes, and every absolute load is aligned to
//! four bytes and inside the 64 bytes of `struct seccomp_data`.

use super::expand::check_distances;
use super::packet::Ancillary;
use super::seccomp::SeccompData;
use super::{ANCILLARY_OFFSET, Alu, Insn, MEM_WORDS, Op, Operand, SockFilter, check_pcap};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// The most instructions the kernel takes (`BPF_MAXINSNS`).
pub const MAX_INSNS: usize = 4096;

/// Whose rules and whose semantics a filter follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The kernel, for packets.
    Socket,
    /// The kernel, for system calls.
    Seccomp,
    /// libpcap's interpreter in user space.
    Pcap,
}

/// Why a program is not legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckError {
    /// The instruction at fault; `None` when the program as a whole is.
    pub insn: Option<usize>,
    /// The rule it breaks.
    pub rule: Rule,
}

/// A rule that a program broke. The kernel answers all of them with `EINVAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// The number of instructions is outside 1 to `max`.
    Length { len: usize, max: usize },
    /// No such opcode.
    Opcode { code: u16 },
    /// The opcode exists, but not in seccomp filters.
    NotInSeccomp { op: Op },
    /// Division or remainder by the constant zero.
    ZeroDivisor,
    /// A constant shift distance of 32 or more.
    Shift { k: u32 },
    /// A scratch word past `M[15]`.
    ScratchIndex { k: u32 },
    /// An unconditional jump past the end.
    JumpTarget { k: u32, len: usize },
    /// A branch past the end; `taken` tells which way.
    BranchTarget { taken: bool, target: usize, len: usize },
    /// An absolute load in the ancillary range that names nothing.
    Ancillary { k: u32 },
    /// An absolute load of a seccomp filter that is unaligned or outside `struct seccomp_data`.
    SeccompOffset { k: u32 },
    /// The last instruction does not return.
    LastInsn,
    /// The kernel's conversion to eBPF stretches a jump past 16 bits.
    Distance {
        /// The eBPF instructions to skip; negative, those between the jump and the start of the
        /// program, which the kernel holds against the same limit.
        distance: i64,
    },
    /// A scratch word that some path reads before it is written.
    UnwrittenScratch { k: u32 },
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(insn) = self.insn {
            write!(f, "instruction {insn}: ")?;
        }
        match self.rule {
            Rule::Length { len, max } => write!(f, "{len} instructions, expected 1 to {max}"),
            Rule::Opcode { code } => write!(f, "unknown opcode {code:#06x}"),
            Rule::NotInSeccomp { op } => {
                write!(f, "opcode {:#06x} ({}) is not allowed in seccomp filters", op.code(), op.mnemonic())
            }
            Rule::ZeroDivisor => f.write_str("division by the constant 0"),
            Rule::Shift { k } => write!(f, "shift by {k}, expected less than 32"),
            Rule::ScratchIndex { k } => write!(f, "scratch word M[{k}], expected M[0] to M[15]"),
            Rule::JumpTarget { k, len } => {
                write!(f, "jump over {k:#x} instructions leaves the program of {len}")
            }
            Rule::BranchTarget { taken, target, len } => {
                let way = if taken { "true" } else { "false" };
                write!(f, "the {way} branch goes to instruction {target}, past the last, {}", len - 1)
            }
            Rule::Ancillary { k } => write!(f, "no ancillary value at offset {k:#x}"),
            Rule::SeccompOffset { k } => {
                write!(f, "load at offset {k:#x}, expected a multiple of 4 below 64 (struct seccomp_data)")
            }
            Rule::LastInsn => f.write_str("the last instruction is not a return of a constant or of A"),
            Rule::Distance { distance } => {
                write!(
                    f,
                    "converted to eBPF, the jump has a distance of {distance}, which 16 bits do not hold"
                )
            }
            Rule::UnwrittenScratch { k } => {
                write!(f, "M[{k}] is read, but not written on every path to here")
            }
        }
    }
}

impl core::error::Error for CheckError {}

impl CheckError {
    pub(super) const fn whole(rule: Rule) -> Self {
        Self { insn: None, rule }
    }

    pub(super) const fn at(insn: usize, rule: Rule) -> Self {
        Self { insn: Some(insn), rule }
    }
}

/// A program that passed the check of its dialect. Nothing else makes one, so running and
/// converting it cannot fail for a reason the check rules out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    insns: Vec<Insn>,
    dialect: Dialect,
}

impl Filter {
    /// Checks `program` by the rules of `dialect` and decodes it.
    pub fn check(program: &[SockFilter], dialect: Dialect) -> Result<Self, CheckError> {
        check(program, dialect)?;
        let decode = |(i, &raw): (usize, &SockFilter)| match Insn::decode(raw) {
            Some(insn) if insn.op().in_socket() => Ok(insn),
            _ => Err(CheckError::at(i, Rule::Opcode { code: raw.code })),
        };
        let insns = program.iter().enumerate().map(decode).collect::<Result<_, _>>()?;
        Ok(Self { insns, dialect })
    }

    /// The instructions.
    pub fn insns(&self) -> &[Insn] {
        &self.insns
    }

    /// The dialect it was checked for.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// Checks `program` by the rules of `dialect`.
pub fn check(program: &[SockFilter], dialect: Dialect) -> Result<(), CheckError> {
    match dialect {
        Dialect::Pcap => check_pcap(program),
        Dialect::Socket => check_distances(&check_kernel(program)?),
        Dialect::Seccomp => {
            let insns = check_kernel(program)?;
            check_seccomp(&insns)?;
            check_distances(&insns)
        }
    }
}

fn check_kernel(program: &[SockFilter]) -> Result<Vec<Insn>, CheckError> {
    let len = program.len();
    if len == 0 || len > MAX_INSNS {
        return Err(CheckError::whole(Rule::Length { len, max: MAX_INSNS }));
    }
    let mut insns = Vec::with_capacity(len);
    for (i, &raw) in program.iter().enumerate() {
        match Insn::decode(raw) {
            Some(insn) if insn.op().in_socket() => {
                check_insn(insn, i, len).map_err(|rule| CheckError::at(i, rule))?;
                insns.push(insn);
            }
            _ => return Err(CheckError::at(i, Rule::Opcode { code: raw.code })),
        }
    }
    if !matches!(insns[len - 1], Insn::RetK(_) | Insn::RetA) {
        return Err(CheckError::at(len - 1, Rule::LastInsn));
    }
    check_scratch(&insns)?;
    Ok(insns)
}

/// The rules that look at one instruction and its place.
fn check_insn(insn: Insn, at: usize, len: usize) -> Result<(), Rule> {
    match insn {
        Insn::Alu { op: Alu::Div | Alu::Mod, by: Operand::K(0) } => Err(Rule::ZeroDivisor),
        Insn::Alu { op: Alu::Lsh | Alu::Rsh, by: Operand::K(k @ 32..) } => Err(Rule::Shift { k }),
        Insn::LoadMem(k) | Insn::LoadXMem(k) | Insn::Store(k) | Insn::StoreX(k) if k >= MEM_WORDS => {
            Err(Rule::ScratchIndex { k })
        }
        Insn::Jump(k) if k as usize >= len - at - 1 => Err(Rule::JumpTarget { k, len }),
        Insn::Branch { jt, jf, .. } => {
            for (taken, skip) in [(true, jt), (false, jf)] {
                let target = at + 1 + usize::from(skip);
                if target >= len {
                    return Err(Rule::BranchTarget { taken, target, len });
                }
            }
            Ok(())
        }
        Insn::LoadAbs { k, .. } if k >= ANCILLARY_OFFSET && Ancillary::from_offset(k).is_none() => {
            Err(Rule::Ancillary { k })
        }
        _ => Ok(()),
    }
}

/// Rule 8: one bit for each scratch word, joined by intersection where paths meet.
fn check_scratch(insns: &[Insn]) -> Result<(), CheckError> {
    const ALL: u16 = u16::MAX;
    let mut arriving = vec![ALL; insns.len()];
    let mut written: u16 = 0;
    for (i, &insn) in insns.iter().enumerate() {
        written &= arriving[i];
        match insn {
            Insn::Store(k) | Insn::StoreX(k) => written |= 1 << k,
            Insn::LoadMem(k) | Insn::LoadXMem(k) if written & 1 << k == 0 => {
                return Err(CheckError::at(i, Rule::UnwrittenScratch { k }));
            }
            Insn::Jump(k) => {
                arriving[i + 1 + k as usize] &= written;
                written = ALL;
            }
            Insn::Branch { jt, jf, .. } => {
                arriving[i + 1 + usize::from(jt)] &= written;
                arriving[i + 1 + usize::from(jf)] &= written;
                written = ALL;
            }
            // A return does not stop the set from flowing on: the kernel's pass does not cut there
            // either, and so refuses some programs whose reads are unreachable.
            _ => {}
        }
    }
    Ok(())
}

fn check_seccomp(insns: &[Insn]) -> Result<(), CheckError> {
    for (i, &insn) in insns.iter().enumerate() {
        let rule = match insn {
            _ if !insn.op().in_seccomp() => Rule::NotInSeccomp { op: insn.op() },
            Insn::LoadAbs { k, .. } if k % 4 != 0 || k >= SeccompData::SIZE => Rule::SeccompOffset { k },
            _ => continue,
        };
        return Err(CheckError::at(i, rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(program: &[SockFilter], dialect: Dialect) -> Option<CheckError> {
        check(program, dialect).err()
    }

    const RET: SockFilter = SockFilter::stmt(0x06, 1);

    /// Each rule, the smallest program that breaks it, and the nearest one that does not.
    #[test]
    fn each_rule_has_an_edge() {
        let s = SockFilter::stmt;
        let cases: &[(SockFilter, SockFilter, Rule)] = &[
            (s(0x34, 0), s(0x34, 1), Rule::ZeroDivisor),
            (s(0x94, 0), s(0x94, 1), Rule::ZeroDivisor),
            (s(0x64, 32), s(0x64, 31), Rule::Shift { k: 32 }),
            (s(0x74, u32::MAX), s(0x74, 0), Rule::Shift { k: u32::MAX }),
            (s(0x02, 16), s(0x02, 15), Rule::ScratchIndex { k: 16 }),
            (s(0x05, 1), s(0x05, 0), Rule::JumpTarget { k: 1, len: 2 }),
            (s(0x05, u32::MAX), s(0x05, 0), Rule::JumpTarget { k: u32::MAX, len: 2 }),
            (
                SockFilter::new(0x15, 1, 0, 7),
                SockFilter::new(0x15, 0, 0, 7),
                Rule::BranchTarget { taken: true, target: 2, len: 2 },
            ),
            (
                SockFilter::new(0x2d, 0, 255, 7),
                SockFilter::new(0x2d, 0, 0, 7),
                Rule::BranchTarget { taken: false, target: 256, len: 2 },
            ),
            (s(0x20, 0xffff_f001), s(0x20, 0xffff_f004), Rule::Ancillary { k: 0xffff_f001 }),
            (s(0x30, 0xffff_f040), s(0x28, 0xffff_f03c), Rule::Ancillary { k: 0xffff_f040 }),
            (s(0x60, 3), s(0x00, 3), Rule::UnwrittenScratch { k: 3 }),
            (s(0x0e, 0), s(0x16, 0), Rule::Opcode { code: 0x0e }),
            (s(0x120, 0), s(0x20, 0), Rule::Opcode { code: 0x120 }),
        ];
        for &(bad, good, rule) in cases {
            assert_eq!(broken(&[bad, RET], Dialect::Socket), Some(CheckError::at(0, rule)));
            assert_eq!(broken(&[good, RET], Dialect::Socket), None, "{good:?}");
        }
        assert_eq!(broken(&[RET, s(0x07, 0)], Dialect::Socket), Some(CheckError::at(1, Rule::LastInsn)));
    }

    #[test]
    fn length_edges() {
        let program = vec![RET; MAX_INSNS + 1];
        assert!(broken(&[], Dialect::Socket).is_some());
        assert_eq!(broken(&program[..MAX_INSNS], Dialect::Seccomp), None);
        assert!(matches!(broken(&program, Dialect::Socket).unwrap().rule, Rule::Length { len: 4097, .. }));
    }

    #[test]
    fn scratch_is_joined_over_paths() {
        let s = SockFilter::stmt;
        // jeq #0, 0, 1; st M[2]; ld M[2]; ret a
        let mut program = [SockFilter::new(0x15, 0, 1, 0), s(2, 2), s(0x60, 2), s(0x16, 0)];
        let unwritten = CheckError::at(2, Rule::UnwrittenScratch { k: 2 });
        assert_eq!(broken(&program, Dialect::Socket), Some(unwritten));
        program[0] = SockFilter::new(0x15, 0, 0, 0);
        assert_eq!(broken(&program, Dialect::Socket), None);
        // Skipped by a jump, the read is unreachable and allowed; after a return it is not.
        assert_eq!(broken(&[s(5, 1), s(0x60, 2), s(0x16, 0)], Dialect::Socket), None);
        assert!(broken(&[s(6, 1), s(0x60, 2), s(0x16, 0)], Dialect::Socket).is_some());
    }

    #[test]
    fn seccomp_is_narrower() {
        let s = SockFilter::stmt;
        for k in 0..80 {
            let legal = k % 4 == 0 && k < 64;
            assert_eq!(broken(&[s(0x20, k), RET], Dialect::Seccomp).is_none(), legal, "{k}");
        }
        for &op in Op::ALL {
            let k = u32::from(!matches!(op, Op::LdAbsW | Op::Ja));
            let program = match op {
                Op::LdMem | Op::LdxMem => [s(0x02, 1), s(op.code(), k), RET],
                _ => [s(0, 0), s(op.code(), k), RET],
            };
            assert_eq!(broken(&program, Dialect::Seccomp).is_none(), op.in_seccomp(), "{op:?}");
            assert_eq!(broken(&program, Dialect::Socket).is_none(), op.in_socket(), "{op:?}");
        }
    }
}
