//! What must hold of all records, and of models made from them.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::*;

const V6_1: KernelVersion = KernelVersion::new(6, 1);
const V6_12: KernelVersion = KernelVersion::new(6, 12);
const V6_18: KernelVersion = KernelVersion::new(6, 18);

#[test]
fn helpers_are_numbered_without_gaps() {
    let ids: Vec<u32> = HELPERS.iter().map(|helper| helper.id).collect();
    assert_eq!(ids, (1..=211).collect::<Vec<u32>>());
    let names: BTreeSet<&str> = HELPERS.iter().map(|helper| helper.name).collect();
    assert_eq!(names.len(), HELPERS.len());
}

#[test]
fn signatures_make_sense() {
    for helper in HELPERS {
        for proto in helper.protos {
            let args = &proto.args;
            let arity = proto.arity();
            assert!(args[arity..].iter().all(|arg| !arg.is_used()), "{}: a gap", helper.name);
            for (index, arg) in args.iter().enumerate() {
                let place = (helper.name, index + 1);
                let after_memory = index > 0
                    && args[index - 1].kind == ArgKind::Mem
                    && !args[index - 1].flags.contains(ArgFlags::FIXED_SIZE);
                assert_eq!(arg.is_size(), after_memory, "{place:?}: memory and its size go together");
                assert_eq!(arg.size > 0, arg.flags.contains(ArgFlags::FIXED_SIZE), "{place:?}");
                let typed = !arg.btf.is_empty() || arg.flags.contains(ArgFlags::BTF_BY_ARG);
                assert_eq!(typed, arg.kind == ArgKind::BtfId, "{place:?}");
                let both = arg.flags.contains(ArgFlags::RDONLY | ArgFlags::WRITE);
                assert!(!both, "{place:?}: only read and written");
            }
            let released = args.iter().filter(|arg| arg.flags.contains(ArgFlags::RELEASE)).count();
            assert!(released <= 1, "{}", helper.name);
            let typed = !proto.ret.btf.is_empty() || proto.ret.flags.contains(RetFlags::BTF_BY_ARG);
            assert!(!typed || proto.ret.kind == RetKind::BtfId, "{}", helper.name);
            if proto.flags.contains(HelperFlags::ACQUIRE) {
                assert!(proto.ret.flags.contains(RetFlags::NULLABLE), "{}", helper.name);
            }
            if proto.flags.intersects(HelperFlags::SYNC_CALLBACK | HelperFlags::ASYNC_CALLBACK) {
                assert!(args.iter().any(|arg| arg.kind == ArgKind::Func), "{}", helper.name);
            }
        }
        for usage in helper.uses {
            assert!(usize::from(usage.proto) < helper.protos.len(), "{}", helper.name);
            assert!(usage.span.since >= helper.span.since, "{}: used before it was there", helper.name);
        }
        assert!(!helper.uses.is_empty(), "{}: nobody may call it", helper.name);
    }
}

#[test]
fn signatures_depend_on_who_asks() {
    let model = KernelModel::latest();
    let cookie = model.helper_id("bpf_get_socket_cookie").unwrap();
    let first = |prog_type: ProgType| {
        model.helper_for(&ProgKind::new(prog_type), cookie).map(|helper| helper.proto.args[0].kind)
    };
    assert_eq!(first(ProgType::SchedCls), Ok(ArgKind::Ctx));
    assert_eq!(first(ProgType::SkReuseport), Ok(ArgKind::BtfIdSockCommon));
    assert_eq!(first(ProgType::Xdp), Err(HelperRefusal::NotForThisProgram));
    let bind = |attach: AttachType| {
        let kind = ProgKind::new(ProgType::CgroupSockAddr).attached_to(attach);
        model.helper_for(&kind, 64).is_ok()
    };
    assert!(bind(AttachType::CgroupInet4Connect) && !bind(AttachType::CgroupInet4Bind));
    let stack = model.helper_id("get_task_stack").unwrap();
    for sleepable in [false, true] {
        let kind = ProgKind::new(ProgType::Tracing).attached_to(AttachType::TraceIter);
        let helper = model.helper_for(&kind.with_sleepable(sleepable), stack).unwrap();
        assert_eq!(helper.proto.flags.contains(HelperFlags::MIGHT_SLEEP), sleepable);
    }
}

