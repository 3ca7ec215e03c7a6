//! `oxbpf dump`: what an object is made of.

use super::style::{Format, Ink, Paint, Table};
use super::{CliError, Status, input};
use crate::object::{Input, Object, RelocTarget, SectionKind};
use clap::ValueEnum;
use oxbpf_isa::btf::core::CoreKind;
use oxbpf_isa::btf::show::{Raw, c};
use oxbpf_isa::program::{MapDef, SlotTarget};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Show sections, programs, maps, externs and relocations of an object.
///
/// Without a choice, everything but relocations is shown.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// ELF objects.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Sections of the file.
    #[arg(long)]
    sections: bool,
    /// Programs and subprograms.
    #[arg(long)]
    programs: bool,
    /// Maps.
    #[arg(long)]
    maps: bool,
    /// What the object leaves to the kernel.
    #[arg(long)]
    externs: bool,
    /// What instructions refer to, and what depends on the kernel's types.
    #[arg(long)]
    relocs: bool,
    /// The types, of an object or of a BTF file, and nothing else: as a C header, or record by record.
    #[arg(long, value_enum, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "c")]
    btf: Option<BtfForm>,
    /// How to write everything but the types.
    #[arg(long, value_enum, default_value = "human", conflicts_with = "btf")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum BtfForm {
    /// A header that compiles.
    C,
    /// A line for each type, as `bpftool btf dump` writes it.
    Raw,
}

