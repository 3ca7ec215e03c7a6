//! Programs of bare instructions from elsewhere, judged by us and by the running kernel.
//!
//! `OXBPF_RAW` is a file in the form that [`oxbpf_conformance::raw`] describes.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;

use oxbpf::isa::btf::Kind;
use oxbpf_conformance::corpus;
use oxbpf_conformance::logs::last_words;
use oxbpf_conformance::oracle::{Oracle, running_model};
use oxbpf_conformance::raw;
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

#[test]
fn raw_programs_are_judged_as_the_kernel_judges_them() {
    let Some(path) = corpus::directory("OXBPF_RAW", "programs of bare instructions") else { return };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let tests = raw::read(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    let target = oracle.target();
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    for test in tests {
        let mut count = |what| *tally.entry(what).or_default() += 1;
        let Some(mut program) = test.program else {
            count("not described");
            continue;
        };
        for (slot, name) in &test.kfuncs {
            let id = oracle.types().find(name, Kind::Func).map_or(0, |id| id.0 as i32);
            if let Some(insn) = program.insns.get_mut(*slot) {
                insn.imm = id;
            }
        }
        let Ok((answer, _)) = oracle.load(&program, 4) else {
            count("cannot be loaded");
            continue;
        };
        if answer.errno != 0 && answer.log.is_empty() {
            count("refused without a word");
            continue;
        }
        let (ours, log) = verify_logged(&program, &kernel, 4);
        let name = &test.name;
        match (&ours.verdict, answer.errno) {
            (Verdict::Unknown(feature), _) => {
                count("unknown");
                println!("unknown {name}: {}", feature.name());
            }
            (Verdict::Accept, 0) => {
                count("agree");
                count("accepted");
                let same =
                    ours.stats.insns == answer.processed && ours.stats.total_states == answer.total_states;
                count(if same { "same counts" } else { "other counts" });
                if !same {
                    println!("counts {name}: {:?} for {}", ours.stats, answer.processed);
                }
            }
            (Verdict::Reject(fault), errno @ 1..) => {
                if fault.errno() != errno {
                    count("other errno");
                    println!("errno {name}: {} for {errno}: {fault}", fault.errno());
                }
                count("agree");
                count("rejected");
                let (ours, theirs) = (last_words(&log), last_words(&answer.log));
                count(if ours == theirs { "same words" } else { "other words" });
                if ours != theirs {
                    println!("words {name}: {ours:?} for {theirs:?}");
                }
            }
            (Verdict::Accept, errno) => {
                count("false accept");
                println!("FALSE ACCEPT {name}: errno {errno}, {}", last_words(&answer.log));
            }
            (Verdict::Reject(fault), _) => {
                count("false reject");
                println!("FALSE REJECT {name}: {fault}");
            }
        }
    }
    println!("raw: {tally:?}");
    let of = |what| tally.get(what).copied().unwrap_or(0);
    assert_eq!(of("false accept"), 0);
    let opinions = of("agree") + of("false reject");
    assert!(of("agree") * 100 >= opinions * 98, "verdicts differ");
}
