//! The boundary to goblin: an ELF object as sections, symbols and relocations of our own types.
//!
//! The tables are read one by one, each after its count and range have been held against the file;
//! sections may not share bytes and names may not be longer in sum than a few files, so that a
//! hostile header cannot make the reader allocate more than a small multiple of the file.
//!
//! What is read is what libbpf 1.7 reads (`bpf_object__elf_init`, `bpf_object__elf_collect`):
//! 64-bit relocatable objects for BPF, with one symbol table and relocations without addends. Both
//! byte orders are read, since an object is only described and not handed to this machine's kernel.

use super::error::{ElfProblem, ObjectError};
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{EM_BPF, EM_NONE, ET_REL, header64};
use goblin::elf::reloc::RelocSection;
use goblin::elf::section_header::{
    SHF_ALLOC, SHF_EXECINSTR, SHN_LORESERVE, SHT_NOBITS, SHT_NULL, SHT_REL, SHT_RELA, SHT_SYMTAB,
    SectionHeader,
};
use goblin::elf::sym::{
    STB_LOCAL, STB_WEAK, STT_FUNC, STT_NOTYPE, STT_SECTION, STV_HIDDEN, STV_INTERNAL, Symtab,
};
use oxbpf_isa::insn::ByteOrder;
use std::ops::Range;

/// What a section holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SectionKind {
    /// Bytes.
    Data,
    /// Bytes of which one is executed.
    Code,
    /// Zeroes that the file does not hold.
    Zero,
    Symbols,
    /// Relocations of the section with this index.
    Relocations(usize),
    Other,
}

/// One section.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: String,
    pub kind: SectionKind,
    /// Where its bytes are in the file; empty for [`SectionKind::Zero`].
    pub range: Range<usize>,
    /// Bytes.
    pub size: u64,
}

/// What a symbol names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolKind {
    None,
    Function,
    Section,
    Other,
}

/// One symbol.
#[derive(Clone, Debug)]
pub struct Symbol {
    pub name: String,
    pub kind: SymbolKind,
    /// The section it is in; none for externs and absolute values.
    pub section: Option<usize>,
    pub undefined: bool,
    pub local: bool,
    pub weak: bool,
    pub hidden: bool,
    /// Bytes from the start of the section.
    pub value: u64,
    pub size: u64,
}

impl Symbol {
    /// Whether it is declared here and defined elsewhere.
    pub fn is_extern(&self) -> bool {
        self.undefined && !self.local && self.kind == SymbolKind::None
    }
}

/// One relocation.
#[derive(Clone, Copy, Debug)]
pub struct Reloc {
    /// Bytes from the start of the section.
    pub offset: u64,
    /// Index of a symbol, which exists.
    pub symbol: usize,
    /// `R_BPF_*`.
    pub r_type: u32,
}

/// The relocations of one section.
#[derive(Clone, Debug)]
pub struct RelocTable {
    /// Index of the section that they relocate, which exists.
    pub target: usize,
    pub relocs: Vec<Reloc>,
}

/// An ELF object for BPF.
#[derive(Clone, Debug)]
pub struct Elf {
    pub order: ByteOrder,
    /// Section 0 is the empty one.
    pub sections: Vec<Section>,
    pub symbols: Vec<Symbol>,
    pub relocs: Vec<RelocTable>,
}

fn err(offset: usize, problem: ElfProblem) -> ObjectError {
    ObjectError::Elf { offset, problem }
}

/// The bytes that names may still take. Legitimate string tables share tails and are named by a few
/// headers each, so the sum of all names stays near the size of the file.
struct NameBudget(usize);

impl NameBudget {
    fn new(file: usize) -> NameBudget {
        NameBudget(file.saturating_mul(8))
    }

    /// The string at an offset of a string table; lossy, since names are only compared and shown.
    fn string(&mut self, bytes: &[u8], table: Range<usize>, offset: usize) -> Option<String> {
        let rest = bytes[table].get(offset..)?;
        let end = rest.iter().position(|&b| b == 0)?;
        self.0 = self.0.checked_sub(end)?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    }
}

/// Whether the bytes begin as an ELF file does.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Bytes in an entry of each table of a 64-bit file.
const SECTION_HEADER: usize = 64;
const SYMBOL: u64 = 24;

