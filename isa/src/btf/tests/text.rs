//! Texts of types.

use super::show::{Raw, ShowError, c};
use super::*;
use alloc::string::{String, ToString};

fn header(b: BtfBuilder) -> Result<String, ShowError> {
    let btf = b.build().unwrap();
    let mut text = String::new();
    c::Header::new(&btf).write(&mut text).map(|()| text)
}

#[track_caller]
fn expect(build: impl FnOnce(&mut BtfBuilder) -> Result<TypeId, BuildError>, text: &str) {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    build(&mut b).unwrap();
    assert_eq!(header(b).unwrap().trim_end(), text.trim());
}

/// The format is bpftool's.
#[test]
fn raw_has_one_line_for_each_part() {
    let btf = every_kind(ByteOrder::Little).unwrap().build().unwrap();
    let expected = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] INT 'long unsigned int' size=8 bits_offset=0 nr_bits=64 encoding=(none)
[3] INT '_Bool' size=1 bits_offset=0 nr_bits=8 encoding=BOOL
[4] INT 'wchar' size=1 bits_offset=0 nr_bits=8 encoding=CHAR
[5] FLOAT 'double' size=8
[6] STRUCT 'list' size=16 vlen=2
\t'next' type_id=7 bits_offset=0
\t'prev' type_id=7 bits_offset=64
[7] PTR '(anon)' type_id=6
[8] ARRAY '(anon)' type_id=1 index_type_id=2 nr_elems=3
[9] UNION 'choice' size=16 vlen=2
\t'whole' type_id=2 bits_offset=0
\t'parts' type_id=8 bits_offset=0
[10] ENUM 'color' encoding=SIGNED size=4 vlen=3
\t'RED' val=-1
\t'GREEN' val=0
\t'BLUE' val=7
[11] ENUM '(anon)' encoding=UNSIGNED size=4 vlen=1
\t'LARGE' val=4294967295
[12] ENUM64 'wide' encoding=UNSIGNED size=8 vlen=2
\t'ALL' val=18446744073709551615ULL
\t'HIGH' val=1099511627776ULL
[13] ENUM64 'deep' encoding=SIGNED size=8 vlen=2
\t'LOW' val=-9223372036854775808LL
\t'MINUS' val=-5LL
[14] FWD 'hidden' fwd_kind=struct
[15] FWD 'secret' fwd_kind=union
[16] CONST '(anon)' type_id=14
[17] PTR '(anon)' type_id=16
[18] RESTRICT '(anon)' type_id=17
[19] VOLATILE '(anon)' type_id=1
[20] TYPEDEF 'handle_t' type_id=18
[21] TYPE_TAG 'user' type_id=1
[22] TYPE_TAG 'address_space(1)' type_id=0
[23] PTR '(anon)' type_id=21
[24] PTR '(anon)' type_id=22
[25] FUNC_PROTO '(anon)' ret_type_id=1 vlen=2
\t'user' type_id=23
\t'(anon)' type_id=0
[26] FUNC 'printf' type_id=25 linkage=extern
[27] STRUCT 'mixed' size=48 vlen=8
\t'a' type_id=1 bits_offset=0 bitfield_size=3
\t'b' type_id=1 bits_offset=3 bitfield_size=5
\t'flag' type_id=3 bits_offset=8
\t'color' type_id=10 bits_offset=32
\t'd' type_id=5 bits_offset=64
\t'choice' type_id=9 bits_offset=128
\t'handle' type_id=20 bits_offset=256
\t'space' type_id=24 bits_offset=320
[28] DECL_TAG 'kfunc' type_id=26 component_idx=-1
[29] DECL_TAG 'guarded' type_id=27 component_idx=2
[30] VAR 'counter' type_id=19, linkage=global
[31] DATASEC '.data' size=4 vlen=1
\ttype_id=30 offset=0 size=4 (VAR 'counter')
";
    assert_eq!(Raw(&btf).to_string(), expected);
}

