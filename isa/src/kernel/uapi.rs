//! The numbers of the bpf(2) interface: program types, attach types and map types of Linux 6.18.
//!
//! Only numbers and names stand here. What each of them allows, and since which kernel, is a fact
//! of the [kernel model](super).

/// Declares an enumeration of the bpf(2) interface from `Variant = number, "name", "SYMBOL"` rows.
macro_rules! uapi_enum {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal, $text:literal, $symbol:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($variant = $number,)+ }

        impl $name {
            /// Every value this crate knows, in numeric order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The value with this number, if there is one.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// The number bpf(2) uses.
            pub const fn number(self) -> u32 { self as u32 }

            /// The lower-case name used in text, JSON and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The symbol in the kernel's uapi header.
            pub const fn symbol(self) -> &'static str {
                match self { $(Self::$variant => $symbol,)+ }
            }

            /// Finds a value by its [name](Self::name) or [symbol](Self::symbol).
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.name() == name || v.symbol() == name)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

uapi_enum! {
    /// What a program is for: the hook family it runs at, which fixes its context and helpers.
    ProgType {
        SocketFilter = 1, "socket_filter", "BPF_PROG_TYPE_SOCKET_FILTER";
        Kprobe = 2, "kprobe", "BPF_PROG_TYPE_KPROBE";
        SchedCls = 3, "sched_cls", "BPF_PROG_TYPE_SCHED_CLS";
        SchedAct = 4, "sched_act", "BPF_PROG_TYPE_SCHED_ACT";
        Tracepoint = 5, "tracepoint", "BPF_PROG_TYPE_TRACEPOINT";
        Xdp = 6, "xdp", "BPF_PROG_TYPE_XDP";
        PerfEvent = 7, "perf_event", "BPF_PROG_TYPE_PERF_EVENT";
        CgroupSkb = 8, "cgroup_skb", "BPF_PROG_TYPE_CGROUP_SKB";
        CgroupSock = 9, "cgroup_sock", "BPF_PROG_TYPE_CGROUP_SOCK";
        LwtIn = 10, "lwt_in", "BPF_PROG_TYPE_LWT_IN";
        LwtOut = 11, "lwt_out", "BPF_PROG_TYPE_LWT_OUT";
        LwtXmit = 12, "lwt_xmit", "BPF_PROG_TYPE_LWT_XMIT";
        SockOps = 13, "sock_ops", "BPF_PROG_TYPE_SOCK_OPS";
        SkSkb = 14, "sk_skb", "BPF_PROG_TYPE_SK_SKB";
        CgroupDevice = 15, "cgroup_device", "BPF_PROG_TYPE_CGROUP_DEVICE";
        SkMsg = 16, "sk_msg", "BPF_PROG_TYPE_SK_MSG";
        RawTracepoint = 17, "raw_tracepoint", "BPF_PROG_TYPE_RAW_TRACEPOINT";
        CgroupSockAddr = 18, "cgroup_sock_addr", "BPF_PROG_TYPE_CGROUP_SOCK_ADDR";
        LwtSeg6local = 19, "lwt_seg6local", "BPF_PROG_TYPE_LWT_SEG6LOCAL";
        LircMode2 = 20, "lirc_mode2", "BPF_PROG_TYPE_LIRC_MODE2";
        SkReuseport = 21, "sk_reuseport", "BPF_PROG_TYPE_SK_REUSEPORT";
        FlowDissector = 22, "flow_dissector", "BPF_PROG_TYPE_FLOW_DISSECTOR";
        CgroupSysctl = 23, "cgroup_sysctl", "BPF_PROG_TYPE_CGROUP_SYSCTL";
        RawTracepointWritable = 24, "raw_tracepoint_writable", "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE";
        CgroupSockopt = 25, "cgroup_sockopt", "BPF_PROG_TYPE_CGROUP_SOCKOPT";
        Tracing = 26, "tracing", "BPF_PROG_TYPE_TRACING";
        StructOps = 27, "struct_ops", "BPF_PROG_TYPE_STRUCT_OPS";
        Ext = 28, "ext", "BPF_PROG_TYPE_EXT";
        Lsm = 29, "lsm", "BPF_PROG_TYPE_LSM";
        SkLookup = 30, "sk_lookup", "BPF_PROG_TYPE_SK_LOOKUP";
        Syscall = 31, "syscall", "BPF_PROG_TYPE_SYSCALL";
        Netfilter = 32, "netfilter", "BPF_PROG_TYPE_NETFILTER";
    }
}

