//! Which operations become which step.

use super::codes::{self, narrow, simple};
use super::{After, Builder, Head, Indexed, Limit, Moved, Regs, SPACING};
use crate::vm::linker::Table;
use crate::vm::op::{Code, Form, Op, form};
use oxbpf_isa::insn::{AluOp, Cond, Width};

/// The most operations in one step.
pub(super) const LONGEST: usize = 6;

/// The number of `bpf_map_lookup_elem`.
const LOOKUP: i32 = 1;

/// Whether an operation goes elsewhere, or perhaps.
pub(super) fn is_jump(op: &Op) -> bool {
    matches!(form(op.code), Form::Jump(..)) || matches!(op.code, Code::Ja | Code::MayGoto)
}

/// Where a jump goes.
pub(super) fn target(at: usize, op: &Op) -> u32 {
    (at as i64 + 1 + op.off as i64) as u32
}

/// The limit of a jump: backward that of fuel; forward it asks where it leaps over a place where chains
/// end, and nowhere else.
fn limit(at: u32, to: u32) -> i32 {
    if to < at {
        at as i32
    } else if to > at && (to - 1) / SPACING * SPACING >= at.max(1) {
        i32::MAX
    } else {
        i32::MIN
    }
}

/// A second operand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Second {
    Reg(u8),
    Imm(i32),
}

/// `d = s op x`.
#[derive(Clone, Copy)]
struct Three {
    op: AluOp,
    width: Width,
    d: u8,
    s: u8,
    x: Second,
    /// How many operations that is.
    count: usize,
}

impl Three {
    fn imm(&self) -> Option<i32> {
        match self.x {
            Second::Imm(imm) => Some(imm),
            Second::Reg(_) => None,
        }
    }

    fn reg(&self) -> Option<u8> {
        match self.x {
            Second::Reg(reg) => Some(reg),
            Second::Imm(_) => None,
        }
    }

    /// A shift by less than its width: whether it goes to the right, and how far.
    fn shift(&self) -> Option<(bool, u8)> {
        let right = match self.op {
            AluOp::Lsh => false,
            AluOp::Rsh => true,
            _ => return None,
        };
        let by = self.imm().filter(|&by| 0 < by && (by as u32) < bits(self.width))?;
        Some((right, by as u8))
    }
}

fn bits(width: Width) -> u32 {
    match width {
        Width::W64 => 64,
        Width::W32 => 32,
    }
}

/// An operation with two operands, or a move and one that changes its target.
fn three(ops: &[Op]) -> Option<Three> {
    let first = ops.first()?;
    if let Form::Alu(op, width, is_reg) = form(first.code) {
        let x = if is_reg { Second::Reg(first.src) } else { Second::Imm(first.imm as i32) };
        return Some(Three { op, width, d: first.dst, s: first.dst, x, count: 1 });
    }
    let wide = match first.code {
        Code::Mov64R => true,
        Code::Mov32R => false,
        _ => return None,
    };
    let second = three(ops.get(1..2)?)?;
    if second.d != first.dst || !wide && second.width == Width::W64 {
        return None;
    }
    let x = match second.x {
        Second::Reg(reg) if reg == first.dst => Second::Reg(first.src),
        x => x,
    };
    Some(Three { s: first.src, x, count: 2, ..second })
}

/// Appends the step that these operations begin with, the first of which is operation `at`. Gives how many
/// it stands for.
pub(super) fn step(b: &mut Builder, at: usize, ops: &[Op]) -> usize {
    let fused = arithmetic(b, at, ops).or_else(|| memory(b, at, ops)).or_else(|| moves(b, at, ops));
    fused.unwrap_or_else(|| {
        single(b, at, &ops[0]);
        1
    })
}

/// Steps that begin with arithmetic.
fn arithmetic(b: &mut Builder, at: usize, ops: &[Op]) -> Option<usize> {
    let first = three(ops)?;
    let rest = &ops[first.count..];
    let second = three(rest).filter(|second| second.width == first.width);
    let joined = second.and_then(|second| {
        rotation(b, at, first, second, &rest[second.count..])
            .or_else(|| pair(b, at, first, second, rest.get(second.count)))
    });
    joined
        .or_else(|| rest.first().and_then(|next| add_jump(b, at, first, next)))
        .or_else(|| rest.first().and_then(|next| indexed(b, at, first, next)))
        .or_else(|| {
            one(b, at, first);
            Some(first.count)
        })
}

