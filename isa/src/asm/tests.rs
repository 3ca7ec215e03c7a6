use super::*;
use crate::disasm::{Dialect, Exact, Kernel, Llvm, Names, NoNames, Ubpf, to_string};
use crate::insn::tests::interesting_slots;
use crate::insn::{Callee, Imm64, Operand, Reg, Width};
use alloc::borrow::Cow;
use alloc::string::ToString;

fn one(text: &str, syntax: Syntax) -> Insn {
    let slots = assemble(text, syntax).unwrap_or_else(|e| panic!("{text}: {e}"));
    Insn::decode(&slots).unwrap()
}

/// Every instruction that decodes is read back from its text in every dialect.
fn reads_back(dialect: &dyn Dialect, syntax: Syntax) {
    let mut count = 0;
    for raw in interesting_slots() {
        for high in [0, 1, -7] {
            let Ok(insn) = Insn::decode(&[raw, RawInsn::new(0, 0, 0, 0, high)]) else { continue };
            // Fewer register pairs: the text of registers does not depend on the rest.
            if raw.dst > 2 && raw.src > 2 && raw.dst != 10 {
                continue;
            }
            let text = to_string(dialect, 0, &insn, &NoNames);
            let slots = assemble(&text, syntax).unwrap_or_else(|e| panic!("{text}: {e}"));
            let (first, second) = insn.encode();
            assert_eq!(slots.first(), Some(&first), "{text}");
            assert_eq!(slots.get(1).copied(), second, "{text}");
            count += 1;
            if insn.slots() == 1 {
                break;
            }
        }
    }
    assert!(count > 30_000, "{count}");
}

#[test]
fn kernel_text_reads_back() {
    reads_back(&Exact(Kernel), Syntax::Kernel);
}

#[test]
fn llvm_text_reads_back() {
    reads_back(&Exact(Llvm), Syntax::Llvm);
}

#[test]
fn ubpf_text_reads_back() {
    reads_back(&Ubpf, Syntax::Ubpf);
}

#[test]
fn any_syntax_reads_all_three() {
    reads_back(&Exact(Kernel), Syntax::Any);
    reads_back(&Exact(Llvm), Syntax::Any);
    reads_back(&Ubpf, Syntax::Any);
}

#[test]
fn bytes_that_are_no_instruction_read_back() {
    let raw = RawInsn::new(0xff, 3, 12, -2, 0x1234_5678);
    let mut text = alloc::string::String::new();
    Kernel.any(&mut text, 0, &[raw], &NoNames).unwrap();
    assert_eq!(text, ".bytes ff c3 fe ff 78 56 34 12 ; unknown opcode ff");
    assert_eq!(assemble(&text, Syntax::Any), Ok(alloc::vec![raw]));
}

#[test]
fn spellings_of_the_three_dialects() {
    let mov = Insn::Mov { width: Width::W64, dst: Reg::R1, src: Operand::Imm(-5) };
    for text in
        ["r1 = -5", "(b7) r1 = -5", "3: (b7) r1 = -5 ; R1=scalar()", "mov %r1, -0x5", "mov r1, -5 // x"]
    {
        assert_eq!(one(text, Syntax::Any), mov, "{text}");
    }
    let wide = Insn::LdImm64 { dst: Reg::R1, imm: Imm64::Const(5) };
    for text in ["r1 = 5 ll", "(18) r1 = 0x5", "lddw %r1, 5"] {
        assert_eq!(one(text, Syntax::Any), wide, "{text}");
    }
    assert_eq!(one("call bpf_map_lookup_elem#1", Syntax::Any), Insn::Call(Callee::Helper(1)));
    for text in ["call 0x1", "call bpf_map_lookup_elem", "call unknown#1", "call helper#1"] {
        assert_eq!(one(text, Syntax::Any), Insn::Call(Callee::Helper(1)), "{text}");
    }
    let labelled = "call bpf_map_lookup_elem\n exit\n bpf_map_lookup_elem: exit";
    assert_eq!(one(labelled, Syntax::Any), Insn::Call(Callee::Subprog(1)));
    assert_eq!(one("call pc+7", Syntax::Any), Insn::Call(Callee::Subprog(7)));
    assert_eq!(one("call %r2", Syntax::Any), Insn::Call(Callee::Reg(Reg::R2)));
    assert_eq!(
        one("if r1 == 0x5 goto +0x1 <.text+0x108>", Syntax::Any),
        one("(15) if r1 == 0x5 goto pc+1", Syntax::Any)
    );
}

/// Names of an embedder's own helpers.
struct Greet;

impl Names for Greet {
    fn helper(&self, id: i32) -> Option<Cow<'_, str>> {
        Some(if id == 1 { "bpf_map_lookup_elem".into() } else { "greet".into() })
    }
}

#[test]
fn exact_text_names_only_what_can_be_read() {
    for (id, text) in [(1, "(85) call bpf_map_lookup_elem#1"), (500, "call helper#500")] {
        let insn = Insn::Call(Callee::Helper(id));
        assert_eq!(to_string(&Exact(Kernel), 0, &insn, &Greet), text);
        assert_eq!(one(text, Syntax::Kernel), insn);
    }
}