uapi_enum! {
    /// Where exactly a program attaches, for program types that distinguish.
    AttachType {
        CgroupInetIngress = 0, "cgroup_inet_ingress", "BPF_CGROUP_INET_INGRESS";
        CgroupInetEgress = 1, "cgroup_inet_egress", "BPF_CGROUP_INET_EGRESS";
        CgroupInetSockCreate = 2, "cgroup_inet_sock_create", "BPF_CGROUP_INET_SOCK_CREATE";
        CgroupSockOps = 3, "cgroup_sock_ops", "BPF_CGROUP_SOCK_OPS";
        SkSkbStreamParser = 4, "sk_skb_stream_parser", "BPF_SK_SKB_STREAM_PARSER";
        SkSkbStreamVerdict = 5, "sk_skb_stream_verdict", "BPF_SK_SKB_STREAM_VERDICT";
        CgroupDevice = 6, "cgroup_device", "BPF_CGROUP_DEVICE";
        SkMsgVerdict = 7, "sk_msg_verdict", "BPF_SK_MSG_VERDICT";
        CgroupInet4Bind = 8, "cgroup_inet4_bind", "BPF_CGROUP_INET4_BIND";
        CgroupInet6Bind = 9, "cgroup_inet6_bind", "BPF_CGROUP_INET6_BIND";
        CgroupInet4Connect = 10, "cgroup_inet4_connect", "BPF_CGROUP_INET4_CONNECT";
        CgroupInet6Connect = 11, "cgroup_inet6_connect", "BPF_CGROUP_INET6_CONNECT";
        CgroupInet4PostBind = 12, "cgroup_inet4_post_bind", "BPF_CGROUP_INET4_POST_BIND";
        CgroupInet6PostBind = 13, "cgroup_inet6_post_bind", "BPF_CGROUP_INET6_POST_BIND";
        CgroupUdp4Sendmsg = 14, "cgroup_udp4_sendmsg", "BPF_CGROUP_UDP4_SENDMSG";
        CgroupUdp6Sendmsg = 15, "cgroup_udp6_sendmsg", "BPF_CGROUP_UDP6_SENDMSG";
        LircMode2 = 16, "lirc_mode2", "BPF_LIRC_MODE2";
        FlowDissector = 17, "flow_dissector", "BPF_FLOW_DISSECTOR";
        CgroupSysctl = 18, "cgroup_sysctl", "BPF_CGROUP_SYSCTL";
        CgroupUdp4Recvmsg = 19, "cgroup_udp4_recvmsg", "BPF_CGROUP_UDP4_RECVMSG";
        CgroupUdp6Recvmsg = 20, "cgroup_udp6_recvmsg", "BPF_CGROUP_UDP6_RECVMSG";
        CgroupGetsockopt = 21, "cgroup_getsockopt", "BPF_CGROUP_GETSOCKOPT";
        CgroupSetsockopt = 22, "cgroup_setsockopt", "BPF_CGROUP_SETSOCKOPT";
        TraceRawTp = 23, "trace_raw_tp", "BPF_TRACE_RAW_TP";
        TraceFentry = 24, "trace_fentry", "BPF_TRACE_FENTRY";
        TraceFexit = 25, "trace_fexit", "BPF_TRACE_FEXIT";
        ModifyReturn = 26, "modify_return", "BPF_MODIFY_RETURN";
        LsmMac = 27, "lsm_mac", "BPF_LSM_MAC";
        TraceIter = 28, "trace_iter", "BPF_TRACE_ITER";
        CgroupInet4Getpeername = 29, "cgroup_inet4_getpeername", "BPF_CGROUP_INET4_GETPEERNAME";
        CgroupInet6Getpeername = 30, "cgroup_inet6_getpeername", "BPF_CGROUP_INET6_GETPEERNAME";
        CgroupInet4Getsockname = 31, "cgroup_inet4_getsockname", "BPF_CGROUP_INET4_GETSOCKNAME";
        CgroupInet6Getsockname = 32, "cgroup_inet6_getsockname", "BPF_CGROUP_INET6_GETSOCKNAME";
        XdpDevmap = 33, "xdp_devmap", "BPF_XDP_DEVMAP";
        CgroupInetSockRelease = 34, "cgroup_inet_sock_release", "BPF_CGROUP_INET_SOCK_RELEASE";
        XdpCpumap = 35, "xdp_cpumap", "BPF_XDP_CPUMAP";
        SkLookup = 36, "sk_lookup", "BPF_SK_LOOKUP";
        Xdp = 37, "xdp", "BPF_XDP";
        SkSkbVerdict = 38, "sk_skb_verdict", "BPF_SK_SKB_VERDICT";
        SkReuseportSelect = 39, "sk_reuseport_select", "BPF_SK_REUSEPORT_SELECT";
        SkReuseportSelectOrMigrate = 40, "sk_reuseport_select_or_migrate", "BPF_SK_REUSEPORT_SELECT_OR_MIGRATE";
        PerfEvent = 41, "perf_event", "BPF_PERF_EVENT";
        TraceKprobeMulti = 42, "trace_kprobe_multi", "BPF_TRACE_KPROBE_MULTI";
        LsmCgroup = 43, "lsm_cgroup", "BPF_LSM_CGROUP";
        StructOps = 44, "struct_ops", "BPF_STRUCT_OPS";
        Netfilter = 45, "netfilter", "BPF_NETFILTER";
        TcxIngress = 46, "tcx_ingress", "BPF_TCX_INGRESS";
        TcxEgress = 47, "tcx_egress", "BPF_TCX_EGRESS";
        TraceUprobeMulti = 48, "trace_uprobe_multi", "BPF_TRACE_UPROBE_MULTI";
        CgroupUnixConnect = 49, "cgroup_unix_connect", "BPF_CGROUP_UNIX_CONNECT";
        CgroupUnixSendmsg = 50, "cgroup_unix_sendmsg", "BPF_CGROUP_UNIX_SENDMSG";
        CgroupUnixRecvmsg = 51, "cgroup_unix_recvmsg", "BPF_CGROUP_UNIX_RECVMSG";
        CgroupUnixGetpeername = 52, "cgroup_unix_getpeername", "BPF_CGROUP_UNIX_GETPEERNAME";
        CgroupUnixGetsockname = 53, "cgroup_unix_getsockname", "BPF_CGROUP_UNIX_GETSOCKNAME";
        NetkitPrimary = 54, "netkit_primary", "BPF_NETKIT_PRIMARY";
        NetkitPeer = 55, "netkit_peer", "BPF_NETKIT_PEER";
        TraceKprobeSession = 56, "trace_kprobe_session", "BPF_TRACE_KPROBE_SESSION";
        TraceUprobeSession = 57, "trace_uprobe_session", "BPF_TRACE_UPROBE_SESSION";
    }
}

