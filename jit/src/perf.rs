//! Telling Linux `perf` what compiled code is.
//!
//! Code that no file holds has no symbols. `perf` learns of it in one of two ways.
//!
//! * A **perf map**, `/tmp/perf-PID.map`: a line of text for each function, its address and size in
//!   hexadecimal without a prefix, and its name to the end of the line. `perf report` reads it as it is;
//!   it knows of names only.
//! * A **jitdump**, `jit-PID.dump` (version 1, in the machine's byte order): a header of 40 bytes (magic
//!   `JiTD`, version, size, ELF machine, padding, process, time, flags), then records with a header of
//!   16 bytes each (kind, size with the header, time). `JIT_CODE_LOAD` (0) has process and thread (32
//!   bits each), address, address once more, size and a number of its own (64 bits each), then the name
//!   with a zero, and the code itself. `JIT_CODE_DEBUG_INFO` (2) stands before the load of its function:
//!   address and number of entries, and for each entry address, line, discriminator and the file's name
//!   with a zero. `JIT_CODE_CLOSE` (3) is a header alone. Times are those of the monotonic clock, so
//!   record with `perf record -k mono`. `perf` finds the file because the process maps a page of it as
//!   executable; `perf inject --jit` then makes an ELF file of every function, with lines.
//!
//! What programs and functions are called and where their lines begin is the host's to say.

use crate::code::Code;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How `perf` is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `/tmp/perf-PID.map`.
    Map,
    /// `jit-PID.dump`.
    Jitdump,
}

/// Where code of a line of source begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceLine {
    /// Bytes from the beginning of the function.
    pub offset: usize,
    pub file: String,
    pub line: u32,
}

/// A function as `perf` is to show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol<'a> {
    pub name: &'a str,
    pub address: u64,
    pub code: &'a [u8],
    /// In the order of their offsets.
    pub lines: &'a [SourceLine],
}

/// What `perf` is told of a function: by the operation it begins at.
pub trait Names {
    fn name(&self, op: u32) -> String;
    /// File and line that an operation comes from.
    fn line(&self, op: u32) -> Option<(&str, u32)>;
}

/// A file that `perf` reads, open for this process.
#[derive(Debug)]
pub struct Profile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    out: Out,
    /// The first write that failed; nothing is written after it.
    failed: Option<io::ErrorKind>,
}

#[derive(Debug)]
enum Out {
    Map(BufWriter<File>),
    Dump {
        dump: Jitdump<BufWriter<File>>,
        /// Kept for what it does when it goes.
        _marker: Marker,
    },
}

