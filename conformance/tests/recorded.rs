//! Random small programs with what Linux 6.18 answered, for machines where the kernel cannot be asked.
//!
//! `recorded/random-6.18.tsv` has a program's seed, the error number with which it was refused (0 for
//! accepted), how many instructions were processed, how many states were made in all, and the last
//! words of the log of a refused one. With `BLESS=1`, where bpf(2) is allowed, the kernel is asked
//! again; that is to be done when the generator has changed.

use oxbpf::isa::kernel::{KernelModel, KernelVersion};
use oxbpf_conformance::logs::{last_words, same_words};
use oxbpf_conformance::random::program;
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

const RECORDED: &str = include_str!("../recorded/random-6.18.tsv");
/// At most so many of a thousand are unknown: these are judged without the kernel's types.
const UNKNOWN: usize = 10;

fn model() -> KernelModel {
    KernelModel::measured(KernelVersion::new(6, 18)).unwrap()
}

#[test]
fn recorded_programs_are_judged_as_the_kernel_judged_them() {
    if std::env::var_os("BLESS").is_some_and(|v| v == "1") {
        return record();
    }
    let model = model();
    let (mut rows, mut unknown, mut differences) = (0, 0, Vec::new());
    for line in RECORDED.lines().filter(|l| !l.starts_with('#')) {
        let row: Vec<&str> = line.splitn(5, '\t').collect();
        let [seed, errno, insns, states, words] = row[..] else { panic!("not five columns: {line}") };
        let drawn = program(seed.parse().unwrap(), &model);
        let (judgement, log) = verify_logged(&drawn, &Kernel::new(&model), 4);
        let ours = match &judgement.verdict {
            Verdict::Accept => 0,
            Verdict::Reject(fault) => fault.errno(),
            Verdict::Unknown(_) => {
                unknown += 1;
                continue;
            }
        };
        rows += 1;
        let same = errno == ours.to_string()
            && insns == judgement.stats.insns.to_string()
            && match ours {
                0 => states == judgement.stats.total_states.to_string(),
                _ => same_words(last_words(&log), words),
            };
        if !same {
            let stats = &judgement.stats;
            let words = last_words(&log);
            differences.push(format!(
                "expected {line}\n     got {seed}\t{ours}\t{}\t{}\t{words}",
                stats.insns, stats.total_states
            ));
        }
    }
    println!("recorded: {rows} programs equal or not, {} differ, {unknown} unknown", differences.len());
    assert!(rows > 2000, "few programs are recorded");
    assert!(unknown * 1000 <= UNKNOWN * (rows + unknown), "{unknown} of {rows} are unknown");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[cfg(target_os = "linux")]
fn record() {
    use oxbpf_conformance::oracle::Oracle;
    use std::fmt::Write;

    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    const PROGRAMS: u64 = 3000;
    let model = model();
    let mut out = String::from("# seed\terrno\tinsns\ttotal_states\tlast words of a refusal\n");
    for seed in 1..=PROGRAMS {
        let Ok((answer, _)) = oracle.load(&program(seed, &model), 4) else { continue };
        // Neither the verifier nor the program is to blame for these.
        if matches!(answer.errno, 4 | 11 | 12 | 24) && answer.log.is_empty() {
            continue;
        }
        let words = if answer.errno == 0 { "" } else { last_words(&answer.log) };
        writeln!(out, "{seed}\t{}\t{}\t{}\t{words}", answer.errno, answer.processed, answer.total_states)
            .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/recorded/random-6.18.tsv");
    std::fs::write(path, out).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn record() {
    println!("skipped: there is no Linux to ask");
}
