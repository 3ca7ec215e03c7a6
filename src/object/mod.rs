//! BPF objects: ELF files with programs, maps and types, opened as libbpf 1.7 opens them.
//!
//! Bytes come in, an [`Object`] that describes itself comes out. [Fitted](Object::prepare) to a
//! kernel's types, facts and configuration it gives one [`Program`] at a time, linked and
//! relocated. Nothing here judges a program or needs a kernel.
//!
//! [`Program`]: oxbpf_isa::program::Program

mod create;
mod debug;
mod descriptors;
mod elf;
mod error;
mod externs;
mod functions;
mod kconfig;
mod kind;
mod link;
mod load;
mod map_def;
mod maps;
mod options;
mod prepare_error;
mod raw;
mod relocs;
mod resolve;
mod slots;
mod struct_ops;
mod types;

pub use elf::{Elf, Reloc, RelocTable, Section, SectionKind, Symbol, SymbolKind, is_elf, section_bytes};
pub use error::{
    CreateProblem, ElfProblem, ExternProblem, MapProblem, ObjectError, PrepareError, ProgramError,
    ProgramProblem, ResolveProblem, SectionProblem, StructOpsProblem, ValueProblem,
};
pub use externs::{Extern, ExternKind, KconfigForm};
pub use functions::Function;
pub use kconfig::{Kconfig, KconfigError};
pub use kind::ProgramKind;
pub use load::{Loaded, Prepared, Unresolved};
pub use maps::{MapSource, ObjectMap};
pub use options::{LoadOptions, MapChange, MapChangeError, MapName};
pub use raw::{Input, InputError, TextProblem};
pub use relocs::{FuncReloc, RelocTarget};

use debug::FunctionDebug;
use oxbpf_isa::btf::{Btf, BtfExt, ExtCore, Type, TypeId};
use oxbpf_isa::insn::ByteOrder;
use std::sync::Arc;

/// An opened object.
#[derive(Debug)]
pub struct Object {
    bytes: Arc<[u8]>,
    elf: Elf,
    btf: Option<Arc<Btf>>,
    /// The types without externs, as programs carry them.
    kernel_btf: Option<Arc<Btf>>,
    ext: BtfExt,
    license: String,
    version: u32,
    functions: Vec<Function>,
    maps: Vec<ObjectMap>,
    externs: Vec<Extern>,
    /// References of each function.
    relocs: Vec<Vec<FuncReloc>>,
    debug: Vec<FunctionDebug>,
    /// Functions tagged with the name of their exception callback.
    callbacks: Vec<(TypeId, String)>,
    /// The section of subprograms.
    text: Option<usize>,
}

impl Object {
    /// Opens an object. `name` is that of its file without directory and from the first dot on; it
    /// becomes part of the names of data maps.
    ///
    /// # Errors
    /// The first fault, with section and offset and what was expected.
    pub fn parse(bytes: impl Into<Arc<[u8]>>, name: &str) -> Result<Object, ObjectError> {
        let bytes: Arc<[u8]> = bytes.into();
        let elf = elf::parse(&bytes)?;
        let section = |name: &str| {
            let found = elf.sections.iter().find(|s| s.name == name && s.kind == SectionKind::Data);
            found.map(|s| &bytes[s.range.clone()])
        };
        let (btf, ext) = read_types(&elf, section(".BTF"), section(".BTF.ext"))?;
        let license = section("license").map_or_else(|| license_of_loader(&elf).to_owned(), text);
        let version = match section("version") {
            Some(bytes) => version(bytes, elf.order)?,
            None => 0,
        };
        let functions = functions::find(&elf, &bytes)?;
        let externs = externs::find(&elf, btf.as_deref())?;
        let kernel_btf = btf.as_ref().map(|btf| types::for_kernel(btf, &externs));
        let source = maps::Source { elf: &elf, bytes: &bytes, btf: btf.as_ref(), name };
        let mut maps = maps::find(source, &externs)?;
        slots::fill(&elf, btf.as_deref(), &functions, &mut maps)?;
        let relocs = relocs::find(&elf, &functions, &maps, &externs);
        let debug = debug::by_function(&elf, btf.as_deref(), &ext, &functions);
        let callbacks = btf.as_deref().map(exception_callbacks).unwrap_or_default();
        let text = elf.sections.iter().position(|s| s.name == functions::TEXT && s.kind == SectionKind::Code);
        Ok(Object {
            bytes,
            elf,
            btf,
            kernel_btf,
            ext,
            license,
            version,
            functions,
            maps,
            externs,
            relocs,
            debug,
            callbacks,
            text,
        })
    }

