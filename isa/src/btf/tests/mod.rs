//! Tests of type information as a whole: written, read, shown and damaged.

extern crate std;

mod corpus;
mod damage;
mod layout;
mod relocation;
mod text;
mod write;

use super::*;
use crate::insn::ByteOrder;

/// An ordinary member.
fn at(name: &str, ty: TypeId, byte: u32) -> Member<'_> {
    Member { name, ty, bit_offset: 8 * byte, bit_size: 0 }
}

/// A bit field.
fn bits(name: &str, ty: TypeId, bit_offset: u32, bit_size: u32) -> Member<'_> {
    Member { name, ty, bit_offset, bit_size }
}

const UNSIGNED: IntEncoding = IntEncoding(0);
const SIGNED: IntEncoding = IntEncoding(1);
const CHAR: IntEncoding = IntEncoding(2);
const BOOL: IntEncoding = IntEncoding(4);

/// One type of every kind and of most variants.
fn every_kind(order: ByteOrder) -> Result<BtfBuilder, BuildError> {
    let mut b = BtfBuilder::new(order);
    let int = b.int("int", 4, SIGNED)?;
    let ulong = b.int("long unsigned int", 8, UNSIGNED)?;
    let flag = b.int("_Bool", 1, BOOL)?;
    b.int("wchar", 1, CHAR)?;
    let double = b.float("double", 8)?;
    let list = b.next_id();
    let to_list = TypeId(list.0 + 1);
    b.structure("list", 16, &[at("next", to_list, 0), at("prev", to_list, 8)])?;
    b.ptr(list)?;
    let array = b.array(int, ulong, 3)?;
    let choice = b.union("choice", 16, &[at("whole", ulong, 0), at("parts", array, 0)])?;
    let color = b.enum32("color", 4, true, &[("RED", -1), ("GREEN", 0), ("BLUE", 7)])?;
    b.enum32("", 4, false, &[("LARGE", -1)])?;
    b.enum64("wide", 8, false, &[("ALL", -1), ("HIGH", 1 << 40)])?;
    b.enum64("deep", 8, true, &[("LOW", i64::MIN), ("MINUS", -5)])?;
    let hidden = b.fwd("hidden", false)?;
    b.fwd("secret", true)?;
    let c = b.constant(hidden)?;
    let p = b.ptr(c)?;
    let r = b.restrict(p)?;
    let v = b.volatile(int)?;
    let t = b.typedef("handle_t", r)?;
    let user = b.type_tag("user", int, false)?;
    let space = b.type_tag("address_space(1)", TypeId::VOID, true)?;
    let to_user = b.ptr(user)?;
    let to_space = b.ptr(space)?;
    let param = |name, ty| Param { name, ty };
    let proto = b.func_proto(int, &[param("user", to_user), param("", TypeId::VOID)])?;
    let func = b.func("printf", proto, Linkage::Extern)?;
    let mixed = [
        bits("a", int, 0, 3),
        bits("b", int, 3, 5),
        at("flag", flag, 1),
        at("color", color, 4),
        at("d", double, 8),
        at("choice", choice, 16),
        at("handle", t, 32),
        at("space", to_space, 40),
    ];
    let mixed = b.structure("mixed", 48, &mixed)?;
    b.decl_tag("kfunc", func, None, false)?;
    b.decl_tag("guarded", mixed, Some(2), true)?;
    let var = b.var("counter", v, Linkage::Global)?;
    b.datasec(".data", 4, &[SecVar { var, offset: 0, size: 4 }])?;
    Ok(b)
}
