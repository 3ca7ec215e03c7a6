//! The verifier's verdicts on real objects against what kernels said of them, for every version whose walk
//! is known.
//!
//! `OXBPF_ONLY` is a part of the names of the objects to look at, and `OXBPF_LOG` a program whose
//! whole log is printed. Into `OXBPF_LOG_DIR` go the whole logs of all.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, ProgType, sections};
use oxbpf::isa::program::ProgFlags;
use oxbpf::object::{Kconfig, LoadOptions, Loaded, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::logs::last_words;
use oxbpf_verifier::{Kernel, Verdict, WALKS, verify_logged};

/// How ours and the kernel's words on one program compare.
#[derive(Default, Clone, Copy)]
struct Tally {
    agree: u32,
    unknown: u32,
    false_reject: u32,
    false_accept: u32,
    accepted: u32,
    counts: u32,
    states: u32,
    rejected: u32,
    messages: u32,
    errnos: u32,
}

impl Tally {
    fn add(&mut self, o: &Tally) {
        self.agree += o.agree;
        self.unknown += o.unknown;
        self.false_reject += o.false_reject;
        self.false_accept += o.false_accept;
        self.accepted += o.accepted;
        self.counts += o.counts;
        self.states += o.states;
        self.rejected += o.rejected;
        self.messages += o.messages;
        self.errnos += o.errnos;
    }

    fn line(&self) -> String {
        format!(
            "agree {} unknown {} false reject {} FALSE ACCEPT {}; counts {}/{} states {}/{} messages {}/{} errnos {}/{}",
            self.agree,
            self.unknown,
            self.false_reject,
            self.false_accept,
            self.counts,
            self.accepted,
            self.states,
            self.accepted,
            self.messages,
            self.rejected,
            self.errnos,
            self.rejected
        )
    }
}

/// The tables' kernels, with their stable releases.
const ANSWERED_BY: [(KernelVersion, u8); 2] =
    [(KernelVersion::new(6, 12), 117), (KernelVersion::new(6, 18), 44)];

#[test]
fn verdicts_equal_the_kernels() {
    assert_eq!(ANSWERED_BY.map(|(version, _)| version), WALKS);
    let Some(objects) = corpus::objects() else { return };
    let accepts: Vec<u32> = ANSWERED_BY.iter().map(|of| false_accepts(&objects, *of)).collect();
    assert_eq!(accepts, [0; WALKS.len()], "false accepts");
}

fn false_accepts(objects: &[(String, PathBuf)], (version, patch): (KernelVersion, u8)) -> u32 {
    let (Some(rows), Some(target)) =
        (corpus::golden(&format!("verdicts-{version}.tsv")), corpus::core_target(&version.to_string()))
    else {
        return 0;
    };
    let only = std::env::var("OXBPF_ONLY").unwrap_or_default();
    let model = KernelModel::measured(version).unwrap();
    let mut expected: BTreeMap<&str, Vec<&Vec<String>>> = BTreeMap::new();
    for row in &rows {
        expected.entry(row[0].as_str()).or_default().push(row);
    }
    let objects: Vec<_> = objects.iter().filter(|(name, _)| name.contains(&only)).collect();
    let next = AtomicUsize::new(0);
    let config = corpus::host_config();
    let results: Mutex<Vec<(String, Tally, Vec<String>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let spawned = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, || {
                while let Some((name, path)) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(rows) = expected.get(name.as_str()) else { continue };
                    let (tally, notes) = judge(name, path, rows, (&target, &model, patch), config.as_ref());
                    results.lock().unwrap().push((name.clone(), tally, notes));
                }
            });
            spawned.unwrap();
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by(|a, b| a.0.cmp(&b.0));
    let (mut all, mut annotated) = (Tally::default(), Tally::default());
    for (name, tally, notes) in &results {
        all.add(tally);
        if name.starts_with("verifier_") {
            annotated.add(tally);
        }
        println!("{version} {name}: {}", tally.line());
        for note in notes {
            println!("  {note}");
        }
    }
    println!("verifier_* {version}: {}", annotated.line());
    println!("all {version}: {}", all.line());
    all.false_accept
}

