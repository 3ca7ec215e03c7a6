//! libpcap's validator, as `bpf_validate` of libpcap 1.10 decides.
//!
//! It looks at fields of the opcode, not at the whole: size bits of loads and the operand bits of
//! returns are not compared, so it lets pass programs that its own interpreter cannot execute.
//! [`Filter::check`](super::Filter::check) refuses those as well. It does not bound the length, the
//! shift distances or the reads of scratch memory, and a jump may go backwards, since libpcap
//! compiles `protochain` to loops.

use super::check::{CheckError, Rule};
use super::{MEM_WORDS, SockFilter};

/// Checks `program` exactly as libpcap 1.10 validates.
pub fn check_pcap(program: &[SockFilter]) -> Result<(), CheckError> {
    let len = program.len();
    // libpcap counts in a signed 32-bit integer.
    if len == 0 || len > i32::MAX as usize {
        return Err(CheckError::whole(Rule::Length { len, max: i32::MAX as usize }));
    }
    for (i, &raw) in program.iter().enumerate() {
        check_insn(raw, i, len).map_err(|rule| CheckError::at(i, rule))?;
    }
    match program[len - 1].code & 7 {
        6 => Ok(()),
        _ => Err(CheckError::at(len - 1, Rule::LastInsn)),
    }
}

fn check_insn(raw: SockFilter, at: usize, len: usize) -> Result<(), Rule> {
    let SockFilter { code, jt, jf, k } = raw;
    let unknown = Err(Rule::Opcode { code });
    match code & 7 {
        0 | 1 => match code & 0xe0 {
            0x60 if k >= MEM_WORDS => Err(Rule::ScratchIndex { k }),
            0x00 | 0x20 | 0x40 | 0x60 | 0x80 | 0xa0 => Ok(()),
            _ => unknown,
        },
        2 | 3 if k >= MEM_WORDS => Err(Rule::ScratchIndex { k }),
        4 => match code & 0xf0 {
            0x30 | 0x90 if code & 8 == 0 && k == 0 => Err(Rule::ZeroDivisor),
            0x00..=0xa0 => Ok(()),
            _ => unknown,
        },
        5 => match code & 0xf0 {
            // The sum wraps at 32 bits: a large distance is a backward jump.
            0x00 if (at as u32 + 1).wrapping_add(k) as usize >= len => Err(Rule::JumpTarget { k, len }),
            0x00 => Ok(()),
            0x10..=0x40 => {
                for (taken, skip) in [(true, jt), (false, jf)] {
                    let target = at + 1 + usize::from(skip);
                    if target >= len {
                        return Err(Rule::BranchTarget { taken, target, len });
                    }
                }
                Ok(())
            }
            _ => unknown,
        },
        _ => Ok(()),
    }
}
