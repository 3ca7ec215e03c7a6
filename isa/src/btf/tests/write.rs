//! What is written is what is read.

use super::*;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use proptest::prelude::*;
use show::{Raw, RawType};

#[test]
fn every_kind_is_read_back() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let btf = every_kind(order).unwrap().build().unwrap();
        assert_eq!(btf.order(), order);
        let kinds: alloc::collections::BTreeSet<_> = btf.types().map(|(_, t)| t.kind()).collect();
        assert_eq!(kinds.len(), 19, "all but void");
        let copy = BtfBuilder::copy_of(&btf).unwrap().build().unwrap();
        assert_eq!(copy.bytes(), btf.bytes());
    }
}

#[test]
fn byte_order_does_not_matter() {
    let little = every_kind(ByteOrder::Little).unwrap().build().unwrap();
    let big = every_kind(ByteOrder::Big).unwrap().build().unwrap();
    assert_ne!(little.bytes(), big.bytes());
    assert_eq!(Raw(&little).to_string(), Raw(&big).to_string());
    for (id, _) in little.types() {
        assert!(little.same_type(id, &big, id));
    }
}

#[test]
fn same_type_sees_every_difference() {
    let a = every_kind(ByteOrder::Little).unwrap().build().unwrap();
    let bytes = a.bytes();
    let types = 24..bytes.len() - a.string_section().len();
    let mut seen = 0;
    for at in types {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        let Ok(b) = Btf::parse(changed) else { continue };
        if a.type_count() != b.type_count() {
            continue;
        }
        assert!(a.types().any(|(id, _)| !a.same_type(id, &b, id)), "byte {at}");
        seen += 1;
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn strings_are_stored_once() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("x", 4, SIGNED).unwrap();
    b.structure("x", 4, &[at("x", int, 0)]).unwrap();
    assert_eq!(b.build().unwrap().string_section(), b"\0x\0");
}

#[test]
fn split_types_continue_their_base() {
    let base = Arc::new(every_kind(ByteOrder::Big).unwrap().build().unwrap());
    let list = base.find("list", Kind::Struct).unwrap();
    let mut b = BtfBuilder::split(base.clone());
    let own = b.structure("own", 16, &[at("next", list, 0)]).unwrap();
    assert_eq!(own.0, base.type_count());
    let split = b.build().unwrap();
    assert_eq!(split.string_section(), b"own\0", "`next` is the base's");
    assert_eq!(split.size_of(own), Some(16));
    assert_eq!(split.find("list", Kind::Struct), Some(list));
    assert_eq!(split.find("own", Kind::Struct), Some(own));
    let member = split.ty(own).unwrap().composite().unwrap().member(0).unwrap();
    assert_eq!((member.name, member.ty), ("next", list));
    let copy = BtfBuilder::copy_of(&split).unwrap().build().unwrap();
    assert_eq!(copy.bytes(), split.bytes());
    let error = Btf::parse_split(copy.bytes(), Arc::new(split)).unwrap_err();
    assert_eq!(error.problem, Problem::SplitBase);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, SIGNED).unwrap();
    assert_eq!(b.typedef("a\0b", int), Err(BuildError::Name));
    let many: Vec<_> = (0..65536).map(|_| at("m", int, 0)).collect();
    assert_eq!(b.structure("s", 4, &many), Err(BuildError::TooMany { count: 65536 }));
    let far = [bits("a", int, 0, 1), at("b", int, 1 << 21)];
    assert_eq!(b.structure("s", 4, &far), Err(BuildError::Member { index: 1 }));
    assert!(b.structure("s", 1 << 22, &far[1..]).is_ok(), "without bit fields offsets have 32 bits");
    b.ptr(TypeId(99)).unwrap();
    assert_eq!(b.build().unwrap_err().problem, Problem::TypeId { id: TypeId(99) });
}

#[test]
fn ext_is_written_as_it_was_read() {
    let ext = BtfExt {
        funcs: alloc::vec![SectionInfo {
            name: 1,
            records: alloc::vec![
                ExtFunc { insn_off: 0, type_id: TypeId(3) },
                ExtFunc { insn_off: 64, type_id: TypeId(4) }
            ],
        }],
        lines: alloc::vec![SectionInfo {
            name: 1,
            records: alloc::vec![ExtLine { insn_off: 8, file_name: 5, line: 9, line_col: 7 << 10 | 2 }],
        }],
        cores: alloc::vec![
            SectionInfo { name: 1, records: alloc::vec![] },
            SectionInfo {
                name: 2,
                records: alloc::vec![ExtCore { insn_off: 16, type_id: TypeId(2), access: 12, kind: 3 }],
            }
        ],
    };
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let bytes = ext.write(order);
        assert_eq!(BtfExt::parse(&bytes).as_ref(), Ok(&ext));
        for end in 0..bytes.len() {
            assert!(BtfExt::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(BtfExt::parse(&BtfExt::default().write(order)), Ok(BtfExt::default()));
    }
}

proptest! {
    /// Types made of anything, referring to anything, are read back equal in either byte order.
    #[test]
    fn any_types_are_read_back(
        seeds in prop::collection::vec((0..16u8, any::<u32>(), any::<u32>(), "[a-c]{0,2}"), 1..40),
    ) {
        let count = seeds.len() as u32 + 1;
        let build = |order| {
            let mut b = BtfBuilder::new(order);
            for (kind, x, y, name) in &seeds {
                let (to, other) = (TypeId(x % count), TypeId(y % count));
                match kind {
                    0 => b.int(name, *x, IntEncoding((*y % 8) as u8)),
                    1 => b.ptr(to),
                    2 => b.array(to, other, *x ^ *y),
                    3 => b.structure(name, *y, &[at(name, to, *x >> 3), at("", other, 0)]),
                    4 => b.union(name, *y, &[bits(name, to, *x >> 8, *y >> 24), at("", other, 0)]),
                    5 => b.enum32(name, 4, *x & 1 != 0, &[(name, *y as i32)]),
                    6 => b.enum64(name, 8, *x & 1 != 0, &[(name, (*x as i64) << 32 | *y as i64)]),
                    7 => b.fwd(name, *x & 1 != 0),
                    8 => b.typedef(name, to),
                    9 => b.type_tag(name, to, *y & 1 != 0),
                    10 => b.decl_tag(name, to, (*y & 1 != 0).then_some(*y & 0xff), *y & 2 != 0),
                    11 => b.func(name, to, Linkage::Global),
                    12 => b.func_proto(to, &[Param { name, ty: other }]),
                    13 => b.var(name, to, Linkage::Extern),
                    14 => b.datasec(name, *y, &[SecVar { var: to, offset: *x, size: *y }]),
                    _ => b.float(name, *x),
                }.unwrap();
            }
            b.build().unwrap()
        };
        let (little, big) = (build(ByteOrder::Little), build(ByteOrder::Big));
        prop_assert_eq!(little.type_count(), count);
        for (id, _) in little.types() {
            prop_assert!(little.same_type(id, &big, id));
            prop_assert_eq!(RawType(&little, id).to_string(), RawType(&big, id).to_string());
        }
        let copy = BtfBuilder::copy_of(&big).unwrap().build().unwrap();
        prop_assert_eq!(copy.bytes(), big.bytes());
    }
}
