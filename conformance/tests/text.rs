//! Instructions as text against llvm-objdump, and back to bytes in every dialect: over the corpus,
//! over every form of instruction, and over the vectors of bpf_conformance.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::disasm::{Dialect, Exact, Kernel, Llvm, NoNames, Ubpf};
use oxbpf::isa::insn::{AtomicOp, ByteOrder, Insn, RawInsn, Size};
use oxbpf::names::SectionNames;
use oxbpf::object::{Object, SectionKind};
use oxbpf_conformance::corpus;
use oxbpf_conformance::forms::forms;

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
fn objdump(path: &Path, cpu: &[&str]) -> Option<BTreeMap<(String, usize), String>> {
    let output = Command::new("llvm-objdump-19")
        .args(["-d", "--no-show-raw-insn"])
        .args(cpu)
        .arg(path)
        .output()
        .ok()?;
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
    let (mut compared, mut with_v4, mut no_insn, mut different, mut opened) = (0, 0, 0, Vec::new(), 0);
    for (name, path) in &objects {
        let Some(object) = open(path) else {
            println!("{name} does not open");
            continue;
        };
        opened += 1;
        let theirs = objdump(path, &[]).unwrap();
        let with_processor = OnceCell::new();
        for (index, slots) in code(&object) {
            let section = &object.elf().sections[index].name;
            let names = SectionNames::of(&object, index);
            let mut at = 0;
            while at < slots.len() {
                let mut ours = String::new();
                let taken = Llvm.any(&mut ours, at, &slots[at..], &names).unwrap();
                let insn = Insn::decode(&slots[at..]);
                let theirs = if insn.is_ok_and(|insn| needs_processor(&insn)) {
                    with_v4 += 1;
                    with_processor.get_or_init(|| objdump(path, &["--mcpu=v4"]).unwrap())
                } else {
                    &theirs
                };
                match theirs.get(&(section.clone(), at)) {
                    Some(text) if *text == ours => compared += 1,
                    Some(text) if insn.is_err() && text == "<unknown>" => no_insn += 1,
                    text => different.push(format!("{name} {section} {at}: {ours:?} for {text:?}")),
                }
                at += taken;
            }
        }
    }
    for line in different.iter().take(30) {
        println!("{line}");
    }
    println!(
        "llvm text: {compared} instructions of {opened} of {} objects are equal, {with_v4} of them with \
         --mcpu=v4, {} differ; {no_insn} decode neither here nor there",
        objects.len(),
        different.len()
    );
    assert!(compared > 100_000 && different.is_empty());
}

/// Whether LLVM 19 decodes this: it has no loads that acquire and no stores that release.
fn known_to_llvm_19(insn: &Insn) -> bool {
    !matches!(insn, Insn::LoadAcquire { .. } | Insn::StoreRelease { .. })
}

/// Whether llvm-objdump decodes this only when it is told of a processor that has all atomics. By
/// default it does not know most of those on four bytes, and shows the add that fetches as one that
/// does not.
fn needs_processor(insn: &Insn) -> bool {
    match insn {
        Insn::Atomic { op: AtomicOp::Add, fetch: false, .. } => false,
        Insn::Atomic { size, .. } => *size == Size::W,
        _ => false,
    }
}

