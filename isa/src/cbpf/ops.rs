//! The operation table of classic BPF: one row per opcode gives its code, its mnemonic, its
//! shape, and who accepts it.
//!
//! The 49 opcodes of Linux are those of libpcap's interpreter; `ret x` is a fiftieth, which the
//! kernel's own assembler writes and every checker refuses.

use super::insn::{Alu, Cond, Insn, Operand, Size};

macro_rules! ops {
    ($raw:ident; $($variant:ident = $code:literal, $mnemonic:literal, $socket:literal $seccomp:literal,
       $insn:expr;)+) => {
        /// An opcode of classic BPF.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Op { $(#[doc = concat!("`", $mnemonic, "`, code ", stringify!($code), ".")] $variant = $code,)+ }

        impl Op {
            /// Every operation, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The operation with this code. All sixteen bits count, as they do in every checker.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The code of this operation.
            pub const fn code(self) -> u16 { self as u16 }

            /// The mnemonic all text forms share.
            pub const fn mnemonic(self) -> &'static str {
                match self { $(Self::$variant => $mnemonic,)+ }
            }

            /// Whether the kernel takes it in socket filters; libpcap executes the same set.
            pub const fn in_socket(self) -> bool {
                match self { $(Self::$variant => $socket,)+ }
            }

            /// Whether the kernel takes it in seccomp filters.
            pub const fn in_seccomp(self) -> bool {
                match self { $(Self::$variant => $seccomp,)+ }
            }

            /// The instruction with this operation and the operands of `raw`.
            pub(super) const fn insn(self, $raw: super::SockFilter) -> Insn {
                match self { $(Self::$variant => $insn,)+ }
            }
        }
    };
}

