//! Slots to instructions.
//!
//! Decoding is strict: every field that a form leaves unused must be zero, as Linux demands
//! (`bpf_check` and what it calls). Whether a jump lands, a shift count or a divisor makes sense
//! or a register may be written is not decided here.

use super::insn::{Callee, Imm64, Insn, Operand, PacketBase, Reg};
use super::op::{AluOp, AtomicOp, Cond, EndianOp, Size, Width};
use super::opcode::{alu, class, jmp, mode, pseudo};
use super::raw::RawInsn;
use core::fmt;

/// A field of an instruction slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Field {
    Dst,
    Src,
    Off,
    Imm,
}

impl Field {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Field::Dst => "dst",
            Field::Src => "src",
            Field::Off => "off",
            Field::Imm => "imm",
        }
    }
}

/// The form an opcode announces, as Linux names it in its messages about reserved fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    Alu,
    Neg,
    Mov,
    End,
    Ldx,
    St,
    Stx,
    Atomic,
    Ja,
    Jcond,
    Jmp,
    Call,
    Exit,
    LdImm64,
    LdAbsInd,
}

impl Form {
    /// Linux's name of the form.
    pub const fn name(self) -> &'static str {
        match self {
            Form::Alu => "BPF_ALU",
            Form::Neg => "BPF_NEG",
            Form::Mov => "BPF_MOV",
            Form::End => "BPF_END",
            Form::Ldx => "BPF_LDX",
            Form::St => "BPF_ST",
            Form::Stx => "BPF_STX",
            Form::Atomic => "BPF_ATOMIC",
            Form::Ja => "BPF_JA",
            Form::Jcond => "BPF_JCOND",
            Form::Jmp => "BPF_JMP",
            Form::Call => "BPF_CALL",
            Form::Exit => "BPF_EXIT",
            Form::LdImm64 => "BPF_LD_IMM64",
            Form::LdAbsInd => "BPF_LD_[ABS|IND]",
        }
    }
}

/// Why slots are not an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// No instruction has this opcode.
    UnknownOpcode { code: u8 },
    /// `field` holds `value`, which this form does not use.
    Reserved { form: Form, field: Field, value: i32 },
    /// A register field names no register.
    Register { field: Field, number: u8 },
    /// The immediate of an atomic instruction is no operation, or not one for this size.
    AtomicOp { imm: i32, size: Size },
    /// The source field of a 64-bit immediate load is no known kind.
    Imm64Kind { src: u8 },
    /// The second slot of a 64-bit immediate load is missing.
    Imm64Truncated,
    /// The second slot of a 64-bit immediate load has something other than an immediate.
    Imm64Second,
    /// The source field of a call is no known kind.
    CallKind { src: u8 },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DecodeError::UnknownOpcode { code } => write!(f, "unknown opcode {code:02x}"),
            DecodeError::Reserved { form, field, value } => {
                write!(f, "{} does not use its {} field, which holds {value}", form.name(), field.name())
            }
            DecodeError::Register { field, number } => {
                write!(f, "{} register R{number} does not exist, expected R0 to R10", field.name())
            }
            DecodeError::AtomicOp { imm, size } => {
                write!(f, "{imm:#x} is no atomic operation on {} bytes", size.bytes())
            }
            DecodeError::Imm64Kind { src } => {
                write!(f, "{src} is no kind of 64-bit immediate load, expected src 0 to 6")
            }
            DecodeError::Imm64Truncated => write!(f, "the second slot of a 64-bit immediate load is missing"),
            DecodeError::Imm64Second => {
                write!(f, "the second slot of a 64-bit immediate load may only hold an immediate")
            }
            DecodeError::CallKind { src } => write!(f, "{src} is no kind of call, expected src 0 to 2"),
        }
    }
}

impl core::error::Error for DecodeError {}

