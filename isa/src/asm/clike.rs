//! The kernel's and LLVM's dialects, which read like C.

use super::error::Expected;
use super::lexer::Kind;
use super::line::{Line, Parsed, Result};
use crate::insn::{AluOp, AtomicOp, Cond, EndianOp, Imm64, Insn, Operand, PacketBase, Reg, Size, Width};

/// Parses one instruction. The opcode that the kernel prints tells a 64-bit immediate from a
/// 32-bit one where nothing else does.
pub(super) fn parse(line: &mut Line<'_>, opcode: Option<u8>) -> Result<Parsed> {
    match line.peek() {
        Some(Kind::Sign("*")) => store(line),
        Some(Kind::Word("lock")) => locked(line),
        Some(Kind::Word("store_release")) => store_release(line),
        Some(Kind::Word("if")) => conditional(line),
        Some(Kind::Word("goto" | "gotol" | "may_goto")) => jump(line),
        Some(Kind::Word("call")) => {
            line.next();
            line.callee()
        }
        Some(Kind::Word("callx")) => {
            line.next();
            Ok(Insn::Call(crate::insn::Callee::Reg(line.reg64()?)).into())
        }
        Some(Kind::Word("ld_pseudo")) => pseudo(line),
        Some(Kind::Word("exit")) => {
            line.next();
            Ok(Insn::Exit.into())
        }
        _ if line.next_is_register() => assignment(line, opcode),
        _ => Err(line.error(Expected::Instruction)),
    }
}

/// `(u32 *)` or `(s8 *)`: the size and whether it is signed.
fn memory_type(line: &mut Line<'_>) -> Result<(Size, bool)> {
    line.expect("(")?;
    let ty = match line.peek() {
        Some(Kind::Word(word)) => size_of_type(word),
        _ => None,
    };
    let ty = ty.ok_or(line.error(Expected::MemoryType))?;
    line.next();
    line.expect("*")?;
    line.expect(")")?;
    Ok(ty)
}

fn size_of_type(word: &str) -> Option<(Size, bool)> {
    let signed = match word.as_bytes().first()? {
        b'u' => false,
        b's' => true,
        _ => return None,
    };
    let size = match &word[1..] {
        "8" => Size::B,
        "16" => Size::H,
        "32" => Size::W,
        "64" => Size::Dw,
        _ => return None,
    };
    Some((size, signed))
}

/// `r1 + 0x8`, `r10 -8`, `r1`.
fn place(line: &mut Line<'_>) -> Result<(Reg, i16)> {
    let base = line.reg64()?;
    let off = match line.peek() {
        Some(Kind::Sign("+" | "-")) => line.off16()?,
        _ => 0,
    };
    Ok((base, off))
}

/// `(u32 *)(r1 + 0x8)`.
fn typed_place(line: &mut Line<'_>) -> Result<(Size, bool, Reg, i16)> {
    let (size, signed) = memory_type(line)?;
    line.expect("(")?;
    let (base, off) = place(line)?;
    line.expect(")")?;
    Ok((size, signed, base, off))
}

fn operand(line: &mut Line<'_>, width: Width) -> Result<Operand> {
    if !line.next_is_register() {
        return match line.peek() {
            Some(Kind::Number(..) | Kind::Sign("+" | "-")) => Ok(Operand::Imm(line.imm32()?)),
            _ => Err(line.error(Expected::RegisterOrNumber)),
        };
    }
    let before = line.error(Expected::SameWidth);
    match line.register()? {
        (w, reg) if w == width => Ok(Operand::Reg(reg)),
        _ => Err(before),
    }
}

/// Any register, whatever its width: stores and atomics name the same bytes by either.
fn either(line: &mut Line<'_>) -> Result<Reg> {
    line.register().map(|(_, reg)| reg)
}

fn store(line: &mut Line<'_>) -> Result<Parsed> {
    line.expect("*")?;
    let (size, _, base, off) = typed_place(line)?;
    line.expect("=")?;
    let src = if line.next_is_register() { Operand::Reg(either(line)?) } else { operand(line, Width::W64)? };
    Ok(Insn::Store { size, base, off, src }.into())
}

fn locked(line: &mut Line<'_>) -> Result<Parsed> {
    line.expect("lock")?;
    line.expect("*")?;
    let (size, _, base, off) = typed_place(line)?;
    let op = match line.peek() {
        Some(Kind::Sign(sign)) => AtomicOp::ALL.iter().find(|o| o.allows_no_fetch() && o.symbol() == sign),
        _ => None,
    };
    let op = *op.ok_or(line.error(Expected::Operator))?;
    line.next();
    let src = either(line)?;
    Ok(Insn::Atomic { op, fetch: false, size, base, off, src }.into())
}

