//! Programs of the corpus that the table of answers says nothing of but an error number: the loader of
//! the table never showed them to the kernel, or not by themselves. They are prepared by our own loader,
//! shown to the running kernel, and held against what it says: verdict, error number, last words, count.
//!
//! `OXBPF_ONLY` is a part of the names of the objects to look at, and `OXBPF_LOG` a program whose logs are
//! compared. Into `OXBPF_LOG_DIR` go both. `OXBPF_PROBES` is a directory of objects of one's own, whose programs are
//! asked for in the same way.

use std::collections::BTreeMap;
use std::fs;

use oxbpf::isa::kernel::{AttachType, MapType, ProgType, sections};
use oxbpf::isa::program::ProgFlags;
use oxbpf::object::{LoadOptions, Loaded, MapChange, MapName, Object};
use oxbpf_conformance::logs::last_words;
use oxbpf_conformance::oracle::{Oracle, running_model};
use oxbpf_conformance::{corpus, logs};
use oxbpf_verifier::report::Finding;
use oxbpf_verifier::{Kernel, Verdict, verify_logged};

/// The last number of the running kernel's version.
const ANSWERED_BY: u8 = 44;

#[derive(Default)]
struct Tally {
    /// Our loader, or the kernel for a map, refuses what comes before the program.
    not_prepared: u32,
    not_created: u32,
    /// The kernel answers without a word.
    wordless: u32,
    agree: u32,
    accepted: u32,
    unknown: u32,
    false_rejects: u32,
    false_accepts: u32,
    /// The verdict is the same, and a count, an error number or the words are not.
    details: u32,
    notes: Vec<String>,
    reasons: BTreeMap<String, u32>,
}