fn one(b: &mut Builder, at: usize, t: Three) {
    let code = codes::alu(t.op, t.width, t.imm().is_some());
    let word = match t.x {
        Second::Imm(imm) => Head { code, a: t.d, b: t.s, imm }.into(),
        Second::Reg(c) => Regs { code, a: t.d, b: t.s, c, d: 0, e: 0, f: 0 }.into(),
    };
    b.push(at, t.count, 0, &[word]);
}

/// `p = s >> n; q = s << m; q |= p` and its like, where the distances make up the width.
fn rotation(b: &mut Builder, at: usize, first: Three, second: Three, rest: &[Op]) -> Option<usize> {
    let ((right, by), (other, rest_by)) = (first.shift()?, second.shift()?);
    let third = three(rest.get(..1)?)?;
    let whole = right != other && u32::from(by) + u32::from(rest_by) == bits(first.width);
    let same = first.s == second.s && first.d != first.s && first.d != second.d;
    let joins = third.op == AluOp::Or && third.width == first.width;
    if !whole || !same || !joins {
        return None;
    }
    let (q, p, p_right, p_by) = match (third.d, third.reg()?) {
        (d, x) if d == second.d && x == first.d => (d, x, right, by),
        (d, x) if d == first.d && x == second.d => (d, x, other, rest_by),
        _ => return None,
    };
    let left = if right { rest_by } else { by };
    let code = codes::ROTATE + narrow(first.width) * 2 + p_right as u16;
    let count = first.count + second.count + 1;
    b.push(at, count, 0, &[Regs { code, a: p, b: first.s, c: left, d: q, e: p_by, f: 0 }.into()]);
    Some(count)
}

/// Two operations with two operands.
fn pair(b: &mut Builder, at: usize, first: Three, second: Three, next: Option<&Op>) -> Option<usize> {
    let count = first.count + second.count;
    let (w, op2) = (narrow(first.width), simple(second.op)?);
    let (a, s) = (first.d, first.s);
    match (first.x, second.x) {
        (Second::Imm(by), Second::Reg(f)) if first.shift().is_some() => {
            let right = (first.op == AluOp::Rsh) as u16;
            let code = codes::SHIFT_PAIR + (right * 4 + op2) * 2 + w;
            let word = Regs { code, a, b: s, c: by as u8, d: second.d, e: second.s, f };
            b.push(at, count, 0, &[word.into()]);
        }
        (Second::Reg(c), Second::Reg(f)) => {
            let code = codes::PAIR + (simple(first.op)? * 4 + op2) * 2 + w;
            b.push(at, count, 0, &[Regs { code, a, b: s, c, d: second.d, e: second.s, f }.into()]);
        }
        (Second::Imm(imm), Second::Reg(c)) => {
            let code = codes::IMM_PAIR + (simple(first.op)? * 4 + op2) * 2 + w;
            let more = Regs { code: 0, a: second.d, b: second.s, c, d: 0, e: 0, f: 0 };
            b.push(at, count, 0, &[Head { code, a, b: s, imm }.into(), more.into()]);
        }
        (Second::Reg(c), Second::Imm(operand)) => {
            // The sum at the end of a loop goes with its jump.
            if second.op == AluOp::Add && next.is_some_and(|op| matches!(form(op.code), Form::Jump(..))) {
                return None;
            }
            let code = codes::PAIR_IMM + (simple(first.op)? * 4 + op2) * 2 + w;
            let word = Regs { code, a, b: s, c, d: second.d, e: second.s, f: 0 };
            b.push(at, count, 0, &[word.into(), Limit { limit: 0, operand }.into()]);
        }
        _ => return None,
    }
    Some(count)
}