#[test]
fn a_whole_header() {
    let btf = every_kind(ByteOrder::Little).unwrap().build().unwrap();
    let mut text = String::new();
    c::Header::new(&btf).guard("X_H").relocatable().write(&mut text).unwrap();
    let expected = "\
#ifndef X_H
#define X_H

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

struct list {
\tstruct list *next;
\tstruct list *prev;
};

union choice {
\tlong unsigned int whole;
\tint parts[3];
};

enum color {
\tRED = -1,
\tGREEN = 0,
\tBLUE = 7,
};

enum {
\tLARGE = 4294967295,
};

enum wide {
\tALL = 18446744073709551615ULL,
\tHIGH = 1099511627776ULL,
};

enum deep {
\tLOW = (-9223372036854775807LL - 1),
\tMINUS = -5LL,
};

struct hidden;

union secret;

typedef const struct hidden * restrict handle_t;

struct mixed {
\tint a: 3;
\tint b: 5;
\t_Bool flag;
\tenum color color;
\tdouble d;
\tunion choice choice;
\thandle_t handle;
\tvoid __attribute__((address_space(1))) *space;
};

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* X_H */
";
    assert_eq!(text, expected);
}

#[test]
fn gaps_are_filled_and_packing_is_told() {
    expect(
        |b| {
            let int = b.int("int", 4, SIGNED)?;
            let byte = b.int("char", 1, SIGNED)?;
            b.structure("gap", 32, &[at("a", byte, 0), at("b", int, 12), bits("c", int, 131, 2)])?;
            b.structure("packed", 9, &[at("a", byte, 0), at("b", int, 1), at("c", int, 5)])?;
            b.structure("holey", 11, &[at("a", byte, 0), at("b", int, 3), bits("c", int, 60, 20)])?;
            b.union("large", 8, &[at("a", byte, 0)])?;
            b.structure("empty", 0, &[])
        },
        "\
struct gap {
\tchar a;
\tlong: 56;
\tint: 32;
\tint b;
\tchar: 3;
\tint c: 2;
\tlong: 59;
\tlong: 64;
};

struct packed {
\tchar a;
\tint b;
\tint c;
} __attribute__((packed));

struct holey {
\tchar a;
\tshort: 8;
\tchar: 8;
\tint b;
\tchar: 4;
\tint c: 20;
\tchar: 8;
} __attribute__((packed));

union large {
\tchar a;
\tchar __size[8];
};

struct empty {};",
    );
}

#[test]
fn what_is_needed_comes_first() {
    expect(
        |b| {
            let int = b.int("int", 4, SIGNED)?;
            // Ids go from the whole to the parts, as compilers number them.
            let whole = b.next_id();
            let id = |n| TypeId(whole.0 + n);
            b.structure("whole", 24, &[at("part", id(1), 0), at("call", id(3), 8), at("up", id(7), 16)])?;
            b.typedef("part_t", id(2))?;
            b.structure("part", 4, &[at("n", int, 0)])?;
            b.ptr(id(4))?;
            b.func_proto(TypeId::VOID, &[Param { name: "", ty: id(6) }])?;
            b.structure("other", 8, &[at("back", id(7), 0)])?;
            b.ptr(id(5))?;
            b.ptr(whole)
        },
        "\
struct part {
\tint n;
};

typedef struct part part_t;

struct other;

struct whole {
\tpart_t part;
\tvoid (*call)(struct other *);
\tstruct whole *up;
};

struct other {
\tstruct whole *back;
};",
    );
}

#[test]
fn names_are_told_apart() {
    expect(
        |b| {
            let int = b.int("int", 4, SIGNED)?;
            b.structure("x", 4, &[at("a", int, 0)])?;
            let second = b.structure("x", 4, &[at("b", int, 0)])?;
            let forward = b.fwd("x", false)?;
            let other = b.fwd("x", true)?;
            let (a, c) = (b.ptr(forward)?, b.ptr(other)?);
            b.typedef("x", second)?;
            b.enum32("e", 4, false, &[("x", 1), ("y", 2)])?;
            let enumeration = b.enum32("", 1, false, &[("y", 3)])?;
            let members = [at("a", a, 0), at("c", c, 8), at("e", enumeration, 16)];
            b.structure("y", 24, &members)
        },
        "\
struct x {
\tint a;
};

struct x___2 {
\tint b;
};

struct x;

union x___3;

typedef struct x___2 x;

enum e {
\tx___2 = 1,
\ty = 2,
};

struct y {
\tstruct x *a;
\tunion x___3 *c;
\tenum {
\t\ty___2 = 3,
\t} __attribute__((mode(byte))) e;
};",
    );
}

