//! Small programs with what Linux 6.18 said of them: verdict, count and words.

use crate::{Feature, Judgement, Kernel, Verdict, verify_logged};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use oxbpf_isa::asm::{Syntax, assemble};
use oxbpf_isa::insn::RawInsn;
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_isa::program::{MapDef, Program};

fn program(text: &str, prog_type: ProgType) -> Program {
    let insns = assemble(text, Syntax::Kernel).unwrap_or_else(|e| panic!("{text}: {e}"));
    Program {
        prog_type: Some(prog_type),
        license: "GPL".into(),
        maps: vec![alloc::sync::Arc::new(MapDef {
            name: "m".into(),
            map_type: 2,
            key_size: 4,
            value_size: 8,
            max_entries: 4,
            ..MapDef::default()
        })],
        ..Program::from_insns("test", insns)
    }
}

fn judge(program: &Program, level: u32) -> (Judgement, String) {
    verify_logged(program, &Kernel::new(&KernelModel::latest()), level)
}

/// Text, program type, instructions processed, states kept.
const ACCEPTED: &[(&str, ProgType, u64, u64)] = &[
    ("r0 = 0\nexit", ProgType::Xdp, 2, 0),
    // Each comparison tells something new, so both sides of each are walked.
    (
        "call 7\nr1 = r0\nr1 = 0\nif r0 != 0x1 goto +1\nr2 = 0\nif r0 != 0x2 goto +1\nr2 = 0\n\
         if r0 != 0x3 goto +1\nr2 = 0\nif r0 != 0x4 goto +1\nr2 = 0\nif r0 != 0x5 goto +1\nr2 = 0\n\
         r0 = 0\nexit",
        ProgType::Xdp,
        35,
        4,
    ),
    // A packet is read as far as the comparison with its end has shown.
    (
        "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +4)\nr4 = r2\nr4 += 14\nr0 = 1\nif r4 > r3 goto +1\n\
         r0 = *(u8 *)(r2 +13)\nexit",
        ProgType::Xdp,
        9,
        1,
    ),
    // A spilled pointer comes back as one.
    ("*(u64 *)(r10 -8) = r1\nr2 = *(u64 *)(r10 -8)\nr0 = *(u32 *)(r2 +16)\nexit", ProgType::Xdp, 4, 0),
];

#[test]
fn accepted_programs_take_as_many_steps_as_in_the_kernel() {
    for &(text, prog_type, insns, states) in ACCEPTED {
        let (judgement, log) = judge(&program(text, prog_type), 2);
        assert_eq!(judgement.verdict, Verdict::Accept, "{text}\n{log}");
        assert_eq!((judgement.stats.insns, judgement.stats.total_states), (insns, states), "{text}\n{log}");
    }
}

/// Text, program type, the error number, the last words.
const REJECTED: &[(&str, ProgType, i32, &str)] = &[
    ("exit", ProgType::Xdp, 13, "R0 !read_ok"),
    ("r10 = 0\nr0 = 0\nexit", ProgType::Xdp, 13, "frame pointer is read only"),
    ("r0 = 1\nr0 /= 0\nexit", ProgType::Xdp, 22, "div by zero"),
    ("r0 = 1\nr0 <<= 64\nexit", ProgType::Xdp, 22, "invalid shift 64"),
    ("r0 = *(u32 *)(r1 +2)\nexit", ProgType::Xdp, 13, "invalid bpf_context access off=2 size=4"),
    (
        "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +0)\nexit",
        ProgType::Xdp,
        13,
        "R2 offset is outside of the packet",
    ),
    ("r2 = 1\nr0 = *(u8 *)(r2 +0)\nexit", ProgType::Xdp, 13, "R2 invalid mem access 'scalar'"),
    ("r0 = *(u64 *)(r10 +0)\nexit", ProgType::Xdp, 13, "invalid read from stack R10 off=0 size=8"),
    ("*(u64 *)(r10 -520) = 0\nr0 = 0\nexit", ProgType::Xdp, 13, "invalid write to stack R10 off=-520 size=8"),
    ("r1 += r1\nr0 = 0\nexit", ProgType::Xdp, 13, "R1 pointer += pointer prohibited"),
    ("r1 &= 8\nr0 = 0\nexit", ProgType::Xdp, 13, "R1 bitwise operator &= on pointer prohibited"),
    ("r10 -= 8\nr0 = 0\nexit", ProgType::Xdp, 13, "frame pointer is read only"),
    (
        "r0 = 5\nexit",
        ProgType::CgroupSkb,
        22,
        "At program exit the register R0 has smin=5 smax=5 should have been in [0, 1]",
    ),
    ("call 999\nexit", ProgType::Xdp, 22, "invalid func unknown#999"),
];