fn store_release(line: &mut Line<'_>) -> Result<Parsed> {
    line.expect("store_release")?;
    line.expect("(")?;
    let (size, _, base, off) = typed_place(line)?;
    line.expect(",")?;
    let src = either(line)?;
    line.expect(")")?;
    Ok(Insn::StoreRelease { size, base, off, src }.into())
}

fn conditional(line: &mut Line<'_>) -> Result<Parsed> {
    line.expect("if")?;
    let (width, dst) = line.register()?;
    let cond = match line.peek() {
        Some(Kind::Sign(sign)) => Cond::ALL.iter().find(|c| c.symbol() == sign),
        _ => None,
    };
    let cond = *cond.ok_or(line.error(Expected::Operator))?;
    line.next();
    let src = operand(line, width)?;
    line.expect("goto")?;
    let (off, label) = line.target16()?;
    Ok(Parsed::Insn { insn: Insn::Jump { cond, width, dst, src, off }, label })
}

fn jump(line: &mut Line<'_>) -> Result<Parsed> {
    let word = line.word(Expected::Instruction)?;
    let (insn, label) = match word {
        "gotol" => {
            let (off, label) = line.target()?;
            (Insn::Goto { off, long: true }, label)
        }
        _ => {
            let (off, label) = line.target16()?;
            let insn = if word == "goto" {
                Insn::Goto { off: off as i32, long: false }
            } else {
                Insn::MayGoto { off }
            };
            (insn, label)
        }
    };
    Ok(Parsed::Insn { insn, label })
}

/// `ld_pseudo r1, 1, 5`: the kind as a number, and the low half of the immediate.
fn pseudo(line: &mut Line<'_>) -> Result<Parsed> {
    line.expect("ld_pseudo")?;
    let dst = line.reg64()?;
    line.expect(",")?;
    let before = line.error(Expected::NumberInRange);
    let kind = line.imm32()?;
    line.expect(",")?;
    let low = line.imm32()?;
    let imm = match kind {
        1 => Imm64::MapFd(low),
        2 => Imm64::MapValue { fd: low, off: 0 },
        3 => Imm64::BtfId { id: low, fd: 0 },
        4 => Imm64::Func(low),
        5 => Imm64::MapIdx(low),
        6 => Imm64::MapIdxValue { idx: low, off: 0 },
        _ => return Err(before),
    };
    Ok(Insn::LdImm64 { dst, imm }.into())
}

fn assignment(line: &mut Line<'_>, opcode: Option<u8>) -> Result<Parsed> {
    let (width, dst) = line.register()?;
    if !line.eat("=") {
        let op = match line.peek() {
            Some(Kind::Sign(sign)) => AluOp::ALL.iter().find(|o| o.symbol() == sign),
            _ => None,
        };
        let op = *op.ok_or(line.error(Expected::Operator))?;
        line.next();
        return Ok(Insn::Alu { op, width, dst, src: operand(line, width)? }.into());
    }
    match line.peek() {
        Some(Kind::Sign("*")) => load(line, dst),
        Some(Kind::Sign("(")) => extend(line, width, dst),
        Some(Kind::Sign("-")) if !line.next_is_number_after_sign() => {
            line.next();
            let before = line.error(Expected::SameWidth);
            match line.register()? {
                same if same == (width, dst) => Ok(Insn::Neg { width, dst }.into()),
                _ => Err(before),
            }
        }
        Some(Kind::Word("map" | "btf" | "func")) => match line.special_imm64()? {
            Some((imm, label)) => Ok(Parsed::Insn { insn: Insn::LdImm64 { dst, imm }, label }),
            None => Err(line.error(Expected::RegisterOrNumber)),
        },
        Some(Kind::Word(word)) if !line.next_is_register() => {
            line.next();
            function(line, word, width, dst)
        }
        Some(Kind::Number(..) | Kind::Sign("+" | "-")) => constant(line, width, dst, opcode),
        _ => Ok(Insn::Mov { width, dst, src: operand(line, width)? }.into()),
    }
}

/// A number: 64 bits wide when `ll` follows it or the opcode says so.
fn constant(line: &mut Line<'_>, width: Width, dst: Reg, opcode: Option<u8>) -> Result<Parsed> {
    let wide = line.ends_with_word("ll") || opcode == Some(0x18);
    if wide && width == Width::W64 {
        let value = line.imm64()?;
        line.eat("ll");
        return Ok(Insn::LdImm64 { dst, imm: Imm64::Const(value) }.into());
    }
    Ok(Insn::Mov { width, dst, src: Operand::Imm(line.imm32()?) }.into())
}

