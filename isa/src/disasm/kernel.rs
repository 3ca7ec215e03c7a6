//! The dialect of the kernel's log.
//!
//! The kernel prints an instruction before it judges it, so its log also shows slots that are none:
//! with fields set that are reserved, with registers that do not exist. The text is therefore made
//! from the fields of the slot, and [`Kernel::log`] gives it for any slot.

use super::{Dialect, HELPER_0, Names, signed_type, unsigned_type};
use crate::insn::opcode::{alu, class, jmp, mode, pseudo};
use crate::insn::{AluOp, AtomicOp, Cond, EndianOp, Insn, RawInsn, Size};
use core::fmt::{self, Write};

/// Linux `print_bpf_insn`, with the opcode in parentheses before each instruction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

impl Dialect for Kernel {
    fn insn(&self, out: &mut dyn Write, slot: usize, insn: &Insn, names: &dyn Names) -> fmt::Result {
        let (first, second) = insn.encode();
        let rest = second.unwrap_or_default();
        text(out, slot, &[first, rest], names)
    }
}

impl Kernel {
    /// Writes what stands at the start of `slots`, the program's from `slot` on, as the verifier's
    /// log shows it whether or not it is an instruction, and gives the number of slots shown.
    /// A register that does not exist is shown by its number, a reserved field not at all, and what
    /// the kernel has no text for as `BUG` with the opcode.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn log(
        &self,
        out: &mut dyn Write,
        slot: usize,
        slots: &[RawInsn],
        names: &dyn Names,
    ) -> Result<usize, fmt::Error> {
        let Some(first) = slots.first() else { return Ok(0) };
        text(out, slot, slots, names)?;
        Ok(if first.is_ldimm64() { slots.len().min(2) } else { 1 })
    }
}

/// A register at the width of the class: `r1` or `w1`.
struct At(bool, u8);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.0 { 'w' } else { 'r' }, self.1)
    }
}

/// A place in memory with the type of the access: `(u32 *)(r1 +8)`.
struct Place(&'static str, u8, i16);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} *)(r{} {:+})", self.0, self.1, self.2)
    }
}

fn text(out: &mut dyn Write, slot: usize, slots: &[RawInsn], names: &dyn Names) -> fmt::Result {
    let Some(&raw) = slots.first() else { return Ok(()) };
    let RawInsn { code, dst, src, off, imm } = raw;
    let size = Size::from_code(code);
    match (code & class::MASK, code & mode::MASK) {
        (class::ALU | class::ALU64, _) => arithmetic(out, raw),
        (class::STX, mode::MEM) => {
            write!(out, "({code:02x}) *{} = r{src}", Place(unsigned_type(size), dst, off))
        }
        (class::STX, mode::ATOMIC) => atomic(out, raw),
        (class::STX, _) => write!(out, "BUG_{code:02x}"),
        (class::ST, mode::MEM) => {
            write!(out, "({code:02x}) *{} = {imm}", Place(unsigned_type(size), dst, off))
        }
        (class::ST, _) => write!(out, "BUG_st_{code:02x}"),
        (class::LDX, mode::MEM) => {
            write!(out, "({code:02x}) r{dst} = *{}", Place(unsigned_type(size), src, off))
        }
        (class::LDX, mode::MEMSX) => {
            write!(out, "({code:02x}) r{dst} = *{}", Place(signed_type(size), src, off))
        }
        (class::LDX, _) => write!(out, "BUG_ldx_{code:02x}"),
        (class::LD, mode::ABS) => write!(out, "({code:02x}) r0 = *({} *)skb[{imm}]", unsigned_type(size)),
        (class::LD, mode::IND) => {
            write!(out, "({code:02x}) r0 = *({} *)skb[r{src} + {imm}]", unsigned_type(size))
        }
        (class::LD, mode::IMM) if size == Size::Dw => {
            write!(out, "({code:02x}) r{dst} = ")?;
            match names.imm64(slot) {
                Some(text) => out.write_str(&text),
                None => write!(out, "{:#x}", raw.imm64(slots.get(1).copied().unwrap_or_default())),
            }
        }
        (class::LD, _) => write!(out, "BUG_ld_{code:02x}"),
        _ => jump(out, slot, raw, names),
    }
}

