//! Random small programs, judged by us and by the running kernel.
//!
//! `OXBPF_RANDOM` is how many to draw and `OXBPF_SEED` where to begin; a seed that is not given is
//! drawn from the time, and printed. `OXBPF_SHRINK` makes so many of the programs that are judged
//! differently small, and prints them. With `OXBPF_LOGS` every program's whole log is compared too.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oxbpf::isa::btf::core::CoreTarget;
use oxbpf::isa::disasm::{Dialect, Kernel as Text, NoNames};
use oxbpf::isa::kernel::KernelModel;
use oxbpf::isa::program::Program;
use oxbpf_conformance::logs::{first_difference, last_words, lines, same, same_words};
use oxbpf_conformance::oracle::{Answer, Oracle, running_model};
use oxbpf_conformance::random::{program, shrink};
use oxbpf_verifier::{Judgement, Kernel, Verdict, verify_logged};

/// How the two answers compare.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Class {
    Agree,
    Unknown(&'static str),
    FalseAccept,
    FalseReject,
    Count,
    States,
    Message,
    Errno,
    Log,
    Panic,
}

fn classify(ours: Option<&(Judgement, String)>, theirs: &Answer, logs: bool) -> Class {
    let Some((ours, log)) = ours else { return Class::Panic };
    match (&ours.verdict, theirs.errno) {
        (Verdict::Unknown(feature), _) => Class::Unknown(feature.name()),
        (Verdict::Accept, 1..) => Class::FalseAccept,
        (Verdict::Reject(_), 0) => Class::FalseReject,
        (Verdict::Accept, _) if ours.stats.insns != theirs.processed => Class::Count,
        (Verdict::Accept, _) if ours.stats.total_states != theirs.total_states => Class::States,
        (Verdict::Reject(_), _) if !same_words(last_words(log), last_words(&theirs.log)) => Class::Message,
        (Verdict::Reject(fault), errno) if fault.errno() != errno => Class::Errno,
        // What a rejected program took is the same too.
        (Verdict::Reject(_), _) if ours.stats.insns != theirs.processed => Class::Count,
        _ if logs && !same(log, &theirs.log) => Class::Log,
        _ => Class::Agree,
    }
}

/// What we said of a program, with the log; none where we panicked.
type Ours = Option<(Judgement, String)>;

/// Logs of programs that take more instructions are not compared.
const MOST_LOGGED: u64 = 3000;
/// A program is made smaller for so long.
const PATIENCE: Duration = Duration::from_secs(10);

struct Judges {
    oracle: Oracle,
    model: &'static KernelModel,
    target: CoreTarget,
    level: u32,
}

impl Judges {
    fn judge(&self, program: &Program) -> Option<(Class, Ours, Answer)> {
        let (mut theirs, _) = self.oracle.load(program, 4).ok()?;
        if self.level != 4 {
            // Long logs take long and say the same again and again.
            if theirs.processed > MOST_LOGGED {
                return None;
            }
            (theirs, _) = self.oracle.load(program, self.level).ok()?;
        }
        // Neither the verifier nor the program is to blame for these.
        if matches!(theirs.errno, 4 | 11 | 12 | 24) && theirs.log.is_empty() {
            return None;
        }
        let kernel = Kernel::new(self.model).with_types(Some(&self.target));
        let judged = || verify_logged(program, &kernel, self.level);
        let ours = std::panic::catch_unwind(std::panic::AssertUnwindSafe(judged)).ok();
        let class = classify(ours.as_ref(), &theirs, self.level == 2);
        Some((class, ours, theirs))
    }

    fn report(&self, seed: u64, program: &Program, class: &Class, words: &str) {
        let started = Instant::now();
        let shows = |p: &Program| {
            started.elapsed() < PATIENCE
                && self.judge(p).is_some_and(|(c, ours, theirs)| {
                    c == *class && group(&c, ours.as_ref(), &theirs) == words
                })
        };
        let small = shrink(program, shows);
        let Some((_, ours, theirs)) = self.judge(&small) else { return };
        let flags = small.flags.0;
        println!(
            "--- {class:?} seed {seed} {:?} {:?} flags {flags:#x}",
            small.prog_type, small.expected_attach_type
        );
        let mut at = 0;
        while at < small.insns.len() {
            let mut text = String::new();
            let slots = Text.any(&mut text, at, &small.insns[at..], &NoNames).unwrap_or(1);
            println!("  {at}: {text}");
            at += slots;
        }
        for map in &small.maps {
            println!("  map {} type {}", map.name, map.map_type);
        }
        if let Some((ours, log)) = ours {
            println!("  ours: {:?} {:?}", ours.verdict, ours.stats);
            if self.level == 2 {
                print!("{}", first_difference(&log, &theirs.log));
            } else {
                println!("  our words: {}", last_words(&log));
            }
        }
        println!(
            "  kernel: errno {} processed {} states {}: {}",
            theirs.errno,
            theirs.processed,
            theirs.total_states,
            last_words(&theirs.log)
        );
    }
}

