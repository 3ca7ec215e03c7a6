//! Bodies of structs, unions and enumerations.
//!
//! The writer keeps count of the bit at which a compiler would put the next member (System V ABI
//! for x86-64, which BPF shares): the next multiple of its alignment for an ordinary member, and
//! for a bit field the next bit unless it would cross a unit of its type. Where the type
//! information has the member further on, nameless bit fields fill the gap; they bring no alignment.

use super::print::Printer;
use crate::btf::layout::CLayout;
use crate::btf::show::ShowError;
use crate::btf::types::{Composite, Enum, Member, Type, TypeId};
use alloc::format;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// So many tabs.
struct Tabs(usize);

impl fmt::Display for Tabs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.0).try_for_each(|_| f.write_char('\t'))
    }
}

impl<'a> Printer<'a> {
    /// Writes the body after keyword and tag.
    pub fn body(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        ty: &Type<'a>,
        depth: usize,
    ) -> Result<(), ShowError> {
        match *ty {
            Type::Struct(c) => self.struct_body(out, id, c, depth),
            Type::Union(c) => self.union_body(out, id, c, depth),
            Type::Enum(e) => self.enum_body(out, id, e, depth),
            _ => Ok(()),
        }
    }

    fn struct_body(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        c: Composite<'a>,
        depth: usize,
    ) -> Result<(), ShowError> {
        let layout = self.layout(id)?;
        if c.is_empty() && c.size == 0 {
            out.write_str(" {}")?;
            return Ok(());
        }
        out.write_str(" {\n")?;
        let mut members: Vec<(usize, Member<'a>)> = c.members().enumerate().collect();
        // Other languages reorder members without reordering their description.
        members.sort_by_key(|(_, m)| m.bit_offset);
        let mut next = 0u64;
        for (nth, m) in members {
            next = self.place(out, id, layout, &m, next, depth)?;
            self.member(out, &m, nth, depth)?;
        }
        let size = c.size as u64 * 8;
        if next > size {
            return Err(ShowError::Layout { id });
        }
        if next.next_multiple_of(8 * layout.align as u64) < size {
            self.fill(out, id, next, size, depth)?;
        }
        self.end(out, layout, depth)
    }

    /// Fills the gap before a member, and gives the bit after the member.
    fn place(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        layout: CLayout,
        m: &Member<'_>,
        next: u64,
        depth: usize,
    ) -> Result<u64, ShowError> {
        let size = self.btf.size_of(m.ty).ok_or(ShowError::NoValue { id: m.ty })? as u64 * 8;
        let at = m.bit_offset as u64;
        let natural = match m.bit_size as u64 {
            0 if layout.packed => next.next_multiple_of(8),
            0 => next.next_multiple_of(8 * self.align(m.ty)? as u64),
            _ if layout.packed => next,
            bits if next / size == (next + bits - 1) / size => next,
            _ => next.next_multiple_of(size),
        };
        let bits = if m.bit_size == 0 { size } else { m.bit_size as u64 };
        if natural > at || m.bit_size == 0 && !at.is_multiple_of(8) || bits > size {
            return Err(ShowError::Layout { id });
        }
        if natural < at {
            self.fill(out, id, next, at, depth)?;
        }
        Ok(at + bits)
    }

    /// Fills the bits between, each time with the largest piece that ends at a multiple of its size.
    fn fill(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        mut from: u64,
        to: u64,
        depth: usize,
    ) -> Result<(), ShowError> {
        while from < to {
            self.spend(id)?;
            let fits = [(64, "long"), (32, "int"), (16, "short"), (8, "char")].into_iter();
            let piece =
                fits.map(|(bits, name)| ((from + 1).next_multiple_of(bits), name)).find(|p| p.0 <= to);
            let (end, name) = piece.unwrap_or((to, "char"));
            writeln!(out, "{}{name}: {};", Tabs(depth + 1), end - from)?;
            from = end;
        }
        Ok(())
    }

    fn union_body(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        c: Composite<'a>,
        depth: usize,
    ) -> Result<(), ShowError> {
        let layout = self.layout(id)?;
        if c.is_empty() && c.size == 0 {
            out.write_str(" {}")?;
            return Ok(());
        }
        out.write_str(" {\n")?;
        let mut most = 0;
        for (nth, m) in c.members().enumerate() {
            let size = self.btf.size_of(m.ty).ok_or(ShowError::NoValue { id: m.ty })?;
            most = most.max(if m.bit_size == 0 { size } else { m.bit_size.div_ceil(8) });
            if m.bit_offset != 0 || m.bit_size as u64 > size as u64 * 8 {
                return Err(ShowError::Layout { id });
            }
            self.member(out, &m, nth, depth)?;
        }
        if most > c.size {
            return Err(ShowError::Layout { id });
        }
        if most.next_multiple_of(layout.align) < c.size {
            writeln!(out, "{}char __size[{}];", Tabs(depth + 1), c.size)?;
        }
        self.end(out, layout, depth)
    }

    fn end(&mut self, out: &mut dyn Write, layout: CLayout, depth: usize) -> Result<(), ShowError> {
        write!(out, "{}}}", Tabs(depth))?;
        if layout.packed {
            out.write_str(" __attribute__((packed))")?;
        }
        Ok(())
    }

    fn member(
        &mut self,
        out: &mut dyn Write,
        m: &Member<'a>,
        nth: usize,
        depth: usize,
    ) -> Result<(), ShowError> {
        self.spend(m.ty)?;
        write!(out, "{}", Tabs(depth + 1))?;
        // C knows nameless members that are anonymous structs or bit fields; others need a name.
        let anonymous = self
            .btf
            .ty(self.btf.skip_modifiers(m.ty))
            .and_then(|t| t.composite())
            .is_some_and(|c| c.name.is_empty());
        match m.name.is_empty() && m.bit_size == 0 && !anonymous {
            true => self.declaration(out, m.ty, &format!("__unnamed_{nth}"), depth + 1)?,
            false => self.declaration(out, m.ty, m.name, depth + 1)?,
        }
        match m.bit_size {
            0 => out.write_str(";\n")?,
            bits => writeln!(out, ": {bits};")?,
        }
        Ok(())
    }

    fn enum_body(
        &mut self,
        out: &mut dyn Write,
        id: TypeId,
        e: Enum<'a>,
        depth: usize,
    ) -> Result<(), ShowError> {
        out.write_str(" {\n")?;
        for (name, value) in e.values() {
            self.spend(id)?;
            let name = self.names.ident(name);
            write!(out, "{}{name} = ", Tabs(depth + 1))?;
            match (e.wide, e.signed) {
                (false, _) => writeln!(out, "{value},")?,
                // C has no negative literals, and this one's opposite does not fit.
                (true, true) if value == i64::MIN => writeln!(out, "(-{}LL - 1),", i64::MAX)?,
                (true, true) => writeln!(out, "{value}LL,")?,
                (true, false) => writeln!(out, "{}ULL,", value as u64)?,
            }
        }
        write!(out, "{}}}", Tabs(depth))?;
        let attribute = match (e.size, natural_size(&e)) {
            (size, natural) if size == natural => "",
            (1, _) => " __attribute__((mode(byte)))",
            (2, _) => " __attribute__((mode(HI)))",
            (4, _) => " __attribute__((mode(SI)))",
            (8, _) => " __attribute__((mode(DI)))",
            _ => return Err(ShowError::NoValue { id }),
        };
        out.write_str(attribute)?;
        Ok(())
    }
}

/// The bytes that C gives an enumeration of these values.
fn natural_size(e: &Enum<'_>) -> u32 {
    let unsigned = e.wide && !e.signed;
    let negative = !unsigned && e.values().any(|v| v.1 < 0);
    let fits = e.values().all(|(_, v)| match negative {
        true => i32::try_from(v).is_ok(),
        false => u32::try_from(v as u64).is_ok(),
    });
    if fits { 4 } else { 8 }
}
