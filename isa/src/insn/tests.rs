use super::*;
use alloc::vec::Vec;

/// Every opcode with every register pair and the offsets and immediates that select something.
pub(crate) fn interesting_slots() -> impl Iterator<Item = RawInsn> {
    const OFFS: [i16; 9] = [0, 1, -1, 8, 16, 32, 64, i16::MIN, i16::MAX];
    const IMMS: [i32; 20] = [
        0,
        1,
        2,
        -1,
        8,
        16,
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
        i32::MIN,
        i32::MAX,
    ];
    const REGS: [u8; 8] = [0, 1, 2, 6, 9, 10, 11, 15];
    (0..=255u8).flat_map(move |code| {
        REGS.into_iter().flat_map(move |dst| {
            REGS.into_iter().flat_map(move |src| {
                OFFS.into_iter().flat_map(move |off| {
                    IMMS.into_iter().map(move |imm| RawInsn::new(code, dst, src, off, imm))
                })
            })
        })
    })
}

#[test]
fn what_decodes_encodes_to_the_same_slots() {
    let mut decoded = 0;
    for raw in interesting_slots() {
        for high in [0, 1, -7] {
            let slots = [raw, RawInsn::new(0, 0, 0, 0, high)];
            let Ok(insn) = Insn::decode(&slots) else { continue };
            decoded += 1;
            let (first, second) = insn.encode();
            assert_eq!(first, raw, "{insn:?}");
            match second {
                Some(second) => assert_eq!(second, slots[1], "{insn:?}"),
                None => break,
            }
        }
    }
    assert!(decoded > 50_000, "only {decoded} of the slots decode");
}

#[test]
fn every_table_row_is_reached_by_decoding() {
    let insns: Vec<Insn> = interesting_slots().filter_map(|raw| Insn::decode(&[raw]).ok()).collect();
    for &op in AluOp::ALL {
        for width in [Width::W32, Width::W64] {
            assert!(
                insns
                    .iter()
                    .any(|i| matches!(i, Insn::Alu { op: o, width: w, .. } if (*o, *w) == (op, width)))
            );
        }
    }
    for &cond in Cond::ALL {
        assert!(insns.iter().any(|i| matches!(i, Insn::Jump { cond: c, .. } if *c == cond)));
    }
    for &op in AtomicOp::ALL {
        for fetch in [false, true] {
            let found = insns
                .iter()
                .any(|i| matches!(i, Insn::Atomic { op: o, fetch: f, .. } if (*o, *f) == (op, fetch)));
            assert_eq!(found, fetch || op.allows_no_fetch(), "{op:?} fetch={fetch}");
        }
    }
    for &op in EndianOp::ALL {
        assert!(insns.iter().any(|i| matches!(i, Insn::Endian { op: o, .. } if *o == op)));
    }
}

#[test]
fn faults_name_the_field() {
    let reserved = |form, field, value| Err(DecodeError::Reserved { form, field, value });
    let cases = [
        (RawInsn::new(0x07, 1, 3, 0, 8), reserved(Form::Alu, Field::Src, 3)),
        (RawInsn::new(0x0f, 1, 3, 0, 8), reserved(Form::Alu, Field::Imm, 8)),
        (RawInsn::new(0x0f, 1, 3, 1, 0), reserved(Form::Alu, Field::Off, 1)),
        (RawInsn::new(0xb7, 1, 0, 8, 0), reserved(Form::Mov, Field::Off, 8)),
        (RawInsn::new(0xbc, 1, 2, 32, 0), reserved(Form::Mov, Field::Off, 32)),
        (RawInsn::new(0xd7, 1, 0, 0, 24), reserved(Form::End, Field::Imm, 24)),
        (RawInsn::new(0x61, 1, 2, 0, 5), reserved(Form::Ldx, Field::Imm, 5)),
        (RawInsn::new(0x95, 0, 0, 0, 1), reserved(Form::Exit, Field::Imm, 1)),
        (RawInsn::new(0x06, 0, 0, 2, 1), reserved(Form::Ja, Field::Off, 2)),
        (RawInsn::new(0xdb, 1, 2, 0, 0x02), Err(DecodeError::AtomicOp { imm: 2, size: Size::Dw })),
        (RawInsn::new(0xcb, 1, 2, 0, 0x00), Err(DecodeError::AtomicOp { imm: 0, size: Size::H })),
        (RawInsn::new(0x61, 11, 2, 0, 0), Err(DecodeError::Register { field: Field::Dst, number: 11 })),
        (RawInsn::new(0x99, 1, 2, 0, 0), Err(DecodeError::UnknownOpcode { code: 0x99 })),
        (RawInsn::new(0x18, 1, 0, 0, 0), Err(DecodeError::Imm64Truncated)),
        (RawInsn::new(0x85, 0, 3, 0, 0), Err(DecodeError::CallKind { src: 3 })),
    ];
    for (raw, expected) in cases {
        assert_eq!(Insn::decode(&[raw]), expected, "{raw:?}");
    }
    let bad_second = [RawInsn::new(0x18, 1, 0, 0, 0), RawInsn::new(0, 0, 0, 1, 0)];
    assert_eq!(Insn::decode(&bad_second), Err(DecodeError::Imm64Second));
    let bad_kind = [RawInsn::new(0x18, 1, 7, 0, 0), RawInsn::default()];
    assert_eq!(Insn::decode(&bad_kind), Err(DecodeError::Imm64Kind { src: 7 }));
    assert_eq!(Insn::decode(&[]), Err(DecodeError::Imm64Truncated));
}

