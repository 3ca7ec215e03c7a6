//! Every form says every program it can say, and says where a text is wrong.

use super::*;
use crate::cbpf::Insn;
use alloc::format;
use alloc::string::ToString;
use proptest::prelude::*;

/// Instructions of known opcodes, with zero in the fields they do not use, whose jumps stay inside.
fn program() -> impl Strategy<Value = Vec<SockFilter>> {
    let k = prop_oneof![
        any::<u32>(),
        0..64u32,
        (0..18u32).prop_map(|n| 0xffff_f000 + 4 * n),
        0xffef_ffff..0xfff0_0010u32
    ];
    let insn = (0..Op::ALL.len(), any::<u8>(), any::<u8>(), k);
    prop::collection::vec(insn, 1..40).prop_map(|rows| {
        let len = rows.len();
        let legal = |(at, (op, jt, jf, k)): (usize, (usize, u8, u8, u32))| {
            let left = len - at - 1;
            let inside = |skip: u32| skip % left.clamp(1, 200) as u32;
            // A last instruction whose code differs in the two byte orders tells them apart.
            let code = if left == 0 { Op::RetK.code() } else { Op::ALL[op].code() };
            let k = if code == Op::Ja.code() { inside(k) } else { k };
            let raw = SockFilter::new(code, inside(jt.into()) as u8, inside(jf.into()) as u8, k);
            Insn::decode(raw).unwrap().encode()
        };
        rows.into_iter().enumerate().map(legal).collect()
    })
}

const TEXT_FORMS: [Form; 6] =
    [Form::Tcpdump, Form::C, Form::Decimal, Form::OneLine, Form::Asm, Form::SeccompTools];

proptest! {
    #[test]
    fn every_form_gives_the_program_back(program in program()) {
        for form in TEXT_FORMS {
            let text = write(&program, form).unwrap();
            prop_assert_eq!(detect(text.as_bytes()), Some(form), "{}", text);
            let read = read(text.as_bytes());
            prop_assert_eq!(&read, &Ok(Parsed { program: program.clone(), form }), "{}", text);
        }
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let bytes = SockFilter::bytes(&program, order);
            prop_assert_eq!(read(&bytes), Ok(Parsed { program: program.clone(), form: Form::Raw(order) }));
        }
    }

    #[test]
    fn no_text_panics(text in "[ -~\n]{0,80}", form in 0..TEXT_FORMS.len()) {
        let _ = parse_as(&text, TEXT_FORMS[form]);
        let _ = read(text.as_bytes());
    }

    #[test]
    fn no_damaged_program_panics(program in program(), form in 0..TEXT_FORMS.len(), at in any::<usize>(), c in any::<char>()) {
        let mut text: Vec<char> = write(&program, TEXT_FORMS[form]).unwrap().chars().collect();
        let at = at % text.len();
        text[at] = c;
        let text: String = text.into_iter().collect();
        let _ = read(text.as_bytes());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&bytes);
    }
}

/// What tcpdump 4.99 with libpcap 1.10 prints for `ip and tcp` on Ethernet, with a snapshot length of
/// 96, and the same program in the other forms.
#[test]
fn one_program_in_all_forms() {
    let texts = [
        (
            Form::Tcpdump,
            "(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 5\n(002) ldb      [23]\n\
             (003) jeq      #0x6             jt 4\tjf 5\n(004) ret      #96\n(005) ret      #0\n",
        ),
        (
            Form::C,
            "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 3, 0x00000800 },\n{ 0x30, 0, 0, 0x00000017 },\n\
             { 0x15, 0, 1, 0x00000006 },\n{ 0x6, 0, 0, 0x00000060 },\n{ 0x6, 0, 0, 0x00000000 },\n",
        ),
        (Form::Decimal, "6\n40 0 0 12\n21 0 3 2048\n48 0 0 23\n21 0 1 6\n6 0 0 96\n6 0 0 0\n"),
        (Form::OneLine, "6,40 0 0 12,21 0 3 2048,48 0 0 23,21 0 1 6,6 0 0 96,6 0 0 0\n"),
        (
            Form::Asm,
            "\tldh [12]\n\tjeq #0x800, l2, l5\nl2:\tldb [23]\n\tjeq #0x6, l4, l5\nl4:\tret #0x60\n\
             l5:\tret #0x0\n",
        ),
    ];
    let program = parse_as(texts[0].1, Form::Tcpdump).unwrap();
    for (form, text) in texts {
        assert_eq!(parse(text).unwrap(), Parsed { program: program.clone(), form });
        assert_eq!(write(&program, form).unwrap(), text);
    }
}

#[test]
fn seccomp_tools_listing_names_what_it_can() {
    let listing = " line  CODE  JT   JF      K\n=================================\n \
        0000: 0x20 0x00 0x00 0x00000004  A = arch\n \
        0001: 0x15 0x00 0x05 0xc000003e  if (A != ARCH_X86_64) goto 0007\n \
        0002: 0x20 0x00 0x00 0x00000000  A = sys_number\n \
        0003: 0x35 0x03 0x00 0x40000000  if (A >= 0x40000000) goto 0007\n \
        0004: 0x15 0x01 0x00 0x0000003b  if (A == execve) goto 0006\n \
        0005: 0x06 0x00 0x00 0x7fff0000  return ALLOW\n \
        0006: 0x06 0x00 0x00 0x00050001  return ERRNO(1)\n \
        0007: 0x06 0x00 0x00 0x00000000  return KILL\n";
    let parsed = parse(listing).unwrap();
    assert_eq!(parsed.form, Form::SeccompTools);
    assert_eq!(write(&parsed.program, Form::SeccompTools).unwrap(), listing);
}