/// Reads the tables of an object.
///
/// # Errors
/// The first fault, with its place.
pub fn parse(bytes: &[u8]) -> Result<Elf, ObjectError> {
    if !is_elf(bytes) {
        return Err(err(0, ElfProblem::Magic));
    }
    if let Some(&class) = bytes.get(4).filter(|&&c| c != 2) {
        return Err(err(4, ElfProblem::Class { class }));
    }
    let order = match bytes.get(5) {
        Some(1) => ByteOrder::Little,
        Some(2) => ByteOrder::Big,
        _ => return Err(err(5, ElfProblem::Header)),
    };
    if bytes.len() < header64::SIZEOF_EHDR {
        return Err(err(bytes.len(), ElfProblem::Header));
    }
    let header = goblin::elf::Elf::parse_header(bytes).map_err(|_| err(0, ElfProblem::Header))?;
    // Old compilers left the machine open.
    if header.e_machine != EM_BPF && header.e_machine != EM_NONE {
        return Err(err(18, ElfProblem::Machine { machine: header.e_machine }));
    }
    if header.e_type != ET_REL {
        return Err(err(16, ElfProblem::Type { e_type: header.e_type }));
    }
    let endian = if order == ByteOrder::Little { Endian::Little } else { Endian::Big };
    let ctx = Ctx::new(Container::Big, endian);
    let headers = section_headers(bytes, header.e_shoff, header.e_shnum as usize, ctx)?;
    check_overlap(bytes, &headers)?;
    let names = range_of(bytes, &headers, header.e_shstrndx as usize)?;
    let mut budget = NameBudget::new(bytes.len());
    let mut sections = Vec::with_capacity(headers.len());
    for (index, h) in headers.iter().enumerate() {
        sections.push(section(bytes, &headers, index, h, names.clone(), &mut budget)?);
    }
    let symbols = symbols(bytes, &headers, ctx, &mut budget)?;
    let relocs = relocations(bytes, &headers, &symbols, ctx)?;
    Ok(Elf { order, sections, symbols, relocs })
}

