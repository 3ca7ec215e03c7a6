//! The meaning of one classic instruction, by shape. Fields an operation does not use are not kept;
//! the raw form keeps them.

use super::{Op, SockFilter};

/// How many bytes a packet load reads, most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// Four bytes.
    W,
    /// Two bytes.
    H,
    /// One byte.
    B,
}

impl Size {
    /// The width in bytes.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::W => 4,
            Self::H => 2,
            Self::B => 1,
        }
    }
}

/// The right side of an arithmetic operation or a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A constant.
    K(u32),
    /// The index register.
    X,
}

/// An operation on the accumulator, 32 bits wide, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alu {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Lsh,
    Rsh,
    Mod,
    Xor,
}

/// A condition between the accumulator and an operand, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cond {
    Eq,
    Gt,
    Ge,
    Set,
}

impl Cond {
    /// Whether the condition holds between `a` and `b`.
    pub const fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Self::Eq => a == b,
            Self::Gt => a > b,
            Self::Ge => a >= b,
            Self::Set => a & b != 0,
        }
    }
}

impl Alu {
    /// The value of `a op b`; `None` for division or remainder by zero, which ends a program.
    ///
    /// Shifts by 32 or more are where the kernel and libpcap part: `wide_shift` says whether they
    /// clear the accumulator (libpcap) or use the low five bits of the distance (the kernel).
    pub const fn eval(self, a: u32, b: u32, wide_shift: bool) -> Option<u32> {
        let clear = wide_shift && b >= 32;
        Some(match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Div => return a.checked_div(b),
            Self::Mod => return a.checked_rem(b),
            Self::Or => a | b,
            Self::And => a & b,
            Self::Xor => a ^ b,
            Self::Lsh if clear => 0,
            Self::Rsh if clear => 0,
            Self::Lsh => a.wrapping_shl(b),
            Self::Rsh => a.wrapping_shr(b),
        })
    }
}

/// One classic instruction. `A` is the accumulator, `X` the index register, `P` the packet and `M`
/// the scratch memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Insn {
    /// `A = P[k]`, or an ancillary value.
    LoadAbs { size: Size, k: u32 },
    /// `A = P[X + k]`.
    LoadInd { size: Size, k: u32 },
    /// `A = k`.
    LoadImm(u32),
    /// `A = M[k]`.
    LoadMem(u32),
    /// `A =` length of the packet.
    LoadLen,
    /// `X = k`.
    LoadXImm(u32),
    /// `X = M[k]`.
    LoadXMem(u32),
    /// `X =` length of the packet.
    LoadXLen,
    /// `X = 4 * (P[k] & 0xf)`, the length of an IPv4 header.
    LoadXMsh(u32),
    /// `M[k] = A`.
    Store(u32),
    /// `M[k] = X`.
    StoreX(u32),
    /// `A = A op operand`.
    Alu { op: Alu, by: Operand },
    /// `A = -A`.
    Neg,
    /// Skips `k` instructions.
    Jump(u32),
    /// Skips `jt` instructions when the condition holds, else `jf`.
    Branch { cond: Cond, with: Operand, jt: u8, jf: u8 },
    /// Ends with `k`.
    RetK(u32),
    /// Ends with `A`.
    RetA,
    /// Ends with `X`; no checker takes it.
    RetX,
    /// `X = A`.
    Tax,
    /// `A = X`.
    Txa,
}

impl Insn {
    /// The meaning of `raw`; `None` when the operation table has no such code.
    pub const fn decode(raw: SockFilter) -> Option<Self> {
        match Op::from_code(raw.code) {
            Some(op) => Some(op.insn(raw)),
            None => None,
        }
    }

