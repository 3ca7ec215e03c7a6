//! Declarations: C writes a type around the name of what has it.

use super::names::{Names, identifier, is_forward, keyword};
use super::order::Need;
use crate::btf::layout::{CLayout, MAX_DEPTH, scalar_align};
use crate::btf::read::Btf;
use crate::btf::show::ShowError;
use crate::btf::types::{FuncProto, IntEncoding, Linkage, Param, Type, TypeId};
use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use core::fmt::Write;

/// Pieces of text that one call may write: members, parameters, gaps and levels of types. A
/// kernel needs about half a million; types made to nest in each other many times would have no end
/// of them.
const MAX_PIECES: u32 = 1 << 22;

/// Bodies and prototypes within each other; each takes some hundred bytes of stack.
const MAX_NESTING: usize = 100;

/// Pointers, arrays and qualifiers around one name.
const MAX_CHAIN: usize = 2 * MAX_DEPTH;

/// Writes declarations and definitions.
#[derive(Debug)]
pub(super) struct Printer<'a> {
    pub btf: &'a Btf,
    pub names: Names<'a>,
    /// Layouts of the structs and unions met.
    layouts: BTreeMap<TypeId, CLayout>,
    /// Integer and float types that C does not know and that have become typedefs.
    aliases: BTreeMap<TypeId, String>,
    /// Tags that C knows by now.
    declared: BTreeSet<TypeId>,
    pieces: u32,
}

/// `const`, `volatile`, `restrict` and type tags that wait for the type they belong to.
#[derive(Default)]
struct Qualifiers {
    words: [bool; 3],
    tags: String,
}

impl Qualifiers {
    /// The words, each followed by a space.
    fn words(&self, pointer: bool) -> String {
        let mut out = String::new();
        for (nth, word) in ["const ", "volatile ", "restrict "].iter().enumerate() {
            if self.words[nth] && (nth < 2 || pointer) {
                out.push_str(word);
            }
        }
        out
    }

    fn tag(&mut self, name: &str, attribute: bool) {
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
        self.tags.push_str(&match attribute {
            true => format!(" __attribute__(({name}))"),
            false => format!(" __attribute__((btf_type_tag(\"{escaped}\")))"),
        });
    }
}

