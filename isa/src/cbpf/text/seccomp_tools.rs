//! The listing of seccomp-tools: four numbers, then the instruction in words. The numbers decide;
//! the words are written for people and not read back.

use super::super::SockFilter;
use super::super::insn::{Alu, Cond, Insn, Operand};
use super::super::seccomp::{Action, Arch, Return, SeccompData};
use super::cursor::Cursor;
use super::{TextError, TextErrorKind};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

const HEADER: &str = " line  CODE  JT   JF      K\n=================================\n";

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Vec<SockFilter>, TextError> {
    let mut program = Vec::new();
    cursor.space();
    if cursor.rest().starts_with("line") {
        skip_line(cursor);
        cursor.space();
        cursor.take_while(|b| b == b'=');
        cursor.space();
    }
    while !cursor.at_end() {
        let start = cursor.pos();
        let digits = cursor.take_while(|b| b.is_ascii_digit());
        let found: u32 = digits.parse().map_err(|_| cursor.expected("the number of the instruction"))?;
        if found as usize != program.len() {
            let kind = TextErrorKind::Numbering { expected: program.len(), found };
            return Err(cursor.error(start, kind));
        }
        cursor.expect(":")?;
        cursor.blanks();
        let code = cursor.narrow()?;
        cursor.blanks();
        let jt = cursor.narrow()?;
        cursor.blanks();
        let jf = cursor.narrow()?;
        cursor.blanks();
        program.push(SockFilter::new(code, jt, jf, cursor.number()?));
        if !cursor.at_end() && !cursor.rest().starts_with([' ', '\t', '\r', '\n']) {
            return Err(cursor.expected("a blank"));
        }
        skip_line(cursor);
        cursor.space();
    }
    Ok(program)
}

fn skip_line(cursor: &mut Cursor<'_>) {
    let end = cursor.rest().find('\n').map_or(cursor.rest().len(), |newline| newline + 1);
    cursor.set(cursor.pos() + end);
}

pub(super) fn write(program: &[SockFilter]) -> String {
    let held = accumulator(program);
    let arch = architecture(program, &held);
    let mut out = HEADER.to_string();
    for (at, &raw) in program.iter().enumerate() {
        let SockFilter { code, jt, jf, k } = raw;
        let words = match Insn::decode(raw) {
            Some(insn) => words(insn, at, held[at], arch),
            None => "unknown".to_string(),
        };
        let _ = writeln!(out, " {at:04}: {code:#04x} {jt:#04x} {jf:#04x} {k:#010x}  {words}");
    }
    out
}

/// Which word of `struct seccomp_data` the accumulator holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Nothing leads here, so far.
    Unreached,
    /// The word at this offset.
    Word(u32),
    /// Something else, or not always the same.
    Other,
}

impl Held {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unreached, held) | (held, Self::Unreached) => held,
            (a, b) if a == b => a,
            _ => Self::Other,
        }
    }
}

/// What the accumulator holds before each instruction: one pass, since jumps go forward. Scratch
/// words are not followed.
fn accumulator(program: &[SockFilter]) -> Vec<Held> {
    let mut held = vec![Held::Unreached; program.len()];
    if let Some(first) = held.first_mut() {
        *first = Held::Other;
    }
    for (at, &raw) in program.iter().enumerate() {
        let now = held[at];
        let (after, skips) = match Insn::decode(raw) {
            Some(Insn::RetK(_) | Insn::RetA | Insn::RetX) => continue,
            Some(Insn::Jump(k)) => (now, [k as usize, k as usize]),
            Some(Insn::Branch { jt, jf, .. }) => (now, [usize::from(jt), usize::from(jf)]),
            Some(Insn::LoadAbs { k, .. }) => (Held::Word(k), [0, 0]),
            Some(insn) if writes_a(insn) => (Held::Other, [0, 0]),
            _ => (now, [0, 0]),
        };
        for skip in skips {
            if let Some(target) = held.get_mut(at.saturating_add(1).saturating_add(skip)) {
                *target = target.join(after);
            }
        }
    }
    held
}

const fn writes_a(insn: Insn) -> bool {
    matches!(
        insn,
        Insn::LoadInd { .. }
            | Insn::LoadImm(_)
            | Insn::LoadMem(_)
            | Insn::LoadLen
            | Insn::Alu { .. }
            | Insn::Neg
            | Insn::Txa
    )
}

/// The architecture the filter asks for first; x86-64 when it asks for none.
fn architecture(program: &[SockFilter], held: &[Held]) -> Arch {
    let asked = program.iter().zip(held).find_map(|(&raw, &held)| match Insn::decode(raw) {
        Some(Insn::Branch { cond: Cond::Eq, with: Operand::K(k), .. }) if held == Held::Word(4) => {
            Arch::from_audit(k)
        }
        _ => None,
    });
    asked.unwrap_or(Arch::X86_64)
}