#[test]
fn a_program_decodes_slot_by_slot() {
    let slots = [
        RawInsn::new(0x18, 1, 0, 0, -1),
        RawInsn::new(0, 0, 0, 0, 1),
        RawInsn::new(0xff, 0, 0, 0, 0),
        RawInsn::new(0x95, 0, 0, 0, 0),
    ];
    let all: Vec<_> = Insn::decode_all(&slots).collect();
    assert_eq!(all[0], (0, Ok(Insn::LdImm64 { dst: Reg::R1, imm: Imm64::Const(0x1_ffff_ffff) })));
    assert_eq!(all[1], (2, Err(DecodeError::UnknownOpcode { code: 0xff })));
    assert_eq!(all[2], (3, Ok(Insn::Exit)));
    assert_eq!(all.len(), 3);
}

#[test]
fn division_follows_the_rfc_at_its_edges() {
    let min64 = i64::MIN as u64;
    let min32 = i32::MIN as u32;
    assert_eq!(AluOp::Div.eval64(7, 0), 0);
    assert_eq!(AluOp::Mod.eval64(7, 0), 7);
    assert_eq!(AluOp::Sdiv.eval64(min64, u64::MAX), min64);
    assert_eq!(AluOp::Smod.eval64(min64, u64::MAX), 0);
    assert_eq!(AluOp::Sdiv.eval64(-13i64 as u64, 3), -4i64 as u64);
    assert_eq!(AluOp::Smod.eval64(-13i64 as u64, 3), -1i64 as u64);
    assert_eq!(AluOp::Sdiv.eval32(min32, u32::MAX), min32);
    assert_eq!(AluOp::Smod.eval32(min32, u32::MAX), 0);
    assert_eq!(AluOp::Mod.eval(Width::W32, 0xffff_ffff_0000_0007, 0), 7);
    assert_eq!(AluOp::Div.eval(Width::W32, 0xffff_ffff_0000_0007, 0x1_0000_0002), 3);
}

#[test]
fn shifts_take_their_count_modulo_the_width() {
    for count in 0..200u64 {
        assert_eq!(AluOp::Lsh.eval64(1, count), 1 << (count % 64));
        assert_eq!(AluOp::Rsh.eval32(u32::MAX, count as u32), u32::MAX >> (count % 32));
        assert_eq!(AluOp::Arsh.eval32(1 << 31, count as u32), ((1i32 << 31) >> (count % 32)) as u32);
    }
}

#[test]
fn a_negated_condition_is_the_complement() {
    let values = [0, 1, 2, u64::MAX, i64::MAX as u64, i64::MIN as u64, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff];
    for &cond in Cond::ALL {
        let Some(negated) = cond.negate() else {
            assert_eq!(cond, Cond::Set);
            continue;
        };
        assert_eq!(negated.negate(), Some(cond));
        for a in values {
            for b in values {
                for width in [Width::W32, Width::W64] {
                    assert_ne!(
                        cond.eval(width, a, b),
                        negated.eval(width, a, b),
                        "{cond:?} {width:?} {a:#x} {b:#x}"
                    );
                }
            }
        }
    }
}

#[test]
fn byte_orders() {
    let value = 0x0102_0304_0506_0708;
    assert_eq!(EndianOp::ToLe.eval(value, Size::H), 0x0708);
    assert_eq!(EndianOp::ToBe.eval(value, Size::H), 0x0807);
    assert_eq!(EndianOp::ToBe.eval(value, Size::W), 0x0807_0605);
    assert_eq!(EndianOp::Swap.eval(value, Size::Dw), 0x0807_0605_0403_0201);
    assert_eq!(Size::B.sign_extend(0x80), -128i64 as u64);
    assert_eq!(Size::Dw.sign_extend(u64::MAX), u64::MAX);
}

#[test]
fn an_instruction_stays_small() {
    assert!(size_of::<Insn>() <= 24, "{}", size_of::<Insn>());
    assert!(size_of::<DecodeError>() <= 12);
}
