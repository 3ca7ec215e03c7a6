//! Small programs that call kernel functions, with what Linux 6.18 said of them.

use crate::{Feature, Kernel, Verdict, verify, verify_logged};
use alloc::sync::Arc;
use alloc::vec::Vec;
use oxbpf_isa::asm::{Syntax, assemble};
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::btf::{BtfBuilder, BuildError, IntEncoding, Linkage, Member, Param, TypeId};
use oxbpf_isa::insn::ByteOrder;
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_isa::program::Program;

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
    // Without types nothing is known of any.
    let p = program("call @bpf_dynptr_size\nr0 = 0\nexit", &target);
    assert_eq!(verify(&p, &Kernel::new(&model)).verdict, Verdict::Unknown(Feature::Kfuncs));
}
