//! Turns a checked classic filter into eBPF that the kernel's verifier takes as a socket filter.
//!
//! The register assignment is the kernel's own: `A` is R0, `X` is R7, the context R6, R2 a
//! temporary, and `M[k]` the four bytes at `fp - 4 - 4k`. What differs from the kernel's conversion,
//! which is never verified:
//!
//! * Code no path reaches is left out, since the verifier refuses it.
//! * Registers are cleared by moves, not by `xor`, which would read them unset; fields an
//!   instruction does not use are zero.
//! * Packet loads are `LD_ABS` and `LD_IND`, whose meaning (big-endian, 0 as the verdict outside the
//!   packet, the two windows of negative offsets) is that of classic loads, instead of reads of
//!   `struct sk_buff`.
//! * Ancillary values are read from `struct __sk_buff` or by a helper. Hardware type, netlink
//!   attributes and payload offset have no such source: they are an error, unless
//!   [`Options::extension`] names a helper to call with the context, `A` and `X`.
//!
//! Filters checked for libpcap convert with libpcap's meaning, as [run](super::Filter::run) gives
//! it, with the length of the packet for that on the wire, and without backward jumps.

use super::check::{Dialect, Filter};
use super::insn::{Alu, Cond, Insn, Operand, Size};
use super::packet::Ancillary;
use super::seccomp::SeccompData;
use crate::insn::RawInsn;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// The accumulator and the return value.
const A: u8 = 0;
const CTX_ARG: u8 = 1;
const TMP: u8 = 2;
const TMP2: u8 = 3;
const CTX: u8 = 6;
const X: u8 = 7;
const FP: u8 = 10;

/// Fields of `struct __sk_buff`.
mod sk_buff {
    pub(super) const LEN: i16 = 0;
    pub(super) const PKT_TYPE: i16 = 4;
    pub(super) const MARK: i16 = 8;
    pub(super) const QUEUE_MAPPING: i16 = 12;
    pub(super) const PROTOCOL: i16 = 16;
    pub(super) const VLAN_PRESENT: i16 = 20;
    pub(super) const VLAN_TCI: i16 = 24;
    pub(super) const VLAN_PROTO: i16 = 28;
    pub(super) const IFINDEX: i16 = 40;
    pub(super) const HASH: i16 = 68;
}

const HELPER_PRANDOM_U32: i32 = 7;
const HELPER_SMP_PROCESSOR_ID: i32 = 8;

/// What a conversion may be told.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Options<'a> {
    /// The helper that gives an ancillary value `struct __sk_buff` does not have. It is called with
    /// the context, `A` and `X`, as the kernel's internal functions are, and returns the new `A`.
    pub extension: Option<&'a dyn Fn(Ancillary) -> Option<i32>>,
}

/// Why a filter has no eBPF form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvertError {
    /// The classic instruction.
    pub insn: usize,
    /// What stands in the way.
    pub reason: Reason,
}

/// What keeps an instruction from being converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The value is not in `struct __sk_buff`, and no extension gives it.
    NoSource(Ancillary),
    /// libpcap's loops have no bound the verifier could find.
    BackwardJump,
    /// The distance does not fit 16 bits.
    JumpTooFar {
        /// The distance in eBPF instructions.
        distance: i64,
    },
    /// The filter was checked for another dialect than this conversion is for.
    Dialect(Dialect),
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: ", self.insn)?;
        match self.reason {
            Reason::NoSource(which) => {
                write!(f, "ancillary value {} has no counterpart in struct __sk_buff", which.name())
            }
            Reason::BackwardJump => f.write_str("a backward jump has no eBPF form a verifier would take"),
            Reason::JumpTooFar { distance } => {
                write!(f, "a jump of {distance} instructions does not fit 16 bits")
            }
            Reason::Dialect(dialect) => write!(f, "the filter was checked for {dialect:?}"),
        }
    }
}

impl core::error::Error for ConvertError {}

/// Converts a packet filter to an eBPF program of type `socket_filter`.
pub fn convert(filter: &Filter, options: &Options<'_>) -> Result<Vec<RawInsn>, ConvertError> {
    match filter.dialect() {
        Dialect::Socket => Converter::new(filter, Target::SkBuff(options)).convert(),
        Dialect::Pcap => Converter::new(filter, Target::Pcap).convert(),
        Dialect::Seccomp => Err(ConvertError { insn: 0, reason: Reason::Dialect(Dialect::Seccomp) }),
    }
}

