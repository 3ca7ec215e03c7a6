//! Reading the files, and writing expectations back.

use super::Found;
use oxbpf::isa::insn::RawInsn;
use oxbpf::isa::kernel::{AttachType, KernelVersion, MapType, ProgType};
use oxbpf::isa::program::{MapDef, ProgFlags};
use std::sync::Arc;

/// A fault of the file itself.
#[derive(Debug)]
pub struct ParseError {
    pub line: u32,
    pub problem: String,
}

/// A file.
#[derive(Debug, Default)]
pub struct FileTest {
    /// What is tested: `asm`, `verify`, `run`.
    pub kinds: Vec<String>,
    pub kernels: Vec<KernelVersion>,
    pub setting: Setting,
    pub cases: Vec<Case>,
}

/// What a program is beside its instructions. Said at the top, it holds for all cases; said in a case
/// before the instructions, for that case.
#[derive(Clone, Debug)]
pub struct Setting {
    pub prog: Option<ProgType>,
    pub attach: Option<AttachType>,
    pub flags: ProgFlags,
    pub license: String,
    pub maps: Vec<Arc<MapDef>>,
}

impl Default for Setting {
    fn default() -> Self {
        Setting { prog: None, attach: None, flags: ProgFlags(0), license: "GPL".to_owned(), maps: Vec::new() }
    }
}

impl Setting {
    /// Takes one command; none where the line is another.
    fn command(&mut self, line: &str) -> Option<Result<(), String>> {
        let line = line.split(" ;").next().unwrap_or("").trim();
        let mut words = line.split_whitespace();
        let command = words.next()?;
        Some(match command {
            "prog" => self.prog(&mut words),
            "license" => {
                self.license = words.collect::<Vec<_>>().join(" ");
                Ok(())
            }
            "map" => match map(&mut words) {
                Some(map) => {
                    self.maps.push(Arc::new(map));
                    Ok(())
                }
                None => Err(MAP.to_owned()),
            },
            _ => return None,
        })
    }

    fn prog<'a>(&mut self, words: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
        let name = words.next().unwrap_or("");
        self.prog = Some(ProgType::from_name(name).ok_or(format!("{name}: no program type"))?);
        for word in words {
            match word.split_once('=') {
                Some(("attach", name)) => {
                    let attach = AttachType::from_name(name).ok_or(format!("{name}: no attach type"))?;
                    self.attach = Some(attach);
                }
                Some(("flags", flags)) => {
                    self.flags = ProgFlags(flags.parse().map_err(|e| format!("{flags}: {e}"))?);
                }
                _ => return Err(format!("{word}: expected attach=NAME or flags=NUMBER")),
            }
        }
        Ok(())
    }
}

const MAP: &str =
    "expected: map NAME TYPE key=N value=N entries=N [flags=N] [data=HEX] [frozen=1] [inner=TYPE,N,N,N]";

/// A case.
#[derive(Debug, Default)]
pub struct Case {
    pub name: String,
    /// The line of its heading, and the last line that belongs to it.
    pub line: u32,
    pub last: u32,
    /// What the program is, with what is said at the top.
    pub setting: Setting,
    /// The instructions alone, on the lines they have in the file.
    pub code: String,
    has_code: bool,
    /// Line and text of expectations on instructions.
    pub on_lines: Vec<(u32, String)>,
    /// Line and text of expectations about the whole.
    pub whole: Vec<(u32, String)>,
}

/// The words that begin an expectation.
const WORDS: [&str; 8] = ["error[", "kernel:", "llvm:", "ubpf:", "bytes:", "unknown:", "accept", "run:"];

fn expectation(comment: &str) -> Option<&str> {
    let comment = comment.trim();
    WORDS.iter().any(|w| comment.starts_with(w)).then_some(comment)
}

