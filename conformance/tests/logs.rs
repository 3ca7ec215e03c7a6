//! Whole logs on real objects, line for line against the running kernel's.
//!
//! `OXBPF_ONLY` is a part of the names of the objects to look at (`verifier_` unless told), and
//! `OXBPF_SHOW` how many of the logs that differ are shown from where they part, `OXBPF_LEVEL` the
//! one level to look at. Programs that the
//! running kernel refuses to look at here, for want of privilege or of something else that is not
//! the program, are left out and counted.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;

use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, ProgType, sections};
use oxbpf::isa::program::{ProgFlags, Program};
use oxbpf::object::{LoadOptions, Loaded, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::logs::{first_difference, lines, same};
use oxbpf_conformance::oracle::Oracle;
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

/// Programs that take more instructions say the same again and again.
const MOST_PROCESSED: u64 = 5000;

#[derive(Default, Debug)]
struct Share {
    equal: u32,
    all: u32,
}

impl Share {
    fn add(&mut self, equal: bool) {
        self.equal += equal as u32;
        self.all += 1;
    }

    fn percent(&self) -> f64 {
        100.0 * f64::from(self.equal) / f64::from(self.all.max(1))
    }
}

struct Judge<'a> {
    oracle: &'a Oracle,
    kernel: Kernel<'a>,
    show: u32,
    levels: Vec<u32>,
    left_out: u32,
    /// Programs whose types the kernel refuses, so that loaders leave them out.
    untyped: u32,
    unknown: u32,
    /// By log level and whether the program is accepted.
    shares: BTreeMap<(u32, bool), Share>,
}

impl Judge<'_> {
    fn program(&mut self, name: &str, program: &Program) {
        for &level in &self.levels {
            let Ok((answer, _)) = self.oracle.load(program, level) else {
                self.left_out += 1;
                return;
            };
            if answer.processed > MOST_PROCESSED || answer.errno != 0 && lines(&answer.log).count() < 2 {
                self.left_out += 1;
                return;
            }
            let (ours, log) = verify_logged(program, &self.kernel, level);
            if let Verdict::Unknown(_) = ours.verdict {
                self.unknown += 1;
                return;
            }
            let equal = same(&log, &answer.log);
            self.shares.entry((level, answer.errno == 0)).or_default().add(equal);
            if !equal && self.show > 0 {
                self.show -= 1;
                println!("--- {name} at level {level}: {:?}, errno {}", ours.verdict, answer.errno);
                print!("{}", first_difference(&log, &answer.log));
            }
        }
    }
}

#[test]
fn logs_equal_the_kernels() {
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) else {
        return;
    };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let only = std::env::var("OXBPF_ONLY").unwrap_or_else(|_| "verifier_".to_owned());
    let show = std::env::var("OXBPF_SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let levels = match std::env::var("OXBPF_LEVEL").ok().and_then(|n| n.parse().ok()) {
        Some(level) => vec![level],
        None => vec![1, 2, 4],
    };
    let target = oracle.target();
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let mut judge = Judge {
        oracle: &oracle,
        kernel,
        show,
        levels,
        left_out: 0,
        untyped: 0,
        unknown: 0,
        shares: BTreeMap::new(),
    };
    for (name, path) in objects.iter().filter(|(name, _)| name.contains(&only)) {
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        for row in rows.iter().filter(|row| row[0] == *name) {
            let [_, program, _, prog_type, attach, flags, errno, .., last] = &row[..] else { continue };
            let Ok(errno) = errno.parse::<i32>() else { continue };
            if errno != 0 && (last.is_empty() || last == "-") {
                continue;
            }
            let Some((entry, _)) = object.programs().find(|(_, f)| f.name == *program) else { continue };
            let options = LoadOptions { target: Some(&target), ..LoadOptions::default() };
            let Ok(Loaded { program: mut loaded, unresolved }) = object.load(entry, &options) else {
                continue;
            };
            if !unresolved.is_empty() {
                continue;
            }
            loaded.prog_type = prog_type.parse().ok().and_then(ProgType::from_number);
            loaded.expected_attach_type = attach.parse().ok().and_then(AttachType::from_number);
            loaded.flags = ProgFlags(loaded.flags.0 | flags.parse::<u32>().unwrap_or(0));
            let named = sections::lookup(loaded.section.trim_start_matches('?'));
            if named.is_some_and(|s| s.def.flags.contains(sections::SectionFlags::SLEEPABLE)) {
                loaded.flags.0 |= ProgFlags::SLEEPABLE;
            }
            if !oracle.takes_types(&loaded) {
                loaded.btf = None;
                (loaded.funcs, loaded.lines) = (Vec::new(), Vec::new());
                judge.untyped += 1;
            }
            judge.program(&format!("{name} {program}"), &loaded);
        }
    }
    println!("{} left out, {} unknown, {} without types", judge.left_out, judge.unknown, judge.untyped);
    for ((level, accepted), share) in &judge.shares {
        let what = if *accepted { "accepted" } else { "rejected" };
        println!(
            "level {level}, {what}: {} of {} logs equal, {:.1} %",
            share.equal,
            share.all,
            share.percent()
        );
    }
    for ((level, accepted), share) in &judge.shares {
        assert!(share.percent() >= 80.0, "level {level}, accepted {accepted}: {:.1} %", share.percent());
    }
}
