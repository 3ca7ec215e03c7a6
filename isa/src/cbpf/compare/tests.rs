use super::super::{Op, SockFilter, text};
use super::*;
use proptest::prelude::*;

fn filter(text: &str, dialect: Dialect) -> Filter {
    Filter::check(&text::parse(text).unwrap().program, dialect).unwrap()
}

fn answer(a: &str, b: &str, dialect: Dialect, question: Question) -> Comparison {
    let filters = [&filter(a, dialect), &filter(b, dialect)];
    compare(filters, question, &Setting::ETHERNET, &Limits::default())
}

/// `ip and tcp port 80` by libpcap, optimised and not.
const OPTIMISED: &str = "(000) ldh      [12]
(001) jeq      #0x800           jt 2\tjf 12
(002) ldb      [23]
(003) jeq      #0x6             jt 4\tjf 12
(004) ldh      [20]
(005) jset     #0x1fff          jt 12\tjf 6
(006) ldxb     4*([14]&0xf)
(007) ldh      [x + 14]
(008) jeq      #0x50            jt 11\tjf 9
(009) ldh      [x + 16]
(010) jeq      #0x50            jt 11\tjf 12
(011) ret      #262144
(012) ret      #0
";
const PLAIN: &str = "(000) ldh      [12]
(001) jeq      #0x800           jt 2\tjf 17
(002) ldh      [12]
(003) jeq      #0x800           jt 4\tjf 17
(004) ldb      [23]
(005) jeq      #0x6             jt 6\tjf 17
(006) ldh      [20]
(007) jset     #0x1fff          jt 17\tjf 8
(008) ldb      [14]
(009) and      #0xf
(010) lsh      #2
(011) tax
(012) ldh      [x + 14]
(013) jeq      #0x50            jt 16\tjf 14
(014) ldh      [x + 16]
(015) jeq      #0x50            jt 16\tjf 17
(016) ret      #262144
(017) ret      #0
";

#[test]
fn optimised_code_is_proved_equal() {
    for dialect in [Dialect::Socket, Dialect::Pcap] {
        for question in [Question::Match, Question::Verdict] {
            assert_eq!(answer(OPTIMISED, PLAIN, dialect, question), Comparison::Equal);
        }
    }
}

#[test]
fn a_difference_is_shown() {
    let other = PLAIN.replace("#0x50            jt 16\tjf 17", "#0x51            jt 16\tjf 17");
    let Comparison::Differ(witness) = answer(OPTIMISED, &other, Dialect::Pcap, Question::Match) else {
        panic!("they differ");
    };
    assert_eq!((witness.data.len(), witness.wire_len), (24, 24));
    assert_eq!(witness.data[12..14], [8, 0]);
    assert_eq!((witness.verdicts[0] == 0) as u8 + (witness.verdicts[1] == 0) as u8, 1);
    // The verdict alone.
    let other = PLAIN.replace("262144", "96");
    assert_eq!(answer(OPTIMISED, &other, Dialect::Pcap, Question::Match), Comparison::Equal);
    let Comparison::Differ(witness) = answer(OPTIMISED, &other, Dialect::Pcap, Question::Verdict) else {
        panic!("they differ");
    };
    assert_eq!(witness.verdicts, [262_144, 96]);
}

#[test]
fn another_order_differs_on_short_packets_only() {
    let a = "ldb [0]\njeq #1, yes\nldb [9]\njeq #1, yes\nret #0\nyes: ret #1\n";
    let b = "ldb [9]\njeq #1, yes\nldb [0]\njeq #1, yes\nret #0\nyes: ret #1\n";
    let Comparison::Differ(w) = answer(a, b, Dialect::Pcap, Question::Match) else { panic!("they differ") };
    assert_eq!(w.data, [1]);
    let filters = [&filter(a, Dialect::Pcap), &filter(b, Dialect::Pcap)];
    let long = Setting { shortest: 10, ..Setting::ETHERNET };
    assert_eq!(compare(filters, Question::Match, &long, &Limits::default()), Comparison::Equal);
}

