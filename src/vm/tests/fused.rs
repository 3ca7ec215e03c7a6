//! Steps that stand for several operations do what the operations do one by one.
//!
//! An engine with an observer shows every instruction and so joins none: what it gives is held against
//! what the same programs give without, on random programs made of what is joined. `OXBPF_FUSED` says how
//! many programs, `OXBPF_SEED` with which seed.

use super::random::Dice;
use super::*;
use crate::vm::steps::codes;
use crate::vm::task::{Random, Seeded};
use oxbpf_isa::insn::{AluOp, Cond, Imm64, Insn, Operand, Reg, Size, Width, encode_all};
use std::collections::HashSet;

struct Quiet;

impl Observer for Quiet {
    fn insn(&self, _: &Observed<'_, '_>) {}
}

/// R9 holds the address of memory, R8 counts loops, the others hold numbers.
const NUMBERS: [Reg; 8] = [Reg::R0, Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5, Reg::R6, Reg::R7];
const MEMORY: usize = 128;

fn reg(dice: &Dice) -> Reg {
    NUMBERS[dice.below(NUMBERS.len())]
}

fn one_of<T: Copy>(dice: &Dice, of: &[T]) -> T {
    of[dice.below(of.len())]
}

fn width(dice: &Dice) -> Width {
    one_of(dice, &[Width::W64, Width::W32])
}

fn bits(width: Width) -> i32 {
    if width == Width::W64 { 64 } else { 32 }
}

fn alu(op: AluOp, width: Width, dst: Reg, src: Operand) -> Insn {
    Insn::Alu { op, width, dst, src }
}

fn number(dice: &Dice) -> i32 {
    one_of(dice, &[dice.0.next_u64() as i32, dice.below(256) as i32, -1, i32::MIN, 1])
}

/// `dst = src op …`, with a move before it or without.
fn three(dice: &Dice, out: &mut Vec<Insn>, op: AluOp, width: Width) -> Reg {
    let (dst, src) = (reg(dice), reg(dice));
    if dice.below(2) == 0 {
        out.push(Insn::Mov { width: one_of(dice, &[width, Width::W64]), dst, src: Operand::Reg(src) });
    }
    let second = match op {
        AluOp::Lsh | AluOp::Rsh => Operand::Imm(1 + dice.below(bits(width) as usize - 1) as i32),
        _ if dice.below(3) == 0 => Operand::Imm(number(dice)),
        _ => Operand::Reg(reg(dice)),
    };
    out.push(alu(op, width, dst, second));
    dst
}

const SIMPLE: [AluOp; 4] = [AluOp::Add, AluOp::Or, AluOp::And, AluOp::Xor];

fn rotation(dice: &Dice, out: &mut Vec<Insn>) {
    let width = width(dice);
    let (p, mut q, s) = (reg(dice), reg(dice), reg(dice));
    let by = 1 + dice.below(bits(width) as usize - 1) as i32;
    let other = if dice.below(8) == 0 { by } else { bits(width) - by };
    let (first, second) = one_of(dice, &[(AluOp::Rsh, AluOp::Lsh), (AluOp::Lsh, AluOp::Rsh)]);
    out.push(Insn::Mov { width, dst: p, src: Operand::Reg(s) });
    out.push(alu(first, width, p, Operand::Imm(by)));
    if dice.below(2) == 0 {
        out.push(Insn::Mov { width, dst: q, src: Operand::Reg(s) });
    } else {
        q = s;
    }
    out.push(alu(second, width, q, Operand::Imm(other)));
    let (dst, src) = one_of(dice, &[(p, q), (q, p)]);
    out.push(alu(AluOp::Or, width, dst, Operand::Reg(src)));
}