/// Writes types alone.
fn types(path: &Path, form: BtfForm, out: &mut dyn Write) -> Result<(), CliError> {
    let btf = input::types(path)?;
    match form {
        BtfForm::Raw => write!(out, "{}", Raw(&btf))?,
        BtfForm::C => {
            let mut text = String::new();
            let header = c::Header::new(&btf).guard("__VMLINUX_H__").relocatable();
            header.write(&mut text).map_err(|e| CliError::input(path.display(), e))?;
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    if let Some(form) = args.btf {
        for path in &args.files {
            types(path, form, out)?;
        }
        return Ok(Status::Fine);
    }
    let mut documents = Vec::new();
    for path in &args.files {
        let Input::Object(object) = input::code(path)? else {
            return Err(CliError::input(path.display(), "expected an ELF object"));
        };
        let all = !(args.sections || args.programs || args.maps || args.externs || args.relocs);
        let parts: [(bool, &str, Table); 5] = [
            (all || args.sections, "sections", sections(&object)),
            (all || args.programs, "programs", programs(&object)),
            (all || args.maps, "maps", maps(&object)),
            (all || args.externs, "externs", externs(&object)),
            (args.relocs, "relocations", relocations(&object)),
        ];
        let wanted = parts.into_iter().filter(|(wanted, ..)| *wanted).map(|(_, title, table)| (title, table));
        if args.format == Format::Json {
            let mut document = json!({
                "file": path.display().to_string(),
                "licence": object.license(),
                "endian": format!("{:?}", object.order()).to_lowercase(),
            });
            for (title, table) in wanted {
                document[title] = table.json();
            }
            documents.push(document);
            continue;
        }
        writeln!(out, "{}", Paint(Ink::Strong, path.display()))?;
        if all {
            writeln!(out, "  licence {:?}, {:?}-endian", object.license(), object.order())?;
        }
        for (title, table) in wanted.filter(|(_, table)| !(all && table.is_empty())) {
            writeln!(out, "  {title}:")?;
            table.write(out, 4)?;
        }
    }
    if args.format == Format::Json {
        writeln!(out, "{:#}", json!({"schema": 1, "objects": documents}))?;
    }
    Ok(Status::Fine)
}

fn sections(object: &Object) -> Table {
    let mut table = Table::new(&["#", "section", "kind", "bytes"], &[0, 3]);
    for (index, s) in object.elf().sections.iter().enumerate().skip(1) {
        let kind = match s.kind {
            SectionKind::Data => "data".to_owned(),
            SectionKind::Code => "code".to_owned(),
            SectionKind::Zero => "zeroes".to_owned(),
            SectionKind::Symbols => "symbols".to_owned(),
            SectionKind::Relocations(of) => format!("relocations of {of}"),
            SectionKind::Other => "other".to_owned(),
        };
        table.row([index.to_string(), s.name.clone(), kind, s.size.to_string()]);
    }
    table
}

fn programs(object: &Object) -> Table {
    let mut table = Table::new(&["function", "section", "insns", "role"], &[2]);
    for f in object.functions() {
        let role = match (f.is_entry, f.global) {
            (true, _) => "program",
            (false, true) => "global function",
            (false, false) => "static function",
        };
        let section = object.section_of(f).to_owned();
        table.row([f.name.clone(), section, f.insns().len().to_string(), role.to_owned()]);
    }
    table
}

fn map_kind(def: &MapDef) -> String {
    def.kind().map_or_else(|| format!("type {}", def.map_type), |k| k.name().to_owned())
}

fn maps(object: &Object) -> Table {
    let mut table = Table::new(&["map", "type", "key", "value", "entries", "flags", "values"], &[2, 3, 4]);
    for m in object.maps() {
        let d = &m.def;
        let mut notes: Vec<String> = Vec::new();
        notes.extend(
            d.inner
                .as_ref()
                .map(|i| format!("of {} {}/{}/{}", map_kind(i), i.key_size, i.value_size, i.max_entries)),
        );
        notes.extend(d.slots.iter().map(|s| match &s.target {
            SlotTarget::Map(name) | SlotTarget::Program(name) => format!("[{}]={name}", s.index),
        }));
        notes.extend(d.struct_ops.iter().map(|s| {
            let members: Vec<String> = s.members.iter().map(|(m, p)| format!(".{m}={p}")).collect();
            format!("struct {} {}", s.type_name, members.join(" "))
        }));
        table.row([
            d.name.clone(),
            map_kind(d),
            d.key_size.to_string(),
            d.value_size.to_string(),
            d.max_entries.to_string(),
            format!("{:#x}", d.flags),
            notes.join(" "),
        ]);
    }
    table
}

fn externs(object: &Object) -> Table {
    let mut table = Table::new(&["extern", "kind", "weak"], &[]);
    for e in object.externs() {
        let kind = format!("{:?}", e.kind);
        let kind = kind.split([' ', '{']).next().unwrap_or("").to_lowercase();
        table.row([e.name.clone(), kind, if e.weak { "weak" } else { "" }.to_owned()]);
    }
    table
}

fn relocations(object: &Object) -> Table {
    let mut table = Table::new(&["function", "insn", "refers to"], &[1]);
    for (index, f) in object.functions().iter().enumerate() {
        for r in object.references(index) {
            let target = match &r.target {
                RelocTarget::Map(m) => format!("map {}", object.maps()[*m].def.name),
                RelocTarget::Data { map, offset } => format!("{}+{offset}", object.maps()[*map].def.name),
                RelocTarget::Extern(e) => format!("extern {}", object.externs()[*e].name),
                RelocTarget::Call { offset } => format!("call .text+{offset}"),
                RelocTarget::FuncAddr { offset } => format!("address of .text+{offset}"),
                RelocTarget::Bad(problem) => format!("fault: {problem}"),
            };
            table.row([f.name.clone(), r.insn.to_string(), target]);
        }
    }
    let Some(btf) = object.btf() else { return table };
    for (index, f) in object.functions().iter().enumerate() {
        for (insn, relo) in object.core_relocations(index) {
            let kind = CoreKind::from_number(relo.kind).map_or("unknown", CoreKind::name);
            let ty = btf.ty(relo.type_id).map_or("", |t| t.name());
            let path = btf.str(relo.access).unwrap_or("");
            table.row([f.name.clone(), insn.to_string(), format!("CO-RE {kind} {ty} {path}")]);
        }
    }
    table
}
