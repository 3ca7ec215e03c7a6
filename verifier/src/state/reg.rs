//! One abstract register: what kind of value it holds and everything that is known of it.
//!
//! Rules: `struct bpf_reg_state` of Linux 6.18. A register is a [`Kind`] with modifiers, a fixed
//! offset, an identity that ties copies together, a payload whose meaning the kind decides, and the
//! [`Scalar`] that is the number itself or, for pointers, the variable part of the offset.
//!
//! Left to others: what may be done with it (`transfer`), and when two are alike (`equal`).

use crate::domain::Scalar;
use crate::types::{Part, is_trusted};
use alloc::string::String;
use oxbpf_isa::btf::TypeId;

/// The kind of value (Linux `enum bpf_reg_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    NotInit,
    Scalar,
    Ctx,
    MapPtr,
    MapValue,
    MapKey,
    Stack,
    PacketMeta,
    Packet,
    PacketEnd,
    FlowKeys,
    Socket,
    SockCommon,
    TcpSock,
    XdpSock,
    TpBuffer,
    BtfId,
    Mem,
    Buf,
    Func,
    /// Into an arena.
    Arena,
    /// A dynptr that the kernel lends, and the slots of those on the stack.
    Dynptr,
}

impl Kind {
    /// Whether the stack keeps such a pointer; of others only bytes are left (Linux `is_spillable_regtype`).
    #[inline]
    pub fn is_spillable(self) -> bool {
        !matches!(self, Kind::NotInit | Kind::Scalar | Kind::TpBuffer | Kind::Dynptr)
    }

    #[inline]
    pub fn is_sock(self) -> bool {
        matches!(self, Kind::Socket | Kind::SockCommon | Kind::TcpSock | Kind::XdpSock)
    }
}

/// Modifiers of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Mods(pub u16);

impl Mods {
    pub const NONE: Mods = Mods(0);
    pub const MAYBE_NULL: Mods = Mods(1 << 0);
    pub const RDONLY: Mods = Mods(1 << 1);
    pub const RINGBUF: Mods = Mods(1 << 2);
    pub const PERCPU: Mods = Mods(1 << 3);
    pub const UNTRUSTED: Mods = Mods(1 << 4);
    pub const TRUSTED: Mods = Mods(1 << 5);
    /// Lives at least as long as the RCU section.
    pub const RCU: Mods = Mods(1 << 6);
    /// An address of user space.
    pub const USER: Mods = Mods(1 << 7);
    /// An object that the program allocated.
    pub const ALLOC: Mods = Mods(1 << 8);
    /// Points into an owned object that something else owns by now.
    pub const NON_OWN_REF: Mods = Mods(1 << 9);
    /// A slice of a dynptr over such memory.
    pub const DYNPTR_LOCAL: Mods = Mods(1 << 11);
    pub const DYNPTR_RINGBUF: Mods = Mods(1 << 12);
    pub const DYNPTR_SKB: Mods = Mods(1 << 13);
    pub const DYNPTR_XDP: Mods = Mods(1 << 14);
    pub const DYNPTR_SKB_META: Mods = Mods(1 << 15);
    /// Any of them.
    pub const DYNPTR: Mods = Mods(0x1f << 11);

    #[inline]
    pub const fn has(self, other: Mods) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether some of `other` is set.
    #[inline]
    pub const fn any(self, other: Mods) -> bool {
        self.0 & other.0 != 0
    }

    #[inline]
    pub const fn with(self, other: Mods) -> Mods {
        Mods(self.0 | other.0)
    }

    #[inline]
    pub const fn without(self, other: Mods) -> Mods {
        Mods(self.0 & !other.0)
    }
}

/// The bits of a scalar's id that say it differs by a constant from the others of that id.
pub const ADD_CONST64: u32 = 1 << 31;
/// The same by a 32-bit addition.
pub const ADD_CONST32: u32 = 1 << 30;
pub const ADD_CONST: u32 = ADD_CONST64 | ADD_CONST32;

/// One register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reg {
    pub num: Scalar,
    /// Ties copies together: of scalars that are equal, of pointers that are null together, of
    /// packet pointers with the same variable offset.
    pub id: u32,
    /// The reference this pointer holds, or 0.
    pub ref_id: u32,
    /// Fixed part of the offset; of a linked scalar its distance.
    pub off: i32,
    /// Map index, memory size, packet range, subprogram, or type id, as the kind decides.
    pub a: u32,
    /// Map uid (which inner map a lookup gave), the dynptr that memory is a slice of, or whose types
    /// the type id counts in.
    pub b: u32,
    pub mods: Mods,
    pub kind: Kind,
    /// The frame a stack pointer points into.
    pub frame: u8,
    /// The verdict so far depends on the exact value.
    pub precise: bool,
}

impl Reg {
    pub const fn not_init() -> Reg {
        Reg {
            num: Scalar::UNKNOWN,
            id: 0,
            ref_id: 0,
            off: 0,
            a: 0,
            b: 0,
            mods: Mods::NONE,
            kind: Kind::NotInit,
            frame: 0,
            precise: false,
        }
    }

