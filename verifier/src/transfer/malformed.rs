//! Slots that hold no instruction: what is found wrong with them first.
//!
//! Rules: the checks of unused fields in `do_check_insn`, `check_alu_op`, `check_cond_jmp_op`,
//! `check_ld_abs`, `check_ld_imm`, `check_atomic` of Linux 6.18. Each form looks at its fields in an
//! order of its own, between looks at its registers, so that an unused field may go unnoticed behind
//! a register that does not exist or holds nothing.
//!
//! Left to others: opcodes that do not exist, which are refused before the walk (`structure`).

use crate::explore::{Judged, Stop, Walker};
use crate::report::Finding;
use crate::verdict::Feature;
use oxbpf_isa::insn::opcode::{alu, class, jmp, mode, pseudo};
use oxbpf_isa::insn::{AtomicOp, DecodeError, RawInsn, Reg as R};
use oxbpf_isa::kernel::ProgFlags;

/// R10 is the last.
const REGISTERS: u8 = 11;
/// The source field of a conditional jump that is `may_goto`.
const MAY_GOTO: u8 = 0;

impl Walker<'_> {
    /// Why a slot that did not decode is refused.
    pub(super) fn malformed(&mut self, error: DecodeError) -> Stop {
        let raw = self.program.insns[self.at as usize];
        let found = match raw.code & class::MASK {
            class::ALU | class::ALU64 => self.malformed_alu(raw),
            class::LDX => self.malformed_load(raw),
            class::ST => self.malformed_store(raw),
            class::STX => self.malformed_stx(raw, error),
            class::JMP | class::JMP32 => self.malformed_jump(raw),
            _ => self.malformed_ld(raw),
        };
        match found {
            Err(stop) => stop,
            // Everything the kernel looks at is in order, so the decoder asks for more than it does.
            Ok(()) => Stop::Unknown(Feature::Internal),
        }
    }

    fn read_raw(&mut self, number: u8) -> Judged<()> {
        match R::new(number) {
            Some(r) => self.readable(r),
            None => Err(Finding::InvalidRegister { number }.into()),
        }
    }

    fn write_raw(&mut self, number: u8) -> Judged<()> {
        match R::new(number) {
            Some(r) => self.writable(r),
            None => Err(Finding::InvalidRegister { number }.into()),
        }
    }

    fn malformed_alu(&mut self, raw: RawInsn) -> Judged<()> {
        let is_32 = raw.code & class::MASK == class::ALU;
        let from_reg = raw.code & class::X != 0;
        match raw.code & class::OP_MASK {
            alu::NEG => {
                reserved(from_reg || raw.src != 0 || raw.off != 0 || raw.imm != 0, "BPF_NEG")?;
                self.read_raw(raw.dst)?;
                self.write_raw(raw.dst)
            }
            END => {
                let size = matches!(raw.imm, 16 | 32 | 64);
                reserved(raw.src != 0 || raw.off != 0 || !size || !is_32 && from_reg, "BPF_END")?;
                self.read_raw(raw.dst)?;
                self.write_raw(raw.dst)
            }
            alu::MOV => {
                if from_reg {
                    let extends = matches!(raw.off, 0 | 8 | 16) || raw.off == 32 && !is_32;
                    let casts = !is_32 && raw.off == 1;
                    if casts {
                        let spaces = raw.imm == 1 || raw.imm == 1 << 16;
                        if !spaces {
                            return Err(Finding::CastSpaces.into());
                        }
                        if !self.has_arena {
                            return Err(Finding::CastWithoutArena.into());
                        }
                        self.read_raw(raw.src)?;
                        return self.write_raw(raw.dst);
                    }
                    reserved(!extends || raw.imm != 0, "BPF_MOV")?;
                    self.read_raw(raw.src)?;
                } else {
                    reserved(raw.src != 0 || raw.off != 0, "BPF_MOV")?;
                }
                self.write_raw(raw.dst)
            }
            op => {
                let divides = matches!(op, DIV | MOD);
                let unused = !matches!(raw.off, 0 | 1) || raw.off == 1 && !divides;
                if from_reg {
                    reserved(raw.imm != 0 || unused, "BPF_ALU")?;
                    self.read_raw(raw.src)?;
                } else {
                    reserved(raw.src != 0 || unused, "BPF_ALU")?;
                }
                self.read_raw(raw.dst)?;
                self.write_raw(raw.dst)
            }
        }
    }

    fn malformed_load(&mut self, raw: RawInsn) -> Judged<()> {
        self.read_raw(raw.src)?;
        self.write_raw(raw.dst)
    }

    fn malformed_store(&mut self, raw: RawInsn) -> Judged<()> {
        reserved(raw.code & mode::MASK != mode::MEM || raw.src != 0, "BPF_ST")?;
        self.read_raw(raw.dst)
    }

    fn malformed_stx(&mut self, raw: RawInsn, error: DecodeError) -> Judged<()> {
        if raw.code & mode::MASK != mode::ATOMIC {
            reserved(raw.code & mode::MASK != mode::MEM || raw.imm != 0, "BPF_STX")?;
            self.read_raw(raw.src)?;
            return self.read_raw(raw.dst);
        }
        match raw.imm {
            imm @ (pseudo::LOAD_ACQ | pseudo::STORE_REL) if !self.rules.acquire_and_release => {
                Err(Finding::AtomicOpcode { imm }.into())
            }
            pseudo::LOAD_ACQ => {
                self.read_raw(raw.src)?;
                self.write_raw(raw.dst)
            }
            pseudo::STORE_REL => {
                self.read_raw(raw.src)?;
                self.read_raw(raw.dst)
            }
            imm if AtomicOp::from_imm(imm).is_none() => Err(Finding::AtomicOpcode { imm }.into()),
            _ if matches!(error, DecodeError::AtomicOp { .. }) => Err(Finding::AtomicSize.into()),
            _ => {
                self.read_raw(raw.src)?;
                self.read_raw(raw.dst)
            }
        }
    }

    fn malformed_jump(&mut self, raw: RawInsn) -> Judged<()> {
        let is_32 = raw.code & class::MASK == class::JMP32;
        let from_reg = raw.code & class::X != 0;
        match raw.code & class::OP_MASK {
            jmp::CALL => {
                let is_kfunc = raw.src == pseudo::CALL_KFUNC;
                let kind = raw.src == pseudo::CALL_HELPER || raw.src == pseudo::CALL_SUBPROG || is_kfunc;
                let unused = from_reg || !is_kfunc && raw.off != 0 || !kind || raw.dst != 0 || is_32;
                reserved(unused, "BPF_CALL")
            }
            jmp::JA => {
                let other = if is_32 { raw.off != 0 } else { raw.imm != 0 };
                reserved(from_reg || raw.src != 0 || raw.dst != 0 || other, "BPF_JA")
            }
            jmp::EXIT => {
                reserved(from_reg || raw.imm != 0 || raw.src != 0 || raw.dst != 0 || is_32, "BPF_EXIT")
            }
            jmp::JCOND => {
                let form = raw.code == class::JMP | jmp::JCOND && raw.src == MAY_GOTO;
                match form && raw.dst == 0 && raw.imm == 0 {
                    true => Ok(()),
                    false => Err(Finding::MayGotoFields { imm: raw.imm }.into()),
                }
            }
            _ => {
                self.read_raw(raw.dst)?;
                if from_reg {
                    reserved(raw.imm != 0, "BPF_JMP/JMP32")?;
                    return self.read_raw(raw.src);
                }
                reserved(raw.src != 0, "BPF_JMP/JMP32")
            }
        }
    }

    fn malformed_ld(&mut self, raw: RawInsn) -> Judged<()> {
        if raw.is_ldimm64() {
            reserved(raw.off != 0, "BPF_LD_IMM64")?;
            return self.write_raw(raw.dst);
        }
        if !self.prog.flags.contains(ProgFlags::LD_ABS) {
            return Err(Finding::LdAbsNotAllowed.into());
        }
        let is_abs = raw.code & mode::MASK == mode::ABS;
        reserved(raw.dst != 0 || raw.off != 0 || is_abs && raw.src != 0, "BPF_LD_[ABS|IND]")?;
        self.readable(R::R6)?;
        self.read_raw(raw.src)
    }
}

/// The operation bits of byte order, division and remainder.
const END: u8 = 0xd0;
const DIV: u8 = 0x30;
const MOD: u8 = 0x90;

fn reserved(in_use: bool, form: &'static str) -> Judged<()> {
    if in_use { Err(Finding::ReservedFields { form }.into()) } else { Ok(()) }
}

const _: () = assert!(REGISTERS == R::ALL.len() as u8);