impl Insn {
    /// Decodes the instruction at the start of `slots`.
    ///
    /// # Errors
    /// The first fault found: the opcode, then unused fields, then registers. An empty slice is a
    /// truncated instruction.
    pub fn decode(slots: &[RawInsn]) -> Result<Insn, DecodeError> {
        let Some(&raw) = slots.first() else {
            return Err(DecodeError::Imm64Truncated);
        };
        let r = Fields(raw);
        match raw.code & class::MASK {
            class::LD => r.ld(slots.get(1).copied()),
            class::LDX => r.ldx(),
            class::ST => r.st(),
            class::STX => r.stx(),
            class::ALU => r.alu(Width::W32),
            class::ALU64 => r.alu(Width::W64),
            class::JMP => r.jmp(Width::W64),
            _ => r.jmp(Width::W32),
        }
    }

    /// Decodes a whole program into pairs of slot index and instruction, or the fault found there.
    ///
    /// A slot that cannot be decoded counts as one slot.
    pub fn decode_all(
        slots: &[RawInsn],
    ) -> impl Iterator<Item = (usize, Result<Insn, DecodeError>)> + Clone + '_ {
        let mut at = 0;
        core::iter::from_fn(move || {
            let rest = slots.get(at..).filter(|s| !s.is_empty())?;
            let (here, insn) = (at, Insn::decode(rest));
            at += insn.as_ref().map_or(1, |i| i.slots());
            Some((here, insn))
        })
    }
}

/// The fields of a slot, with the checks every form needs.
#[derive(Clone, Copy)]
struct Fields(RawInsn);

impl Fields {
    fn unknown<T>(self) -> Result<T, DecodeError> {
        Err(DecodeError::UnknownOpcode { code: self.0.code })
    }

    fn value(self, field: Field) -> i32 {
        match field {
            Field::Dst => self.0.dst as i32,
            Field::Src => self.0.src as i32,
            Field::Off => self.0.off as i32,
            Field::Imm => self.0.imm,
        }
    }

    /// Holds the fields a form does not use to zero.
    fn unused(self, form: Form, fields: &[Field]) -> Result<(), DecodeError> {
        match fields.iter().find(|&&f| self.value(f) != 0) {
            Some(&field) => Err(DecodeError::Reserved { form, field, value: self.value(field) }),
            None => Ok(()),
        }
    }

    fn reserved<T>(self, form: Form, field: Field) -> Result<T, DecodeError> {
        Err(DecodeError::Reserved { form, field, value: self.value(field) })
    }

    fn dst(self) -> Result<Reg, DecodeError> {
        Reg::new(self.0.dst).ok_or(DecodeError::Register { field: Field::Dst, number: self.0.dst })
    }

    fn src(self) -> Result<Reg, DecodeError> {
        Reg::new(self.0.src).ok_or(DecodeError::Register { field: Field::Src, number: self.0.src })
    }

    fn is_x(self) -> bool {
        self.0.code & class::X != 0
    }

    /// The second operand of arithmetic and jumps; the field it does not come from must be zero.
    fn operand(self, form: Form) -> Result<Operand, DecodeError> {
        if self.is_x() {
            self.unused(form, &[Field::Imm])?;
            Ok(Operand::Reg(self.src()?))
        } else {
            self.unused(form, &[Field::Src])?;
            Ok(Operand::Imm(self.0.imm))
        }
    }

    fn alu(self, width: Width) -> Result<Insn, DecodeError> {
        match self.0.code & class::OP_MASK {
            alu::NEG => {
                if self.is_x() {
                    return self.unknown();
                }
                self.unused(Form::Neg, &[Field::Src, Field::Off, Field::Imm])?;
                Ok(Insn::Neg { width, dst: self.dst()? })
            }
            alu::MOV => self.mov(width),
            0xd0 => self.endian(),
            code => {
                let Some(op) = AluOp::from_code(code, self.0.off) else {
                    if AluOp::from_code(code, 0).is_none() {
                        return self.unknown();
                    }
                    return self.reserved(Form::Alu, Field::Off);
                };
                let src = self.operand(Form::Alu)?;
                Ok(Insn::Alu { op, width, dst: self.dst()?, src })
            }
        }
    }

