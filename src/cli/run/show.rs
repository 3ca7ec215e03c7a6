//! What came of the runs, for people and for machines.

use super::maps::{Content, content, histogram};
use super::{Result1, Session};
use crate::cli::style::{Ink, Paint};
use crate::vm::maps::Map;
use oxbpf_isa::btf::value::Value;
use oxbpf_isa::kernel::ProgType;
use oxbpf_isa::program::MapDef;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

/// Runs that are told one by one; more are summed up.
const FEW: usize = 8;

/// The name of a return value, where programs of the type have names for them.
fn return_name(prog_type: Option<ProgType>, ret: u64) -> Option<&'static str> {
    let names: &[&str] = match prog_type? {
        ProgType::Xdp => &["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"],
        ProgType::SchedCls | ProgType::SchedAct => &[
            "TC_ACT_OK",
            "TC_ACT_RECLASSIFY",
            "TC_ACT_SHOT",
            "TC_ACT_PIPE",
            "TC_ACT_STOLEN",
            "TC_ACT_QUEUED",
            "TC_ACT_REPEAT",
            "TC_ACT_REDIRECT",
        ],
        _ => return None,
    };
    names.get(ret as u32 as usize).copied()
}

/// The maps that programs use, by name.
fn maps(session: &Session) -> BTreeMap<&str, (&Arc<MapDef>, &Arc<dyn Map>)> {
    let mut found = BTreeMap::new();
    for ready in session.programs.values() {
        for def in &ready.program.maps {
            if let Some(map) = session.linker.get_map(&def.name) {
                found.insert(def.name.as_str(), (def, map));
            }
        }
    }
    found
}

pub(super) fn human(session: &Session, out: &mut dyn Write) -> io::Result<()> {
    let type_of = |name: &str| session.programs.get(name).and_then(|r| r.program.prog_type);
    if session.runs.len() <= FEW {
        for run in &session.runs {
            write!(out, "{} on {}: ", run.program, run.label)?;
            match &run.result {
                Result1::Returned { ret, insns } => {
                    let name =
                        return_name(type_of(&run.program), *ret).map_or(String::new(), |n| format!(" {n}"));
                    let value = Paint(Ink::Good, format_args!("{}{name}", *ret as i64));
                    writeln!(out, "returned {value} after {insns} insns")?;
                }
                Result1::Trapped(trap) => writeln!(out, "{}", Paint(Ink::Bad, trap))?,
            }
        }
    } else {
        summary(session, out)?;
    }
    for line in &session.trace {
        writeln!(out, "trace: {}", line.trim_end())?;
    }
    for (name, (def, map)) in maps(session) {
        show_map(name, def, &content(def, &**map), out)?;
    }
    Ok(())
}

fn summary(session: &Session, out: &mut dyn Write) -> io::Result<()> {
    let mut programs: BTreeMap<&str, (u64, u64, BTreeMap<String, u64>)> = BTreeMap::new();
    for run in &session.runs {
        let prog_type = session.programs.get(&run.program).and_then(|r| r.program.prog_type);
        let entry = programs.entry(&run.program).or_default();
        entry.0 += 1;
        let result = match &run.result {
            Result1::Returned { ret, insns } => {
                entry.1 += insns;
                let name = return_name(prog_type, *ret).map_or(String::new(), |n| format!(" {n}"));
                format!("returned {}{name}", *ret as i64)
            }
            Result1::Trapped(trap) => format!("trapped: {trap}"),
        };
        *entry.2.entry(result).or_default() += 1;
    }
    for (name, (runs, insns, results)) in programs {
        writeln!(out, "{}: {runs} runs, {insns} insns", Paint(Ink::Strong, name))?;
        for (result, count) in results {
            let ink = if result.starts_with("trapped") { Ink::Bad } else { Ink::Good };
            writeln!(out, "  {count:>8} {}", Paint(ink, result))?;
        }
    }
    Ok(())
}

