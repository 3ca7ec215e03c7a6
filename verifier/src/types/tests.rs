//! A kernel of a few types, and what programs may do with its objects.

use super::walk::{Found, access, matches};
use crate::{Feature, Kernel, Verdict, verify_logged};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use oxbpf_isa::asm::{Syntax, assemble};
use oxbpf_isa::btf::core::CoreTarget;
use oxbpf_isa::btf::{Btf, BtfBuilder, IntEncoding, Linkage, Member, Param, TypeId};
use oxbpf_isa::insn::ByteOrder;
use oxbpf_isa::kernel::{AttachType, KernelModel, ProgType};
use oxbpf_isa::program::{FuncInfo, Program};

fn member(name: &'static str, ty: TypeId, byte: u32) -> Member<'static> {
    Member { name, ty, bit_offset: 8 * byte, bit_size: 0 }
}

/// `struct node { int key; struct node *next; }`, and
/// `struct task { int pid; struct node nodes[2]; struct task __rcu *parent; void *stack;`
/// `int flags:3; union { struct node *a; long b; }; struct node *user; struct node more[]; }`.
fn types() -> CoreTarget {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, IntEncoding(1)).unwrap();
    let long = b.int("long", 8, IntEncoding(1)).unwrap();
    // Types may name later ones: the pointer to a node comes first, to itself three types on.
    let node = TypeId(b.next_id().0 + 1);
    let to_node = b.ptr(node).unwrap();
    assert_eq!(b.structure("node", 16, &[member("key", int, 0), member("next", to_node, 8)]).unwrap(), node);
    let task = TypeId(b.next_id().0 + 8);
    let tagged = b.type_tag("rcu", task, false).unwrap();
    let parent = b.ptr(tagged).unwrap();
    let two = b.array(node, int, 2).unwrap();
    let many = b.array(node, int, 0).unwrap();
    let bytes = b.ptr(TypeId::VOID).unwrap();
    let either = b.union("", 8, &[member("a", to_node, 0), member("b", long, 0)]).unwrap();
    let user = b.type_tag("user", node, false).unwrap();
    let to_user = b.ptr(user).unwrap();
    let members = [
        member("pid", int, 0),
        member("nodes", two, 8),
        member("parent", parent, 40),
        member("stack", bytes, 48),
        Member { bit_size: 3, ..member("flags", int, 56) },
        member("", either, 64),
        member("user", to_user, 72),
        member("more", many, 80),
    ];
    assert_eq!(b.structure("task", 80, &members).unwrap(), task);
    let to_task = b.ptr(task).unwrap();
    b.structure("task__safe_trusted", 8, &[member("parent", parent, 0)]).unwrap();
    let param = |name: &'static str, ty| Param { name, ty };
    let proto = b.func_proto(int, &[param("t", to_task), param("n", int)]).unwrap();
    for name in ["do_work", "do_exit", "security_work", "bpf_lsm_task_work", "bpf_lsm_internal"] {
        b.func(name, proto, Linkage::Static).unwrap();
    }
    b.union("security_list_options", 8, &[member("task_work", to_task, 0)]).unwrap();
    let event =
        b.func_proto(TypeId::VOID, &[param("", bytes), param("", to_task), param("", to_task)]).unwrap();
    let pointer = b.ptr(event).unwrap();
    b.typedef("btf_trace_sched_pi_setprio", pointer).unwrap();
    let named = [param("__data", bytes), param("t", to_task), param("p__nullable", to_task)];
    let named = b.func_proto(TypeId::VOID, &named).unwrap();
    b.typedef("btf_trace_work", pointer).unwrap();
    b.func("__bpf_trace_work", named, Linkage::Static).unwrap();
    CoreTarget::new(Arc::new(b.build().unwrap()))
}

fn find(btf: &Btf, name: &str) -> TypeId {
    btf.find_own(name).next().unwrap()
}

