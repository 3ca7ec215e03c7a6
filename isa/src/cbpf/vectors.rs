//! The classic vectors of the kernel's own test module (`lib/test_bpf.c`), when a dump of them is at
//! hand: `OXBPF_TEST_BPF` names a text file of records. A record is a line `test NAME`, then `flags`
//! (any of `nodata`, `fail`, `frag`), `program` in the words of `tcpdump -ddd` with commas between
//! instructions, `data` and `frag` in hexadecimal, and `run SIZE RESULT` for each packet.

extern crate std;

use super::convert::{self, Options, Reason};
use super::{Ancillary, Dialect, Filter, Packet, SockFilter, Vlan, payload_offset};
use crate::insn::RawInsn;
use alloc::string::String;
use alloc::vec::Vec;
use std::println;

#[derive(Default)]
struct Vector {
    name: String,
    flags: String,
    program: Vec<SockFilter>,
    data: Vec<u8>,
    frag: Vec<u8>,
    runs: Vec<(usize, u32)>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    digits.iter().map(|d| u8::from_str_radix(str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn instruction(text: &str) -> SockFilter {
    let fields: Vec<u32> = text.split(' ').map(|field| field.parse().unwrap()).collect();
    SockFilter::new(fields[0] as u16, fields[1] as u8, fields[2] as u8, fields[3])
}

fn vectors(text: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if key == "test" {
            vectors.push(Vector { name: value.into(), ..Vector::default() });
            continue;
        }
        let vector = vectors.last_mut().expect("a record starts with its name");
        match key {
            "flags" => vector.flags = value.into(),
            "program" => vector.program = value.split(',').map(instruction).collect(),
            "data" => vector.data = hex(value),
            "frag" => vector.frag = hex(value),
            "run" => {
                let (size, result) = value.split_once(' ').unwrap();
                vector.runs.push((size.parse().unwrap(), result.parse().unwrap()));
            }
            _ => {}
        }
    }
    vectors
}

/// The packet the test module makes: the fields of the socket buffer are fixed.
fn packet<'a>(vector: &Vector, size: usize, frame: &'a [u8]) -> Packet<'a> {
    let network = size.min(14);
    Packet {
        network: network as i32,
        link: Some(0),
        protocol: 0x0800,
        pkt_type: 3,
        ifindex: Some(577),
        hatype: Some(588),
        mark: 0x1234_aaaa,
        queue: 123,
        rxhash: 0x1234_aaab,
        vlan: Some(Vlan { tci: 0xffff, tpid: 0x0800 }),
        pay_offset: payload_offset(frame, network, 0x0800).unwrap_or(0),
        linear: !vector.flags.contains("frag"),
        ..Packet::new(frame)
    }
}

#[test]
fn the_kernel_s_classic_vectors() {
    let Some(path) = std::env::var_os("OXBPF_TEST_BPF") else {
        println!("skipped: OXBPF_TEST_BPF, a dump of the vectors of lib/test_bpf.c, is not set");
        return;
    };
    let vectors = vectors(&std::fs::read_to_string(path).unwrap());
    assert!(!vectors.is_empty());
    let (mut refused, mut runs) = (0, 0);
    for vector in &vectors {
        let checked = Filter::check(&vector.program, Dialect::Socket);
        let refused_for = checked.as_ref().err();
        assert_eq!(checked.is_err(), vector.flags.contains("fail"), "{}: {refused_for:?}", vector.name);
        let Ok(filter) = checked else {
            refused += 1;
            continue;
        };
        for &(size, expected) in &vector.runs {
            let mut frame = vector.data[..size.min(vector.data.len())].to_vec();
            if vector.flags.contains("frag") {
                frame.extend_from_slice(&vector.frag);
            }
            let verdict = filter.run(&packet(vector, size, &frame));
            assert_eq!(verdict, expected, "{} on {size} bytes", vector.name);
            runs += 1;
        }
        convertible(vector, &filter);
    }
    println!("{} vectors, {refused} refused as they should be, {runs} runs equal", vectors.len());
}

/// Every legal vector converts, but for the values only the kernel's own structures have.
fn convertible(vector: &Vector, filter: &Filter) {
    match convert::convert(filter, &Options::default()) {
        Ok(program) => {
            let jumps = |insn: &RawInsn| matches!(insn.code & 7, 5 | 6) && !matches!(insn.code, 0x85 | 0x95);
            for (at, insn) in program.iter().enumerate().filter(|(_, insn)| jumps(insn)) {
                let target = at as i64 + 1 + i64::from(insn.off);
                assert!((at as i64 + 1..program.len() as i64).contains(&target), "{}", vector.name);
            }
            assert_eq!(program.last().map(|insn| insn.code), Some(0x95), "{}", vector.name);
        }
        Err(error) => assert!(
            matches!(
                error.reason,
                Reason::NoSource(
                    Ancillary::HaType | Ancillary::NlAttr | Ancillary::NlAttrNest | Ancillary::PayOffset
                )
            ),
            "{}: {error}",
            vector.name
        ),
    }
}