fn words(insn: Insn, at: usize, held: Held, arch: Arch) -> String {
    match insn {
        Insn::LoadAbs { k, .. } => format!("A = {}", word(k)),
        Insn::LoadInd { k, .. } => format!("A = data[X + {k}]"),
        Insn::LoadImm(k) => format!("A = {k}"),
        Insn::LoadXImm(k) => format!("X = {k}"),
        Insn::LoadMem(k) => format!("A = mem[{k}]"),
        Insn::LoadXMem(k) => format!("X = mem[{k}]"),
        Insn::LoadLen => format!("A = {}", SeccompData::SIZE),
        Insn::LoadXLen => format!("X = {}", SeccompData::SIZE),
        Insn::LoadXMsh(k) => format!("X = 4 * (data[{k}] & 0xf)"),
        Insn::Store(k) => format!("mem[{k}] = A"),
        Insn::StoreX(k) => format!("mem[{k}] = X"),
        Insn::Alu { op, by } => {
            let by = match (op, by) {
                (_, Operand::X) => "X".to_string(),
                (Alu::Lsh | Alu::Rsh, Operand::K(k)) => k.to_string(),
                (_, Operand::K(k)) => format!("{k:#x}"),
            };
            format!("A {}= {by}", operator(op))
        }
        Insn::Neg => "A = -A".to_string(),
        Insn::Jump(k) => format!("goto {:04}", at as u64 + 1 + u64::from(k)),
        Insn::Branch { cond, with, jt, jf } => branch(cond, &compared(with, held, arch), at, jt, jf),
        Insn::RetK(k) => format!("return {}", action(k)),
        Insn::RetA => "return A".to_string(),
        Insn::RetX => "return X".to_string(),
        Insn::Tax => "X = A".to_string(),
        Insn::Txa => "A = X".to_string(),
    }
}

fn word(offset: u32) -> String {
    match offset {
        0 => "sys_number".to_string(),
        4 => "arch".to_string(),
        8 => "instruction_pointer".to_string(),
        12 => "instruction_pointer >> 32".to_string(),
        16..64 if offset.is_multiple_of(8) => format!("args[{}]", offset / 8 - 2),
        16..64 if offset.is_multiple_of(4) => format!("args[{}] >> 32", offset / 8 - 2),
        _ => format!("data[{offset}]"),
    }
}

fn compared(with: Operand, held: Held, arch: Arch) -> String {
    let Operand::K(k) = with else { return "X".to_string() };
    let name = match held {
        Held::Word(0) => arch.by_number(k).map(|syscall| syscall.name.to_string()),
        Held::Word(4) => Arch::from_audit(k).map(|arch| format!("ARCH_{}", arch.name().to_uppercase())),
        _ => None,
    };
    name.unwrap_or_else(|| format!("{k:#x}"))
}

fn branch(cond: Cond, with: &str, at: usize, jt: u8, jf: u8) -> String {
    let target = |skip: u8| at + 1 + usize::from(skip);
    let (when, unless) = match cond {
        Cond::Eq => ("==", "!="),
        Cond::Gt => (">", "<="),
        Cond::Ge => (">=", "<"),
        Cond::Set => ("&", ""),
    };
    match (jt, jf) {
        (0, 0) => "/* no-op */".to_string(),
        (t, f) if t == f => format!("goto {:04}", target(t)),
        (t, 0) => format!("if (A {when} {with}) goto {:04}", target(t)),
        (0, f) if cond == Cond::Set => format!("if (!(A & {with})) goto {:04}", target(f)),
        (0, f) => format!("if (A {unless} {with}) goto {:04}", target(f)),
        (t, f) => format!("if (A {when} {with}) goto {:04} else goto {:04}", target(t), target(f)),
    }
}

const fn operator(op: Alu) -> &'static str {
    match op {
        Alu::Add => "+",
        Alu::Sub => "-",
        Alu::Mul => "*",
        Alu::Div => "/",
        Alu::Mod => "%",
        Alu::Or => "|",
        Alu::And => "&",
        Alu::Xor => "^",
        Alu::Lsh => "<<",
        Alu::Rsh => ">>",
    }
}

fn action(k: u32) -> String {
    let Return { action, data } = Return::decode(k);
    match action {
        Action::KillThread => "KILL".to_string(),
        Action::Errno => format!("ERRNO({data})"),
        Action::Trace if data != 0 => format!("TRACE({data})"),
        Action::Unknown(_) => format!("{k:#x}"),
        action => action.name().to_uppercase(),
    }
}