/// Converts a seccomp filter to eBPF whose context is a `struct seccomp_data`. The kernel has no
/// program type for it; its own conversion reads the context the same way.
pub fn convert_seccomp(filter: &Filter) -> Result<Vec<RawInsn>, ConvertError> {
    match filter.dialect() {
        Dialect::Seccomp => Converter::new(filter, Target::Seccomp).convert(),
        other => Err(ConvertError { insn: 0, reason: Reason::Dialect(other) }),
    }
}

#[derive(Clone, Copy)]
enum Target<'a> {
    SkBuff(&'a Options<'a>),
    Pcap,
    Seccomp,
}

struct Converter<'a> {
    insns: &'a [Insn],
    target: Target<'a>,
    out: Vec<RawInsn>,
    /// Where each classic instruction starts in `out`.
    starts: Vec<usize>,
    /// Jumps in `out` and the classic instructions they come from and go to.
    jumps: Vec<Fixup>,
}

struct Fixup {
    at: usize,
    from: usize,
    to: usize,
}

impl<'a> Converter<'a> {
    fn new(filter: &'a Filter, target: Target<'a>) -> Self {
        let insns = filter.insns();
        Self { insns, target, out: Vec::new(), starts: vec![0; insns.len()], jumps: Vec::new() }
    }

    fn convert(mut self) -> Result<Vec<RawInsn>, ConvertError> {
        let reached = self.reachable()?;
        self.prologue(&reached);
        for (at, &insn) in self.insns.iter().enumerate() {
            if reached[at] {
                self.starts[at] = self.out.len();
                self.insn(at, insn).map_err(|reason| ConvertError { insn: at, reason })?;
            }
        }
        for fixup in &self.jumps {
            let distance = self.starts[fixup.to] as i64 - fixup.at as i64 - 1;
            let too_far = ConvertError { insn: fixup.from, reason: Reason::JumpTooFar { distance } };
            self.out[fixup.at].off = i16::try_from(distance).map_err(|_| too_far)?;
        }
        Ok(self.out)
    }

    /// Which instructions a path leads to. All jumps go forward, so one pass finds them.
    fn reachable(&self) -> Result<Vec<bool>, ConvertError> {
        let mut reached = vec![false; self.insns.len()];
        reached[0] = true;
        for (at, &insn) in self.insns.iter().enumerate() {
            match insn {
                _ if !reached[at] || self.ends(insn) => {}
                Insn::Jump(k) if k.cast_signed() < 0 => {
                    return Err(ConvertError { insn: at, reason: Reason::BackwardJump });
                }
                Insn::Jump(k) => reached[at + 1 + k as usize] = true,
                Insn::Branch { jt, jf, .. } => {
                    reached[at + 1 + usize::from(jt)] = true;
                    reached[at + 1 + usize::from(jf)] = true;
                }
                // The check lets only returns stand last.
                _ => reached[at + 1] = true,
            }
        }
        Ok(reached)
    }

    /// Whether no path goes past `insn`. Under libpcap, nothing lies at offsets of 2^31 and more,
    /// where the kernel would look before the packet.
    fn ends(&self, insn: Insn) -> bool {
        match insn {
            Insn::RetK(_) | Insn::RetA | Insn::RetX => true,
            Insn::LoadAbs { k, .. } | Insn::LoadXMsh(k) => {
                matches!(self.target, Target::Pcap) && k.cast_signed() < 0
            }
            _ => false,
        }
    }

    fn prologue(&mut self, reached: &[bool]) {
        self.mov_imm(A, 0);
        self.mov_imm(X, 0);
        self.mov64(CTX, CTX_ARG);
        if !matches!(self.target, Target::Pcap) {
            return;
        }
        // libpcap does not check that scratch words are written first; they start at zero.
        let mut read = 0u16;
        for (&insn, _) in self.insns.iter().zip(reached).filter(|(_, reached)| **reached) {
            if let Insn::LoadMem(k) | Insn::LoadXMem(k) = insn {
                read |= 1 << k;
            }
        }
        for k in (0..16).filter(|k| read & 1 << k != 0) {
            self.emit(0x63, FP, A, slot(k), 0);
        }
    }

