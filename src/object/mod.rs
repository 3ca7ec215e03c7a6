//! BPF objects: ELF files with programs, maps and types, opened as libbpf 1.7 opens them.
//!
//! Bytes come in, an [`Object`] that describes itself comes out, and from it one [`Program`] at a
//! time, linked and relocated, with CO-RE answered by any kernel's types. Nothing here judges a
//! program or needs a kernel.
//!
//! [`Program`]: oxbpf_isa::program::Program

mod elf;
mod error;
mod externs;
mod functions;
mod link;
mod load;
mod maps;
mod relocs;
mod slots;

pub use elf::{Elf, Reloc, RelocTable, Section, SectionKind, Symbol, SymbolKind, is_elf};
pub use error::{
    ElfProblem, ExternProblem, MapProblem, ObjectError, ProgramError, ProgramProblem, SectionProblem,
};
pub use externs::{Extern, ExternKind};
pub use functions::Function;
pub use load::{LoadOptions, Loaded, Unresolved};
pub use maps::{MapSource, ObjectMap};
pub use relocs::{FuncReloc, RelocTarget};

use oxbpf_isa::btf::{Btf, BtfExt, ExtCore};
use oxbpf_isa::insn::{ByteOrder, SLOT_SIZE};
use oxbpf_isa::program::MapDef;
use std::sync::Arc;

/// An opened object.
#[derive(Debug)]
pub struct Object {
    bytes: Arc<[u8]>,
    elf: Elf,
    btf: Option<Arc<Btf>>,
    ext: BtfExt,
    license: String,
    version: u32,
    functions: Vec<Function>,
    maps: Vec<ObjectMap>,
    shared_maps: Vec<Arc<MapDef>>,
    externs: Vec<Extern>,
    /// References of each function.
    relocs: Vec<Vec<FuncReloc>>,
    /// CO-RE relocations by function, in the order of the file.
    core: Vec<(usize, ExtCore)>,
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
        let btf_error = |section: &str| {
            let section = section.to_owned();
            move |error| ObjectError::Btf { section, error }
        };
        let btf = section(".BTF").map(Btf::parse).transpose().map_err(btf_error(".BTF"))?.map(Arc::new);
        let ext = match (&btf, section(".BTF.ext")) {
            (Some(_), Some(bytes)) => BtfExt::parse(bytes).map_err(btf_error(".BTF.ext"))?,
            _ => BtfExt::default(),
        };
        let license = section("license").map(text).unwrap_or_default();
        let version = section("version").and_then(|b| number(b, elf.order)).unwrap_or(0);
        let functions = functions::find(&elf, &bytes)?;
        let externs = externs::find(&elf, btf.as_deref())?;
        let mut maps = maps::find(&elf, &bytes, btf.as_ref(), name)?;
        if let size @ 1.. = externs::kconfig_size(&externs) {
            let mut def = maps::data_map(".kconfig", size, btf.as_ref(), ".kconfig");
            def.flags |= maps::F_RDONLY_PROG;
            def.frozen = true;
            let source = MapSource::Kconfig;
            maps.push(ObjectMap { def, source, section: 0, offset: 0, autocreate: true });
        }
        maps::struct_ops(&elf, &bytes, btf.as_ref(), &mut maps)?;
        slots::fill(&elf, btf.as_deref(), &functions, &mut maps)?;
        let relocs = relocs::find(&elf, &functions, &maps, &externs);
        let core = core_by_function(&elf, btf.as_deref(), &ext, &functions);
        let text = elf.sections.iter().position(|s| s.name == functions::TEXT && s.kind == SectionKind::Code);
        let shared_maps = maps.iter().map(|m| Arc::new(m.def.clone())).collect();
        Ok(Object {
            bytes,
            elf,
            btf,
            ext,
            license,
            version,
            functions,
            maps,
            shared_maps,
            externs,
            relocs,
            core,
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

    /// Its types.
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

    /// The CO-RE relocations and the function each is in.
    pub fn core_relocations(&self) -> &[(usize, ExtCore)] {
        &self.core
    }
}

/// The text of a section up to its end mark.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn number(bytes: &[u8], order: ByteOrder) -> Option<u32> {
    let word = *bytes.first_chunk()?;
    Some(match order {
        ByteOrder::Little => u32::from_le_bytes(word),
        ByteOrder::Big => u32::from_be_bytes(word),
    })
}

/// Assigns CO-RE relocations to functions; one outside every function concerns nobody.
fn core_by_function(
    elf: &Elf,
    btf: Option<&Btf>,
    ext: &BtfExt,
    functions: &[Function],
) -> Vec<(usize, ExtCore)> {
    let Some(btf) = btf else { return Vec::new() };
    let mut found = Vec::new();
    for info in &ext.cores {
        let name = btf.str(info.name);
        let is_code = |s: &Section| Some(s.name.as_str()) == name && s.kind == SectionKind::Code;
        let Some(section) = elf.sections.iter().position(is_code) else { continue };
        for relo in &info.records {
            let slot = relo.insn_off as usize / SLOT_SIZE;
            if let Some(function) = functions::covering(functions, section, slot) {
                found.push((function, *relo));
            }
        }
    }
    found
}