/// `a += imm`, and a conditional jump.
fn add_jump(b: &mut Builder, at: usize, first: Three, next: &Op) -> Option<usize> {
    let Form::Jump(cond, width, is_reg) = form(next.code) else { return None };
    let imm = first.imm()?;
    if first.op != AluOp::Add || first.width != Width::W64 || first.s != first.d {
        return None;
    }
    let to = target(at + first.count, next);
    let count = first.count + 1;
    let operand = if is_reg { next.src as i32 } else { next.imm as i32 };
    let code = codes::jump(codes::ADD_JUMP, cond, width, !is_reg);
    let head = Head { code, a: first.d, b: next.dst, imm };
    let limit = Limit { limit: limit((at + count) as u32, to), operand };
    b.push_jump(at, count, &[head.into(), 0, limit.into()], to);
    Some(count)
}

/// `a = b + c`, and an access through a.
fn indexed(b: &mut Builder, at: usize, first: Three, next: &Op) -> Option<usize> {
    let c = first.reg()?;
    if first.op != AluOp::Add || first.width != Width::W64 {
        return None;
    }
    let off = i16::try_from(next.off).ok()?;
    let load = |size| (next.src, codes::INDEXED_LOAD + size, next.dst);
    let store = |size| (next.dst, codes::INDEXED_STORE + size, next.src);
    let (base, code, d) = match next.code {
        Code::Ld8 => load(0),
        Code::Ld16 => load(1),
        Code::Ld32 => load(2),
        Code::Ld64 => load(3),
        Code::St8R => store(0),
        Code::St16R => store(1),
        Code::St32R => store(2),
        Code::St64R => store(3),
        _ => return None,
    };
    if base != first.d {
        return None;
    }
    let count = first.count + 1;
    b.push(at, count, first.count, &[Indexed { code, a: first.d, b: first.s, c, d, off }.into()]);
    Some(count)
}

/// Steps that begin with a load.
fn memory(b: &mut Builder, at: usize, ops: &[Op]) -> Option<usize> {
    let load = ops.first()?;
    let next = ops.get(1)?;
    match load.code {
        Code::Ld8 => gather(b, at, load, &ops[1..]).or_else(|| load_jump(b, at, 0, load, next)),
        Code::Ld64 => load_jump(b, at, 1, load, next),
        Code::LdF32 | Code::LdF64 => frame(b, at, load, &ops[1..]),
        _ => None,
    }
}

/// A byte for a word that is put together of bytes.
fn gather(b: &mut Builder, at: usize, load: &Op, rest: &[Op]) -> Option<usize> {
    let shift = three(rest.get(..1)?)?;
    let or = three(&rest[1..])?;
    let (right, by) = shift.shift()?;
    if right || shift.d != load.dst || or.op != AluOp::Or || or.width != shift.width {
        return None;
    }
    let head = Head { code: codes::GATHER + narrow(or.width), a: load.dst, b: load.src, imm: load.off };
    let more = Regs { code: 0, a: by, b: or.d, c: or.s, d: or.reg()?, e: 0, f: 0 };
    b.push(at, 2 + or.count, 0, &[head.into(), more.into()]);
    Some(2 + or.count)
}

/// A load, and a jump on whether it equals something.
fn load_jump(b: &mut Builder, at: usize, size: u16, load: &Op, next: &Op) -> Option<usize> {
    let Form::Jump(cond @ (Cond::Eq | Cond::Ne), width, is_reg) = form(next.code) else { return None };
    let operand = match is_reg {
        false if next.dst == load.dst => next.imm as i32,
        true if next.dst == load.dst => next.src as i32,
        true if next.src == load.dst => next.dst as i32,
        _ => return None,
    };
    let to = target(at + 1, next);
    let digits = ((size * 2 + (cond == Cond::Ne) as u16) * 2 + narrow(width)) * 2 + !is_reg as u16;
    let head = Head { code: codes::LOAD_JUMP + digits, a: load.dst, b: load.src, imm: load.off };
    let limit = Limit { limit: limit(at as u32 + 2, to), operand };
    b.push_jump(at, 2, &[head.into(), 0, limit.into()], to);
    Some(2)
}