impl<'a> Printer<'a> {
    pub fn new(btf: &'a Btf, names: Names<'a>) -> Printer<'a> {
        Printer {
            btf,
            names,
            layouts: BTreeMap::new(),
            aliases: BTreeMap::new(),
            declared: BTreeSet::new(),
            pieces: MAX_PIECES,
        }
    }

    /// Counts a piece of text.
    pub fn spend(&mut self, id: TypeId) -> Result<(), ShowError> {
        self.pieces = self.pieces.checked_sub(1).ok_or(ShowError::TooLarge { id })?;
        Ok(())
    }

    /// Writes what the walk arrives at, if it is something that stands alone.
    pub fn leave(
        &mut self,
        out: &mut dyn Write,
        need: Need,
        id: TypeId,
        alone: bool,
    ) -> Result<(), ShowError> {
        let ty = self.btf.ty(id).ok_or(ShowError::NoType { id })?;
        match (&ty, need) {
            (Type::Struct(_) | Type::Union(_), Need::Whole) if !alone || ty.name().is_empty() => {
                self.layout(id)?;
            }
            (Type::Struct(_) | Type::Union(_) | Type::Enum(_), Need::Whole) if alone => {
                self.definition(out, id)?;
                out.write_str(";\n\n")?;
                self.declared.insert(id);
            }
            (Type::Struct(_) | Type::Union(_) | Type::Fwd { .. } | Type::Enum(_), Need::Declared) => {
                // An enumeration is declared by its values, unless it has none.
                let by_tag = !matches!(ty, Type::Enum(_)) || is_forward(&ty);
                if alone && by_tag && !ty.name().is_empty() && self.declared.insert(id) {
                    self.definition_head(out, id, &ty)?;
                    out.write_str(";\n\n")?;
                }
            }
            (Type::Typedef { name: "__builtin_va_list", .. }, _) => {}
            (Type::Typedef { .. }, Need::Declared) => {
                self.definition(out, id)?;
                out.write_str(";\n\n")?;
            }
            (Type::Int { .. } | Type::Float { .. }, _) => self.alias(out, id, &ty)?,
            _ => {}
        }
        Ok(())
    }

    /// Declares integers of other languages, such as `u8`, by what C calls them.
    fn alias(&mut self, out: &mut dyn Write, id: TypeId, ty: &Type<'a>) -> Result<(), ShowError> {
        if is_c_scalar(ty.name()) || self.aliases.contains_key(&id) {
            return Ok(());
        }
        let meaning = match *ty {
            Type::Int { size, encoding, .. } => c_integer(size, encoding),
            Type::Float { size, .. } => c_float(size),
            _ => None,
        };
        let Some(meaning) = meaning else { return Ok(()) };
        let name = self.names.ident(ty.name());
        writeln!(out, "typedef {meaning} {name};\n")?;
        self.aliases.insert(id, name.into_owned());
        Ok(())
    }

    /// How C lays out a struct or union; each is looked at once.
    pub fn layout(&mut self, id: TypeId) -> Result<CLayout, ShowError> {
        self.layout_within(id, 0)
    }

    fn layout_within(&mut self, id: TypeId, depth: usize) -> Result<CLayout, ShowError> {
        if let Some(known) = self.layouts.get(&id) {
            return Ok(*known);
        }
        if depth > MAX_NESTING {
            return Err(ShowError::TooDeep { id });
        }
        let btf = self.btf;
        let c = btf.ty(id).and_then(|t| t.composite()).ok_or(ShowError::NoType { id })?;
        let mut fault = ShowError::NoValue { id };
        let align = |ty| self.align_within(ty, depth + 1).map_err(|e| fault = e).ok();
        let layout = btf.c_layout(c, align).ok_or(fault)?;
        self.layouts.insert(id, layout);
        Ok(layout)
    }

    /// The alignment of a type in the C that is written.
    pub fn align(&mut self, id: TypeId) -> Result<u32, ShowError> {
        self.align_within(id, 0)
    }

    fn align_within(&mut self, mut id: TypeId, depth: usize) -> Result<u32, ShowError> {
        for _ in 0..MAX_DEPTH {
            let (resolved, ty) = self.btf.resolved(id).ok_or(ShowError::NoValue { id })?;
            match ty {
                Type::Array { elem, .. } => id = elem,
                Type::Struct(_) | Type::Union(_) => {
                    return Ok(self.layout_within(resolved, depth)?.align);
                }
                ty => return scalar_align(&ty).ok_or(ShowError::NoValue { id }),
            }
        }
        Err(ShowError::TooDeep { id })
    }

    /// Writes the declaration of something; `depth` counts the bodies and prototypes around it.
    pub fn declaration(
        &mut self,
        out: &mut dyn Write,
        ty: TypeId,
        name: &str,
        depth: usize,
    ) -> Result<(), ShowError> {
        let btf = self.btf;
        if depth > MAX_NESTING {
            return Err(ShowError::TooDeep { id: ty });
        }
        let mut at = ty;
        let mut around = String::from(identifier(name));
        let mut qualifiers = Qualifiers::default();
        for _ in 0..MAX_CHAIN {
            self.spend(at)?;
            at = match btf.ty(at).ok_or(ShowError::NoType { id: at })? {
                Type::Const(t) => {
                    qualifiers.words[0] = true;
                    t
                }
                Type::Volatile(t) => {
                    qualifiers.words[1] = true;
                    t
                }
                Type::Restrict(t) => {
                    qualifiers.words[2] = true;
                    t
                }
                Type::TypeTag { name, target, attribute } => {
                    qualifiers.tag(name, attribute);
                    target
                }
                Type::Ptr(t) => {
                    let q = core::mem::take(&mut qualifiers);
                    let (words, tags) = (q.words(true), q.tags);
                    around = match words.trim_end() {
                        "" if tags.is_empty() => format!("*{around}"),
                        words => format!("*{} {around}", join(words, tags.trim_start())),
                    };
                    around.truncate(around.trim_end().len());
                    t
                }
                Type::Array { elem, len, .. } => {
                    around = format!("{}[{len}]", grouped(around));
                    elem
                }
                Type::FuncProto(p) => {
                    qualifiers = Qualifiers::default();
                    around = grouped(around);
                    self.parameters(&mut around, p, depth + 1)?;
                    p.ret
                }
                base => {
                    out.write_str(&qualifiers.words(false))?;
                    self.base(out, at, &base, depth)?;
                    out.write_str(&qualifiers.tags)?;
                    if !around.is_empty() {
                        write!(out, " {around}")?;
                    }
                    return Ok(());
                }
            };
        }
        Err(ShowError::TooDeep { id: ty })
    }

    fn parameters(&mut self, out: &mut String, p: FuncProto<'a>, depth: usize) -> Result<(), ShowError> {
        let count = p.params().len();
        let variadic =
            |nth: usize, p: &Param<'_>| nth + 1 == count && p.ty == TypeId::VOID && p.name.is_empty();
        // A lone `...` stands for a declaration without a prototype.
        if count == 1 && p.params().all(|p| variadic(0, &p)) {
            out.push_str("()");
            return Ok(());
        }
        out.push_str(if count == 0 { "(void" } else { "(" });
        for (nth, param) in p.params().enumerate() {
            if nth > 0 {
                out.push_str(", ");
            }
            self.spend(param.ty)?;
            if variadic(nth, &param) {
                out.push_str("...");
            } else {
                self.declaration(out, param.ty, param.name, depth)?;
            }
        }
        out.push(')');
        Ok(())
    }

    /// Writes a type that nothing wraps.
    fn base(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        ty: &Type<'a>,
        depth: usize,
    ) -> Result<(), ShowError> {
        match *ty {
            Type::Void => out.write_str("void")?,
            Type::Int { name, .. } | Type::Float { name, .. } => match self.aliases.get(&id) {
                Some(alias) => out.write_str(alias)?,
                None => out.write_str(name)?,
            },
            Type::Typedef { name, .. } => out.write_str(&self.names.typedef(id, name))?,
            Type::Struct(_) | Type::Union(_) | Type::Enum(_) | Type::Fwd { .. } => {
                self.definition_head(out, id, ty)?;
                if ty.name().is_empty() {
                    self.body(out, id, ty, depth)?;
                }
            }
            _ => return Err(ShowError::NoValue { id }),
        }
        Ok(())
    }

    /// Writes keyword and tag.
    pub fn definition_head(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        ty: &Type<'a>,
    ) -> Result<(), ShowError> {
        let (keyword, _) = keyword(ty).ok_or(ShowError::NoValue { id })?;
        out.write_str(keyword)?;
        if !ty.name().is_empty() {
            write!(out, " {}", self.names.tag(id, ty))?;
        }
        Ok(())
    }

    /// Writes one type as C defines it.
    pub fn definition(&mut self, out: &mut dyn Write, id: TypeId) -> Result<(), ShowError> {
        let ty = self.btf.ty(id).ok_or(ShowError::NoType { id })?;
        match ty {
            Type::Struct(_) | Type::Union(_) | Type::Enum(_) => {
                self.definition_head(out, id, &ty)?;
                if !is_forward(&ty) {
                    self.body(out, id, &ty, 0)?;
                }
                Ok(())
            }
            Type::Fwd { .. } => self.definition_head(out, id, &ty),
            Type::Typedef { name, target } => {
                let name: Cow<'_, str> = self.names.typedef(id, name);
                out.write_str("typedef ")?;
                // The compiler knows this one; what it is made of differs between architectures.
                if name == "__gnuc_va_list" {
                    out.write_str("__builtin_va_list __gnuc_va_list")?;
                    return Ok(());
                }
                self.declaration(out, target, &name, 0)
            }
            Type::Func { name, proto, linkage } => {
                out.write_str(storage(linkage))?;
                self.declaration(out, proto, name, 0)
            }
            Type::Var { name, ty, linkage } => {
                out.write_str(storage(linkage))?;
                self.declaration(out, ty, name, 0)
            }
            Type::Datasec(_) | Type::DeclTag { .. } => Err(ShowError::NoValue { id }),
            _ => self.declaration(out, id, "", 0),
        }
    }
}