/// `*(u8 *)(r1 + 2)` or `*(u8 *)skb[...]`.
fn load(line: &mut Line<'_>, dst: Reg) -> Result<Parsed> {
    line.expect("*")?;
    let (size, signed) = memory_type(line)?;
    if line.eat("skb") {
        line.expect("[")?;
        let insn = if line.next_is_register() {
            let src = line.reg64()?;
            let off = if line.eat("+") { line.imm32()? } else { 0 };
            Insn::Packet { base: PacketBase::Ind(src), size, off }
        } else {
            Insn::Packet { base: PacketBase::Abs, size, off: line.imm32()? }
        };
        line.expect("]")?;
        return if dst == Reg::R0 {
            Ok(insn.into())
        } else {
            Err(line.error_at_start(Expected::Exactly("r0")))
        };
    }
    line.expect("(")?;
    let (base, off) = place(line)?;
    line.expect(")")?;
    Ok(Insn::Load { size, signed, dst, base, off }.into())
}

/// `(s8)r2`.
fn extend(line: &mut Line<'_>, width: Width, dst: Reg) -> Result<Parsed> {
    line.expect("(")?;
    let from = match line.peek() {
        Some(Kind::Word(word)) => {
            size_of_type(word).filter(|(size, signed)| *signed && size.bits() < width.bits())
        }
        _ => None,
    };
    let (from, _) = from.ok_or(line.error(Expected::MemoryType))?;
    line.next();
    line.expect(")")?;
    let before = line.error(Expected::SameWidth);
    match line.register()? {
        (w, src) if w == width => Ok(Insn::MovSx { width, from, dst, src }.into()),
        _ => Err(before),
    }
}

/// The forms that read like calls: byte swaps, casts and atomics.
fn function(line: &mut Line<'_>, word: &str, width: Width, dst: Reg) -> Result<Parsed> {
    let split = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
    let (name, digits) = word.split_at(split);
    if let Some(op) = EndianOp::ALL.iter().find(|o| o.symbol() == name) {
        let size = match digits {
            "16" => Size::H,
            "32" => Size::W,
            "64" => Size::Dw,
            _ => return Err(line.error_at_start(Expected::Instruction)),
        };
        let before = line.error(Expected::SameWidth);
        return match line.register()? {
            same if same == (Width::W64, dst) => Ok(Insn::Endian { op: *op, size, dst }.into()),
            _ => Err(before),
        };
    }
    line.expect("(")?;
    let insn = match word {
        "addr_space_cast" => {
            let src = line.reg64()?;
            line.expect(",")?;
            let to = line.imm16()?;
            line.expect(",")?;
            Insn::AddrSpaceCast { dst, src, to, from: line.imm16()? }
        }
        "load_acquire" => {
            let (size, _, base, off) = typed_place(line)?;
            Insn::LoadAcquire { size, dst, base, off }
        }
        _ => fetch(line, word, width, dst)?,
    };
    line.expect(")")?;
    Ok(insn.into())
}

/// `atomic_fetch_add(...)`, `atomic64_xchg(...)`, `xchg_64(...)`, `cmpxchg32_32(...)`.
fn fetch(line: &mut Line<'_>, word: &str, width: Width, dst: Reg) -> Result<Insn> {
    let name = word.strip_prefix("atomic64_").or(word.strip_prefix("atomic_"));
    let (op, size, base, off) = match (name, word) {
        (Some(name), _) => {
            let op = AtomicOp::ALL.iter().find(|o| match name.strip_prefix("fetch_") {
                Some(name) => o.allows_no_fetch() && o.mnemonic() == name,
                None => !o.allows_no_fetch() && o.mnemonic() == name,
            });
            let op = *op.ok_or(line.error_at_start(Expected::Instruction))?;
            let (size, _, base, off) = typed_place(line)?;
            (op, size, base, off)
        }
        (None, "xchg_64" | "xchg32_32" | "cmpxchg_64" | "cmpxchg32_32") => {
            let op = if word.starts_with("cmp") { AtomicOp::Cmpxchg } else { AtomicOp::Xchg };
            let size = if word.ends_with("_64") { Size::Dw } else { Size::W };
            let (base, off) = place(line)?;
            (op, size, base, off)
        }
        _ => return Err(line.error_at_start(Expected::Instruction)),
    };
    line.expect(",")?;
    let mut src = either(line)?;
    if op == AtomicOp::Cmpxchg {
        if src != Reg::R0 || dst != Reg::R0 {
            return Err(line.error_at_start(Expected::Exactly("r0")));
        }
        line.expect(",")?;
        src = either(line)?;
    } else if src != dst {
        return Err(line.error_at_start(Expected::SameWidth));
    }
    let _ = width;
    Ok(Insn::Atomic { op, fetch: true, size, base, off, src })
}
