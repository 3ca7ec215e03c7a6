//! Two filters held against each other: over a capture when there is one, then over all packets at
//! once, and where that gives no answer over packets made up from what the filters ask for.

use super::engine::Runner;
use super::load::{Loaded, Reading};
use super::show::{constants, document};
use super::{Args, EngineKind, Format};
use crate::cli::style::{Ink, Paint};
use crate::cli::{CliError, Status};
use crate::packet::{Captured, Reader, layers};
use oxbpf_isa::cbpf::compare::{Comparison, Limits, MAX_LEN, Question, Setting, Unknown, Witness, compare};
use oxbpf_isa::cbpf::{Filter, Insn, SockFilter};
use serde_json::{Value, json};
use std::io::Write;

/// A packet on which the filters differ.
struct Found {
    data: Vec<u8>,
    wire_len: u32,
    link_type: u32,
    context: Vec<(&'static str, Option<u32>)>,
    verdicts: [u32; 2],
    /// Its number in the capture, from 1.
    number: Option<u64>,
}

enum Answer {
    Equal,
    Differ(Found),
    /// Why nothing is known, and how many packets were tried.
    Unknown(Unknown, u64),
}

pub(super) fn run(
    args: &Args,
    first: &Loaded,
    second: &Loaded,
    reading: &Reading,
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    let question = if args.exact { Question::Verdict } else { Question::Match };
    let mut tried = 0;
    if args.read.is_some()
        && let Some(found) = capture(args, [first, second], question, reading, &mut tried)?
    {
        return tell(args, first, second, question, Answer::Differ(found), out);
    }
    let link_type = super::capture::seen_as(args, reading.link_type);
    let programs = [first.program(link_type, reading)?, second.program(link_type, reading)?];
    let mut filters = Vec::new();
    for (loaded, program) in [first, second].into_iter().zip(&programs) {
        match super::legal(args, loaded, program) {
            Ok(filter) => filters.push(filter),
            Err(illegal) => return illegal.tell(),
        }
    }
    let circumstances = args.ctx.clone().unwrap_or_default();
    let setting =
        Setting { network: circumstances.network(link_type), link: Some(0), shortest: args.shortest };
    let answer = match compare([&filters[0], &filters[1]], question, &setting, &Limits::default()) {
        Comparison::Equal => Answer::Equal,
        Comparison::Differ(witness) => Answer::Differ(of_witness(witness, link_type)),
        Comparison::Unknown(why) => {
            match made_up(&programs, &filters, question, args, link_type, &mut tried) {
                Some(found) => Answer::Differ(found),
                None => Answer::Unknown(why, tried),
            }
        }
        _ => Answer::Unknown(Unknown::Limit, tried),
    };
    tell(args, first, second, question, answer, out)
}

fn of_witness(witness: Witness, link_type: u32) -> Found {
    Found {
        context: witness.ancillary.iter().map(|(which, value)| (which.name(), *value)).collect(),
        data: witness.data,
        wire_len: witness.wire_len,
        link_type,
        verdicts: witness.verdicts,
        number: None,
    }
}

const fn differ(question: Question, verdicts: [u32; 2]) -> bool {
    match question {
        Question::Match => (verdicts[0] == 0) != (verdicts[1] == 0),
        Question::Verdict => verdicts[0] != verdicts[1],
    }
}

/// The first packet of the capture on which they differ.
fn capture(
    args: &Args,
    loaded: [&Loaded; 2],
    question: Question,
    reading: &Reading,
    tried: &mut u64,
) -> Result<Option<Found>, CliError> {
    let Some(path) = &args.read else { return Ok(None) };
    let failed = |error| CliError::input(path.display(), error);
    let mut reader = Reader::open(super::capture::open(path, args.quiet)?).map_err(failed)?;
    let mut ready: Option<(u32, [Runner; 2])> = None;
    let mut number = 0;
    while let Some(packet) = reader.next_packet().map_err(failed)? {
        number += 1;
        if ready.as_ref().is_none_or(|(link_type, _)| *link_type != packet.link_type) {
            ready = runners(args, loaded, packet.link_type, reading)?.map(|pair| (packet.link_type, pair));
        }
        // What is not legal is told by the comparison that follows.
        let Some((_, pair)) = &mut ready else { return Ok(None) };
        if packet.bytes.len() < args.shortest as usize {
            continue;
        }
        *tried += 1;
        let verdicts = [pair[0].run(&packet), pair[1].run(&packet)];
        if differ(question, verdicts) {
            let number = Some(number);
            let data = packet.bytes.to_vec();
            let (wire_len, link_type) = (packet.original_len, packet.link_type);
            return Ok(Some(Found { data, wire_len, link_type, context: Vec::new(), verdicts, number }));
        }
    }
    Ok(None)
}

fn runners(
    args: &Args,
    loaded: [&Loaded; 2],
    link_type: u32,
    reading: &Reading,
) -> Result<Option<[Runner; 2]>, CliError> {
    let mut pair = Vec::new();
    for loaded in loaded {
        let program = loaded.program(super::capture::seen_as(args, link_type), reading)?;
        let filter = super::legal(args, loaded, &program).ok();
        let runner = filter.and_then(|filter| Runner::new(filter, args, EngineKind::Interp).ok());
        match runner {
            Some(runner) => pair.push(runner),
            None => return Ok(None),
        }
    }
    Ok(pair.try_into().ok())
}

/// A small generator (xorshift64*) with a fixed start, so that an answer is given twice alike.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 33) % n.max(1) as u64) as usize
    }
}

