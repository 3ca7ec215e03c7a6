//! Random classic programs: legal by construction, then, every other one, damaged a little, so that a
//! checker says now yes and now no.

use crate::random::Random;
use oxbpf::isa::cbpf::{ANCILLARY_OFFSET, LINK_OFFSET, NET_OFFSET, Op, SockFilter};

fn constant(random: &mut Random) -> u32 {
    match random.index(8) {
        0 => random.number() as u32,
        1 => ANCILLARY_OFFSET + random.index(70) as u32,
        2 => 4 * random.index(18) as u32,
        3 => NET_OFFSET.cast_unsigned() + random.index(40) as u32,
        4 => LINK_OFFSET.cast_unsigned() + random.index(40) as u32,
        _ => random.index(48) as u32,
    }
}

/// How long, and of what.
struct Plan {
    len: usize,
    /// Long programs of instructions that grow in conversion, with jumps over most of them.
    stretched: Option<usize>,
}

fn plan(random: &mut Random, seccomp: bool) -> Plan {
    if !seccomp && random.index(100) == 0 {
        return Plan { len: 1000 + random.index(3099), stretched: Some(random.index(20)) };
    }
    let len = match random.index(20) {
        0 => 1,
        1 => 40 + random.index(300),
        _ => 2 + random.index(24),
    };
    Plan { len, stretched: None }
}

/// A program for packets or for system calls.
pub fn program(random: &mut Random, seccomp: bool) -> Vec<SockFilter> {
    let Plan { len, stretched } = plan(random, seccomp);
    let allowed = |op: &Op| if seccomp { op.in_seccomp() } else { op.in_socket() };
    let ops: Vec<Op> = Op::ALL.iter().copied().filter(allowed).collect();
    let mut written = 0u32;
    let mut program = Vec::with_capacity(len);
    for at in 0..len {
        let left = len - at - 1;
        let mut op = ops[random.index(ops.len())];
        if left == 0 {
            op = [Op::RetK, Op::RetA][random.index(2)];
        } else if matches!(op, Op::RetK | Op::RetA) && random.index(4) != 0 {
            op = Op::LdImm;
        }
        if let Some(rare) = stretched
            && left > 0
        {
            if random.index(20) >= rare {
                op = [Op::LdxMsh, Op::LdAbsW, Op::LdIndH][random.index(3)];
            }
            if at < 5 {
                op = Op::Ja;
            }
        }
        program.push(instruction(random, op, left, &mut written, seccomp, stretched.is_some() && at < 5));
    }
    program
}

/// An instruction that breaks no rule, with `left` more after it.
fn instruction(
    random: &mut Random,
    mut op: Op,
    left: usize,
    written: &mut u32,
    seccomp: bool,
    far: bool,
) -> SockFilter {
    let mut k = constant(random);
    let (mut jt, mut jf) = (0, 0);
    match op {
        Op::LdMem | Op::LdxMem if *written == 0 => op = Op::St,
        _ => {}
    }
    match op {
        Op::LdMem | Op::LdxMem => {
            k = random.index(16) as u32;
            while *written >> k & 1 == 0 {
                k = (k + 1) % 16;
            }
        }
        Op::St | Op::Stx => {
            k = random.index(16) as u32;
            *written |= 1 << k;
        }
        Op::LshK | Op::RshK => k = random.index(32) as u32,
        Op::DivK | Op::ModK => k = k.max(1),
        Op::Ja => k = random.index(if far { left } else { left.min(6) }) as u32,
        Op::JeqK | Op::JeqX | Op::JgtK | Op::JgtX | Op::JgeK | Op::JgeX | Op::JsetK | Op::JsetX => {
            (jt, jf) = (random.index(left.min(6)) as u8, random.index(left.min(6)) as u8);
        }
        Op::LdAbsW | Op::LdAbsH | Op::LdAbsB if seccomp => k = 4 * random.index(16) as u32,
        Op::LdAbsW | Op::LdAbsH | Op::LdAbsB if k >= ANCILLARY_OFFSET => {
            k = ANCILLARY_OFFSET + 4 * random.index(16) as u32;
        }
        _ => {}
    }
    SockFilter::new(op.code(), jt, jf, k)
}

/// Changes a field or two, every other time.
pub fn damage(random: &mut Random, program: &mut [SockFilter]) {
    if random.index(2) == 0 {
        return;
    }
    let len = program.len();
    for _ in 0..1 + random.index(2) {
        let insn = &mut program[random.index(len)];
        match random.index(8) {
            0 => insn.code = random.index(256) as u16,
            1 => insn.code ^= 1 << random.index(16),
            2 => insn.k = random.number() as u32,
            3 => insn.k = constant(random),
            4 => insn.jt = random.number() as u8,
            5 => insn.jf = random.index(len + 2) as u8,
            6 => insn.k = random.index(len + 2) as u32,
            _ => insn.code = Op::ALL[random.index(Op::ALL.len())].code(),
        }
    }
}
