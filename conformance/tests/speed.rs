//! Instructions a second on the longest accepted programs. `OXBPF_SPEED_LOADER` is a command that is
//! given an object and a program and writes the microseconds the kernel took to verify it.

use std::process::Command;
use std::time::Instant;

use oxbpf::isa::kernel::{AttachType, KernelModel, KernelVersion, ProgType};
use oxbpf::isa::program::ProgFlags;
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_verifier::{Kernel, Verdict, verify};

#[test]
fn speed_beside_the_kernel() {
    let Some(loader) = corpus::directory("OXBPF_SPEED_LOADER", "speed") else { return };
    let (Some(objects), Some(rows), Some(target)) =
        (corpus::objects(), corpus::golden("verdicts-6.18.tsv"), corpus::core_target("6.18"))
    else {
        return;
    };
    let model = KernelModel::measured(KernelVersion::new(6, 18)).unwrap();
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let mut rows: Vec<_> = rows.iter().filter(|r| r[6] == "0" && r[5] == "0").collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r[7].parse::<u64>().unwrap_or(0)));
    let (mut insns, mut ours, mut kernels, mut programs) = (0u64, 0f64, 0f64, 0);
    for row in rows {
        if programs == 200 {
            break;
        }
        let Some((_, path)) = objects.iter().find(|(name, _)| *name == row[0]) else { continue };
        let Ok(object) = Object::parse(std::fs::read(path).unwrap(), &corpus::object_name(path)) else {
            continue;
        };
        let Some((entry, _)) = object.programs().find(|(_, f)| f.name == row[1]) else { continue };
        let Ok(loaded) = object.load(entry, &LoadOptions { target: Some(&target), ..LoadOptions::default() })
        else {
            continue;
        };
        let mut program = loaded.program;
        program.prog_type = row[3].parse().ok().and_then(ProgType::from_number);
        program.expected_attach_type = row[4].parse().ok().and_then(AttachType::from_number);
        program.flags = ProgFlags(0);
        let start = Instant::now();
        let judgement = verify(&program, &kernel);
        let took = start.elapsed().as_secs_f64();
        if judgement.verdict != Verdict::Accept {
            continue;
        }
        let output = Command::new(&loader).args([path.as_os_str(), row[1].as_ref()]).output().unwrap();
        let Ok(micros) = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>() else { continue };
        programs += 1;
        insns += judgement.stats.insns;
        ours += took;
        kernels += micros / 1e6;
        if programs <= 8 {
            println!(
                "{} {}: {} insns, {took:.4} s, kernel {:.4} s",
                row[0],
                row[1],
                judgement.stats.insns,
                micros / 1e6
            );
        }
    }
    let rate = |seconds: f64| insns as f64 / seconds / 1e6;
    println!(
        "{programs} programs, {insns} insns: {:.2} M/s, kernel {:.2} M/s, {:.2} times",
        rate(ours),
        rate(kernels),
        kernels / ours
    );
}