/// Disagreements of one cause mostly look alike.
fn group(class: &Class, ours: Option<&(Judgement, String)>, theirs: &Answer) -> String {
    let plain = |text: &str| {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '0'..='9' if out.ends_with('#') => {}
                '0'..='9' => out.push('#'),
                c => out.push(c),
            }
        }
        out
    };
    match class {
        Class::FalseAccept | Class::Errno => plain(last_words(&theirs.log)),
        Class::FalseReject => ours.map_or(String::new(), |(_, log)| plain(last_words(log))),
        Class::Message => {
            let ours = ours.map_or("", |(_, log)| last_words(log));
            format!("{} <> {}", plain(ours), plain(last_words(&theirs.log)))
        }
        Class::Log => {
            let ours: Vec<_> = ours.map_or(Vec::new(), |(_, log)| lines(log).collect());
            let theirs: Vec<_> = lines(&theirs.log).collect();
            let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
            let word = |l: &[std::borrow::Cow<'_, str>]| {
                let line = l.get(at).map_or("(end)", |l| l);
                line.split(' ').next().map(plain).unwrap_or_default()
            };
            format!("{} <> {}", word(&ours), word(&theirs))
        }
        _ => String::new(),
    }
}

#[test]
fn random_programs_are_judged_as_the_kernel_judges_them() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let model = match running_model() {
        Ok(model) => model,
        Err(skip) => return println!("{skip}"),
    };
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let seed = number("OXBPF_SEED").unwrap_or(now);
    let count = number("OXBPF_RANDOM").unwrap_or(500);
    let shrinks = number("OXBPF_SHRINK").unwrap_or(3);
    let level = if std::env::var_os("OXBPF_LOGS").is_some() { 2 } else { 4 };
    println!("seed {seed}");
    let target = oracle.target();
    let judges = Judges { oracle, model: Box::leak(Box::new(model.clone())), target, level };
    let tally: Mutex<BTreeMap<Class, u64>> = Mutex::default();
    let accepted = AtomicU64::new(0);
    let left_out = AtomicU64::new(0);
    let groups: Mutex<BTreeMap<(Class, String), Vec<u64>>> = Mutex::default();
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let spawned = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let seed = seed.wrapping_add(n);
                    let drawn = program(seed, judges.model);
                    let Some((class, ours, theirs)) = judges.judge(&drawn) else {
                        left_out.fetch_add(1, Ordering::Relaxed);
                        continue;
                    };
                    accepted.fetch_add((theirs.errno == 0) as u64, Ordering::Relaxed);
                    *tally.lock().unwrap().entry(class.clone()).or_default() += 1;
                    if !matches!(class, Class::Agree | Class::Unknown(_)) {
                        let words = group(&class, ours.as_ref(), &theirs);
                        groups.lock().unwrap().entry((class, words)).or_default().push(seed);
                    }
                }
            });
            spawned.unwrap();
        }
    });
    let tally = tally.into_inner().unwrap();
    let groups = groups.into_inner().unwrap();
    let mut left = shrinks;
    for ((class, words), seeds) in &groups {
        println!("{class:?} {} times, {words:?}: {:?}", seeds.len(), &seeds[..seeds.len().min(5)]);
        for &seed in seeds.iter().take(2) {
            if left > 0 {
                left -= 1;
                judges.report(seed, &program(seed, judges.model), class, words);
            }
        }
    }
    let total: u64 = tally.values().sum();
    let unknown: u64 = tally.iter().filter(|(c, _)| matches!(c, Class::Unknown(_))).map(|(_, n)| n).sum();
    let of = |class: &Class| tally.get(class).copied().unwrap_or(0);
    let opinions = total - unknown;
    let verdicts = opinions - of(&Class::FalseAccept) - of(&Class::FalseReject) - of(&Class::Panic);
    println!("random: {total} programs, {} accepted by the kernel: {tally:?}", accepted.into_inner());
    println!(
        "{} left out: the kernel could not be asked, or had no memory, or their logs are long",
        left_out.into_inner()
    );
    println!(
        "verdicts equal {:.3} %, everything equal {:.3} % of {opinions} with an opinion",
        100.0 * verdicts as f64 / opinions.max(1) as f64,
        100.0 * of(&Class::Agree) as f64 / opinions.max(1) as f64
    );
    assert_eq!(of(&Class::FalseAccept), 0, "false accepts");
    assert_eq!(of(&Class::Panic), 0, "panics");
    assert!(verdicts as f64 >= 0.995 * opinions as f64, "verdicts differ");
}