    fn mov(self, width: Width) -> Result<Insn, DecodeError> {
        let RawInsn { off, imm, .. } = self.0;
        if !self.is_x() {
            self.unused(Form::Mov, &[Field::Src, Field::Off])?;
            return Ok(Insn::Mov { width, dst: self.dst()?, src: Operand::Imm(imm) });
        }
        if off == 1 && width == Width::W64 && imm != 0 {
            let (to, from) = ((imm as u32 >> 16) as u16, imm as u16);
            return Ok(Insn::AddrSpaceCast { dst: self.dst()?, src: self.src()?, to, from });
        }
        self.unused(Form::Mov, &[Field::Imm])?;
        let from = match (off, width) {
            (0, _) => {
                return Ok(Insn::Mov { width, dst: self.dst()?, src: Operand::Reg(self.src()?) });
            }
            (8, _) => Size::B,
            (16, _) => Size::H,
            (32, Width::W64) => Size::W,
            _ => return self.reserved(Form::Mov, Field::Off),
        };
        Ok(Insn::MovSx { width, from, dst: self.dst()?, src: self.src()? })
    }

    fn endian(self) -> Result<Insn, DecodeError> {
        let Some(op) = EndianOp::from_code(self.0.code) else {
            return self.unknown();
        };
        self.unused(Form::End, &[Field::Src, Field::Off])?;
        let size = match self.0.imm {
            16 => Size::H,
            32 => Size::W,
            64 => Size::Dw,
            _ => return self.reserved(Form::End, Field::Imm),
        };
        Ok(Insn::Endian { op, size, dst: self.dst()? })
    }

    fn ldx(self) -> Result<Insn, DecodeError> {
        let size = Size::from_code(self.0.code);
        let signed = match self.0.code & mode::MASK {
            mode::MEM => false,
            mode::MEMSX if size != Size::Dw => true,
            _ => return self.unknown(),
        };
        self.unused(Form::Ldx, &[Field::Imm])?;
        Ok(Insn::Load { size, signed, dst: self.dst()?, base: self.src()?, off: self.0.off })
    }

    fn st(self) -> Result<Insn, DecodeError> {
        if self.0.code & mode::MASK != mode::MEM {
            return self.unknown();
        }
        self.unused(Form::St, &[Field::Src])?;
        let src = Operand::Imm(self.0.imm);
        Ok(Insn::Store { size: Size::from_code(self.0.code), base: self.dst()?, off: self.0.off, src })
    }

    fn stx(self) -> Result<Insn, DecodeError> {
        let (size, off) = (Size::from_code(self.0.code), self.0.off);
        match self.0.code & mode::MASK {
            mode::MEM => {
                self.unused(Form::Stx, &[Field::Imm])?;
                Ok(Insn::Store { size, base: self.dst()?, off, src: Operand::Reg(self.src()?) })
            }
            mode::ATOMIC => self.atomic(size, off),
            _ => self.unknown(),
        }
    }

    fn atomic(self, size: Size, off: i16) -> Result<Insn, DecodeError> {
        match self.0.imm {
            pseudo::LOAD_ACQ => Ok(Insn::LoadAcquire { size, dst: self.dst()?, base: self.src()?, off }),
            pseudo::STORE_REL => Ok(Insn::StoreRelease { size, base: self.dst()?, off, src: self.src()? }),
            imm => match AtomicOp::from_imm(imm) {
                Some((op, fetch)) if matches!(size, Size::W | Size::Dw) => {
                    Ok(Insn::Atomic { op, fetch, size, base: self.dst()?, off, src: self.src()? })
                }
                _ => Err(DecodeError::AtomicOp { imm, size }),
            },
        }
    }

    fn ld(self, second: Option<RawInsn>) -> Result<Insn, DecodeError> {
        let size = Size::from_code(self.0.code);
        match self.0.code & mode::MASK {
            mode::IMM if size == Size::Dw => self.imm64(second),
            m @ (mode::ABS | mode::IND) if size != Size::Dw => {
                self.unused(Form::LdAbsInd, &[Field::Dst, Field::Off])?;
                let base = if m == mode::ABS {
                    self.unused(Form::LdAbsInd, &[Field::Src])?;
                    PacketBase::Abs
                } else {
                    PacketBase::Ind(self.src()?)
                };
                Ok(Insn::Packet { base, size, off: self.0.imm })
            }
            _ => self.unknown(),
        }
    }