/// Something that reads or writes memory or the frame.
fn access(dice: &Dice, out: &mut Vec<Insn>) {
    let size = one_of(dice, &[Size::B, Size::H, Size::W, Size::Dw]);
    let (dst, base) = (reg(dice), reg(dice));
    let off = dice.below(64) as i16;
    match dice.below(6) {
        0 | 1 => {
            // Two ways round, and sums that are their own addends.
            let index = reg(dice);
            out.push(alu(AluOp::And, Width::W64, index, Operand::Imm(31)));
            let base = if dice.below(3) == 0 { index } else { base };
            if base == index {
                out.push(alu(AluOp::Add, Width::W64, index, Operand::Reg(Reg::R9)));
            } else {
                out.push(Insn::Mov { width: Width::W64, dst: base, src: Operand::Reg(Reg::R9) });
                out.push(alu(AluOp::Add, Width::W64, base, Operand::Reg(index)));
            }
            out.push(match dice.below(2) {
                0 => Insn::Load { size, signed: false, dst, base, off },
                _ => Insn::Store { size, base, off, src: Operand::Reg(dst) },
            });
            // Addresses are no numbers that two runs agree on.
            for address in [base, index, dst] {
                out.push(Insn::Mov { width: Width::W64, dst: address, src: Operand::Imm(number(dice)) });
            }
            if dice.below(2) == 0 {
                out.push(Insn::Load { size, signed: false, dst, base: Reg::R9, off });
            }
        }
        2 => {
            let width = width(dice);
            out.push(Insn::Load { size: Size::B, signed: false, dst, base: Reg::R9, off });
            out.push(alu(AluOp::Lsh, width, dst, Operand::Imm(1 + dice.below(31) as i32)));
            if dice.below(3) == 0 {
                out.push(Insn::Mov { width, dst: base, src: Operand::Reg(reg(dice)) });
            }
            out.push(alu(AluOp::Or, width, base, Operand::Reg(dst)));
        }
        3 => {
            let off = -8 * (1 + dice.below(4) as i16);
            let size = one_of(dice, &[Size::W, Size::Dw]);
            out.push(Insn::Load { size, signed: false, dst, base: Reg::R10, off });
            let src = Operand::Reg(one_of(dice, &[dst, reg(dice)]));
            out.push(Insn::Store { size, base: Reg::R10, off: -8 * (1 + dice.below(4) as i16), src });
        }
        4 => {
            let off = -8 * (1 + dice.below(4) as i16);
            let (size, width) = one_of(dice, &[(Size::W, Width::W32), (Size::Dw, Width::W64)]);
            out.push(Insn::Load { size, signed: false, dst, base: Reg::R10, off });
            three(dice, out, one_of(dice, &SIMPLE), width);
        }
        _ => {
            let signed = size != Size::Dw && dice.below(2) == 0;
            out.push(Insn::Load { size, signed, dst, base: Reg::R9, off });
            out.push(Insn::Store { size, base: Reg::R9, off: off + 8, src: Operand::Reg(base) });
        }
    }
}

/// A jump over the next few instructions.
fn skip(dice: &Dice, out: &mut Vec<Insn>) {
    let mut inside = Vec::new();
    piece(dice, &mut inside, 0);
    let off = inside.iter().map(|insn| insn.slots()).sum::<usize>() as i16;
    let (dst, width) = (reg(dice), width(dice));
    let mut src = if dice.below(2) == 0 { Operand::Reg(reg(dice)) } else { Operand::Imm(number(dice)) };
    let mut cond = one_of(dice, Cond::ALL);
    let mut compared = dst;
    match dice.below(4) {
        0 => out.push(alu(AluOp::Add, Width::W64, reg(dice), Operand::Imm(number(dice)))),
        1 | 2 => {
            let size = one_of(dice, &[Size::B, Size::Dw]);
            let off = dice.below(64) as i16;
            out.push(Insn::Load { size, signed: false, dst, base: Reg::R9, off });
            cond = one_of(dice, &[Cond::Eq, Cond::Ne]);
            match src {
                Operand::Imm(_) => src = Operand::Imm(dice.below(256) as i32),
                Operand::Reg(_) if dice.below(2) == 0 => {
                    compared = reg(dice);
                    src = Operand::Reg(dst);
                }
                Operand::Reg(_) => {}
            }
        }
        _ => {}
    }
    out.push(Insn::Jump { cond, width, dst: compared, src, off });
    out.extend(inside);
}

fn piece(dice: &Dice, out: &mut Vec<Insn>, deep: u32) {
    match dice.below(12) {
        0..=1 => rotation(dice, out),
        2..=4 => access(dice, out),
        5..=6 if deep > 0 => skip(dice, out),
        7 => {
            for _ in 0..2 {
                out.push(Insn::Mov { width: Width::W64, dst: reg(dice), src: Operand::Reg(reg(dice)) });
            }
        }
        8 => {
            three(dice, out, one_of(dice, AluOp::ALL), width(dice));
        }
        _ => {
            let width = width(dice);
            let first =
                one_of(dice, &[AluOp::Lsh, AluOp::Rsh, AluOp::Add, AluOp::Or, AluOp::And, AluOp::Xor]);
            three(dice, out, first, width);
            three(dice, out, one_of(dice, &SIMPLE), width);
        }
    }
}