#[test]
fn hooks_open_helpers() {
    let model = KernelModel::latest();
    let setsockopt = model.helper_id("setsockopt").unwrap();
    let kind = |target: &str| {
        ProgKind::new(ProgType::StructOps)
            .attached_to(AttachType::StructOps)
            .with_hook(model.hook_traits(target))
    };
    assert!(model.helper_for(&kind("tcp_congestion_ops.init"), setsockopt).is_ok());
    assert!(model.helper_for(&kind("tcp_congestion_ops.release"), setsockopt).is_err());
    assert!(model.helper_for(&kind("bpf_dummy_ops.test_1"), setsockopt).is_err());
    assert!(model.hook_traits("no_such_function").is_empty());
}

#[test]
fn versions_see_what_they_had() {
    let (old, new) = (KernelModel::at(V6_1).unwrap(), KernelModel::at(V6_18).unwrap());
    assert_eq!((old.helper_count(), new.helper_count()), (210, 212));
    assert!(old.helper_id("cgrp_storage_get").is_none() && new.helper_id("cgrp_storage_get").is_some());
    assert!(old.prog(ProgType::Netfilter).is_none() && new.prog(ProgType::Netfilter).is_some());
    assert!(old.map(MapType::Arena).is_none() && new.map(MapType::Arena).is_some());
    assert!(old.attach(AttachType::TcxIngress).is_none() && new.attach(AttachType::TcxIngress).is_some());
    assert!(old.does(Behaviours::LOG_LIVENESS) && !new.does(Behaviours::LOG_LIVENESS));
    assert!(
        KernelModel::measured(V6_12).is_some() && KernelModel::measured(KernelVersion::new(6, 6)).is_none()
    );
    assert_eq!(KernelModel::at(KernelVersion::new(6, 6)).unwrap().known(), Known::Source);
    assert_eq!(KernelModel::latest().version(), V6_18);
    let versions: Vec<KernelVersion> = KernelModel::kernels().iter().map(|kernel| kernel.version).collect();
    assert!(versions.is_sorted() && versions.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn every_limit_has_a_value() {
    let limits = *KernelModel::latest().limits();
    for name in Limits::NAMES {
        assert!(limits.get(name).is_some_and(|value| value > 0), "{name}");
    }
    assert_eq!((limits.processed_insns, limits.pending_branches), (1_000_000, 8192));
}

#[test]
fn every_type_has_a_record_and_a_context() {
    let model = KernelModel::latest();
    for prog_type in ProgType::ALL {
        let record = model.prog(*prog_type).unwrap_or_else(|| panic!("{prog_type}"));
        assert!(CONTEXTS.iter().any(|context| context.name == record.context), "{prog_type}");
        for attach in AttachType::ALL.iter().filter(|attach| record.attach.has(**attach)) {
            let kind = ProgKind::new(*prog_type).attached_to(*attach);
            assert_ne!(model.ctx_access(&kind, 0, 4, false), Err(CtxRefusal::NoContext), "{kind:?}");
        }
    }
    for map_type in MapType::ALL {
        assert!(model.map(*map_type).is_some(), "{map_type}");
    }
    assert!(AttachType::ALL.iter().all(|attach| model.attach(*attach).is_some()));
}

#[test]
fn context_rules_lie_inside_their_structure() {
    for table in super::generated::contexts::TABLES {
        let context = CONTEXTS[usize::from(table.context)];
        assert!(table.rules.is_sorted_by_key(|rule| rule.start), "{}", context.name);
        for rule in table.rules.iter().filter(|rule| rule.end > 0) {
            assert!(
                rule.start < rule.end && rule.end as u32 <= context.size,
                "{}.{}",
                context.name,
                rule.field
            );
        }
    }
}

#[test]
fn context_accesses_are_aligned_and_inside() {
    let model = KernelModel::latest();
    let xdp = ProgKind::new(ProgType::Xdp);
    let data = model.ctx_access(&xdp, 0, 4, false).unwrap();
    assert_eq!((data.reg, data.field), (CtxReg::Packet, "data"));
    for (offset, size, write) in [
        (0, 8, false),
        (0, 4, true),
        (1, 4, false),
        (2, 2, false),
        (20, 4, false),
        (24, 4, false),
        (-4, 4, false),
    ] {
        assert_eq!(model.ctx_access(&xdp, offset, size, write), Err(CtxRefusal::Invalid), "{offset}:{size}");
    }
    assert!(model.ctx_access(&xdp.attached_to(AttachType::XdpDevmap), 20, 4, false).is_ok());
    for size in [0, 3, 5, 16, u32::MAX] {
        assert_eq!(model.ctx_access(&xdp, 0, size, false), Err(CtxRefusal::Invalid));
    }
    for offset in [i32::MIN, i32::MIN + 4, i32::MAX, i32::MAX - 7] {
        for prog_type in ProgType::ALL {
            assert!(model.ctx_access(&ProgKind::new(*prog_type), offset, 8, false).is_err());
        }
    }
}

#[test]
fn return_rules_follow_type_and_attach_type() {
    let model = KernelModel::latest();
    let rule = |prog_type: ProgType, attach: AttachType| {
        model.return_rule(&ProgKind::new(prog_type).attached_to(attach))
    };
    use AttachType as A;
    let cases = [
        (ProgType::Xdp, A::Xdp, RetRule::Any),
        (ProgType::CgroupSkb, A::CgroupInetIngress, RetRule::Within(0, 1)),
        (ProgType::CgroupSkb, A::CgroupInetEgress, RetRule::Within(0, 3)),
        (ProgType::CgroupSockAddr, A::CgroupInet4Bind, RetRule::Within(0, 3)),
        (ProgType::CgroupSockAddr, A::CgroupUnixGetpeername, RetRule::Within(1, 1)),
        (ProgType::CgroupSockAddr, A::CgroupInet6Connect, RetRule::Within(0, 1)),
        (ProgType::Tracing, A::TraceFentry, RetRule::Within(0, 0)),
        (ProgType::Tracing, A::ModifyReturn, RetRule::Any),
        (ProgType::Kprobe, A::TraceKprobeSession, RetRule::Within(0, 1)),
        (ProgType::Lsm, A::LsmMac, RetRule::Within(-4095, 0)),
        (ProgType::StructOps, A::StructOps, RetRule::ByTarget),
    ];
    for (prog_type, attach, expected) in cases {
        assert_eq!(rule(prog_type, attach), expected, "{prog_type} {attach}");
    }
    let void = ProgKind::new(ProgType::Lsm).attached_to(A::LsmMac).with_hook(HookTraits::VOID);
    assert_eq!(model.return_rule(&void), RetRule::Ignored);
}

#[test]
fn maps_and_helpers_agree_both_ways() {
    let model = KernelModel::latest();
    let xdp = ProgKind::new(ProgType::Xdp);
    let allows = |map_type: MapType, kind: &ProgKind, helper: &str| {
        model.map_allows(map_type, kind, model.helper_id(helper).unwrap())
    };
    let cases = [
        (MapType::Hash, "map_lookup_elem", true),
        (MapType::Hash, "redirect_map", false),
        (MapType::Hash, "map_push_elem", false),
        (MapType::Hash, "map_lookup_percpu_elem", false),
        (MapType::PercpuHash, "map_lookup_percpu_elem", true),
        (MapType::Devmap, "redirect_map", true),
        (MapType::Devmap, "map_lookup_elem", true),
        (MapType::Devmap, "map_update_elem", false),
        (MapType::ProgArray, "tail_call", true),
        (MapType::ProgArray, "map_lookup_elem", false),
        (MapType::BloomFilter, "map_pop_elem", false),
        (MapType::TaskStorage, "kptr_xchg", true),
        (MapType::Sockmap, "map_update_elem", true),
    ];
    for (map_type, helper, expected) in cases {
        assert_eq!(allows(map_type, &xdp, helper), expected, "{map_type} {helper}");
    }
    let sock_ops = ProgKind::new(ProgType::SockOps);
    assert!(allows(MapType::Sockmap, &sock_ops, "map_delete_elem"));
    assert!(!allows(MapType::Sockmap, &sock_ops, "map_update_elem"));
    let sleepable = ProgKind::new(ProgType::Syscall).with_sleepable(true);
    assert!(model.map_usable(MapType::Hash, &sleepable));
    assert!(!model.map_usable(MapType::Devmap, &sleepable) && model.map_usable(MapType::Devmap, &xdp));
    assert!(!model.map_usable(MapType::StructOps, &xdp));
}

#[test]
fn sections_are_found_by_the_first_rule_that_fits() {
    type Found<'a> = Option<(ProgType, AttachType, Option<&'a str>)>;
    let cases: &[(&str, Found<'_>)] = &[
        ("xdp", Some((ProgType::Xdp, AttachType::Xdp, None))),
        ("xdp/devmap", Some((ProgType::Xdp, AttachType::XdpDevmap, None))),
        ("xdp/other", None),
        ("xdp.frags/cpumap", Some((ProgType::Xdp, AttachType::XdpCpumap, None))),
        ("kprobe", Some((ProgType::Kprobe, AttachType::CgroupInetIngress, None))),
        ("kprobe/a/b", Some((ProgType::Kprobe, AttachType::CgroupInetIngress, Some("a/b")))),
        ("kprobex", None),
        ("kprobe.multi/x*", Some((ProgType::Kprobe, AttachType::TraceKprobeMulti, Some("x*")))),
        ("lsm.s/file_open", Some((ProgType::Lsm, AttachType::LsmMac, Some("file_open")))),
        ("struct_ops.s/f", Some((ProgType::StructOps, AttachType::CgroupInetIngress, Some("f")))),
        ("", None),
        ("cgroup/connect4", Some((ProgType::CgroupSockAddr, AttachType::CgroupInet4Connect, None))),
    ];
    for (name, expected) in cases {
        let found = sections::lookup(name);
        assert_eq!(found.map(|m| (m.def.prog_type, m.def.attach_type, m.target)), *expected, "{name:?}");
    }
}

#[test]
fn kfuncs_have_the_flags_of_their_version() {
    let xdp = ProgKind::new(ProgType::Xdp);
    let flags = |version: KernelVersion, name: &str| {
        KernelModel::at(version).unwrap().kfunc_for(&xdp, name).map(|kfunc| kfunc.flags)
    };
    assert_eq!(flags(V6_12, "bpf_rdonly_cast"), Ok(KfuncFlags::NONE));
    assert_eq!(flags(V6_18, "bpf_rdonly_cast"), Ok(KfuncFlags::FASTCALL));
    assert_eq!(flags(V6_1, "bpf_rdonly_cast"), Err(KfuncRefusal::NotInThisKernel));
    assert_eq!(flags(V6_18, "bpf_iter_num_next"), Ok(KfuncFlags::ITER_NEXT | KfuncFlags::RET_NULL));
    assert_eq!(flags(V6_18, "bpf_copy_from_user_str"), Err(KfuncRefusal::NeedsSleepable));
    assert_eq!(flags(V6_18, "bpf_sock_destroy"), Err(KfuncRefusal::NotForThisProgram));
    assert_eq!(flags(V6_18, "bpf_nonesuch"), Err(KfuncRefusal::Unknown));
}

#[test]
fn settings_take_helpers_away() {
    let kprobe = ProgKind::new(ProgType::Kprobe);
    let with = |settings: Settings| KernelModel::builder(None, settings).unwrap().build();
    let model = with(Settings::NONE);
    let write = model.helper_id("probe_write_user").unwrap();
    let inject = model.helper_id("override_return").unwrap();
    assert_eq!(model.helper_for(&kprobe, write).unwrap().need, Privilege::SysAdmin);
    assert!(model.helper_for(&kprobe, inject).is_err());
    assert!(with(Settings::LOCKDOWN_INTEGRITY).helper_for(&kprobe, write).is_err());
    assert!(with(Settings::KPROBE_OVERRIDE).helper_for(&kprobe, inject).is_ok());
}

fn greeting() -> HelperProto {
    HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE)
}

fn word(start: i32) -> CtxRule {
    CtxRule {
        field: "word",
        start,
        end: start + 4,
        read: Widths::B4,
        write: Widths::NONE,
        reg: CtxReg::Scalar,
        need: Privilege::None,
        span: Span::ALWAYS,
    }
}

#[test]
fn embedders_add_program_types() {
    let mut builder = KernelModel::builder(None, Settings::NONE).unwrap();
    let alone = ProgTypeSpec::new("alone")
        .context([word(4), word(0)])
        .helper(500, "greet", greeting())
        .returns(RetRule::Within(0, 7));
    let alone = builder.prog_type(alone).unwrap();
    let filter = ProgTypeSpec::new("like_a_filter").like(ProgKind::new(ProgType::SocketFilter)).helper(
        1,
        "my_lookup",
        greeting(),
    );
    let filter = builder.prog_type(filter).unwrap();
    let model = builder.build();

    let alone_kind = ProgKind::new(alone);
    assert_eq!(model.helper_for(&alone_kind, 500).unwrap().name, "greet");
    assert_eq!(model.helper_for(&alone_kind, 1).map(|h| h.name), Err(HelperRefusal::NotForThisProgram));
    assert!(
        model.ctx_access(&alone_kind, 0, 4, false).is_ok()
            && model.ctx_access(&alone_kind, 4, 4, false).is_ok()
    );
    assert_eq!(model.ctx_access(&alone_kind, 4, 4, true), Err(CtxRefusal::Invalid));
    assert_eq!(model.return_rule(&alone_kind), RetRule::Within(0, 7));
    assert_eq!(model.prog_name(alone), Some("alone"));
    assert_eq!(model.helper_name(500), Some("greet"));

    let filter_kind = ProgKind::new(filter);
    assert_eq!(model.helper_for(&filter_kind, 1).unwrap().name, "my_lookup");
    assert_eq!(model.helper_for(&filter_kind, 5).unwrap().name, "ktime_get_ns");
    assert!(model.ctx_access(&filter_kind, 48, 4, true).is_ok());
    let kernel = ProgKind::new(ProgType::SocketFilter);
    assert_eq!(model.helper_for(&kernel, 1).unwrap().name, "map_lookup_elem");
    assert_eq!(model.helper_for(&kernel, 500).map(|h| h.name), Err(HelperRefusal::UnknownId));
}

#[test]
fn contradictions_are_refused() {
    let mut builder = KernelModel::builder(Some(V6_12), Settings::NONE).unwrap();
    let taken = builder.prog_type(ProgTypeSpec::new("xdp"));
    assert_eq!(taken, Err(BuildError::NameTaken));
    let id = builder.prog_type(ProgTypeSpec::new("mine")).unwrap();
    assert_eq!(builder.prog_type(ProgTypeSpec::new("mine")), Err(BuildError::NameTaken));
    let twice = ProgTypeSpec::new("a").helper(7, "x", greeting()).helper(7, "y", greeting());
    assert_eq!(builder.prog_type(twice), Err(BuildError::HelperTwice(7)));
    let empty = ProgTypeSpec::new("b").context([CtxRule { end: 0, ..word(0) }]);
    assert_eq!(builder.prog_type(empty), Err(BuildError::EmptyRule("word")));
    let like = ProgTypeSpec::new("c").like(ProgKind::new(id));
    assert_eq!(builder.prog_type(like), Err(BuildError::LikeCustom));
    assert!(KernelModel::builder(Some(KernelVersion::new(99, 0)), Settings::NONE).is_none());
}