#[test]
fn programs_without_a_recorded_word_are_judged_as_by_the_kernel() {
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) else {
        return;
    };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let only = std::env::var("OXBPF_ONLY").unwrap_or_default();
    let target = oracle.target();
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let mut of_object: BTreeMap<&str, Vec<&Vec<String>>> = BTreeMap::new();
    for row in &rows {
        let unsaid = row.len() == 11 && row[6] != "0" && matches!(row[10].as_str(), "" | "-");
        if unsaid && row[0].contains(&only) {
            of_object.entry(row[0].as_str()).or_default().push(row);
        }
    }
    let (config, addresses) = (corpus::host_config(), addresses());
    let mut tally = Tally::default();
    for (name, path) in &objects {
        let Some(rows) = of_object.remove(name.as_str()) else { continue };
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else {
            tally.not_prepared += rows.len() as u32;
            *tally.reasons.entry("no object".to_owned()).or_default() += rows.len() as u32;
            continue;
        };
        let maps = changes(&object);
        let options = LoadOptions {
            target: Some(&target),
            kernel: Some(&model),
            patch: ANSWERED_BY,
            config: config.as_ref(),
            addresses: addresses.as_ref(),
            maps: &maps,
            ..LoadOptions::default()
        };
        for row in rows {
            let (program, prog_type, attach, flags) = (&row[1], &row[3], &row[4], &row[5]);
            let what = format!("{name} {program}");
            let Some((entry, _)) = object.programs().find(|(_, f)| f.name == *program) else {
                tally.not_prepared += 1;
                *tally.reasons.entry(format!("{name}: no program {program}")).or_default() += 1;
                continue;
            };
            let Loaded { program: mut loaded, unresolved } = match object.load(entry, &options) {
                Ok(loaded) => loaded,
                Err(error) => {
                    tally.not_prepared += 1;
                    *tally.reasons.entry(format!("{name}: {error}")).or_default() += 1;
                    continue;
                }
            };
            if !unresolved.is_empty() {
                tally.not_prepared += 1;
                *tally.reasons.entry(format!("{name}: {}", unresolved[0])).or_default() += 1;
                continue;
            }
            loaded.prog_type = prog_type.parse().ok().and_then(ProgType::from_number).or(loaded.prog_type);
            let attach = attach.parse().ok().and_then(AttachType::from_number);
            loaded.expected_attach_type = attach.or(loaded.expected_attach_type);
            loaded.flags = ProgFlags(loaded.flags.0 | flags.parse::<u32>().unwrap_or(0));
            let named = sections::lookup(loaded.section.trim_start_matches('?'));
            if named.is_some_and(|s| s.def.flags.contains(sections::SectionFlags::SLEEPABLE)) {
                loaded.flags.0 |= ProgFlags::SLEEPABLE;
            }
            let (answer, _) = match oracle.load(&loaded, 2) {
                Ok(answer) => answer,
                Err(error) => {
                    tally.not_created += 1;
                    *tally.reasons.entry(format!("{name}: {error}")).or_default() += 1;
                    continue;
                }
            };
            if answer.log.is_empty() {
                tally.wordless += 1;
                continue;
            }
            let level = if answer.errno == 0 { 0 } else { 4 };
            let (judgement, log) = verify_logged(&loaded, &kernel, level);
            // A loader would not have asked.
            if let Verdict::Reject(fault) = &judgement.verdict
                && matches!(*fault.finding, Finding::MissingTarget { .. } | Finding::NoTarget)
            {
                tally.not_prepared += 1;
                continue;
            }
            if std::env::var("OXBPF_LOG").is_ok_and(|p| p == *program) {
                let ours = verify_logged(&loaded, &kernel, 2).1;
                println!("{}", logs::first_difference(&ours, &answer.log));
                if let Some(dir) = std::env::var_os("OXBPF_LOG_DIR") {
                    let dir = std::path::Path::new(&dir);
                    fs::write(dir.join(format!("{program}.ours")), ours).unwrap();
                    fs::write(dir.join(format!("{program}.kernel")), &answer.log).unwrap();
                }
            }
            compare(&mut tally, &what, &judgement, &log, &answer);
        }
    }
    println!(
        "{} agree ({} accepted), {} unknown, {} false rejects, FALSE ACCEPT {}, {} differ in more than that; \
         not asked: {} not prepared, {} with maps refused, {} without a word",
        tally.agree,
        tally.accepted,
        tally.unknown,
        tally.false_rejects,
        tally.false_accepts,
        tally.details,
        tally.not_prepared,
        tally.not_created,
        tally.wordless
    );
    for (name, rows) in of_object {
        println!("  not asked ({}): {name} is not in the corpus", rows.len());
    }
    for note in &tally.notes {
        println!("  {note}");
    }
    for (reason, count) in &tally.reasons {
        println!("  not asked ({count}): {reason}");
    }
    assert_eq!(tally.false_accepts, 0, "false accepts");
}

/// The running kernel's symbols, where they may be seen.
fn addresses() -> Option<BTreeMap<String, u64>> {
    let text = fs::read_to_string("/proc/kallsyms").ok()?;
    let symbol = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((words.nth(1)?.to_owned(), address))
    };
    let all: BTreeMap<String, u64> = text.lines().filter_map(symbol).collect();
    all.values().any(|&address| address != 0).then_some(all)
}

/// What the programs that come with these objects set before they load them: sizes that stand open.
fn changes(object: &Object) -> Vec<MapChange> {
    let mut changes = Vec::new();
    for map in object.maps() {
        let (def, mut change) = (&map.def, MapChange::new(MapName::Name(map.def.name.clone())));
        let Some(kind) = def.kind() else { continue };
        use MapType as M;
        let counts = !matches!(
            kind,
            M::SkStorage
                | M::InodeStorage
                | M::TaskStorage
                | M::CgrpStorage
                | M::CgroupStorage
                | M::PercpuCgroupStorage
                | M::PerfEventArray
                | M::StructOps
        );
        if counts && def.max_entries == 0 {
            change.max_entries = Some(if matches!(kind, M::Ringbuf | M::UserRingbuf) { 4096 } else { 128 });
        }
        let has_value = !matches!(kind, M::Ringbuf | M::UserRingbuf | M::Arena);
        if has_value && def.value_size == 0 {
            change.value_size = Some(if kind == M::StackTrace { 1016 } else { 8 });
        }
        if change != MapChange::new(change.map.clone()) {
            changes.push(change);
        }
    }
    changes
}