    fn insn(&mut self, at: usize, insn: Insn) -> Result<(), Reason> {
        match insn {
            Insn::LoadAbs { .. } | Insn::LoadXMsh(_) if self.ends(insn) => self.exit_with_zero(),
            Insn::LoadAbs { size, k } => self.absolute(size, k)?,
            Insn::LoadInd { size, k } => self.indirect(size, k),
            Insn::LoadImm(k) => self.mov_imm(A, k),
            Insn::LoadXImm(k) => self.mov_imm(X, k),
            Insn::LoadMem(k) => self.emit(0x61, A, FP, slot(k), 0),
            Insn::LoadXMem(k) => self.emit(0x61, X, FP, slot(k), 0),
            Insn::LoadLen => self.length(A),
            Insn::LoadXLen => self.length(X),
            Insn::LoadXMsh(k) => self.header_length(k),
            Insn::Store(k) => self.emit(0x63, FP, A, slot(k), 0),
            Insn::StoreX(k) => self.emit(0x63, FP, X, slot(k), 0),
            Insn::Alu { op, by } => self.alu(op, by),
            Insn::Neg => self.emit(0x84, A, 0, 0, 0),
            Insn::Jump(k) => self.jump(0x05, 0, 0, at, at + 1 + k as usize),
            Insn::Branch { cond, with, jt, jf } => self.branch(at, cond, with, jt, jf),
            Insn::RetK(k) => {
                self.mov_imm(A, k);
                self.exit();
            }
            Insn::RetA => self.exit(),
            Insn::RetX => {
                self.mov64(A, X);
                self.exit();
            }
            Insn::Tax => self.mov64(X, A),
            Insn::Txa => self.mov64(A, X),
        }
        Ok(())
    }

    fn absolute(&mut self, size: Size, k: u32) -> Result<(), Reason> {
        match (self.target, Ancillary::from_offset(k)) {
            (Target::Seccomp, _) => self.emit(0x61, A, CTX, k as i16, 0),
            (Target::SkBuff(options), Some(which)) => self.ancillary(which, options)?,
            _ => self.emit(0x20 | size_bits(size), 0, 0, 0, k.cast_signed()),
        }
        Ok(())
    }

    fn indirect(&mut self, size: Size, k: u32) {
        if !matches!(self.target, Target::Pcap) {
            return self.emit(0x40 | size_bits(size), 0, X, 0, k.cast_signed());
        }
        // The sum does not wrap, and must be below 2^31.
        self.mov64(TMP, X);
        self.mov_imm(TMP2, k);
        self.emit(0x0f, TMP, TMP2, 0, 0);
        self.mov64(TMP2, TMP);
        self.emit(0x77, TMP2, 0, 0, 31);
        self.emit(0x15, TMP2, 0, 2, 0);
        self.exit_with_zero();
        self.emit(0x40 | size_bits(size), 0, TMP, 0, 0);
    }

    fn length(&mut self, dst: u8) {
        match self.target {
            Target::Seccomp => self.mov_imm(dst, SeccompData::SIZE),
            _ => self.emit(0x61, dst, CTX, sk_buff::LEN, 0),
        }
    }

    /// `A` survives in `X`, which is about to be overwritten, while the byte is loaded.
    fn header_length(&mut self, k: u32) {
        self.mov64(X, A);
        self.emit(0x30, 0, 0, 0, k.cast_signed());
        self.emit(0x54, A, 0, 0, 0xf);
        self.emit(0x64, A, 0, 0, 2);
        self.mov64(TMP, X);
        self.mov64(X, A);
        self.mov64(A, TMP);
    }

    fn ancillary(&mut self, which: Ancillary, options: &Options<'_>) -> Result<(), Reason> {
        let field = |this: &mut Self, offset| this.emit(0x61, A, CTX, offset, 0);
        match which {
            Ancillary::PktType => field(self, sk_buff::PKT_TYPE),
            Ancillary::Mark => field(self, sk_buff::MARK),
            Ancillary::Queue => field(self, sk_buff::QUEUE_MAPPING),
            Ancillary::RxHash => field(self, sk_buff::HASH),
            Ancillary::VlanTag => field(self, sk_buff::VLAN_TCI),
            Ancillary::VlanPresent => field(self, sk_buff::VLAN_PRESENT),
            Ancillary::Protocol | Ancillary::VlanTpid => {
                let tpid = which == Ancillary::VlanTpid;
                field(self, if tpid { sk_buff::VLAN_PROTO } else { sk_buff::PROTOCOL });
                // Both are in network order.
                self.emit(0xdc, A, 0, 0, 16);
            }
            Ancillary::IfIndex => {
                // No device reads as index 0, which no device has; the verdict is then `A`.
                self.emit(0x61, TMP, CTX, sk_buff::IFINDEX, 0);
                self.emit(0x55, TMP, 0, 1, 0);
                self.exit();
                self.mov64(A, TMP);
            }
            Ancillary::XorX => self.emit(0xac, A, X, 0, 0),
            Ancillary::Cpu => self.emit(0x85, 0, 0, 0, HELPER_SMP_PROCESSOR_ID),
            Ancillary::Random => self.emit(0x85, 0, 0, 0, HELPER_PRANDOM_U32),
            Ancillary::NlAttr | Ancillary::NlAttrNest | Ancillary::HaType | Ancillary::PayOffset => {
                let helper = options.extension.and_then(|extension| extension(which));
                let helper = helper.ok_or(Reason::NoSource(which))?;
                self.mov64(1, CTX);
                self.mov64(2, A);
                self.mov64(3, X);
                self.emit(0x85, 0, 0, 0, helper);
                // Only the low half of what a helper returns is a classic value.
                self.emit(0xbc, A, A, 0, 0);
            }
        }
        Ok(())
    }

