//! A filter over a capture: listed, counted, or written to a capture of its own.

use super::engine::{NoRunner, Runner};
use super::load::{Loaded, Reading};
use super::show::document;
use super::{Args, Format, Layer};
use crate::cli::{CliError, Status};
use crate::packet::{Captured, Part, ReadError, Reader, Writer, layers};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::Path;

/// What a filter of a capture came to.
#[derive(Default)]
struct Tally {
    packets: u64,
    matched: u64,
    /// The lengths on the wire of those that match.
    bytes: u64,
}

/// One runner for each link type of the capture; a capture has one or two.
struct Runners<'a> {
    args: &'a Args,
    loaded: &'a Loaded,
    reading: &'a Reading,
    ready: Vec<(u32, Runner)>,
}

/// The link type that an expression is compiled for.
pub(super) fn seen_as(args: &Args, link_type: u32) -> u32 {
    match args.at {
        Layer::Link => link_type,
        Layer::Network => layers::RAW,
    }
}

/// Why a run stopped.
enum Stop {
    Status(Status),
    Error(CliError),
}

impl From<CliError> for Stop {
    fn from(error: CliError) -> Stop {
        Stop::Error(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Error(error.into())
    }
}

pub(super) fn run(
    args: &Args,
    loaded: &Loaded,
    path: &Path,
    reading: &Reading,
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    match filter(args, loaded, path, reading, out) {
        Ok(status) | Err(Stop::Status(status)) => Ok(status),
        Err(Stop::Error(error)) => Err(error),
    }
}

fn filter(
    args: &Args,
    loaded: &Loaded,
    path: &Path,
    reading: &Reading,
    out: &mut dyn Write,
) -> Result<Status, Stop> {
    let input = open(path, args.quiet)?;
    let mut runners = Runners { args, loaded, reading, ready: Vec::new() };
    // A filter that is no good is said before anything is written.
    if !loaded.is_expression() {
        runners.at(reading.link_type)?;
    }
    let failed = |error: ReadError| CliError::input(path.display(), error);
    let mut reader = Reader::open(input).map_err(failed)?;
    let mut tally = Tally::default();
    let fault = match &args.write {
        Some(target) => {
            let file = create(target, path)?;
            let mut writer = Writer::new(BufWriter::with_capacity(1 << 20, file));
            let fault = copy(&mut reader, &mut writer, &mut runners, &mut tally)?;
            writer.finish()?;
            fault
        }
        None => list(&mut reader, &mut runners, &mut tally, out)?,
    };
    if args.write.is_some() || args.format == Format::Human && !args.count {
        out.flush()?;
        let Tally { packets, matched, .. } = tally;
        if !args.quiet {
            let _ = writeln!(io::stderr(), "{matched} of {packets} packets match");
        }
    }
    match fault {
        Some(error) => Err(failed(error).into()),
        None => Ok(Status::Fine),
    }
}

impl Runners<'_> {
    /// The index of the runner for a link type.
    fn at(&mut self, link_type: u32) -> Result<usize, Stop> {
        if let Some(at) = self.ready.iter().position(|(known, _)| *known == link_type) {
            return Ok(at);
        }
        let program = self.loaded.program(seen_as(self.args, link_type), self.reading)?;
        let filter = super::legal(self.args, self.loaded, &program);
        let filter = filter
            .or_else(|illegal| illegal.tell().map_err(Stop::Error).and_then(|s| Err(Stop::Status(s))))?;
        let runner = Runner::new(filter, self.args, self.args.engine).map_err(|error| {
            let problem = match error {
                NoRunner::Convert(error) => format!("no eBPF form: {error}"),
                NoRunner::Link(error) => error.to_string(),
                #[cfg(feature = "jit")]
                NoRunner::Compile(error) => error.to_string(),
            };
            let _ = writeln!(io::stderr(), "oxbpf: {}: {problem}", self.loaded.name);
            Stop::Status(Status::Rejected)
        })?;
        self.ready.push((link_type, runner));
        Ok(self.ready.len() - 1)
    }

    /// The verdict on a packet, counted.
    fn verdict(&mut self, packet: &Captured<'_>, tally: &mut Tally) -> Result<u32, Stop> {
        let at = match self.ready.first() {
            Some((link_type, _)) if *link_type == packet.link_type => 0,
            _ => self.at(packet.link_type)?,
        };
        let verdict = self.ready[at].1.run(packet);
        tally.packets += 1;
        if verdict != 0 {
            tally.matched += 1;
            tally.bytes += u64::from(packet.original_len);
        }
        Ok(verdict)
    }

    fn is_enough(&self, tally: &Tally) -> bool {
        self.args.max.is_some_and(|max| tally.matched >= max)
    }
}

/// Writes what matches. A fault of the capture ends the copy and is given back: what came before it
/// has been written.
fn copy<R: Read, W: Write>(
    reader: &mut Reader<R>,
    writer: &mut Writer<W>,
    runners: &mut Runners<'_>,
    tally: &mut Tally,
) -> Result<Option<ReadError>, Stop> {
    while !runners.is_enough(tally) {
        match reader.next_part() {
            Ok(Some(part)) => {
                let keep = match &part {
                    Part::Packet { packet, .. } => runners.verdict(packet, tally)? != 0,
                    Part::Other { .. } => true,
                };
                if keep {
                    writer.part(&part)?;
                }
            }
            Ok(None) => break,
            Err(error) => return Ok(Some(error)),
        }
    }
    Ok(None)
}

