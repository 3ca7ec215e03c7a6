//! The grammar of the kernel's bpf_asm (Documentation/networking/filter.rst), read and written.
//!
//! Line ends mean nothing; a label has two characters at least and ends with a colon; a comment runs
//! from `;` to the end of the line, between `/*` and `*/`, or over a line that starts with `#`. Words
//! are taken in either case, labels are not. More is taken than bpf_asm itself does: `[x+4]` without
//! blanks, and labels of one character that are no register.

use super::super::SockFilter;
use super::super::insn::{Alu, Cond, Insn, Operand, Size};
use super::super::packet::Ancillary;
use super::cursor::Cursor;
use super::{TextError, TextErrorKind, WriteError};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

/// The names of the extensions, which double as loads: `ld vlan_tci`, `ld #proto`.
const EXTENSIONS: &[(&str, Ancillary)] = &[
    ("proto", Ancillary::Protocol),
    ("type", Ancillary::PktType),
    ("poff", Ancillary::PayOffset),
    ("ifidx", Ancillary::IfIndex),
    ("nla", Ancillary::NlAttr),
    ("nlan", Ancillary::NlAttrNest),
    ("mark", Ancillary::Mark),
    ("queue", Ancillary::Queue),
    ("hatype", Ancillary::HaType),
    ("rxhash", Ancillary::RxHash),
    ("cpu", Ancillary::Cpu),
    ("vlan_tci", Ancillary::VlanTag),
    ("vlan_pr", Ancillary::VlanPresent),
    ("vlan_avail", Ancillary::VlanPresent),
    ("vlan_tpid", Ancillary::VlanTpid),
    ("rand", Ancillary::Random),
];

/// Which field of an instruction a label fills.
#[derive(Clone, Copy)]
enum Field {
    True,
    False,
    K,
}

struct Reference<'a> {
    insn: usize,
    field: Field,
    label: &'a str,
    pos: usize,
}

struct Assembler<'a> {
    program: Vec<SockFilter>,
    labels: BTreeMap<&'a str, usize>,
    references: Vec<Reference<'a>>,
}

pub(super) fn parse(cursor: &mut Cursor<'_>) -> Result<Vec<SockFilter>, TextError> {
    let mut asm = Assembler { program: Vec::new(), labels: BTreeMap::new(), references: Vec::new() };
    let mut labelled = false;
    skip(cursor)?;
    while !cursor.at_end() {
        labelled = !asm.statement(cursor)?;
        skip(cursor)?;
    }
    if labelled {
        return Err(cursor.expected("an instruction after the label"));
    }
    asm.resolve(cursor)?;
    Ok(asm.program)
}

/// Skips blanks, line ends and comments.
fn skip(cursor: &mut Cursor<'_>) -> Result<(), TextError> {
    loop {
        cursor.space();
        let start = cursor.pos();
        if cursor.accept("/*") {
            match cursor.rest().find("*/") {
                Some(end) => cursor.set(cursor.pos() + end + 2),
                None => return Err(cursor.error(start, TextErrorKind::Expected("*/"))),
            }
        } else if cursor.rest().starts_with(';') || cursor.at_line_start() && cursor.rest().starts_with('#') {
            let line = cursor.rest().find('\n').unwrap_or(cursor.rest().len());
            cursor.set(start + line);
        } else {
            return Ok(());
        }
    }
}

/// Skips blanks and comments, then `token`, if it is there.
fn accept(cursor: &mut Cursor<'_>, token: &str) -> Result<bool, TextError> {
    skip(cursor)?;
    Ok(cursor.accept(token))
}