#[test]
fn structures_are_walked_to_what_stands_there() {
    let target = types();
    let btf = target.vmlinux();
    let (task, node) = (find(btf, "task"), find(btf, "node"));
    let look = |off, size| match access(btf, task, off, size, true) {
        Ok(Found::Scalar) => "scalar".to_string(),
        Ok(Found::Memory) => "memory".to_string(),
        Ok(Found::Pointer { id, mods, field }) => {
            format!("{field} {} {:#x}", btf.ty(id).unwrap().name(), mods.0)
        }
        Err(finding) => finding.to_string(),
    };
    let cases = [
        (0, 4, "scalar"),
        (0, 8, "access beyond the end of member pid (mend:4) in struct task with off 0 size 8"),
        (4, 4, "struct task doesn't have field at offset 4"),
        (8, 4, "scalar"),
        (16, 8, "next node 0x0"),
        (24, 4, "scalar"),
        (32, 8, "next node 0x0"),
        (34, 4, "cannot access ptr member next with moff 8 in struct node with off 10 size 4"),
        (40, 8, "parent task 0x40"),
        (48, 8, "memory"),
        (56, 1, "scalar"),
        (64, 8, "a node 0x10"),
        (72, 8, "user node 0x80"),
        (76, 8, "access beyond struct task at off 76 size 8"),
        (80, 4, "scalar"),
        (80 + 16 * 5 + 8, 8, "next node 0x0"),
    ];
    for (off, size, expected) in cases {
        assert_eq!(look(off, size), expected, "{size} bytes at {off}");
    }
    // Without the array at the end, the structure is as long as it says.
    let beyond = access(btf, task, 80, 4, false).unwrap_err().to_string();
    assert_eq!(beyond, "access beyond struct task at off 80 size 4");
    let is_node = |off, strict| matches((btf, task, off), (btf, node), (strict, true), |_| {});
    assert!(is_node(8, false) && is_node(24, false) && !is_node(0, false) && !is_node(8, true));
    assert!(matches((btf, node, 0), (btf, node), (true, true), |_| {}));
}

struct Case {
    attach: AttachType,
    prog_type: ProgType,
    target: &'static str,
    text: &'static str,
    /// The end of the log before its last line, or what the log holds where it is accepted.
    said: &'static str,
    accepted: bool,
}

const fn case(attach: AttachType, target: &'static str, text: &'static str, said: &'static str) -> Case {
    Case { attach, prog_type: ProgType::Tracing, target, text, said, accepted: true }
}

impl Case {
    const fn refused(mut self) -> Case {
        self.accepted = false;
        self
    }

    const fn of(mut self, prog_type: ProgType) -> Case {
        self.prog_type = prog_type;
        self
    }
}

const CASES: &[Case] = &[
    case(AttachType::TraceFentry, "do_work", "r2 = *(u64 *)(r1 +0)\nr0 = 0\nexit", "R2=ptr_task()"),
    case(AttachType::TraceFentry, "do_work", "r2 = *(u64 *)(r1 +8)\nr0 = 0\nexit", "R2=scalar()"),
    case(
        AttachType::TraceFentry,
        "do_work",
        "r2 = *(u64 *)(r1 +16)\nr0 = 0\nexit",
        "func 'do_work' doesn't have 3-th argument\ninvalid bpf_context access off=16 size=8",
    )
    .refused(),
    case(AttachType::TraceFexit, "do_work", "r2 = *(u64 *)(r1 +16)\nr0 = 0\nexit", "R2=scalar()"),
    case(
        AttachType::TraceFexit,
        "do_exit",
        "r0 = 0\nexit",
        "Attaching fexit/fmod_ret to __noreturn function 'do_exit' is rejected.",
    )
    .refused(),
    case(AttachType::TraceFentry, "do_work", "r0 = 1\nexit", "should have been in [0, 0]").refused(),
    case(AttachType::ModifyReturn, "security_work", "r0 = 1\nexit", "R0=1"),
    case(AttachType::ModifyReturn, "do_work", "r0 = 1\nexit", "do_work() is not modifiable").refused(),
    case(
        AttachType::TraceRawTp,
        "work",
        "r2 = *(u64 *)(r1 +0)\nr3 = *(u64 *)(r2 +40)\nr0 = 0\nexit",
        "R3=rcu_trusted_ptr_task()",
    ),
    case(
        AttachType::TraceRawTp,
        "work",
        "r2 = *(u64 *)(r1 +8)\nr0 = 0\nexit",
        "trusted_ptr_or_null_task(id=1)",
    ),
    // This event has an argument that may be null by record, of whatever type.
    case(
        AttachType::TraceRawTp,
        "sched_pi_setprio",
        "r2 = *(u64 *)(r1 +8)\nr3 = *(u32 *)(r2 +0)\nr0 = 0\nexit",
        "R2 invalid mem access 'trusted_ptr_or_null_'",
    )
    .refused(),
    case(
        AttachType::TraceRawTp,
        "work",
        "r2 = *(u64 *)(r1 +0)\n*(u32 *)(r2 +0) = 1\nr0 = 0\nexit",
        "only read is supported",
    )
    .refused(),
    case(
        AttachType::TraceRawTp,
        "work",
        "r2 = *(u64 *)(r1 +0)\nr2 = *(u64 *)(r2 +72)\nr3 = *(u64 *)(r2 +8)\nr0 = 0\nexit",
        "R2 is ptr_node access user memory: off=8",
    )
    .refused(),
    case(
        AttachType::TraceRawTp,
        "work",
        "r2 = *(u64 *)(r1 +0)\nr2 = *(u64 *)(r2 +48)\nr3 = *(u64 *)(r2 +800)\nr0 = 0\nexit",
        "R2=rdonly_untrusted_mem(sz=0)",
    ),
    case(AttachType::LsmMac, "task_work", "r2 = *(u64 *)(r1 +0)\nr0 = 0\nexit", "R2=trusted_ptr_task()")
        .of(ProgType::Lsm),
    case(AttachType::LsmMac, "task_work", "r0 = 1\nexit", "should have been in [-4095, 0]")
        .of(ProgType::Lsm)
        .refused(),
    case(AttachType::LsmMac, "internal", "r0 = 0\nexit", "points to wrong type name bpf_lsm_internal")
        .of(ProgType::Lsm)
        .refused(),
    case(
        AttachType::TraceFentry,
        "do_wrok",
        "r0 = 0\nexit",
        "this kernel has no function do_wrok; near it: do_work",
    )
    .refused(),
];