/// Prints what matches, or how much does.
fn list<R: Read>(
    reader: &mut Reader<R>,
    runners: &mut Runners<'_>,
    tally: &mut Tally,
    out: &mut dyn Write,
) -> Result<Option<ReadError>, Stop> {
    let Args { count, format, .. } = *runners.args;
    let mut matches = Vec::new();
    let mut fault = None;
    while !runners.is_enough(tally) {
        match reader.next_packet() {
            Ok(Some(packet)) => {
                let verdict = runners.verdict(&packet, tally)?;
                if verdict == 0 || count {
                    continue;
                }
                let number = tally.packets;
                match format {
                    Format::Json => matches.push(object(number, &packet, verdict)),
                    Format::Human => line(number, &packet, out)?,
                }
            }
            Ok(None) => break,
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    let Tally { packets, matched, bytes } = *tally;
    match format {
        Format::Json => {
            let fault = fault.as_ref().map(ToString::to_string);
            let mut all = json!({"schema": 1, "packets": packets, "matched": matched,
                "matched_bytes": bytes, "error": fault});
            if !count {
                all["matches"] = matches.into();
            }
            document(out, all)?;
        }
        Format::Human if count => writeln!(out, "{matched}")?,
        Format::Human => {}
    }
    Ok(fault)
}

fn object(number: u64, packet: &Captured<'_>, verdict: u32) -> Value {
    json!({
        "number": number,
        "time_ns": packet.time,
        "interface": packet.interface,
        "link_type": packet.link_type,
        "captured": packet.bytes.len(),
        "length": packet.original_len,
        "verdict": verdict,
        "summary": layers::describe(packet.link_type, packet.bytes),
    })
}

fn line(number: u64, packet: &Captured<'_>, out: &mut dyn Write) -> io::Result<()> {
    let words = layers::describe(packet.link_type, packet.bytes);
    writeln!(out, "{number:>6}  {}  {:>5}  {words}", Time(packet.time), packet.original_len)
}

/// Nanoseconds since 1970 as a date and time of day, UTC.
struct Time(u64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Years are counted from March, so that the leap day is their last, in eras of 400.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let date = day - (153 * month + 2) / 5 + 1;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = 400 * era + year + carry;
        write!(f, "{year:04}-{month:02}-{date:02} ")?;
        write!(f, "{:02}:{:02}:{:02}.{:06}", second / 3600, second / 60 % 60, second % 60, nanos / 1000)
    }
}

fn create(target: &Path, source: &Path) -> Result<Box<dyn Write>, CliError> {
    if target == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    let same = match (target.canonicalize(), source.canonicalize()) {
        (Ok(target), Ok(source)) => target == source,
        _ => false,
    };
    if same {
        return Err(CliError::Usage(format!("{}: is read from and cannot be written to", target.display())));
    }
    Ok(Box::new(File::create(target).map_err(|e| CliError::input(target.display(), e))?))
}

/// Opens a capture, which gzip may have compressed.
pub(super) fn open(path: &Path, quiet: bool) -> Result<Box<dyn Read>, CliError> {
    let failed = |e: io::Error| CliError::input(path.display(), e);
    let raw: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(io::stdin()),
        false => {
            let file = File::open(path).map_err(failed)?;
            let len = file.metadata().map_err(failed)?.len();
            match progress(len, quiet) {
                Some(bar) => Box::new(Watched { input: file, bar, pending: 0 }),
                None => Box::new(file),
            }
        }
    };
    let (mut raw, mut first) = (raw, [0u8; 2]);
    let mut have = 0;
    while have < first.len() {
        match raw.read(&mut first[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed(e)),
        }
    }
    let whole = io::Cursor::new(first).take(have as u64).chain(raw);
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    Ok(match first {
        GZIP => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(1 << 18, whole))),
        _ => Box::new(whole),
    })
}

/// A file whose reading moves a bar.
struct Watched {
    input: File,
    bar: ProgressBar,
    pending: u64,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const STEP: u64 = 1 << 22;
        let read = self.input.read(buffer)?;
        self.pending += read as u64;
        if read == 0 {
            self.bar.finish_and_clear();
        } else if self.pending >= STEP {
            self.bar.inc(std::mem::take(&mut self.pending));
        }
        Ok(read)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar for a capture that takes a while, when somebody is there to see it.
fn progress(len: u64, quiet: bool) -> Option<ProgressBar> {
    const LONG: u64 = 64 << 20;
    if quiet || len < LONG || !io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new(len);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    Some(bar)
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn times_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00:00.000000"),
            (951_782_400, "2000-02-29 00:00:00.000000"),
            (951_868_799, "2000-02-29 23:59:59.000000"),
            (1_709_251_199, "2024-02-29 23:59:59.000000"),
            (4_107_542_400, "2100-03-01 00:00:00.000000"),
            (1_795_703_045, "2026-11-26 14:24:05.000000"),
        ];
        for (seconds, text) in cases {
            assert_eq!(Time(seconds * 1_000_000_000).to_string(), text);
        }
        assert_eq!(Time(1_234_567).to_string(), "1970-01-01 00:00:00.001234");
    }
}