// Columns: variant = code, mnemonic, in socket filters, in seccomp filters, instruction.
ops! { raw;
    LdAbsW = 0x20, "ld", true true, Insn::LoadAbs { size: Size::W, k: raw.k };
    LdAbsH = 0x28, "ldh", true false, Insn::LoadAbs { size: Size::H, k: raw.k };
    LdAbsB = 0x30, "ldb", true false, Insn::LoadAbs { size: Size::B, k: raw.k };
    LdIndW = 0x40, "ld", true false, Insn::LoadInd { size: Size::W, k: raw.k };
    LdIndH = 0x48, "ldh", true false, Insn::LoadInd { size: Size::H, k: raw.k };
    LdIndB = 0x50, "ldb", true false, Insn::LoadInd { size: Size::B, k: raw.k };
    LdImm = 0x00, "ld", true true, Insn::LoadImm(raw.k);
    LdMem = 0x60, "ld", true true, Insn::LoadMem(raw.k);
    LdLen = 0x80, "ld", true true, Insn::LoadLen;
    LdxImm = 0x01, "ldx", true true, Insn::LoadXImm(raw.k);
    LdxMem = 0x61, "ldx", true true, Insn::LoadXMem(raw.k);
    LdxLen = 0x81, "ldx", true true, Insn::LoadXLen;
    LdxMsh = 0xb1, "ldxb", true false, Insn::LoadXMsh(raw.k);
    St = 0x02, "st", true true, Insn::Store(raw.k);
    Stx = 0x03, "stx", true true, Insn::StoreX(raw.k);
    AddK = 0x04, "add", true true, Insn::Alu { op: Alu::Add, by: Operand::K(raw.k) };
    AddX = 0x0c, "add", true true, Insn::Alu { op: Alu::Add, by: Operand::X };
    SubK = 0x14, "sub", true true, Insn::Alu { op: Alu::Sub, by: Operand::K(raw.k) };
    SubX = 0x1c, "sub", true true, Insn::Alu { op: Alu::Sub, by: Operand::X };
    MulK = 0x24, "mul", true true, Insn::Alu { op: Alu::Mul, by: Operand::K(raw.k) };
    MulX = 0x2c, "mul", true true, Insn::Alu { op: Alu::Mul, by: Operand::X };
    DivK = 0x34, "div", true true, Insn::Alu { op: Alu::Div, by: Operand::K(raw.k) };
    DivX = 0x3c, "div", true true, Insn::Alu { op: Alu::Div, by: Operand::X };
    OrK = 0x44, "or", true true, Insn::Alu { op: Alu::Or, by: Operand::K(raw.k) };
    OrX = 0x4c, "or", true true, Insn::Alu { op: Alu::Or, by: Operand::X };
    AndK = 0x54, "and", true true, Insn::Alu { op: Alu::And, by: Operand::K(raw.k) };
    AndX = 0x5c, "and", true true, Insn::Alu { op: Alu::And, by: Operand::X };
    LshK = 0x64, "lsh", true true, Insn::Alu { op: Alu::Lsh, by: Operand::K(raw.k) };
    LshX = 0x6c, "lsh", true true, Insn::Alu { op: Alu::Lsh, by: Operand::X };
    RshK = 0x74, "rsh", true true, Insn::Alu { op: Alu::Rsh, by: Operand::K(raw.k) };
    RshX = 0x7c, "rsh", true true, Insn::Alu { op: Alu::Rsh, by: Operand::X };
    Neg = 0x84, "neg", true true, Insn::Neg;
    ModK = 0x94, "mod", true false, Insn::Alu { op: Alu::Mod, by: Operand::K(raw.k) };
    ModX = 0x9c, "mod", true false, Insn::Alu { op: Alu::Mod, by: Operand::X };
    XorK = 0xa4, "xor", true true, Insn::Alu { op: Alu::Xor, by: Operand::K(raw.k) };
    XorX = 0xac, "xor", true true, Insn::Alu { op: Alu::Xor, by: Operand::X };
    Ja = 0x05, "ja", true true, Insn::Jump(raw.k);
    JeqK = 0x15, "jeq", true true, Insn::Branch { cond: Cond::Eq, with: Operand::K(raw.k), jt: raw.jt, jf: raw.jf };
    JeqX = 0x1d, "jeq", true true, Insn::Branch { cond: Cond::Eq, with: Operand::X, jt: raw.jt, jf: raw.jf };
    JgtK = 0x25, "jgt", true true, Insn::Branch { cond: Cond::Gt, with: Operand::K(raw.k), jt: raw.jt, jf: raw.jf };
    JgtX = 0x2d, "jgt", true true, Insn::Branch { cond: Cond::Gt, with: Operand::X, jt: raw.jt, jf: raw.jf };
    JgeK = 0x35, "jge", true true, Insn::Branch { cond: Cond::Ge, with: Operand::K(raw.k), jt: raw.jt, jf: raw.jf };
    JgeX = 0x3d, "jge", true true, Insn::Branch { cond: Cond::Ge, with: Operand::X, jt: raw.jt, jf: raw.jf };
    JsetK = 0x45, "jset", true true, Insn::Branch { cond: Cond::Set, with: Operand::K(raw.k), jt: raw.jt, jf: raw.jf };
    JsetX = 0x4d, "jset", true true, Insn::Branch { cond: Cond::Set, with: Operand::X, jt: raw.jt, jf: raw.jf };
    RetK = 0x06, "ret", true true, Insn::RetK(raw.k);
    RetA = 0x16, "ret", true true, Insn::RetA;
    RetX = 0x0e, "ret", false false, Insn::RetX;
    Tax = 0x07, "tax", true true, Insn::Tax;
    Txa = 0x87, "txa", true true, Insn::Txa;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_kernel() {
        assert_eq!(Op::ALL.iter().filter(|op| op.in_socket()).count(), 49);
        assert_eq!(Op::ALL.iter().filter(|op| op.in_seccomp()).count(), 41);
        assert!(Op::ALL.iter().all(|op| op.in_socket() || !op.in_seccomp()));
    }

    #[test]
    fn every_code_finds_its_row_and_no_other() {
        let known = (0..=u16::MAX).filter(|&code| {
            Op::from_code(code).is_some_and(|op| {
                assert_eq!(op.code(), code);
                true
            })
        });
        assert_eq!(known.count(), Op::ALL.len());
    }
}
