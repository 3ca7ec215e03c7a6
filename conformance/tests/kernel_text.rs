//! The kernel's dialect against the kernel itself: the text of every instruction in the level-2 log
//! of every corpus program that the running kernel accepts.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;

use oxbpf::isa::disasm::{Dialect, Kernel};
use oxbpf::isa::kernel::KernelModel;
use oxbpf::names::ProgramNames;
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::oracle::Oracle;

/// `12: (bf) r1 = r2    ; R1=...` as slot and text.
fn instruction(line: &str) -> Option<(usize, &str)> {
    let (slot, rest) = line.split_once(": (")?;
    let slot = slot.parse().ok()?;
    let at = line.len() - rest.len() - 1;
    let text = &line[at..];
    let text = text.split(" ; ").next()?.trim_end();
    Some((slot, text.strip_suffix(" ;").unwrap_or(text).trim_end()))
}

#[test]
fn kernel_text_equals_the_kernels_log() {
    let Some(objects) = corpus::objects() else { return };
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let target = oracle.target();
    let (mut accepted, mut refused, mut compared) = (0, 0, 0u64);
    let mut different: BTreeMap<String, u32> = BTreeMap::new();
    for (name, path) in &objects {
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        for (entry, _) in object.programs() {
            let Ok(loaded) =
                object.load(entry, &LoadOptions { target: Some(&target), ..LoadOptions::default() })
            else {
                continue;
            };
            let program = loaded.program;
            let Ok((answer, Some(_))) = oracle.load(&program, 2) else {
                refused += 1;
                continue;
            };
            accepted += 1;
            let names = ProgramNames { model: KernelModel::latest(), program: &program };
            let mut seen = vec![false; program.insns.len()];
            for (slot, text) in answer.log.lines().filter_map(instruction) {
                if slot >= seen.len() || std::mem::replace(&mut seen[slot], true) {
                    continue;
                }
                let mut ours = String::new();
                Kernel.any(&mut ours, slot, &program.insns[slot..], &names).unwrap();
                compared += 1;
                // Addresses of maps and kernel symbols are the kernel's secret.
                let hidden = program.insns[slot].is_ldimm64() && program.insns[slot].src != 0;
                let cut =
                    |t: &str| if hidden { t.split(" = ").next().unwrap().to_owned() } else { t.to_owned() };
                if cut(&ours) != cut(text) {
                    *different.entry(format!("{ours:?} for {text:?}")).or_default() += 1;
                    if different.len() <= 20 {
                        println!("{name} {} {slot}: {ours:?} for {text:?}", program.name);
                    }
                }
            }
        }
    }
    println!(
        "kernel text: {accepted} programs accepted ({refused} not), {compared} instructions, {} differ",
        different.values().sum::<u32>()
    );
    assert!(accepted > 1000 && different.is_empty());
}
