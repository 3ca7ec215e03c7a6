//! The file tests of runs, which were blessed from the machine's own engines, held against the running
//! kernel by BPF_PROG_TEST_RUN: R0 of every case that it loads, both halves.
//!
//! A case on memory runs as a program of the type that takes any memory for its context, or else on the
//! value of a map; R0 comes back in 32 bits, so a second program gives the upper half. What the kernel does
//! not load, and what it cannot be given, is counted by reason. Skipped, with the reason, where bpf(2) is not allowed.
#![cfg(target_os = "linux")]

use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::{MapType, ProgType};
use oxbpf::isa::program::{MapDef, ProgFlags, Program};
use oxbpf_conformance::filetest::{Case, FileTest, Given};
use oxbpf_conformance::oracle::Oracle;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The shortest packet that the kernel runs programs on: an Ethernet header.
const SHORTEST: usize = 14;

/// The program, as the callee of one that gives the lower or the upper half of what it gives; called with
/// its caller's context, or with the address of the value of its last map.
fn half(program: &Program, upper: bool, on_value: bool) -> Program {
    let mut insns = Vec::new();
    if on_value {
        insns.push(RawInsn::new(0x18, 1, 2, 0, program.maps.len() as i32 - 1));
        insns.push(RawInsn::new(0, 0, 0, 0, 0));
    }
    insns.push(RawInsn::new(0x85, 0, 1, 0, if upper { 2 } else { 1 }));
    if upper {
        insns.push(RawInsn::new(0x77, 0, 0, 0, 32));
    }
    insns.push(RawInsn::new(0x95, 0, 0, 0, 0));
    insns.extend(&program.insns);
    Program { insns, ..program.clone() }
}

/// Loads a program and runs it once.
fn run(oracle: &Oracle, program: &Program, packet: &[u8], context: &[u8]) -> Result<u32, String> {
    let (answer, loaded) = oracle.load(program, 1).map_err(|e| format!("not made: {e}"))?;
    let Some(loaded) = loaded else {
        let line = answer.log.lines().rev().find(|l| !l.starts_with("processed ")).unwrap_or("");
        return Err(format!("not loaded: {}", general(line)));
    };
    loaded.test_run(packet, context).map(|r| r.retval).map_err(|e| format!("not run: {e}"))
}

/// What the kernel makes of a run: R0, or why there is none.
fn kernel(oracle: &Oracle, program: &Program, given: &Given) -> Result<u64, String> {
    let halves = |program: &Program, context: &[u8], on_value| -> Result<u64, String> {
        let lower = run(oracle, &half(program, false, on_value), &[], context)?;
        Ok(u64::from(run(oracle, &half(program, true, on_value), &[], context)?) << 32 | u64::from(lower))
    };
    match given {
        Given::Packet(bytes) if bytes.len() < SHORTEST => Err("a packet too short for the kernel".to_owned()),
        // Packet loads leave functions in ways of their own, so these are run as they are.
        Given::Packet(bytes) => run(oracle, program, bytes, &[]).map(u64::from),
        Given::Memory(bytes) => halves(program, bytes, false).or_else(|_| {
            let value = MapDef {
                name: "memory".to_owned(),
                map_type: MapType::Array.number(),
                key_size: 4,
                value_size: bytes.len() as u32,
                max_entries: 1,
                data: Some(bytes.as_slice().into()),
                ..MapDef::default()
            };
            let mut program = program.clone();
            program.maps.push(Arc::new(value));
            halves(&program, &[], true)
        }),
        Given::Nothing => halves(program, &[], false),
    }
}

/// A message without its numbers.
fn general(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect();
    while text.contains("NN") {
        text = text.replace("NN", "N");
    }
    text
}

fn runs(case: &Case) -> impl Iterator<Item = (&str, &str)> {
    case.whole.iter().filter_map(|(_, text)| {
        let (input, result) = text.strip_prefix("run:")?.split_once("=>")?;
        Some((input.trim(), result.trim()))
    })
}

#[test]
fn runs_give_what_they_give_in_the_kernel() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/filetests/run");
    let mut left_out: BTreeMap<String, u32> = BTreeMap::new();
    let (mut agree, mut differ) = (0, Vec::new());
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "bpft")) {
        let test = FileTest::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in &test.cases {
            for (input, result) in runs(case) {
                let Some(expected) = result.strip_prefix("r0=0x") else {
                    *left_out
                        .entry(format!("ends here in a {}", result.split(" at ").next().unwrap()))
                        .or_default() += 1;
                    continue;
                };
                let expected = u64::from_str_radix(expected, 16).unwrap();
                let given = Given::parse(input).unwrap();
                let (insns, _) = case.assemble().unwrap();
                let mut program = Program::from_insns("run", insns);
                program.license.clone_from(&case.setting.license);
                program.maps.clone_from(&case.setting.maps);
                program.prog_type = Some(match (&given, case.setting.prog) {
                    (Given::Packet(_), prog) => prog.unwrap_or(ProgType::SchedCls),
                    _ => ProgType::Syscall,
                });
                if program.prog_type == Some(ProgType::Syscall) {
                    program.flags = ProgFlags(ProgFlags::SLEEPABLE);
                }
                // The kernel tells the lower half of what programs on packets return.
                let mask = if matches!(given, Given::Packet(_)) { u64::from(u32::MAX) } else { u64::MAX };
                match kernel(&oracle, &program, &given) {
                    Ok(found) if found == expected & mask => agree += 1,
                    // Since Linux 6.15 it is the clock that says when `may_goto` goes.
                    Ok(_) if case.code.contains("may_goto") => {
                        *left_out.entry("goes on for as long as the clock says".to_owned()).or_default() += 1;
                    }
                    Ok(found) => differ.push(format!(
                        "{}: {}: {input} => r0={expected:#x}, in the kernel {found:#x}",
                        path.file_name().unwrap().display(),
                        case.name
                    )),
                    Err(reason) => *left_out.entry(reason).or_default() += 1,
                }
            }
        }
    }
    println!("{agree} runs end as in the kernel; left out:");
    for (reason, count) in &left_out {
        println!("{count:5} {reason}");
    }
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(agree > 20, "{agree} runs were compared");
}
