//! Filters of system calls: run on one, or enumerated.

use super::load::{self, Loaded, Reading};
use super::show::document;
use super::{Args, Format, Illegal, number64};
use crate::cli::style::{Ink, Paint};
use crate::cli::{CliError, Status};
use oxbpf_isa::cbpf::compare::{Comparison, Limits as CompareLimits, compare_seccomp};
use oxbpf_isa::cbpf::seccomp::{
    Analysis, Arch, Limits, Outcome, Path, Return, SeccompData, WordSet, analyze, combine,
};
use oxbpf_isa::cbpf::{Dialect, Filter, SockFilter};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    if args.filter.is_empty() {
        return Err(CliError::Usage("give a filter".to_owned()));
    }
    let reading = Reading::new(args);
    let mut programs: Vec<(Loaded, Vec<SockFilter>)> = Vec::new();
    for text in &args.filter {
        let loaded = load::of_text(text)?;
        if loaded.is_expression() {
            return Err(CliError::Usage(format!("{text:?}: neither a file nor a program")));
        }
        let program = loaded.program(reading.link_type, &reading)?;
        programs.push((loaded, program));
    }
    if args.to.is_some() {
        let (loaded, program) = &programs[0];
        return super::show::print(args, &loaded.name, program, out);
    }
    if !args.check.is_empty() {
        let (loaded, program) = &programs[0];
        return super::show::check(args, &loaded.name, program, out);
    }
    let arch = match &args.arch {
        Some(name) => Arch::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Arch::ALL.iter().map(|arch| arch.name()).collect();
            CliError::Usage(format!("{name:?} is none of {}", known.join(", ")))
        })?,
        None => host(),
    };
    let mut filters = Vec::new();
    for (loaded, program) in &programs {
        match Filter::check(program, Dialect::Seccomp) {
            Ok(filter) => filters.push(filter),
            Err(error) => {
                return Illegal { name: loaded.name.clone(), dialect: Dialect::Seccomp, error }.tell();
            }
        }
    }
    if args.explain {
        return super::explain::tell(args, &programs[0].0.name, &filters[0], 0, 0, out);
    }
    if let Some(other) = &args.compare {
        let other = load::of_text(other)?;
        let program = other.program(reading.link_type, &reading)?;
        return match Filter::check(&program, Dialect::Seccomp) {
            Ok(second) => compare(args, arch, [&filters[0], &second], out),
            Err(error) => Illegal { name: other.name, dialect: Dialect::Seccomp, error }.tell(),
        };
    }
    match args.syscall.is_empty() {
        true => list(args, arch, &filters, out),
        false => calls(args, arch, &filters, out),
    }
}

/// The convention of this machine, or the most common one.
fn host() -> Arch {
    Arch::from_name(std::env::consts::ARCH).unwrap_or(Arch::X86_64)
}

/// Proves two filters equal, or shows a system call on which they differ.
fn compare(args: &Args, arch: Arch, filters: [&Filter; 2], out: &mut dyn Write) -> Result<Status, CliError> {
    let (status, verdict, reason, call) = match compare_seccomp(filters, arch, &CompareLimits::default()) {
        Comparison::Equal => (Status::Fine, "equal", None, None),
        Comparison::Differ(witness) => {
            let verdicts = witness.verdicts.map(|v| Return::decode(v).to_string());
            (Status::Rejected, "differ", None, Some((data_of(&witness.data), verdicts)))
        }
        Comparison::Unknown(why) => (Status::Unknown, "unknown", Some(why.to_string()), None),
        _ => (Status::Unknown, "unknown", None, None),
    };
    if args.format == Format::Json {
        let call = call.map(|(data, verdicts)| {
            json!({"nr": data.nr, "arch": data.arch, "instruction_pointer": data.instruction_pointer,
                "args": data.args, "verdicts": verdicts})
        });
        document(out, json!({"schema": 1, "verdict": verdict, "reason": reason, "call": call}))?;
        return Ok(status);
    }
    match (&call, reason) {
        (Some((data, [first, second])), _) => {
            writeln!(out, "{}: the first gives {first}, the second {second} on", Paint(Ink::Bad, verdict))?;
            writeln!(out, "  {}", Call(data))?;
        }
        (None, Some(reason)) => {
            let unknown = Paint(Ink::Doubt, verdict);
            writeln!(out, "{unknown}: no call found on which they differ; not proved equal: {reason}")?;
        }
        (None, None) => {
            writeln!(out, "{}: the same for every system call, proved", Paint(Ink::Good, verdict))?
        }
    }
    Ok(status)
}

