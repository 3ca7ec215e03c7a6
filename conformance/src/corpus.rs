//! Where corpora, golden tables and kernels' types are, as the environment says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbpf::isa::btf::Btf;
use oxbpf::isa::btf::core::CoreTarget;
use oxbpf::object::Kconfig;

/// The directory that an environment variable names, or a line that says what is skipped and why.
pub fn directory(variable: &str, what: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(path) => Some(path.into()),
        None => {
            println!("skipped: {what}: {variable} is not set");
            None
        }
    }
}

/// Every object of the corpus, by name. `OXBPF_CORPUS` has folders `selftests` and `tools`.
pub fn objects() -> Option<Vec<(String, PathBuf)>> {
    let root = directory("OXBPF_CORPUS", "the corpus of objects")?;
    let mut found = Vec::new();
    for part in ["selftests", "tools"] {
        let Ok(dir) = fs::read_dir(root.join(part)) else { continue };
        for entry in dir.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".o") {
                found.push((name, entry.path()));
            }
        }
    }
    found.sort();
    Some(found)
}

/// The rows of a golden table, split at tabs. `OXBPF_GOLDEN` is the folder.
pub fn golden(table: &str) -> Option<Vec<Vec<String>>> {
    let path = directory("OXBPF_GOLDEN", table)?.join(table);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(text.lines().map(|l| l.split('\t').map(str::to_owned).collect()).collect())
}

/// A kernel's types. `OXBPF_BTF` has files `6.18.btf` and so on.
pub fn kernel_types(version: &str) -> Option<Arc<Btf>> {
    let path = directory("OXBPF_BTF", "a kernel's types")?.join(format!("{version}.btf"));
    let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(Arc::new(Btf::parse(bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()))))
}

/// A kernel's types, indexed for CO-RE.
pub fn core_target(version: &str) -> Option<CoreTarget> {
    kernel_types(version).map(CoreTarget::new)
}

/// The name that libbpf gives an object: its file's, up to the first dot.
pub fn object_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or("").to_owned()
}

/// A kernel's symbols, in the form of `/proc/kallsyms`. `OXBPF_KALLSYMS` is the file.
pub fn addresses() -> Option<BTreeMap<String, u64>> {
    let path = directory("OXBPF_KALLSYMS", "addresses of the kernel")?;
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let line = |l: &str| {
        let mut words = l.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        Some((words.nth(1)?.to_owned(), address))
    };
    Some(text.lines().filter_map(line).collect())
}

/// A kernel's configuration. `OXBPF_KCONFIG` is the file.
pub fn configuration() -> Option<Kconfig> {
    let path = directory("OXBPF_KCONFIG", "the kernel's configuration")?;
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some(Kconfig::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// The configuration of the kernel that answered, where the running one is that kernel. It has no kprobes,
/// so loaders find no wrappers of system calls there.
pub fn host_config() -> Option<oxbpf::object::Kconfig> {
    let output = std::process::Command::new("gzip").args(["-dc", "/proc/config.gz"]).output().ok()?;
    let text = format!("LINUX_HAS_SYSCALL_WRAPPER=0\n{}", String::from_utf8(output.stdout).ok()?);
    if !output.status.success() {
        return None;
    }
    oxbpf::object::Kconfig::parse(&text).ok()
}
