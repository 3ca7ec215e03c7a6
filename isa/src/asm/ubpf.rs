//! The dialect of ubpf and of the bpf_conformance vectors: mnemonics with operands after them.

use super::error::Expected;
use super::lexer::Kind;
use super::line::{Line, Parsed, Result};
use crate::insn::{AluOp, AtomicOp, Cond, EndianOp, Imm64, Insn, Operand, PacketBase, Reg, Size, Width};

/// Whether the line begins with a mnemonic of this dialect and not with C.
pub(super) fn begins(line: &Line<'_>) -> bool {
    match line.peek() {
        Some(Kind::Word("exit" | "call" | "may_goto" | "lock")) => line.second_is_ubpf(),
        Some(Kind::Word(word)) => form(word).is_some(),
        _ => false,
    }
}

/// What follows a mnemonic.
enum Form {
    Alu(AluOp, Width),
    Mov(Width),
    MovSx(Size, Width),
    Neg(Width),
    Endian(EndianOp, Size),
    Load(Size, bool),
    Store(Size, bool),
    LoadAcquire(Size),
    StoreRelease(Size),
    Lddw,
    Abs(Size),
    Ind(Size),
    Ja(bool),
    Jump(Cond, Width),
    Cast,
}

fn size(suffix: &str) -> Option<Size> {
    Size::ALL.into_iter().find(|s| crate::disasm::size_suffix(*s) == suffix)
}

/// A mnemonic without its `32`, and the width that says.
fn width(word: &str) -> (&str, Width) {
    match word.strip_suffix("32").or(word.strip_suffix("64")) {
        Some(name) if word.ends_with("32") => (name, Width::W32),
        Some(name) => (name, Width::W64),
        None => (word, Width::W64),
    }
}

fn form(word: &str) -> Option<Form> {
    if let Some(rest) = word.strip_prefix("movsx") {
        return Some(match rest {
            "832" => Form::MovSx(Size::B, Width::W32),
            "1632" => Form::MovSx(Size::H, Width::W32),
            "864" => Form::MovSx(Size::B, Width::W64),
            "1664" => Form::MovSx(Size::H, Width::W64),
            "3264" => Form::MovSx(Size::W, Width::W64),
            _ => return None,
        });
    }
    match word {
        "lddw" => return Some(Form::Lddw),
        "ja" => return Some(Form::Ja(false)),
        "ja32" => return Some(Form::Ja(true)),
        "addr_space_cast" => return Some(Form::Cast),
        _ => {}
    }
    let sized = |prefix: &str| word.strip_prefix(prefix).and_then(size);
    let sized_forms = [
        sized("ldxs").filter(|s| *s != Size::Dw).map(|s| Form::Load(s, true)),
        sized("ldx").map(|s| Form::Load(s, false)),
        sized("stx").map(|s| Form::Store(s, true)),
        sized("st").map(|s| Form::Store(s, false)),
        sized("load_acquire").map(Form::LoadAcquire),
        sized("store_release").map(Form::StoreRelease),
        sized("ldabs").filter(|s| *s != Size::Dw).map(Form::Abs),
        sized("ldind").filter(|s| *s != Size::Dw).map(Form::Ind),
    ];
    if let Some(form) = sized_forms.into_iter().flatten().next() {
        return Some(form);
    }
    let digits = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
    let bits = match &word[digits..] {
        "16" => Some(Size::H),
        "32" => Some(Size::W),
        "64" => Some(Size::Dw),
        _ => None,
    };
    let endian =
        EndianOp::ALL.iter().find(|o| o.mnemonic() == &word[..digits] || o.symbol() == &word[..digits]);
    if let (Some(&op), Some(bits)) = (endian, bits) {
        return Some(Form::Endian(op, bits));
    }
    let (name, width) = width(word);
    if let Some(&op) = AluOp::ALL.iter().find(|o| o.mnemonic() == name) {
        return Some(Form::Alu(op, width));
    }
    if let Some(&cond) = Cond::ALL.iter().find(|c| c.mnemonic() == name) {
        return Some(Form::Jump(cond, width));
    }
    match name {
        "mov" => Some(Form::Mov(width)),
        "neg" => Some(Form::Neg(width)),
        _ => None,
    }
}

