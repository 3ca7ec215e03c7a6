//! Small programs with what Linux 6.18 said of them: verdict, count and words.

use crate::{Feature, Judgement, Kernel, Verdict, verify_logged};
use alloc::string::{String, ToString};
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
    // The second time round a slot holds what was not there the first time, and that counts.
    (
        "r0 = 0\n*(u32 *)(r10 -64) = 0\nmay_goto +2\n*(u64 *)(r10 -16) = 0\nif r0 s>= 0xffffffdd goto -3\nexit",
        ProgType::Xdp,
        11,
        2,
    ),
    // A number whose bytes stay where they are stays linked to its copy.
    (
        "call 7\nr6 = r0\nr0 = le64 r0\nif r0 > 0x7 goto +4\nr1 = r10\nr1 += -16\nr1 += r6\n\
         *(u8 *)(r1 +0) = 1\nr0 = 0\nexit",
        ProgType::Xdp,
        11,
        1,
    ),
    // A packet load takes everything as read, so the two states before the second differ.
    (
        "r6 = r1\nr0 = *(u16 *)skb[10]\nif r0 != 0x5 goto +1\n*(u64 *)(r10 -8) = r0\n\
         r0 = *(u16 *)skb[12]\nr0 = 0\nexit",
        ProgType::SchedCls,
        10,
        1,
    ),
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
    ("call 0\nexit", ProgType::Xdp, 22, "program of this type cannot use helper bpf_unspec#0"),
    ("r1 s/= 3\nr0 = 0\nexit", ProgType::Xdp, 13, "R1 pointer arithmetic with /= operator prohibited"),
    (
        "r3 = 0\nstore_release((u64 *)(r10 -12), r3)\nr0 = 0\nexit",
        ProgType::Xdp,
        13,
        "misaligned stack access off 0+0+-12 size 8",
    ),
    (
        "call pc+1\nexit\nr6 = r1\nr0 = *(u16 *)skb[10]\nexit",
        ProgType::SchedCls,
        22,
        "LD_ABS is not allowed in subprogs without BTF",
    ),
];

/// Slots that hold no instruction, and the last words.
const MALFORMED: &[(RawInsn, &str)] = &[
    // A jump looks at its register before it looks at the fields it does not use.
    (RawInsn::new(0x75, 7, 6, 0, 0), "R7 !read_ok"),
    (RawInsn::new(0x75, 1, 6, 0, 0), "BPF_JMP/JMP32 uses reserved fields"),
    (RawInsn::new(0xe5, 1, 0, 0, 0), "invalid may_goto imm 0"),
    (RawInsn::new(0xd3, 10, 1, -8, 0x40), "invalid atomic operand size"),
    (RawInsn::new(0xdb, 10, 1, -8, 0x42), "BPF_ATOMIC uses invalid atomic opcode 42"),
    (RawInsn::new(0xbf, 11, 12, 0, 0), "R12 is invalid"),
];

#[test]
fn slots_that_hold_no_instruction_are_refused_for_what_is_seen_first() {
    for &(insn, words) in MALFORMED {
        let mut insns = Vec::from([insn]);
        insns.extend(assemble("r0 = 0\nexit", Syntax::Kernel).unwrap());
        let (judgement, log) = judge(&Program { insns, ..program("exit", ProgType::Xdp) }, 1);
        assert!(matches!(judgement.verdict, Verdict::Reject(_)), "{insn:?}");
        assert!(log.lines().any(|line| line == words), "{insn:?}: {words}\n{log}");
    }
}

