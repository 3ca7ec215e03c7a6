//! Callbacks that a module of a kernel declares: what their programs are given, may write, call and
//! return. As the sources have it; the kernels that were measured are built without, so what is found
//! stands beside a verdict that is unknown.

use crate::{Detail, Feature, Judgement, Kernel, Verdict, verify_logged};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use oxbpf_isa::asm::{Syntax, assemble};
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::btf::{Btf, BtfBuilder, IntEncoding, Kind, Linkage, Member, Param, TypeId};
use oxbpf_isa::insn::ByteOrder;
use oxbpf_isa::kernel::{KernelModel, ProgType};
use oxbpf_isa::program::{Program, StructOpsMember};

fn member(name: &'static str, ty: TypeId, byte: u32) -> Member<'static> {
    Member { name, ty, bit_offset: 8 * byte, bit_size: 0 }
}

fn param(name: &'static str, ty: TypeId) -> Param<'static> {
    Param { name, ty }
}

/// Packets and tasks.
fn kernel() -> Arc<Btf> {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, IntEncoding(1)).unwrap();
    let long = b.int("long", 8, IntEncoding(1)).unwrap();
    b.structure("sk_buff", 24, &[member("len", int, 0), member("tstamp", long, 8)]).unwrap();
    let entity = [member("slice", long, 0), member("dsq_vtime", long, 8), member("disallow", int, 16)];
    let entity = b.structure("sched_ext_entity", 24, &entity).unwrap();
    b.structure("task_struct", 40, &[member("pid", int, 0), member("scx", entity, 8)]).unwrap();
    Arc::new(b.build().unwrap())
}

/// A structure of callbacks with stubs and a structure for the value of its map.
fn ops(b: &mut BtfBuilder, name: &str, members: &[(&'static str, TypeId)]) {
    let mut fields = Vec::new();
    for (n, (member_name, proto)) in members.iter().enumerate() {
        let pointer = b.ptr(*proto).unwrap();
        fields.push(member(member_name, pointer, 8 * n as u32));
        b.func(&format!("{name}__{member_name}"), *proto, Linkage::Static).unwrap();
    }
    let size = 8 * members.len() as u32;
    let data = b.structure(name, size, &fields).unwrap();
    b.structure(&format!("bpf_struct_ops_{name}"), size, &[member("data", data, 0)]).unwrap();
}

fn module(base: &Arc<Btf>) -> Btf {
    let mut b = BtfBuilder::split(base.clone());
    let find = |name: &str, kind| base.find(name, kind).unwrap();
    let (int, long) = (find("int", Kind::Int), find("long", Kind::Int));
    let skb = b.ptr(find("sk_buff", Kind::Struct)).unwrap();
    let task = b.ptr(find("task_struct", Kind::Struct)).unwrap();
    let qdisc = b.structure("Qdisc", 16, &[member("flags", int, 0), member("limit", int, 8)]).unwrap();
    let qdisc = b.ptr(qdisc).unwrap();
    let list = b.structure("bpf_sk_buff_ptr", 8, &[member("skb", skb, 0)]).unwrap();
    let (list, to_skb) = (b.ptr(list).unwrap(), b.ptr(skb).unwrap());
    let enqueue = [param("skb__ref", skb), param("sch", qdisc), param("to_free", to_skb)];
    let enqueue = b.func_proto(int, &enqueue).unwrap();
    let dequeue = b.func_proto(skb, &[param("sch", qdisc)]).unwrap();
    ops(&mut b, "Qdisc_ops", &[("enqueue", enqueue), ("dequeue", dequeue), ("change", dequeue)]);
    let dispatch = b.func_proto(TypeId::VOID, &[param("cpu", int), param("prev__nullable", task)]).unwrap();
    let tick = b.func_proto(TypeId::VOID, &[param("p", task)]).unwrap();
    ops(&mut b, "sched_ext_ops", &[("dispatch", dispatch), ("tick", tick), ("init", tick)]);
    ops(&mut b, "brand_new_ops", &[("tick", tick)]);
    let drop = b.func_proto(TypeId::VOID, &[param("skb", skb), param("to_free_list", list)]).unwrap();
    b.func("bpf_qdisc_skb_drop", drop, Linkage::Static).unwrap();
    let wait = [param("sch", qdisc), param("expire", long), param("delta_ns", long)];
    let wait = b.func_proto(TypeId::VOID, &wait).unwrap();
    b.func("bpf_qdisc_watchdog_schedule", wait, Linkage::Static).unwrap();
    b.build().unwrap()
}

fn target() -> CoreTarget {
    let base = kernel();
    let module = module(&base);
    CoreTarget::new(base).with_named_module("sch_bpf", Arc::new(module))
}

fn program(target: &CoreTarget, ops: &str, name: &str, text: &str, sleepable: bool) -> Program {
    let plain: Vec<&str> = text.lines().map(|l| if l.starts_with("call @") { "call 7" } else { l }).collect();
    let mut insns = assemble(&plain.join("\n"), Syntax::Kernel).unwrap();
    for (insn, line) in insns.iter_mut().zip(text.lines()) {
        if let Some(func) = line.strip_prefix("call @") {
            let id = target.find_in_module(0, func, Kind::Func).unwrap();
            (insn.src, insn.imm, insn.off) = (2, id.0 as i32, 1);
        }
    }
    let id = target.find_in_module(0, ops, Kind::Struct).unwrap();
    let btf = target.modules().next().unwrap();
    let members = btf.ty(id).unwrap().composite().unwrap();
    let index = members.members().position(|m| m.name == name).unwrap() as u32;
    let mut p = Program {
        prog_type: Some(ProgType::StructOps),
        license: "GPL".into(),
        struct_ops: Some(StructOpsMember {
            type_name: ops.into(),
            member: name.into(),
            kernel: Some((id, index)),
        }),
        ..Program::from_insns("callback", insns)
    };
    p.flags.0 = if sleepable { 1 << 4 } else { 0 };
    p
}

/// Structure, member, text, and what is said of the program; nothing where it is accepted.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str, &str)] = &[
    ("Qdisc_ops", "enqueue", "r2 = *(u64 *)(r1 +16)\nr1 = *(u64 *)(r1 +0)\ncall @bpf_qdisc_skb_drop\nr0 = 1\nexit", ""),
    ("Qdisc_ops", "enqueue", "r0 = 1\nexit", "BPF_EXIT instruction in main prog would lead to reference leak"),
    ("Qdisc_ops", "enqueue", "r6 = r1\nr2 = *(u64 *)(r1 +16)\nr1 = *(u64 *)(r1 +0)\ncall @bpf_qdisc_skb_drop\nr1 = *(u64 *)(r6 +0)\nr0 = 1\nexit", "invalid bpf_context access off=0. Reference may already be released"),
    ("Qdisc_ops", "enqueue", "r2 = *(u64 *)(r1 +16)\nr1 = *(u64 *)(r1 +0)\n*(u64 *)(r1 +8) = 7\ncall @bpf_qdisc_skb_drop\nr0 = 1\nexit", ""),
    ("Qdisc_ops", "enqueue", "r2 = *(u64 *)(r1 +8)\n*(u32 *)(r2 +8) = 7\nr0 = *(u64 *)(r2 +0)\nexit", "access beyond the end of member flags (mend:4) in struct Qdisc with off 0 size 8"),
    ("Qdisc_ops", "enqueue", "r2 = *(u64 *)(r1 +8)\n*(u32 *)(r2 +0) = 7\nr0 = 0\nexit", "no write support to Qdisc at off 0"),
    ("Qdisc_ops", "enqueue", "r2 = *(u64 *)(r1 +8)\n*(u64 *)(r2 +8) = 7\nr0 = 0\nexit", "write access at off 8 with size 8 beyond the member of Qdisc ended at 12"),
    ("Qdisc_ops", "enqueue", "r2 = *(u64 *)(r1 +16)\n*(u64 *)(r2 +0) = 7\nr0 = 0\nexit", "only read is supported"),
    ("Qdisc_ops", "enqueue", "r2 = 0\nr3 = 0\ncall 12\nr0 = 0\nexit", "program with __ref argument cannot tail call"),
    ("Qdisc_ops", "dequeue", "r0 = 0\nexit", ""),
    ("Qdisc_ops", "dequeue", "r0 = 1\nexit", "At program exit the register R0 has smin=1 smax=1 should have been in [0, 0]"),
    ("Qdisc_ops", "dequeue", "r1 = *(u64 *)(r1 +0)\nr2 = 0\nr3 = 0\ncall @bpf_qdisc_watchdog_schedule\nr0 = 0\nexit", ""),
    ("Qdisc_ops", "dequeue", "r1 = 0\nr2 = 0\ncall @bpf_qdisc_skb_drop\nr0 = 0\nexit", "calling kernel function bpf_qdisc_skb_drop is not allowed"),
    ("sched_ext_ops", "dispatch", "r2 = *(u64 *)(r1 +8)\nr0 = *(u32 *)(r2 +0)\nexit", "R2 invalid mem access 'trusted_ptr_or_null_'"),
    ("sched_ext_ops", "dispatch", "r2 = *(u64 *)(r1 +8)\nif r2 == 0 goto +1\n*(u64 *)(r2 +8) = 7\nexit", ""),
    ("sched_ext_ops", "tick", "r2 = *(u64 *)(r1 +0)\n*(u32 *)(r2 +20) = 7\nexit", ""),
    ("sched_ext_ops", "tick", "r2 = *(u64 *)(r1 +0)\n*(u32 *)(r2 +0) = 7\nexit", ""),
];

/// What the verdict is if the record holds, which no kernel was asked.
fn likely(judgement: &Judgement) -> Verdict {
    assert_eq!(judgement.verdict, Verdict::Unknown(Feature::UnmeasuredCallbacks));
    match &judgement.detail {
        Some(Detail::Unmeasured { verdict, .. }) => (**verdict).clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn callbacks_of_modules_are_judged_by_their_records() {
    let (model, target) = (KernelModel::latest(), target());
    let kernel = Kernel::new(&model).with_types(Some(&target));
    for (n, (ops, name, text, said)) in CASES.iter().enumerate() {
        let (judgement, log) = verify_logged(&program(&target, ops, name, text, false), &kernel, 2);
        let found = likely(&judgement);
        let ours = match &found {
            Verdict::Accept => String::new(),
            Verdict::Reject(fault) => format!("{fault}"),
            Verdict::Unknown(feature) => panic!("{text}: {feature}"),
        };
        assert_eq!(ours, *said, "{text}\n{log}");
        // The last is refused without a word.
        let refused = !said.is_empty() || n + 1 == CASES.len();
        assert_eq!(found != Verdict::Accept, refused, "{text}");
    }
}

#[test]
fn callbacks_may_sleep_where_the_structure_says_so() {
    let (model, target) = (KernelModel::latest(), target());
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let judge = |name: &str| {
        verify_logged(&program(&target, "sched_ext_ops", name, "r0 = 0\nexit", true), &kernel, 0).0
    };
    assert_eq!(likely(&judge("init")), Verdict::Accept);
    assert_eq!(judge("tick").verdict, Verdict::Unknown(Feature::UnmeasuredCallbacks));
}

#[test]
fn a_structure_without_a_record_is_unknown_by_its_name() {
    let (model, target) = (KernelModel::latest(), target());
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let p = program(&target, "brand_new_ops", "tick", "r0 = 0\nexit", false);
    let judged = verify_logged(&p, &kernel, 0).0;
    assert_eq!(judged.verdict, Verdict::Unknown(Feature::Target));
    assert_eq!(judged.detail, Some(Detail::StructOps("brand_new_ops".into())));
}
