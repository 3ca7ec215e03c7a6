//! The listing of `tcpdump -d`, as libpcap 1.10 prints it (`bpf_image`).
//!
//! Targets are absolute instruction numbers; offsets and most constants print as signed decimals;
//! ancillary loads print by name. libpcap has no text for `ldx #len` and prints it as unimplemented,
//! as it does every opcode it does not know.

use super::super::insn::{Alu, Insn, Operand, Size};
use super::super::packet::Ancillary;
use super::super::{Op, SockFilter};
use super::cursor::Cursor;
use super::{TextError, TextErrorKind};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

/// Where libpcap's names of ancillary values are not those of bpf_asm.
const fn name(which: Ancillary) -> &'static str {
    match which {
        Ancillary::VlanPresent => "vlanp",
        Ancillary::Random => "random",
        _ => which.name(),
    }
}

pub(super) fn write(program: &[SockFilter]) -> String {
    let mut out = String::new();
    for (at, &raw) in program.iter().enumerate() {
        line(&mut out, at, raw);
        out.push('\n');
    }
    out
}

/// One line without its end.
fn line(out: &mut String, at: usize, raw: SockFilter) {
    let next = at as i64 + 1;
    let (mnemonic, operand) = match Insn::decode(raw) {
        Some(insn) if !matches!(insn, Insn::LoadXLen | Insn::RetX) => {
            (insn.op().mnemonic(), operand(insn, at))
        }
        _ => ("unimp", format!("{:#x}", raw.code)),
    };
    // The class and operation alone decide about the targets, known opcode or not.
    let _ = match raw.code & 7 == 5 && raw.code & 0xf0 != 0 {
        true => write!(
            out,
            "({at:03}) {mnemonic:<8} {operand:<16} jt {}\tjf {}",
            next + i64::from(raw.jt),
            next + i64::from(raw.jf)
        ),
        false => write!(out, "({at:03}) {mnemonic:<8} {operand}"),
    };
}

fn operand(insn: Insn, at: usize) -> String {
    let signed = insn.k().cast_signed();
    match insn {
        Insn::LoadAbs { k, .. } => match Ancillary::from_offset(k) {
            Some(which) => format!("[{}]", name(which)),
            None => format!("[{signed}]"),
        },
        Insn::LoadInd { .. } => format!("[x + {signed}]"),
        Insn::LoadImm(k) | Insn::LoadXImm(k) => format!("#{k:#x}"),
        Insn::LoadMem(_) | Insn::LoadXMem(_) | Insn::Store(_) | Insn::StoreX(_) => format!("M[{signed}]"),
        Insn::LoadLen | Insn::LoadXLen => "#pktlen".to_string(),
        Insn::LoadXMsh(_) => format!("4*([{signed}]&0xf)"),
        Insn::Alu { op: Alu::And | Alu::Or | Alu::Xor, by: Operand::K(k) } => format!("#{k:#x}"),
        Insn::Branch { with: Operand::K(k), .. } => format!("#{k:#x}"),
        Insn::Alu { by: Operand::K(_), .. } | Insn::RetK(_) => format!("#{signed}"),
        Insn::Alu { by: Operand::X, .. } | Insn::Branch { with: Operand::X, .. } => "x".to_string(),
        Insn::Jump(k) => (at as u32 + 1).wrapping_add(k).cast_signed().to_string(),
        Insn::Neg | Insn::RetA | Insn::RetX | Insn::Tax | Insn::Txa => String::new(),
    }
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Vec<SockFilter>, TextError> {
    let mut program = Vec::new();
    cursor.space();
    while !cursor.at_end() {
        let start = cursor.pos();
        cursor.expect("(")?;
        let digits = cursor.take_while(|b| b.is_ascii_digit());
        let found: u32 = digits.parse().map_err(|_| cursor.expected("the number of the instruction"))?;
        if found as usize != program.len() {
            let kind = TextErrorKind::Numbering { expected: program.len(), found };
            return Err(cursor.error(start, kind));
        }
        cursor.expect(")")?;
        cursor.blanks();
        program.push(instruction(cursor, program.len())?);
        cursor.end_of_line()?;
        cursor.space();
    }
    Ok(program)
}

fn instruction(cursor: &mut Cursor<'_>, at: usize) -> Result<SockFilter, TextError> {
    let start = cursor.pos();
    let mnemonic = cursor.word().ok_or_else(|| cursor.expected("an instruction"))?;
    cursor.blanks();
    let unknown = |cursor: &Cursor<'_>| {
        let kind = TextErrorKind::Mnemonic(mnemonic.to_string());
        cursor.error(start, kind)
    };
    let insn = match mnemonic {
        "unimp" => return unimplemented(cursor, start),
        "ld" | "ldh" | "ldb" => load(cursor, mnemonic)?,
        "ldx" if cursor.accept("#") => Insn::LoadXImm(cursor.number()?),
        "ldx" => Insn::LoadXMem(scratch(cursor)?),
        "ldxb" => {
            cursor.expect("4*([")?;
            let k = cursor.number()?;
            cursor.expect("]&0xf)")?;
            Insn::LoadXMsh(k)
        }
        "st" => Insn::Store(scratch(cursor)?),
        "stx" => Insn::StoreX(scratch(cursor)?),
        "ja" => Insn::Jump(cursor.number()?.wrapping_sub(at as u32 + 1)),
        "ret" if cursor.accept("#") => Insn::RetK(cursor.number()?),
        "ret" => Insn::RetA,
        "tax" => Insn::Tax,
        "txa" => Insn::Txa,
        "neg" => Insn::Neg,
        _ => return with_operand(cursor, mnemonic, at).unwrap_or_else(|| Err(unknown(cursor))),
    };
    Ok(insn.encode())
}