/// The example of the kernel's documentation, and the corners of the grammar.
#[test]
fn bpf_asm_grammar() {
    let assembled = |text: &str| write(&parse_as(text, Form::Asm).unwrap(), Form::OneLine).unwrap();
    let cases = [
        (
            "ldh [12]\njne #0x806, drop\nret #-1\ndrop: ret #0",
            "4,40 0 0 12,21 0 1 2054,6 0 0 4294967295,6 0 0 0\n",
        ),
        ("ld vlan_tci ret a", "2,32 0 0 4294963244,22 0 0 0\n"),
        ("LDB #Proto\nret %a", "2,48 0 0 4294963200,22 0 0 0\n"),
        ("; c\n# line\n ld #len /* a\nb */ ldx len\nret x", "3,128 0 0 0,129 0 0 0,14 0 0 0\n"),
        ("ldxb 4*([14]&0xf) ldx 4 * ( [ 14 ] & 15 ) ret #0b11", "3,177 0 0 14,177 0 0 14,6 0 0 3\n"),
        (
            "ldb [x + 0x10] ldh [%x+4] ld [x + -1] ret #010",
            "4,80 0 0 16,72 0 0 4,64 0 0 4294967295,6 0 0 8\n",
        ),
        (
            "st M[3] ldx M[3] ldi 5 ldxi #6 ld #7 neg ret a",
            "7,2 0 0 3,97 0 0 3,0 0 0 5,1 0 0 6,0 0 0 7,132 0 0 0,22 0 0 0\n",
        ),
        (
            "jlt #5, l1 jle x, l1 jset #1, l1 ja l1 l1: ret a",
            "5,53 0 3 5,45 0 2 0,69 1 0 1,5 0 0 0,22 0 0 0\n",
        ),
        ("lsh %x rsh #3 mod x tax txa ret #0", "6,108 0 0 0,116 0 0 3,156 0 0 0,7 0 0 0,135 0 0 0,6 0 0 0\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(assembled(text), expected, "{text}");
    }
}

#[test]
fn errors_say_where() {
    let far = format!("jeq #0, end\n{}end: ret #0", "neg\n".repeat(256));
    let cases: &[(&str, &str)] = &[
        ("ldh [12]\n  jeq #1, nowhere\nret #0", "line 2, column 11: label \"nowhere\" is not defined"),
        (
            "back: ld #1\njeq x, back\nret #0",
            "line 2, column 8: a branch over -2 instructions; it can skip 0 to 255",
        ),
        (&far, "line 1, column 9: a branch over 256 instructions; it can skip 0 to 255"),
        ("l1: ret #0\nl1: ret #1", "line 2, column 1: label \"l1\" is defined twice"),
        ("ret #0\nl1:", "line 2, column 4: expected an instruction after the label"),
        ("ldq [0]", "line 1, column 1: no instruction \"ldq\" with such operands"),
        ("ld [12\nret #0", "line 2, column 1: expected ]"),
        ("ret #4294967296", "line 1, column 6: the number does not fit 32 bits"),
        ("ret #09", "line 1, column 6: expected a number"),
        ("/* no end", "line 1, column 1: expected */"),
        ("(000) ldh [12]\n(002) ret #0", "line 2, column 1: instruction numbered 2, expected 1"),
        (
            "(000) jeq #0x1 jt 0\tjf 1",
            "line 1, column 19: a branch over -1 instructions; it can skip 0 to 255",
        ),
        (
            "(000) unimp    0x1234",
            "line 1, column 7: opcode 0x1234 is unknown, and the listing does not tell its constant",
        ),
        ("2\n6 0 0 0\n", "line 1, column 1: 1 instructions, where the text says 2"),
        ("1,6 0 256 0", "line 1, column 7: the number does not fit 8 bits"),
        ("1,6 0 0 0 6 0 0 0", "line 1, column 11: expected ,"),
        ("{ 0x6, 0, 0 }", "line 1, column 13: expected ,"),
        (" 0000: 0x06 0x00 0x00 0x100000000  x", "line 1, column 23: the number does not fit 32 bits"),
        ("", "line 1, column 1: no instructions"),
        ("; only a comment", "line 1, column 17: no instructions"),
    ];
    for (text, expected) in cases {
        assert_eq!(read_text_error(text), *expected, "{text}");
    }
    assert_eq!(
        read(&[6, 0, 0]).unwrap_err().to_string(),
        "byte 0: neither text nor instructions of eight bytes each"
    );
}

fn read_text_error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn writers_refuse_what_they_cannot_say() {
    let unknown = [SockFilter::stmt(0x1234, 7)];
    assert_eq!(write(&unknown, Form::Asm), Err(WriteError::Opcode { insn: 0, code: 0x1234 }));
    assert_eq!(write(&unknown, Form::Tcpdump).unwrap(), "(000) unimp    0x1234\n");
    let astray = [SockFilter::stmt(5, 9)];
    assert_eq!(write(&astray, Form::Asm), Err(WriteError::Target { insn: 0 }));
    assert_eq!(write(&astray, Form::Raw(ByteOrder::Little)), Err(WriteError::NotText));
}
