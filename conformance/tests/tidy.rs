//! The house rules that a reader would otherwise have to hold by eye: who imports whom, how large
//! a file may grow, that modules say what they decide, and what may not stand in the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every tracked kind of source file, with its path from the root.
fn sources(extension: &str) -> Vec<(String, String)> {
    fn walk(dir: &Path, extension: &str, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    walk(&path, extension, out);
                }
            } else if path.extension().is_some_and(|e| e == extension) {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root(), extension, &mut paths);
    paths.sort();
    let name = |p: &Path| p.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
    paths.iter().map(|p| (name(p), fs::read_to_string(p).unwrap())).collect()
}

/// The dependencies on other members of the workspace that a manifest declares, by section.
fn members_used(manifest: &str, dev: bool) -> Vec<String> {
    let table: toml::Table = fs::read_to_string(root().join(manifest)).unwrap().parse().unwrap();
    let sections: &[&str] = if dev { &["dev-dependencies"] } else { &["dependencies", "build-dependencies"] };
    let mut used: Vec<String> = sections
        .iter()
        .filter_map(|s| table.get(*s)?.as_table())
        .flat_map(|t| t.keys())
        .filter(|k| k.starts_with("oxbpf"))
        .cloned()
        .collect();
    used.sort();
    used
}

#[test]
fn imports_go_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("isa/Cargo.toml", &[][..]),
        ("verifier/Cargo.toml", &["oxbpf-isa"]),
        ("jit/Cargo.toml", &["oxbpf-isa"]),
        ("Cargo.toml", &["oxbpf-isa", "oxbpf-jit", "oxbpf-verifier"]),
        ("conformance/Cargo.toml", &["oxbpf", "oxbpf-isa", "oxbpf-jit", "oxbpf-verifier"]),
    ]);
    for (manifest, allowed) in allowed {
        for dev in [false, true] {
            for used in members_used(manifest, dev) {
                assert!(allowed.contains(&used.as_str()), "{manifest} may not depend on {used}");
            }
        }
    }
}

#[test]
fn isa_has_no_dependencies_and_no_build_script() {
    let table: toml::Table = fs::read_to_string(root().join("isa/Cargo.toml")).unwrap().parse().unwrap();
    assert!(table.get("dependencies").and_then(|d| d.as_table()).is_none_or(|d| d.is_empty()));
    for (name, _) in sources("rs") {
        assert!(!name.ends_with("build.rs"), "{name}: generated code is checked in, not built");
    }
}

/// A crate that few may name, and the one place that does.
const ONE_PLACE: &[(&str, &[&str])] = &[
    ("goblin", &["src/object/elf.rs"]),
    ("cranelift", &["jit/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("serde_json", &["src/cli/", "src/report/"]),
];

#[test]
fn foreign_crates_stay_behind_their_boundary() {
    for (name, text) in sources("rs") {
        for (foreign, places) in ONE_PLACE {
            let uses = text.lines().any(|l| {
                let l = l.trim_start();
                !l.starts_with("//")
                    && (l.contains(&format!("{foreign}::")) || l.contains(&format!("use {foreign}")))
            });
            let inside = places.iter().any(|p| name.starts_with(p));
            let test =
                name.starts_with("conformance/") || name.contains("tests/") || name.starts_with("fuzz/");
            assert!(!uses || inside || test, "{name} names {foreign}, which belongs to {places:?}");
        }
    }
}

#[test]
fn files_do_not_become_rooms_for_everything() {
    for (name, text) in sources("rs") {
        let lines = text.lines().count();
        let table = name.contains("/generated") || name.ends_with("/ops.rs") || name.ends_with("/catalog.rs");
        assert!(table || lines <= 1000, "{name} has {lines} lines, over 1000");
    }
}

#[test]
fn every_module_says_what_it_decides() {
    for (name, text) in sources("rs") {
        let entry = name.ends_with("tests.rs")
            || name.contains("/tests/")
            || name.contains("/benches/")
            || name.contains("fuzz_targets/");
        assert!(entry || text.trim_start().starts_with("//!"), "{name} does not open with a module comment");
    }
}

#[test]
fn nothing_is_left_for_later_in_silence() {
    const MARKS: &[&str] = &["todo!(", "unimplemented!(", "FIXME", "XXX", "#[ignore"];
    for (name, text) in sources("rs") {
        if name.ends_with("tidy.rs") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for mark in MARKS {
                assert!(!line.contains(mark), "{name}:{}: {mark}", number + 1);
            }
        }
    }
}

#[test]
fn pure_crates_forbid_unsafe_code() {
    for lib in ["isa/src/lib.rs", "verifier/src/lib.rs"] {
        let text = fs::read_to_string(root().join(lib)).unwrap();
        assert!(text.contains("#![no_std]") && text.contains("#![forbid(unsafe_code)]"), "{lib}");
    }
}