/// The instructions that take `x` or a constant: arithmetic and branches.
fn with_operand(cursor: &mut Cursor<'_>, mnemonic: &str, at: usize) -> Option<Result<SockFilter, TextError>> {
    let arithmetic = |op: &Op| matches!(op.code() & 7, 4 | 5) && *op != Op::Ja && *op != Op::Neg;
    let mut ops = Op::ALL.iter().filter(|op| arithmetic(op) && op.mnemonic() == mnemonic);
    let (with_k, with_x) = (*ops.next()?, *ops.next()?);
    Some(operand_and_targets(cursor, with_k, with_x, at))
}

fn operand_and_targets(
    cursor: &mut Cursor<'_>,
    with_k: Op,
    with_x: Op,
    at: usize,
) -> Result<SockFilter, TextError> {
    let mut raw = match cursor.accept("x") {
        true => SockFilter::stmt(with_x.code(), 0),
        false => {
            cursor.expect("#")?;
            SockFilter::stmt(with_k.code(), cursor.number()?)
        }
    };
    if raw.code & 7 == 5 {
        cursor.blanks();
        cursor.expect("jt")?;
        raw.jt = target(cursor, at)?;
        cursor.blanks();
        cursor.expect("jf")?;
        raw.jf = target(cursor, at)?;
    }
    Ok(raw)
}

fn target(cursor: &mut Cursor<'_>, at: usize) -> Result<u8, TextError> {
    cursor.blanks();
    let start = cursor.pos();
    let distance = i64::from(cursor.number()?) - at as i64 - 1;
    u8::try_from(distance).map_err(|_| cursor.error(start, TextErrorKind::Distance { distance }))
}

fn scratch(cursor: &mut Cursor<'_>) -> Result<u32, TextError> {
    cursor.expect("M[")?;
    let k = cursor.number()?;
    cursor.expect("]")?;
    Ok(k)
}

fn load(cursor: &mut Cursor<'_>, mnemonic: &str) -> Result<Insn, TextError> {
    let size = match mnemonic {
        "ldh" => Size::H,
        "ldb" => Size::B,
        _ => Size::W,
    };
    if size == Size::W {
        if cursor.accept("#pktlen") {
            return Ok(Insn::LoadLen);
        }
        if cursor.accept("#") {
            return Ok(Insn::LoadImm(cursor.number()?));
        }
        if cursor.rest().starts_with('M') {
            return Ok(Insn::LoadMem(scratch(cursor)?));
        }
    }
    cursor.expect("[")?;
    let insn = match cursor.accept("x + ") {
        true => Insn::LoadInd { size, k: cursor.number()? },
        false => {
            let named = Ancillary::ALL.iter().find(|which| {
                let rest = cursor.rest().strip_prefix(name(**which));
                rest.is_some_and(|rest| rest.starts_with(']'))
            });
            match named {
                Some(&which) => {
                    cursor.accept(name(which));
                    Insn::LoadAbs { size, k: which.offset() }
                }
                None => Insn::LoadAbs { size, k: cursor.number()? },
            }
        }
    };
    cursor.expect("]")?;
    Ok(insn)
}

/// The one opcode libpcap cannot name whose other fields mean nothing is `ldx #len`.
fn unimplemented(cursor: &mut Cursor<'_>, start: usize) -> Result<SockFilter, TextError> {
    let code: u16 = cursor.narrow()?;
    match Op::from_code(code) {
        Some(op @ (Op::LdxLen | Op::RetX)) => Ok(SockFilter::stmt(op.code(), 0)),
        _ => Err(cursor.error(start, TextErrorKind::Unimplemented { code })),
    }
}