impl Profile {
    /// Creates the file of this process: the map in `/tmp`, where `perf` looks for it, the dump in
    /// `directory`.
    ///
    /// # Errors
    /// When it cannot be made, or not be mapped.
    pub fn create(format: Format, directory: &Path) -> io::Result<Profile> {
        let pid = std::process::id();
        let path = match format {
            Format::Map => PathBuf::from(format!("/tmp/perf-{pid}.map")),
            Format::Jitdump => directory.join(format!("jit-{pid}.dump")),
        };
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
        let out = match format {
            Format::Map => Out::Map(BufWriter::new(file)),
            Format::Jitdump => {
                let marker = Marker::of(&file)?;
                Out::Dump { dump: Jitdump::new(BufWriter::new(file), pid, now())?, _marker: marker }
            }
        };
        Ok(Profile { path, state: Mutex::new(State { out, failed: None }) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why something was not written.
    pub fn error(&self) -> Option<io::ErrorKind> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failed
    }

    /// Tells of the functions of a program that was just compiled.
    pub fn record(&self, code: &Code, names: &dyn Names) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for function in code.functions() {
            let Some(bytes) = code.bytes().get(function.offset..function.offset + function.len) else {
                continue;
            };
            let (name, mut lines) = (names.name(function.op), Vec::<SourceLine>::new());
            for &(offset, op) in &function.locations {
                if let Some((file, line)) = names.line(op)
                    && lines.last().is_none_or(|l| (l.file.as_str(), l.line) != (file, line))
                {
                    lines.push(SourceLine { offset: offset as usize, file: file.to_owned(), line });
                }
            }
            let address = (code.address() + function.offset) as u64;
            state.write(&Symbol { name: &name, address, code: bytes, lines: &lines });
        }
    }
}

impl State {
    fn write(&mut self, symbol: &Symbol<'_>) {
        if self.failed.is_some() {
            return;
        }
        let written = match &mut self.out {
            Out::Map(out) => map_line(out, symbol).and_then(|()| out.flush()),
            Out::Dump { dump, .. } => dump.load(symbol, thread(), now()).and_then(|()| dump.out.flush()),
        };
        self.failed = written.err().map(|error| error.kind());
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Out::Dump { dump, .. } = &mut self.out {
            // Whoever wants to know asks before.
            let _ = dump.close(now()).and_then(|()| dump.out.flush());
        }
    }
}

/// Writes the line of a function in a perf map.
///
/// # Errors
/// When writing fails.
pub fn map_line(out: &mut impl Write, symbol: &Symbol<'_>) -> io::Result<()> {
    let name: String = symbol.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    writeln!(out, "{:x} {:x} {name}", symbol.address, symbol.code.len())
}

const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const FILE_HEADER: u32 = 40;
const RECORD_HEADER: usize = 16;
const CODE_LOAD: u32 = 0;
const CODE_DEBUG_INFO: u32 = 2;
const CODE_CLOSE: u32 = 3;

/// The machine as ELF numbers it.
const MACHINE: u32 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else {
    // RISC-V, the last that there is a compiler for.
    243
};

/// A jitdump being written.
#[derive(Debug)]
pub struct Jitdump<W> {
    out: W,
    pid: u32,
    /// Functions so far.
    count: u64,
}

impl<W: Write> Jitdump<W> {
    /// Begins a dump of the process `pid`.
    ///
    /// # Errors
    /// When writing fails.
    pub fn new(mut out: W, pid: u32, time: u64) -> io::Result<Jitdump<W>> {
        for word in [MAGIC, VERSION, FILE_HEADER, MACHINE, 0, pid] {
            out.write_all(&word.to_ne_bytes())?;
        }
        // The time, and no flags.
        out.write_all(&time.to_ne_bytes())?;
        out.write_all(&0u64.to_ne_bytes())?;
        Ok(Jitdump { out, pid, count: 0 })
    }

    /// Writes a function, after its lines.
    ///
    /// # Errors
    /// When writing fails, or the function is larger than the format can say.
    pub fn load(&mut self, symbol: &Symbol<'_>, thread: u32, time: u64) -> io::Result<()> {
        if !symbol.lines.is_empty() {
            let mut body = Vec::new();
            body.extend(symbol.address.to_ne_bytes());
            body.extend((symbol.lines.len() as u64).to_ne_bytes());
            for line in symbol.lines {
                body.extend((symbol.address + line.offset as u64).to_ne_bytes());
                body.extend(line.line.to_ne_bytes());
                body.extend(0u32.to_ne_bytes());
                text(&mut body, &line.file);
            }
            self.record(CODE_DEBUG_INFO, time, &[&body])?;
        }
        let mut body = Vec::new();
        body.extend(self.pid.to_ne_bytes());
        body.extend(thread.to_ne_bytes());
        for word in [symbol.address, symbol.address, symbol.code.len() as u64, self.count] {
            body.extend(word.to_ne_bytes());
        }
        text(&mut body, symbol.name);
        self.count += 1;
        self.record(CODE_LOAD, time, &[&body, symbol.code])
    }

    /// Writes the end.
    ///
    /// # Errors
    /// When writing fails.
    pub fn close(&mut self, time: u64) -> io::Result<()> {
        self.record(CODE_CLOSE, time, &[])
    }

