//! The corpus of real objects against what libbpf made of it.

use std::collections::HashMap;
use std::fs;

use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::object::{LoadOptions, Object};
use oxbpf_conformance::corpus;
use oxbpf_conformance::crc32::crc32;

/// The checksum of the golden table: map descriptors count as zero.
fn checksum(insns: &[RawInsn]) -> u32 {
    let mut bytes = Vec::with_capacity(insns.len() * 8);
    let mut second = false;
    for &insn in insns {
        let mut insn = insn;
        if !second && insn.is_ldimm64() && matches!(insn.src, 1 | 2) {
            insn.imm = 0;
        }
        second = !second && insn.is_ldimm64();
        bytes.extend_from_slice(&insn.to_bytes(ByteOrder::Little));
    }
    crc32(&bytes)
}

#[test]
fn instructions_equal_libbpfs() {
    let (Some(objects), Some(rows), Some(target)) =
        (corpus::objects(), corpus::golden("insns-6.18.tsv"), corpus::core_target("6.18"))
    else {
        return;
    };
    let expected: HashMap<(&str, &str), (&str, &str)> =
        rows.iter().map(|r| ((r[0].as_str(), r[1].as_str()), (r[3].as_str(), r[4].as_str()))).collect();
    let (mut equal, mut compared, mut refused) = (0, 0, 0);
    let mut differences = Vec::new();
    for (name, path) in &objects {
        let object = match Object::parse(fs::read(path).unwrap(), &corpus::object_name(path)) {
            Ok(object) => object,
            Err(e) => {
                let known = expected.get(&(name.as_str(), "*")).is_some_and(|e| e.0.starts_with("open:"));
                if !known {
                    differences.push(format!("{name}: does not open: {e}"));
                }
                continue;
            }
        };
        for (entry, function) in object.programs() {
            let Some(&(count, crc)) = expected.get(&(name.as_str(), function.name.as_str())) else {
                continue;
            };
            let loaded = object.load(entry, &LoadOptions { target: Some(&target), ..LoadOptions::default() });
            if count.contains(':') {
                refused += loaded.is_err() as u32;
                continue;
            }
            compared += 1;
            match loaded {
                Ok(l) => {
                    let ours =
                        (l.program.insns.len().to_string(), format!("{:08x}", checksum(&l.program.insns)));
                    if (ours.0.as_str(), ours.1.as_str()) == (count, crc) {
                        equal += 1;
                    } else {
                        let note = if l.unresolved.is_empty() { "" } else { " (kernel address)" };
                        differences
                            .push(format!("{name} {}: {ours:?} for {count} {crc}{note}", function.name));
                    }
                }
                Err(e) => differences.push(format!("{name} {}: {e}", function.name)),
            }
        }
    }
    for d in &differences {
        println!("{d}");
    }
    println!("instructions: {equal} of {compared} equal; {refused} refused as libbpf refuses");
    assert!(compared >= 3500, "only {compared} programs compared");
    assert!(equal * 1000 >= compared * 995);
}