/// The structure, of its words as a comparison gives them.
fn data_of(bytes: &[u8]) -> SeccompData {
    let word =
        |n: usize| bytes.get(4 * n..4 * n + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let arch = word(1);
    let little = SeccompData { arch, instruction_pointer: 1, ..SeccompData::default() }.word(8) == Some(1);
    let wide = |n: usize| {
        let (low, high) = if little { (word(n), word(n + 1)) } else { (word(n + 1), word(n)) };
        u64::from(high) << 32 | u64::from(low)
    };
    SeccompData {
        nr: word(0).cast_signed(),
        arch,
        instruction_pointer: wide(2),
        args: std::array::from_fn(|n| wide(4 + 2 * n)),
    }
}

/// A system call as `--syscall` takes it, and its convention.
struct Call<'a>(&'a SeccompData);

impl std::fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SeccompData { nr, arch, instruction_pointer, args } = self.0;
        let known = Arch::ALL.iter().filter(|known| known.audit() == *arch);
        let named = known.clone().find_map(|known| known.by_number(nr.cast_unsigned()));
        match named {
            Some(syscall) => f.write_str(syscall.name)?,
            None => write!(f, "{nr:#x}")?,
        }
        let args: Vec<String> = args.iter().map(|arg| format!("{arg:#x}")).collect();
        write!(f, "({})", args.join(", "))?;
        match known.clone().next() {
            Some(known) => write!(f, " of {}", known.name())?,
            None => write!(f, " of architecture {arch:#x}")?,
        }
        if *instruction_pointer != 0 {
            write!(f, " at {instruction_pointer:#x}")?;
        }
        Ok(())
    }
}

/// Runs all filters on each call that was given.
fn calls(args: &Args, arch: Arch, filters: &[Filter], out: &mut dyn Write) -> Result<Status, CliError> {
    let mut rows = Vec::new();
    for text in &args.syscall {
        let mut data = call(text, arch).map_err(|problem| CliError::Usage(format!("{text:?}: {problem}")))?;
        data.instruction_pointer = args.ip;
        let verdicts: Vec<u32> = filters.iter().filter_map(|filter| filter.run_seccomp(&data)).collect();
        let verdict = Return::decode(combine(verdicts.iter().copied()));
        match args.format {
            Format::Json => rows.push(json!({
                "call": text,
                "nr": data.nr,
                "args": data.args,
                "action": verdict.action.name(),
                "data": verdict.data,
                "permits": verdict.permits(),
                "filters": verdicts.iter().map(|v| Return::decode(*v).to_string()).collect::<Vec<_>>(),
            })),
            Format::Human => {
                let ink = if verdict.permits() { Ink::Good } else { Ink::Bad };
                write!(out, "{text}: {}", Paint(ink, verdict))?;
                if verdicts.len() > 1 {
                    let each: Vec<String> = verdicts.iter().map(|v| Return::decode(*v).to_string()).collect();
                    write!(out, " (of {})", each.join(", "))?;
                }
                writeln!(out)?;
            }
        }
    }
    if args.format == Format::Json {
        document(out, json!({"schema": 1, "arch": arch.name(), "calls": rows}))?;
    }
    Ok(Status::Fine)
}

