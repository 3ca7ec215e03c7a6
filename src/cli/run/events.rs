//! Recorded events: `TIME CPU GROUP:EVENT field=value field="text" …`, a line each.
//!
//! An event runs the programs whose section names it (`tracepoint/GROUP/EVENT`, `tp/…`, and for other
//! kinds the part after the prefix). Its fields are those of the program's own context type.

use super::Ready;
use super::inputs::{Case, Kind, context};
use crate::cli::{CliError, input};
use std::collections::BTreeMap;
use std::path::Path;

/// The runs that the events of a file cause, in order.
pub(super) fn cases(path: &Path, programs: &BTreeMap<String, Ready>) -> Result<Vec<Case>, CliError> {
    let bytes = input::bytes(path)?;
    let text = String::from_utf8(bytes).map_err(|e| CliError::input(path.display(), e))?;
    let mut cases = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let error = |problem: String| CliError::input(path.display(), format!("line {}: {problem}", nth + 1));
        let event = parse(line).ok_or_else(|| {
            error("expected TIME CPU EVENT and fields as name=value or name=\"text\"".to_owned())
        })?;
        for (name, ready) in programs {
            if !hears(&ready.program.section, event.name) {
                continue;
            }
            let fields = event.fields.iter().map(|(n, v)| (*n, v.as_str()));
            let context = context(&ready.program, fields).map_err(|e| error(e.to_string()))?;
            cases.push(Case {
                program: name.clone(),
                label: format!("event on line {}", nth + 1),
                cpu: event.cpu,
                time: Some(event.time),
                kind: Kind::Context(context),
            });
        }
    }
    if cases.is_empty() {
        let sections: Vec<&str> = programs.values().map(|r| r.program.section.as_str()).collect();
        let problem = format!("no event is for one of {}", sections.join(", "));
        return Err(CliError::input(path.display(), problem));
    }
    Ok(cases)
}

struct Event<'a> {
    time: u64,
    cpu: u32,
    name: &'a str,
    fields: Vec<(&'a str, String)>,
}

/// Whether a program of this section runs at an event.
fn hears(section: &str, event: &str) -> bool {
    let Some((_, target)) = section.split_once('/') else { return false };
    target == event || target.replace('/', ":") == event
}

fn parse(line: &str) -> Option<Event<'_>> {
    let (time, rest) = line.split_once(char::is_whitespace)?;
    let (cpu, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (name, mut rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let mut fields = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let (field, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(text) => quoted(text)?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        fields.push((field.trim(), value));
        rest = after;
    }
    Some(Event { time: time.parse().ok()?, cpu: cpu.parse().ok()?, name, fields })
}

/// Text up to a quotation mark, with `\"` and `\\` inside, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_with_fields_and_text() {
        let e = parse("12 3 block:issue dev=8 comm=\"a \\\"b\\\"\" n=-5").unwrap();
        assert_eq!((e.time, e.cpu, e.name), (12, 3, "block:issue"));
        assert_eq!(e.fields, [("dev", "8".into()), ("comm", "a \"b\"".into()), ("n", "-5".into())]);
        assert!(parse("12 3 x y").is_none() && parse("12 3 x y=\"z").is_none() && parse("12").is_none());
    }

    #[test]
    fn sections_hear_their_events() {
        assert!(hears("tracepoint/block/block_rq_issue", "block:block_rq_issue"));
        assert!(hears("kprobe/do_nanosleep", "do_nanosleep"));
        assert!(!hears("tracepoint/block/block_rq_issue", "block:block_rq") && !hears("xdp", "xdp"));
    }
}
