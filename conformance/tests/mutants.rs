//! Programs of the corpus with one instruction changed, against the running kernel.
//!
//! `OXBPF_MUTANT_LOADER` is a command that is given an object and a program and reads mutants from
//! its input, one a line: slot, opcode, dst, src, off, imm; for each it writes the error number, the
//! processed instructions and the last line of the log. `OXBPF_MUTANTS` is how many to draw and
//! `OXBPF_SEED` where to begin. `OXBPF_LOG` is a program with one mutant, as `prog slot code dst src
//! off imm`, whose whole log is printed.

use std::io::Write;
use std::process::{Command, Stdio};

use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, ProgType};
use oxbpf::isa::program::ProgFlags;
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_verifier::{Verdict, verify, verify_logged};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

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
        6 => out.imm = random.next() as i32,
        7 => out.code = out.code & 7 | (random.below(32) as u8) << 3,
        _ => out.code ^= 1 << (3 + random.below(5)),
    }
    out
}

#[test]
fn mutants_are_judged_as_the_kernel_judges_them() {
    let Some(loader) = corpus::directory("OXBPF_MUTANT_LOADER", "mutants") else { return };
    let (Some(objects), Some(rows), Some(target)) =
        (corpus::objects(), corpus::golden("verdicts-6.18.tsv"), corpus::core_target("6.18"))
    else {
        return;
    };
    let number =
        |name: &str, default: u64| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let (mut left, mut random) = (number("OXBPF_MUTANTS", 2000), Random(number("OXBPF_SEED", 1) | 1));
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    let wanted = std::env::var("OXBPF_LOG").unwrap_or_default();
    let (program_name, only) = match wanted.split_once(' ') {
        Some((name, rest)) => {
            (name, Some(rest.split(' ').filter_map(|n| n.parse::<i64>().ok()).collect::<Vec<_>>()))
        }
        None => ("", None),
    };
    let of_interest =
        |r: &&Vec<String>| r[6] == "0" && r[5] == "0" && (only.is_none() || r[1] == program_name);
    let rows: Vec<_> = rows.iter().filter(of_interest).collect();
    let (mut agree, mut unknown, mut false_accept, mut false_reject, mut counts, mut accepts) =
        (0, 0, 0, 0, 0, 0);
    while left > 0 {
        let row = rows[random.below(rows.len() as u64) as usize];
        let Some((_, path)) = objects.iter().find(|(name, _)| *name == row[0]) else { continue };
        if row[7].parse::<u64>().is_ok_and(|n| n > 20_000) {
            continue;
        }
        let Ok(object) = Object::parse(std::fs::read(path).unwrap(), &corpus::object_name(path)) else {
            continue;
        };
        let Some((entry, _)) = object.programs().find(|(_, f)| f.name == row[1]) else { continue };
        let Ok(loaded) = object.load(entry, &LoadOptions { target: Some(&target) }) else { continue };
        let mut program = loaded.program;
        // Types of functions are not given to the kernel, so none may be needed.
        let calls =
            program.insns.iter().any(|i| i.code == 0x85 && i.src != 0 || i.is_ldimm64() && i.src == 4);
        if calls || !loaded.unresolved.is_empty() {
            continue;
        }
        program.prog_type = row[3].parse().ok().and_then(ProgType::from_number);
        program.expected_attach_type = row[4].parse().ok().and_then(AttachType::from_number);
        program.flags = ProgFlags(0);
        program.license = "GPL".to_owned();
        program.btf = None;
        program.funcs.clear();
        program.lines.clear();
        if matches!(verify(&program, &model).verdict, Verdict::Unknown(_)) {
            continue;
        }
        let mut slots = Vec::new();
        let mut at = 0;
        while at < program.insns.len() {
            if program.insns[at].is_ldimm64() {
                at += 1;
            } else {
                slots.push(at);
            }
            at += 1;
        }
        let mutants: Vec<(usize, RawInsn)> = (0..20.min(left))
            .map(|_| {
                let slot = slots[random.below(slots.len() as u64) as usize];
                (slot, mutate(program.insns[slot], &mut random))
            })
            .filter(|(_, m)| !m.is_ldimm64())
            .collect();
        let mutants = match &only {
            Some(one) => vec![(
                one[0] as usize,
                RawInsn::new(one[1] as u8, one[2] as u8, one[3] as u8, one[4] as i16, one[5] as i32),
            )],
            None => mutants,
        };
        left = if only.is_some() { 0 } else { left.saturating_sub(20) };
        let mut child = Command::new(&loader)
            .args([path.as_os_str(), row[1].as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for (slot, m) in &mutants {
            // A loader that cannot load the program itself reads nothing and answers nothing.
            let _ = writeln!(stdin, "{slot} {} {} {} {} {}", m.code, m.dst, m.src, m.off, m.imm);
        }
        drop(stdin);
        let output = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
        for ((slot, m), line) in mutants.iter().zip(output.lines()) {
            let kernel: Vec<&str> = line.splitn(3, '\t').collect();
            let mut changed = program.clone();
            changed.insns[*slot] = *m;
            let judged = verify(&changed, &model);
            let name = format!("{} {slot} {} {} {} {} {}", row[1], m.code, m.dst, m.src, m.off, m.imm);
            if std::env::var("OXBPF_LOG").is_ok_and(|wanted| wanted == name) {
                println!("BEGIN\n{}END", verify_logged(&changed, &model, 2).1);
            }
            let text = format!("{} [{name}]: {:?} -> {m:?}", row[0], program.insns[*slot]);
            match (&judged.verdict, kernel[0] == "0") {
                (Verdict::Unknown(_), _) => unknown += 1,
                (Verdict::Accept, true) => {
                    agree += 1;
                    accepts += 1;
                    let same = judged.stats.insns.to_string() == kernel[1];
                    counts += same as u32;
                    if !same {
                        println!("count {} for {}: {text}", judged.stats.insns, kernel[1]);
                    }
                }
                (Verdict::Reject(_), false) => agree += 1,
                (Verdict::Accept, false) => {
                    false_accept += 1;
                    println!("FALSE ACCEPT {text}: {} {}", kernel[0], kernel[2]);
                }
                (Verdict::Reject(fault), true) => {
                    false_reject += 1;
                    println!("FALSE REJECT {text}: {fault}");
                }
            }
        }
    }
    println!(
        "mutants: agree {agree} unknown {unknown} false accept {false_accept} false reject {false_reject}; counts {counts}/{accepts}"
    );
    assert_eq!(false_accept, 0);
}
