//! Programs of the corpus with one instruction changed, against the running kernel.
//!
//! `OXBPF_MUTANTS` is how many to draw and `OXBPF_SEED` where to begin; a seed that is not given is
//! drawn from the time, and printed. `OXBPF_ONLY` is a part of the names of the objects to draw from,
//! or several behind commas. With `OXBPF_REJECTED`, programs that the kernel refuses are drawn too.
#![cfg(target_os = "linux")]

use std::fs;

use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::{KernelModel, KernelVersion};
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::oracle::Oracle;
use oxbpf_conformance::random::Random;
use oxbpf_verifier::{Kernel, Verdict, verify};

/// Changes one thing about an instruction.
fn mutate(insn: RawInsn, random: &mut Random) -> RawInsn {
    let mut out = insn;
    match random.below(9) {
        0 => out = RawInsn::new(0xb7, random.below(10) as u8, 0, 0, random.below(64) as i32),
        1 => out = RawInsn::new(0x05, 0, 0, 0, 0),
        2 => out.dst = random.below(11) as u8,
        3 => out.src = random.below(11) as u8,
        4 => out.off = out.off.wrapping_add(random.below(17) as i16 - 8),
        5 => out.imm = out.imm.wrapping_add(random.below(17) as i32 - 8),
        6 => out.imm = random.number() as i32,
        7 => out.code = out.code & 7 | (random.below(32) as u8) << 3,
        _ => out.code ^= 1 << (3 + random.below(5)),
    }
    out
}

/// Programs that took the kernel more instructions than this are left out, to draw more of the rest.
const MOST_PROCESSED: u64 = 20_000;

/// Mutants of one program that are drawn in a row.
const PER_PROGRAM: u64 = 20;

#[test]
fn mutants_are_judged_as_the_kernel_judges_them() {
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) else {
        return;
    };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let target = oracle.target();
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let seed = number("OXBPF_SEED").unwrap_or(now) | 1;
    println!("seed {seed}");
    let (mut left, mut random) = (number("OXBPF_MUTANTS").unwrap_or(2000), Random(seed));
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let only = std::env::var("OXBPF_ONLY").unwrap_or_default();
    let with_rejected = std::env::var_os("OXBPF_REJECTED").is_some();
    let said =
        |r: &[String]| r[6] == "0" || with_rejected && r.get(10).is_some_and(|l| !matches!(&**l, "" | "-"));
    let accepted: Vec<_> = rows
        .iter()
        .filter(|r| only.split(',').any(|part| r[0].contains(part)))
        .filter(|r| r[7].parse::<u64>().is_ok_and(|n| n <= MOST_PROCESSED) && said(r))
        .collect();
    assert!(!accepted.is_empty(), "OXBPF_ONLY names no object with a program to draw");
    let mut tally = Tally::default();
    while left > 0 {
        let row = accepted[random.below(accepted.len() as u64) as usize];
        let Some((_, path)) = objects.iter().find(|(name, _)| *name == row[0]) else { continue };
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        let Some((entry, _)) = object.programs().find(|(_, f)| f.name == row[1]) else { continue };
        let options = LoadOptions { target: Some(&target), ..LoadOptions::default() };
        let Ok(loaded) = object.load(entry, &options) else { continue };
        let mut program = loaded.program;
        program.flags.0 |= row[5].parse::<u32>().unwrap_or(0);
        let is_unknown = matches!(verify(&program, &kernel).verdict, Verdict::Unknown(_));
        if is_unknown || !loaded.unresolved.is_empty() {
            continue;
        }
        for _ in 0..PER_PROGRAM.min(left) {
            left -= 1;
            let slot = random.below(program.insns.len() as u64) as usize;
            let mutant = mutate(program.insns[slot], &mut random);
            // A descriptor that the program does not have may be one of this process.
            let names_map = mutant.is_ldimm64() && matches!(mutant.src, 1 | 2);
            if names_map && usize::try_from(mutant.imm).is_ok_and(|i| i >= program.maps.len()) {
                continue;
            }
            let mut changed = program.clone();
            changed.insns[slot] = mutant;
            let Ok((answer, _)) = oracle.load(&changed, 4) else {
                tally.not_asked += 1;
                continue;
            };
            let note = format!("{} {} slot {slot}: {:?} -> {mutant:?}", row[0], row[1], program.insns[slot]);
            tally.add(&verify(&changed, &kernel), &answer, &note);
        }
    }
    println!("mutants: {tally:?}");
    assert_eq!(tally.false_accept, 0);
}

#[derive(Debug, Default)]
struct Tally {
    /// Their maps could not be created.
    not_asked: u32,
    agree: u32,
    unknown: u32,
    false_accept: u32,
    false_reject: u32,
    accepted: u32,
    counts_equal: u32,
    rejected: u32,
    errnos_equal: u32,
}

impl Tally {
    fn add(
        &mut self,
        ours: &oxbpf_verifier::Judgement,
        theirs: &oxbpf_conformance::oracle::Answer,
        note: &str,
    ) {
        let last = || {
            theirs.log.lines().rev().find(|l| !l.starts_with("processed") && !l.starts_with("verification"))
        };
        match (&ours.verdict, theirs.errno) {
            (Verdict::Unknown(_), _) => self.unknown += 1,
            (Verdict::Accept, 0) => {
                self.agree += 1;
                self.accepted += 1;
                self.counts_equal += (ours.stats.insns == theirs.processed) as u32;
                if ours.stats.insns != theirs.processed {
                    println!("count {} for {}: {note}", ours.stats.insns, theirs.processed);
                }
            }
            (Verdict::Reject(fault), errno @ 1..) => {
                self.agree += 1;
                self.rejected += 1;
                self.errnos_equal += (fault.errno() == errno) as u32;
                if fault.errno() != errno {
                    println!("errno {} for {errno}: {note}: {fault}", fault.errno());
                }
            }
            (Verdict::Accept, errno) => {
                self.false_accept += 1;
                println!("FALSE ACCEPT {note}: errno {errno}, {:?}", last());
            }
            (Verdict::Reject(fault), _) => {
                self.false_reject += 1;
                println!("FALSE REJECT {note}: {fault}");
            }
        }
    }
}
