//! The types of a kernel and of its modules, as `--btf` names them.
//!
//! The first is the kernel's: raw BTF, or an ELF file with it, such as `vmlinux`. All others continue
//! it, as the files in `/sys/kernel/btf` do: raw, or in the module's own file.

use super::{CliError, input};
use crate::object::{is_elf, section_bytes};
use oxbpf_isa::btf::Btf;
use oxbpf_isa::btf::core::CoreTarget;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the running kernel shows its types.
const HOST: &str = "/sys/kernel/btf";
const VMLINUX: &str = "vmlinux";

/// The types to fit programs to.
#[derive(clap::Args, Debug)]
pub(super) struct TypesArgs {
    /// The types of the kernel, and after them those of its modules: FILE or NAME=FILE, once for each;
    /// or a directory that holds them as /sys/kernel/btf does.
    #[arg(long, value_name = "[NAME=]FILE")]
    btf: Vec<PathBuf>,
}

/// A file, and the name of the module that it is of.
struct Named {
    name: String,
    path: PathBuf,
}

impl TypesArgs {
    /// Whether any are given.
    pub fn is_empty(&self) -> bool {
        self.btf.is_empty()
    }

    /// The types, if there are any. For the running kernel, its own when none are given.
    pub fn target(&self, host: bool) -> Result<Option<CoreTarget>, CliError> {
        let mut files = Vec::new();
        for path in &self.btf {
            match path.is_dir() {
                true => files.extend(directory(path)?),
                false => files.push(named(path)),
            }
        }
        if files.is_empty() && host {
            files = directory(Path::new(HOST))?;
        }
        let Some((kernel, modules)) = files.split_first() else { return Ok(None) };
        let vmlinux = Arc::new(parse(&kernel.path, None)?);
        let mut target = CoreTarget::new(vmlinux.clone());
        for module in modules {
            let btf = parse(&module.path, Some(&vmlinux))?;
            if !btf.fits_base() {
                let other = format!("these types do not continue those of {}", kernel.path.display());
                return Err(CliError::input(module.path.display(), other));
            }
            target = target.with_named_module(module.name.clone(), Arc::new(btf));
        }
        Ok(Some(target))
    }
}

/// The kernel's types in a directory, and then those of its modules by name.
fn directory(path: &Path) -> Result<Vec<Named>, CliError> {
    let unreadable = |e| CliError::input(path.display(), e);
    let mut files = vec![Named { name: VMLINUX.to_owned(), path: path.join(VMLINUX) }];
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() && path.file_name().is_some_and(|name| name != VMLINUX) {
            files.push(named(&path));
        }
    }
    files[1..].sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// A module is named before the file, or by it. A dash in the name of a file is an underscore in that
/// of a module.
fn named(given: &Path) -> Named {
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if let Some((name, path)) = given.to_str().and_then(|text| text.split_once('='))
        && is_name(name)
        && !given.exists()
    {
        return Named { name: name.to_owned(), path: PathBuf::from(path) };
    }
    let file = given.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split('.').next().unwrap_or("").replace('-', "_");
    Named { name: stem, path: given.to_owned() }
}

/// Opens types, alone or as those that continue a kernel's.
fn parse(path: &Path, base: Option<&Arc<Btf>>) -> Result<Btf, CliError> {
    let bytes = input::bytes(path)?;
    let bad = |message: &str| CliError::input(path.display(), message);
    let is_object = is_elf(&bytes);
    let bytes = match is_object {
        true => {
            let section = |name| section_bytes(&bytes, name).map_err(|e| CliError::input(path.display(), e));
            if section(".BTF.base")?.is_some() {
                return Err(bad("the module's types lean on a base of its own; give those that the kernel \
                                shows for it in /sys/kernel/btf"));
            }
            section(".BTF")?.ok_or_else(|| bad("holds no BTF"))?.to_vec()
        }
        false => bytes,
    };
    let parsed = match base {
        // What stands on its own is no module's.
        Some(_) if Btf::parse(bytes.clone()).is_ok_and(|btf| btf.type_count() > 1) => {
            return Err(bad(
                "holds types that stand on their own, not those of a module of the kernel before",
            ));
        }
        Some(base) => Btf::parse_split(bytes, base.clone()),
        None => Btf::parse(bytes),
    };
    parsed.map_err(|e| match base {
        None => CliError::input(path.display(), format!("{e} (the first types given are the kernel's)")),
        Some(_) => CliError::input(path.display(), e),
    })
}
