//! The classic vectors of the kernel's own test module, `lib/test_bpf.c`.
//!
//! They are a table in C, made with macros and helper functions, and stand in no tree but the
//! kernel's. So the module's text is taken from a tree at hand, up to where it starts to need the
//! kernel, and compiled as a program that prints the table.

use crate::oracle::Skip;
use oxbpf::isa::cbpf::{Packet, SockFilter, Vlan, payload_offset};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program with packets and verdicts.
#[derive(Default)]
pub struct Vector {
    pub name: String,
    flags: String,
    pub program: Vec<SockFilter>,
    data: Vec<u8>,
    frag: Vec<u8>,
    /// Bytes of the packet, and the verdict.
    pub runs: Vec<(usize, u32)>,
}

/// Reads the vectors out of the tree that `OXBPF_LINUX` names.
///
/// # Errors
/// Why there are none: no tree is named, or there is no C compiler. The inner error is that of a tree
/// whose vectors cannot be read.
pub fn vectors() -> Result<Result<Vec<Vector>, String>, Skip> {
    let tree = std::env::var_os("OXBPF_LINUX").map(PathBuf::from);
    let tree = tree.ok_or(Skip("OXBPF_LINUX, a Linux source tree, is not set".to_owned()))?;
    if let Err(e) = Command::new("cc").arg("--version").output() {
        return Err(Skip(format!("cc: {e}")));
    }
    let dir = std::env::temp_dir().join(format!("oxbpf-test-bpf-{}", std::process::id()));
    let made = std::fs::create_dir_all(&dir).map_err(|e| e.to_string());
    let text = made.and_then(|()| print(&dir, &source(&tree)?));
    let _ = std::fs::remove_dir_all(&dir);
    Ok(text.map(|text| parse(&text)))
}

/// The text between two marks, the first included.
fn between<'t>(text: &'t str, path: &Path, from: &str, to: &str) -> Result<&'t str, String> {
    let missing = |mark: &str| format!("{}: no line {mark:?}", path.display());
    let start = text.find(from).ok_or_else(|| missing(from))?;
    let end = text[start..].find(to).ok_or_else(|| missing(to))?;
    Ok(&text[start..start + end])
}

fn source(tree: &Path) -> Result<String, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let (header, module) = (tree.join("include/linux/filter.h"), tree.join("lib/test_bpf.c"));
    let (macros, tests) = (read(&header)?, read(&module)?);
    Ok([
        include_str!("before.h"),
        between(&macros, &header, "#define BPF_REG_ARG1", "#define bytes_to_bpf_size")?,
        between(&tests, &module, "#define MAX_SUBTESTS", "static struct net_device dev;")?,
        include_str!("after.c"),
    ]
    .join("\n"))
}

fn print(dir: &Path, source: &str) -> Result<String, String> {
    let (c, program) = (dir.join("vectors.c"), dir.join("vectors"));
    std::fs::write(&c, source).map_err(|e| e.to_string())?;
    let output = Command::new("cc").args(["-w", "-O0", "-o"]).arg(&program).arg(&c).output();
    let output = output.map_err(|e| e.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let output = Command::new(&program).output().map_err(|e| e.to_string())?;
    String::from_utf8(output.stdout).map_err(|e| e.to_string())
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    let byte = |d: &[u8; 2]| u8::from_str_radix(str::from_utf8(d).unwrap_or("0"), 16).unwrap_or(0);
    digits.iter().map(byte).collect()
}

fn instruction(text: &str) -> SockFilter {
    let fields: Vec<u32> = text.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    SockFilter::new(fields[0] as u16, fields[1] as u8, fields[2] as u8, fields[3])
}

fn parse(text: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if key == "test" {
            vectors.push(Vector { name: value.into(), ..Vector::default() });
            continue;
        }
        let Some(vector) = vectors.last_mut() else { continue };
        match key {
            "flags" => vector.flags = value.into(),
            "program" => vector.program = value.split(',').map(instruction).collect(),
            "data" => vector.data = hex(value),
            "frag" => vector.frag = hex(value),
            "run" => {
                let (size, result) = value.split_once(' ').unwrap_or((value, "0"));
                vector.runs.push((size.parse().unwrap_or(0), result.parse().unwrap_or(0)));
            }
            _ => {}
        }
    }
    vectors
}

impl Vector {
    /// Whether the kernel has to refuse the program.
    pub fn is_refused(&self) -> bool {
        self.flags.contains("fail")
    }

    /// The bytes of a run's packet.
    pub fn frame(&self, size: usize) -> Vec<u8> {
        let mut frame = self.data[..size.min(self.data.len())].to_vec();
        if self.flags.contains("frag") {
            frame.extend_from_slice(&self.frag);
        }
        frame
    }

    /// The packet the test module makes: the fields of the socket buffer are fixed.
    pub fn packet<'a>(&self, size: usize, frame: &'a [u8]) -> Packet<'a> {
        let network = size.min(14);
        let mut packet = Packet::new(frame);
        packet.network = network as i32;
        packet.link = Some(0);
        packet.protocol = 0x0800;
        packet.pkt_type = 3;
        packet.ifindex = Some(577);
        packet.hatype = Some(588);
        packet.mark = 0x1234_aaaa;
        packet.queue = 123;
        packet.rxhash = 0x1234_aaab;
        packet.vlan = Some(Vlan { tci: 0xffff, tpid: 0x0800 });
        packet.pay_offset = payload_offset(frame, network, 0x0800).unwrap_or(0);
        packet.linear = !self.flags.contains("frag");
        packet
    }
}
