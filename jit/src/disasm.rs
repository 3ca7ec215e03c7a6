//! Machine code as text, for people (x86-64, through iced-x86).

use crate::code::{Code, Function};
use iced_x86::{Decoder, DecoderOptions, Formatter as _, Instruction, NasmFormatter};

/// One instruction of the machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Offset from the function's beginning.
    pub offset: usize,
    /// Its bytes.
    pub len: usize,
    pub text: String,
    /// The operation it was made for.
    pub op: Option<u32>,
}

/// The instructions of a function; empty on other machines than x86-64.
pub fn disassemble(code: &Code, function: &Function) -> Vec<Line> {
    if !cfg!(target_arch = "x86_64") {
        return Vec::new();
    }
    let Some(bytes) = code.bytes().get(function.offset..function.offset + function.len) else {
        return Vec::new();
    };
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let mut formatter = NasmFormatter::new();
    formatter.options_mut().set_rip_relative_addresses(false);
    formatter.options_mut().set_branch_leading_zeros(false);
    formatter.options_mut().set_show_branch_size(false);
    let mut instruction = Instruction::default();
    let mut lines = Vec::new();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let offset = instruction.ip() as usize;
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let after = function.locations.partition_point(|l| l.0 as usize <= offset);
        let op = after.checked_sub(1).map(|i| function.locations[i].1);
        lines.push(Line { offset, len: instruction.len(), text, op });
    }
    lines
}
