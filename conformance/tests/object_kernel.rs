//! Prepared programs, handed to the running kernel: it must say of them what it said when libbpf
//! handed them over. That holds maps, types and line information too, not only instructions.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, HashMap};
use std::fs;

use oxbpf::isa::btf::{Kind, Type};
use oxbpf::isa::kernel::{KernelModel, KernelVersion};
use oxbpf::isa::program::Program;
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::oracle::Oracle;

/// The flags that tags of the corpus ask for.
fn tagged_flags(program: &Program) -> u32 {
    let Some(btf) = &program.btf else { return 0 };
    let Some(id) = btf.find(&program.name, Kind::Func) else { return 0 };
    let mut flags = 0;
    for (_, ty) in btf.types() {
        let Type::DeclTag { name, target, component: None, .. } = ty else { continue };
        let Some(value) = name.strip_prefix("comment:test_prog_flags=").filter(|_| target == id) else {
            continue;
        };
        let (clear, value) = value.strip_prefix('!').map_or((false, value), |v| (true, v));
        let bits = match value {
            "BPF_F_STRICT_ALIGNMENT" => 1,
            "BPF_F_ANY_ALIGNMENT" => 2,
            "BPF_F_TEST_RND_HI32" => 4,
            "BPF_F_TEST_STATE_FREQ" => 8,
            "BPF_F_SLEEPABLE" => 16,
            "BPF_F_XDP_HAS_FRAGS" => 32,
            "BPF_F_TEST_REG_INVARIANTS" => 128,
            number => number.parse().unwrap_or(0),
        };
        flags = if clear { flags & !bits } else { flags | bits };
    }
    flags
}

#[test]
fn the_kernel_takes_prepared_programs_as_libbpfs() {
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) else {
        return;
    };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let expected: HashMap<(&str, &str), &Vec<String>> =
        rows.iter().map(|r| ((r[0].as_str(), r[1].as_str()), r)).collect();
    let target = oracle.target();
    let model = KernelModel::at(KernelVersion::new(6, 18));
    let (addresses, config) = (corpus::addresses(), corpus::configuration());
    let options = LoadOptions {
        target: Some(&target),
        kernel: model.as_ref(),
        addresses: addresses.as_ref(),
        config: config.as_ref(),
        ..LoadOptions::default()
    };
    let (mut equal, mut counted) = (0, 0);
    let mut unlike = BTreeMap::new();
    for (name, path) in &objects {
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        let Ok(prepared) = object.prepare(&options) else { continue };
        for (_, loaded) in prepared.programs() {
            let Ok(mut loaded) = loaded else { continue };
            let program = &mut loaded.program;
            let Some(row) = expected.get(&(name.as_str(), program.name.as_str())) else { continue };
            program.flags.0 |= tagged_flags(program);
            let verdict: i32 = row[6].parse().unwrap_or(-1);
            // A refusal without a word is not the verifier's.
            if verdict != 0 && row[10] == "-" {
                continue;
            }
            match oracle.load(program, 4) {
                Ok((answer, _)) => {
                    counted += 1;
                    let ours = (answer.errno == 0, answer.processed);
                    let theirs = (verdict == 0, row[7].parse().unwrap_or(0));
                    if ours == theirs {
                        equal += 1;
                    } else {
                        let last = answer.log.lines().rev().nth(1).unwrap_or("").to_owned();
                        unlike.insert(
                            format!("{name} {}", program.name),
                            format!(
                                "errno {} {} insns for {verdict} {} ({}): {last}",
                                answer.errno, ours.1, row[7], row[10]
                            ),
                        );
                    }
                }
                Err(e) => {
                    unlike.insert(format!("{name} {}", program.name), format!("map: {e}"));
                }
            }
        }
    }
    for (program, line) in &unlike {
        println!("{program}: {line}");
    }
    println!("verdicts through the kernel: {equal} of {counted} equal, {} unlike", unlike.len());
    assert!(counted > 2900 && equal * 1000 >= counted * 995);
}
