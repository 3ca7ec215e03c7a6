//! Frames that chained functions do not need.
//!
//! The code generator gives every function that makes tail calls a frame, even if nothing lies in it. Each
//! function of a chain then waits for the frame pointer that the one before has just put back. Functions
//! that keep nothing on the stack lose the frame again; what they call puts the stack in order by itself
//! ([`Stubs`](crate::stubs::Stubs)).
//!
//! Code is only changed when each of its instructions is known: without the decoder (feature `disasm`), and
//! on other machines than x86-64, frames stay.

use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::CallConv;

/// Whether a function calls nothing that trusts the stack to be in order, and its code is nothing but
/// instructions.
pub(crate) fn may_go(func: &Function) -> bool {
    let calls = |conv| matches!(conv, CallConv::PreserveAll | CallConv::Tail);
    func.dfg.signatures.values().all(|signature| calls(signature.call_conv))
        && func.dfg.jump_tables.is_empty()
        && func.dfg.constants.len() == 0
}

/// Takes the frame from the code of a function, unless something in it needs one.
#[cfg(all(feature = "disasm", target_arch = "x86_64"))]
pub(crate) fn take(code: &mut [u8]) {
    if let Some(ends) = ends(code) {
        code[..ENTRY.len()].copy_from_slice(&NOP);
        for (at, len) in ends {
            // What ends the function moves to where it began to end.
            let last = at + EXIT.len()..at + EXIT.len() + len;
            code.copy_within(last.clone(), at);
            code[at + len..last.end].fill(TRAP);
        }
    }
}

#[cfg(not(all(feature = "disasm", target_arch = "x86_64")))]
pub(crate) fn take(_: &mut [u8]) {}

#[cfg(all(feature = "disasm", target_arch = "x86_64"))]
use {
    crate::memory::TRAP,
    x86::{ENTRY, EXIT, NOP, ends},
};

#[cfg(all(feature = "disasm", target_arch = "x86_64"))]
mod x86 {
    use iced_x86::{Code, Decoder, DecoderOptions, Instruction, OpKind, Register};

    /// `push rbp; mov rbp, rsp`, and `mov rsp, rbp; pop rbp`.
    pub const ENTRY: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];
    pub const EXIT: [u8; 4] = [0x48, 0x89, 0xec, 0x5d];
    pub const NOP: [u8; 4] = [0x0f, 0x1f, 0x40, 0x00];

    /// Where the function gives its frame back, and how long the instruction is that follows; none if it
    /// uses the frame, or does not look as expected.
    pub fn ends(code: &[u8]) -> Option<Vec<(usize, usize)>> {
        let body = code.strip_prefix(&ENTRY)?;
        let mut decoder = Decoder::with_ip(64, body, ENTRY.len() as u64, DecoderOptions::NONE);
        let mut ends = Vec::new();
        while decoder.can_decode() {
            let at = ENTRY.len() + decoder.position();
            if code[at..].starts_with(&EXIT) {
                decoder.set_position(decoder.position() + EXIT.len()).ok()?;
                decoder.set_ip((at + EXIT.len()) as u64);
                let last = decoder.decode();
                // It has to do the same somewhere else.
                let stays = last.is_ip_rel_memory_operand();
                if !leaves(&last) || stays || uses_frame(&last) {
                    return None;
                }
                ends.push((at, last.len()));
                continue;
            }
            let insn = decoder.decode();
            if insn.is_invalid() || uses_frame(&insn) || leaves(&insn) {
                return None;
            }
        }
        Some(ends)
    }

    /// Whether an instruction leaves the function with the frame.
    fn leaves(insn: &Instruction) -> bool {
        matches!(insn.code(), Code::Retnq | Code::Jmp_rm64)
    }

    fn uses_frame(insn: &Instruction) -> bool {
        let is_frame = |reg: Register| matches!(reg.full_register(), Register::RSP | Register::RBP);
        let named = (0..insn.op_count())
            .any(|op| insn.op_kind(op) == OpKind::Register && is_frame(insn.op_register(op)));
        named
            || is_frame(insn.memory_base())
            || is_frame(insn.memory_index())
            || insn.is_stack_instruction() && insn.code() != Code::Retnq && !is_call(insn)
    }

    /// Calls are of what needs no frame here.
    fn is_call(insn: &Instruction) -> bool {
        insn.is_call_near_indirect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::memory::TRAP;

        const CALL: &[u8] = &[0xff, 0xd0];
        const RET: &[u8] = &[0xc3];

        #[test]
        fn functions_that_use_no_frame_are_known() {
            let code = [&ENTRY, CALL, &EXIT[..], &[0x41, 0xff, 0xe2], &[0x90], &EXIT[..], RET].concat();
            assert_eq!(ends(&code), Some(vec![(6, 3), (14, 1)]));
            let mut changed = code.clone();
            super::super::take(&mut changed);
            let left = [&NOP, CALL, &[0x41, 0xff, 0xe2], &[TRAP; 4], &[0x90], RET, &[TRAP; 4]].concat();
            assert_eq!(changed, left);
        }

        #[test]
        fn functions_that_use_the_frame_keep_it() {
            for used in [
                &[0x48, 0x83, 0xec, 0x10][..],                     // sub rsp, 16
                &[0x48, 0x89, 0x04, 0x24],                         // mov [rsp], rax
                &[0x48, 0x8b, 0x45, 0xf8],                         // mov rax, [rbp-8]
                &[0x53],                                           // push rbx
                &[0x48, 0x8b, 0x04, 0x2c],                         // mov rax, [rsp+rbp]
                &[0xc3],                                           // a return that leaves the frame
                &[0xff, 0xe0],                                     // a jump that does
                &[0x48, 0x89, 0xec, 0x5d, 0xff, 0x25, 0, 0, 0, 0], // jmp [rip]
                &[0xe8, 0, 0, 0, 0],                               // a call of who knows what
                &[0x06],                                           // nothing
            ] {
                let code = [&ENTRY, used, &EXIT[..], RET].concat();
                assert_eq!(ends(&code), None, "{used:x?}");
            }
            assert_eq!(ends(&[&[0x90], &ENTRY[..], &EXIT[..], RET].concat()), None);
        }

        #[test]
        fn constants_that_look_like_an_end_are_none() {
            // mov rax, imm64 of which the end is an end.
            let fake = [&[0x48, 0xb8, 0, 0, 0], &EXIT[..], RET].concat();
            let code = [&ENTRY, &fake[..], &EXIT, RET].concat();
            assert_eq!(ends(&code), Some(vec![(14, 1)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signatures::{chained_signature, signature, stub_signature};

    #[test]
    fn who_calls_the_host_keeps_the_frame() {
        let mut func = Function::new();
        func.import_signature(stub_signature());
        func.import_signature(chained_signature());
        assert!(may_go(&func));
        func.import_signature(signature(2));
        assert!(!may_go(&func));
    }

    #[test]
    fn code_with_something_else_in_it_is_left_alone() {
        let mut func = Function::new();
        func.dfg.constants.insert(vec![7u8; 8].into());
        assert!(!may_go(&func));
    }
}
