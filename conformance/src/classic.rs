//! Random classic programs: legal by construction, then, every other one, damaged a little, so that a
//! checker says now yes and now no.

use oxbpf::isa::cbpf::{ANCILLARY_OFFSET, LINK_OFFSET, NET_OFFSET, Op, SockFilter};

/// A small generator (xorshift64*).
pub struct Random(pub u64);

impl Random {
    /// One whose start is different each time, or that of `OXBPF_SEED`; it says so, to be repeated.
    pub fn fresh() -> Random {
        let given = std::env::var("OXBPF_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| now.as_nanos() as u64) | 1
        });
        println!("OXBPF_SEED={seed}");
        Random(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.number() >> 33) % n.max(1) as u64) as usize
    }
}

fn constant(random: &mut Random) -> u32 {
    match random.below(8) {
        0 => random.number() as u32,
        1 => ANCILLARY_OFFSET + random.below(70) as u32,
        2 => 4 * random.below(18) as u32,
        3 => NET_OFFSET.cast_unsigned() + random.below(40) as u32,
        4 => LINK_OFFSET.cast_unsigned() + random.below(40) as u32,
        _ => random.below(48) as u32,
    }
}

/// How long, and of what.
struct Plan {
    len: usize,
    /// Long programs of instructions that grow in conversion, with jumps over most of them.
    stretched: Option<usize>,
}

fn plan(random: &mut Random, seccomp: bool) -> Plan {
    if !seccomp && random.below(100) == 0 {
        return Plan { len: 1000 + random.below(3099), stretched: Some(random.below(20)) };
    }
    let len = match random.below(20) {
        0 => 1,
        1 => 40 + random.below(300),
        _ => 2 + random.below(24),
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
        let mut op = ops[random.below(ops.len())];
        if left == 0 {
            op = [Op::RetK, Op::RetA][random.below(2)];
        } else if matches!(op, Op::RetK | Op::RetA) && random.below(4) != 0 {
            op = Op::LdImm;
        }
        if let Some(rare) = stretched
            && left > 0
        {
            if random.below(20) >= rare {
                op = [Op::LdxMsh, Op::LdAbsW, Op::LdIndH][random.below(3)];
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
            k = random.below(16) as u32;
            while *written >> k & 1 == 0 {
                k = (k + 1) % 16;
            }
        }
        Op::St | Op::Stx => {
            k = random.below(16) as u32;
            *written |= 1 << k;
        }
        Op::LshK | Op::RshK => k = random.below(32) as u32,
        Op::DivK | Op::ModK => k = k.max(1),
        Op::Ja => k = random.below(if far { left } else { left.min(6) }) as u32,
        Op::JeqK | Op::JeqX | Op::JgtK | Op::JgtX | Op::JgeK | Op::JgeX | Op::JsetK | Op::JsetX => {
            (jt, jf) = (random.below(left.min(6)) as u8, random.below(left.min(6)) as u8);
        }
        Op::LdAbsW | Op::LdAbsH | Op::LdAbsB if seccomp => k = 4 * random.below(16) as u32,
        Op::LdAbsW | Op::LdAbsH | Op::LdAbsB if k >= ANCILLARY_OFFSET => {
            k = ANCILLARY_OFFSET + 4 * random.below(16) as u32;
        }
        _ => {}
    }
    SockFilter::new(op.code(), jt, jf, k)
}

/// Changes a field or two, every other time.
pub fn damage(random: &mut Random, program: &mut [SockFilter]) {
    if random.below(2) == 0 {
        return;
    }
    let len = program.len();
    for _ in 0..1 + random.below(2) {
        let insn = &mut program[random.below(len)];
        match random.below(8) {
            0 => insn.code = random.below(256) as u16,
            1 => insn.code ^= 1 << random.below(16),
            2 => insn.k = random.number() as u32,
            3 => insn.k = constant(random),
            4 => insn.jt = random.number() as u8,
            5 => insn.jf = random.below(len + 2) as u8,
            6 => insn.k = random.below(len + 2) as u32,
            _ => insn.code = Op::ALL[random.below(Op::ALL.len())].code(),
        }
    }
}
