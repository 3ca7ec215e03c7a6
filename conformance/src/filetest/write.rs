//! Programs as the text of cases.

use oxbpf::isa::disasm::{Dialect, Exact, Kernel};
use oxbpf::isa::kernel::{KernelModel, MapType};
use oxbpf::isa::program::{MapDef, Program};
use oxbpf::names::HelperNames;
use std::fmt::Write;

/// The settings and instructions of a case, without expectations.
pub fn case_text(program: &Program) -> String {
    let mut out = String::new();
    if let Some(prog) = program.prog_type {
        out += &format!("  prog {}", prog.name());
        if let Some(attach) = program.expected_attach_type {
            out += &format!(" attach={}", attach.name());
        }
        if program.flags.0 != 0 {
            out += &format!(" flags={}", program.flags.0);
        }
        out.push('\n');
    }
    if program.license != "GPL" {
        out += &format!("  license {}\n", program.license);
    }
    for map in &program.maps {
        out += &map_text(map);
    }
    let names = HelperNames(KernelModel::latest());
    let mut at = 0;
    while at < program.insns.len() {
        let mut text = String::new();
        let slots = Exact(Kernel).any(&mut text, at, &program.insns[at..], &names).unwrap_or(1);
        // Bytes are written with the reason for which they are no instruction.
        let text = text.split(" ; ").next().unwrap_or("");
        out += &format!("  {text}\n");
        at += slots;
    }
    out
}

fn map_text(map: &MapDef) -> String {
    let name = |kind: Option<MapType>| kind.map_or("unspec", MapType::name);
    let mut out = format!(
        "  map {} {} key={} value={} entries={}",
        map.name,
        name(map.kind()),
        map.key_size,
        map.value_size,
        map.max_entries
    );
    if map.flags != 0 {
        out += &format!(" flags={}", map.flags);
    }
    if let Some(data) = &map.data {
        out += " data=";
        for byte in data.iter() {
            // Writing to a string does not fail.
            let _ = write!(out, "{byte:02x}");
        }
    }
    if map.frozen {
        out += " frozen=1";
    }
    if let Some(inner) = &map.inner {
        let (key, value, entries) = (inner.key_size, inner.value_size, inner.max_entries);
        out += &format!(" inner={},{key},{value},{entries}", name(inner.kind()));
    }
    out + "\n"
}