/// Both with a space before each that is not empty.
fn join(words: &str, tags: &str) -> String {
    [words, tags].iter().filter(|w| !w.is_empty()).map(|w| format!(" {w}")).collect()
}

/// In brackets where the declarator so far is a pointer, which binds less than what follows.
fn grouped(around: String) -> String {
    if around.starts_with('*') { format!("({around})") } else { around }
}

fn storage(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Static => "static ",
        Linkage::Global => "",
        Linkage::Extern => "extern ",
    }
}

/// Whether C compilers know the scalar type by this name.
fn is_c_scalar(name: &str) -> bool {
    let words = [
        "char",
        "short",
        "int",
        "long",
        "signed",
        "unsigned",
        "_Bool",
        "__int128",
        "float",
        "double",
        "_Float16",
        "__bf16",
        "_Float128",
        "__float128",
        "__int128_t",
        "_Complex",
    ];
    name.split(' ').all(|w| words.contains(&w))
}

fn c_integer(size: u32, encoding: IntEncoding) -> Option<&'static str> {
    Some(match (size, encoding.is_signed()) {
        (1, _) if encoding.is_bool() => "_Bool",
        (1, true) => "signed char",
        (1, false) => "unsigned char",
        (2, true) => "short",
        (2, false) => "unsigned short",
        (4, true) => "int",
        (4, false) => "unsigned int",
        (8, true) => "long long",
        (8, false) => "unsigned long long",
        (16, true) => "__int128",
        (16, false) => "unsigned __int128",
        _ => return None,
    })
}

fn c_float(size: u32) -> Option<&'static str> {
    Some(match size {
        2 => "_Float16",
        4 => "float",
        8 => "double",
        16 => "long double",
        _ => return None,
    })
}