fn arithmetic(out: &mut dyn Write, raw: RawInsn) -> fmt::Result {
    let RawInsn { code, dst, src, off, imm } = raw;
    let narrow = code & class::MASK == class::ALU;
    let (to, from) = (At(narrow, dst), At(narrow, src));
    let is_x = code & class::X != 0;
    let op = code & class::OP_MASK;
    if op == EndianOp::Swap.code() & class::OP_MASK {
        let name = EndianOp::from_code(code).unwrap_or(EndianOp::Swap).symbol();
        return write!(out, "({code:02x}) r{dst} = {name}{imm} r{dst}");
    }
    let (symbol, cast) = match op {
        alu::NEG => return write!(out, "({code:02x}) {to} = -{to}"),
        alu::MOV if is_x && off == 1 && !narrow => {
            let (into, of) = (imm as u32 >> 16, imm as u16);
            return write!(out, "({code:02x}) r{dst} = addr_space_cast(r{src}, {into}, {of})");
        }
        alu::MOV if is_x && off == -1 && !narrow => {
            return write!(out, "({code:02x}) r{dst} = &(void __percpu *)(r{src})");
        }
        alu::MOV => match off {
            8 => ("=", "(s8)"),
            16 => ("=", "(s16)"),
            32 => ("=", "(s32)"),
            _ => ("=", ""),
        },
        _ => match AluOp::from_code(op, off).or(AluOp::from_code(op, 0)) {
            Some(op) => (op.symbol(), ""),
            None => return write!(out, "BUG_{code:02x}"),
        },
    };
    if is_x {
        write!(out, "({code:02x}) {to} {symbol} {cast}{from}")
    } else {
        write!(out, "({code:02x}) {to} {symbol} {imm}")
    }
}

fn atomic(out: &mut dyn Write, raw: RawInsn) -> fmt::Result {
    let RawInsn { code, dst, src, off, imm } = raw;
    let size = Size::from_code(code);
    let place = Place(unsigned_type(size), dst, off);
    let wide = if size == Size::Dw { "64" } else { "" };
    match (imm, AtomicOp::from_imm(imm)) {
        (pseudo::LOAD_ACQ, _) => {
            write!(out, "({code:02x}) r{dst} = load_acquire({})", Place(place.0, src, off))
        }
        (pseudo::STORE_REL, _) => write!(out, "({code:02x}) store_release({place}, r{src})"),
        (_, Some((AtomicOp::Cmpxchg, _))) => {
            write!(out, "({code:02x}) r0 = atomic{wide}_cmpxchg({place}, r0, r{src})")
        }
        (_, Some((AtomicOp::Xchg, _))) => {
            write!(out, "({code:02x}) r{src} = atomic{wide}_xchg({place}, r{src})")
        }
        (_, Some((op, true))) => {
            write!(out, "({code:02x}) r{src} = atomic{wide}_fetch_{}({place}, r{src})", op.mnemonic())
        }
        (_, Some((op, false))) => write!(out, "({code:02x}) lock *{place} {} r{src}", op.symbol()),
        (_, None) => write!(out, "BUG_{code:02x}"),
    }
}

fn jump(out: &mut dyn Write, slot: usize, raw: RawInsn, names: &dyn Names) -> fmt::Result {
    const GOTO: u8 = class::JMP | jmp::JA;
    const GOTOL: u8 = class::JMP32 | jmp::JA;
    const EXIT: u8 = class::JMP | jmp::EXIT;
    const MAY_GOTO: u8 = class::JMP | jmp::JCOND;
    let RawInsn { code, dst, src, off, imm } = raw;
    let narrow = code & class::MASK == class::JMP32;
    let op = code & class::OP_MASK;
    match code {
        _ if op == jmp::CALL => return call(out, slot, raw, names),
        GOTO => return write!(out, "({code:02x}) goto pc{off:+}"),
        GOTOL => return write!(out, "({code:02x}) gotol pc{imm:+}"),
        EXIT => return write!(out, "({code:02x}) exit"),
        MAY_GOTO if src == 0 => return write!(out, "({code:02x}) may_goto pc{off:+}"),
        _ => {}
    }
    let symbol = match Cond::from_code(op) {
        Some(cond) => cond.symbol(),
        // Its table has a place for this one, and nothing in it.
        None if op == jmp::JCOND => "(null)",
        None => return write!(out, "BUG_{code:02x}"),
    };
    write!(out, "({code:02x}) if {} {symbol} ", At(narrow, dst))?;
    match code & class::X != 0 {
        true => write!(out, "{}", At(narrow, src))?,
        false => write!(out, "{imm:#x}")?,
    }
    write!(out, " goto pc{off:+}")
}

fn call(out: &mut dyn Write, slot: usize, raw: RawInsn, names: &dyn Names) -> fmt::Result {
    let RawInsn { code, src, imm, .. } = raw;
    let name = match src {
        pseudo::CALL_SUBPROG => return write!(out, "({code:02x}) call pc{imm:+}"),
        pseudo::CALL_KFUNC => names.kfunc(slot, imm).unwrap_or("kernel-function".into()),
        pseudo::CALL_HELPER if imm == 0 => HELPER_0.into(),
        pseudo::CALL_HELPER => names.helper(imm).unwrap_or("unknown".into()),
        _ => "unknown".into(),
    };
    write!(out, "({code:02x}) call {name}#{imm}")
}