    #[inline]
    pub const fn scalar(num: Scalar) -> Reg {
        Reg { num, kind: Kind::Scalar, ..Reg::not_init() }
    }

    #[inline]
    pub const fn unknown() -> Reg {
        Reg::scalar(Scalar::UNKNOWN)
    }

    #[inline]
    pub fn known(value: u64) -> Reg {
        Reg::scalar(Scalar::constant(value))
    }

    /// A pointer of this kind with no offset.
    pub fn pointer(kind: Kind, mods: Mods) -> Reg {
        Reg { num: Scalar::constant(0), kind, mods, ..Reg::not_init() }
    }

    /// A pointer to an object of this type.
    pub fn typed(part: Part, id: TypeId, mods: Mods) -> Reg {
        Reg { a: id.0, b: part.0, ..Reg::pointer(Kind::BtfId, mods) }
    }

    /// The pointer turned out to be null. What it pointed to is remembered: it means nothing any more,
    /// but the kernel, which does not clear it, takes two zeros of different origin as not exactly
    /// alike (Linux `regs_exact`), and so loops converge differently.
    pub fn became_null(&self) -> Reg {
        const FORGOTTEN: u32 = 1 << 30;
        let points_somewhere = match self.kind {
            Kind::MapValue | Kind::MapPtr | Kind::BtfId => true,
            Kind::Mem => self.a != 0,
            _ => false,
        };
        let a = if points_somewhere { self.a | FORGOTTEN } else { 0 };
        Reg { a, b: self.b, ..Reg::known(0) }
    }

    #[inline]
    pub fn is_scalar(&self) -> bool {
        self.kind == Kind::Scalar
    }

    #[inline]
    pub fn is_pointer(&self) -> bool {
        !matches!(self.kind, Kind::Scalar | Kind::NotInit)
    }

    #[inline]
    pub fn maybe_null(&self) -> bool {
        self.mods.has(Mods::MAYBE_NULL)
    }

    #[inline]
    pub fn is_packet(&self) -> bool {
        matches!(self.kind, Kind::Packet | Kind::PacketMeta)
    }

    #[inline]
    pub fn is_packet_any(&self) -> bool {
        matches!(self.kind, Kind::Packet | Kind::PacketMeta | Kind::PacketEnd)
    }

    #[inline]
    pub fn is_null(&self) -> bool {
        self.is_scalar() && self.num.tnum().equals_const(0)
    }

    /// Whether comparing with zero gives one answer (Linux `reg_not_null`).
    pub fn never_null(&self) -> bool {
        match self.kind {
            Kind::Socket
            | Kind::TcpSock
            | Kind::SockCommon
            | Kind::MapValue
            | Kind::MapKey
            | Kind::MapPtr => self.mods == Mods::NONE,
            Kind::BtfId => !self.maybe_null() && is_trusted(self),
            Kind::Mem => !self.mods.has(Mods::MAYBE_NULL) && !self.mods.has(Mods::UNTRUSTED),
            _ => false,
        }
    }

    /// The same type, modifiers included.
    #[inline]
    pub fn same_type(&self, other: &Reg) -> bool {
        self.kind == other.kind && self.mods == other.mods
    }

    /// The type as the log writes it.
    pub fn type_name(&self) -> String {
        type_name(self.kind, self.mods)
    }
}

/// A kind with modifiers as the log writes it (Linux `reg_type_str`).
pub fn type_name(kind: Kind, mods: Mods) -> String {
    let base = match kind {
        Kind::NotInit => "?",
        Kind::Scalar => "scalar",
        Kind::Ctx => "ctx",
        Kind::MapPtr => "map_ptr",
        Kind::MapValue => "map_value",
        Kind::MapKey => "map_key",
        Kind::Stack => "fp",
        Kind::PacketMeta => "pkt_meta",
        Kind::Packet => "pkt",
        Kind::PacketEnd => "pkt_end",
        Kind::FlowKeys => "flow_keys",
        Kind::Socket => "sock",
        Kind::SockCommon => "sock_common",
        Kind::TcpSock => "tcp_sock",
        Kind::XdpSock => "xdp_sock",
        Kind::TpBuffer => "tp_buffer",
        Kind::BtfId => "ptr_",
        Kind::Mem => "mem",
        Kind::Buf => "buf",
        Kind::Func => "func",
        Kind::Arena => "arena",
        Kind::Dynptr => "dynptr_ptr",
    };
    let mut text = String::new();
    for (of, word) in [
        (Mods::RDONLY, "rdonly_"),
        (Mods::RINGBUF, "ringbuf_"),
        (Mods::USER, "user_"),
        (Mods::PERCPU, "percpu_"),
        (Mods::RCU, "rcu_"),
        (Mods::UNTRUSTED, "untrusted_"),
        (Mods::TRUSTED, "trusted_"),
    ] {
        if mods.has(of) {
            text.push_str(word);
        }
    }
    text.push_str(base);
    if mods.has(Mods::MAYBE_NULL) {
        text.push_str(if kind == Kind::BtfId { "or_null_" } else { "_or_null" });
    }
    text
}