#[test]
fn lengths_differ_in_meaning() {
    // The length on the wire under libpcap, that of the data under the kernel.
    let program = "ld #len\njge #100, yes\nret #0\nyes: ret #1\n";
    let filters = [&filter(program, Dialect::Socket), &filter(program, Dialect::Pcap)];
    let answer = compare(filters, Question::Match, &Setting::ETHERNET, &Limits::default());
    let Comparison::Differ(witness) = answer else { panic!("{answer:?}") };
    assert_eq!((witness.data.len(), witness.wire_len, witness.verdicts), (0, 100, [0, 1]));
}

#[test]
fn what_is_not_understood_is_unknown() {
    let random = "ld rand\nand #1\nret a\n";
    let unknown = answer(random, random, Dialect::Socket, Question::Match);
    let doubt = Doubt { insn: 0, reason: Reason::Ancillary(Ancillary::Random) };
    assert_eq!(unknown, Comparison::Unknown(Unknown::Filter { second: false, doubt }));
    let index = "ld [0]\ntax\nldb [x + 0]\nret a\n";
    let unknown = answer("ret #1\n", index, Dialect::Socket, Question::Verdict);
    // A difference before the load is found all the same.
    assert!(matches!(unknown, Comparison::Differ(w) if w.data.len() < 4));
    let unknown = answer(index, index, Dialect::Socket, Question::Verdict);
    let doubt = Doubt { insn: 2, reason: Reason::Index };
    assert_eq!(unknown, Comparison::Unknown(Unknown::Filter { second: false, doubt }));
    let limits = Limits { nodes: 60, ..Limits::default() };
    let both = [&filter(OPTIMISED, Dialect::Pcap), &filter(PLAIN, Dialect::Pcap)];
    let unknown = compare(both, Question::Match, &Setting::ETHERNET, &limits);
    assert_eq!(unknown, Comparison::Unknown(Unknown::Limit));
}

#[test]
fn ancillary_values_are_told() {
    let tagged = "ld vlan_pr\njeq #0, no\nld vlan_tci\njeq #5, yes\nno: ret #0\nyes: ret #1\n";
    let Comparison::Differ(w) = answer(tagged, "ret #0\n", Dialect::Socket, Question::Match) else {
        panic!("they differ");
    };
    assert!(w.ancillary.contains(&(Ancillary::VlanTag, Some(5))), "{w:?}");
    assert!(w.ancillary.contains(&(Ancillary::VlanPresent, Some(1))));
    let device = "ld #7\nld ifidx\nret #7\n";
    let Comparison::Differ(w) = answer(device, "ld ifidx\nret #7\n", Dialect::Socket, Question::Verdict)
    else {
        panic!("they differ");
    };
    assert_eq!((&w.ancillary[..], w.verdicts), (&[(Ancillary::IfIndex, None)][..], [7, 0]));
}

#[test]
fn system_calls_are_compared_too() {
    let a =
        "ld [4]\njne #0xc000003e, bad\nld [0]\njeq #1, ok\njeq #60, ok\nbad: ret #0\nok: ret #0x7fff0000\n";
    let b = "ld [0]\njeq #60, c\njeq #1, c\nret #0\nc: ld [4]\njeq #0xc000003e, ok\nret #0\nok: ret #0x7fff0000\n";
    let ask = |a: &str, b: &str| {
        let filters = [&filter(a, Dialect::Seccomp), &filter(b, Dialect::Seccomp)];
        compare_seccomp(filters, Arch::X86_64, &Limits::default())
    };
    assert_eq!(ask(a, b), Comparison::Equal);
    let Comparison::Differ(w) = ask(a, &b.replace("#60", "#61")) else { panic!("they differ") };
    assert_eq!((&w.data[..8], w.data.len()), (&[0, 0, 0, 60, 0xc0, 0, 0, 0x3e][..], 64));
    let mixed = compare_seccomp(
        [&filter(a, Dialect::Seccomp), &filter("ret #0\n", Dialect::Pcap)],
        Arch::X86_64,
        &Limits::default(),
    );
    assert!(matches!(mixed, Comparison::Unknown(Unknown::Filter { second: true, .. })));
}