    /// The bytes it was opened from.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sections, symbols and relocations as they stand in the file.
    pub fn elf(&self) -> &Elf {
        &self.elf
    }

    /// The byte order of the machine it was compiled for.
    pub fn order(&self) -> ByteOrder {
        self.elf.order
    }

    /// Its types, with what compilers leave open filled in: sizes and offsets of sections, and
    /// hidden names made static.
    pub fn btf(&self) -> Option<&Arc<Btf>> {
        self.btf.as_ref()
    }

    /// Source lines and CO-RE relocations.
    pub fn btf_ext(&self) -> &BtfExt {
        &self.ext
    }

    /// The `license` section.
    pub fn license(&self) -> &str {
        &self.license
    }

    /// The `version` section.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Programs and subprograms, by section and position.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The entry points: each is a program, and an argument for [`Object::load`].
    pub fn programs(&self) -> impl Iterator<Item = (usize, &Function)> + '_ {
        self.functions.iter().enumerate().filter(|(_, f)| f.is_entry)
    }

    /// The name of the section a function is in.
    pub fn section_of(&self, function: &Function) -> &str {
        &self.elf.sections[function.section].name
    }

    /// Its maps, in the order libbpf numbers them.
    pub fn maps(&self) -> &[ObjectMap] {
        &self.maps
    }

    /// What it leaves to the kernel, in the order libbpf numbers them.
    pub fn externs(&self) -> &[Extern] {
        &self.externs
    }

    /// What the instructions of a function refer to.
    pub fn references(&self, function: usize) -> &[FuncReloc] {
        &self.relocs[function]
    }

    /// The CO-RE relocations of a function, by slot within it.
    pub fn core_relocations(&self, function: usize) -> &[(usize, ExtCore)] {
        &self.debug[function].cores
    }
}

/// Reads the types and what belongs to them. `.BTF.ext` without `.BTF` means nothing; a faulty one
/// is an error here, where libbpf goes on without it and without CO-RE.
fn read_types(
    elf: &Elf,
    btf: Option<&[u8]>,
    ext: Option<&[u8]>,
) -> Result<(Option<Arc<Btf>>, BtfExt), ObjectError> {
    let error = |section: &str| {
        let section = section.to_owned();
        move |error| ObjectError::Btf { section, error }
    };
    let Some(btf) = btf else { return Ok((None, BtfExt::default())) };
    let btf = types::complete(Btf::parse(btf).map_err(error(".BTF"))?, elf)?;
    let ext = ext.map(BtfExt::parse).transpose().map_err(error(".BTF.ext"))?;
    Ok((Some(Arc::new(btf)), ext.unwrap_or_default()))
}

/// bpftrace writes no license into its objects and gives this one when it loads them itself.
fn license_of_loader(elf: &Elf) -> &'static str {
    let mut code = elf.sections.iter().filter(|s| s.kind == SectionKind::Code && s.size > 0).peekable();
    let is_bpftrace = code.peek().is_some() && code.all(|s| kind::probe(&s.name).is_some());
    if is_bpftrace { "GPL" } else { "" }
}

/// The text of the license section: at most 63 bytes, up to the end mark.
fn text(bytes: &[u8]) -> String {
    const MAX: usize = 63;
    let bytes = &bytes[..bytes.len().min(MAX)];
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The number in the version section, which is four bytes long.
fn version(bytes: &[u8], order: ByteOrder) -> Result<u32, ObjectError> {
    let word = bytes.try_into().map_err(|_| ObjectError::Section {
        section: "version".to_owned(),
        offset: 0,
        problem: SectionProblem::Size { size: bytes.len() as u64, expected: 4 },
    })?;
    Ok(match order {
        ByteOrder::Little => u32::from_le_bytes(word),
        ByteOrder::Big => u32::from_be_bytes(word),
    })
}

/// The functions whose tags name an exception callback, with its name.
fn exception_callbacks(btf: &Btf) -> Vec<(TypeId, String)> {
    let callback = |(_, ty)| match ty {
        Type::DeclTag { name, target, component: None, .. } => {
            Some((target, str::strip_prefix(name, "exception_callback:")?.to_owned()))
        }
        _ => None,
    };
    btf.types().filter_map(callback).collect()
}
