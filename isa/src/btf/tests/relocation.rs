//! CO-RE: each question with the answers of libbpf.

use super::*;
use crate::btf::core::{
    BAD_RELOCATION, CoreError, CoreKind, CoreTarget, PatchError, Resolution, essential_name, patch, resolve,
};
use crate::insn::RawInsn;
use alloc::sync::Arc;

/// What the object was compiled against.
struct Local {
    btf: Btf,
    s: TypeId,
    e: TypeId,
    f: TypeId,
    accesses: alloc::collections::BTreeMap<&'static str, u32>,
}

/// `struct s___old { int gone; int kept; int flags: 4; union { int in; }; int list[4]; }`.
fn local() -> Local {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, SIGNED).unwrap();
    let unsigned = b.int("unsigned int", 4, UNSIGNED).unwrap();
    let inner = b.union("", 4, &[at("in", int, 0)]).unwrap();
    let list = b.array(int, int, 4).unwrap();
    let members = [
        at("gone", int, 0),
        at("kept", unsigned, 4),
        bits("flags", unsigned, 64, 4),
        at("", inner, 12),
        at("list", list, 16),
    ];
    let s = b.structure("s___old", 32, &members).unwrap();
    let e = b.enum32("e", 4, false, &[("A", 1), ("B___x", 2), ("C", 3)]).unwrap();
    let f = b.structure("absent", 4, &[at("x", int, 0)]).unwrap();
    let paths = ["0", "1", "2", "0:0", "0:1", "0:2", "0:3:0", "0:4:2", "0:4:7", "0:9", "", "0:x", "3:1"];
    let accesses = paths.into_iter().map(|p| (p, b.string(p).unwrap())).collect();
    Local { btf: b.build().unwrap(), s, e, f, accesses }
}

/// `struct s { long first; unsigned long kept; int pad: 30; int flags: 5; struct { int in; }; int list[8]; }`.
fn target() -> CoreTarget {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    b.int("int", 4, SIGNED).unwrap();
    let (int, long) = (TypeId(1), b.int("long unsigned int", 8, UNSIGNED).unwrap());
    let inner = b.structure("", 4, &[at("in", int, 0)]).unwrap();
    let list = b.array(int, int, 8).unwrap();
    let members = [
        at("first", long, 0),
        at("kept", long, 8),
        bits("pad", int, 128, 27),
        bits("flags", int, 155, 5),
        at("", inner, 20),
        at("list", list, 24),
    ];
    b.structure("s", 56, &members).unwrap();
    b.enum64("e", 8, false, &[("X", 0), ("B", 1 << 33), ("A", 7)]).unwrap();
    CoreTarget::new(Arc::new(b.build().unwrap()))
}

fn ask(
    local: &Local,
    ty: TypeId,
    path: &str,
    kind: CoreKind,
    target: &CoreTarget,
) -> Result<Resolution, CoreError> {
    let relo = ExtCore { insn_off: 0, type_id: ty, access: local.accesses[path], kind: kind as u32 };
    resolve(&local.btf, &relo, target)
}