/// The bytes of a section of any 64-bit ELF file, such as a kernel or a module; none where it has no
/// such section.
///
/// # Errors
/// What is wrong with the headers.
pub fn section_bytes<'a>(bytes: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, ObjectError> {
    let endian = match (bytes.get(4), bytes.get(5)) {
        (Some(2), Some(1)) => Endian::Little,
        (Some(2), Some(2)) => Endian::Big,
        (Some(2), _) => return Err(err(5, ElfProblem::Header)),
        (class, _) => return Err(err(4, ElfProblem::Class { class: class.copied().unwrap_or(0) })),
    };
    if bytes.len() < header64::SIZEOF_EHDR {
        return Err(err(bytes.len(), ElfProblem::Header));
    }
    let header = goblin::elf::Elf::parse_header(bytes).map_err(|_| err(0, ElfProblem::Header))?;
    let ctx = Ctx::new(Container::Big, endian);
    let headers = section_headers(bytes, header.e_shoff, header.e_shnum as usize, ctx)?;
    let names = &bytes[range_of(bytes, &headers, header.e_shstrndx as usize)?];
    let is_it = |h: &SectionHeader| {
        let rest = names.get(h.sh_name..).and_then(|rest| rest.strip_prefix(name.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    };
    let Some(index) = headers.iter().position(is_it) else { return Ok(None) };
    Ok(Some(&bytes[range_of(bytes, &headers, index)?]))
}

fn section_headers(
    bytes: &[u8],
    offset: u64,
    count: usize,
    ctx: Ctx,
) -> Result<Vec<SectionHeader>, ObjectError> {
    let too_many = err(40, ElfProblem::SectionTable { count, size: bytes.len() });
    let offset = usize::try_from(offset).map_err(|_| too_many.clone())?;
    let end = count.checked_mul(SECTION_HEADER).and_then(|n| n.checked_add(offset));
    if count == 0 || end.is_none_or(|e| e > bytes.len()) {
        return Err(too_many);
    }
    SectionHeader::parse(bytes, offset, count, ctx).map_err(|_| too_many)
}

/// The bytes of a section in the file, which it may not leave.
fn range_of(bytes: &[u8], headers: &[SectionHeader], index: usize) -> Result<Range<usize>, ObjectError> {
    let Some(h) = headers.get(index) else {
        return Err(err(0, ElfProblem::SectionName { index }));
    };
    if h.sh_type == SHT_NOBITS || h.sh_type == SHT_NULL {
        return Ok(0..0);
    }
    let problem = ElfProblem::SectionRange { index, offset: h.sh_offset, size: h.sh_size, file: bytes.len() };
    let end = h.sh_offset.checked_add(h.sh_size).filter(|&e| e <= bytes.len() as u64);
    let end = end.ok_or(err(h.sh_offset.min(bytes.len() as u64) as usize, problem))?;
    Ok(h.sh_offset as usize..end as usize)
}

/// Two sections that share bytes of the file, which no writer of objects makes.
fn check_overlap(bytes: &[u8], headers: &[SectionHeader]) -> Result<(), ObjectError> {
    let mut ranges = Vec::with_capacity(headers.len());
    for index in 1..headers.len() {
        let range = range_of(bytes, headers, index)?;
        if !range.is_empty() {
            ranges.push((range.start, range.end, index));
        }
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        if let [(_, end, first), (start, _, second)] = *pair
            && start < end
        {
            return Err(err(start, ElfProblem::SectionOverlap { first, second }));
        }
    }
    Ok(())
}

fn section(
    bytes: &[u8],
    headers: &[SectionHeader],
    index: usize,
    h: &SectionHeader,
    names: Range<usize>,
    budget: &mut NameBudget,
) -> Result<Section, ObjectError> {
    let name = match index {
        0 => String::new(),
        _ => {
            budget.string(bytes, names, h.sh_name).ok_or(err(h.sh_name, ElfProblem::SectionName { index }))?
        }
    };
    let kind = match h.sh_type {
        _ if index == 0 => SectionKind::Other,
        SHT_SYMTAB => SectionKind::Symbols,
        SHT_REL | SHT_RELA => SectionKind::Relocations(h.sh_info as usize),
        SHT_NOBITS => SectionKind::Zero,
        goblin::elf::section_header::SHT_PROGBITS if h.sh_flags & SHF_EXECINSTR as u64 != 0 => {
            SectionKind::Code
        }
        goblin::elf::section_header::SHT_PROGBITS => SectionKind::Data,
        _ => SectionKind::Other,
    };
    Ok(Section { name, kind, range: range_of(bytes, headers, index)?, size: h.sh_size })
}

fn symbols(
    bytes: &[u8],
    headers: &[SectionHeader],
    ctx: Ctx,
    budget: &mut NameBudget,
) -> Result<Vec<Symbol>, ObjectError> {
    let mut tables = headers.iter().enumerate().filter(|(_, h)| h.sh_type == SHT_SYMTAB);
    let (index, table) = tables.next().ok_or(err(0, ElfProblem::NoSymbols))?;
    if tables.next().is_some() {
        return Err(err(0, ElfProblem::ManySymbolTables));
    }
    let range = range_of(bytes, headers, index)?;
    if table.sh_entsize != SYMBOL {
        let problem = ElfProblem::EntrySize { index, size: table.sh_entsize, expected: SYMBOL };
        return Err(err(range.start, problem));
    }
    let names = table.sh_link as usize;
    if names == 0 || names >= headers.len() {
        return Err(err(range.start, ElfProblem::SymbolNames { index: names }));
    }
    let names = range_of(bytes, headers, names)?;
    let count = range.len() / SYMBOL as usize;
    let symtab =
        Symtab::parse(bytes, range.start, count, ctx).map_err(|_| err(range.start, ElfProblem::NoSymbols))?;
    let symbol = |(nth, sym): (usize, goblin::elf::Sym)| {
        let special = sym.st_shndx == 0 || sym.st_shndx >= SHN_LORESERVE as usize;
        let name = budget.string(bytes, names.clone(), sym.st_name);
        Ok(Symbol {
            name: name.ok_or(err(range.start, ElfProblem::SymbolName { index: nth }))?,
            kind: match sym.st_type() {
                STT_NOTYPE => SymbolKind::None,
                STT_FUNC => SymbolKind::Function,
                STT_SECTION => SymbolKind::Section,
                _ => SymbolKind::Other,
            },
            section: (!special && sym.st_shndx < headers.len()).then_some(sym.st_shndx),
            undefined: sym.st_shndx == 0,
            local: sym.st_bind() == STB_LOCAL,
            weak: sym.st_bind() == STB_WEAK,
            hidden: matches!(sym.st_other & 3, STV_HIDDEN | STV_INTERNAL),
            value: sym.st_value,
            size: sym.st_size,
        })
    };
    symtab.iter().enumerate().map(symbol).collect()
}

fn relocations(
    bytes: &[u8],
    headers: &[SectionHeader],
    symbols: &[Symbol],
    ctx: Ctx,
) -> Result<Vec<RelocTable>, ObjectError> {
    let mut tables = Vec::new();
    for (index, h) in headers.iter().enumerate() {
        let is_rela = h.sh_type == SHT_RELA;
        if h.sh_type != SHT_REL && !is_rela {
            continue;
        }
        let range = range_of(bytes, headers, index)?;
        let target = h.sh_info as usize;
        // Relocations of debug information may have any form; nobody looks at them.
        if headers.get(target).is_some_and(|t| t.sh_flags & (SHF_ALLOC as u64) == 0) {
            continue;
        }
        if is_rela {
            return Err(err(range.start, ElfProblem::Addends { index }));
        }
        let expected = 16;
        if h.sh_entsize != expected || !(range.len() as u64).is_multiple_of(expected) {
            return Err(err(range.start, ElfProblem::EntrySize { index, size: h.sh_entsize, expected }));
        }
        if target == 0 || target >= headers.len() {
            return Err(err(range.start, ElfProblem::SectionName { index: target }));
        }
        let section = RelocSection::parse(bytes, range.start, range.len(), false, ctx)
            .map_err(|_| err(range.start, ElfProblem::EntrySize { index, size: h.sh_entsize, expected }))?;
        let relocs = section.iter().map(|r| Reloc { offset: r.r_offset, symbol: r.r_sym, r_type: r.r_type });
        // A symbol that does not exist becomes the undefined one, which nothing accepts as a target.
        let known = |r: Reloc| if r.symbol < symbols.len() { r } else { Reloc { symbol: 0, ..r } };
        tables.push(RelocTable { target, relocs: relocs.map(known).collect() });
    }
    Ok(tables)
}