#[test]
fn llvm_text_of_every_form_equals_objdumps() {
    let folder = std::env::temp_dir().join(format!("oxbpf-forms-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (source, object) = (folder.join("forms.s"), folder.join("forms.o"));
    let decoded = forms().filter_map(|slots| Some((Insn::decode(&slots).ok()?, slots)));
    let all: Vec<(Insn, Vec<RawInsn>)> = decoded.filter(|(insn, _)| known_to_llvm_19(insn)).collect();
    let mut text = String::from(".text\n");
    for slot in all.iter().flat_map(|(_, slots)| slots) {
        let bytes = slot.to_bytes(ByteOrder::Little).map(|b| b.to_string());
        text.push_str(&format!(".byte {}\n", bytes.join(",")));
    }
    fs::write(&source, text).unwrap();
    let assembled = Command::new("clang-19")
        .args(["-target", "bpf", "-c", "-o"])
        .args([&object, &source])
        .status()
        .is_ok_and(|s| s.success());
    let (plain, v4) = (objdump(&object, &[]), objdump(&object, &["--mcpu=v4"]));
    fs::remove_dir_all(&folder).unwrap();
    let (true, Some(plain), Some(v4)) = (assembled, plain, v4) else {
        println!("skipped: clang-19 or llvm-objdump-19 is not installed");
        return;
    };
    let (mut at, mut different) = (0, 0);
    for (insn, slots) in &all {
        let theirs = if needs_processor(insn) { &v4 } else { &plain };
        let theirs = &theirs[&(".text".to_owned(), at)];
        // The symbol that llvm-objdump adds to a jump.
        let theirs = match theirs.rsplit_once(" <") {
            Some((text, symbol)) if symbol.ends_with('>') => text,
            _ => theirs.as_str(),
        };
        let mut ours = String::new();
        Llvm.any(&mut ours, at, slots, &NoNames).unwrap();
        if ours != theirs {
            different += 1;
            println!("{slots:?}: {ours:?} for {theirs:?}");
        }
        at += slots.len();
    }
    println!("llvm text: {} forms, {different} differ", all.len());
    assert!(all.len() > 10_000 && different == 0);
}

/// The sections of a vector of this name, without comments.
fn section(vector: &str, name: &str) -> Option<String> {
    let mut lines = vector.lines().skip_while(|l| l.strip_prefix("-- ").map(str::trim) != Some(name));
    lines.next()?;
    let body = lines.take_while(|l| !l.starts_with("-- ")).filter(|l| !l.starts_with('#'));
    Some(body.collect::<Vec<_>>().join("\n"))
}

#[test]
fn vectors_assemble_and_read_back() {
    let Some(folder) = corpus::directory("OXBPF_VECTORS", "the vectors of bpf_conformance") else { return };
    let (mut assembled, mut with_bytes) = (0, 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "data") {
            continue;
        }
        let name = path.display();
        let vector = fs::read_to_string(&path).unwrap();
        let Some(text) = section(&vector, "asm") else { continue };
        let slots = assemble(&text, Syntax::Ubpf).unwrap_or_else(|e| panic!("{name}: {e}"));
        assembled += 1;
        if let Some(raw) = section(&vector, "raw") {
            let word = |w: &str| u64::from_str_radix(w.trim_start_matches("0x"), 16).unwrap();
            let bytes: Vec<u8> = raw.split_whitespace().flat_map(|w| word(w).to_le_bytes()).collect();
            assert_eq!(RawInsn::slots(&bytes, ByteOrder::Little).unwrap(), slots, "{name}");
            with_bytes += 1;
        }
        for (dialect, syntax, _) in dialects() {
            let mut text = String::new();
            let mut at = 0;
            while at < slots.len() {
                at += dialect.any(&mut text, at, &slots[at..], &NoNames).unwrap();
                text.push('\n');
            }
            assert_eq!(assemble(&text, syntax).unwrap_or_else(|e| panic!("{name}: {e}")), slots, "{name}");
        }
    }
    println!("{assembled} vectors assemble and read back, {with_bytes} of them have bytes, which are equal");
    assert!(assembled >= 313 && with_bytes > 0);
}

fn dialects() -> [(&'static dyn Dialect, Syntax, &'static str); 3] {
    [
        (&Exact(Kernel), Syntax::Kernel, "kernel"),
        (&Exact(Llvm), Syntax::Llvm, "llvm"),
        (&Ubpf, Syntax::Ubpf, "ubpf"),
    ]
}

#[test]
fn every_dialect_reads_back_over_the_corpus() {
    let Some(objects) = corpus::objects() else { return };
    for (dialect, syntax, name) in dialects() {
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