#[test]
fn refused_programs_are_refused_in_the_kernels_words() {
    for &(text, prog_type, errno, words) in REJECTED {
        let (judgement, log) = judge(&program(text, prog_type), 1);
        let Verdict::Reject(fault) = judgement.verdict else {
            panic!("{text}: {:?}\n{log}", judgement.verdict)
        };
        assert_eq!(fault.finding.entry().errno.number(), errno, "{text}");
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines[lines.len() - 2], words, "{text}\n{log}");
    }
}

#[test]
fn a_map_value_must_be_checked_for_null() {
    let mut insns: Vec<RawInsn> = Vec::new();
    let push = |insns: &mut Vec<RawInsn>, text: &str| insns.extend(assemble(text, Syntax::Kernel).unwrap());
    push(&mut insns, "call 7\n*(u32 *)(r10 -4) = r0\nr2 = r10\nr2 += -4");
    insns.extend([RawInsn::new(0x18, 1, 1, 0, 0), RawInsn::default()]);
    push(&mut insns, "call 1");
    let unchecked = [&insns[..], &assemble("r0 = *(u64 *)(r0 +0)\nexit", Syntax::Kernel).unwrap()].concat();
    let checked = "if r0 == 0x0 goto +1\nr0 = *(u64 *)(r0 +0)\nexit";
    let checked = [&insns[..], &assemble(checked, Syntax::Kernel).unwrap()].concat();
    let with = |insns| Program { insns, ..program("exit", ProgType::SocketFilter) };
    let (judgement, log) = judge(&with(unchecked), 1);
    assert!(matches!(judgement.verdict, Verdict::Reject(_)), "{log}");
    assert!(log.contains("R0 invalid mem access 'map_value_or_null'"), "{log}");
    assert_eq!(judge(&with(checked), 0).0.verdict, Verdict::Accept);
}

#[test]
fn an_endless_loop_is_found_and_a_bounded_one_walked() {
    let endless = "r0 = 0\nr1 = 0\nif r1 != 0x1 goto -1\nexit";
    let (judgement, log) = judge(&program(endless, ProgType::Xdp), 1);
    assert!(matches!(judgement.verdict, Verdict::Reject(_)), "{log}");
    assert!(log.contains("infinite loop detected at insn 2"), "{log}");
    let bounded = "r0 = 0\nr0 += 1\nif r0 < 0x64 goto -2\nr0 = 0\nexit";
    let (judgement, log) = judge(&program(bounded, ProgType::Xdp), 1);
    assert_eq!(judgement.verdict, Verdict::Accept, "{log}");
    assert_eq!((judgement.stats.insns, judgement.stats.total_states), (203, 6));
}

#[test]
fn what_has_no_model_is_unknown() {
    let mut p = program("r0 = 0\nexit", ProgType::Xdp);
    p.prog_type = None;
    assert_eq!(judge(&p, 0).0.verdict, Verdict::Unknown(Feature::ProgramType));
    // Which hook it is for can be looked up in the kernel's types only.
    let mut p = program("r0 = 0\nexit", ProgType::Lsm);
    p.attach_target = Some("file_open".into());
    assert_eq!(judge(&p, 0).0.verdict, Verdict::Unknown(Feature::KernelTypes));
}

#[test]
fn the_log_reads_as_the_kernels() {
    let (_, log) = judge(&program("r0 = 2\nr0 += 1\nexit", ProgType::Xdp), 2);
    let expected = "\
func#0 @0
Live regs before insn:
      0: .......... (b7) r0 = 2
      1: 0......... (07) r0 += 1
      2: 0......... (95) exit
0: R1=ctx() R10=fp0
0: (b7) r0 = 2                        ; R0=2
1: (07) r0 += 1                       ; R0=3
2: (95) exit
processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";
    assert_eq!(log, expected);
}
