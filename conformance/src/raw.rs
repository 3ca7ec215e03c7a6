//! Programs of bare instructions from elsewhere, in a text of lines.
//!
//! `test N NAME` begins one and `end` ends it. Between them, one thing a line: `type N`, `attach N`,
//! `flags N`, `target NAME` (the kernel function it is for), `insns HEX`, `map SLOT TYPE KEY VALUE
//! ENTRIES FLAGS [frozen | inner TYPE KEY VALUE ENTRIES FLAGS]` (what the wide load in this slot loads),
//! `kfunc SLOT NAME`, `types HEX` and `strings HEX` (BTF without its header), `func SLOT TYPE`,
//! `expect accept|reject` (what the author of the test expects). A map that is `special` is one that
//! this text cannot describe.

use std::fmt;
use std::sync::Arc;

use oxbpf::isa::btf::{Btf, TypeId};
use oxbpf::isa::insn::{ByteOrder, RawInsn};
use oxbpf::isa::kernel::{AttachType, ProgType};
use oxbpf::isa::program::{FuncInfo, MapDef, ProgFlags, Program};

/// One program.
#[derive(Clone, Debug)]
pub struct RawTest {
    pub name: String,
    /// None where the program needs something the text does not describe.
    pub program: Option<Program>,
    /// Calls of kernel functions, by slot: the number has to be looked up.
    pub kfuncs: Vec<(usize, String)>,
    pub accepts: bool,
}

/// A line that says nothing known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    pub line: usize,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} is none of the forms of a raw test", self.line)
    }
}

/// Reads all programs of a text.
///
/// # Errors
/// The first line that cannot be read.
pub fn read(text: &str) -> Result<Vec<RawTest>, BadLine> {
    let mut tests = Vec::new();
    let mut open = Open::default();
    for (n, line) in text.lines().enumerate() {
        if line == "end" {
            tests.push(std::mem::take(&mut open).close());
            continue;
        }
        open.line(line).ok_or(BadLine { line: n + 1 })?;
    }
    Ok(tests)
}

/// A test whose end was not read yet.
#[derive(Debug, Default)]
struct Open {
    name: String,
    numbers: [u32; 3],
    target: Option<String>,
    insns: Vec<RawInsn>,
    maps: Vec<(usize, Arc<MapDef>)>,
    special: bool,
    kfuncs: Vec<(usize, String)>,
    types: Vec<u8>,
    strings: Vec<u8>,
    funcs: Vec<FuncInfo>,
    accepts: bool,
}

impl Open {
    fn line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "test" => self.name = rest.split_once(' ').map_or("", |(_, name)| name).to_owned(),
            "type" => self.numbers[0] = rest.parse().ok()?,
            "attach" => self.numbers[1] = rest.parse().ok()?,
            "flags" => self.numbers[2] = rest.parse().ok()?,
            "target" => self.target = Some(rest.to_owned()),
            "insns" => self.insns = RawInsn::slots(&bytes(rest)?, ByteOrder::Little)?,
            "types" => self.types = bytes(rest)?,
            "strings" => self.strings = bytes(rest)?,
            "expect" => self.accepts = rest == "accept",
            "func" => {
                let (insn, id) = rest.split_once(' ')?;
                let type_id = TypeId(id.parse().ok()?);
                self.funcs.push(FuncInfo { insn: insn.parse().ok()?, type_id });
            }
            "kfunc" => {
                let (slot, name) = rest.split_once(' ')?;
                self.kfuncs.push((slot.parse().ok()?, name.to_owned()));
            }
            "map" => {
                let (slot, def) = rest.split_once(' ')?;
                let slot = slot.parse().ok()?;
                if def.starts_with("special") {
                    self.special = true;
                } else {
                    self.maps.push((slot, Arc::new(map(def)?)));
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn close(self) -> RawTest {
        let [prog_type, attach, flags] = self.numbers;
        let mut program = Program::from_insns("raw", self.insns);
        program.prog_type = ProgType::from_number(prog_type);
        program.expected_attach_type = AttachType::from_number(attach);
        program.attach_target = self.target;
        program.flags = ProgFlags(flags);
        program.license = "GPL".to_owned();
        for (slot, def) in self.maps {
            let known = program.maps.iter().position(|m| m.name == def.name);
            let index = known.unwrap_or_else(|| {
                program.maps.push(def);
                program.maps.len() - 1
            });
            if let Some(insn) = program.insns.get_mut(slot) {
                insn.imm = index as i32;
            }
        }
        let mut whole = !self.special;
        if !self.types.is_empty() {
            let btf = Btf::parse(with_header(&self.types, &self.strings));
            whole &= btf.is_ok();
            program.btf = btf.ok().map(Arc::new);
            program.funcs = self.funcs;
        }
        RawTest {
            name: self.name,
            program: whole.then_some(program),
            kfuncs: self.kfuncs,
            accepts: self.accepts,
        }
    }
}

/// A map from its numbers. Its name tells it from others, since nothing else does.
fn map(text: &str) -> Option<MapDef> {
    let (own, inner) = match text.split_once(" inner ") {
        Some((own, inner)) => (own, Some(Box::new(map(inner)?))),
        None => (text, None),
    };
    let mut words = own.split(' ');
    let mut number = || words.next()?.parse().ok();
    let (map_type, key_size, value_size, max_entries, flags) =
        (number()?, number()?, number()?, number()?, number()?);
    Some(MapDef {
        name: format!("t{map_type}v{value_size}f{flags}n{max_entries}"),
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        inner,
        frozen: words.next() == Some("frozen"),
        ..MapDef::default()
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.is_ascii() || hex.len() % 2 == 1 {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

/// Types and strings with the header of a BTF section before them.
fn with_header(types: &[u8], strings: &[u8]) -> Vec<u8> {
    const HEADER: u32 = 24;
    let used = strings.iter().rposition(|&b| b != 0).map_or(1, |last| last + 2).min(strings.len());
    let mut out = vec![0x9f, 0xeb, 1, 0];
    for word in [HEADER, 0, types.len() as u32, types.len() as u32, used as u32] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(types);
    out.extend_from_slice(&strings[..used]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_read() {
        let text = "test 7 a lookup\ntype 6\nattach 0\nflags 1\nmap 0 12 4 4 1 0 inner 2 4 8 1 0\n\
            expect reject\ninsns 18110000ffffffff0000000000000000b7000000000000009500000000000000\nend\n";
        let tests = read(text).unwrap();
        let [test] = &tests[..] else { panic!("{tests:?}") };
        let program = test.program.as_ref().unwrap();
        assert_eq!((test.name.as_str(), test.accepts), ("a lookup", false));
        assert_eq!((program.insns.len(), program.insns[0].imm), (4, 0));
        assert_eq!(program.maps[0].inner.as_ref().unwrap().value_size, 8);
        assert_eq!(read("test 1 x\nnonsense here\n").unwrap_err(), BadLine { line: 2 });
    }
}