#[test]
fn every_kind_has_its_answer() {
    let (l, t) = (local(), target());
    use CoreKind::*;
    let s = t.vmlinux().find("s", Kind::Struct).unwrap().0 as u64;
    for (ty, path, kind, orig, new) in [
        (l.s, "0:1", FieldByteOffset, 4, Some(8)),
        (l.s, "0:1", FieldByteSize, 4, Some(8)),
        (l.s, "0:1", FieldExists, 1, Some(1)),
        (l.s, "0:1", FieldSigned, 0, Some(0)),
        (l.s, "0:0", FieldExists, 1, Some(0)),
        (l.s, "0:0", FieldByteOffset, 0, None),
        (l.s, "0:2", FieldByteOffset, 8, Some(16)),
        (l.s, "0:2", FieldByteSize, 4, Some(4)),
        (l.s, "0:2", FieldSigned, 0, Some(1)),
        // 4 bits from bit 0, then 5 bits up to bit 32, of a unit of 32 bits.
        (l.s, "0:2", FieldLshiftU64, 60, Some(32)),
        (l.s, "0:2", FieldRshiftU64, 60, Some(59)),
        (l.s, "0:3:0", FieldByteOffset, 12, Some(20)),
        (l.s, "0:4:2", FieldByteOffset, 24, Some(32)),
        (l.s, "0:4:2", FieldByteSize, 4, Some(4)),
        (l.s, "3:1", FieldByteOffset, 100, Some(3 * 56 + 8)),
        (l.s, "0", TypeIdLocal, l.s.0 as u64, Some(l.s.0 as u64)),
        (l.s, "0", TypeIdTarget, l.s.0 as u64, Some(s)),
        (l.s, "0", TypeExists, 1, Some(1)),
        (l.s, "0", TypeSize, 32, Some(56)),
        (l.f, "0", TypeExists, 1, Some(0)),
        (l.f, "0", TypeSize, 4, Some(0)),
        (l.f, "0", TypeIdTarget, l.f.0 as u64, Some(0)),
        (l.f, "0", TypeMatches, 1, Some(0)),
        (l.e, "0", EnumvalExists, 1, Some(1)),
        (l.e, "2", EnumvalExists, 1, Some(0)),
        (l.e, "0", EnumvalValue, 1, Some(7)),
        (l.e, "1", EnumvalValue, 2, Some(1 << 33)),
        (l.e, "2", EnumvalValue, 3, None),
    ] {
        let answer = ask(&l, ty, path, kind, &t).unwrap_or_else(|e| panic!("{path} {kind:?}: {e}"));
        assert_eq!(answer.orig, orig, "{path} {kind:?}");
        assert_eq!((!answer.poison).then_some(answer.new), new, "{path} {kind:?}");
    }
}

#[test]
fn bad_paths_are_refused() {
    let (l, t) = (local(), target());
    for path in ["0:9", "", "0:x", "0:4:7"] {
        let answer = ask(&l, l.s, path, CoreKind::FieldExists, &t);
        assert_eq!(answer, Err(CoreError::Access), "{path:?}");
    }
    assert_eq!(ask(&l, l.s, "1", CoreKind::TypeExists, &t), Err(CoreError::Access));
    assert_eq!(ask(&l, l.s, "0", CoreKind::EnumvalValue, &t), Err(CoreError::Access));
    let missing = TypeId(99);
    assert_eq!(ask(&l, missing, "0:1", CoreKind::FieldExists, &t), Err(CoreError::Type { id: missing }));
    let shift = ask(&l, l.s, "0:4:2", CoreKind::FieldLshiftU64, &t);
    assert_eq!(shift, Err(CoreError::Unanswerable), "array elements have no bits");
}

#[test]
fn candidates_must_agree() {
    let l = local();
    let build = |offset| {
        let mut b = BtfBuilder::new(ByteOrder::Little);
        let int = b.int("unsigned int", 4, UNSIGNED).unwrap();
        b.structure("s", 16, &[at("kept", int, 8)]).unwrap();
        b.structure("s___other", 16, &[at("kept", int, offset)]).unwrap();
        b.union("s", 16, &[at("kept", int, 0)]).unwrap();
        Arc::new(b.build().unwrap())
    };
    let ask = |t: &CoreTarget| ask(&l, l.s, "0:1", CoreKind::FieldByteOffset, t);
    assert_eq!(ask(&CoreTarget::new(build(8))).unwrap().new, 8);
    assert_eq!(ask(&CoreTarget::new(build(4))), Err(CoreError::Ambiguous));
    // Modules are looked at only when the kernel has no candidate.
    let both = CoreTarget::new(build(8)).with_module(build(4));
    assert_eq!(ask(&both).unwrap().new, 8);
    let empty = Arc::new(BtfBuilder::new(ByteOrder::Little).build().unwrap());
    assert_eq!(ask(&CoreTarget::new(empty.clone()).with_module(build(8))).unwrap().new, 8);
    assert!(ask(&CoreTarget::new(empty)).unwrap().poison);
}

#[test]
fn flavours_are_dropped() {
    for (name, essential) in [
        ("task_struct", "task_struct"),
        ("task_struct___old", "task_struct"),
        ("a___b___c", "a___b"),
        ("a____b", "a____b"),
        ("___b", "___b"),
        ("a___", "a___"),
        ("", ""),
    ] {
        assert_eq!(essential_name(name), essential);
    }
}