/// Packets whose bytes, at the offsets that the filters load from, are what the filters compare with.
fn made_up(
    programs: &[Vec<SockFilter>; 2],
    filters: &[Filter],
    question: Question,
    args: &Args,
    link_type: u32,
    tried: &mut u64,
) -> Option<Found> {
    const PACKETS: u64 = 200_000;
    const LONGEST: usize = 256;
    let mut offsets = Vec::new();
    for insn in filters.iter().flat_map(Filter::insns) {
        if let Insn::LoadAbs { size, k } | Insn::LoadInd { size, k } = *insn
            && (k as usize) < LONGEST
        {
            offsets.push((k as usize, size.bytes() as usize));
        }
    }
    let mut values: Vec<u32> = programs.iter().flat_map(|program| constants(program)).collect();
    values.push(0);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut runners = Vec::new();
    for filter in filters {
        runners.push(Runner::new(filter.clone(), args, EngineKind::Interp).ok()?);
    }
    let mut bytes = vec![0u8; LONGEST];
    for _ in 0..PACKETS {
        for byte in &mut bytes {
            *byte = if random.below(4) == 0 { random.next() as u8 } else { 0 };
        }
        // The header lengths that indirect loads of IPv4 need.
        for at in [0, 14, 16, 18, 20] {
            if random.below(2) == 0 {
                bytes[at] = 0x40 | (5 + random.below(3)) as u8;
            }
        }
        for &(at, size) in &offsets {
            if random.below(4) != 0 {
                let near = [0u32, 1, u32::MAX][random.below(8).min(2)];
                let value = values[random.below(values.len())].wrapping_add(near).to_be_bytes();
                let end = (at + size).min(LONGEST);
                bytes[at..end].copy_from_slice(&value[4 - size..][..end - at]);
            }
        }
        let len = if random.below(3) == 0 { random.below(LONGEST) } else { LONGEST };
        if len < args.shortest as usize {
            continue;
        }
        *tried += 1;
        let captured = Captured {
            time: 0,
            link_type,
            original_len: len as u32,
            interface: 0,
            direction: None,
            bytes: &bytes[..len],
        };
        let verdicts = [runners[0].run(&captured), runners[1].run(&captured)];
        if differ(question, verdicts) {
            let data = bytes[..len].to_vec();
            let wire_len = len as u32;
            return Some(Found { data, wire_len, link_type, context: Vec::new(), verdicts, number: None });
        }
    }
    None
}

fn tell(
    args: &Args,
    first: &Loaded,
    second: &Loaded,
    question: Question,
    answer: Answer,
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    let status = match &answer {
        Answer::Equal => Status::Fine,
        Answer::Differ(_) => Status::Rejected,
        Answer::Unknown(..) => Status::Unknown,
    };
    if args.format == Format::Json {
        let (verdict, reason, tried, packet) = match &answer {
            Answer::Equal => ("equal", None, None, Value::Null),
            Answer::Differ(found) => ("differ", None, None, object(found)),
            Answer::Unknown(why, tried) => ("unknown", Some(why.to_string()), Some(*tried), Value::Null),
        };
        document(
            out,
            json!({"schema": 1, "filters": [first.name, second.name], "verdict": verdict, "reason": reason,
                "tried": tried, "packet": packet}),
        )?;
        return Ok(status);
    }
    let what = match question {
        Question::Match => "match the same packets",
        Question::Verdict => "return the same for every packet",
    };
    match &answer {
        Answer::Equal => {
            writeln!(
                out,
                "{}: the filters {what}, proved for packets of {} to {MAX_LEN} bytes",
                Paint(Ink::Good, "equal"),
                args.shortest
            )?;
        }
        Answer::Unknown(why, tried) => {
            writeln!(
                out,
                "{}: none found on which they differ, of {tried} packets tried; not proved equal: {why}",
                Paint(Ink::Doubt, "unknown")
            )?;
        }
        Answer::Differ(found) => {
            let word = |verdict: u32| match (question, verdict) {
                (Question::Match, 0) => "does not match".to_owned(),
                (Question::Match, _) => "matches".to_owned(),
                (Question::Verdict, verdict) => format!("returns {verdict}"),
            };
            let [a, b] = found.verdicts.map(word);
            let which = match found.number {
                Some(number) => format!("packet {number} of the capture"),
                None => "a packet".to_owned(),
            };
            writeln!(out, "{}: on {which} the first {a}, the second {b}", Paint(Ink::Bad, "differ"))?;
            write_packet(found, out)?;
        }
    }
    Ok(status)
}

fn object(found: &Found) -> Value {
    let hex: String = found.data.iter().map(|b| format!("{b:02x}")).collect();
    let context: serde_json::Map<String, Value> =
        found.context.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({"hex": hex, "length": found.wire_len, "link_type": found.link_type, "context": context,
        "verdicts": found.verdicts, "number": found.number,
        "summary": layers::describe(found.link_type, &found.data)})
}

fn write_packet(found: &Found, out: &mut dyn Write) -> std::io::Result<()> {
    let words = layers::describe(found.link_type, &found.data);
    writeln!(out, "  {words}, {} bytes, {} on the wire", found.data.len(), found.wire_len)?;
    for (name, value) in &found.context {
        match value {
            Some(value) => writeln!(out, "  {name} = {value:#x}")?,
            None => writeln!(out, "  {name}: no device")?,
        }
    }
    for (row, bytes) in found.data.chunks(16).enumerate() {
        let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        writeln!(out, "  {:04x}  {}", row * 16, hex.join(" "))?;
    }
    Ok(())
}
