//! Instructions as text against llvm-objdump, and back to bytes in every dialect, over the corpus.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::disasm::{Dialect, Exact, Kernel, Llvm, NoNames, Ubpf};
use oxbpf::isa::insn::RawInsn;
use oxbpf::names::SectionNames;
use oxbpf::object::{Object, SectionKind};
use oxbpf_conformance::corpus;

fn open(path: &Path) -> Option<Object> {
    Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)).ok()
}

/// The code sections with index and slots.
fn code(object: &Object) -> Vec<(usize, Vec<RawInsn>)> {
    let sections = object.elf().sections.iter().enumerate();
    sections
        .filter(|(_, s)| s.kind == SectionKind::Code && s.size > 0)
        .filter_map(|(i, s)| Some((i, RawInsn::slots(&object.bytes()[s.range.clone()], object.order())?)))
        .collect()
}

/// What llvm-objdump prints, by section and slot.
fn objdump(path: &Path) -> Option<BTreeMap<(String, usize), String>> {
    let output =
        Command::new("llvm-objdump-19").args(["-d", "--no-show-raw-insn"]).arg(path).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (mut section, mut found) = (String::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Disassembly of section ") {
            section = name.trim_end_matches(':').to_owned();
        } else if let Some((slot, text)) = line.split_once(":\t")
            && let Ok(slot) = slot.trim().parse()
        {
            found.insert((section.clone(), slot), text.trim_end().to_owned());
        }
    }
    Some(found)
}

#[test]
fn llvm_text_equals_objdumps() {
    let Some(objects) = corpus::objects() else { return };
    if Command::new("llvm-objdump-19").arg("--version").output().is_err() {
        println!("skipped: llvm-objdump-19 is not installed");
        return;
    }
    let (mut compared, mut unknown, mut different) = (0, 0, Vec::new());
    for (name, path) in &objects {
        let Some(object) = open(path) else { continue };
        let theirs = objdump(path).unwrap();
        for (index, slots) in code(&object) {
            let section = &object.elf().sections[index].name;
            let names = SectionNames::of(&object, index);
            let mut at = 0;
            while at < slots.len() {
                let mut ours = String::new();
                let taken = Llvm.any(&mut ours, at, &slots[at..], &names).unwrap();
                if let Some(text) = theirs.get(&(section.clone(), at)) {
                    compared += 1;
                    if text == "<unknown>" {
                        unknown += 1;
                    } else if *text != ours {
                        different.push(format!("{name} {section} {at}: {ours:?} for {text:?}"));
                    }
                }
                at += taken;
            }
        }
    }
    for line in different.iter().take(30) {
        println!("{line}");
    }
    println!(
        "llvm text: {compared} instructions, {} differ; {unknown} of them llvm-objdump does not decode by default",
        different.len()
    );
    assert!(compared > 100_000 && different.is_empty());
}

#[test]
fn every_dialect_reads_back_over_the_corpus() {
    let Some(objects) = corpus::objects() else { return };
    let dialects: [(&dyn Dialect, Syntax, &str); 3] = [
        (&Exact(Kernel), Syntax::Kernel, "kernel"),
        (&Exact(Llvm), Syntax::Llvm, "llvm"),
        (&Ubpf, Syntax::Ubpf, "ubpf"),
    ];
    for (dialect, syntax, name) in dialects {
        let (mut count, mut different) = (0, 0);
        for (object, path) in &objects {
            let Some(opened) = open(path) else { continue };
            for (_, slots) in code(&opened) {
                let mut text = String::new();
                let mut at = 0;
                while at < slots.len() {
                    at += dialect.any(&mut text, at, &slots[at..], &NoNames).unwrap();
                    text.push('\n');
                    count += 1;
                }
                let back = assemble(&text, syntax).unwrap_or_else(|e| panic!("{object}: {e}"));
                if back != slots {
                    different += 1;
                    let at = (0..slots.len()).find(|&i| back.get(i) != slots.get(i)).unwrap();
                    println!("{object} {name}: slot {at}: {:?} for {:?}", back.get(at), slots[at]);
                }
            }
        }
        println!("{name}: {count} instructions, {different} sections differ");
        assert!(count > 100_000 && different == 0);
    }
}
