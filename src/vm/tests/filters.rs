//! Classic filters as machine code: packets one by one, and many at once.

use super::*;
use oxbpf_isa::cbpf::text::{Form, parse_as};
use oxbpf_isa::cbpf::{Dialect, Filter, Packet as Described};

/// What filters do: lengths, loads at fixed places and behind others, arithmetic, several ways out.
const FILTERS: &[&str] = &[
    "ret #7",
    "ld len\nret a",
    "ldx len\ntxa\nret a",
    "ldb [0]\nret a",
    "ld [56]\nret a",
    "ldh [70]\nret a",
    "ldh [12]\njeq #0x800, l, drop\nl: ldb [23]\njeq #6, k, drop\nk: ret #262144\ndrop: ret #0",
    "ldxb 4*([14]&0xf)\nldh [x + 16]\nret a",
    "ldb [3]\ntax\nld [x + 60]\nret a",
    "ldb [1]\nst M[2]\nld len\nldx M[2]\nadd x\nret a",
    "ldb [59]\njeq #0, a, b\na: ldb [100]\nret a\nb: ld len\nret a",
];

fn data() -> Vec<Vec<u8>> {
    let bytes = |len: usize, step: usize| (0..len).map(|n| (n * step) as u8).collect::<Vec<u8>>();
    let mut all: Vec<_> = (0..130).map(|len| bytes(len, 1)).collect();
    all.extend([0, 59, 60, 61, 1514].map(|len| bytes(len, 0)));
    let mut tcp = bytes(80, 3);
    (tcp[12], tcp[13], tcp[14], tcp[23]) = (8, 0, 0x4f, 6);
    all.push(tcp);
    all
}

#[test]
fn many_at_once_are_what_they_are_one_by_one() {
    let data = data();
    let packets: Vec<_> = data.iter().map(|d| PacketRef::new(d, d.len() as u32 + 4)).collect();
    for (text, dialect) in FILTERS.iter().flat_map(|t| [Dialect::Socket, Dialect::Pcap].map(|d| (t, d))) {
        let program = parse_as(text, Form::Asm).unwrap_or_else(|e| panic!("{e}: {text}"));
        let filter = Filter::check(&program, dialect).unwrap_or_else(|e| panic!("{e}: {text}"));
        let mut compiled = PacketFilter::new(&filter).unwrap();
        let expected: Vec<u32> = packets
            .iter()
            .map(|p| {
                let mut described = Described::new(p.data());
                described.wire_len = p.wire_len();
                filter.run(&described)
            })
            .collect();
        let singly: Vec<u32> = packets.iter().map(|p| compiled.run(p.data(), p.wire_len())).collect();
        let mut verdicts = vec![!0; packets.len()];
        assert_eq!(compiled.run_batch(&packets, &mut verdicts), packets.len());
        assert_eq!((&singly, &verdicts), (&expected, &expected), "{text} {dialect:?}");
        // A clone shares the code.
        let mut other = compiled.clone();
        verdicts.fill(!0);
        other.run_batch(&packets, &mut verdicts);
        assert_eq!(verdicts, expected, "{text} {dialect:?}");
    }
}

#[test]
fn as_many_as_there_are_packets_and_places() {
    let filter = Filter::check(&parse_as("ld len\nret a", Form::Asm).unwrap(), Dialect::Pcap).unwrap();
    let mut compiled = PacketFilter::new(&filter).unwrap();
    let packets = [1, 2, 3].map(|len| PacketRef::new(&[0; 2], len));
    let mut verdicts = [9; 5];
    assert_eq!((compiled.run_batch(&packets, &mut verdicts), verdicts), (3, [1, 2, 3, 9, 9]));
    let mut verdicts = [9; 5];
    assert_eq!((compiled.run_batch(&packets, &mut verdicts[..2]), verdicts), (2, [1, 2, 9, 9, 9]));
    assert_eq!((compiled.run_batch(&[], &mut verdicts), verdicts), (0, [1, 2, 9, 9, 9]));
    assert_eq!(compiled.run_batch(&packets, &mut []), 0);
    assert!(compiled.batch_code().is_some());
}

#[test]
fn the_processor_is_the_packets() {
    for (text, expected) in
        [("ld #cpu\nret a", [0, 5, 4095]), ("ld #cpu\njeq #5, y, n\ny: ret #1\nn: ret #2", [2, 1, 2])]
    {
        let filter = Filter::check(&parse_as(text, Form::Asm).unwrap(), Dialect::Socket).unwrap();
        let mut compiled = PacketFilter::new(&filter).unwrap();
        let found = [0, 5, 4095].map(|cpu| {
            let mut packet = Described::new(&[0; 20]);
            packet.cpu = cpu;
            assert_eq!(compiled.run_packet(&packet), filter.run(&packet));
            compiled.run_packet(&packet)
        });
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn filters_that_ask_for_more_take_packets_one_by_one() {
    for text in ["ld #cpu\nret a", "ldb [0xfff00009]\nret a", "ld #proto\nret a"] {
        let program = parse_as(text, Form::Asm).unwrap_or_else(|e| panic!("{e}: {text}"));
        let filter = Filter::check(&program, Dialect::Socket).unwrap();
        let mut compiled = PacketFilter::new(&filter).unwrap();
        assert!(compiled.batch_code().is_none());
        let mut verdicts = [9; 2];
        let packets = [PacketRef::new(&[1; 60], 60), PacketRef::new(&[2; 60], 60)];
        compiled.run_batch(&packets, &mut verdicts);
        assert_eq!(verdicts, [1u8, 2].map(|n| compiled.run(&[n; 60], 60)));
    }
}