/// Reads `name`, `name(a, b)` or a number in the place of the name.
fn call(text: &str, arch: Arch) -> Result<SeccompData, String> {
    let (name, list) = match text.split_once('(') {
        Some((name, rest)) => {
            let list = rest.trim_end().strip_suffix(')').ok_or("expected ) at the end")?;
            (name.trim(), list.trim())
        }
        None => (text.trim(), ""),
    };
    let nr = match arch.by_name(name) {
        Some(syscall) => syscall.nr.cast_signed(),
        None => number64(name)
            .ok()
            .and_then(|n| i32::try_from(n as i64).or(u32::try_from(n).map(u32::cast_signed)).ok())
            .ok_or_else(|| format!("no system call of {} is called {name:?}", arch.name()))?,
    };
    let mut data = SeccompData { nr, arch: arch.audit(), ..SeccompData::default() };
    let values: Vec<&str> = list.split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
    if values.len() > data.args.len() {
        return Err(format!("{} arguments, expected 6 at most", values.len()));
    }
    for (to, value) in data.args.iter_mut().zip(values) {
        *to = number64(value)?;
    }
    Ok(data)
}

/// The verdict of one or several filters on a case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Known(u32),
    Text(String),
}

impl Told {
    fn of(outcome: Outcome) -> Told {
        match outcome {
            Outcome::Fixed(value) => Told::Known(value.encode()),
            Outcome::Action(action) => Told::Text(format!("{}, with computed data", action.name())),
            _ => Told::Text("not known".to_owned()),
        }
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Told::Known(value) => Return::decode(*value).fmt(f),
            Told::Text(text) => f.write_str(text),
        }
    }
}

/// A case of a system call: what its words must be, and what becomes of it.
struct Case {
    path: Path,
    told: Told,
}

/// Lists what the filters do with each system call.
fn list(args: &Args, arch: Arch, filters: &[Filter], out: &mut dyn Write) -> Result<Status, CliError> {
    let analyses: Vec<Analysis> =
        filters.iter().filter_map(|filter| analyze(filter, Limits::default())).collect();
    let complete = analyses.iter().all(Analysis::is_complete);
    // What is the same for all its arguments is said of a call in one word; calls of one word are told
    // together.
    let (mut whole, mut some) = (Whole::new(), Vec::new());
    for syscall in arch.syscalls() {
        let cases = cases(&analyses, arch, syscall.nr);
        match uniform(&cases) {
            Some(told) => whole.entry(told).or_default().push(syscall.name.to_owned()),
            None => some.push((syscall.name.to_owned(), cases)),
        }
    }
    let unlisted = unlisted(&analyses, arch);
    let foreign: Vec<(Arch, Option<Told>)> = Arch::ALL
        .iter()
        .filter(|other| other.audit() != arch.audit())
        .map(|&other| (other, everywhere(&analyses, other)))
        .collect();
    match args.format {
        Format::Json => json_list(arch, complete, &whole, &some, &unlisted, &foreign, out)?,
        Format::Human => human_list(arch, complete, &whole, &some, &unlisted, &foreign, out)?,
    }
    Ok(if complete { Status::Fine } else { Status::Unknown })
}

/// Numbers that no system call has, from the first to the last, and what becomes of them: nothing in one
/// word where it depends on arguments.
struct Unlisted {
    from: u32,
    to: u32,
    told: Option<Told>,
}

/// What becomes of all the numbers that no system call has.
fn unlisted(analyses: &[Analysis], arch: Arch) -> Vec<Unlisted> {
    let listed = arch.syscalls().fold(WordSet::empty(), |set, syscall| set.union(&WordSet::only(syscall.nr)));
    let none = listed.complement();
    // Numbers with the verdicts that are possible for them.
    let mut parts: Vec<(WordSet, BTreeSet<Told>)> = vec![(none, BTreeSet::new())];
    for case in met(analyses, |path| path.word(1).contains(arch.audit()).then(|| path.clone())) {
        let numbers = case.path.word(0);
        let mut next: BTreeMap<BTreeSet<Told>, WordSet> = BTreeMap::new();
        for (set, told) in parts {
            let mut more = told.clone();
            more.insert(case.told.clone());
            for (told, part) in
                [(more, set.intersect(&numbers)), (told, set.intersect(&numbers.complement()))]
            {
                if !part.is_empty() {
                    let before = next.entry(told).or_insert_with(WordSet::empty);
                    *before = before.union(&part);
                }
            }
        }
        parts = next.into_iter().map(|(told, set)| (set, told)).collect();
    }
    let mut rows: Vec<Unlisted> = Vec::new();
    for (set, told) in parts {
        let told = (told.len() == 1).then(|| told.into_iter().next()).flatten();
        // A filter cannot tell so many apart; what is not told apart has no one verdict.
        let ranges = set.intervals(MOST_RANGES).unwrap_or_else(|| vec![(0, u32::MAX)]);
        let told = told.filter(|_| set.intervals(MOST_RANGES).is_some());
        rows.extend(ranges.into_iter().map(|(from, to)| Unlisted { from, to, told: told.clone() }));
    }
    rows.sort_by_key(|row| row.from);
    // The numbers between are those of system calls.
    rows.dedup_by(|next, row| {
        let same = next.told == row.told;
        if same {
            row.to = next.to;
        }
        same
    });
    rows
}

