//! The vectors of bpf_conformance: a program as text, its memory, and what it returns.
//!
//! A file has sections that begin with `-- name`; `asm`, `raw`, `mem`, `result` and `error` count,
//! lines that begin with `#` are comments.

use oxbpf::isa::asm::{Syntax, assemble};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use std::fs;

/// One vector.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The file's name without its extension.
    pub name: String,
    pub insns: Vec<RawInsn>,
    pub memory: Vec<u8>,
    /// R0 at the end, or none when the program must fail.
    pub result: Option<u64>,
}

impl Vector {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(name: &str, text: &str) -> Result<Vector, String> {
        let mut sections: Vec<(&str, String)> = Vec::new();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            match line.strip_prefix("-- ") {
                Some(section) => sections.push((section.trim(), String::new())),
                None => {
                    if let Some((_, body)) = sections.last_mut() {
                        body.push_str(line);
                        body.push('\n');
                    }
                }
            }
        }
        let section = |name| sections.iter().find(|(n, _)| *n == name).map(|(_, body)| body.as_str());
        let insns = match (section("raw"), section("asm")) {
            (Some(raw), _) => raw
                .split_whitespace()
                .map(|word| {
                    let word = u64::from_str_radix(word.trim_start_matches("0x"), 16);
                    let word = word.map_err(|e| format!("{name}: {e}"))?;
                    Ok(RawInsn::from_bytes(word.to_le_bytes(), ByteOrder::Little))
                })
                .collect::<Result<Vec<_>, String>>()?,
            (None, Some(asm)) => {
                assemble(&with_exit_label(asm), Syntax::Ubpf).map_err(|e| format!("{name}: {e}"))?
            }
            (None, None) => return Err(format!("{name}: neither asm nor raw")),
        };
        let memory = match section("mem") {
            None => Vec::new(),
            Some(hex) => hex
                .split_whitespace()
                .map(|b| u8::from_str_radix(b, 16).map_err(|e| format!("{name}: {e}")))
                .collect::<Result<Vec<_>, _>>()?,
        };
        let result = match section("result").map(str::trim) {
            None => None,
            Some(text) => Some(number(text).ok_or_else(|| format!("{name}: result {text:?}"))?),
        };
        Ok(Vector { name: name.to_owned(), insns, memory, result })
    }
}

/// The runner's assembler lets programs jump to `exit`, which is the last instruction of that name.
fn with_exit_label(asm: &str) -> String {
    let lines: Vec<&str> = asm.lines().collect();
    let jumps = lines.iter().any(|l| {
        let l = l.split('#').next().unwrap_or_default().trim();
        l != "exit" && l.ends_with("exit") && l.split([' ', ',']).next_back() == Some("exit")
    });
    let last = lines.iter().rposition(|l| l.trim() == "exit");
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if jumps && last == Some(index) {
            text.push_str("exit: ");
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok().or_else(|| text.parse::<i64>().ok().map(|v| v as u64)),
    }
}

/// Every vector, by name. `OXBPF_VECTORS` is their folder.
///
/// # Panics
/// When the folder or a file in it cannot be read.
pub fn all() -> Option<Vec<Result<Vector, String>>> {
    let folder = super::corpus::directory("OXBPF_VECTORS", "the vectors of bpf_conformance")?;
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "data"));
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Vector::parse(&path.file_stem().unwrap_or_default().to_string_lossy(), &text)
    };
    Some(paths.iter().map(read).collect())
}
