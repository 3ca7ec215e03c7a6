//! The command as a user meets it: the examples checked and run, the contracts of output and exit
//! status.
#![cfg(feature = "cli")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Output};

fn oxbpf(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_oxbpf"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the command runs")
}

fn json(args: &[&str]) -> Value {
    let output = oxbpf(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The map of this name in the output of `run`.
fn map<'a>(document: &'a Value, name: &str) -> &'a Vec<Value> {
    let maps = document["maps"].as_array().unwrap();
    maps.iter().find(|m| m["name"] == name).unwrap()["elements"].as_array().unwrap()
}

/// The value of a field in a line of recorded events.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let at = line.find(&format!(" {name}=")).unwrap() + name.len() + 2;
    line[at..].split_whitespace().next().unwrap().trim_matches('"')
}

#[test]
fn block_io_histogram_is_what_the_events_imply() {
    let text = String::from_utf8(read("examples/biosize.events")).unwrap();
    let mut expected: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let (mut requests, mut bytes, mut errors) = (0, 0, 0);
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        if line.contains("block_rq_complete") {
            errors += (field(line, "error") != "0") as u64;
            continue;
        }
        let size: u64 = field(line, "bytes").parse().unwrap();
        let direction = match &field(line, "rwbs")[..1] {
            "R" => "READ",
            "W" => "WRITE",
            _ => "OTHER",
        };
        let slot = (size / 1024).checked_ilog2().unwrap_or(0).min(19) as usize;
        expected.entry(direction).or_insert_with(|| vec![0; 20])[slot] += 1;
        requests += 1;
        bytes += size;
    }
    let document =
        json(&["run", "examples/biosize.bpf.o", "--events", "examples/biosize.events", "--format", "json"]);
    let found: BTreeMap<String, Vec<u64>> = map(&document, "sizes")
        .iter()
        .map(|e| {
            let slots = e["value"]["slots"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap());
            (e["key"].as_str().unwrap().to_owned(), slots.collect())
        })
        .collect();
    let expected: BTreeMap<String, Vec<u64>> = expected.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    assert_eq!(found, expected);
    let totals = &map(&document, "totals")[0]["value"];
    assert_eq!(
        (totals["requests"].as_u64(), totals["bytes"].as_u64(), totals["errors"].as_u64()),
        (Some(requests), Some(bytes), Some(errors))
    );
    assert!(requests > 200 && errors > 0);
}

/// The packets of the example capture, read without the code under test.
fn packets() -> Vec<Vec<u8>> {
    let file = read("examples/packets.pcap");
    let (mut at, mut out) = (24, Vec::new());
    while at < file.len() {
        let len = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        out.push(file[at + 16..at + 16 + len].to_vec());
        at += 16 + len;
    }
    out
}

#[test]
fn packets_are_counted_per_protocol() {
    let (mut expected, mut aborted) = (BTreeMap::<u64, (u64, u64)>::new(), 0);
    for p in packets() {
        let (kind, ip) = match &p[12..14] {
            [0x81, 0] => (p[16..18].to_vec(), 18),
            kind => (kind.to_vec(), 14),
        };
        let protocol = match kind[..] {
            [0x08, 0x00] => p.get(ip..ip + 20).map(|h| h[9]),
            [0x86, 0xdd] => p.get(ip..ip + 40).map(|h| h[6]),
            _ => continue,
        };
        match protocol {
            Some(protocol) => {
                let entry = expected.entry(protocol as u64).or_default();
                *entry = (entry.0 + 1, entry.1 + p.len() as u64);
            }
            None => aborted += 1,
        }
    }
    let document =
        json(&["run", "examples/xdp_proto.bpf.o", "--pcap", "examples/packets.pcap", "--format", "json"]);
    let mut found = BTreeMap::new();
    for e in map(&document, "protocols") {
        let values = e["values"].as_array().unwrap();
        let sum = |name: &str| values.iter().map(|v| v[name].as_u64().unwrap()).sum::<u64>();
        if sum("packets") > 0 {
            found.insert(e["key"].as_u64().unwrap(), (sum("packets"), sum("bytes")));
        }
    }
    assert_eq!(found, expected);
    let returned = document["runs"].as_array().unwrap().iter().filter(|r| r["ret"] == 0).count();
    assert_eq!(returned, aborted);
}

