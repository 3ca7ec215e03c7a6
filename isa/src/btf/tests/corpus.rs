//! Types of real kernels and objects, where they are at hand.

use super::*;
use alloc::string::String;
use alloc::vec::Vec;
use show::c;
use std::path::{Path, PathBuf};
use std::{env, fs, println};

/// The folder that an environment variable names.
fn folder(variable: &str, what: &str) -> Option<PathBuf> {
    let found = env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        println!("skipped: {variable} is not set, it names {what}");
    }
    found
}

/// Writes, reads again and compares type by type, and shows the types as C.
fn holds(name: &str, btf: &Btf) {
    let copy = BtfBuilder::copy_of(btf).unwrap().build().unwrap();
    assert_eq!(copy.type_count(), btf.type_count(), "{name}");
    for (id, _) in btf.types() {
        assert!(btf.same_type(id, &copy, id), "{name}: type {id}");
    }
    let mut text = String::new();
    c::Header::new(btf).write(&mut text).unwrap_or_else(|e| panic!("{name}: {e}"));
    for id in btf.types().filter(|(_, t)| matches!(t, Type::Func { .. } | Type::Var { .. })).map(|t| t.0) {
        c::define(btf, id, &mut text).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn kernels_are_written_and_shown() {
    let Some(root) = folder("OXBPF_BTF", "the folder of kernels' types") else { return };
    for kernel in ["6.1", "6.12", "6.18"] {
        let btf = Btf::parse(fs::read(root.join(std::format!("{kernel}.btf"))).unwrap()).unwrap();
        assert!(btf.type_count() > 90_000);
        assert!(btf.find("task_struct", Kind::Struct).is_some());
        holds(kernel, &btf);
    }
}

/// The bytes of a section of a 64-bit ELF file, of which no more is read than is needed for that.
fn section<'a>(elf: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let little = elf[5] == 1;
    let number = |at: usize, len: usize| {
        let bytes = &elf[at..at + len];
        let fold = |n, b: &u8| n << 8 | *b as usize;
        if little { bytes.iter().rev().fold(0, fold) } else { bytes.iter().fold(0, fold) }
    };
    let (table, size, count, names) = (number(40, 8), number(58, 2), number(60, 2), number(62, 2));
    let range = |nth: usize| {
        let at = table + nth * size;
        number(at + 24, 8)..number(at + 24, 8) + number(at + 32, 8)
    };
    let strings = &elf[range(names)];
    (0..count).find_map(|nth| {
        let rest = &strings[number(table + nth * size, 4)..];
        (rest.starts_with(name.as_bytes()) && rest[name.len()] == 0).then(|| &elf[range(nth)])
    })
}

fn objects(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["selftests", "tools"] {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path());
        found.extend(entries.filter(|p| p.to_string_lossy().ends_with(".bpf.o")));
    }
    found.sort();
    found
}

#[test]
fn objects_are_written_and_shown() {
    let Some(root) = folder("OXBPF_CORPUS", "the corpus of objects") else { return };
    let mut count = 0;
    for path in objects(&root) {
        let (name, elf) = (path.to_string_lossy(), fs::read(&path).unwrap());
        if let Some(bytes) = section(&elf, ".BTF") {
            holds(&name, &Btf::parse(bytes).unwrap_or_else(|e| panic!("{name}: {e}")));
            count += 1;
        }
        if let Some(bytes) = section(&elf, ".BTF.ext") {
            let ext = BtfExt::parse(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(BtfExt::parse(&ext.write(ByteOrder::Big)).as_ref(), Ok(&ext), "{name}");
            assert_eq!(ext.write(ByteOrder::Little), bytes, "{name}");
        }
    }
    assert!(count > 0, "no object in {}", root.display());
}