#[test]
fn types_of_other_languages_get_names_in_c() {
    expect(
        |b| {
            let u8 = b.int("u8", 1, UNSIGNED)?;
            let f32 = b.float("f32", 4)?;
            b.structure("Pair<u8, f32>", 8, &[at("__1", f32, 4), at("__0", u8, 0)])
        },
        "\
typedef float f32;

typedef unsigned char u8;

struct Pair_u8__f32_ {
\tu8 __0;
\tf32 __1;
};",
    );
}

#[test]
fn members_that_c_cannot_place_are_refused() {
    for members in [
        [bits("a", TypeId(1), 0, 8), bits("b", TypeId(1), 4, 8)],
        [at("a", TypeId(1), 0), bits("b", TypeId(1), 40, 40)],
        [at("a", TypeId(1), 0), at("b", TypeId(1), 6)],
        [at("a", TypeId(1), 0), Member { bit_offset: 36, ..at("b", TypeId(1), 0) }],
    ] {
        let mut b = BtfBuilder::new(ByteOrder::Little);
        b.int("int", 4, SIGNED).unwrap();
        let id = b.structure("s", 8, &members).unwrap();
        assert_eq!(header(b), Err(ShowError::Layout { id }), "{members:?}");
    }
}

/// Every way in which C winds a type around a name.
#[test]
fn declarations() {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, SIGNED).unwrap();
    let constant = b.constant(int).unwrap();
    let to_constant = b.ptr(constant).unwrap();
    let constant_to = b.constant(to_constant).unwrap();
    let array = b.array(int, int, 3).unwrap();
    let arrays = b.array(array, int, 2).unwrap();
    let to_array = b.ptr(array).unwrap();
    let pointers = b.array(to_constant, int, 4).unwrap();
    let constant_array = b.constant(array).unwrap();
    let none = b.func_proto(TypeId::VOID, &[]).unwrap();
    let unnamed = |ty| Param { name: "", ty };
    let any = b.func_proto(int, &[unnamed(TypeId::VOID)]).unwrap();
    let to_none = b.ptr(none).unwrap();
    let signal = b.func_proto(to_none, &[Param { name: "n", ty: int }, unnamed(to_none)]).unwrap();
    let to_signal = b.ptr(signal).unwrap();
    let table = b.array(to_signal, int, 2).unwrap();
    let more = b.func_proto(int, &[unnamed(to_constant), unnamed(TypeId::VOID)]).unwrap();
    let tag = b.type_tag("user", int, false).unwrap();
    let tagged = b.ptr(tag).unwrap();
    let anonymous = b.structure("", 4, &[at("a", int, 0)]).unwrap();
    let to_anonymous = b.ptr(anonymous).unwrap();
    let func = b.func("f", more, Linkage::Static).unwrap();
    let var = b.var("v", pointers, Linkage::Extern).unwrap();
    let section = b.datasec(".data", 8, &[]).unwrap();
    let btf = b.build().unwrap();
    for (ty, name, expected) in [
        (TypeId::VOID, "", "void"),
        (int, "x", "int x"),
        (to_constant, "x", "const int *x"),
        (to_constant, "", "const int *"),
        (constant_to, "x", "const int * const x"),
        (constant_to, "", "const int * const"),
        (arrays, "x", "int x[2][3]"),
        (to_array, "x", "int (*x)[3]"),
        (to_array, "", "int (*)[3]"),
        (pointers, "x", "const int *x[4]"),
        (constant_array, "x", "const int x[3]"),
        (none, "x", "void x(void)"),
        (any, "x", "int x()"),
        (to_none, "x", "void (*x)(void)"),
        (signal, "signal", "void (*signal(int n, void (*)(void)))(void)"),
        (table, "x", "void (*(*x[2])(int n, void (*)(void)))(void)"),
        (more, "x", "int x(const int *, ...)"),
        (tagged, "x", "int __attribute__((btf_type_tag(\"user\"))) *x"),
        (to_anonymous, "x", "struct {\n\tint a;\n} *x"),
    ] {
        let mut text = String::new();
        c::declare(&btf, ty, name, &mut text).unwrap();
        assert_eq!(text, expected);
    }
    for (id, expected) in [
        (func, Ok("static int f(const int *, ...)")),
        (var, Ok("extern const int *v[4]")),
        (section, Err(ShowError::NoValue { id: section })),
        (TypeId(99), Err(ShowError::NoType { id: TypeId(99) })),
    ] {
        let mut text = String::new();
        let result = c::define(&btf, id, &mut text);
        assert_eq!(result.map(|()| text.as_str()), expected);
    }
}
