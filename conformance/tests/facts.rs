//! Kernel facts against what is checked in, and against what real kernels answered.
//!
//! `OXBPF_GOLDEN` names the directory of golden tables; without it those tests say so and pass.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oxbpf_conformance::facts::{render, workspace};
use oxbpf_isa::kernel::{
    AttachType, CtxRefusal, CtxReg, HelperFlags, HelperRefusal, KernelModel, KernelVersion, KfuncRefusal,
    MapType, ProgKind, ProgType, sections,
};

#[test]
fn generated_files_are_fresh() {
    let root = workspace();
    for file in render(&root).unwrap_or_else(|error| panic!("{error}")) {
        let path = root.join(&file.path);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == file.text,
            "{} is stale: run `cargo run -p oxbpf-conformance -- facts`",
            file.path.display()
        );
    }
}

fn golden(file: &str) -> Option<String> {
    let Some(dir) = std::env::var_os("OXBPF_GOLDEN") else {
        println!("skipped: OXBPF_GOLDEN does not name the golden tables");
        return None;
    };
    let path = PathBuf::from(dir).join(file);
    Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn model(version: &str) -> KernelModel {
    let version: KernelVersion = version.parse().unwrap();
    KernelModel::measured(version).unwrap_or_else(|| panic!("no measured model of {version}"))
}

/// The kind of program that a column or row of a golden table is about.
fn kind(label: &str) -> ProgKind {
    let (name, detail) = match label.split_once('(') {
        Some((name, detail)) => (name, detail.trim_end_matches(')')),
        None => (label, ""),
    };
    let name = match name {
        "sock_addr" => "cgroup_sock_addr",
        "sockf" => "socket_filter",
        "cls" => "sched_cls",
        "act" => "sched_act",
        "tp" => "tracepoint",
        "perf" => "perf_event",
        "cgskb" => "cgroup_skb",
        "cgsock" => "cgroup_sock",
        "lwtin" => "lwt_in",
        "sockops" => "sock_ops",
        "skskb" => "sk_skb",
        "cgdev" => "cgroup_device",
        "skmsg" => "sk_msg",
        "rawtp" => "raw_tracepoint",
        "sockaddr" => "cgroup_sock_addr",
        "seg6" => "lwt_seg6local",
        "reuse" => "sk_reuseport",
        "flowd" => "flow_dissector",
        "sysctl" => "cgroup_sysctl",
        "sockopt" => "cgroup_sockopt",
        "tp_btf" | "iter" => "tracing",
        "sklook" => "sk_lookup",
        "nf" => "netfilter",
        other => other,
    };
    let prog_type = ProgType::from_name(name).unwrap_or_else(|| panic!("no program type in {label:?}"));
    let attach = match (prog_type, detail) {
        (ProgType::CgroupSkb, "egress") => AttachType::CgroupInetEgress,
        (ProgType::CgroupSock, "" | "create") => AttachType::CgroupInetSockCreate,
        (ProgType::CgroupSock, "release") => AttachType::CgroupInetSockRelease,
        (ProgType::CgroupSock, "post_bind4") => AttachType::CgroupInet4PostBind,
        (ProgType::CgroupSock, "post_bind6") => AttachType::CgroupInet6PostBind,
        (ProgType::CgroupSockAddr, detail) => sock_addr(detail),
        (ProgType::CgroupSockopt, "set") => AttachType::CgroupSetsockopt,
        (ProgType::CgroupSockopt, _) => AttachType::CgroupGetsockopt,
        (ProgType::Tracing, detail) if detail.starts_with("iter") || label == "iter" => AttachType::TraceIter,
        (ProgType::Tracing, _) => AttachType::TraceRawTp,
        (ProgType::SkReuseport, _) => AttachType::SkReuseportSelect,
        (ProgType::SkLookup, _) => AttachType::SkLookup,
        (ProgType::Netfilter, _) => AttachType::Netfilter,
        (_, "" | "ingress") => AttachType::CgroupInetIngress,
        (_, other) => panic!("no attach type {other:?} in {label:?}"),
    };
    ProgKind::new(prog_type).attached_to(attach).with_sleepable(prog_type == ProgType::Syscall)
}

fn sock_addr(detail: &str) -> AttachType {
    let name = match detail {
        "" => "cgroup_inet4_connect".to_owned(),
        unix if unix.starts_with("unix_") => format!("cgroup_{unix}"),
        other => {
            let (verb, family) = other.split_at(other.len() - 1);
            let protocol = if matches!(verb, "sendmsg" | "recvmsg") { "udp" } else { "inet" };
            format!("cgroup_{protocol}{family}_{verb}")
        }
    };
    AttachType::from_name(&name).unwrap_or_else(|| panic!("no attach type {name:?}"))
}

/// Fails with the first mismatches when there are any.
fn report(table: &str, cells: usize, excluded: &str, mismatches: &[String]) {
    println!("{table}: {cells} cells compared, {} mismatches{excluded}", mismatches.len());
    for line in mismatches.iter().take(40) {
        println!("  {line}");
    }
    assert!(cells > 0 && mismatches.is_empty(), "{table}: {} mismatches", mismatches.len());
}

#[test]
fn helpers_are_what_kernels_offer() {
    for version in ["6.1", "6.12", "6.18"] {
        let Some(text) = golden(&format!("helpers-{version}.tsv")) else { return };
        let model = model(version);
        let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let (mut cells, mut wrong, mut not_loadable) = (0, Vec::new(), 0);
        for row in lines {
            let id: u32 = row[0].parse().unwrap();
            for (label, expected) in head.iter().zip(&row).skip(1) {
                if *expected == "E" {
                    not_loadable += 1;
                    // A type that this kernel does not know must be unknown to the model as well.
                    let prog_type = kind(label).prog_type.kernel().unwrap();
                    let configured_out = prog_type == ProgType::LircMode2;
                    if model.prog(prog_type).is_some() && !configured_out {
                        wrong.push(format!("{label}: loadable by the facts"));
                    }
                    continue;
                }
                cells += 1;
                let got = match model.helper_for(&kind(label), id) {
                    Ok(helper) if helper.proto.flags.contains(HelperFlags::GPL) => "G",
                    Ok(_) => "Y",
                    Err(HelperRefusal::UnknownId | HelperRefusal::NotForThisProgram) => "-",
                    Err(other) => panic!("{other:?}"),
                };
                if got != *expected {
                    wrong.push(format!("{id} for {label}: kernel {expected}, facts {got}"));
                }
            }
        }
        let excluded = format!(", {not_loadable} cells of types that cannot be loaded there");
        report(&format!("helpers-{version}"), cells, &excluded, &wrong);
    }
}

/// The kernel's name for what a load gives, cut before its attributes.
fn printed(reg: CtxReg) -> String {
    match reg {
        CtxReg::Scalar => "scalar".into(),
        CtxReg::Packet => "pkt".into(),
        CtxReg::PacketMeta => "pkt_meta".into(),
        CtxReg::PacketEnd => "pkt_end".into(),
        CtxReg::FlowKeys => "flow_keys".into(),
        CtxReg::Socket => "sock".into(),
        CtxReg::SocketOrNull => "sock_or_null".into(),
        CtxReg::SockCommonOrNull => "sock_common_or_null".into(),
        CtxReg::TpBuffer => "tp_buffer".into(),
        CtxReg::TrustedBtf(name) => format!("trusted_ptr_{name}"),
        other => panic!("{other:?} has no printed form here"),
    }
}

/// Access and resulting type by offset and size.
type Cells<'a> = BTreeMap<(i32, u32), (&'a str, &'a str)>;

#[test]
fn contexts_are_what_kernels_allow() {
    for version in ["6.1", "6.12", "6.18"] {
        let Some(text) = golden(&format!("ctx-{version}.tsv")) else { return };
        let model = model(version);
        let mut listed: BTreeMap<&str, Cells<'_>> = BTreeMap::new();
        for line in text.lines() {
            let row: Vec<&str> = line.split('\t').collect();
            let cell = (row[1].parse().unwrap(), row[2].parse().unwrap());
            listed.entry(row[0]).or_default().insert(cell, (row[3], row[4]));
        }
        let (mut cells, mut wrong, mut by_btf) = (0, Vec::new(), BTreeMap::new());
        for (label, rows) in &listed {
            let kind = kind(label);
            // The last offset of the probe that made the tables: rows of unbounded contexts end there.
            let end = 272;
            if model.ctx_access(&kind, 0, 8, false) == Err(CtxRefusal::TypedByBtf) {
                by_btf.insert(*label, rows.len());
                continue;
            }
            for offset in 0..end {
                for size in [1, 2, 4, 8] {
                    let (access, reg) = rows.get(&(offset, size)).copied().unwrap_or(("--", ""));
                    let read = model.ctx_access(&kind, offset, size, false);
                    let write = model.ctx_access(&kind, offset, size, true);
                    cells += 2;
                    if read.is_ok() != access.starts_with('R') || write.is_ok() != access.ends_with('W') {
                        wrong.push(format!(
                            "{label} {offset}:{size}: kernel {access}, facts {read:?} {write:?}"
                        ));
                    }
                    if let (Ok(read), true) = (read, access.starts_with('R')) {
                        cells += 1;
                        let name = reg.split(['(', ' ']).next().unwrap_or(reg);
                        // 6.1 prints no trust.
                        if name != printed(read.reg) {
                            wrong
                                .push(format!("{label} {offset}:{size}: kernel {reg}, facts {:?}", read.reg));
                        }
                    }
                }
            }
            assert!(rows.keys().all(|(offset, _)| *offset < end), "{label}: probed further than compared");
        }
        let excluded = format!(", excluded as typed by BTF: {by_btf:?}");
        report(&format!("ctx-{version}"), cells, &excluded, &wrong);
    }
}

#[test]
fn kfuncs_are_what_the_kernel_offers() {
    let Some(text) = golden("kfuncs-6.18.tsv") else { return };
    let model = model("6.18");
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let (mut cells, mut wrong) = (0, Vec::new());
    for row in lines {
        for (label, expected) in head.iter().zip(&row).skip(1) {
            cells += 1;
            let got = match model.kfunc_for(&kind(label), row[0]) {
                Ok(_) => "Y",
                Err(KfuncRefusal::NeedsSleepable) => "s",
                Err(KfuncRefusal::NotForThisProgram) => "-",
                Err(other) => panic!("{}: {other:?}", row[0]),
            };
            if got != *expected {
                wrong.push(format!("{} for {label}: kernel {expected}, facts {got}", row[0]));
            }
        }
    }
    report("kfuncs-6.18", cells, "", &wrong);
}

/// The flags of a row are those its object asks for by tags; what libbpf adds from the section name when it
/// loads (sleepable, frags) is not in them, so type and attach type are what can be compared.
#[test]
fn sections_are_what_libbpf_reads() {
    for version in ["6.1", "6.12", "6.18"] {
        let Some(text) = golden(&format!("verdicts-{version}.tsv")) else { return };
        let model = model(version);
        let (mut rows, mut unknown, mut members, mut wrong) = (0, BTreeMap::new(), 0, Vec::new());
        for line in text.lines() {
            let row: Vec<&str> = line.split('\t').collect();
            let &[_, _, section, prog_type, attach_type, ..] = row.as_slice() else { continue };
            let (Ok(prog_type), Ok(attach_type)) = (prog_type.parse::<u32>(), attach_type.parse::<u32>())
            else {
                continue;
            };
            rows += 1;
            // libbpf reads a leading '?' as "do not load by itself".
            let Some(found) = sections::lookup(section.trim_start_matches('?')) else {
                *unknown.entry(section).or_insert(0) += 1;
                if prog_type != 0 {
                    wrong.push(format!("{section}: type {prog_type} to libbpf, unknown to the facts"));
                }
                continue;
            };
            let def = found.def;
            // The attach type of struct_ops is the number of the member, which the map of the object says.
            let member = def.prog_type == ProgType::StructOps;
            members += usize::from(member);
            // libbpf gives these the attach type of multi-uprobes where the kernel can link several at once.
            let several = def.flags.contains(sections::SectionFlags::USDT)
                && attach_type == AttachType::TraceUprobeMulti.number()
                && model.attach(AttachType::TraceUprobeMulti).is_some();
            let same = def.prog_type.number() == prog_type
                && (member || several || def.attach_type.number() == attach_type);
            if !same {
                wrong.push(format!("{line}: facts {} {}", def.prog_type, def.attach_type));
            }
        }
        let excluded =
            format!(", attach type of {members} struct_ops members excluded, no definition: {unknown:?}");
        report(&format!("sections in verdicts-{version}"), rows, &excluded, &wrong);
    }
}

/// Verdicts whose last line says that a helper, a kfunc or a map was not for that program.
#[test]
fn refusals_are_those_of_the_verdicts() {
    for version in ["6.1", "6.12", "6.18"] {
        let Some(text) = golden(&format!("verdicts-{version}.tsv")) else { return };
        let model = model(version);
        let (mut rows, mut wrong) = (0, Vec::new());
        for line in text.lines() {
            let row: Vec<&str> = line.split('\t').collect();
            let &[_, _, section, prog_type, attach_type, .., message] = row.as_slice() else { continue };
            let prog_type = prog_type.parse().ok().and_then(ProgType::from_number);
            // The attach type of struct_ops is the number of the member.
            let attach_type = match prog_type {
                Some(ProgType::StructOps) => Some(AttachType::StructOps),
                _ => attach_type.parse().ok().and_then(AttachType::from_number),
            };
            let (Some(prog_type), Some(attach_type)) = (prog_type, attach_type) else { continue };
            let marks = sections::lookup(section).map(|found| found.def.flags).unwrap_or_default();
            let kind = ProgKind::new(prog_type)
                .attached_to(attach_type)
                .with_sleepable(marks.contains(sections::SectionFlags::SLEEPABLE));
            let number = || message.rsplit('#').next().and_then(|id| id.parse::<u32>().ok());
            let helper_refused = message.starts_with("program of this type cannot use helper")
                || message.starts_with("unknown func");
            let allowed = if helper_refused {
                let Some(id) = number() else { continue };
                model.helper_for(&kind, id).is_ok()
            } else if let Some(rest) = message.strip_prefix("calling kernel function ") {
                let Some(name) = rest.strip_suffix(" is not allowed") else { continue };
                model.kfunc_for(&kind, name).is_ok()
            } else if let Some(rest) = message.strip_prefix("cannot pass map_type ") {
                let map_type =
                    rest.split(' ').next().and_then(|n| n.parse().ok()).and_then(MapType::from_number);
                let (Some(map_type), Some(id)) = (map_type, number()) else { continue };
                model.map_allows(map_type, &kind, id)
            } else {
                continue;
            };
            rows += 1;
            if allowed {
                wrong.push(format!("{line}: allowed by the facts"));
            }
        }
        report(&format!("refusals in verdicts-{version}"), rows, "", &wrong);
    }
}