#[test]
fn tail_calls_reach_the_program_for_the_protocol() {
    let mut expected = [0u64; 4];
    for p in packets() {
        expected[match p[12..14] {
            [0x08, 0x00] => 0,
            [0x86, 0xdd] => 1,
            [0x08, 0x06] => 2,
            _ => 3,
        }] += 1;
    }
    let args = [
        "run",
        "examples/tail_dispatch.bpf.o",
        "--prog",
        "dispatch",
        "--pcap",
        "examples/packets.pcap",
        "--format",
        "json",
    ];
    let document = json(&args);
    let bss =
        document["maps"].as_array().unwrap().iter().find(|m| m["name"].as_str().unwrap().ends_with(".bss"));
    let seen = &bss.unwrap()["elements"][0]["value"]["seen"];
    let seen: Vec<u64> = seen.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(seen, expected);
}

#[test]
fn check_has_stable_keys_and_words() {
    let document = json(&["check", "examples/tc_flows.bpf.o", "--format", "json"]);
    assert_eq!(document["schema"], 1);
    let row = document["results"][0].as_object().unwrap();
    for key in [
        "file",
        "program",
        "section",
        "type",
        "kernel",
        "verdict",
        "errno",
        "message",
        "insn",
        "source",
        "insns",
        "total_states",
        "peak_states",
        "max_states_per_insn",
        "stack_depth",
        "duration_us",
    ] {
        assert!(row.contains_key(key), "{key}");
    }
    assert_eq!((&row["program"], &row["type"]), (&"account".into(), &"sched_cls".into()));
    let csv = oxbpf(&["check", "examples/tc_flows.bpf.o", "--format", "csv"]);
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(csv.starts_with("file_name,prog_name,verdict,duration,total_insns,total_states"), "{csv}");
}

#[test]
fn counts_of_a_kernel_that_prunes_otherwise_are_estimates() {
    let args = ["check", "examples/xdp_proto.bpf.o", "--kernel", "6.12,6.18", "--format", "json"];
    let document = json(&args);
    let estimated: Vec<_> = document["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["kernel"].as_str().unwrap(), row["verdict"].as_str().unwrap(), row["estimated"].as_bool())
        })
        .collect();
    assert_eq!(estimated, [("6.12", "accept", Some(true)), ("6.18", "accept", None)]);
    let human = oxbpf(&args[..4]);
    let human = String::from_utf8(human.stdout).unwrap();
    assert_eq!(human.matches("about ").count(), 1, "{human}");
}

/// What Linux 6.18 counts for each program of the examples.
#[test]
fn examples_are_accepted_with_the_kernels_count() {
    let expected = [
        ("biosize", "issue", 268),
        ("biosize", "complete", 15),
        ("tail_dispatch", "on_ipv4", 5),
        ("tail_dispatch", "on_ipv6", 5),
        ("tail_dispatch", "on_arp", 5),
        ("tail_dispatch", "dispatch", 48),
        ("tc_flows", "account", 91),
        ("xdp_proto", "count_protocols", 103),
    ];
    for (file, program, insns) in expected {
        let path = format!("examples/{file}.bpf.o");
        let document = json(&["check", &path, "--prog", program, "--format", "json"]);
        let row = &document["results"][0];
        assert_eq!(
            (row["verdict"].as_str(), row["errno"].as_i64(), row["insns"].as_u64()),
            (Some("accept"), Some(0), Some(insns)),
            "{program}"
        );
    }
}

/// A file of instructions as hexadecimal text, gone when it is dropped.
struct Hex(std::path::PathBuf);