    fn imm64(self, second: Option<RawInsn>) -> Result<Insn, DecodeError> {
        let second = second.ok_or(DecodeError::Imm64Truncated)?;
        if second.code != 0 || second.dst != 0 || second.src != 0 || second.off != 0 {
            return Err(DecodeError::Imm64Second);
        }
        self.unused(Form::LdImm64, &[Field::Off])?;
        let (low, high) = (self.0.imm, second.imm);
        let no_high = || match high {
            0 => Ok(()),
            value => Err(DecodeError::Reserved { form: Form::LdImm64, field: Field::Imm, value }),
        };
        let imm = match self.0.src {
            pseudo::CONST => Imm64::Const(self.0.imm64(second)),
            pseudo::MAP_FD => no_high().map(|()| Imm64::MapFd(low))?,
            pseudo::MAP_VALUE => Imm64::MapValue { fd: low, off: high as u32 },
            pseudo::BTF_ID => Imm64::BtfId { id: low, fd: high },
            pseudo::FUNC => no_high().map(|()| Imm64::Func(low))?,
            pseudo::MAP_IDX => no_high().map(|()| Imm64::MapIdx(low))?,
            pseudo::MAP_IDX_VALUE => Imm64::MapIdxValue { idx: low, off: high as u32 },
            src => return Err(DecodeError::Imm64Kind { src }),
        };
        Ok(Insn::LdImm64 { dst: self.dst()?, imm })
    }

    fn jmp(self, width: Width) -> Result<Insn, DecodeError> {
        match self.0.code & class::OP_MASK {
            jmp::JA => self.ja(width),
            jmp::CALL if width == Width::W64 => self.call(),
            jmp::EXIT if width == Width::W64 => {
                if self.is_x() {
                    return self.unknown();
                }
                self.unused(Form::Exit, &[Field::Imm, Field::Src, Field::Dst, Field::Off])?;
                Ok(Insn::Exit)
            }
            jmp::JCOND if width == Width::W64 && !self.is_x() => {
                self.unused(Form::Jcond, &[Field::Dst, Field::Src, Field::Imm])?;
                Ok(Insn::MayGoto { off: self.0.off })
            }
            code => {
                let Some(cond) = Cond::from_code(code) else {
                    return self.unknown();
                };
                let src = self.operand(Form::Jmp)?;
                Ok(Insn::Jump { cond, width, dst: self.dst()?, src, off: self.0.off })
            }
        }
    }

    fn ja(self, width: Width) -> Result<Insn, DecodeError> {
        if self.is_x() {
            return self.unknown();
        }
        self.unused(Form::Ja, &[Field::Src, Field::Dst])?;
        if width == Width::W64 {
            self.unused(Form::Ja, &[Field::Imm])?;
            Ok(Insn::Goto { off: self.0.off as i32, long: false })
        } else {
            self.unused(Form::Ja, &[Field::Off])?;
            Ok(Insn::Goto { off: self.0.imm, long: true })
        }
    }

    fn call(self) -> Result<Insn, DecodeError> {
        if self.is_x() {
            self.unused(Form::Call, &[Field::Src, Field::Off, Field::Imm])?;
            return Ok(Insn::Call(Callee::Reg(self.dst()?)));
        }
        self.unused(Form::Call, &[Field::Dst])?;
        let imm = self.0.imm;
        let callee = match self.0.src {
            pseudo::CALL_HELPER => Callee::Helper(imm),
            pseudo::CALL_SUBPROG => Callee::Subprog(imm),
            pseudo::CALL_KFUNC => return Ok(Insn::Call(Callee::Kfunc { id: imm, btf: self.0.off })),
            src => return Err(DecodeError::CallKind { src }),
        };
        self.unused(Form::Call, &[Field::Off])?;
        Ok(Insn::Call(callee))
    }
}
