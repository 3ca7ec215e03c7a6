//! The verifier beside the running kernel's: instructions a second over the longest programs that
//! both accept, and the memory that the worst of them takes.
//!
//! Both are measured in one run, the kernel by the `verification time` that it writes at log level 4,
//! and of several tries the shortest counts for either. `OXBPF_SPEED_PROGRAMS` is how many programs
//! to look at and `OXBPF_SPEED_TRIES` how often; `OXBPF_ONLY` is a part of the names of the programs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, ProgType};
use oxbpf::isa::program::{ProgFlags, Program};
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::oracle::Oracle;
use oxbpf_verifier::{Kernel, Verdict, verify};

/// Counts the bytes that are in use while it is asked to.
struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Ordering::Relaxed) {
            let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
            PEAK.fetch_max(now, Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if COUNTS.load(Ordering::Relaxed) {
            IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that judging a program had in use at once.
fn peak_of(program: &Program, model: &KernelModel) -> usize {
    IN_USE.store(0, Ordering::Relaxed);
    PEAK.store(0, Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
    drop(verify(program, &Kernel::new(model)));
    COUNTS.store(false, Ordering::Relaxed);
    PEAK.load(Ordering::Relaxed)
}

struct Measured {
    name: String,
    insns: u64,
    ours: f64,
    kernel: f64,
    peak: usize,
}

/// What both took for a program that both accept, in seconds.
fn measure(
    name: String,
    program: &Program,
    model: &KernelModel,
    oracle: &Oracle,
    tries: u32,
) -> Option<Measured> {
    let (mut ours, mut kernel, mut insns) = (f64::MAX, f64::MAX, 0);
    for _ in 0..tries {
        let start = Instant::now();
        let judgement = verify(program, &Kernel::new(model));
        ours = ours.min(start.elapsed().as_secs_f64());
        if judgement.verdict != Verdict::Accept {
            return None;
        }
        insns = judgement.stats.insns;
        let (answer, _) = oracle.load(program, 4).ok()?;
        if answer.errno != 0 || answer.processed != insns {
            return None;
        }
        let micros = answer.log.split("verification time ").nth(1)?.split(' ').next()?;
        kernel = kernel.min(micros.parse::<f64>().ok()? / 1e6);
    }
    Some(Measured { name, insns, ours, kernel, peak: peak_of(program, model) })
}

fn main() {
    // Built and listed with the tests, but only run as a benchmark.
    if !std::env::args().any(|a| a == "--bench") {
        return;
    }
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) else {
        return;
    };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let target = oracle.target();
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<usize>().ok());
    let wanted = number("OXBPF_SPEED_PROGRAMS").unwrap_or(200);
    let tries = number("OXBPF_SPEED_TRIES").unwrap_or(3) as u32;
    let only = std::env::var("OXBPF_ONLY").unwrap_or_default();
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    let mut rows: Vec<_> = rows.iter().filter(|r| r[6] == "0" && r[5] == "0").collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r[7].parse::<u64>().unwrap_or(0)));
    let mut measured = Vec::new();
    for row in rows {
        let name = format!("{} {}", row[0], row[1]);
        if measured.len() == wanted {
            break;
        }
        let Some((_, path)) = objects.iter().find(|(n, _)| *n == row[0] && name.contains(&only)) else {
            continue;
        };
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        let Some((entry, _)) = object.programs().find(|(_, f)| f.name == row[1]) else { continue };
        let options = LoadOptions { target: Some(&target), ..LoadOptions::default() };
        let Ok(loaded) = object.load(entry, &options) else { continue };
        let mut program = loaded.program;
        program.prog_type = row[3].parse().ok().and_then(ProgType::from_number);
        program.expected_attach_type = row[4].parse().ok().and_then(AttachType::from_number);
        program.flags = ProgFlags(0);
        measured.extend(measure(name, &program, &model, &oracle, tries));
    }
    report(&measured);
}

fn report(measured: &[Measured]) {
    let rate = |m: &Measured, seconds: f64| m.insns as f64 / seconds / 1e6;
    for m in measured.iter().take(30) {
        println!(
            "{}: {} insns, {:.2} M/s, kernel {:.2} M/s, {:.2} times, {:.1} MiB",
            m.name,
            m.insns,
            rate(m, m.ours),
            rate(m, m.kernel),
            m.kernel / m.ours,
            m.peak as f64 / 1048576.0
        );
    }
    let Some(worst) = measured.iter().max_by_key(|m| m.peak) else {
        return println!("no program was measured");
    };
    let insns: u64 = measured.iter().map(|m| m.insns).sum();
    let (ours, kernel): (f64, f64) = measured.iter().fold((0.0, 0.0), |(o, k), m| (o + m.ours, k + m.kernel));
    println!(
        "{} programs, {insns} insns: {:.2} M/s, kernel {:.2} M/s, {:.2} times; peak {:.1} MiB ({})",
        measured.len(),
        insns as f64 / ours / 1e6,
        insns as f64 / kernel / 1e6,
        kernel / ours,
        worst.peak as f64 / 1048576.0,
        worst.name
    );
}