/// Ranges of numbers that are looked at.
const MOST_RANGES: usize = 1 << 12;

/// The cases of one system call under all filters.
fn cases(analyses: &[Analysis], arch: Arch, nr: u32) -> Vec<Case> {
    met(analyses, |path| {
        let applies = path.word(0).contains(nr) && path.word(1).contains(arch.audit());
        applies.then(|| {
            let mut path = path.clone();
            path.words.retain(|&index, _| index > 1);
            path
        })
    })
}

/// The chosen cases of each filter, met with those of the others.
fn met(analyses: &[Analysis], choose: impl Fn(&Path) -> Option<Path>) -> Vec<Case> {
    let mut all: Vec<Case> = Vec::new();
    for (nth, analysis) in analyses.iter().enumerate() {
        let paths: Vec<Path> = analysis.paths.iter().filter_map(&choose).collect();
        if nth == 0 {
            all = paths.into_iter().map(|path| Case { told: Told::of(path.outcome), path }).collect();
            continue;
        }
        let mut met = Vec::new();
        for case in &all {
            for path in &paths {
                if let Some(both) = meet(&case.path, path) {
                    let told = stronger(&case.told, &Told::of(path.outcome));
                    met.push(Case { path: both, told });
                }
            }
        }
        all = met;
    }
    all
}

/// The verdict the kernel takes of an earlier and a later filter's.
fn stronger(before: &Told, after: &Told) -> Told {
    match (before, after) {
        (Told::Known(a), Told::Known(b)) => Told::Known(combine([*a, *b])),
        (Told::Text(text), other) | (other, Told::Text(text)) => {
            Told::Text(format!("{text}, or {other} if that is stronger"))
        }
    }
}

/// The calls that are in both cases, if there can be any.
fn meet(a: &Path, b: &Path) -> Option<Path> {
    let mut both = a.clone();
    both.exact = a.exact && b.exact;
    for (&index, set) in &b.words {
        let set = both.word(index).intersect(set);
        if set.is_empty() {
            return None;
        }
        both.words.insert(index, set);
    }
    Some(both)
}

/// The one verdict of all cases.
fn uniform(cases: &[Case]) -> Option<Told> {
    let first = cases.first()?;
    cases.iter().all(|case| case.told == first.told).then(|| first.told.clone())
}

/// The one verdict for every call of a convention, whatever its number.
fn everywhere(analyses: &[Analysis], arch: Arch) -> Option<Told> {
    uniform(&met(analyses, |path| path.word(1).contains(arch.audit()).then(|| path.clone())))
}

/// The words of a case as conditions on arguments.
fn conditions(path: &Path, arch: Arch) -> Vec<String> {
    path.words
        .iter()
        .map(|(&index, set)| {
            let low = (index % 2 == 0) == arch.is_little_endian();
            let half = if low { "" } else { " >> 32" };
            match index {
                2 | 3 => format!("instruction_pointer{half} {set}"),
                _ => format!("args[{}]{half} {set}", index / 2 - 2),
            }
        })
        .collect()
}

type Whole = BTreeMap<Told, Vec<String>>;
type Partly = [(String, Vec<Case>)];