/// Objects of one's own, every program as its section says.
#[test]
fn probes_are_judged_as_by_the_kernel() {
    let Some(dir) = std::env::var_os("OXBPF_PROBES") else {
        return println!("skipped: OXBPF_PROBES names no directory of objects");
    };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let target = oracle.target();
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let options = LoadOptions { target: Some(&target), kernel: Some(&model), ..LoadOptions::default() };
    let mut tally = Tally::default();
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "o"));
    paths.sort();
    for path in paths {
        let name = corpus::object_name(&path);
        let object = Object::parse(fs::read(&path).unwrap(), &name).unwrap();
        for (entry, function) in object.programs() {
            let what = format!("{name} {}", function.name);
            let loaded = object.load(entry, &options).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(loaded.unresolved.is_empty(), "{what}: {:?}", loaded.unresolved);
            let answer = match oracle.load(&loaded.program, 2) {
                Ok((answer, _)) => answer,
                Err(error) => {
                    tally.not_created += 1;
                    tally.notes.push(format!("maps of {what}: {error}"));
                    continue;
                }
            };
            let (judgement, log) = verify_logged(&loaded.program, &kernel, 2);
            compare(&mut tally, &what, &judgement, &log, &answer);
            if !logs::same(&log, &answer.log) && !matches!(judgement.verdict, Verdict::Unknown(_)) {
                tally.wordless += 1;
                tally.notes.push(format!("log {what}:\n{}", logs::first_difference(&log, &answer.log)));
            }
        }
    }
    println!(
        "{} agree ({} accepted), {} unknown, {} false rejects, FALSE ACCEPT {}, {} differ in more than that, \
         {} logs differ, {} with maps refused",
        tally.agree,
        tally.accepted,
        tally.unknown,
        tally.false_rejects,
        tally.false_accepts,
        tally.details,
        tally.wordless,
        tally.not_created
    );
    for note in &tally.notes {
        println!("  {note}");
    }
    assert_eq!(tally.false_accepts, 0, "false accepts");
}

fn compare(
    tally: &mut Tally,
    what: &str,
    judgement: &oxbpf_verifier::Judgement,
    log: &str,
    answer: &oxbpf_conformance::oracle::Answer,
) {
    let theirs = last_words(&answer.log);
    match &judgement.verdict {
        Verdict::Unknown(feature) => {
            tally.unknown += 1;
            let detail = judgement.detail.as_ref().map(ToString::to_string).unwrap_or_default();
            tally
                .notes
                .push(format!("unknown {what}: {feature} {detail}; errno {} {theirs:?}", answer.errno));
        }
        Verdict::Accept if answer.errno == 0 => {
            tally.agree += 1;
            tally.accepted += 1;
            let stats = judgement.stats;
            if (stats.insns, stats.total_states) != (answer.processed, answer.total_states) {
                tally.details += 1;
                tally.notes.push(format!(
                    "count {what}: {} ({} states) for {} ({})",
                    stats.insns, stats.total_states, answer.processed, answer.total_states
                ));
            }
        }
        Verdict::Accept => {
            tally.false_accepts += 1;
            tally.notes.push(format!("FALSE ACCEPT {what}: errno {} {theirs:?}", answer.errno));
        }
        Verdict::Reject(fault) if answer.errno == 0 => {
            tally.false_rejects += 1;
            tally.notes.push(format!("FALSE REJECT {what}: {fault} at {:?}", fault.insn));
        }
        Verdict::Reject(fault) => {
            tally.agree += 1;
            let ours = last_words(log);
            if (ours, fault.errno()) != (theirs, answer.errno) {
                tally.details += 1;
                let (errno, wanted) = (fault.errno(), answer.errno);
                tally.notes.push(format!("words {what}: {ours:?} ({errno}) for {theirs:?} ({wanted})"));
            }
        }
    }
}