pub(super) fn parse(line: &mut Line<'_>) -> Result<Parsed> {
    let before = line.error(Expected::Instruction);
    let word = line.word(Expected::Instruction)?;
    match word {
        "exit" => return Ok(Insn::Exit.into()),
        "call" => return line.callee(),
        "lock" => return locked(line),
        "may_goto" => {
            let (off, label) = line.target16()?;
            return Ok(Parsed::Insn { insn: Insn::MayGoto { off }, label });
        }
        _ => {}
    }
    let insn = match form(word).ok_or(before)? {
        Form::Alu(op, width) => {
            let dst = first(line)?;
            Insn::Alu { op, width, dst, src: operand(line)? }
        }
        Form::Mov(width) => {
            let dst = first(line)?;
            Insn::Mov { width, dst, src: operand(line)? }
        }
        Form::MovSx(from, width) => {
            let dst = first(line)?;
            Insn::MovSx { width, from, dst, src: line.reg64()? }
        }
        Form::Neg(width) => Insn::Neg { width, dst: line.reg64()? },
        Form::Endian(op, size) => Insn::Endian { op, size, dst: line.reg64()? },
        Form::Load(size, signed) => {
            let dst = first(line)?;
            let (base, off) = place(line)?;
            Insn::Load { size, signed, dst, base, off }
        }
        Form::LoadAcquire(size) => {
            let dst = first(line)?;
            let (base, off) = place(line)?;
            Insn::LoadAcquire { size, dst, base, off }
        }
        Form::Store(size, register) => {
            let (base, off) = place(line)?;
            line.expect(",")?;
            let src = if register { Operand::Reg(line.reg64()?) } else { Operand::Imm(line.imm32()?) };
            Insn::Store { size, base, off, src }
        }
        Form::StoreRelease(size) => {
            let (base, off) = place(line)?;
            line.expect(",")?;
            Insn::StoreRelease { size, base, off, src: line.reg64()? }
        }
        Form::Lddw => return wide(line),
        Form::Abs(size) => Insn::Packet { base: PacketBase::Abs, size, off: line.imm32()? },
        Form::Ind(size) => {
            let src = first(line)?;
            Insn::Packet { base: PacketBase::Ind(src), size, off: line.imm32()? }
        }
        Form::Ja(long) => {
            let (off, label) = if long {
                line.target()?
            } else {
                let (off, label) = line.target16()?;
                (off as i32, label)
            };
            return Ok(Parsed::Insn { insn: Insn::Goto { off, long }, label });
        }
        Form::Jump(cond, width) => {
            let dst = first(line)?;
            let src = operand(line)?;
            line.expect(",")?;
            let (off, label) = line.target16()?;
            return Ok(Parsed::Insn { insn: Insn::Jump { cond, width, dst, src, off }, label });
        }
        Form::Cast => {
            let dst = first(line)?;
            let src = first(line)?;
            let to = line.imm16()?;
            line.expect(",")?;
            Insn::AddrSpaceCast { dst, src, to, from: line.imm16()? }
        }
    };
    Ok(insn.into())
}

/// A register and the comma after it.
fn first(line: &mut Line<'_>) -> Result<Reg> {
    let reg = line.reg64()?;
    line.expect(",")?;
    Ok(reg)
}

fn operand(line: &mut Line<'_>) -> Result<Operand> {
    if line.next_is_register() { Ok(Operand::Reg(line.reg64()?)) } else { Ok(Operand::Imm(line.imm32()?)) }
}

/// `[%r1+8]`.
fn place(line: &mut Line<'_>) -> Result<(Reg, i16)> {
    line.expect("[")?;
    let base = line.reg64()?;
    let off = match line.peek() {
        Some(Kind::Sign("+" | "-")) => line.off16()?,
        _ => 0,
    };
    line.expect("]")?;
    Ok((base, off))
}

fn wide(line: &mut Line<'_>) -> Result<Parsed> {
    let dst = first(line)?;
    let (imm, label) = match line.special_imm64()? {
        Some(special) => special,
        None => (Imm64::Const(line.imm64()?), None),
    };
    Ok(Parsed::Insn { insn: Insn::LdImm64 { dst, imm }, label })
}

/// `lock fetch add32 [%r1+8], %r2`, `lock cmpxchg [%r1], %r2`.
fn locked(line: &mut Line<'_>) -> Result<Parsed> {
    let fetch = line.eat("fetch");
    let before = line.error(Expected::Operator);
    let (name, width) = width(line.word(Expected::Operator)?);
    let op = *AtomicOp::ALL.iter().find(|o| o.mnemonic() == name).ok_or(before)?;
    let (base, off) = place(line)?;
    line.expect(",")?;
    let size = if width == Width::W32 { Size::W } else { Size::Dw };
    let fetch = fetch || !op.allows_no_fetch();
    Ok(Insn::Atomic { op, fetch, size, base, off, src: line.reg64()? }.into())
}
