//! Programs that the running kernel refuses to whoever asks (at functions and LSM hooks), judged
//! with the types of Linux 6.12 and held against what that kernel said of them.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, ProgType, sections};
use oxbpf::isa::program::ProgFlags;
use oxbpf::object::{LoadOptions, Loaded, Object};
use oxbpf_conformance::corpus;
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

/// Tracing, extension and LSM programs.
const TYPES: [&str; 3] = ["26", "28", "29"];

#[test]
fn programs_refused_here_are_judged_as_6_12_judged_them() {
    let (Some(objects), Some(rows), Some(target)) =
        (corpus::objects(), corpus::golden("verdicts-6.12.tsv"), corpus::core_target("6.12"))
    else {
        return;
    };
    let Some(here) = corpus::golden("verdicts-6.18.tsv") else { return };
    // A refusal without a word is no verdict.
    let is_silent = |r: &Vec<String>| r[6] != "0" && matches!(r[10].as_str(), "" | "-");
    let refused: BTreeMap<(&str, &str), ()> =
        here.iter().filter(|r| is_silent(r)).map(|r| ((r[0].as_str(), r[1].as_str()), ())).collect();
    let only = std::env::var("OXBPF_ONLY").unwrap_or_default();
    let model = KernelModel::at(KernelVersion::new(6, 18)).unwrap();
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let (mut agree, mut differ, mut accepts) = (0, Vec::new(), Vec::new());
    let mut unknown: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut counts, mut messages) = ((0, 0), (0, 0));
    for row in &rows {
        let silent = is_silent(row);
        if !TYPES.contains(&row[3].as_str()) || silent || !row[0].contains(&only) {
            continue;
        }
        if !refused.contains_key(&(row[0].as_str(), row[1].as_str())) {
            continue;
        }
        let Some((_, path)) = objects.iter().find(|(name, _)| *name == row[0]) else { continue };
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        let Some((entry, _)) = object.programs().find(|(_, f)| f.name == row[1]) else { continue };
        let options = LoadOptions { target: Some(&target), ..LoadOptions::default() };
        let Ok(Loaded { mut program, unresolved }) = object.load(entry, &options) else { continue };
        program.prog_type = row[3].parse().ok().and_then(ProgType::from_number);
        program.expected_attach_type = row[4].parse().ok().and_then(AttachType::from_number);
        program.flags = ProgFlags(program.flags.0 | row[5].parse::<u32>().unwrap_or(0));
        let named = sections::lookup(program.section.trim_start_matches('?'));
        if named.is_some_and(|s| s.def.flags.contains(sections::SectionFlags::SLEEPABLE)) {
            program.flags.0 |= ProgFlags::SLEEPABLE;
        }
        let wanted = std::env::var("OXBPF_LOG").is_ok_and(|p| p == row[1]);
        let level = if wanted { 2 } else { 1 };
        let judged = catch_unwind(AssertUnwindSafe(|| verify_logged(&program, &kernel, level)));
        let Ok((judgement, log)) = judged else {
            differ.push(format!("PANIC {} {}", row[0], row[1]));
            continue;
        };
        if wanted {
            println!("BEGIN {}\n{log}END", row[1]);
        }
        let name = format!("{} {} ({})", row[0], row[1], row[2]);
        let said = &row[10];
        match judgement.verdict {
            Verdict::Unknown(feature) => {
                println!("  unknown {name}: {}", feature.name());
                *unknown.entry(feature.name()).or_default() += 1;
            }
            _ if !unresolved.is_empty() => *unknown.entry("unresolved").or_default() += 1,
            Verdict::Accept if row[6] == "0" => {
                agree += 1;
                counts.1 += 1;
                counts.0 += u32::from(judgement.stats.insns.to_string() == row[7]);
            }
            Verdict::Reject(fault) if row[6] != "0" => {
                agree += 1;
                messages.1 += 1;
                let last = log.lines().rev().nth(1).unwrap_or("").replace('\t', " ");
                let same = last == *said;
                messages.0 += u32::from(same);
                if !same {
                    println!("  message {name}: {last} ({fault}) for {said}");
                }
            }
            Verdict::Accept => accepts.push(format!("{name}: accepted for {said}")),
            Verdict::Reject(fault) => differ.push(format!("{name}: {fault} where 6.12 accepts")),
        }
    }
    for line in differ.iter().chain(&accepts) {
        println!("  {line}");
    }
    println!(
        "refused here: agree {agree}, differ {}, accepted where 6.12 refuses {}, unknown {unknown:?}; counts \
         {counts:?}, messages {messages:?}",
        differ.len(),
        accepts.len()
    );
    let judged = agree + differ.len() + accepts.len();
    assert!(agree * 100 >= judged * 97, "{agree} of {judged}");
}
