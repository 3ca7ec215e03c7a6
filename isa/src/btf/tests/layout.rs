//! Sizes, alignments and members.

use super::*;

#[test]
fn sizes_and_alignments_are_those_of_c() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, SIGNED).unwrap();
    let byte = b.int("unsigned char", 1, UNSIGNED).unwrap();
    let wide = b.int("__int128", 16, SIGNED).unwrap();
    let fwd = b.fwd("f", false).unwrap();
    let pointer = b.ptr(fwd).unwrap();
    let array = b.array(int, int, 5).unwrap();
    let arrays = b.array(array, int, 3).unwrap();
    let huge = b.array(arrays, int, 0x1000_0000).unwrap();
    let natural = b.structure("n", 8, &[at("a", byte, 0), at("b", int, 4)]).unwrap();
    let packed = b.structure("p", 5, &[at("a", byte, 0), at("b", int, 1)]).unwrap();
    let odd = b.structure("o", 6, &[at("a", int, 0), at("b", byte, 4)]).unwrap();
    let holds = b.structure("h", 12, &[at("a", byte, 0), at("n", natural, 4)]).unwrap();
    let fields = b.structure("f", 4, &[bits("a", int, 0, 20), bits("b", int, 20, 12)]).unwrap();
    let crossing = b.structure("c", 8, &[bits("a", int, 0, 20), bits("b", int, 20, 20)]).unwrap();
    let constant = b.constant(natural).unwrap();
    let alias = b.typedef("alias", constant).unwrap();
    let btf = b.build().unwrap();
    for (id, size, align) in [
        (int, Some(4), Some(4)),
        (wide, Some(16), Some(16)),
        (fwd, None, None),
        (pointer, Some(8), Some(8)),
        (array, Some(20), Some(4)),
        (arrays, Some(60), Some(4)),
        (huge, None, Some(4)),
        (natural, Some(8), Some(4)),
        (packed, Some(5), Some(1)),
        (odd, Some(6), Some(1)),
        (holds, Some(12), Some(4)),
        (fields, Some(4), Some(4)),
        (crossing, Some(8), Some(1)),
        (alias, Some(8), Some(4)),
        (TypeId::VOID, None, None),
        (TypeId(999), None, None),
    ] {
        assert_eq!((btf.size_of(id), btf.align_of(id)), (size, align), "type {id}");
    }
}

#[test]
fn members_are_found_in_anonymous_parts() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, SIGNED).unwrap();
    let inner = b.structure("", 8, &[at("x", int, 0), bits("y", int, 35, 2)]).unwrap();
    let middle = b.union("", 8, &[at("", inner, 0), at("z", int, 0)]).unwrap();
    let outer =
        b.structure("outer", 24, &[at("x", int, 0), at("", middle, 8), at("named", inner, 16)]).unwrap();
    let btf = b.build().unwrap();
    let outer = btf.ty(outer).unwrap().composite().unwrap();
    assert_eq!(btf.find_member(outer, "x"), Some((int, 0, 0)), "the first");
    assert_eq!(btf.find_member(outer, "y"), Some((int, 64 + 35, 2)));
    assert_eq!(btf.find_member(outer, "z"), Some((int, 64, 0)));
    assert_eq!(btf.find_member(outer, "named"), Some((inner, 128, 0)));
    assert_eq!(btf.find_member(outer, "absent"), None);
}

#[test]
fn views_tell_what_was_written() {
    let btf = every_kind(ByteOrder::Big).unwrap().build().unwrap();
    let enumeration = |name, kind| match btf.ty(btf.find(name, kind).unwrap()) {
        Some(Type::Enum(e)) => e.values().map(|v| v.1).collect::<alloc::vec::Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(enumeration("color", Kind::Enum), [-1, 0, 7]);
    assert_eq!(enumeration("wide", Kind::Enum64), [-1, 1 << 40]);
    assert_eq!(enumeration("deep", Kind::Enum64), [i64::MIN, -5]);
    let (func, proto) = btf.find_func("printf").unwrap();
    assert_eq!(proto.params().len(), 2);
    assert_eq!(btf.decl_tags(func).collect::<alloc::vec::Vec<_>>(), [("kfunc", None)]);
    let mixed = btf.find("mixed", Kind::Struct).unwrap();
    assert_eq!(btf.decl_tags(mixed).collect::<alloc::vec::Vec<_>>(), [("guarded", Some(2))]);
    assert_eq!(btf.find("list", Kind::Union), None, "the kind counts");
    assert_eq!(btf.find("lis", Kind::Struct), None, "the whole name counts");
}

#[test]
fn the_index_finds_what_a_search_finds() {
    let btf = alloc::sync::Arc::new(every_kind(ByteOrder::Big).unwrap().build().unwrap());
    let index = NameIndex::new(btf.clone());
    for (_, ty) in btf.types() {
        let (name, kind) = (ty.name(), ty.kind());
        if !name.is_empty() {
            assert_eq!(index.find(name, kind), btf.find(name, kind));
            assert_eq!(
                index.find_all(name).collect::<alloc::vec::Vec<_>>(),
                btf.find_own(name).collect::<alloc::vec::Vec<_>>()
            );
        }
    }
    assert_eq!(index.find("absent", Kind::Struct), None);
    assert_eq!(index.find("", Kind::Ptr), None, "what has no name cannot be found by it");
}
