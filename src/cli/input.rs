//! Files as they come: objects, instructions as bytes or as hexadecimal text, types, or standard
//! input for `-`.

use super::CliError;
use crate::object::{Input, Kconfig, Object, is_elf};
use oxbpf_isa::btf::Btf;
use oxbpf_isa::kernel::KernelVersion;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Reads a whole file, or standard input for `-`.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let result = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    result.map_err(|e| CliError::input(path.display(), e))
}

/// Opens an object, or reads instructions.
pub(super) fn code(path: &Path) -> Result<Input, CliError> {
    Input::parse(&bytes(path)?, &object_name(path)).map_err(|e| CliError::input(path.display(), e))
}

/// The name that loaders give an object: that of its file up to the first dot.
fn object_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or("").to_owned()
}

fn object(path: &Path, bytes: Vec<u8>) -> Result<Object, CliError> {
    Object::parse(bytes, &object_name(path)).map_err(|e| CliError::input(path.display(), e))
}

/// Hexadecimal digits, with or without white space, as bytes.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    bytes.filter(|_| rest.is_empty())
}

/// Opens types, from BTF or from an ELF file that holds them.
pub(super) fn types(path: &Path) -> Result<Arc<Btf>, CliError> {
    let bytes = bytes(path)?;
    if is_elf(&bytes) {
        let object = object(path, bytes)?;
        return object.btf().cloned().ok_or_else(|| CliError::input(path.display(), "holds no BTF"));
    }
    Btf::parse(bytes).map(Arc::new).map_err(|e| CliError::input(path.display(), e))
}

/// The version of the running kernel.
pub(super) fn host_version() -> Result<KernelVersion, CliError> {
    const PATH: &str = "/proc/sys/kernel/osrelease";
    let text = std::fs::read_to_string(PATH).map_err(|e| CliError::input(PATH, e))?;
    let release: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let mut parts = release.split('.');
    let short = [parts.next().unwrap_or(""), parts.next().unwrap_or("")].join(".");
    short.parse().map_err(|e| CliError::input(PATH, e))
}

/// A kernel's configuration.
pub(super) fn config(path: &Path) -> Result<Kconfig, CliError> {
    let bytes = bytes(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| CliError::input(path.display(), e))?;
    Kconfig::parse(text).map_err(|e| CliError::input(path.display(), e))
}