/// Thirty levels of two each, in types that agree until the last.
#[test]
fn wide_nesting_is_given_up() {
    let build = |last| {
        let mut b = BtfBuilder::new(ByteOrder::Little);
        let mut ty = b.int("int", last, SIGNED).unwrap();
        for level in 0..30 {
            let name = alloc::format!("l{level}");
            ty = b.structure(&name, 4, &[at("a", ty, 0), at("a", ty, 0)]).unwrap();
        }
        let path = b.string("0").unwrap();
        (b.build().unwrap(), ty, path)
    };
    let (local, ty, path) = build(4);
    let target = CoreTarget::new(Arc::new(build(2).0));
    let relo = ExtCore { insn_off: 0, type_id: ty, access: path, kind: CoreKind::TypeMatches as u32 };
    assert_eq!(resolve(&local, &relo, &target), Err(CoreError::TooDeep));
}

fn answer(orig: u64, new: u64) -> Resolution {
    let (l, t) = (local(), target());
    let kept = ask(&l, l.s, "0:1", CoreKind::FieldByteOffset, &t).unwrap();
    Resolution { orig, new, orig_size: 0, new_size: 0, size_mismatch: false, ..kept }
}

#[test]
fn answers_go_into_instructions() {
    let load = |code, off| [RawInsn::new(code, 1, 2, off, 0)];
    let (ldxw, ldxdw, stw, movk, addx, ja) = (0x61, 0x79, 0x62, 0xb7, 0x0f, 0x05);
    let poison = [RawInsn::new(0x85, 0, 0, 0, BAD_RELOCATION)];
    let sized = Resolution { orig_size: 4, new_size: 8, ..answer(4, 8) };
    type Case = ([RawInsn; 1], Resolution, Result<[RawInsn; 1], PatchError>);
    let cases: [Case; 12] = [
        (load(ldxw, 4), answer(4, 8), Ok(load(ldxw, 8))),
        (load(ldxw, 4), sized, Ok(load(ldxdw, 8))),
        (load(stw, 4), answer(4, 8), Ok(load(stw, 8))),
        (load(ldxw, 5), answer(4, 8), Err(PatchError::Unexpected { holds: 5, expected: 4 })),
        (load(ldxw, 5), Resolution { validate: false, ..answer(4, 8) }, Ok(load(ldxw, 8))),
        (load(ldxw, 4), answer(4, 0x8000), Err(PatchError::Range { value: 0x8000 })),
        (load(ldxdw, 4), sized, Err(PatchError::Size { bytes: 8, expected: 4 })),
        (load(ldxw, 4), Resolution { new_size: 3, ..sized }, Err(PatchError::NewSize { bytes: 3 })),
        (load(ldxw, 4), Resolution { size_mismatch: true, ..sized }, Ok(poison)),
        (load(ldxw, 9), Resolution { poison: true, ..answer(4, 0) }, Ok(poison)),
        (load(addx, 0), answer(0, 8), Err(PatchError::Form { insn: load(addx, 0)[0] })),
        (load(ja, 0), answer(0, 8), Err(PatchError::Form { insn: load(ja, 0)[0] })),
    ];
    for (mut insns, answer, expected) in cases {
        let result = patch(&mut insns, &answer).map(|()| insns);
        assert_eq!(result, expected);
    }
    let mut mov = [RawInsn::new(movk, 1, 0, 0, 4)];
    patch(&mut mov, &answer(4, 77)).unwrap();
    assert_eq!(mov[0].imm, 77);
    let wide = |low, high| [RawInsn::new(0x18, 1, 0, 0, low), RawInsn::new(0, 0, 0, 0, high)];
    let mut ld = wide(4, 0);
    patch(&mut ld, &answer(4, 5 << 32 | 6)).unwrap();
    assert_eq!(ld, wide(6, 5));
    assert!(matches!(patch(&mut ld[..1], &answer(4, 5)), Err(PatchError::Form { .. })));
    patch(&mut ld, &Resolution { poison: true, ..answer(4, 5) }).unwrap();
    assert_eq!(ld, [poison[0]; 2]);
    assert!(patch(&mut [], &answer(4, 5)).is_err());
}