impl Hex {
    fn new(name: &str, text: &str) -> Hex {
        let path = std::env::temp_dir().join(format!("oxbpf-cli-{name}-{}.hex", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Hex(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Hex {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn reports_for_machines_tell_what_is_wrong() {
    // r0 = r3; exit
    let file = Hex::new("reports", "bf 30 00 00 00 00 00 00 95 00 00 00 00 00 00 00");
    let check = |format: &str| {
        let output = oxbpf(&["check", file.path(), "--type", "xdp", "--format", format]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stdout).unwrap()
    };
    let sarif: Value = serde_json::from_str(&check("sarif")).unwrap();
    let run = &sarif["runs"][0];
    let result = &run["results"][0];
    assert_eq!((&sarif["version"], &result["level"]), (&"2.1.0".into(), &"error".into()));
    assert!(result["message"]["text"].as_str().unwrap().ends_with("R3 !read_ok"), "{result}");
    let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!(rule["id"], result["ruleId"]);
    assert!(!rule["fullDescription"]["text"].as_str().unwrap().is_empty());
    let junit = check("junit");
    assert!(junit.contains("tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\""), "{junit}");
    assert!(junit.contains("insn 0: R3 !read_ok</failure>"), "{junit}");
    let github = check("github");
    assert!(github.starts_with("::error file="), "{github}");
    assert!(github.lines().next().unwrap().ends_with(" insn 0: R3 !read_ok"), "{github}");
}

#[test]
fn the_log_is_shown_on_request() {
    let file = Hex::new("log", "b7 00 00 00 01 00 00 00 95 00 00 00 00 00 00 00");
    let args = ["check", file.path(), "--type", "xdp", "--format", "json"];
    assert!(json(&args)["results"][0].get("log").is_none());
    let document = json(&[&args[..], &["--log-level", "2"]].concat());
    let log = document["results"][0]["log"].as_str().unwrap();
    assert!(log.contains("0: (b7) r0 = 1") && log.contains("processed 2 insns"), "{log}");
    assert_eq!(oxbpf(&[&args[..], &["--log-level", "3"]].concat()).status.code(), Some(2));
}

#[test]
fn kernels_and_parts_of_objects_are_told_as_json() {
    let document = json(&["kernels", "--format", "json"]);
    let kernels = document["kernels"].as_array().unwrap();
    let newest = kernels.iter().find(|k| k["kernel"] == "6.18").unwrap();
    assert!(newest["helpers"].as_u64().unwrap() >= 211);
    let document = json(&["dump", "examples/tc_flows.bpf.o", "--format", "json"]);
    let object = &document["objects"][0];
    assert_eq!(object["licence"], "Dual MIT/GPL");
    assert_eq!(
        (&object["programs"][0]["function"], &object["programs"][0]["insns"]),
        (&"account".into(), &73.into())
    );
}

/// Instructions that hold a descriptor run when somebody says what stands behind it.
#[test]
fn maps_behind_descriptors_are_named_on_the_command_line() {
    // *(u32 *)(r10 - 4) = 0; r2 = r10 - 4; r1 = map 7; call map_lookup_elem; r0 = !!r0; exit
    let file = Hex::new(
        "maps",
        "62 0a fc ff 00 00 00 00 bf a2 00 00 00 00 00 00 07 02 00 00 fc ff ff ff \
         18 11 00 00 07 00 00 00 00 00 00 00 00 00 00 00 85 00 00 00 01 00 00 00 \
         15 00 01 00 00 00 00 00 b7 00 00 00 01 00 00 00 95 00 00 00 00 00 00 00",
    );
    let map = "7=array,key:4,value:8,entries:1";
    let document =
        json(&["run", file.path(), "--type", "xdp", "--packet", "00", "--map", map, "--format", "json"]);
    assert_eq!(document["runs"][0]["ret"], 1, "{document}");
    let checked = json(&["check", file.path(), "--type", "xdp", "--map", map, "--format", "json"]);
    assert_eq!(checked["results"][0]["verdict"], "accept", "{checked}");
    let unnamed = json(&["check", file.path(), "--type", "xdp", "--format", "json"]);
    assert_eq!(unnamed["results"][0]["verdict"], "unknown", "{unnamed}");
}

#[test]
fn exit_status_tells_the_verdict() {
    let dir = std::env::temp_dir();
    let path = dir.join(format!("oxbpf-cli-test-{}.hex", std::process::id()));
    // r0 = 0; goto +5
    std::fs::write(&path, "b7 00 00 00 00 00 00 00\n05 00 05 00 00 00 00 00\n").unwrap();
    let rejected = oxbpf(&["check", path.to_str().unwrap(), "--type", "xdp"]);
    assert_eq!(rejected.status.code(), Some(1));
    let text = String::from_utf8(rejected.stdout).unwrap();
    assert!(text.contains("E0203 insn 1: jump out of range from insn 1 to 7"), "{text}");
    // *(u8 *)(r1 + 0) = 0; exit, on no memory at all
    std::fs::write(&path, "72 01 00 00 00 00 00 00 95 00 00 00 00 00 00 00").unwrap();
    let trapped = oxbpf(&["run", path.to_str().unwrap()]);
    assert_eq!(trapped.status.code(), Some(1), "{trapped:?}");
    std::fs::write(&path, "not a program").unwrap();
    assert_eq!(oxbpf(&["check", path.to_str().unwrap()]).status.code(), Some(2));
    assert_eq!(oxbpf(&["check", "no/such/file.o"]).status.code(), Some(2));
    assert_eq!(oxbpf(&["check", "examples/tc_flows.bpf.o", "--kernel", "2.6"]).status.code(), Some(2));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn dis_and_asm_are_inverse() {
    for syntax in ["kernel", "llvm", "ubpf"] {
        let args = [
            "dis",
            "examples/biosize.bpf.o",
            "--linked",
            "--prog",
            "issue",
            "--exact",
            "--plain",
            "--syntax",
            syntax,
        ];
        let text = oxbpf(&args);
        assert!(text.status.success());
        let path = std::env::temp_dir().join(format!("oxbpf-cli-asm-{syntax}-{}", std::process::id()));
        std::fs::write(&path, &text.stdout).unwrap();
        let hex = oxbpf(&["asm", path.to_str().unwrap(), "--format", "hex"]);
        assert!(hex.status.success(), "{}", String::from_utf8_lossy(&hex.stderr));
        let slots = String::from_utf8(hex.stdout).unwrap();
        assert_eq!(slots.lines().count(), 80);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn types_are_dumped_alone() {
    let header = oxbpf(&["dump", "--btf", "examples/biosize.bpf.o"]);
    let header = String::from_utf8(header.stdout).unwrap();
    assert!(header.contains("struct hist {") && header.contains("#ifndef __VMLINUX_H__"), "{header}");
    let raw = oxbpf(&["dump", "--btf=raw", "examples/biosize.bpf.o"]);
    let raw = String::from_utf8(raw.stdout).unwrap();
    assert!(raw.starts_with("[1] ") && raw.contains("STRUCT 'hist' size=80 vlen=1"), "{raw}");
}

/// A kernel whose types know one function.
fn types_of_a_kernel() -> Vec<u8> {
    use oxbpf::isa::btf::{BtfBuilder, IntEncoding, Linkage};
    let mut types = BtfBuilder::new(oxbpf::isa::insn::ByteOrder::Little);
    let int = types.int("int", 4, IntEncoding(1)).unwrap();
    let proto = types.func_proto(int, &[]).unwrap();
    types.func("do_unlinkat", proto, Linkage::Static).unwrap();
    types.write().unwrap()
}

#[test]
fn targets_are_looked_up_in_the_kernels_types() {
    // r0 = 0; exit
    let file = Hex::new("targets", "b7 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00");
    let btf = std::env::temp_dir().join(format!("oxbpf-cli-targets-{}.btf", std::process::id()));
    std::fs::write(&btf, types_of_a_kernel()).unwrap();
    let check = |section: &str, more: &[&str]| {
        let mut args = vec!["check", file.path(), "--type", section, "--format", "json"];
        args.extend(more);
        json(&args)["results"][0].clone()
    };
    let types = ["--btf", btf.to_str().unwrap()];
    let without = check("fentry/do_unlinkat", &[]);
    assert_eq!(without["verdict"], "unknown", "{without}");
    assert!(without["message"].as_str().unwrap().contains("--btf"), "{without}");
    assert_eq!(check("fentry/do_unlinkat", &types)["verdict"], "accept");
    let missing = check("fentry/do_unlnkat", &types);
    assert_eq!((missing["verdict"].as_str(), missing["errno"].as_i64()), (Some("reject"), Some(3)));
    assert_eq!(missing["message"], "this kernel has no function do_unlnkat; near it: do_unlinkat");
    let attach = ["--btf", btf.to_str().unwrap(), "--attach", "program=do_unlinkat"];
    assert_eq!(check("fentry/do_unlnkat", &attach)["verdict"], "accept");
    let bad = oxbpf(&["check", file.path(), "--attach", "program"]);
    assert_eq!(bad.status.code(), Some(2));
    for more in [["--attach", "issue=do_unlinkat"], ["--prog", "issue"]] {
        let nobody = oxbpf(&[&["check", file.path()], &more[..]].concat());
        assert_eq!(nobody.status.code(), Some(2));
        let told = String::from_utf8(nobody.stderr).unwrap();
        assert!(told.contains("issue: there is no such program; expected one of program"), "{told}");
    }
    std::fs::remove_file(&btf).unwrap();
}

/// The types of a module of that kernel, with one function.
fn types_of_a_module(base: &[u8]) -> Vec<u8> {
    use oxbpf::isa::btf::{Btf, BtfBuilder, Kind, Linkage};
    let base = std::sync::Arc::new(Btf::parse(base.to_vec()).unwrap());
    let mut types = BtfBuilder::split(base.clone());
    let int = base.find("int", Kind::Int).unwrap();
    let proto = types.func_proto(int, &[]).unwrap();
    types.func("nf_hook_slow", proto, Linkage::Static).unwrap();
    types.write().unwrap()
}

#[test]
fn modules_continue_the_types_of_their_kernel() {
    let file = Hex::new("modules", "b7 00 00 00 00 00 00 00 95 00 00 00 00 00 00 00");
    let dir = std::env::temp_dir().join(format!("oxbpf-cli-modules-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let kernel = types_of_a_kernel();
    std::fs::write(path("vmlinux"), &kernel).unwrap();
    std::fs::write(path("nf_core"), types_of_a_module(&kernel)).unwrap();
    let (vmlinux, module, named) =
        (path("vmlinux"), path("nf_core"), format!("nf_other={}", path("nf_core")));
    let check = |section: &str, files: &[&str]| {
        let mut args = vec!["check", file.path(), "--type", section, "--format", "json"];
        args.extend(files.iter().flat_map(|f| ["--btf", *f]));
        json(&args)["results"][0].clone()
    };
    let verdict = |section: &str, files: &[&str]| check(section, files)["verdict"].clone();
    let both = [vmlinux.as_str(), module.as_str()];
    assert_eq!(verdict("fentry/nf_hook_slow", &both), "accept");
    assert_eq!(verdict("fentry/nf_core:nf_hook_slow", &both), "accept");
    assert_eq!(verdict("fentry/nf_core:do_unlinkat", &both), "reject");
    assert_eq!(verdict("fentry/vmlinux:do_unlinkat", &both), "accept");
    assert_eq!(verdict("fentry/vmlinux:nf_hook_slow", &both), "reject");
    assert_eq!(verdict("fentry/nf_other:nf_hook_slow", &[&vmlinux, &named]), "accept");
    assert_eq!(verdict("fentry/nf_hook_slow", &[dir.to_str().unwrap()]), "accept");
    // A module that nobody gave may have the function; the kernel that was given has it not.
    let unknown = check("fentry/nf_core:nf_hook_slow", &[&vmlinux]);
    assert_eq!(unknown["verdict"], "unknown", "{unknown}");
    assert!(unknown["message"].as_str().unwrap().contains("module"), "{unknown}");
    let missing = check("fentry/nf_hook_slw", &both);
    assert_eq!(missing["message"], "this kernel has no function nf_hook_slw; near it: nf_hook_slow");
    // Types of another kernel are no base, and a module's are none of a kernel.
    let mut other = oxbpf::isa::btf::BtfBuilder::new(oxbpf::isa::insn::ByteOrder::Little);
    other.int("unsigned long long", 8, oxbpf::isa::btf::IntEncoding(0)).unwrap();
    let proto = other.func_proto(oxbpf::isa::btf::TypeId(1), &[]).unwrap();
    other.func("a", proto, oxbpf::isa::btf::Linkage::Static).unwrap();
    std::fs::write(path("other"), other.write().unwrap()).unwrap();
    for (files, words) in [
        ([path("other"), module.clone()], "do not continue"),
        ([module.clone(), vmlinux.clone()], "the first types given"),
        ([vmlinux.clone(), vmlinux.clone()], "stand on their own"),
    ] {
        let out = oxbpf(&["check", file.path(), "--btf", &files[0], "--btf", &files[1]]);
        let words_of = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{words_of}");
        assert!(words_of.contains(words), "{words_of}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