impl FileTest {
    /// Reads a file.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn parse(text: &str) -> Result<FileTest, ParseError> {
        let mut test = FileTest::default();
        for (nth, line) in text.lines().enumerate() {
            let number = nth as u32 + 1;
            if let Some(name) = line.strip_prefix("case ") {
                let name = name.trim().to_owned();
                let setting = test.setting.clone();
                test.cases.push(Case { name, line: number, last: number, setting, ..Case::default() });
                // The code of a case keeps the numbers that its lines have in the file.
                let blank = "\n".repeat(nth + 1);
                test.cases.last_mut().expect("a case was just added").code = blank;
                continue;
            }
            match test.cases.last_mut() {
                None => test.command(line).map_err(|problem| ParseError { line: number, problem })?,
                Some(case) => {
                    case.add(number, line).map_err(|problem| ParseError { line: number, problem })?
                }
            }
        }
        if test.kinds.is_empty() {
            return Err(ParseError { line: 1, problem: "there is no test command".to_owned() });
        }
        Ok(test)
    }

    fn command(&mut self, line: &str) -> Result<(), String> {
        if let Some(done) = self.setting.command(line) {
            return done;
        }
        let line = line.split(" ;").next().unwrap_or("").trim();
        let mut words = line.split_whitespace();
        let Some(command) = words.next().filter(|w| !w.starts_with(';')) else { return Ok(()) };
        match command {
            "test" => self.kinds.extend(words.map(str::to_owned)),
            "kernel" => {
                for word in words {
                    self.kernels.push(word.parse().map_err(|e| format!("{word}: {e}"))?);
                }
            }
            other => return Err(format!("{other}: no such command")),
        }
        Ok(())
    }

    /// The file with what was found in place of what was expected.
    pub(super) fn bless(&self, text: &str, found: &[Found]) -> String {
        let mut out = Vec::new();
        let mut number = 0;
        let case_of = |line: u32| self.cases.iter().rposition(|c| c.line <= line);
        for line in text.lines() {
            number += 1;
            let Some(index) = case_of(number) else {
                out.push(line.to_owned());
                continue;
            };
            let (case, found) = (&self.cases[index], &found[index]);
            let is_whole = case.whole.iter().any(|(l, _)| *l == number);
            if !is_whole {
                let kept = match case.on_lines.iter().any(|(l, _)| *l == number) {
                    true => line[..line.find(" ; ").unwrap_or(line.len())].trim_end(),
                    false => line,
                };
                let new: Vec<&str> =
                    found.lines.iter().filter(|(l, _)| *l == number).map(|(_, t)| &**t).collect();
                out.push(match new.is_empty() {
                    true => kept.to_owned(),
                    false => format!("{kept:<28} ; {}", new.join(" | ")),
                });
            }
            if number == case.last {
                out.extend(found.whole.iter().map(|w| format!("  ; {w}")));
            }
        }
        out.join("\n") + "\n"
    }
}

fn map<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<MapDef> {
    let mut map = MapDef { name: words.next()?.to_owned(), ..MapDef::default() };
    map.map_type = MapType::from_name(words.next()?)?.number();
    for word in words {
        let (key, value) = word.split_once('=')?;
        match key {
            "data" => {
                map.data = Some(Arc::from(crate::plugin::bytes(value).ok()?));
                continue;
            }
            "inner" => {
                let mut parts = value.split(',');
                let map_type = MapType::from_name(parts.next()?)?.number();
                let sizes: Vec<u32> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
                let [key_size, value_size, max_entries] = sizes[..] else { return None };
                let inner = MapDef {
                    name: map.name.clone(),
                    map_type,
                    key_size,
                    value_size,
                    max_entries,
                    ..MapDef::default()
                };
                map.inner = Some(Box::new(inner));
                continue;
            }
            _ => {}
        }
        let value = value.parse().ok()?;
        match key {
            "frozen" => map.frozen = value != 0,
            "key" => map.key_size = value,
            "value" => map.value_size = value,
            "entries" => map.max_entries = value,
            "flags" => map.flags = value,
            _ => return None,
        }
    }
    Some(map)
}

impl Case {
    fn add(&mut self, number: u32, line: &str) -> Result<(), String> {
        if !self.has_code
            && let Some(done) = self.setting.command(line)
        {
            self.code.push('\n');
            return done;
        }
        let (code, comment) = match line.split_once(';') {
            Some((code, comment)) => (code, expectation(comment)),
            None => (line, None),
        };
        let has_code = !code.trim().is_empty();
        self.has_code |= has_code;
        if let Some(text) = comment {
            let place = if has_code { &mut self.on_lines } else { &mut self.whole };
            for part in text.split(" | ") {
                place.push((number, part.trim().to_owned()));
            }
        }
        if has_code || comment.is_some() {
            self.last = number;
        }
        self.code.push_str(code);
        self.code.push('\n');
        Ok(())
    }

    /// The instructions, and the line of each slot.
    ///
    /// # Errors
    /// What the assembler says.
    pub fn assemble(&self) -> Result<(Vec<RawInsn>, Vec<u32>), String> {
        use oxbpf::isa::asm::{Syntax, assemble_lines};
        assemble_lines(&self.code, Syntax::Any).map_err(|e| e.to_string())
    }

    pub(super) fn differences(&self, found: &Found) -> Vec<String> {
        let mut out = Vec::new();
        let mut expected = self.on_lines.clone();
        for (line, text) in &found.lines {
            match expected.iter().position(|e| e == &(*line, text.clone())) {
                Some(at) => drop(expected.remove(at)),
                None => out.push(format!("line {line}: found `{text}`")),
            }
        }
        out.extend(expected.iter().map(|(line, text)| format!("line {line}: expected `{text}`")));
        let mut whole: Vec<&String> = self.whole.iter().map(|w| &w.1).collect();
        for text in &found.whole {
            match whole.iter().position(|w| *w == text) {
                Some(at) => drop(whole.remove(at)),
                None => out.push(format!("case {}: found `{text}`", self.name)),
            }
        }
        out.extend(whole.iter().map(|text| format!("case {}: expected `{text}`", self.name)));
        out
    }
}