    fn record(&mut self, kind: u32, time: u64, parts: &[&[u8]]) -> io::Result<()> {
        let size = RECORD_HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
        let size = u32::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.out.write_all(&kind.to_ne_bytes())?;
        self.out.write_all(&size.to_ne_bytes())?;
        self.out.write_all(&time.to_ne_bytes())?;
        parts.iter().try_for_each(|part| self.out.write_all(part))
    }
}

/// Text with its zero, of which there is no other in it.
fn text(body: &mut Vec<u8>, text: &str) {
    body.extend(text.bytes().filter(|&b| b != 0));
    body.push(0);
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value of the type that is written.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The number of this thread.
fn thread() -> u32 {
    #[cfg(target_os = "linux")]
    // SAFETY: the call has no requirements.
    return unsafe { libc::gettid() } as u32;
    #[cfg(not(target_os = "linux"))]
    std::process::id()
}

/// A page of the dump, mapped as executable: the event that leads `perf` to the file.
#[derive(Debug)]
struct Marker {
    at: *mut libc::c_void,
    len: usize,
}

// SAFETY: nobody touches the page; it is unmapped once.
unsafe impl Send for Marker {}

impl Marker {
    fn of(file: &File) -> io::Result<Marker> {
        use std::os::fd::AsRawFd;
        // SAFETY: the call has no requirements.
        let len = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: a new private mapping of an open file, at a place of the kernel's choice.
        let at = unsafe {
            libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
        };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Marker { at, len }) }
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // SAFETY: the mapping is the value's own.
        unsafe { libc::munmap(self.at, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads what was written, by the layout that the module tells.
    struct Bytes<'a>(&'a [u8]);

    impl<'a> Bytes<'a> {
        fn take(&mut self, len: usize) -> &'a [u8] {
            let (first, rest) = self.0.split_at(len);
            self.0 = rest;
            first
        }

        fn u32(&mut self) -> u32 {
            u32::from_ne_bytes(self.take(4).try_into().unwrap())
        }

        fn u64(&mut self) -> u64 {
            u64::from_ne_bytes(self.take(8).try_into().unwrap())
        }

        fn text(&mut self) -> &'a str {
            let end = self.0.iter().position(|&b| b == 0).unwrap();
            let text = std::str::from_utf8(self.take(end)).unwrap();
            self.take(1);
            text
        }
    }

    fn lines() -> Vec<SourceLine> {
        [(0, "a.bpf.c", 7), (3, "b.h", 90)]
            .map(|(offset, file, line)| SourceLine { offset, file: file.to_owned(), line })
            .to_vec()
    }

    #[test]
    fn a_dump_reads_back() {
        let lines = lines();
        let mut dump = Jitdump::new(Vec::new(), 4711, 5).unwrap();
        let first =
            Symbol { name: "xdp", address: 0x7000_1000, code: &[0x90, 0x90, 0x90, 0xc3], lines: &lines };
        let second = Symbol { name: "sub\0x", address: 0x7000_2000, code: &[0xc3], lines: &[] };
        dump.load(&first, 12, 6).unwrap();
        dump.load(&second, 13, 7).unwrap();
        dump.close(8).unwrap();
        let mut read = Bytes(&dump.out);
        assert_eq!([read.u32(), read.u32(), read.u32()], [0x4a69_5444, 1, 40]);
        assert_eq!([read.u32(), read.u32(), read.u32()], [MACHINE, 0, 4711]);
        assert_eq!([read.u64(), read.u64()], [5, 0]);
        // The lines of the first function, whose size counts its header.
        let debug = [read.u32(), read.u32()];
        let body = 8 + 8 + (16 + 8) + (16 + 4);
        assert_eq!((debug, read.u64()), ([CODE_DEBUG_INFO, 16 + body], 6));
        assert_eq!([read.u64(), read.u64()], [0x7000_1000, 2]);
        assert_eq!((read.u64(), read.u32(), read.u32(), read.text()), (0x7000_1000, 7, 0, "a.bpf.c"));
        assert_eq!((read.u64(), read.u32(), read.u32(), read.text()), (0x7000_1003, 90, 0, "b.h"));
        for (nth, (symbol, name, thread, time)) in
            [(first, "xdp", 12, 6), (second, "subx", 13, 7)].into_iter().enumerate()
        {
            let size = (16 + 8 + 32 + name.len() + 1 + symbol.code.len()) as u32;
            assert_eq!((read.u32(), read.u32(), read.u64()), (CODE_LOAD, size, time));
            assert_eq!([read.u32(), read.u32()], [4711, thread]);
            assert_eq!([read.u64(), read.u64()], [symbol.address; 2]);
            assert_eq!([read.u64(), read.u64()], [symbol.code.len() as u64, nth as u64]);
            assert_eq!((read.text(), read.take(symbol.code.len())), (name, symbol.code));
        }
        assert_eq!((read.u32(), read.u32(), read.u64(), read.0.len()), (CODE_CLOSE, 16, 8, 0));
    }

    #[test]
    fn a_map_has_a_line_for_each_function() {
        let mut out = Vec::new();
        let symbol = Symbol { name: "bpf\nprog", address: 0xabc0, code: &[0; 20], lines: &[] };
        map_line(&mut out, &symbol).unwrap();
        map_line(&mut out, &Symbol { name: "two words", ..symbol }).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "abc0 14 bpf prog\nabc0 14 two words\n");
    }
}