uapi_enum! {
    /// The kinds of maps.
    MapType {
        Hash = 1, "hash", "BPF_MAP_TYPE_HASH";
        Array = 2, "array", "BPF_MAP_TYPE_ARRAY";
        ProgArray = 3, "prog_array", "BPF_MAP_TYPE_PROG_ARRAY";
        PerfEventArray = 4, "perf_event_array", "BPF_MAP_TYPE_PERF_EVENT_ARRAY";
        PercpuHash = 5, "percpu_hash", "BPF_MAP_TYPE_PERCPU_HASH";
        PercpuArray = 6, "percpu_array", "BPF_MAP_TYPE_PERCPU_ARRAY";
        StackTrace = 7, "stack_trace", "BPF_MAP_TYPE_STACK_TRACE";
        CgroupArray = 8, "cgroup_array", "BPF_MAP_TYPE_CGROUP_ARRAY";
        LruHash = 9, "lru_hash", "BPF_MAP_TYPE_LRU_HASH";
        LruPercpuHash = 10, "lru_percpu_hash", "BPF_MAP_TYPE_LRU_PERCPU_HASH";
        LpmTrie = 11, "lpm_trie", "BPF_MAP_TYPE_LPM_TRIE";
        ArrayOfMaps = 12, "array_of_maps", "BPF_MAP_TYPE_ARRAY_OF_MAPS";
        HashOfMaps = 13, "hash_of_maps", "BPF_MAP_TYPE_HASH_OF_MAPS";
        Devmap = 14, "devmap", "BPF_MAP_TYPE_DEVMAP";
        Sockmap = 15, "sockmap", "BPF_MAP_TYPE_SOCKMAP";
        Cpumap = 16, "cpumap", "BPF_MAP_TYPE_CPUMAP";
        Xskmap = 17, "xskmap", "BPF_MAP_TYPE_XSKMAP";
        Sockhash = 18, "sockhash", "BPF_MAP_TYPE_SOCKHASH";
        CgroupStorage = 19, "cgroup_storage", "BPF_MAP_TYPE_CGROUP_STORAGE";
        ReuseportSockarray = 20, "reuseport_sockarray", "BPF_MAP_TYPE_REUSEPORT_SOCKARRAY";
        PercpuCgroupStorage = 21, "percpu_cgroup_storage", "BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE";
        Queue = 22, "queue", "BPF_MAP_TYPE_QUEUE";
        Stack = 23, "stack", "BPF_MAP_TYPE_STACK";
        SkStorage = 24, "sk_storage", "BPF_MAP_TYPE_SK_STORAGE";
        DevmapHash = 25, "devmap_hash", "BPF_MAP_TYPE_DEVMAP_HASH";
        StructOps = 26, "struct_ops", "BPF_MAP_TYPE_STRUCT_OPS";
        Ringbuf = 27, "ringbuf", "BPF_MAP_TYPE_RINGBUF";
        InodeStorage = 28, "inode_storage", "BPF_MAP_TYPE_INODE_STORAGE";
        TaskStorage = 29, "task_storage", "BPF_MAP_TYPE_TASK_STORAGE";
        BloomFilter = 30, "bloom_filter", "BPF_MAP_TYPE_BLOOM_FILTER";
        UserRingbuf = 31, "user_ringbuf", "BPF_MAP_TYPE_USER_RINGBUF";
        CgrpStorage = 32, "cgrp_storage", "BPF_MAP_TYPE_CGRP_STORAGE";
        Arena = 33, "arena", "BPF_MAP_TYPE_ARENA";
    }
}