    /// The operation of this instruction.
    pub const fn op(self) -> Op {
        use Operand::{K, X};
        match self {
            Self::LoadAbs { size: Size::W, .. } => Op::LdAbsW,
            Self::LoadAbs { size: Size::H, .. } => Op::LdAbsH,
            Self::LoadAbs { size: Size::B, .. } => Op::LdAbsB,
            Self::LoadInd { size: Size::W, .. } => Op::LdIndW,
            Self::LoadInd { size: Size::H, .. } => Op::LdIndH,
            Self::LoadInd { size: Size::B, .. } => Op::LdIndB,
            Self::LoadImm(_) => Op::LdImm,
            Self::LoadMem(_) => Op::LdMem,
            Self::LoadLen => Op::LdLen,
            Self::LoadXImm(_) => Op::LdxImm,
            Self::LoadXMem(_) => Op::LdxMem,
            Self::LoadXLen => Op::LdxLen,
            Self::LoadXMsh(_) => Op::LdxMsh,
            Self::Store(_) => Op::St,
            Self::StoreX(_) => Op::Stx,
            Self::Alu { op, by: K(_) } => match op {
                Alu::Add => Op::AddK,
                Alu::Sub => Op::SubK,
                Alu::Mul => Op::MulK,
                Alu::Div => Op::DivK,
                Alu::Or => Op::OrK,
                Alu::And => Op::AndK,
                Alu::Lsh => Op::LshK,
                Alu::Rsh => Op::RshK,
                Alu::Mod => Op::ModK,
                Alu::Xor => Op::XorK,
            },
            Self::Alu { op, by: X } => match op {
                Alu::Add => Op::AddX,
                Alu::Sub => Op::SubX,
                Alu::Mul => Op::MulX,
                Alu::Div => Op::DivX,
                Alu::Or => Op::OrX,
                Alu::And => Op::AndX,
                Alu::Lsh => Op::LshX,
                Alu::Rsh => Op::RshX,
                Alu::Mod => Op::ModX,
                Alu::Xor => Op::XorX,
            },
            Self::Neg => Op::Neg,
            Self::Jump(_) => Op::Ja,
            Self::Branch { cond: Cond::Eq, with: K(_), .. } => Op::JeqK,
            Self::Branch { cond: Cond::Eq, with: X, .. } => Op::JeqX,
            Self::Branch { cond: Cond::Gt, with: K(_), .. } => Op::JgtK,
            Self::Branch { cond: Cond::Gt, with: X, .. } => Op::JgtX,
            Self::Branch { cond: Cond::Ge, with: K(_), .. } => Op::JgeK,
            Self::Branch { cond: Cond::Ge, with: X, .. } => Op::JgeX,
            Self::Branch { cond: Cond::Set, with: K(_), .. } => Op::JsetK,
            Self::Branch { cond: Cond::Set, with: X, .. } => Op::JsetX,
            Self::RetK(_) => Op::RetK,
            Self::RetA => Op::RetA,
            Self::RetX => Op::RetX,
            Self::Tax => Op::Tax,
            Self::Txa => Op::Txa,
        }
    }

    /// The constant of this instruction, zero when it has none.
    pub const fn k(self) -> u32 {
        match self {
            Self::LoadAbs { k, .. } | Self::LoadInd { k, .. } => k,
            Self::LoadImm(k) | Self::LoadMem(k) | Self::LoadXImm(k) | Self::LoadXMem(k) => k,
            Self::LoadXMsh(k) | Self::Store(k) | Self::StoreX(k) | Self::Jump(k) | Self::RetK(k) => k,
            Self::Alu { by: Operand::K(k), .. } | Self::Branch { with: Operand::K(k), .. } => k,
            _ => 0,
        }
    }

    /// The raw form, with zero in the fields the operation does not use.
    pub const fn encode(self) -> SockFilter {
        let (jt, jf) = match self {
            Self::Branch { jt, jf, .. } => (jt, jf),
            _ => (0, 0),
        };
        SockFilter::new(self.op().code(), jt, jf, self.k())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encode_undoes_decode_for_every_operation() {
        for &op in Op::ALL {
            let insn = Insn::decode(SockFilter::new(op.code(), 3, 5, 0x8000_0001)).unwrap();
            assert_eq!(insn.op(), op);
            assert_eq!(Insn::decode(insn.encode()), Some(insn));
        }
    }

    #[test]
    fn shifts_and_divisions_at_their_edges() {
        assert_eq!(Alu::Lsh.eval(1, 33, false), Some(2));
        assert_eq!(Alu::Lsh.eval(1, 33, true), Some(0));
        assert_eq!(Alu::Rsh.eval(8, 32, false), Some(8));
        assert_eq!(Alu::Div.eval(8, 0, false), None);
        assert_eq!(Alu::Mod.eval(8, 0, true), None);
        assert_eq!(Alu::Sub.eval(0, 1, false), Some(u32::MAX));
    }
}
