//! What the command tells Linux perf, read the way perf reads it; and source lines beside machine code.
#![cfg(all(feature = "cli", feature = "jit", unix))]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the example on the example's packets.
fn run(directory: &Path, more: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_oxbpf"))
        .arg("run")
        .arg(root().join("examples/xdp_proto.bpf.o"))
        .arg("--pcap")
        .arg(root().join("examples/packets.pcap"))
        .args(more)
        .current_dir(directory)
        .output();
    output.expect("the command runs")
}

/// The file that the command says it wrote, and what is in it; it is gone afterwards.
fn written(output: &Output, directory: &Path) -> (PathBuf, Vec<u8>) {
    let text = String::from_utf8_lossy(&output.stderr);
    let path = text.lines().find_map(|line| line.strip_prefix("for perf: ")).expect("it says where");
    let path = directory.join(path);
    let bytes = std::fs::read(&path).expect("it is there");
    std::fs::remove_file(&path).expect("it can go");
    (path, bytes)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn a_map_names_the_program() {
    let output = run(root(), &["--engine", "jit", "--perf", "map"]);
    assert!(output.status.success(), "{output:?}");
    let (path, bytes) = written(&output, root());
    assert!(path.to_str().unwrap().starts_with("/tmp/perf-"), "{path:?}");
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.lines().count() > 0);
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let number = |at: usize| u64::from_str_radix(words[at], 16).unwrap();
        assert!(number(0) > 0 && number(1) > 0 && words[2].starts_with("count_protocols"), "{line}");
    }
}

#[test]
fn a_dump_has_code_and_lines() {
    let directory = std::env::temp_dir().join(format!("oxbpf-perf-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let output = run(&directory, &["--engine", "jit", "--perf", "jitdump"]);
    assert!(output.status.success(), "{output:?}");
    let (_, bytes) = written(&output, &directory);
    std::fs::remove_dir(&directory).unwrap();
    assert_eq!([word(&bytes, 0), word(&bytes, 4)], [0x4a69_5444, 1]);
    let (mut at, mut loads, mut lines) = (word(&bytes, 8) as usize, 0, Vec::new());
    let mut kinds = Vec::new();
    while at < bytes.len() {
        let (kind, record) = (word(&bytes, at), &bytes[at..at + word(&bytes, at + 4) as usize]);
        kinds.push(kind);
        match kind {
            0 => {
                loads += 1;
                let (address, size) = (long(record, 24), long(record, 40) as usize);
                let name = &record[56..record.len() - size];
                assert!(name.starts_with(b"count_protocols") && name.ends_with(b"\0"), "{name:?}");
                // All lines lie in the code that follows them.
                for (place, line, file) in lines.drain(..) {
                    assert!((address..address + size as u64).contains(&place));
                    let source = std::fs::read_to_string(root().join("examples").join(&file)).unwrap();
                    assert!((1..=source.lines().count()).contains(&line), "{file}:{line}");
                }
            }
            2 => {
                let (count, mut rest) = (long(record, 24), &record[32..]);
                for _ in 0..count {
                    let end = 16 + rest[16..].iter().position(|&b| b == 0).unwrap();
                    let file = String::from_utf8_lossy(&rest[16..end]);
                    let file = file.rsplit('/').next().unwrap().to_owned();
                    lines.push((long(rest, 0), word(rest, 8) as usize, file));
                    rest = &rest[end + 1..];
                }
                assert!(count > 3 && rest.is_empty());
            }
            _ => assert_eq!(kind, 3),
        }
        at += record.len();
    }
    assert!(loads > 0 && kinds.contains(&2) && kinds.last() == Some(&3), "{kinds:?}");
}

#[test]
fn interpreted_programs_have_nothing_for_perf() {
    assert_eq!(run(root(), &["--perf", "map"]).status.code(), Some(2));
}

#[test]
fn machine_code_stands_below_its_source() {
    let output = Command::new(env!("CARGO_BIN_EXE_oxbpf"))
        .args(["jit", "examples/xdp_proto.bpf.o", "--clif"])
        .current_dir(root())
        .output()
        .expect("the command runs");
    let text = String::from_utf8(output.stdout).unwrap();
    let source = std::fs::read_to_string(root().join("examples/xdp_proto.bpf.c")).unwrap();
    let shown: Vec<&str> = text.lines().filter(|line| line.starts_with("; ")).collect();
    assert!(shown.len() > 5 && text.contains("function u0:0"), "{text}");
    for line in shown {
        let (place, code) = line[2..].split_once(": ").unwrap();
        let (file, number) = place.rsplit_once(':').unwrap();
        if file.ends_with("xdp_proto.bpf.c") {
            let number: usize = number.parse().unwrap();
            assert_eq!(source.lines().nth(number - 1).map(str::trim), Some(code.trim()), "{line}");
        }
    }
}
