//! Small programs that call kernel functions, with what Linux 6.18 said of them.

use crate::{Detail, Feature, Kernel, Verdict, verify, verify_logged};
use alloc::sync::Arc;
use alloc::vec::Vec;
use oxbpf_isa::asm::{Syntax, assemble};
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::btf::{Btf, BtfBuilder, BuildError, IntEncoding, Kind, Linkage, Member, Param, TypeId};
use oxbpf_isa::insn::ByteOrder;
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_isa::program::{KfuncRef, Program};

/// The types of a kernel that has a few functions.
fn types() -> Result<BtfBuilder, BuildError> {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, IntEncoding(1))?;
    let u32_ = b.int("u32", 4, IntEncoding(0))?;
    let u64_ = b.int("u64", 8, IntEncoding(0))?;
    let member = |name: &'static str, ty, at: u32| Member { name, ty, bit_offset: 64 * at, bit_size: 0 };
    let iter = b.structure("bpf_iter_num", 8, &[member("word", u64_, 0)])?;
    let iter = b.ptr(iter)?;
    let dynptr = b.structure("bpf_dynptr", 16, &[member("a", u64_, 0), member("b", u64_, 1)])?;
    let constant = b.constant(dynptr)?;
    let (dynptr, constant) = (b.ptr(dynptr)?, b.ptr(constant)?);
    let skb = b.structure("__sk_buff", 8, &[member("len", u64_, 0)])?;
    b.structure("bpf_ctx_convert", 8, &[member("BPF_PROG_TYPE_SCHED_CLS_prog", skb, 0)])?;
    let (skb, number, void) = (b.ptr(skb)?, b.ptr(int)?, b.ptr(TypeId::VOID)?);
    let p = |name: &'static str, ty| Param { name, ty };
    let functions: [(&str, TypeId, &[Param<'_>]); 6] = [
        ("bpf_iter_num_new", int, &[p("it", iter), p("start", int), p("end", int)]),
        ("bpf_iter_num_next", number, &[p("it", iter)]),
        ("bpf_iter_num_destroy", TypeId::VOID, &[p("it", iter)]),
        ("bpf_dynptr_from_skb", int, &[p("s", skb), p("flags", u64_), p("ptr__uninit", dynptr)]),
        ("bpf_dynptr_size", u32_, &[p("p", constant)]),
        (
            "bpf_dynptr_slice",
            void,
            &[p("p", constant), p("offset", u32_), p("buffer__opt", void), p("buffer__szk", u32_)],
        ),
    ];
    for (name, ret, params) in functions {
        let proto = b.func_proto(ret, params)?;
        b.func(name, proto, Linkage::Static)?;
    }
    Ok(b)
}

fn target() -> CoreTarget {
    CoreTarget::new(Arc::new(types().unwrap().build().unwrap()))
}

/// A program whose text has `call @name` for calls of kernel functions.
fn program(text: &str, target: &CoreTarget) -> Program {
    let plain: Vec<&str> = text.lines().map(|l| if l.starts_with("call @") { "call 7" } else { l }).collect();
    let mut insns = assemble(&plain.join("\n"), Syntax::Kernel).unwrap_or_else(|e| panic!("{text}: {e}"));
    for (insn, line) in insns.iter_mut().zip(text.lines()) {
        if let Some(name) = line.strip_prefix("call @") {
            let id = target.vmlinux().find_func(name).map_or(0, |(id, _)| id.0);
            (insn.src, insn.imm) = (2, id as i32);
        }
    }
    Program {
        prog_type: Some(ProgType::SchedCls),
        license: "GPL".into(),
        ..Program::from_insns("test", insns)
    }
}

/// Text, instructions processed, states kept, and the message if it is refused.
#[rustfmt::skip]
const CASES: &[(&str, u64, u64, &str)] = &[
    ("r1 = r10\nr1 += -8\nr2 = 0\nr3 = 10\ncall @bpf_iter_num_new\nr6 = 0\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_next\nif r0 == 0 goto +2\nr6 += 1\ngoto -6\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_destroy\nr0 = 0\nexit", 45, 4, ""),
    ("r1 = r10\nr1 += -8\nr2 = 0\nr3 = 10\ncall @bpf_iter_num_new\nr6 = 0\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_next\nif r0 == 0 goto +3\nr7 = *(u32 *)(r0 +0)\nr6 += r7\ngoto -7\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_destroy\nr0 = 0\nexit", 48, 4, ""),
    ("r1 = r10\nr1 += -8\ncall @bpf_iter_num_next\nr0 = 0\nexit", 3, 1, "expected an initialized iter_num as arg #0"),
    ("r1 = r10\nr1 += -8\nr2 = 0\nr3 = 10\ncall @bpf_iter_num_new\nr1 = r10\nr1 += -8\nr2 = 0\nr3 = 10\ncall @bpf_iter_num_new\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_destroy\nr0 = 0\nexit", 10, 0, "expected uninitialized iter_num as arg #0"),
    ("r1 = r10\nr1 += -8\nr2 = 0\nr3 = 10\ncall @bpf_iter_num_new\nr0 = 0\nexit", 7, 0, "BPF_EXIT instruction in main prog would lead to reference leak"),
    ("r2 = r10\nr1 = r10\nr1 += -8\nr3 = 0\ncall @bpf_iter_num_new\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_destroy\nr0 = 0\nexit", 5, 0, "R2 is not a scalar"),
    ("r2 = 0\nr3 = 0\nr1 = r10\nr1 += -12\ncall @bpf_iter_num_new\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_destroy\nr0 = 0\nexit", 5, 0, "expected uninitialized iter_num as arg #0"),
    ("r1 = r10\nr1 += -8\nr2 = 0\nr3 = 10\ncall @bpf_iter_num_new\n*(u64 *)(r10 -8) = r10\nr1 = r10\nr1 += -8\ncall @bpf_iter_num_destroy\nr0 = 0\nexit", 9, 0, "expected an initialized iter_num as arg #0"),
    ("r2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\nr1 = r10\nr1 += -16\ncall @bpf_dynptr_size\nr0 = 0\nexit", 9, 1, ""),
    ("r1 = r10\nr1 += -16\ncall @bpf_dynptr_size\nr0 = 0\nexit", 3, 0, "Expected an initialized dynptr as arg #0"),
    ("r2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\nr1 = r10\nr1 += -16\nr2 = 0\nr3 = 0\nr4 = 14\ncall @bpf_dynptr_slice\nif r0 == 0 goto +1\nr6 = *(u8 *)(r0 +13)\nr0 = 0\nexit", 16, 1, ""),
    ("r2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\nr1 = r10\nr1 += -16\nr2 = 0\nr3 = 0\nr4 = 14\ncall @bpf_dynptr_slice\nif r0 == 0 goto +1\nr6 = *(u8 *)(r0 +14)\nr0 = 0\nexit", 12, 1, "R0 min value is outside of the allowed memory range"),
    ("r2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\nr1 = r10\nr1 += -16\nr2 = 0\nr3 = 0\nr4 = 14\ncall @bpf_dynptr_slice\nif r0 == 0 goto +1\n*(u8 *)(r0 +0) = 1\nr0 = 0\nexit", 12, 1, "R0 cannot write into rdonly_mem"),
    ("r6 = r1\ncall 7\nr7 = r0\nr1 = r6\nr2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\nr1 = r10\nr1 += -16\nr2 = 0\nr3 = 0\nr4 = r7\ncall @bpf_dynptr_slice\nr0 = 0\nexit", 14, 1, "R4 must be a known constant"),
    ("r2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\nr0 = *(u64 *)(r10 -16)\nr0 = 0\nexit", 5, 0, "invalid read from stack off -16+0 size 8"),
    ("r2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\n*(u8 *)(r10 -9) = 0\nr1 = r10\nr1 += -16\ncall @bpf_dynptr_size\nr0 = 0\nexit", 8, 0, "Expected an initialized dynptr as arg #0"),
    ("r1 = r10\nr2 = 0\nr3 = r10\nr3 += -16\ncall @bpf_dynptr_from_skb\nr0 = 0\nexit", 5, 0, "arg#0 expected pointer to ctx, but got fp"),
];

#[test]
fn calls_are_judged_as_by_the_kernel() {
    let (model, target) = (KernelModel::latest(), target());
    let kernel = Kernel::new(&model).with_types(Some(&target));
    for &(text, insns, states, message) in CASES {
        let (judgement, log) = verify_logged(&program(text, &target), &kernel, 2);
        match &judgement.verdict {
            Verdict::Accept => assert_eq!(message, "", "{text}\n{log}"),
            Verdict::Reject(fault) => assert_eq!(alloc::format!("{fault}"), message, "{text}\n{log}"),
            Verdict::Unknown(feature) => panic!("{text}: {feature}"),
        }
        let counted = (judgement.stats.insns, judgement.stats.total_states);
        assert_eq!(counted, (insns, states), "{text}\n{log}");
    }
}

#[test]
fn calls_are_looked_at_where_no_path_leads() {
    let (model, target) = (KernelModel::latest(), target());
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let dead = "r0 = 0\nif r0 == 0 goto +1\ncall @bpf_dynptr_size\nexit";
    let mut p = program(dead, &target);
    assert_eq!(verify(&p, &kernel).verdict, Verdict::Accept);
    // A function that the kernel lacks may be called where no path leads, and nowhere else.
    p.insns[2].imm = 0;
    assert_eq!(verify(&p, &kernel).verdict, Verdict::Accept);
    p.insns[2].imm = 1;
    let words = |p: &Program| match verify(p, &kernel).verdict {
        Verdict::Reject(fault) => alloc::format!("{fault}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(words(&p), "kernel btf_id 1 is not a function");
    p.license = "MIT".into();
    assert_eq!(words(&p), "cannot call kernel function from non-GPL compatible program");
    let live = program("call @bpf_no_such_function\nr0 = 0\nexit", &target);
    assert_eq!(words(&live), "invalid kernel function call not eliminated in verifier pass");
}

/// A module that has an iterator of its own, over numbers, and a function that tells of nothing.
fn module(base: &CoreTarget) -> (Btf, TypeId, TypeId) {
    let mut b = BtfBuilder::split(base.vmlinux().clone());
    let int = base.find("int", Kind::Int).unwrap();
    let void = b.ptr(TypeId::VOID).unwrap();
    let p = |name: &'static str, ty| Param { name, ty };
    let proto = b.func_proto(int, &[p("nf_hook", void)]).unwrap();
    let secret = b.func("bpf_secret", proto, Linkage::Static).unwrap();
    b.decl_tag("bpf_kfunc", secret, None, false).unwrap();
    let conn =
        b.structure("nf_conn", 8, &[Member { name: "mark", ty: int, bit_offset: 0, bit_size: 0 }]).unwrap();
    let conn = b.ptr(conn).unwrap();
    let proto = b.func_proto(TypeId::VOID, &[p("nfct", conn)]).unwrap();
    let release = b.func("bpf_ct_release", proto, Linkage::Static).unwrap();
    b.decl_tag("bpf_kfunc", release, None, false).unwrap();
    (b.build().unwrap(), secret, release)
}

#[test]
fn modules_have_functions_too() {
    let (model, plain) = (KernelModel::latest(), target());
    let (btf, secret, release) = module(&plain);
    let target = target_of(&plain).with_named_module("nf_conntrack", Arc::new(btf));
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let mut p = program("r1 = 0\ncall @module\nr0 = 0\nexit", &target);
    let mut ask = |id: TypeId, module: i16, kernel: &Kernel<'_>| {
        (p.insns[1].imm, p.insns[1].off) = (id.0 as i32, module);
        verify(&p, kernel)
    };
    // The function of the module is known by name; a number is no connection.
    match ask(release, 1, &kernel).verdict {
        Verdict::Reject(fault) => {
            assert_eq!(alloc::format!("{fault}"), "Possibly NULL pointer passed to trusted arg0");
        }
        other => panic!("{other:?}"),
    }
    let judged = ask(secret, 1, &kernel);
    assert_eq!(judged.verdict, Verdict::Unknown(Feature::Kfuncs));
    assert_eq!(judged.detail, Some(Detail::Kfunc("bpf_secret".into())));
    // Another module is not at hand, and the kernel itself has nothing with this number.
    assert_eq!(ask(release, 2, &kernel).verdict, Verdict::Unknown(Feature::Kfuncs));
    assert!(matches!(ask(release, 0, &kernel).verdict, Verdict::Reject(_)));
    assert!(matches!(ask(release, -1, &kernel).verdict, Verdict::Reject(_)));
}

fn target_of(target: &CoreTarget) -> CoreTarget {
    CoreTarget::new(target.vmlinux().clone())
}

/// A program as [`program`] makes it, without types of a kernel: it declares what it calls itself.
fn declared(text: &str, target: &CoreTarget) -> Program {
    let mut p = program(text, target);
    for (at, insn) in p.insns.iter_mut().enumerate().filter(|(_, i)| i.code == 0x85 && i.src == 2) {
        let id = TypeId(insn.imm as u32);
        let name = target.vmlinux().ty(id).unwrap().name().into();
        p.kfuncs.push(KfuncRef { insn: at as u32, name, weak: false, local_type: id });
        insn.imm = 0;
    }
    p.btf = Some(target.vmlinux().clone());
    p
}

#[test]
fn what_only_the_object_declares_is_not_certain() {
    let (model, target) = (KernelModel::latest(), target());
    for &(text, _, _, message) in CASES {
        let judged = verify(&declared(text, &target), &Kernel::new(&model));
        assert_eq!(judged.verdict, Verdict::Unknown(Feature::AssumedPrototypes), "{text}");
        let Some(Detail::Assumed { kfuncs, verdict }) = judged.detail else { panic!("{text}") };
        assert!(kfuncs.iter().all(|name| text.contains(name.as_str())), "{text}");
        match *verdict {
            Verdict::Accept => assert_eq!(message, "", "{text}"),
            Verdict::Reject(fault) => assert_eq!(alloc::format!("{fault}"), message, "{text}"),
            Verdict::Unknown(feature) => panic!("{text}: {feature}"),
        }
    }
    // What is wrong before such a call is wrong whatever the kernel declares.
    let text = "r2 = *(u64 *)(r1 +4096)\nr1 = r10\ncall @bpf_dynptr_size\nr0 = 0\nexit";
    let mut early = declared(text, &target);
    assert!(matches!(verify(&early, &Kernel::new(&model)).verdict, Verdict::Reject(_)));
    early.insns[0].dst = 11;
    assert!(matches!(verify(&early, &Kernel::new(&model)).verdict, Verdict::Reject(_)));
    // Nothing at all is known of a call that nobody declares.
    let p = program("call @bpf_dynptr_size\nr0 = 0\nexit", &target);
    assert_eq!(verify(&p, &Kernel::new(&model)).verdict, Verdict::Unknown(Feature::Kfuncs));
}
