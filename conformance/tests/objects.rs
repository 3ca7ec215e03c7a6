//! Reads and writes through pointers to kernel objects, drawn at random, against the running kernel.
//!
//! `OXBPF_WALKS` is the number of programs, `OXBPF_SEED` where they begin.

use oxbpf::isa::btf::{Kind, Type, TypeId};
use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::{AttachType, ProgType};
use oxbpf::isa::program::{Program, StructOpsMember};
use oxbpf_conformance::oracle::{Oracle, running_model};
use oxbpf_conformance::random::Random;
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

/// Loads of every width, and sign-extending ones.
const LOADS: [u8; 8] = [0x71, 0x69, 0x61, 0x79, 0x79, 0x79, 0x91, 0x81];
const STORES: [u8; 4] = [0x73, 0x6b, 0x63, 0x7b];

/// A chain of loads, with a check for null here and there, from an argument of the program. Every
/// third ends with a store or another use.
fn chain(random: &mut Random, first: i16, sizes: &[u32]) -> Vec<RawInsn> {
    let mut insns = vec![RawInsn::new(0x79, 2, 1, first, 0)];
    let null_check = |insns: &mut Vec<RawInsn>, random: &mut Random, reg: u8| {
        if random.below(3) > 0 {
            insns.push(RawInsn::new(0x55, reg, 0, 2, 0));
            insns.push(RawInsn::new(0xb7, 0, 0, 0, 0));
            insns.push(RawInsn::new(0x95, 0, 0, 0, 0));
        }
    };
    null_check(&mut insns, random, 2);
    for step in 0..1 + random.below(3) {
        let limit = sizes[random.below(sizes.len() as u64) as usize].max(16) as u64;
        let mut off = random.below(limit + 16) as i16;
        if random.below(6) > 0 {
            off &= !7;
        }
        if random.below(40) == 0 {
            off = -off;
        }
        let code = LOADS[random.below(8) as usize];
        if step > 0 && random.below(8) == 0 {
            insns.push(RawInsn::new(0x07, 2, 0, 0, random.below(64) as i32));
        }
        insns.push(RawInsn::new(code, 2, 2, off, 0));
        null_check(&mut insns, random, 2);
    }
    match random.below(12) {
        0 => {
            let (code, off) = (STORES[random.below(4) as usize], random.below(3000) as i16 & !3);
            insns.push(RawInsn::new(0xb7, 3, 0, 0, 1));
            insns.push(RawInsn::new(code, 2, 3, off, 0));
        }
        1 => insns.push(RawInsn::new(0xdb, 2, 2, 8, 0)),
        2 => {
            insns.push(RawInsn::new(0x7b, 10, 2, -8, 0));
            insns.push(RawInsn::new(0x79, 3, 10, -8, 0));
            insns.push(RawInsn::new(0x79, 3, 3, 0, 0));
        }
        3 => {
            // One load through two pointers: an object of this chain, or the argument again.
            insns.push(RawInsn::new(0x85, 0, 0, 0, 7));
            insns.truncate(insns.len() - 1);
            insns.push(RawInsn::new(0x79, 4, 1, 0, 0));
            insns.push(RawInsn::new(0x25, 4, 0, 1, 5));
            insns.push(RawInsn::new(0xbf, 2, 10, 0, 0));
            insns.push(RawInsn::new(0x79, 3, 2, -8, 0));
        }
        _ => {}
    }
    insns.push(RawInsn::new(0xb7, 0, 0, 0, 0));
    insns.push(RawInsn::new(0x95, 0, 0, 0, 0));
    insns
}

#[test]
fn objects_are_walked_as_the_kernel_walks_them() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let seed = number("OXBPF_SEED").unwrap_or(now) | 1;
    let count = number("OXBPF_WALKS").unwrap_or(2000);
    println!("seed {seed}");
    let mut random = Random(seed);
    let (types, target) = (oracle.types().clone(), oracle.target());
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let named = |kind: Kind, prefix: &str| -> Vec<String> {
        let all = types.types().filter(|(_, t)| t.kind() == kind);
        all.filter_map(|(_, t)| t.name().strip_prefix(prefix).map(str::to_owned)).collect()
    };
    let tracepoints = named(Kind::Typedef, "btf_trace_");
    let iterators: Vec<String> =
        named(Kind::Func, "bpf_iter_").into_iter().filter(|n| model.iterator(n).is_some()).collect();
    let sizes: Vec<u32> = types
        .types()
        .filter_map(|(_, t)| if let Type::Struct(c) = t { Some(c.size) } else { None })
        .filter(|&s| s >= 8)
        .collect();
    let callbacks = types.find("tcp_congestion_ops", Kind::Struct);
    let (mut agree, mut unknown, mut accepts) = (0, 0, 0);
    let mut wrong = Vec::new();
    for _ in 0..count {
        let off = 8 * random.below(4) as i16;
        let mut program = Program::from_insns("walk", chain(&mut random, off, &sizes));
        program.license = "GPL".to_owned();
        program.prog_type = Some(ProgType::Tracing);
        let what = match (random.below(8), callbacks) {
            (0, Some(TypeId(id))) => {
                program.prog_type = Some(ProgType::StructOps);
                let index = random.below(10) as u32;
                program.struct_ops = Some(StructOpsMember {
                    type_name: "tcp_congestion_ops".to_owned(),
                    member: String::new(),
                    kernel: Some((TypeId(id), index)),
                });
                format!("callback {index}")
            }
            (1..=2, _) => {
                let name = &iterators[random.below(iterators.len() as u64) as usize];
                program.expected_attach_type = Some(AttachType::TraceIter);
                program.attach_target = Some(name.clone());
                if random.below(2) == 0 && name != "bpf_map_elem" {
                    program.flags.0 |= oxbpf::isa::program::ProgFlags::SLEEPABLE;
                }
                format!("iterator {name}")
            }
            _ => {
                let name = &tracepoints[random.below(tracepoints.len() as u64) as usize];
                program.expected_attach_type = Some(AttachType::TraceRawTp);
                program.attach_target = Some(name.clone());
                format!("tracepoint {name}")
            }
        };
        let (answer, _) = oracle.load(&program, 2).unwrap();
        let (judgement, log) = verify_logged(&program, &kernel, 2);
        let ours = match &judgement.verdict {
            Verdict::Accept => 0,
            Verdict::Reject(fault) => fault.errno(),
            Verdict::Unknown(_) => {
                unknown += 1;
                continue;
            }
        };
        // What is told line by line from the first instruction on.
        let essence = |log: &str| -> String {
            let lines = log.lines().skip_while(|l| !l.starts_with("0: R1=ctx()"));
            lines.filter(|l| !l.starts_with("verification time")).collect::<Vec<_>>().join("\n")
        };
        let same_words = essence(&log) == essence(&answer.log);
        if ours == answer.errno && same_words {
            agree += 1;
            continue;
        }
        accepts += u32::from(ours == 0 && answer.errno != 0);
        if ours != answer.errno || wrong.len() < 8 {
            wrong.push(format!(
                "{what} sleeps {:?}: errno {ours} for {}\n{log}\nKERNEL\n{}",
                program.flags, answer.errno, answer.log
            ));
        }
    }
    for text in wrong.iter().take(8) {
        println!("{text}");
    }
    println!("walks: agree {agree}, unknown {unknown}, differ {}, false accepts {accepts}", wrong.len());
    assert_eq!(accepts, 0);
    assert!(wrong.len() as u64 * 100 <= count, "more than one in a hundred differ");
}