#[test]
fn refused_programs_are_refused_in_the_kernels_words() {
    for &(text, prog_type, errno, words) in REJECTED {
        let (judgement, log) = judge(&program(text, prog_type), 1);
        let Verdict::Reject(fault) = judgement.verdict else {
            panic!("{text}: {:?}\n{log}", judgement.verdict)
        };
        assert_eq!(fault.errno(), errno, "{text}");
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

/// A program whose map holds values of a number and a lock at 4.
fn with_lock(text_before: &str, text_after: &str) -> Program {
    use oxbpf_isa::btf::{BtfBuilder, IntEncoding, Member};
    use oxbpf_isa::insn::ByteOrder;
    let mut btf = BtfBuilder::new(ByteOrder::Little);
    let member = |name, ty, at: u32| Member { name, ty, bit_offset: 8 * at, bit_size: 0 };
    let int = btf.int("int", 4, IntEncoding(1)).unwrap();
    let lock = btf.structure("bpf_spin_lock", 4, &[member("val", int, 0)]).unwrap();
    let value = btf.structure("value", 8, &[member("count", int, 0), member("lock", lock, 4)]).unwrap();
    let map = MapDef {
        name: "m".into(),
        map_type: 2,
        key_size: 4,
        value_size: 8,
        max_entries: 4,
        key_type: int,
        value_type: value,
        btf: Some(alloc::sync::Arc::new(btf.build().unwrap())),
        ..MapDef::default()
    };
    let assembled = |text: &str| assemble(text, Syntax::Kernel).unwrap();
    let mut insns = assembled("r7 = r1\n*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4");
    insns.extend([RawInsn::new(0x18, 1, 1, 0, 0), RawInsn::default()]);
    insns.extend(assembled("call 1\nif r0 != 0x0 goto +1\nexit\nr6 = r0\nr1 = r0\nr1 += 4"));
    insns.extend(assembled(text_before));
    insns.extend(assembled(text_after));
    insns.extend(assembled("r0 = 0\nexit"));
    Program { insns, maps: vec![alloc::sync::Arc::new(map)], ..program("exit", ProgType::SchedCls) }
}

#[test]
fn locks_are_taken_and_given_back_as_in_the_kernel() {
    const UNLOCK: &str = "r1 = r6\nr1 += 4\ncall 94";
    let cases: &[(&str, &str, Option<&str>)] = &[
        ("call 93", UNLOCK, None),
        ("call 93\nr2 = *(u32 *)(r6 +0)", UNLOCK, None),
        (
            "call 93",
            "r0 = 0",
            Some("BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region"),
        ),
        ("r0 = 0", UNLOCK, Some("bpf_spin_unlock without taking a lock")),
        ("call 93\ncall 5", UNLOCK, Some("function calls are not allowed while holding a lock")),
        ("r1 += -4\ncall 93", UNLOCK, Some("off 0 doesn't point to 'struct bpf_spin_lock' that is at 4")),
        ("r2 = *(u32 *)(r6 +4)", "r0 = 0", Some("bpf_spin_lock cannot be accessed directly by load/store")),
    ];
    for &(before, after, words) in cases {
        let (judgement, log) = judge(&with_lock(before, after), 1);
        match words {
            None => assert_eq!(judgement.verdict, Verdict::Accept, "{before}\n{log}"),
            Some(words) => {
                let lines: Vec<&str> = log.lines().collect();
                assert!(matches!(judgement.verdict, Verdict::Reject(_)), "{before}\n{log}");
                assert_eq!(lines[lines.len() - 2], words, "{before}\n{log}");
            }
        }
    }
}

#[test]
fn the_walk_back_and_the_stack_stand_in_the_log() {
    let text = "call 7\nr9 = r0\n*(u64 *)(r10 -32) = 5\nr9 = atomic64_fetch_and((u64 *)(r10 -32), r9)\n\
        r9 &= 7\nr3 = r10\nr3 += r9\nr0 = 0\nexit";
    let (_, log) = judge(&program(text, ProgType::Xdp), 2);
    let expected = "\
6: (0f) r3 += r9
mark_precise: frame0: last_idx 6 first_idx 0 subseq_idx -1 
mark_precise: frame0: regs=r9 stack= before 5: (bf) r3 = r10
mark_precise: frame0: regs=r9 stack= before 4: (57) r9 &= 7
mark_precise: frame0: regs=r9 stack= before 3: (db) r9 = atomic64_fetch_and((u64 *)(r10 -32), r9)
mark_precise: frame0: regs=r9 stack= before 2: (7a) *(u64 *)(r10 -32) = 5
mark_precise: frame0: regs=r9 stack= before 1: (bf) r9 = r0
mark_precise: frame0: regs=r0 stack= before 0: (85) call bpf_get_prandom_u32#7
7: R3=fp5 R9=5
7: (b7) r0 = 0                        ; R0=0
8: (95) exit
(0) frame 0 insn 3 +live -32 
(0) frame 0 insn 3 +written -32 
(0) frame 0 insn 2 +written -32 
(0) frame 0 insn 1 +written -32 
(0) frame 0 insn 0 +written -32 
(0) live stack update done in 2 iterations
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
";
    assert!(log.ends_with(expected), "{log}");
    // At the lowest level what led to an accept is forgotten; the statistics have a level of their own.
    let (_, log) = judge(&program(text, ProgType::Xdp), 4);
    assert_eq!(log.lines().next(), Some("stack depth 32"));
}

/// Maps are counted when they are named first.
#[test]
fn a_program_names_at_most_64_maps() {
    let naming = |maps: usize| {
        let mut program = program("r0 = 0\nexit", ProgType::SocketFilter);
        let map = program.maps[0].clone();
        program.maps = vec![map; maps];
        let wide = |n: usize| {
            let first = RawInsn { code: 0x18, dst: 1, src: 1, imm: n as i32, ..RawInsn::default() };
            [first, RawInsn::default()]
        };
        // The first one twice.
        let named = [0].into_iter().chain(0..maps).flat_map(wide);
        program.insns = named.chain(program.insns).collect();
        let judgement = judge(&program, 0).0;
        match judgement.verdict {
            Verdict::Reject(rejection) => Some((rejection.errno(), rejection.finding.to_string())),
            Verdict::Accept => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(naming(64), None);
    let (errno, message) = naming(65).unwrap();
    assert_eq!(
        (errno, message.as_str()),
        (7, "The total number of maps per program has reached the limit of 64")
    );
}

/// Walks keep their frames in arrays.
#[test]
fn no_kernel_has_more_frames_than_a_walk() {
    for record in KernelModel::kernels() {
        let model = KernelModel::at(record.version).unwrap();
        assert!(model.limits().call_frames <= crate::state::MAX_FRAMES as u64, "{}", record.version);
    }
}
