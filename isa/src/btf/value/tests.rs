use super::*;
use crate::btf::{Btf, Kind, TypeId};
use alloc::format;
use alloc::string::ToString;

/// The types of:
/// `enum color { RED = -1, BLUE = 7 }`
/// `struct s { int n; enum color c; char name[8]; u32 low: 3, high: 5; struct { u16 x[2]; }; void *p; }`
fn types() -> Btf {
    let strings: &[&str] = &[
        "", "int", "char", "u32", "u16", "color", "RED", "BLUE", "s", "n", "c", "name", "low", "high", "x",
        "p",
    ];
    let mut section = alloc::vec::Vec::new();
    let offset = |name: &str| {
        let mut at = 0u32;
        for s in strings {
            if *s == name {
                return at;
            }
            at += s.len() as u32 + 1;
        }
        panic!("{name}")
    };
    for s in strings {
        section.extend_from_slice(s.as_bytes());
        section.push(0);
    }
    let info = |kind: u32, vlen: u32, flag: u32| flag << 31 | kind << 24 | vlen;
    let words: alloc::vec::Vec<u32> = alloc::vec![
        offset("int"),
        info(1, 0, 0),
        4,
        1 << 24 | 32, // 1
        offset("char"),
        info(1, 0, 0),
        1,
        2 << 24 | 8, // 2
        offset("u32"),
        info(1, 0, 0),
        4,
        32, // 3
        offset("u16"),
        info(1, 0, 0),
        2,
        16, // 4
        offset("color"),
        info(6, 2, 1),
        4,
        offset("RED"),
        u32::MAX,
        offset("BLUE"),
        7, // 5
        0,
        info(3, 0, 0),
        0,
        2,
        3,
        8, // 6: char[8]
        0,
        info(3, 0, 0),
        0,
        4,
        3,
        2, // 7: u16[2]
        0,
        info(4, 1, 0),
        4,
        offset("x"),
        7,
        0, // 8: struct { u16 x[2]; }
        0,
        info(2, 0, 0),
        0, // 9: void *
        offset("s"),
        info(4, 7, 1),
        32, // 10
        offset("n"),
        1,
        0,
        offset("c"),
        5,
        32,
        offset("name"),
        6,
        64,
        offset("low"),
        3,
        3 << 24 | 128,
        offset("high"),
        3,
        5 << 24 | 131,
        0,
        8,
        160,
        offset("p"),
        9,
        192,
    ];
    let types: alloc::vec::Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let mut bytes = alloc::vec![0x9f, 0xeb, 1, 0];
    for word in [24, 0, types.len() as u32, types.len() as u32, section.len() as u32] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&types);
    bytes.extend_from_slice(&section);
    Btf::parse(bytes).unwrap()
}

fn set(btf: &Btf, id: TypeId, fields: &[(&str, &str)]) -> Result<alloc::vec::Vec<u8>, EncodeError> {
    let mut bytes = alloc::vec![0; btf.size_of(id).unwrap() as usize];
    for (path, value) in fields {
        encode(btf, id, &mut bytes, path, value)?;
    }
    Ok(bytes)
}

#[test]
fn fields_are_set_and_read_back() {
    let btf = types();
    let id = btf.find("s", Kind::Struct).unwrap();
    let fields = [
        ("n", "-5"),
        ("c", "RED"),
        ("name", "eth0"),
        ("low", "5"),
        ("high", "17"),
        ("x[1]", "0x1234"),
        ("p", "0xff"),
    ];
    let bytes = set(&btf, id, &fields).unwrap();
    assert_eq!(bytes[16], 5 | 17 << 3);
    let value = decode(&btf, id, &bytes);
    assert_eq!(
        format!("{value}"),
        "{ .n = -5, .c = RED, .name = \"eth0\", .low = 5, .high = 17, .x = { 0, 4660 }, .p = 0xff }"
    );
}

#[test]
fn what_does_not_fit_is_an_error_with_its_field() {
    let btf = types();
    let id = btf.find("s", Kind::Struct).unwrap();
    for (path, value) in
        [("low", "8"), ("n", "x"), ("name", "far too long"), ("c", "GREEN"), ("n", "4294967296")]
    {
        let error = set(&btf, id, &[(path, value)]).unwrap_err();
        assert!(matches!(&error, EncodeError::Value { path: p, .. } if p == path), "{error}");
    }
    for path in ["q", "x[2]", "x[", "n.m", "n[0]", ""] {
        assert!(set(&btf, id, &[(path, "1")]).is_err(), "{path}");
    }
    assert!(set(&btf, id, &[("q", "1")]).unwrap_err().to_string().contains("no field q"));
}

#[test]
fn short_bytes_and_unknown_types_stay_bytes() {
    let btf = types();
    let id = btf.find("s", Kind::Struct).unwrap();
    assert_eq!(decode(&btf, id, &[1, 2]), Value::Bytes(alloc::vec![1, 2]));
    assert_eq!(decode(&btf, TypeId(99), &[1]), Value::Bytes(alloc::vec![1]));
    let array = TypeId(6);
    assert_eq!(decode(&btf, array, b"a\0\0\0\0\0\0\0"), Value::Text("a".into()));
    assert!(matches!(decode(&btf, array, &[1, 0, 0, 0, 0, 0, 0, 0]), Value::Array(_)));
    assert_eq!(Value::Signed(-3).as_number(), Some(-3));
}
