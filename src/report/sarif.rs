//! SARIF 2.1.0 (OASIS), for code scanning: one run, a rule for each finding of the catalog that
//! occurs, a result for each program that is not accepted.

use super::{Finding, VerdictKind};
use oxbpf_verifier::report::entry;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The rule of programs that cannot be judged.
const UNKNOWN: &str = "unknown";
/// The rule of objects that a loader refuses before the kernel sees a program.
const NOT_LOADABLE: &str = "not-loadable";

/// Writes one document.
///
/// # Errors
/// Those of the writer.
pub fn write(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let told: Vec<&Finding> = findings.iter().filter(|f| f.verdict != VerdictKind::Accept).collect();
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    for f in &told {
        rules.entry(rule_of(f)).or_insert_with_key(|id| rule(id));
    }
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(n, id)| (*id, n)).collect();
    let results: Vec<Value> = told.iter().map(|f| result(f, index[rule_of(f)])).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "oxbpf",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn rule_of(f: &Finding) -> &'static str {
    match (f.verdict, f.code) {
        (VerdictKind::Unknown, _) => UNKNOWN,
        (_, Some(code)) => code,
        (_, None) => NOT_LOADABLE,
    }
}

fn rule(id: &str) -> Value {
    let (name, explanation) = match id {
        UNKNOWN => ("Not judged", "The program needs something of which there is no model."),
        NOT_LOADABLE => ("Not loadable", "A loader would not hand this program to the kernel."),
        code => entry(code).map_or(("", ""), |e| (e.title, e.explanation)),
    };
    json!({
        "id": id,
        "shortDescription": {"text": name},
        "fullDescription": {"text": explanation},
    })
}

fn result(f: &Finding, rule_index: usize) -> Value {
    let physical = match &f.source {
        Some(s) => json!({
            "artifactLocation": {"uri": uri(&s.file)},
            "region": {"startLine": s.line.max(1), "startColumn": s.column.max(1), "snippet": {"text": s.text}},
        }),
        None => json!({"artifactLocation": {"uri": uri(&f.file)}}),
    };
    json!({
        "ruleId": rule_of(f),
        "ruleIndex": rule_index,
        "level": if f.verdict == VerdictKind::Reject { "error" } else { "note" },
        "message": {"text": format!("{} on {}: {}", f.program, f.kernel, f.message)},
        "locations": [{
            "physicalLocation": physical,
            "logicalLocations": [{"name": f.program, "fullyQualifiedName": format!("{}:{}", f.section, f.program), "kind": "function"}],
        }],
        "properties": {"object": f.file, "kernel": f.kernel, "insn": f.insn, "errno": f.errno},
    })
}

/// A path as a URI: what RFC 3986 does not allow in a path is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(byte as char)
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_become_uris() {
        assert_eq!(super::uri("/a b/c.o"), "/a%20b/c.o");
    }
}
