//! Objects of the corpus: which open, what programs are for, and what a target refuses, against
//! libbpf's answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;

use oxbpf::isa::kernel::{KernelModel, KernelVersion};
use oxbpf::isa::program::ProgFlags;
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;

#[test]
fn objects_open_where_libbpf_opens_them() {
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("insns-6.18.tsv")) else { return };
    let refused: Vec<&str> = rows.iter().filter(|r| r[1] == "*").map(|r| r[0].as_str()).collect();
    let mut unlike = Vec::new();
    let mut opened = 0;
    for (name, path) in &objects {
        match Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) {
            Ok(_) => {
                opened += 1;
                if refused.contains(&name.as_str()) {
                    unlike.push(format!("{name}: opens"));
                }
            }
            Err(e) if refused.contains(&name.as_str()) => println!("{name}: {e}"),
            Err(e) => unlike.push(format!("{name}: {e}")),
        }
    }
    println!("opened {opened} of {} objects; libbpf refuses {}", objects.len(), refused.len());
    for line in &unlike {
        println!("{line}");
    }
    // The old section `maps`, which libbpf gave up, is read.
    assert_eq!(unlike, ["test_sk_assign.bpf.o: opens"]);
}

#[test]
fn programs_are_for_what_libbpf_says() {
    let (Some(objects), Some(rows)) = (corpus::objects(), corpus::golden("verdicts-6.18.tsv")) else {
        return;
    };
    let expected: HashMap<(&str, &str), &Vec<String>> =
        rows.iter().map(|r| ((r[0].as_str(), r[1].as_str()), r)).collect();
    let target = corpus::core_target("6.18");
    let model = KernelModel::at(KernelVersion::new(6, 18));
    let options = LoadOptions { target: target.as_ref(), kernel: model.as_ref(), ..LoadOptions::default() };
    let (mut equal, mut unlike) = (0, Vec::new());
    for (name, path) in &objects {
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        let Ok(prepared) = object.prepare(&options) else { continue };
        for (index, loaded) in prepared.programs() {
            let function = &object.functions()[index];
            let Some(row) = expected.get(&(name.as_str(), function.name.as_str())) else { continue };
            let Ok(loaded) = loaded else { continue };
            let p = loaded.program;
            let attach = match &p.struct_ops {
                Some(member) => member.kernel.map_or(0, |k| k.1),
                None => p.expected_attach_type.map_or(0, |a| a.number()),
            };
            let flags = p.flags.0 & !ProgFlags::SLEEPABLE & !ProgFlags::XDP_HAS_FRAGS;
            let ours =
                (p.section.clone(), p.prog_type.map_or(0, |t| t.number()).to_string(), attach.to_string());
            let theirs = (row[2].clone(), row[3].clone(), row[4].clone());
            if ours == theirs && flags == 0 {
                equal += 1;
            } else {
                unlike.push(format!("{name} {}: {ours:?} for {theirs:?}", p.name));
            }
        }
    }
    println!("types: {equal} equal, {} unlike", unlike.len());
    for line in &unlike {
        println!("{line}");
    }
    assert!(unlike.is_empty() && equal > 3000);
}

#[test]
fn a_target_refuses_what_it_refuses_libbpf() {
    let (Some(objects), Some(rows), Some(target)) =
        (corpus::objects(), corpus::golden("insns-6.18.tsv"), corpus::core_target("6.18"))
    else {
        return;
    };
    let expected: HashMap<(&str, &str), &str> =
        rows.iter().map(|r| ((r[0].as_str(), r[1].as_str()), r[3].as_str())).collect();
    let model = KernelModel::at(KernelVersion::new(6, 18));
    let addresses = corpus::addresses();
    let options = LoadOptions {
        target: Some(&target),
        kernel: model.as_ref(),
        addresses: addresses.as_ref(),
        ..LoadOptions::default()
    };
    let (mut refused, mut accepted) = (0, BTreeMap::new());
    let mut unexpected = Vec::new();
    for (name, path) in &objects {
        let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else { continue };
        for (index, function) in object.programs() {
            let Some(count) = expected.get(&(name.as_str(), function.name.as_str())) else { continue };
            match (object.load(index, &options), count.starts_with("prepare:")) {
                (Err(e), true) => {
                    refused += 1;
                    println!("{name} {}: {e}", function.name);
                }
                (Ok(_), true) => *accepted.entry(format!("{name} {count}")).or_insert(0) += 1,
                (Err(e), false) => unexpected.push(format!("{name} {}: {e}", function.name)),
                _ => {}
            }
        }
    }
    for line in &unexpected {
        println!("refused here alone: {line}");
    }
    for (line, count) in &accepted {
        println!("refused by libbpf alone: {line} ({count} programs)");
    }
    println!("{refused} programs refused as libbpf refuses them");
    assert!(unexpected.is_empty());
}

#[test]
fn what_reached_a_kernel_is_prepared_for_it() {
    let Some(objects) = corpus::objects() else { return };
    for (version, minor) in [("6.1", 1), ("6.12", 12), ("6.18", 18)] {
        let table = format!("verdicts-{version}.tsv");
        let (Some(rows), Some(target)) = (corpus::golden(&table), corpus::core_target(version)) else {
            return;
        };
        // What was accepted, or refused with a word from the verifier, reached the verifier.
        let reached: HashSet<(&str, &str)> = rows
            .iter()
            .filter(|r| r.len() > 10)
            .filter(|r| r[6] == "0" || r[10] != "-" && !r[6].starts_with("open"))
            .map(|r| (r[0].as_str(), r[1].as_str()))
            .collect();
        let model = KernelModel::at(KernelVersion::new(6, minor)).unwrap();
        let options = LoadOptions { target: Some(&target), kernel: Some(&model), ..LoadOptions::default() };
        let (mut prepared, mut refused) = (0, Vec::new());
        for (name, path) in &objects {
            let Ok(object) = Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) else {
                continue;
            };
            let fitted = object.prepare(&options);
            for (index, function) in object.programs() {
                if !reached.contains(&(name.as_str(), function.name.as_str())) {
                    continue;
                }
                let result = match &fitted {
                    Ok(fitted) => fitted.program(index).map(|_| ()).map_err(|e| e.to_string()),
                    Err(e) => Err(e.to_string()),
                };
                match result {
                    Ok(()) => prepared += 1,
                    Err(e) => refused.push(format!("{version} {name} {}: {e}", function.name)),
                }
            }
        }
        for line in &refused {
            println!("{line}");
        }
        println!("{version}: {prepared} of {} programs prepared that reached the verifier", reached.len());
        assert!(refused.is_empty());
    }
}
