//! Damaged type information gives errors with a place, and nothing that opens can hurt.

use super::*;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;
use show::{Raw, c};

/// Does everything that can be done with types, whatever they say.
fn exercise(btf: &Btf) {
    let _ = Raw(btf).to_string();
    let mut text = String::new();
    let _ = c::Header::new(btf).write(&mut text);
    for id in (0..=btf.type_count()).map(TypeId) {
        let _ = c::define(btf, id, &mut text);
        let _ = c::declare(btf, id, "x", &mut text);
        let _ = (btf.size_of(id), btf.align_of(id), btf.skip_modifiers(id));
        if let Some(c) = btf.ty(id).and_then(|t| t.composite()) {
            let _ = (btf.find_member(c, "absent"), btf.is_packed(c));
        }
    }
    let copy = BtfBuilder::copy_of(btf).unwrap().build().unwrap();
    assert!(btf.types().all(|(id, _)| btf.same_type(id, &copy, id)));
}

#[test]
fn every_cut_is_noticed() {
    let btf = every_kind(ByteOrder::Little).unwrap().build().unwrap();
    for end in 0..btf.bytes().len() {
        let error = Btf::parse(&btf.bytes()[..end]).unwrap_err();
        assert_eq!(error.section, Section::Header, "cut at {end}");
    }
}

/// Which word or byte to change, and what is then found where.
#[test]
fn faults_are_named() {
    let whole = every_kind(ByteOrder::Little).unwrap().build().unwrap();
    let strings = whole.bytes().len() - whole.string_section().len();
    let cases: [(usize, &[u8], &str); 11] = [
        (0, &[0], "BTF header at byte 0: not BTF: expected the magic 0xeb9f"),
        (2, &[9], "BTF header at byte 2: version 9, expected 1"),
        (3, &[4], "BTF header at byte 3: flags 0x4, expected 0"),
        (4, &[3, 0, 0, 0], "BTF header at byte 4: needs 24 bytes, has "),
        (8, &[2, 0, 0, 0], "BTF header at byte 8: offset 2 is not a multiple of four"),
        (16, &[0, 0, 0, 0], "BTF header at byte 16: types and strings overlap"),
        (24, &[0xff, 0xff, 0, 0], "BTF type section at byte 24, type 1: name offset 65535 is outside"),
        (31, &[20], "BTF type section at byte 28, type 1: unknown kind 20, expected 1 to 19"),
        (31, &[5], "BTF type section at byte 40, type 2: unknown kind 0, expected 1 to 19"),
        (strings, b"x", " 0: the first string is not empty"),
        (whole.bytes().len() - 1, b"x", ": the last string has no end"),
    ];
    for (at, change, expected) in cases {
        let mut bytes = whole.bytes().to_vec();
        bytes[at..at + change.len()].copy_from_slice(change);
        let message = Btf::parse(bytes).map(|_| ()).unwrap_err().to_string();
        let expected = match expected.strip_prefix(" 0") {
            Some(rest) => alloc::format!("BTF string section at byte {strings}{rest}"),
            None => expected.into(),
        };
        assert!(message.contains(&expected), "byte {at}: {message}");
    }
}

#[test]
fn cycles_end() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let t = b.next_id();
    let typedef = b.typedef("t", TypeId(t.0 + 1)).unwrap();
    b.typedef("u", typedef).unwrap();
    let s = b.next_id();
    b.structure("s", 8, &[at("s", s, 0)]).unwrap();
    let own = b.next_id();
    b.array(own, own, 2).unwrap();
    let p = b.next_id();
    b.ptr(p).unwrap();
    let btf = b.build().unwrap();
    assert_eq!(btf.size_of(typedef), None);
    assert_eq!(btf.size_of(own), None);
    assert_eq!(btf.align_of(s), None);
    exercise(&btf);
    let mut text = String::new();
    let error = c::Header::new(&btf).write(&mut text).unwrap_err();
    assert!(matches!(error, show::ShowError::Cyclic { .. }), "{error}");
}

/// Thirty levels of two each: a thousand million ways from top to bottom.
#[test]
fn wide_nesting_ends() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let mut inner = b.int("int", 4, SIGNED).unwrap();
    let mut proto = inner;
    for level in 0..30 {
        let both = [at("", inner, 0), at("", inner, 0)];
        inner = b.union("", 4, &both).unwrap();
        let pointer = b.ptr(proto).unwrap();
        let param = Param { name: "", ty: pointer };
        proto = b.func_proto(TypeId::VOID, &[param, param]).unwrap();
        assert_eq!(inner.0, 2 + 3 * level);
    }
    b.structure("top", 4, &[at("", inner, 0)]).unwrap();
    b.typedef("callback", proto).unwrap();
    let btf = b.build().unwrap();
    for name in ["top", "callback"] {
        let kind = if name == "top" { Kind::Struct } else { Kind::Typedef };
        let id = btf.find(name, kind).unwrap();
        let mut count = Count(0);
        let error = c::define(&btf, id, &mut count).unwrap_err();
        assert!(matches!(error, show::ShowError::TooLarge { .. }), "{name}: {error}");
    }
    let top = btf.ty(btf.find("top", Kind::Struct).unwrap()).unwrap().composite().unwrap();
    assert_eq!(btf.find_member(top, "absent"), None);
    assert_eq!(btf.align_of(inner), None);
}

/// A writer that keeps nothing.
struct Count(usize);

impl std::fmt::Write for Count {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.0 += s.len();
        Ok(())
    }
}

/// Chains as long as the input allows need no stack.
#[test]
fn long_chains_end() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, SIGNED).unwrap();
    let (mut pointer, mut inner, mut proto) = (int, int, int);
    for _ in 0..20_000 {
        pointer = b.ptr(pointer).unwrap();
        inner = b.structure("", 4, &[at("", inner, 0)]).unwrap();
        proto = b.func_proto(proto, &[]).unwrap();
    }
    b.typedef("p", pointer).unwrap();
    b.structure("s", 4, &[at("m", inner, 0)]).unwrap();
    b.typedef("f", proto).unwrap();
    let btf = b.build().unwrap();
    for (id, ty) in btf.types().filter(|(_, t)| !t.name().is_empty()).skip(1) {
        let error = c::define(&btf, id, &mut Count(0)).map(|_| ty.name());
        assert!(error.is_err(), "{error:?}");
    }
    assert!(c::Header::new(&btf).write(&mut Count(0)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn damaged_types_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        big in any::<bool>(),
    ) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let mut bytes = every_kind(order).unwrap().write().unwrap();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(btf) = Btf::parse(bytes) {
            exercise(&btf);
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = BtfExt::parse(&bytes);
        let mut framed: Vec<u8> = Vec::from([0x9f, 0xeb, 1, 0, 24, 0, 0, 0]);
        framed.extend(&bytes);
        let _ = (Btf::parse(framed.as_slice()), BtfExt::parse(&framed), Btf::parse(bytes));
    }
}