/// What the kernel prints before it refuses an instruction.
#[test]
fn the_log_shows_slots_that_are_no_instruction() {
    let cases = [
        (RawInsn::new(0x07, 1, 3, 0, 8), "(07) r1 += 8"),
        (RawInsn::new(0x0f, 11, 15, 4, 8), "(0f) r11 += r15"),
        (RawInsn::new(0x3c, 1, 2, 1, 3), "(3c) w1 s/= w2"),
        (RawInsn::new(0x34, 1, 2, 9, 3), "(34) w1 /= 3"),
        (RawInsn::new(0xbf, 1, 2, -1, 0), "(bf) r1 = &(void __percpu *)(r2)"),
        (RawInsn::new(0xbc, 1, 2, 32, 0), "(bc) w1 = (s32)w2"),
        (RawInsn::new(0xd7, 1, 0, 0, 24), "(d7) r1 = bswap24 r1"),
        (RawInsn::new(0xdb, 1, 2, -8, 7), "BUG_db"),
        (RawInsn::new(0x1a, 0, 0, 0, 0), "BUG_st_1a"),
        (RawInsn::new(0x01, 0, 0, 0, 0), "BUG_ldx_01"),
        (RawInsn::new(0x08, 1, 0, 0, 0), "BUG_ld_08"),
        (RawInsn::new(0x18, 1, 9, 0, -1), "(18) r1 = 0xffffffff"),
        (RawInsn::new(0x85, 0, 2, 0, 7), "(85) call kernel-function#7"),
        (RawInsn::new(0x85, 0, 3, 0, 7), "(85) call unknown#7"),
        (RawInsn::new(0x85, 0, 0, 0, 0), "(85) call bpf_unspec#0"),
        (RawInsn::new(0xe5, 1, 1, -1, 2), "(e5) if r1 (null) 0x2 goto pc-1"),
    ];
    for (raw, expected) in cases {
        let mut text = alloc::string::String::new();
        assert_eq!(Kernel.log(&mut text, 0, &[raw], &NoNames), Ok(1));
        assert_eq!(text, expected, "{raw:?}");
    }
}

#[test]
fn labels_reach_both_ways() {
    let text = "start:\n r1 = 0 ll\n call local helper\n if r0 == 1 goto start\n goto end\nend: exit\nhelper:\n ja start\n";
    let slots = assemble(text, Syntax::Any).unwrap();
    assert_eq!(slots[2], RawInsn::new(0x85, 0, 1, 0, 3));
    assert_eq!(slots[3].off, -4);
    assert_eq!(slots[4].off, 0);
    assert_eq!(slots[6].off, -7);
    let to_exit = "jeq %r1, 1, exit\n exit\n mov %r0, 1\n exit";
    assert_eq!(assemble(to_exit, Syntax::Ubpf).unwrap()[0].off, 2);
    let own = "jeq %r1, 1, exit\n exit: mov %r0, 1\n exit";
    assert_eq!(assemble(own, Syntax::Ubpf).unwrap()[0].off, 0);
}

#[test]
fn faults_have_a_place() {
    let cases = [
        ("r11 = 0", 1, 1, Expected::Instruction),
        ("r1 = w2", 1, 6, Expected::SameWidth),
        ("exit\n  r1 += ", 2, 9, Expected::RegisterOrNumber),
        ("goto nowhere", 1, 6, Expected::KnownLabel),
        ("ja exit", 1, 4, Expected::KnownLabel),
        ("goto bpf_map_lookup_elem", 1, 6, Expected::KnownLabel),
        ("call local bpf_map_lookup_elem", 1, 12, Expected::KnownLabel),
        ("call bpf_nothing", 1, 6, Expected::KnownLabel),
        ("call bpf_map_lookup_elem#2", 1, 6, Expected::HelperNumber),
        ("call bpf_task_acquire#65895", 1, 6, Expected::HelperNumber),
        ("schön: exit exit", 1, 13, Expected::End),
        ("a: a: exit", 1, 1, Expected::NewLabel),
        ("r1 = 0x1ffffffff", 1, 6, Expected::NumberInRange),
        ("r1 = 1e5", 1, 6, Expected::Number),
        ("(bf) r1 = 5", 1, 1, Expected::SameOpcode),
        ("exit exit", 1, 6, Expected::End),
        ("r1 = \u{1}", 1, 6, Expected::Token),
        (".bytes 1 2", 1, 11, Expected::Bytes),
        ("ldxq %r1, [%r2]", 1, 1, Expected::Instruction),
        ("ldxw %r1, [%r2+40000]", 1, 15, Expected::NumberInRange),
    ];
    for (text, line, column, expected) in cases {
        assert_eq!(assemble(text, Syntax::Any), Err(AsmError { line, column, expected }), "{text}");
    }
    let error = assemble("exit\nr1 ?? 2", Syntax::Any).unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 4: expected a word, number or sign");
}

#[test]
fn a_label_out_of_reach_is_an_error() {
    let mut text = alloc::string::String::from("goto end\n");
    for _ in 0..40_000 {
        text.push_str("exit\n");
    }
    text.push_str("end: exit");
    let error = assemble(&text, Syntax::Any).unwrap_err();
    assert_eq!((error.line, error.expected), (1, Expected::NearLabel));
    assert!(assemble(&text.replace("goto end", "gotol end"), Syntax::Any).is_ok());
}
