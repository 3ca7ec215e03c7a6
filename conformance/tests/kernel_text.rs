//! The kernel's dialect against the kernel itself: the text of every instruction in the level-2 log
//! of every corpus program that the running kernel accepts, and of every form of instruction that it
//! prints, accepted or not.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;

use oxbpf::isa::disasm::{Dialect, Kernel};
use oxbpf::isa::insn::{Insn, RawInsn};
use oxbpf::isa::kernel::{KernelModel, ProgType};
use oxbpf::isa::program::Program;
use oxbpf::names::{HelperNames, ProgramNames};
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::forms::forms;
use oxbpf_conformance::oracle::Oracle;

/// `12: (bf) r1 = r2    ; R1=...` or `12: BUG_db` as slot and text.
fn instruction(line: &str) -> Option<(usize, &str)> {
    let (slot, text) = line.split_once(": ")?;
    let slot = slot.parse().ok().filter(|_| text.starts_with('(') || text.starts_with("BUG"))?;
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

/// Loads forms after instructions that give every register a value: all that decode, and some of the
/// others. Most are refused; what the kernel printed of them before counts.
#[test]
fn kernel_text_of_every_form_equals_the_kernels_log() {
    let oracle = match Oracle::open() {
        Ok(oracle) => oracle,
        Err(skip) => return println!("{skip}"),
    };
    let names = HelperNames(KernelModel::latest());
    let (mut decodable, mut others, mut different) = (0, 0, 0);
    let mut slots: Vec<RawInsn> = vec![RawInsn::new(0xbf, 6, 1, 0, 0)];
    slots.extend([0, 2, 3, 4, 5, 7, 8, 9].map(|reg| RawInsn::new(0xb7, reg, 0, 0, 0)));
    let at = slots.len();
    for (nth, form) in forms().enumerate() {
        let is_insn = Insn::decode(&form).is_ok();
        if !is_insn && nth % 7 != 0 {
            continue;
        }
        slots.truncate(at);
        slots.extend(&form);
        slots.extend([RawInsn::new(0xb7, 0, 0, 0, 0), RawInsn::new(0x95, 0, 0, 0, 0)]);
        let mut program = Program::from_insns("form", slots.clone());
        program.prog_type = Some(ProgType::SchedCls);
        program.license = "GPL".to_owned();
        let (answer, _) = oracle.load(&program, 2).unwrap();
        let Some((_, theirs)) = answer.log.lines().filter_map(instruction).find(|(slot, _)| *slot == at)
        else {
            continue;
        };
        // The address of a kernel variable is the kernel's secret, and the names of its functions
        // are those of its build.
        if matches!((form[0].code, form[0].src), (0x18, 3) | (0x85, 2)) {
            continue;
        }
        let mut log = String::new();
        Kernel.log(&mut log, at, &form, &names).unwrap();
        *if is_insn { &mut decodable } else { &mut others } += 1;
        let mut strict = String::new();
        Kernel.any(&mut strict, at, &form, &names).unwrap();
        if log != theirs || is_insn && strict != log {
            different += 1;
            println!("{form:?}: {log:?}, {strict:?} for {theirs:?}");
        }
    }
    println!("kernel text: {decodable} forms and {others} of what is none, {different} differ");
    assert!(decodable > 5_000 && others > 1_000 && different == 0);
}