fn typed(case: &Case) -> Program {
    let insns = assemble(case.text, Syntax::Kernel).unwrap();
    Program {
        prog_type: Some(case.prog_type),
        expected_attach_type: Some(case.attach),
        attach_target: Some(case.target.into()),
        license: "GPL".into(),
        ..Program::from_insns("typed", insns)
    }
}

#[test]
fn programs_are_judged_by_what_they_attach_to() {
    let (target, model) = (types(), KernelModel::latest());
    let kernel = Kernel::new(&model).with_types(Some(&target));
    for case in CASES {
        let (judgement, log) = verify_logged(&typed(case), &kernel, 2);
        let place = format!("{:?} {}: {:?}\n{log}", case.attach, case.target, judgement.verdict);
        assert_eq!(judgement.verdict == Verdict::Accept, case.accepted, "{place}");
        assert!(!matches!(judgement.verdict, Verdict::Unknown(_)), "{place}");
        assert!(log.contains(case.said), "{place}");
        let without = verify_logged(&typed(case), &Kernel::new(&model), 0).0;
        assert_eq!(without.verdict, Verdict::Unknown(Feature::KernelTypes), "{place}");
    }
}

/// A program with a global function of this many numbers besides the context.
fn with_function(name: &str, text: &str, numbers: usize, prog_type: ProgType) -> Program {
    let mut b = BtfBuilder::new(ByteOrder::Little);
    let int = b.int("int", 4, IntEncoding(1)).unwrap();
    let md = b.structure("xdp_md", 4, &[member("data", int, 0)]).unwrap();
    let to_md = b.ptr(md).unwrap();
    let mut params: Vec<Param<'_>> = Vec::from([Param { name: "ctx", ty: to_md }]);
    params.extend((0..numbers).map(|_| Param { name: "n", ty: int }));
    let proto = b.func_proto(int, &params).unwrap();
    let func = b.func(name, proto, Linkage::Global).unwrap();
    Program {
        prog_type: Some(prog_type),
        license: "GPL".into(),
        btf: Some(Arc::new(b.build().unwrap())),
        funcs: Vec::from([FuncInfo { insn: 0, type_id: func }]),
        attach_target: Some(String::from("main")),
        ..Program::from_insns(name, assemble(text, Syntax::Kernel).unwrap())
    }
}

#[test]
fn a_program_takes_the_place_of_a_function_of_its_form() {
    let (target, model) = (types(), KernelModel::latest());
    let main = with_function("main", "r0 = 2\nexit", 0, ProgType::Xdp);
    let kernel = Kernel::new(&model).with_types(Some(&target));
    let judge = |program: &Program, of: &Program| {
        let (judgement, log) = verify_logged(program, &kernel.with_target(Some(of)), 2);
        (judgement.verdict, log)
    };
    let same = with_function("mine", "r0 = *(u32 *)(r1 +0)\nr0 = 1\nexit", 0, ProgType::Ext);
    let (verdict, log) = judge(&same, &main);
    assert_eq!(verdict, Verdict::Accept, "{log}");
    let more = with_function("mine", "r0 = 1\nexit", 1, ProgType::Ext);
    let (verdict, log) = judge(&more, &main);
    assert!(
        matches!(verdict, Verdict::Reject(_)) && log.contains("mine() has 2 args while main() has 1 args")
    );
    // A packet that moves is a surprise to the callers of what was there.
    let moves = with_function("mine", "r2 = 8\ncall 44\nr0 = 1\nexit", 0, ProgType::Ext);
    let (verdict, log) = judge(&moves, &main);
    assert!(matches!(verdict, Verdict::Reject(_)), "{log}");
    assert!(log.contains("Extension program changes packet data, while original does not"), "{log}");
    let (verdict, log) = judge(&same, &same);
    assert!(matches!(verdict, Verdict::Reject(_)), "{log}");
    let unknown = verify_logged(&same, &kernel, 0).0.verdict;
    assert_eq!(unknown, Verdict::Unknown(Feature::Target));
}
