//! Every form of instruction once or more: what no corpus holds in full.

use oxbpf::isa::insn::RawInsn;

/// Every opcode with registers, offsets and immediates that select something or lie at an edge, as
/// one slot, or two for opcode 18. Most are no instruction.
pub fn forms() -> impl Iterator<Item = Vec<RawInsn>> {
    const REGS: [(u8, u8); 8] = [(0, 0), (1, 0), (1, 2), (2, 1), (0, 6), (3, 3), (10, 9), (4, 5)];
    const OFFS: [i16; 9] = [0, 1, -1, 8, 16, 32, -512, i16::MIN, i16::MAX];
    const IMMS: [i32; 24] = [
        0,
        1,
        -1,
        5,
        7,
        8,
        16,
        31,
        32,
        64,
        0x40,
        0x41,
        0x50,
        0x51,
        0xa0,
        0xa1,
        0xe1,
        0xf1,
        0x100,
        0x110,
        0x1_0000,
        -5,
        i32::MIN,
        i32::MAX,
    ];
    const HIGHS: [i32; 4] = [0, 1, -7, i32::MIN];
    (0..=255u8).flat_map(|code| {
        let second: &[i32] = if code == 0x18 { &HIGHS } else { &[0] };
        let slots = REGS.into_iter().flat_map(move |(dst, src)| {
            OFFS.into_iter()
                .flat_map(move |off| IMMS.into_iter().map(move |imm| RawInsn::new(code, dst, src, off, imm)))
        });
        slots.flat_map(move |first| {
            second.iter().map(move |&high| match code {
                0x18 => vec![first, RawInsn::new(0, 0, 0, 0, high)],
                _ => vec![first],
            })
        })
    })
}