fn judge(
    name: &str,
    path: &std::path::Path,
    rows: &[&Vec<String>],
    (target, model, patch): (&oxbpf::isa::btf::core::CoreTarget, &KernelModel, u8),
    config: Option<&Kconfig>,
) -> (Tally, Vec<String>) {
    let (mut tally, mut notes) = (Tally::default(), Vec::new());
    let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else {
        return (tally, notes);
    };
    for row in rows {
        let [_, program, _, prog_type, attach, flags, errno, insns, total, _, last] = &row[..] else {
            continue;
        };
        let Ok(errno) = errno.parse::<i32>() else { continue };
        if errno != 0 && (last.is_empty() || last == "-") {
            continue;
        }
        let Some((entry, _)) = object.programs().find(|(_, f)| f.name == *program) else { continue };
        // The kernel that answered, for objects that ask which it is.
        let options = LoadOptions {
            target: Some(target),
            kernel: Some(model),
            patch,
            config,
            ..LoadOptions::default()
        };
        let Ok(Loaded { program: mut loaded, unresolved }) = object.load(entry, &options) else {
            continue;
        };
        loaded.prog_type = prog_type.parse().ok().and_then(ProgType::from_number);
        loaded.expected_attach_type = attach.parse().ok().and_then(AttachType::from_number);
        loaded.flags = ProgFlags(loaded.flags.0 | flags.parse::<u32>().unwrap_or(0));
        // The table's flags leave out what the loader takes from the section's name.
        let named = sections::lookup(loaded.section.trim_start_matches('?'));
        if named.is_some_and(|s| s.def.flags.contains(sections::SectionFlags::SLEEPABLE)) {
            loaded.flags.0 |= ProgFlags::SLEEPABLE;
        }
        let wanted = std::env::var("OXBPF_LOG").is_ok_and(|p| p == *program);
        let logs = std::env::var_os("OXBPF_LOG_DIR");
        let level = match wanted || logs.is_some() {
            true => 2,
            false if errno == 0 => 0,
            false => 4,
        };
        let kernel = Kernel::new(model).with_types(Some(target));
        let started = std::time::Instant::now();
        let judged = catch_unwind(AssertUnwindSafe(|| verify_logged(&loaded, &kernel, level)));
        let took = started.elapsed();
        if took.as_secs() >= 5 {
            notes.push(format!("SLOW {program}: {took:?}"));
        }
        let Ok((judgement, log)) = judged else {
            notes.push(format!("PANIC {program}"));
            tally.false_reject += 1;
            continue;
        };
        if let Some(dir) = &logs {
            fs::write(std::path::Path::new(dir).join(format!("{name}.{program}")), &log).unwrap();
        }
        if wanted {
            println!("BEGIN {program}\n{log}END");
        }
        let accepted = errno == 0;
        match &judgement.verdict {
            Verdict::Unknown(feature) => {
                tally.unknown += 1;
                notes.push(format!("unknown {program}: {}", feature.name()));
            }
            // As the command has it: what nobody resolved was not seen as the kernel would see it.
            Verdict::Accept if !unresolved.is_empty() => tally.unknown += 1,
            Verdict::Reject(fault) if !unresolved.is_empty() && !fault.finding.entry().is_structural() => {
                tally.unknown += 1;
            }
            Verdict::Accept if accepted => {
                tally.agree += 1;
                tally.accepted += 1;
                let same = judgement.stats.insns.to_string() == *insns;
                tally.counts += same as u32;
                tally.states += (judgement.stats.total_states.to_string() == *total) as u32;
                if !same {
                    let ours = judgement.stats.insns;
                    notes.push(format!(
                        "count {program}: {ours} for {insns} (states {} for {total})",
                        judgement.stats.total_states
                    ));
                } else if judgement.stats.total_states.to_string() != *total {
                    notes.push(format!("states {program}: {} for {total}", judgement.stats.total_states));
                }
            }
            Verdict::Reject(fault) if !accepted => {
                tally.agree += 1;
                tally.rejected += 1;
                tally.errnos += (fault.errno() == errno) as u32;
                if fault.errno() != errno {
                    notes.push(format!("errno {program}: {} for {errno}: {fault}", fault.errno()));
                }
                let ours = &last_words(&log).replace('\t', " ");
                let same = ours == last_words(last);
                tally.messages += same as u32;
                if !same {
                    notes.push(format!("message {program}: {ours:?} ({fault}) for {last:?}"));
                }
            }
            Verdict::Reject(fault) => {
                tally.false_reject += 1;
                notes.push(format!("FALSE REJECT {program}: {fault} at {:?}", fault.insn));
            }
            Verdict::Accept => {
                tally.false_accept += 1;
                notes.push(format!("FALSE ACCEPT {program}: {last}"));
            }
        }
    }
    (tally, notes)
}
