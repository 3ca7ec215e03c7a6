//! How long the kernel's own conversion to eBPF makes each classic instruction, and whether every
//! jump still fits: a legal program is refused when a distance after conversion needs more than 16
//! bits (`bpf_convert_filter`, 6.18, machines with efficient unaligned access).
//!
//! Only programs of some thousand instructions come near the limit. The lengths are those of the
//! kernel, not of [`convert`](mod@super::convert).
//!
//! The kernel finds the places of its jumps in two passes and holds both against the limit. In the
//! first, every forward target still counts as place 0, so that a jump which itself lies further
//! than 32,767 from the start is refused, however near its target.

use super::check::{CheckError, Rule};
use super::insn::{Alu, Cond, Insn, Operand, Size};
use super::packet::Ancillary;
use alloc::vec::Vec;

/// Refuses a jump that the conversion cannot express. Targets have been checked.
pub(super) fn check_distances(insns: &[Insn]) -> Result<(), CheckError> {
    let mut starts = Vec::with_capacity(insns.len());
    let mut at = prologue(insns);
    for &insn in insns {
        starts.push(at);
        at += i64::from(len(insn));
    }
    for (i, &insn) in insns.iter().enumerate() {
        // Each jump by its place inside the expansion and the instruction it goes to.
        let jumps = match insn {
            Insn::Jump(k) => [Some((0, k as usize)), None],
            Insn::Branch { cond, with, jt, jf } => {
                let first = i64::from(needs_register(with));
                let (yes, no) = (usize::from(jt), usize::from(jf));
                match () {
                    () if jf == 0 => [Some((first, yes)), None],
                    () if jt == 0 && cond != Cond::Set => [Some((first, no)), None],
                    () => [Some((first, yes)), Some((first + 1, no))],
                }
            }
            _ => continue,
        };
        for (place, skip) in jumps.into_iter().flatten() {
            let here = starts[i] + 1 + place;
            for distance in [-here, starts[i + 1 + skip] - here] {
                if i16::try_from(distance).is_err() {
                    return Err(CheckError::at(i, Rule::Distance { distance }));
                }
            }
        }
    }
    Ok(())
}

/// The instructions before the first: registers cleared and the context kept, and, for programs that
/// read the packet, its start and length.
fn prologue(insns: &[Insn]) -> i64 {
    let reads = |insn: &Insn| match insn {
        Insn::LoadAbs { k, .. } => Ancillary::from_offset(*k).is_none(),
        Insn::LoadInd { .. } | Insn::LoadXMsh(_) => true,
        _ => false,
    };
    if insns.iter().any(reads) { 7 } else { 3 }
}

/// Constants of 2^31 and more are first moved to a register.
const fn needs_register(with: Operand) -> bool {
    matches!(with, Operand::K(k) if k > i32::MAX as u32)
}

/// eBPF instructions that stand for one classic instruction.
fn len(insn: Insn) -> u32 {
    match insn {
        Insn::LoadAbs { size, k } => match Ancillary::from_offset(k) {
            Some(which) => ancillary(which),
            None => absolute(size, k),
        },
        Insn::LoadInd { k, .. } => 8 + u32::from(k != 0),
        Insn::LoadXMsh(k) => 6 + absolute(Size::B, k),
        Insn::Alu { op: Alu::Div | Alu::Mod, by: Operand::X } => 5,
        Insn::Branch { cond, with, jt, jf } => {
            let one = jf == 0 || jt == 0 && cond != Cond::Set;
            u32::from(needs_register(with)) + if one { 1 } else { 2 }
        }
        Insn::RetK(_) => 2,
        _ => 1,
    }
}

/// A load by a call, and before it, for offsets after the start of the data, one without.
fn absolute(size: Size, k: u32) -> u32 {
    const CALL: u32 = 8;
    if k > i32::MAX as u32 {
        return CALL;
    }
    let load = if k <= i16::MAX as u32 { 1 } else { 3 };
    let swap = u32::from(size != Size::B);
    CALL + 3 + u32::from(k != 0) + load + swap
}

const fn ancillary(which: Ancillary) -> u32 {
    match which {
        Ancillary::Mark | Ancillary::RxHash | Ancillary::Queue | Ancillary::VlanTag | Ancillary::XorX => 1,
        Ancillary::Protocol | Ancillary::PktType | Ancillary::VlanTpid => 2,
        Ancillary::VlanPresent => 3,
        Ancillary::IfIndex
        | Ancillary::HaType
        | Ancillary::PayOffset
        | Ancillary::NlAttr
        | Ancillary::NlAttrNest
        | Ancillary::Cpu
        | Ancillary::Random => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dialect, SockFilter, check};
    use super::*;

    /// Header length loads at 0 are 18 instructions each: 1,820 of them are jumped over, 1,821 not.
    #[test]
    fn distances_end_at_16_bits() {
        let program = |loads: u32| -> Vec<SockFilter> {
            let jump = core::iter::once(SockFilter::stmt(0x05, loads));
            let body = core::iter::repeat_n(SockFilter::stmt(0xb1, 0), loads as usize);
            jump.chain(body).chain([SockFilter::stmt(0x06, 1)]).collect()
        };
        assert_eq!(check(&program(1820), Dialect::Socket), Ok(()));
        let refused = check(&program(1821), Dialect::Socket).unwrap_err();
        assert_eq!(refused, CheckError::at(0, Rule::Distance { distance: 18 * 1821 }));
    }

    /// A jump over nothing: 7 instructions of prologue and 18 for each load lie before it.
    #[test]
    fn a_late_jump_is_refused() {
        let program = |loads: usize, fill: usize| -> Vec<SockFilter> {
            let body = core::iter::repeat_n(SockFilter::stmt(0xb1, 0), loads);
            let fill = core::iter::repeat_n(SockFilter::stmt(0x07, 0), fill);
            body.chain(fill).chain([SockFilter::stmt(0x05, 0), SockFilter::stmt(0x06, 1)]).collect()
        };
        assert_eq!(check(&program(1820, 0), Dialect::Socket), Ok(()));
        assert_eq!(check(&program(1819, 18), Dialect::Socket), Ok(()));
        assert_eq!(check(&program(1820, 0), Dialect::Socket), Ok(()));
        let refused = check(&program(1820, 1), Dialect::Socket).unwrap_err();
        assert_eq!(refused, CheckError::at(1821, Rule::Distance { distance: -32769 }));
    }
}
