//! The eight bytes of a classic instruction (`struct sock_filter`, `struct bpf_insn` of libpcap),
//! before any meaning is given.

use crate::insn::ByteOrder;
use alloc::vec::Vec;

/// One classic instruction, not interpreted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct SockFilter {
    /// Class, operation or size, source or mode.
    pub code: u16,
    /// Instructions to skip when a condition holds.
    pub jt: u8,
    /// Instructions to skip when a condition does not hold.
    pub jf: u8,
    /// Offset, constant, index or distance, by operation.
    pub k: u32,
}

impl SockFilter {
    /// Bytes in one instruction.
    pub const SIZE: usize = 8;

    /// An instruction from its four fields.
    pub const fn new(code: u16, jt: u8, jf: u8, k: u32) -> Self {
        Self { code, jt, jf, k }
    }

    /// An instruction without branches.
    pub const fn stmt(code: u16, k: u32) -> Self {
        Self::new(code, 0, 0, k)
    }

    /// Reads one instruction.
    pub const fn from_bytes(b: [u8; Self::SIZE], order: ByteOrder) -> Self {
        let (code, k) = ([b[0], b[1]], [b[4], b[5], b[6], b[7]]);
        match order {
            ByteOrder::Little => Self::new(u16::from_le_bytes(code), b[2], b[3], u32::from_le_bytes(k)),
            ByteOrder::Big => Self::new(u16::from_be_bytes(code), b[2], b[3], u32::from_be_bytes(k)),
        }
    }

    /// Writes one instruction.
    pub const fn to_bytes(self, order: ByteOrder) -> [u8; Self::SIZE] {
        let (code, k) = match order {
            ByteOrder::Little => (self.code.to_le_bytes(), self.k.to_le_bytes()),
            ByteOrder::Big => (self.code.to_be_bytes(), self.k.to_be_bytes()),
        };
        [code[0], code[1], self.jt, self.jf, k[0], k[1], k[2], k[3]]
    }

    /// Splits `bytes` into instructions; `None` when the length is not a multiple of eight.
    pub fn slots(bytes: &[u8], order: ByteOrder) -> Option<Vec<Self>> {
        let (chunks, rest) = bytes.as_chunks::<{ Self::SIZE }>();
        rest.is_empty().then(|| chunks.iter().map(|&c| Self::from_bytes(c, order)).collect())
    }

    /// The bytes of a whole program.
    pub fn bytes(program: &[Self], order: ByteOrder) -> Vec<u8> {
        program.iter().flat_map(|insn| insn.to_bytes(order)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_both_orders() {
        let bytes: Vec<u8> = (0..64u8).map(|b| b.wrapping_mul(37)).collect();
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let program = SockFilter::slots(&bytes, order).unwrap();
            assert_eq!(program.len(), 8);
            assert_eq!(SockFilter::bytes(&program, order), bytes);
        }
        assert_eq!(SockFilter::slots(&bytes[..63], ByteOrder::Little), None);
    }

    #[test]
    fn byte_order_moves_code_and_k_only() {
        let b = [0, 0x28, 1, 2, 0, 0, 0, 12];
        assert_eq!(SockFilter::from_bytes(b, ByteOrder::Big), SockFilter::new(0x28, 1, 2, 12));
        assert_eq!(SockFilter::from_bytes(b, ByteOrder::Little), SockFilter::new(0x2800, 1, 2, 12 << 24));
    }
}