/// A load from the frame, and what goes with it.
fn frame(b: &mut Builder, at: usize, load: &Op, rest: &[Op]) -> Option<usize> {
    let off = i16::try_from(load.off).ok()?;
    let wide = load.code == Code::LdF64;
    let next = rest.first()?;
    if next.code == if wide { Code::StF64R } else { Code::StF32R } {
        let to = i16::try_from(next.off).ok()?;
        let code = codes::FRAME_MOVE + !wide as u16;
        b.push(at, 2, 0, &[Moved { code, a: load.dst, b: next.src, from: off, to }.into()]);
        return Some(2);
    }
    let t = three(rest)?;
    let width = if wide { Width::W64 } else { Width::W32 };
    let (op, d) = (simple(t.op)?, t.reg()?);
    if t.width != width {
        return None;
    }
    let code = codes::FRAME_PAIR + op * 2 + narrow(width);
    b.push(at, 1 + t.count, 0, &[Indexed { code, a: load.dst, b: t.d, c: t.s, d, off }.into()]);
    Some(1 + t.count)
}

/// Two moves, unless the second is better off with what follows.
fn moves(b: &mut Builder, at: usize, ops: &[Op]) -> Option<usize> {
    let [first, second, ..] = ops else { return None };
    if first.code != Code::Mov64R || second.code != Code::Mov64R || three(&ops[1..]).is_some() {
        return None;
    }
    let word =
        Regs { code: codes::MOV_MOV, a: first.dst, b: first.src, c: second.dst, d: second.src, e: 0, f: 0 };
    b.push(at, 2, 0, &[word.into()]);
    Some(2)
}

