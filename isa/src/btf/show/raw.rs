//! Records as they stand: one line for each type and, indented, one for each of its elements, in
//! the format of `bpftool btf dump … format raw`.

use crate::btf::read::Btf;
use crate::btf::types::{Composite, Enum, Linkage, Type, TypeId};
use core::fmt::{self, Display, Formatter};

/// Displays every type of a BTF's own.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub &'a Btf);

impl Display for Raw<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for id in self.0.first_id().0..self.0.type_count() {
            RawType(self.0, TypeId(id)).fmt(f)?;
        }
        Ok(())
    }
}

/// Displays one type; nothing for an id that there is not.
#[derive(Clone, Copy, Debug)]
pub struct RawType<'a>(pub &'a Btf, pub TypeId);

impl Display for RawType<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let RawType(btf, id) = *self;
        let Some(ty) = btf.ty(id) else { return Ok(()) };
        write!(f, "[{id}] {} '{}'", ty.kind().name(), name(ty.name()))?;
        match ty {
            Type::Void => writeln!(f),
            Type::Int { size, encoding, bit_offset, bits, .. } => {
                write!(f, " size={size} bits_offset={bit_offset} nr_bits={bits} encoding=")?;
                match encoding.0 {
                    0 => writeln!(f, "(none)"),
                    1 => writeln!(f, "SIGNED"),
                    2 => writeln!(f, "CHAR"),
                    4 => writeln!(f, "BOOL"),
                    _ => writeln!(f, "UNKN"),
                }
            }
            Type::Ptr(t) | Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => {
                writeln!(f, " type_id={t}")
            }
            Type::Typedef { target, .. } | Type::TypeTag { target, .. } => writeln!(f, " type_id={target}"),
            Type::Array { elem, index, len } => {
                writeln!(f, " type_id={elem} index_type_id={index} nr_elems={len}")
            }
            Type::Struct(c) | Type::Union(c) => composite(f, c),
            Type::Enum(e) => enumeration(f, e),
            Type::Fwd { is_union, .. } => {
                writeln!(f, " fwd_kind={}", if is_union { "union" } else { "struct" })
            }
            Type::Func { proto, linkage: l, .. } => writeln!(f, " type_id={proto} linkage={}", linkage(l)),
            Type::FuncProto(p) => {
                writeln!(f, " ret_type_id={} vlen={}", p.ret, p.params().len())?;
                p.params().try_for_each(|p| writeln!(f, "\t'{}' type_id={}", name(p.name), p.ty))
            }
            Type::Var { ty, linkage: l, .. } => writeln!(f, " type_id={ty}, linkage={}", linkage(l)),
            Type::Datasec(d) => {
                writeln!(f, " size={} vlen={}", d.size, d.vars().len())?;
                d.vars().try_for_each(|v| {
                    write!(f, "\ttype_id={} offset={} size={}", v.var, v.offset, v.size)?;
                    match btf.ty(v.var) {
                        Some(ty) => writeln!(f, " ({} '{}')", ty.kind().name(), name(ty.name())),
                        None => writeln!(f),
                    }
                })
            }
            Type::Float { size, .. } => writeln!(f, " size={size}"),
            Type::DeclTag { target, component, .. } => {
                let component = component.map_or(-1, |c| c as i32);
                writeln!(f, " type_id={target} component_idx={component}")
            }
        }
    }
}

fn composite(f: &mut Formatter<'_>, c: Composite<'_>) -> fmt::Result {
    writeln!(f, " size={} vlen={}", c.size, c.len())?;
    c.members().try_for_each(|m| {
        write!(f, "\t'{}' type_id={} bits_offset={}", name(m.name), m.ty, m.bit_offset)?;
        match m.bit_size {
            0 => writeln!(f),
            bits => writeln!(f, " bitfield_size={bits}"),
        }
    })
}

fn enumeration(f: &mut Formatter<'_>, e: Enum<'_>) -> fmt::Result {
    let encoding = if e.signed { "SIGNED" } else { "UNSIGNED" };
    writeln!(f, " encoding={encoding} size={} vlen={}", e.size, e.values().len())?;
    e.values().try_for_each(|(n, value)| match (e.wide, e.signed) {
        (false, _) => writeln!(f, "\t'{}' val={value}", name(n)),
        (true, true) => writeln!(f, "\t'{}' val={value}LL", name(n)),
        (true, false) => writeln!(f, "\t'{}' val={}ULL", name(n), value as u64),
    })
}

fn name(name: &str) -> &str {
    if name.is_empty() { "(anon)" } else { name }
}

fn linkage(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::Static => "static",
        Linkage::Global => "global",
        Linkage::Extern => "extern",
    }
}