fn show_map(name: &str, def: &MapDef, content: &Content, out: &mut dyn Write) -> io::Result<()> {
    let kind = def.kind().map_or("unknown type", |k| k.name());
    let held = content.elements.iter().filter(|e| !e.is_zero).count();
    let records = content.records.len();
    match records {
        0 => writeln!(out, "map {} ({kind}): {held} elements with data", Paint(Ink::Strong, name))?,
        _ => writeln!(out, "map {} ({kind}): {records} records", Paint(Ink::Strong, name))?,
    }
    for record in &content.records {
        writeln!(out, "  {}", Value::Bytes(record.clone()))?;
    }
    for element in content.elements.iter().filter(|e| !e.is_zero) {
        match (&element.values[..], element.values.first().and_then(histogram)) {
            ([_], Some(counts)) => {
                writeln!(out, "  [{}]", element.key)?;
                draw(&counts, out)?;
            }
            ([value], None) => writeln!(out, "  [{}] = {value}", element.key)?,
            (values, _) => {
                writeln!(out, "  [{}]", element.key)?;
                for (cpu, value) in values.iter().enumerate().filter(|(cpu, _)| element.held[*cpu]) {
                    writeln!(out, "    cpu {cpu}: {value}")?;
                }
            }
        }
    }
    if content.more {
        writeln!(out, "  and more elements, which are not shown")?;
    }
    Ok(())
}

/// Draws counts of powers of two, up to the last that is not zero.
fn draw(counts: &[u128], out: &mut dyn Write) -> io::Result<()> {
    const WIDTH: u128 = 40;
    let last = counts.iter().rposition(|&c| c > 0).unwrap_or(0);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    writeln!(out, "    {:>20} : {:<8} distribution", "value", "count")?;
    for (slot, &count) in counts[..=last].iter().enumerate() {
        let low = if slot == 0 { 0 } else { 1u128 << slot };
        let high = (1u128 << (slot + 1)) - 1;
        let stars = "*".repeat((count * WIDTH / most) as usize);
        writeln!(out, "    {:>20} : {count:<8} |{stars:<40}|", format!("{low} -> {high}"))?;
    }
    Ok(())
}

fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Signed(n) => i64::try_from(*n).map_or_else(|_| json!(n.to_string()), |n| json!(n)),
        Value::Unsigned(n) => u64::try_from(*n).map_or_else(|_| json!(n.to_string()), |n| json!(n)),
        Value::Bool(b) => json!(b),
        Value::Char(c) => json!(c),
        Value::Text(text) => json!(text),
        Value::Enum { name: Some(name), .. } => json!(name),
        Value::Enum { name: None, value } => json!(value),
        Value::Struct(members) | Value::Union(members) => {
            members.iter().map(|(name, value)| (name.clone(), to_json(value))).collect()
        }
        Value::Array(elements) => elements.iter().map(to_json).collect(),
        Value::Pointer(_) | Value::Bytes(_) | Value::Float { .. } => json!(value.to_string()),
    }
}

pub(super) fn json(session: &Session, out: &mut dyn Write) -> io::Result<()> {
    let runs: Vec<serde_json::Value> = session
        .runs
        .iter()
        .map(|run| match &run.result {
            Result1::Returned { ret, insns } => {
                json!({"program": run.program, "input": run.label, "ret": ret, "insns": insns, "trap": null})
            }
            Result1::Trapped(trap) => json!({"program": run.program, "input": run.label, "ret": null,
                "insns": null, "trap": trap.to_string()}),
        })
        .collect();
    let maps: Vec<serde_json::Value> = maps(session)
        .into_iter()
        .map(|(name, (def, map))| {
            let content = content(def, &**map);
            let elements: Vec<serde_json::Value> = content
                .elements
                .iter()
                .map(|e| match &e.values[..] {
                    [value] => json!({"key": to_json(&e.key), "value": to_json(value)}),
                    values => {
                        let values: Vec<_> = values.iter().map(to_json).collect();
                        json!({"key": to_json(&e.key), "values": values})
                    }
                })
                .collect();
            let records: Vec<String> =
                content.records.iter().map(|r| Value::Bytes(r.clone()).to_string()).collect();
            let kind = def.kind().map_or("unknown", |k| k.name());
            json!({"name": name, "type": kind, "elements": elements, "records": records})
        })
        .collect();
    let document = json!({"schema": 1, "runs": runs, "maps": maps, "trace": session.trace});
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