fn human_list(
    arch: Arch,
    complete: bool,
    whole: &Whole,
    some: &Partly,
    unlisted: &[Unlisted],
    foreign: &[(Arch, Option<Told>)],
    out: &mut dyn Write,
) -> std::io::Result<()> {
    writeln!(out, "{}", Paint(Ink::Strong, format_args!("{}:", arch.name())))?;
    // Calls that fare as most numbers of no call do are not named.
    let usual = unlisted.first().and_then(|row| row.told.as_ref());
    for (told, names) in whole.iter().filter(|(told, _)| Some(*told) != usual) {
        writeln!(out, "  {told}, whatever the arguments ({}):", names.len())?;
        for line in wrapped(names, 92) {
            writeln!(out, "    {line}")?;
        }
    }
    for (name, cases) in some {
        writeln!(out, "  {}:", Paint(Ink::Strong, name))?;
        for case in cases {
            let conditions = conditions(&case.path, arch);
            let when = if conditions.is_empty() { "always".to_owned() } else { conditions.join(" and ") };
            let doubt = if case.path.exact { "" } else { " (not all of these)" };
            writeln!(out, "    {} when {when}{doubt}", case.told)?;
        }
    }
    for (nth, row) in unlisted.iter().enumerate() {
        let others = usual.and_then(|told| whole.get(told)).map_or(0, Vec::len);
        let others =
            if nth == 0 && usual.is_some() { format!("the {others} others, and ") } else { String::new() };
        let which = match (nth, unlisted.get(nth + 1)) {
            (0, None) => String::new(),
            (0, Some(_)) => format!(" up to {:#x}", row.to),
            (_, None) => format!(" from {:#x}", row.from),
            (_, Some(_)) => format!(" from {:#x} to {:#x}", row.from, row.to),
        };
        let told = row.told.as_ref().map_or("by their arguments".to_owned(), ToString::to_string);
        writeln!(out, "  {others}numbers of no system call{which}: {told}")?;
    }
    let mut others: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (arch, told) in foreign {
        let told = told.as_ref().map_or("by the call".to_owned(), ToString::to_string);
        others.entry(told).or_default().push(arch.name().to_owned());
    }
    for (told, names) in others {
        writeln!(out, "calls of {}: {told}", names.join(", "))?;
    }
    if !complete {
        writeln!(
            out,
            "{}",
            Paint(
                Ink::Doubt,
                "The filter computes what could not be followed; the list claims no more than it says."
            )
        )?;
    }
    Ok(())
}

/// Words with commas, in lines of at most so many characters.
fn wrapped(words: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (nth, word) in words.iter().enumerate() {
        let word = if nth + 1 < words.len() { format!("{word},") } else { word.clone() };
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

fn json_list(
    arch: Arch,
    complete: bool,
    whole: &Whole,
    some: &Partly,
    unlisted: &[Unlisted],
    foreign: &[(Arch, Option<Told>)],
    out: &mut dyn Write,
) -> Result<(), CliError> {
    let mut calls = serde_json::Map::new();
    for (told, names) in whole {
        for name in names {
            calls.insert(name.clone(), json!([{"action": told.to_string(), "when": [], "exact": true}]));
        }
    }
    for (name, cases) in some {
        let rows: Vec<Value> = cases
            .iter()
            .map(|case| {
                json!({"action": case.told.to_string(), "when": conditions(&case.path, arch), "exact": case.path.exact})
            })
            .collect();
        calls.insert(name.clone(), rows.into());
    }
    let foreign: serde_json::Map<String, Value> = foreign
        .iter()
        .map(|(arch, told)| (arch.name().to_owned(), json!(told.as_ref().map(ToString::to_string))))
        .collect();
    let unlisted: Vec<Value> = unlisted
        .iter()
        .map(|row| {
            json!({"from": row.from, "to": row.to, "action": row.told.as_ref().map(ToString::to_string)})
        })
        .collect();
    document(
        out,
        json!({"schema": 1, "arch": arch.name(), "complete": complete, "syscalls": calls,
            "unlisted": unlisted, "other_archs": foreign}),
    )?;
    Ok(())
}