    fn alu(&mut self, op: Alu, by: Operand) {
        let code = 0x04 | alu_bits(op);
        match (op, by) {
            (Alu::Lsh | Alu::Rsh, Operand::K(32..)) => self.mov_imm(A, 0),
            (_, Operand::K(k)) => self.emit(code, A, 0, 0, k.cast_signed()),
            (Alu::Div | Alu::Mod, Operand::X) => {
                // eBPF division by zero does not end the program; the classic one does, with 0.
                self.emit(0x55, X, 0, 2, 0);
                self.exit_with_zero();
                self.emit(code | 8, A, X, 0, 0);
            }
            (Alu::Lsh | Alu::Rsh, Operand::X) if matches!(self.target, Target::Pcap) => {
                self.emit(0xa5, X, 0, 2, 32);
                self.mov_imm(A, 0);
                self.emit(0x05, 0, 0, 1, 0);
                self.emit(code | 8, A, X, 0, 0);
            }
            (_, Operand::X) => self.emit(code | 8, A, X, 0, 0),
        }
    }

    /// One jump when either way is the next instruction and the condition can be turned around,
    /// else two.
    fn branch(&mut self, at: usize, cond: Cond, with: Operand, jt: u8, jf: u8) {
        let (src, imm, bits) = match with {
            Operand::X => (X, 0, 8),
            Operand::K(k) if k.cast_signed() >= 0 => (0, k.cast_signed(), 0),
            // Immediates of 64-bit comparisons are sign-extended; the classic ones are unsigned.
            Operand::K(k) => {
                self.mov_imm(TMP, k);
                (TMP, 0, 8)
            }
        };
        let (when, unless) = match cond {
            Cond::Eq => (0x15, Some(0x55)),
            Cond::Gt => (0x25, Some(0xb5)),
            Cond::Ge => (0x35, Some(0xa5)),
            Cond::Set => (0x45, None),
        };
        let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
        match unless {
            Some(unless) if jt == 0 && jf != 0 => self.jump(unless | bits, src, imm, at, no),
            _ => {
                self.jump(when | bits, src, imm, at, yes);
                if jf != 0 {
                    self.jump(0x05, 0, 0, at, no);
                }
            }
        }
    }

    fn jump(&mut self, code: u8, src: u8, imm: i32, from: usize, to: usize) {
        self.jumps.push(Fixup { at: self.out.len(), from, to });
        self.emit(code, 0, src, 0, imm);
    }

    fn emit(&mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.out.push(RawInsn::new(code, dst, src, off, imm));
    }

    fn mov_imm(&mut self, dst: u8, k: u32) {
        self.emit(0xb4, dst, 0, 0, k.cast_signed());
    }

    fn mov64(&mut self, dst: u8, src: u8) {
        self.emit(0xbf, dst, src, 0, 0);
    }

    fn exit(&mut self) {
        self.emit(0x95, 0, 0, 0, 0);
    }

    fn exit_with_zero(&mut self) {
        self.mov_imm(A, 0);
        self.exit();
    }
}

/// Where `M[k]` lies below the frame pointer.
const fn slot(k: u32) -> i16 {
    -4 - 4 * k as i16
}

const fn size_bits(size: Size) -> u8 {
    match size {
        Size::W => 0x00,
        Size::H => 0x08,
        Size::B => 0x10,
    }
}

const fn alu_bits(op: Alu) -> u8 {
    match op {
        Alu::Add => 0x00,
        Alu::Sub => 0x10,
        Alu::Mul => 0x20,
        Alu::Div => 0x30,
        Alu::Or => 0x40,
        Alu::And => 0x50,
        Alu::Lsh => 0x60,
        Alu::Rsh => 0x70,
        Alu::Mod => 0x90,
        Alu::Xor => 0xa0,
    }
}

#[cfg(test)]
mod tests;