fn expect(cursor: &mut Cursor<'_>, token: &'static str) -> Result<(), TextError> {
    skip(cursor)?;
    cursor.expect(token)
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32, TextError> {
    skip(cursor)?;
    cursor.number()
}

/// Skips a register, with or without a percent sign.
fn register(cursor: &mut Cursor<'_>, name: &str) -> Result<bool, TextError> {
    skip(cursor)?;
    let start = cursor.pos();
    cursor.accept("%");
    match cursor.word() {
        Some(word) if word.eq_ignore_ascii_case(name) => Ok(true),
        _ => {
            cursor.set(start);
            Ok(false)
        }
    }
}

impl<'a> Assembler<'a> {
    /// An instruction (true) or a label (false).
    fn statement(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, TextError> {
        let start = cursor.pos();
        let word = cursor.word().ok_or_else(|| cursor.expected("an instruction or a label"))?;
        if accept(cursor, ":")? {
            if self.labels.insert(word, self.program.len()).is_some() {
                return Err(cursor.error(start, TextErrorKind::DuplicateLabel(word.to_string())));
            }
            return Ok(false);
        }
        let mnemonic = word.to_ascii_lowercase();
        let insn = self.instruction(cursor, &mnemonic)?;
        let insn = insn.ok_or_else(|| {
            let kind = TextErrorKind::Mnemonic(word.to_string());
            cursor.error(start, kind)
        })?;
        self.program.push(insn.encode());
        Ok(true)
    }

    fn instruction(&mut self, cursor: &mut Cursor<'a>, mnemonic: &str) -> Result<Option<Insn>, TextError> {
        Ok(Some(match mnemonic {
            "ld" => load(cursor, Size::W)?,
            "ldh" => load(cursor, Size::H)?,
            "ldb" => load(cursor, Size::B)?,
            "ldi" => Insn::LoadImm(immediate(cursor)?),
            "ldxi" => Insn::LoadXImm(immediate(cursor)?),
            "ldx" | "ldxb" => load_x(cursor, mnemonic == "ldx")?,
            "st" => Insn::Store(scratch(cursor)?),
            "stx" => Insn::StoreX(scratch(cursor)?),
            "jmp" | "ja" => {
                self.reference(cursor, Field::K)?;
                Insn::Jump(0)
            }
            "jeq" => self.branch(cursor, Cond::Eq, false)?,
            "jneq" | "jne" => self.branch(cursor, Cond::Eq, true)?,
            "jgt" => self.branch(cursor, Cond::Gt, false)?,
            "jle" => self.branch(cursor, Cond::Gt, true)?,
            "jge" => self.branch(cursor, Cond::Ge, false)?,
            "jlt" => self.branch(cursor, Cond::Ge, true)?,
            "jset" => self.branch(cursor, Cond::Set, false)?,
            "neg" => Insn::Neg,
            "tax" => Insn::Tax,
            "txa" => Insn::Txa,
            "ret" if register(cursor, "a")? => Insn::RetA,
            "ret" if register(cursor, "x")? => Insn::RetX,
            "ret" => {
                expect(cursor, "#")?;
                Insn::RetK(number(cursor)?)
            }
            _ => match alu(mnemonic) {
                Some(op) => Insn::Alu { op, by: operand(cursor)? },
                None => return Ok(None),
            },
        }))
    }

    /// A comparison. Turned around, it has one label, for when the comparison fails.
    fn branch(&mut self, cursor: &mut Cursor<'a>, cond: Cond, turned: bool) -> Result<Insn, TextError> {
        let with = operand(cursor)?;
        expect(cursor, ",")?;
        self.reference(cursor, if turned { Field::False } else { Field::True })?;
        if !turned && accept(cursor, ",")? {
            self.reference(cursor, Field::False)?;
        }
        Ok(Insn::Branch { cond, with, jt: 0, jf: 0 })
    }

    fn reference(&mut self, cursor: &mut Cursor<'a>, field: Field) -> Result<(), TextError> {
        skip(cursor)?;
        let pos = cursor.pos();
        let label = cursor.word().ok_or_else(|| cursor.expected("a label"))?;
        self.references.push(Reference { insn: self.program.len(), field, label, pos });
        Ok(())
    }

    fn resolve(&mut self, cursor: &Cursor<'_>) -> Result<(), TextError> {
        for reference in &self.references {
            let &Reference { insn, field, label, pos } = reference;
            let target = *self
                .labels
                .get(label)
                .ok_or_else(|| cursor.error(pos, TextErrorKind::UndefinedLabel(label.to_string())))?;
            let distance = target as i64 - insn as i64 - 1;
            let too_far = |_| cursor.error(pos, TextErrorKind::Distance { distance });
            let raw = &mut self.program[insn];
            match field {
                Field::True => raw.jt = u8::try_from(distance).map_err(too_far)?,
                Field::False => raw.jf = u8::try_from(distance).map_err(too_far)?,
                // libpcap jumps back; the distance is then a large number.
                Field::K => raw.k = distance as u32,
            }
        }
        Ok(())
    }
}

fn alu(mnemonic: &str) -> Option<Alu> {
    Some(match mnemonic {
        "add" => Alu::Add,
        "sub" => Alu::Sub,
        "mul" => Alu::Mul,
        "div" => Alu::Div,
        "mod" => Alu::Mod,
        "and" => Alu::And,
        "or" => Alu::Or,
        "xor" => Alu::Xor,
        "lsh" => Alu::Lsh,
        "rsh" => Alu::Rsh,
        _ => return None,
    })
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Operand, TextError> {
    if register(cursor, "x")? {
        return Ok(Operand::X);
    }
    if !accept(cursor, "#")? {
        return Err(cursor.expected("x or a constant with #"));
    }
    Ok(Operand::K(number(cursor)?))
}

fn immediate(cursor: &mut Cursor<'_>) -> Result<u32, TextError> {
    accept(cursor, "#")?;
    number(cursor)
}

fn scratch(cursor: &mut Cursor<'_>) -> Result<u32, TextError> {
    skip(cursor)?;
    if !cursor.accept("M") && !cursor.accept("m") {
        return Err(cursor.expected("M["));
    }
    bracketed(cursor)
}

fn bracketed(cursor: &mut Cursor<'_>) -> Result<u32, TextError> {
    expect(cursor, "[")?;
    let k = number(cursor)?;
    expect(cursor, "]")?;
    Ok(k)
}

/// A name of an extension or of the length, with or without a `#` before it.
fn extension(cursor: &mut Cursor<'_>) -> Result<Option<&'static str>, TextError> {
    skip(cursor)?;
    let start = cursor.pos();
    cursor.accept("#");
    if let Some(word) = cursor.word() {
        let names = EXTENSIONS.iter().map(|row| row.0).chain(["len"]);
        if let Some(name) = names.into_iter().find(|name| name.eq_ignore_ascii_case(word)) {
            return Ok(Some(name));
        }
    }
    cursor.set(start);
    Ok(None)
}

fn load(cursor: &mut Cursor<'_>, size: Size) -> Result<Insn, TextError> {
    let start = cursor.pos();
    match extension(cursor)? {
        Some("len") if size == Size::W => return Ok(Insn::LoadLen),
        Some("len") => return Err(cursor.error(start, TextErrorKind::Expected("[ or an extension"))),
        Some(name) => {
            let which = EXTENSIONS.iter().find(|row| row.0 == name);
            if let Some(&(_, which)) = which {
                return Ok(Insn::LoadAbs { size, k: which.offset() });
            }
        }
        None => {}
    }
    if size == Size::W {
        if accept(cursor, "#")? {
            return Ok(Insn::LoadImm(number(cursor)?));
        }
        if cursor.rest().starts_with(['M', 'm']) {
            return Ok(Insn::LoadMem(scratch(cursor)?));
        }
    }
    expect(cursor, "[")?;
    let insn = if register(cursor, "x")? {
        // The sign of a negative constant may stand for the plus.
        let plus = accept(cursor, "+")?;
        if !plus && !cursor.rest().starts_with('-') {
            return Err(cursor.expected("+"));
        }
        Insn::LoadInd { size, k: number(cursor)? }
    } else {
        Insn::LoadAbs { size, k: number(cursor)? }
    };
    expect(cursor, "]")?;
    Ok(insn)
}

fn load_x(cursor: &mut Cursor<'_>, plain: bool) -> Result<Insn, TextError> {
    if plain {
        let start = cursor.pos();
        match extension(cursor)? {
            Some("len") => return Ok(Insn::LoadXLen),
            Some(_) => return Err(cursor.error(start, TextErrorKind::Expected("#, M[ or 4*(["))),
            None => {}
        }
        if accept(cursor, "#")? {
            return Ok(Insn::LoadXImm(number(cursor)?));
        }
        if cursor.rest().starts_with(['M', 'm']) {
            return Ok(Insn::LoadXMem(scratch(cursor)?));
        }
    }
    constant(cursor, 4, "4*([k]&0xf)")?;
    expect(cursor, "*")?;
    expect(cursor, "(")?;
    let k = bracketed(cursor)?;
    expect(cursor, "&")?;
    constant(cursor, 0xf, "0xf")?;
    expect(cursor, ")")?;
    Ok(Insn::LoadXMsh(k))
}

/// A number that can only be `wanted`.
fn constant(cursor: &mut Cursor<'_>, wanted: u32, what: &'static str) -> Result<(), TextError> {
    skip(cursor)?;
    let start = cursor.pos();
    match cursor.number() {
        Ok(value) if value == wanted => Ok(()),
        _ => Err(cursor.error(start, TextErrorKind::Expected(what))),
    }
}

pub(super) fn write(program: &[SockFilter]) -> Result<String, WriteError> {
    let targets = targets(program)?;
    let mut out = String::new();
    for (at, &raw) in program.iter().enumerate() {
        let insn = Insn::decode(raw).ok_or(WriteError::Opcode { insn: at, code: raw.code })?;
        if targets.contains(&at) {
            let _ = write!(out, "l{at}:");
        }
        out.push('\t');
        instruction(&mut out, at, insn);
        out.push('\n');
    }
    Ok(out)
}

/// The instructions that need a label.
fn targets(program: &[SockFilter]) -> Result<BTreeSet<usize>, WriteError> {
    let mut targets = BTreeSet::new();
    for (at, &raw) in program.iter().enumerate() {
        let skips = match Insn::decode(raw) {
            Some(Insn::Jump(k)) => [Some(k.cast_signed() as isize), None],
            Some(Insn::Branch { jt, jf, .. }) => [Some(jt.into()), (jf != 0).then(|| jf.into())],
            _ => continue,
        };
        for skip in skips.into_iter().flatten() {
            match (at + 1).checked_add_signed(skip) {
                Some(target) if target < program.len() => targets.insert(target),
                _ => return Err(WriteError::Target { insn: at }),
            };
        }
    }
    Ok(targets)
}

fn instruction(out: &mut String, at: usize, insn: Insn) {
    let mnemonic = insn.op().mnemonic();
    let label = |skip: usize| at + 1 + skip;
    let _ = match insn {
        Insn::LoadAbs { k, .. } => match Ancillary::from_offset(k) {
            // The grammar has no word for A ^ X; its offset assembles to the same instruction.
            Some(which) if which != Ancillary::XorX => write!(out, "{mnemonic} {}", which.name()),
            _ if k > i32::MAX as u32 => write!(out, "{mnemonic} [{k:#x}]"),
            _ => write!(out, "{mnemonic} [{k}]"),
        },
        Insn::LoadInd { k, .. } if k > i32::MAX as u32 => write!(out, "{mnemonic} [x + {k:#x}]"),
        Insn::LoadInd { k, .. } => write!(out, "{mnemonic} [x + {k}]"),
        Insn::LoadXMsh(k) if k > i32::MAX as u32 => write!(out, "{mnemonic} 4*([{k:#x}]&0xf)"),
        Insn::LoadXMsh(k) => write!(out, "{mnemonic} 4*([{k}]&0xf)"),
        Insn::LoadImm(k) | Insn::LoadXImm(k) | Insn::RetK(k) => write!(out, "{mnemonic} #{k:#x}"),
        Insn::LoadMem(k) | Insn::LoadXMem(k) | Insn::Store(k) | Insn::StoreX(k) => {
            write!(out, "{mnemonic} M[{k}]")
        }
        Insn::LoadLen | Insn::LoadXLen => write!(out, "{mnemonic} #len"),
        Insn::Alu { by, .. } => write!(out, "{mnemonic} {}", written(by)),
        Insn::Jump(k) => write!(out, "jmp l{}", (at + 1).wrapping_add_signed(k.cast_signed() as isize)),
        Insn::Branch { with, jt, jf: 0, .. } => {
            write!(out, "{mnemonic} {}, l{}", written(with), label(jt.into()))
        }
        Insn::Branch { with, jt, jf, .. } => {
            let with = written(with);
            write!(out, "{mnemonic} {with}, l{}, l{}", label(jt.into()), label(jf.into()))
        }
        Insn::RetA => write!(out, "ret a"),
        Insn::RetX => write!(out, "ret x"),
        Insn::Neg | Insn::Tax | Insn::Txa => write!(out, "{mnemonic}"),
    };
}

fn written(operand: Operand) -> String {
    match operand {
        Operand::X => "x".to_string(),
        Operand::K(k) => alloc::format!("#{k:#x}"),
    }
}