#[test]
fn always_and_never() {
    let of = |text| matches(&filter(text, Dialect::Pcap), &Setting::ETHERNET, &Limits::default());
    assert_eq!(of(OPTIMISED), Matches::Sometimes);
    assert_eq!(of("ret #1\n"), Matches::Always);
    assert_eq!(of("ldb [0]\nret #1\n"), Matches::Sometimes);
    assert_eq!(of("ldb [0]\njgt #255, yes\nret #0\nyes: ret #1\n"), Matches::Never);
    assert_eq!(
        of("ldb [5]\nldb [3]\nadd #1\ntax\nld #5\ndiv x\njgt #5, no\nret #0\nno: ret #1\n"),
        Matches::Never
    );
}

fn program() -> impl Strategy<Value = Vec<SockFilter>> {
    let ops: Vec<Op> = Op::ALL.iter().copied().filter(|op| op.in_socket()).collect();
    let k = prop_oneof![
        0..12u32,
        (0..16u32).prop_map(|n| 0xffff_f000 + 4 * n),
        (0..8u32).prop_map(|n| 0xfff0_0000 + n),
        (0..8u32).prop_map(|n| 0xffe0_0000 + n),
        any::<u32>(),
    ];
    let insn = (proptest::sample::select(ops), 0..4u8, 0..4u8, k)
        .prop_map(|(op, jt, jf, k)| SockFilter::new(op.code(), jt, jf, k));
    prop::collection::vec(insn, 1..9).prop_map(|mut program| {
        // Whatever is read was written, and the end is an end.
        let mut all = vec![SockFilter::stmt(0x80, 0), SockFilter::stmt(0x07, 0)];
        for insn in &mut program {
            match insn.code {
                0x60 | 0x61 | 0x02 | 0x03 => insn.k = 0,
                0x64 | 0x74 => insn.k &= 31,
                0x34 | 0x94 => insn.k |= 1,
                0x05 => insn.k &= 3,
                0x50 | 0x48 | 0x40 => insn.k &= 0xfff0_000f,
                _ => {}
            }
        }
        all.push(SockFilter::stmt(0x02, 0));
        all.extend(program);
        all.extend([SockFilter::stmt(0x16, 0); 4]);
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A filter and the same with one instruction changed: what is said of them holds on packets.
    #[test]
    fn answers_hold_on_packets(
        a in program(),
        at in 3..10usize,
        by in program(),
        pcap: bool,
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..24), any::<u32>()), 40),
    ) {
        let mut b = a.clone();
        let at = at.min(b.len() - 5);
        b[at] = by[3.min(by.len() - 5)];
        let dialect = if pcap { Dialect::Pcap } else { Dialect::Socket };
        let (Ok(a), Ok(b)) = (Filter::check(&a, dialect), Filter::check(&b, dialect)) else { return Ok(()) };
        let limits = Limits { nodes: 1 << 16, values: 64, ..Limits::default() };
        let setting = Setting::ETHERNET;
        for question in [Question::Match, Question::Verdict] {
            let answer = compare([&a, &b], question, &setting, &limits);
            prop_assert_ne!(&answer, &Comparison::Unknown(Unknown::Unconfirmed));
            let sure = answer == Comparison::Equal;
            for (data, word) in &packets {
                let packet = Packet {
                    network: 14,
                    link: Some(0),
                    wire_len: data.len() as u32 + (word & 7),
                    protocol: *word as u16,
                    pkt_type: *word as u8,
                    ifindex: Some(*word & 3),
                    hatype: Some(1),
                    mark: *word,
                    vlan: (*word & 8 != 0).then_some(Vlan { tci: 5, tpid: 0x8100 }),
                    ..Packet::new(data)
                };
                let (a, b) = (a.run(&packet), b.run(&packet));
                let same = if question == Question::Match { (a == 0) == (b == 0) } else { a == b };
                prop_assert!(same || !sure, "{a} {b} {data:?}");
            }
        }
    }
}