fn program(dice: &Dice) -> Program {
    let mut insns = vec![Insn::Mov { width: Width::W64, dst: Reg::R9, src: Operand::Reg(Reg::R1) }];
    for dst in NUMBERS {
        insns.push(Insn::LdImm64 { dst, imm: Imm64::Const(dice.0.next_u64()) });
    }
    for slot in 1..=4 {
        insns.push(Insn::Store {
            size: Size::Dw,
            base: Reg::R10,
            off: -8 * slot,
            src: Operand::Reg(Reg::R3),
        });
    }
    insns.push(Insn::Mov { width: Width::W64, dst: Reg::R8, src: Operand::Imm(1 + dice.below(4) as i32) });
    let begin: usize = insns.iter().map(|insn| insn.slots()).sum();
    for _ in 0..1 + dice.below(60) {
        piece(dice, &mut insns, 1);
    }
    // The loop's end, as compilers write it.
    let (cond, width, by) = one_of(dice, &[(Cond::Ne, Width::W64, -1), (Cond::Sgt, Width::W32, -1)]);
    insns.push(alu(AluOp::Add, Width::W64, Reg::R8, Operand::Imm(by)));
    let end: usize = insns.iter().map(|insn| insn.slots()).sum();
    let off = begin as i16 - (end as i16 + 1);
    insns.push(Insn::Jump { cond, width, dst: Reg::R8, src: Operand::Imm(0), off });
    for src in NUMBERS {
        insns.push(alu(AluOp::Xor, Width::W64, Reg::R0, Operand::Reg(src)));
        insns.push(alu(AluOp::Mul, Width::W64, Reg::R0, Operand::Imm(0x0100_0193)));
    }
    insns.push(Insn::Exit);
    Program::from_insns("fused", encode_all(insns))
}

#[test]
fn joined_operations_do_what_they_do_one_by_one() {
    let setting = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let dice = Dice(Seeded::new(setting("OXBPF_SEED").unwrap_or(11)));
    let plain = Engine::default();
    let watched = Engine::new(Config::new().observer(Arc::new(Quiet)));
    let mut seen = HashSet::new();
    let mut buffer = [0; MEMORY];
    for turn in 0..setting("OXBPF_FUSED").unwrap_or(3000) {
        let program = program(&dice);
        // SAFETY: the programs access their frame and the memory they are given alone.
        let vouched = unsafe { Vouched::new(&program) };
        let mut linker: Linker<()> = Linker::new(&plain);
        let checked = linker.instantiate(&program).unwrap();
        let proven = linker.instantiate_vouched(&vouched).unwrap();
        let single = Linker::<()>::new(&watched).instantiate(&program).unwrap();
        let memory: [u8; MEMORY] = std::array::from_fn(|_| dice.0.next_u64() as u8);
        // Addresses may get into results, so the memory stays where it is.
        let mut run = |instance: &Instance<()>| {
            buffer.copy_from_slice(&memory);
            let outcome = instance.run(&mut (), Input::memory(&mut buffer)).unwrap();
            (outcome.ret, outcome.insns, buffer)
        };
        let (ret, insns, after) = run(&single);
        let expected = (ret, insns / 2, after);
        assert_eq!(run(&checked), expected, "program {turn}, checked: {:?}", checked.code().ops());
        assert_eq!(run(&proven), expected, "program {turn}, proven: {:?}", proven.code().ops());
        seen.extend(checked.steps().codes());
    }
    // Every kind of step that stands for several operations has been among them.
    let families = [
        (codes::ADD_JUMP, 44),
        (codes::INDEXED_LOAD, 4),
        (codes::INDEXED_STORE, 4),
        (codes::GATHER, 2),
        (codes::PAIR, 32),
        (codes::SHIFT_PAIR, 16),
        (codes::IMM_PAIR, 32),
        (codes::PAIR_IMM, 32),
        (codes::ROTATE, 4),
        (codes::FRAME_PAIR, 8),
        (codes::FRAME_MOVE, 2),
        (codes::LOAD_JUMP, 16),
        (codes::MOV_MOV, 1),
    ];
    for (family, count) in families {
        let missing: Vec<u16> = (0..count).filter(|digit| !seen.contains(&(family + digit))).collect();
        assert!(missing.is_empty(), "family {family} without {missing:?}");
    }
}

#[test]
fn long_straight_programs_and_far_jumps_are_counted_and_end() {
    // Longer than one chain of steps, with jumps over the places where chains end.
    for (far, back) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut text = String::from("r0 = 0\n r1 = 3\n top:\n");
        for n in 0..5000 {
            if far && n % 700 == 300 {
                text += &format!("if r1 != 77 goto l{n}\n");
            }
            if far && n % 700 == 650 {
                text += &format!("l{}:\n", n - 350);
            }
            text += "r0 += 1\n";
        }
        if back {
            text += "r1 += -1\n if r1 != 0 goto top\n";
        }
        text += "exit";
        let program = program_text(&text);
        let outcomes: Vec<Outcome> =
            [Engine::default(), Engine::new(Config::new().observer(Arc::new(Quiet)))]
                .iter()
                .map(|engine| {
                    Linker::<()>::new(engine)
                        .instantiate(&program)
                        .unwrap()
                        .run(&mut (), Input::none())
                        .unwrap()
                })
                .collect();
        assert_eq!((outcomes[0].ret, outcomes[0].insns * 2), (outcomes[1].ret, outcomes[1].insns));
        let skipped = if far { 7 * 350 } else { 0 };
        assert_eq!(outcomes[0].ret, (5000 - skipped) * if back { 3 } else { 1 });
    }
}

fn program_text(text: &str) -> Program {
    super::program(text)
}