/// A step for one operation.
fn single(b: &mut Builder, at: usize, op: &Op) {
    let end = at as u32 + 1;
    let (a, s) = (op.dst, op.src);
    let head = |code: u16, imm: i32| u64::from(Head { code, a, b: s, imm });
    let after = |what: u32| u64::from(After { at: end, what });
    let mut push = |words: &[u64]| b.push(at, 1, 0, words);
    match op.code {
        Code::Ld8 => push(&[head(codes::LOAD, op.off)]),
        Code::Ld16 => push(&[head(codes::LOAD + 1, op.off)]),
        Code::Ld32 => push(&[head(codes::LOAD + 2, op.off)]),
        Code::Ld64 => push(&[head(codes::LOAD + 3, op.off)]),
        Code::LdS8 => push(&[head(codes::LOAD + 4, op.off)]),
        Code::LdS16 => push(&[head(codes::LOAD + 5, op.off)]),
        Code::LdS32 => push(&[head(codes::LOAD + 6, op.off)]),
        Code::LdF8 => push(&[head(codes::LOAD_FRAME, op.off)]),
        Code::LdF16 => push(&[head(codes::LOAD_FRAME + 1, op.off)]),
        Code::LdF32 => push(&[head(codes::LOAD_FRAME + 2, op.off)]),
        Code::LdF64 => push(&[head(codes::LOAD_FRAME + 3, op.off)]),
        Code::LdFS8 => push(&[head(codes::LOAD_FRAME + 4, op.off)]),
        Code::LdFS16 => push(&[head(codes::LOAD_FRAME + 5, op.off)]),
        Code::LdFS32 => push(&[head(codes::LOAD_FRAME + 6, op.off)]),
        Code::St8R => push(&[head(codes::STORE, op.off)]),
        Code::St16R => push(&[head(codes::STORE + 1, op.off)]),
        Code::St32R => push(&[head(codes::STORE + 2, op.off)]),
        Code::St64R => push(&[head(codes::STORE + 3, op.off)]),
        Code::StF8R => push(&[head(codes::STORE_FRAME, op.off)]),
        Code::StF16R => push(&[head(codes::STORE_FRAME + 1, op.off)]),
        Code::StF32R => push(&[head(codes::STORE_FRAME + 2, op.off)]),
        Code::StF64R => push(&[head(codes::STORE_FRAME + 3, op.off)]),
        Code::St8I => push(&[head(codes::STORE_IMM, op.off), op.imm as u64]),
        Code::St16I => push(&[head(codes::STORE_IMM + 1, op.off), op.imm as u64]),
        Code::St32I => push(&[head(codes::STORE_IMM + 2, op.off), op.imm as u64]),
        Code::St64I => push(&[head(codes::STORE_IMM + 3, op.off), op.imm as u64]),
        Code::StF8I => push(&[head(codes::STORE_IMM_FRAME, op.off), op.imm as u64]),
        Code::StF16I => push(&[head(codes::STORE_IMM_FRAME + 1, op.off), op.imm as u64]),
        Code::StF32I => push(&[head(codes::STORE_IMM_FRAME + 2, op.off), op.imm as u64]),
        Code::StF64I => push(&[head(codes::STORE_IMM_FRAME + 3, op.off), op.imm as u64]),
        Code::Neg64 => push(&[head(codes::NEG, 0)]),
        Code::Neg32 => push(&[head(codes::NEG + 1, 0)]),
        Code::Mov64R => push(&[head(codes::MOV, 0)]),
        Code::Mov32R => push(&[head(codes::MOV32, 0)]),
        Code::MovI | Code::Addr => match i32::try_from(op.imm) {
            Ok(imm) => push(&[head(codes::CONST, imm)]),
            Err(_) => push(&[head(codes::CONST_WIDE, 0), op.imm as u64]),
        },
        Code::Movsx64B => push(&[head(codes::EXTEND, 0)]),
        Code::Movsx64H => push(&[head(codes::EXTEND + 1, 0)]),
        Code::Movsx64W => push(&[head(codes::EXTEND + 2, 0)]),
        Code::Movsx32B => push(&[head(codes::EXTEND + 3, 0)]),
        Code::Movsx32H => push(&[head(codes::EXTEND + 4, 0)]),
        Code::Trunc16 => push(&[head(codes::TRUNC, 0)]),
        Code::Trunc32 => push(&[head(codes::TRUNC + 1, 0)]),
        Code::Swap16 => push(&[head(codes::SWAP, 0)]),
        Code::Swap32 => push(&[head(codes::SWAP + 1, 0)]),
        Code::Swap64 => push(&[head(codes::SWAP + 2, 0)]),
        Code::Nop => push(&[head(codes::NOP, 0)]),
        Code::LdAcq => push(&[head(codes::LOAD_ACQUIRE, op.off), after(op.aux as u32)]),
        Code::StRel => push(&[head(codes::STORE_RELEASE, op.off), after(op.aux as u32)]),
        Code::Atomic => push(&[head(codes::ATOMIC, op.off), after(op.aux as u32)]),
        Code::PktAbs => push(&[head(codes::PACKET, op.off), after(op.aux as u32)]),
        Code::PktInd => push(&[head(codes::PACKET + 1, op.off), after(op.aux as u32)]),
        Code::CallHelper => {
            let index = op.imm as u32;
            let code = match Table::own(op.imm as usize) {
                Some(LOOKUP) => codes::LOOKUP,
                Some(_) => codes::CALL_OWN,
                None => codes::CALL_HELPER,
            };
            push(&[head(code, 0), after(index)]);
        }
        Code::CallReg => push(&[head(codes::CALL_REG, 0), after(0)]),
        Code::TailCall => push(&[head(codes::TAIL_CALL, 0), after(0)]),
        Code::Observe => push(&[head(codes::OBSERVE, op.imm as i32)]),
        Code::Trap => push(&[head(codes::TRAP, op.imm as i32), after(op.aux as u32)]),
        Code::Exit => push(&[head(codes::EXIT, 0), after(0)]),
        Code::CallSub => {
            let words = [head(codes::CALL_SUB, 0), 0, after(0)];
            b.push_jump(at, 1, &words, target(at, op));
        }
        Code::Ja | Code::MayGoto => {
            let to = target(at, op);
            let code = if op.code == Code::Ja { codes::GOTO } else { codes::MAY_GOTO };
            b.push_jump(at, 1, &[head(code, limit(end, to)), 0], to);
        }
        _ => match form(op.code) {
            Form::Jump(cond, width, is_reg) => {
                let to = target(at, op);
                let limit = limit(end, to);
                let code = codes::jump(codes::JUMP, cond, width, !is_reg);
                match is_reg {
                    true => b.push_jump(at, 1, &[head(code, limit), 0], to),
                    false => {
                        let words = [head(code, op.imm as i32), 0, Limit { limit, operand: 0 }.into()];
                        b.push_jump(at, 1, &words, to);
                    }
                }
            }
            // Arithmetic has gone another way.
            _ => unreachable!("every operation has a step"),
        },
    }
}
