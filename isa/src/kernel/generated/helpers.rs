//! Rendered from `isa/facts/helpers.toml`. Do not edit.

use crate::kernel::{Arg, ArgFlags, ArgKind, HelperFlags, HelperProto, HelperRecord, HelperUse, HookTraits, KernelVersion, Known, Privilege, Ret, RetBounds, RetFlags, RetKind, Selector, Settings, Sleep, Span};

pub(crate) const HELPERS: &[HelperRecord] = &[
    HelperRecord {
        id: 1, name: "map_lookup_elem", span: Span::since(KernelVersion::new(3, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(3, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 2, name: "map_update_elem", span: Span::since(KernelVersion::new(3, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey), Arg::new(ArgKind::MapValue), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(3, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 3, name: "map_delete_elem", span: Span::since(KernelVersion::new(3, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(3, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 4, name: "probe_read", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 5, name: "ktime_get_ns", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 6, name: "trace_printk", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
            HelperUse { who: Selector::new(0x14afdff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(4, 1), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 7, name: "get_prandom_u32", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 8, name: "get_smp_processor_id", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer).bounded(RetBounds::Cpu), HelperFlags::NONE),
            HelperProto::new(&[], Ret::new(RetKind::Integer).bounded(RetBounds::Cpu), HelperFlags::from_bits(0x10)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x14ae5e302, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
            HelperUse { who: Selector::new(0xa50a1cfc, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 9, name: "skb_store_bytes", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x5018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 10, name: "l3_csum_replace", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 11, name: "l4_csum_replace", span: Span::since(KernelVersion::new(4, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 12, name: "tail_call", span: Span::since(KernelVersion::new(4, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Void), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 13, name: "clone_redirect", span: Span::since(KernelVersion::new(4, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 14, name: "get_current_pid_tgid", span: Span::since(KernelVersion::new(4, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1a78782a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x48687d5a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 15, name: "get_current_uid_gid", span: Span::since(KernelVersion::new(4, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa78782a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x148687d5a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 16, name: "get_current_comm", span: Span::since(KernelVersion::new(4, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x82848200, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(4, 2), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 17, name: "get_cgroup_classid", span: Span::since(KernelVersion::new(4, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2858200, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 3)), proto: 0 },
            HelperUse { who: Selector::new(0x1ed6261e6, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x81c18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 3)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 18, name: "skb_vlan_push", span: Span::since(KernelVersion::new(4, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 3)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 19, name: "skb_vlan_pop", span: Span::since(KernelVersion::new(4, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 3)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 20, name: "skb_get_tunnel_key", span: Span::since(KernelVersion::new(4, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 3)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 21, name: "skb_set_tunnel_key", span: Span::since(KernelVersion::new(4, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 3)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 22, name: "perf_event_read", span: Span::since(KernelVersion::new(4, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 3)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(4, 3), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 23, name: "redirect", span: Span::since(KernelVersion::new(4, 4)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1058, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 4)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 24, name: "get_route_realm", span: Span::since(KernelVersion::new(4, 4)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x81c18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 4)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 25, name: "perf_event_output", span: Span::since(KernelVersion::new(4, 4)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xe78ffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 4)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 26, name: "skb_load_bytes", span: Span::since(KernelVersion::new(4, 5)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x685d1a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 5)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 27, name: "get_stackid", span: Span::since(KernelVersion::new(4, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa5020024, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 6)), proto: 0 },
            HelperUse { who: Selector::new(0x80, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 6)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 28, name: "csum_diff", span: Span::since(KernelVersion::new(4, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x3)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x3)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x81c58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 6)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 29, name: "skb_get_tunnel_opt", span: Span::since(KernelVersion::new(4, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 6)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 30, name: "skb_set_tunnel_opt", span: Span::since(KernelVersion::new(4, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 6)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 31, name: "skb_change_proto", span: Span::since(KernelVersion::new(4, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 32, name: "skb_change_type", span: Span::since(KernelVersion::new(4, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 33, name: "skb_under_cgroup", span: Span::since(KernelVersion::new(4, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x81c18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 34, name: "get_hash_recalc", span: Span::since(KernelVersion::new(4, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x81c18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 35, name: "get_current_task", span: Span::since(KernelVersion::new(4, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 8)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 8)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(4, 8), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 36, name: "probe_write_user", span: Span::since(KernelVersion::new(4, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::SysAdmin, config: Settings::NONE, unless: Settings::from_bits(0x1), span: Span::since(KernelVersion::new(4, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 37, name: "current_task_under_cgroup", span: Span::since(KernelVersion::new(4, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x148697d5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x2848200, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 12)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 38, name: "skb_change_tail", span: Span::since(KernelVersion::new(4, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x5018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 39, name: "skb_pull_data", span: Span::since(KernelVersion::new(4, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x5c18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x80000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 40, name: "csum_update", span: Span::since(KernelVersion::new(4, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 41, name: "set_hash_invalid", span: Span::since(KernelVersion::new(4, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 42, name: "get_numa_node_id", span: Span::since(KernelVersion::new(4, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 43, name: "skb_change_head", span: Span::since(KernelVersion::new(4, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x5018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 44, name: "xdp_adjust_head", span: Span::since(KernelVersion::new(4, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 45, name: "probe_read_str", span: Span::since(KernelVersion::new(4, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(4, 11)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 46, name: "get_socket_cookie", span: Span::since(KernelVersion::new(4, 12)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon).with(ArgFlags::from_bits(0x1))], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4631a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 12)), proto: 0 },
            HelperUse { who: Selector::new(0xa4200000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 12)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 47, name: "get_socket_uid", span: Span::since(KernelVersion::new(4, 12)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x411a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 12)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 48, name: "set_hash", span: Span::since(KernelVersion::new(4, 13)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 49, name: "setsockopt", span: Span::since(KernelVersion::new(4, 13)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 0 },
            HelperUse { who: Selector::new(0x40000, 0xffcfffffffffffff), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 0 },
            HelperUse { who: Selector::new(0x40000, 0x30000000000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x2000000, 0x400000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 1 },
            HelperUse { who: Selector::new(0x20000000, 0x80000000000).hooked(HookTraits::from_bits(0xc0), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 1 },
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x100), HookTraits::from_bits(0x200)), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 1 },
            HelperUse { who: Selector::new(0x4000000, 0x10000000).hooked(HookTraits::from_bits(0x800), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 50, name: "skb_adjust_room", span: Span::since(KernelVersion::new(4, 13)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 13)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 51, name: "redirect_map", span: Span::since(KernelVersion::new(4, 14)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 14)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 52, name: "sk_redirect_map", span: Span::since(KernelVersion::new(4, 14)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 14)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 53, name: "sock_map_update", span: Span::since(KernelVersion::new(4, 14)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 14)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 54, name: "xdp_adjust_meta", span: Span::since(KernelVersion::new(4, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 55, name: "perf_event_read_value", span: Span::since(KernelVersion::new(4, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(4, 15), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 56, name: "perf_prog_read_value", span: Span::since(KernelVersion::new(4, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 57, name: "getsockopt", span: Span::since(KernelVersion::new(4, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x40000, 0xffcfffffffffffff), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x40000, 0x30000000000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x2000000, 0x400000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 1 },
            HelperUse { who: Selector::new(0x20000000, 0x80000000000).hooked(HookTraits::from_bits(0xc0), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 1 },
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x100), HookTraits::from_bits(0x200)), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 1 },
            HelperUse { who: Selector::new(0x4000000, 0x10000000).hooked(HookTraits::from_bits(0x800), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 15)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 58, name: "override_return", span: Span::since(KernelVersion::new(4, 16)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4, u64::MAX), need: Privilege::None, config: Settings::from_bits(0x4), unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 59, name: "sock_ops_cb_flags_set", span: Span::since(KernelVersion::new(4, 16)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 60, name: "msg_redirect_map", span: Span::since(KernelVersion::new(4, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 61, name: "msg_apply_bytes", span: Span::since(KernelVersion::new(4, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 62, name: "msg_cork_bytes", span: Span::since(KernelVersion::new(4, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 63, name: "msg_pull_data", span: Span::since(KernelVersion::new(4, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 64, name: "bind", span: Span::since(KernelVersion::new(4, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40000, 0xc00), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 65, name: "xdp_adjust_tail", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 66, name: "skb_get_xfrm_state", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 67, name: "get_stack", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x1)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x3)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x1)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa0, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x4, u64::MAX).sleeping(Sleep::Never), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x4, u64::MAX).sleeping(Sleep::Only), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 1 },
            HelperUse { who: Selector::new(0xa5020000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(4, 18), until: Some(KernelVersion::new(6, 18)) }, proto: 2 },
            HelperUse { who: Selector::new(0xa5020000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 3 },
        ],
    },
    HelperRecord {
        id: 68, name: "skb_load_bytes_relative", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20011a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 69, name: "fib_lookup", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x8)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(4, 18), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 70, name: "sock_hash_update", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 71, name: "msg_redirect_hash", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 72, name: "sk_redirect_hash", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 73, name: "lwt_push_encap", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1400, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 74, name: "lwt_seg6_store_bytes", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 75, name: "lwt_seg6_adjust_srh", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 76, name: "lwt_seg6_action", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 77, name: "rc_repeat", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x100000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 78, name: "rc_keydown", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x100000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 79, name: "skb_cgroup_id", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 80, name: "get_current_cgroup_id", span: Span::since(KernelVersion::new(4, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x48687d5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 4)), proto: 0 },
            HelperUse { who: Selector::new(0x1a78782a4, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 81, name: "get_local_storage", span: Span::since(KernelVersion::new(4, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x284a300, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 19)), proto: 0 },
            HelperUse { who: Selector::new(0x20000000, 0x80000000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 82, name: "sk_select_reuseport", span: Span::since(KernelVersion::new(4, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x200000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 83, name: "skb_ancestor_cgroup_id", span: Span::since(KernelVersion::new(4, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 84, name: "sk_lookup_tcp", span: Span::since(KernelVersion::new(4, 20)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Socket).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x24)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Socket).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x20)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4158, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 0 },
            HelperUse { who: Selector::new(0x40000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 85, name: "sk_lookup_udp", span: Span::since(KernelVersion::new(4, 20)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Socket).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x24)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Socket).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x20)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4158, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 0 },
            HelperUse { who: Selector::new(0x40000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 86, name: "sk_release", span: Span::since(KernelVersion::new(4, 20)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon).with(ArgFlags::from_bits(0x40))], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40044158, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 87, name: "map_push_elem", span: Span::since(KernelVersion::new(4, 20)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapValue), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 88, name: "map_pop_elem", span: Span::since(KernelVersion::new(4, 20)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0xc))], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 89, name: "map_peek_elem", span: Span::since(KernelVersion::new(4, 20)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0xc))], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 90, name: "msg_push_data", span: Span::since(KernelVersion::new(4, 20)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(4, 20)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 91, name: "msg_pop_data", span: Span::since(KernelVersion::new(5, 0)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 0)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 92, name: "rc_pointer_rel", span: Span::since(KernelVersion::new(5, 0)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x100000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 0)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 93, name: "spin_lock", span: Span::since(KernelVersion::new(5, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::SpinLock)], Ret::new(RetKind::Void), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
            HelperUse { who: Selector::new(0x1cfeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 94, name: "spin_unlock", span: Span::since(KernelVersion::new(5, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::SpinLock)], Ret::new(RetKind::Void), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
            HelperUse { who: Selector::new(0x1cfeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 95, name: "sk_fullsock", span: Span::since(KernelVersion::new(5, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::SockCommon)], Ret::new(RetKind::Socket).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 96, name: "tcp_sock", span: Span::since(KernelVersion::new(5, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::SockCommon)], Ret::new(RetKind::TcpSock).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2002118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 97, name: "skb_ecn_set_ce", span: Span::since(KernelVersion::new(5, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 98, name: "get_listener_sock", span: Span::since(KernelVersion::new(5, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::SockCommon)], Ret::new(RetKind::Socket).with(RetFlags::from_bits(0x1)), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 99, name: "skc_lookup_tcp", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::SockCommon).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x24)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::SockCommon).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x20)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4158, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x40000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 100, name: "tcp_check_syncookie", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 101, name: "sysctl_get_name", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x8)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x800000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 2), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x800000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 102, name: "sysctl_get_current_value", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x800000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 103, name: "sysctl_get_new_value", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x800000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 104, name: "sysctl_set_new_value", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x800000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 105, name: "strtol", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1c)).sized(8)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 106, name: "strtoul", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1c)).sized(8)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 107, name: "sk_storage_get", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfIdSockCommon), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Ctx), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("sock_common"), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x800)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x22052118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x100), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x200, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 1 },
            HelperUse { who: Selector::new(0x84000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 2 },
        ],
    },
    HelperRecord {
        id: 108, name: "sk_storage_delete", span: Span::since(KernelVersion::new(5, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("sock_common")], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x800)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x22052118, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x100), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x84000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 2)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 109, name: "send_signal", span: Span::since(KernelVersion::new(5, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 3)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 3), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 110, name: "tcp_gen_syncookie", span: Span::since(KernelVersion::new(5, 3)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 3)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 111, name: "skb_output", span: Span::since(KernelVersion::new(5, 5)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("sk_buff"), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 112, name: "probe_read_user", span: Span::since(KernelVersion::new(5, 5)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 5), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 113, name: "probe_read_kernel", span: Span::since(KernelVersion::new(5, 5)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span { since: KernelVersion::new(5, 5), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 114, name: "probe_read_user_str", span: Span::since(KernelVersion::new(5, 5)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 5), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 115, name: "probe_read_kernel_str", span: Span::since(KernelVersion::new(5, 5)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(5, 5)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span { since: KernelVersion::new(5, 5), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::from_bits(0x2), span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 116, name: "tcp_send_ack", span: Span::since(KernelVersion::new(5, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("tcp_sock"), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x100), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 6)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 117, name: "send_signal_thread", span: Span::since(KernelVersion::new(5, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 6)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 6), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 118, name: "jiffies64", span: Span::since(KernelVersion::new(5, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 6)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 6)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 119, name: "read_branch_records", span: Span::since(KernelVersion::new(5, 6)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x9)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 6), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 120, name: "get_ns_current_pid_tgid", span: Span::since(KernelVersion::new(5, 7)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1a50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 7)), proto: 0 },
            HelperUse { who: Selector::new(0x4aedff5a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 121, name: "xdp_output", span: Span::since(KernelVersion::new(5, 7)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("xdp_buff"), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 7)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 122, name: "get_netns_cookie", span: Span::since(KernelVersion::new(5, 7)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx).with(ArgFlags::from_bits(0x1))], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2052200, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 7)), proto: 0 },
            HelperUse { who: Selector::new(0x11a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 15)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 123, name: "get_current_ancestor_cgroup_id", span: Span::since(KernelVersion::new(5, 7)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x48687d5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 4)), proto: 0 },
            HelperUse { who: Selector::new(0x1a78782a4, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 7)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 124, name: "sk_assign", span: Span::since(KernelVersion::new(5, 7)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::BtfIdSockCommon), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Socket).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 7)), proto: 0 },
            HelperUse { who: Selector::new(0x40000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 7)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 125, name: "ktime_get_boot_ns", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1effffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 126, name: "seq_printf", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("seq_file"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x3)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000000, 0x10000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 127, name: "seq_write", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("seq_file"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000000, 0x10000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 128, name: "sk_cgroup_id", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x100, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 129, name: "sk_ancestor_cgroup_id", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x100, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 130, name: "ringbuf_output", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 131, name: "ringbuf_reserve", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::ConstAllocSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Mem).with(RetFlags::from_bits(0x5)), HelperFlags::from_bits(0x20)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 132, name: "ringbuf_submit", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::RingbufMem).with(ArgFlags::from_bits(0x40)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Void), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 133, name: "ringbuf_discard", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::RingbufMem).with(ArgFlags::from_bits(0x40)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Void), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 134, name: "ringbuf_query", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 135, name: "csum_level", span: Span::since(KernelVersion::new(5, 8)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1018, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 8)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 136, name: "skc_to_tcp6_sock", span: Span::since(KernelVersion::new(5, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("tcp6_sock"), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x404d7d5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 137, name: "skc_to_tcp_sock", span: Span::since(KernelVersion::new(5, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("tcp_sock"), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x404d7d5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 138, name: "skc_to_tcp_timewait_sock", span: Span::since(KernelVersion::new(5, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("tcp_timewait_sock"), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x404d7d5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 139, name: "skc_to_tcp_request_sock", span: Span::since(KernelVersion::new(5, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("tcp_request_sock"), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x404d7d5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 140, name: "skc_to_udp6_sock", span: Span::since(KernelVersion::new(5, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("udp6_sock"), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x404d7d5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 141, name: "get_task_stack", span: Span::since(KernelVersion::new(5, 9)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("task_struct"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("task_struct"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer).bounded(RetBounds::ErrorOrSize), HelperFlags::from_bits(0x2)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x10200a0, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x142edff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x88000000, u64::MAX).sleeping(Sleep::Never), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x24000004, u64::MAX).sleeping(Sleep::Never), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX).sleeping(Sleep::Never), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 9), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x24000004, u64::MAX).sleeping(Sleep::Only), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 9)), proto: 1 },
            HelperUse { who: Selector::new(0x88000000, u64::MAX).sleeping(Sleep::Only), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 1 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX).sleeping(Sleep::Only), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 9), until: Some(KernelVersion::new(6, 16)) }, proto: 1 },
        ],
    },
    HelperRecord {
        id: 142, name: "load_hdr_opt", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x8)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 143, name: "store_hdr_opt", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x8)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 144, name: "reserve_hdr_opt", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 145, name: "inode_storage_get", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("inode"), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 146, name: "inode_storage_delete", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("inode")], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 147, name: "d_path", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("path"), Arg::new(ArgKind::Mem), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x200)),
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("path"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x8)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x200)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 10), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 148, name: "copy_from_user", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x2)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 10), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 149, name: "snprintf_btf", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x8)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 10), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 10), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 10), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(6, 16), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(6, 18), until: Some(KernelVersion::new(6, 16)) }, proto: 1 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 150, name: "seq_printf_btf", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("seq_file"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000000, 0x10000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 151, name: "skb_cgroup_classid", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 152, name: "redirect_neigh", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x3)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 153, name: "per_cpu_ptr", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::PercpuBtfId), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MemOrBtfId).with(RetFlags::from_bits(0x3)), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 154, name: "this_cpu_ptr", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::PercpuBtfId)], Ret::new(RetKind::MemOrBtfId).with(RetFlags::from_bits(0x2)), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 155, name: "redirect_peer", span: Span::since(KernelVersion::new(5, 10)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 10)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 156, name: "task_storage_get", span: Span::since(KernelVersion::new(5, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("task_struct"), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x400), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 12)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 157, name: "task_storage_delete", span: Span::since(KernelVersion::new(5, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("task_struct")], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x400), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 12)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 158, name: "get_current_task_btf", span: Span::since(KernelVersion::new(5, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x10)).of("task_struct"), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 11), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 159, name: "bprm_opts_set", span: Span::since(KernelVersion::new(5, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("linux_binprm"), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 160, name: "ktime_get_coarse_ns", span: Span::since(KernelVersion::new(5, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40ed7f5a, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
            HelperUse { who: Selector::new(0x8000000, u64::MAX).hooked(HookTraits::from_bits(0x100), HookTraits::NONE), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 161, name: "ima_inode_hash", span: Span::since(KernelVersion::new(5, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("inode"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x402)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 162, name: "sock_from_file", span: Span::since(KernelVersion::new(5, 11)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("file")], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("socket"), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 11)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 163, name: "check_mtu", span: Span::since(KernelVersion::new(5, 12)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x18)).sized(4), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 12)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 164, name: "for_each_map_elem", span: Span::since(KernelVersion::new(5, 13)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Func), Arg::new(ArgKind::Stack).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x80)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 13)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 13)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 165, name: "snprintf", span: Span::since(KernelVersion::new(5, 13)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::ConstStr), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x3)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x9)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::ConstStr), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x3)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 13), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 13), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 13), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(6, 16), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(6, 18), until: Some(KernelVersion::new(6, 16)) }, proto: 1 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 166, name: "sys_bpf", span: Span::since(KernelVersion::new(5, 14)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x2)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 14)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 167, name: "btf_find_by_name_kind", span: Span::since(KernelVersion::new(5, 14)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x2)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 14)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 168, name: "sys_close", span: Span::since(KernelVersion::new(5, 14)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x2)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 14)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 169, name: "timer_init", span: Span::since(KernelVersion::new(5, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Timer), Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 170, name: "timer_set_callback", span: Span::since(KernelVersion::new(5, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Timer), Arg::new(ArgKind::Func)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x101)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 171, name: "timer_start", span: Span::since(KernelVersion::new(5, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Timer), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 172, name: "timer_cancel", span: Span::since(KernelVersion::new(5, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Timer)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 173, name: "get_func_ip", span: Span::since(KernelVersion::new(5, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a0, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x4, 0xfcfefbffffffffff), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x4, 0xfffffffffffffffe), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 174, name: "get_attach_cookie", span: Span::since(KernelVersion::new(5, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x4000000, 0x7000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x20000000, 0x8000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x1020000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 12)), proto: 0 },
            HelperUse { who: Selector::new(0x4000000, 0x800000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 12)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 175, name: "task_pt_regs", span: Span::since(KernelVersion::new(5, 15)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("task_struct")], Ret::new(RetKind::BtfId).of("pt_regs"), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 15)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 15), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 176, name: "get_branch_snapshot", span: Span::since(KernelVersion::new(5, 16)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 16), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 177, name: "trace_vprintk", span: Span::since(KernelVersion::new(5, 16)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x3)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x1)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 16), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 178, name: "skc_to_unix_sock", span: Span::since(KernelVersion::new(5, 16)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfIdSockCommon)], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("unix_sock"), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x404d7d5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 16)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 179, name: "kallsyms_lookup_name", span: Span::since(KernelVersion::new(5, 16)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1c)).sized(8)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1c)).sized(8)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 16), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 180, name: "find_vma", span: Span::since(KernelVersion::new(5, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("task_struct"), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Func), Arg::new(ArgKind::Stack).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x80)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 17), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 181, name: "loop", span: Span::since(KernelVersion::new(5, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Scalar), Arg::new(ArgKind::Func), Arg::new(ArgKind::Stack).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x80)),
            HelperProto::new(&[Arg::new(ArgKind::Anything), Arg::new(ArgKind::Func), Arg::new(ArgKind::Stack).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x80)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 17), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 182, name: "strncmp", span: Span::since(KernelVersion::new(5, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize), Arg::new(ArgKind::ConstStr)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 183, name: "get_func_arg", span: Span::since(KernelVersion::new(5, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1c)).sized(8)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000000, 0x7000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
            HelperUse { who: Selector::new(0x20000000, 0x8000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 184, name: "get_func_ret", span: Span::since(KernelVersion::new(5, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x1c)).sized(8)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000000, 0x7000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
            HelperUse { who: Selector::new(0x20000000, 0x8000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 185, name: "get_func_arg_cnt", span: Span::since(KernelVersion::new(5, 17)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x4000000, 0x7000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
            HelperUse { who: Selector::new(0x20000000, 0x8000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 17)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 186, name: "get_retval", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x848200, 0xffc7fffe1fe7fff4), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x20000000, 0x80000000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 187, name: "set_retval", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x2000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x848200, 0xffc7fffe1fe7fff4), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x20000000, 0x80000000000), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 188, name: "xdp_get_buff_len", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx)], Ret::new(RetKind::Integer), HelperFlags::NONE),
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("xdp_buff")], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 189, name: "xdp_load_bytes", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 190, name: "xdp_store_bytes", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x40, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 191, name: "copy_from_user_task", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::BtfId).of("task_struct"), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x3)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x250200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
            HelperUse { who: Selector::new(0x1caedff5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 16)), proto: 0 },
            HelperUse { who: Selector::new(0x80000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(5, 18), until: Some(KernelVersion::new(6, 16)) }, proto: 0 },
        ],
    },
    HelperRecord {
        id: 192, name: "skb_set_tstamp", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Ctx), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x18, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 193, name: "ima_file_hash", span: Span::since(KernelVersion::new(5, 18)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::BtfId).of("file"), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSize)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x402)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x20000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 18)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 194, name: "kptr_xchg", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::KptrXchgDest), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x241))], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x21)), HelperFlags::from_bits(0x20)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 195, name: "map_lookup_percpu_elem", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::MapKey), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::from_bits(0x4)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 196, name: "skc_to_mptcp_sock", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::SockCommon)], Ret::new(RetKind::BtfId).with(RetFlags::from_bits(0x1)).of("mptcp_sock"), HelperFlags::from_bits(0x40)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa4000000, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
            HelperUse { who: Selector::new(0x404d7d5a, u64::MAX), need: Privilege::Perfmon, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 197, name: "dynptr_from_mem", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Dynptr).with(ArgFlags::from_bits(0x8c))], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 198, name: "ringbuf_reserve_dynptr", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Dynptr).with(ArgFlags::from_bits(0x10c))], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 199, name: "ringbuf_submit_dynptr", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Dynptr).with(ArgFlags::from_bits(0x140)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Void), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 200, name: "ringbuf_discard_dynptr", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Dynptr).with(ArgFlags::from_bits(0x140)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Void), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 201, name: "dynptr_read", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0xc)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Dynptr).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 202, name: "dynptr_write", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Dynptr).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::Anything), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 203, name: "dynptr_data", span: Span::since(KernelVersion::new(5, 19)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Dynptr).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::Anything), Arg::new(ArgKind::ConstAllocSizeOrZero)], Ret::new(RetKind::Mem).with(RetFlags::from_bits(0x9)), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(5, 19)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 204, name: "tcp_raw_gen_syncookie_ipv4", span: Span::since(KernelVersion::new(6, 0)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).sized(20), Arg::new(ArgKind::Mem), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
            HelperProto::new(&[Arg::new(ArgKind::Mem).sized(20), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(6, 0), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 205, name: "tcp_raw_gen_syncookie_ipv6", span: Span::since(KernelVersion::new(6, 0)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).sized(40), Arg::new(ArgKind::Mem), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
            HelperProto::new(&[Arg::new(ArgKind::Mem).sized(40), Arg::new(ArgKind::Mem).with(ArgFlags::from_bits(0x2)), Arg::new(ArgKind::ConstSizeOrZero)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span { since: KernelVersion::new(6, 0), until: Some(KernelVersion::new(6, 18)) }, proto: 0 },
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 18)), proto: 1 },
        ],
    },
    HelperRecord {
        id: 206, name: "tcp_raw_check_syncookie_ipv4", span: Span::since(KernelVersion::new(6, 0)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).sized(20), Arg::new(ArgKind::Mem).sized(20)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 0)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 207, name: "tcp_raw_check_syncookie_ipv6", span: Span::since(KernelVersion::new(6, 0)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::Mem).sized(40), Arg::new(ArgKind::Mem).sized(20)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x5)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x58, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 0)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 208, name: "ktime_get_tai_ns", span: Span::since(KernelVersion::new(6, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 209, name: "user_ringbuf_drain", span: Span::since(KernelVersion::new(6, 1)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::Func), Arg::new(ArgKind::Stack).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::Integer), HelperFlags::from_bits(0x80)),
        ],
        uses: &[
            HelperUse { who: Selector::new(0x1efeffffe, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 1)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 210, name: "cgrp_storage_get", span: Span::since(KernelVersion::new(6, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("cgroup"), Arg::new(ArgKind::MapValue).with(ArgFlags::from_bits(0x1)), Arg::new(ArgKind::Anything)], Ret::new(RetKind::MapValue).with(RetFlags::from_bits(0x1)), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 2)), proto: 0 },
        ],
    },
    HelperRecord {
        id: 211, name: "cgrp_storage_delete", span: Span::since(KernelVersion::new(6, 2)), known: Known::Measured,
        protos: &[
            HelperProto::new(&[Arg::new(ArgKind::MapPtr), Arg::new(ArgKind::BtfId).with(ArgFlags::from_bits(0x1)).of("cgroup")], Ret::new(RetKind::Integer), HelperFlags::NONE),
        ],
        uses: &[
            HelperUse { who: Selector::new(0xa50200a4, u64::MAX), need: Privilege::None, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 2)), proto: 0 },
            HelperUse { who: Selector::new(0x14aedff5a, u64::MAX), need: Privilege::Bpf, config: Settings::NONE, unless: Settings::NONE, span: Span::since(KernelVersion::new(6, 2)), proto: 0 },
        ],
    },
];
