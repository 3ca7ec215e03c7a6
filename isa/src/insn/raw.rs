//! The eight bytes of an instruction slot (RFC 9669 section 3.1), before any meaning is given.

use core::fmt;

/// Bytes in one instruction slot.
pub const SLOT_SIZE: usize = 8;

/// One instruction slot, split into its fields and not interpreted.
///
/// Register fields hold all four bits, so that nothing of the input is lost before it is judged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RawInsn {
    /// Class, operation or size, source or mode.
    pub code: u8,
    /// Destination register, 0 to 15.
    pub dst: u8,
    /// Source register, 0 to 15.
    pub src: u8,
    /// Signed offset.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

/// The order of bytes in a file: it also decides which half of the register byte is `dst`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ByteOrder {
    #[default]
    Little,
    Big,
}

impl RawInsn {
    /// An instruction from its five fields.
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        Self { code, dst, src, off, imm }
    }

    /// Reads one slot.
    pub const fn from_bytes(b: [u8; SLOT_SIZE], order: ByteOrder) -> Self {
        let (off, imm) = ([b[2], b[3]], [b[4], b[5], b[6], b[7]]);
        match order {
            ByteOrder::Little => Self {
                code: b[0],
                dst: b[1] & 0xf,
                src: b[1] >> 4,
                off: i16::from_le_bytes(off),
                imm: i32::from_le_bytes(imm),
            },
            ByteOrder::Big => Self {
                code: b[0],
                dst: b[1] >> 4,
                src: b[1] & 0xf,
                off: i16::from_be_bytes(off),
                imm: i32::from_be_bytes(imm),
            },
        }
    }

    /// Writes one slot.
    pub const fn to_bytes(self, order: ByteOrder) -> [u8; SLOT_SIZE] {
        let (regs, off, imm) = match order {
            ByteOrder::Little => {
                (self.src << 4 | self.dst & 0xf, self.off.to_le_bytes(), self.imm.to_le_bytes())
            }
            ByteOrder::Big => {
                (self.dst << 4 | self.src & 0xf, self.off.to_be_bytes(), self.imm.to_be_bytes())
            }
        };
        [self.code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    }

    /// Splits `bytes` into slots; `None` when the length is not a multiple of eight.
    pub fn slots(bytes: &[u8], order: ByteOrder) -> Option<alloc::vec::Vec<Self>> {
        let (chunks, rest) = bytes.as_chunks::<SLOT_SIZE>();
        rest.is_empty().then(|| chunks.iter().map(|&c| Self::from_bytes(c, order)).collect())
    }

    /// Whether this slot is the first of the two of a 64-bit immediate load.
    pub const fn is_ldimm64(self) -> bool {
        self.code == 0x18
    }

    /// The 64-bit immediate of a two-slot load whose first slot is `self`.
    pub const fn imm64(self, second: RawInsn) -> u64 {
        (second.imm as u32 as u64) << 32 | self.imm as u32 as u64
    }
}

/// Prints the fields in hexadecimal: `code=0x07 dst=1 src=0 off=0 imm=0x8`.
impl fmt::Debug for RawInsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "code={:#04x} dst={} src={} off={} imm={:#x}",
            self.code, self.dst, self.src, self.off, self.imm
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_both_byte_orders() {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            for regs in 0..=255u8 {
                let bytes = [0x61, regs, 0xfe, 0x7f, 1, 2, 3, 0x84];
                assert_eq!(RawInsn::from_bytes(bytes, order).to_bytes(order), bytes);
            }
        }
    }

    #[test]
    fn register_halves_follow_the_byte_order() {
        let bytes = [0x61, 0x12, 0x34, 0x56, 0, 0, 0, 1];
        let little = RawInsn::from_bytes(bytes, ByteOrder::Little);
        let big = RawInsn::from_bytes(bytes, ByteOrder::Big);
        assert_eq!((little.dst, little.src, little.off, little.imm), (2, 1, 0x5634, 0x0100_0000));
        assert_eq!((big.dst, big.src, big.off, big.imm), (1, 2, 0x3456, 1));
    }
}
