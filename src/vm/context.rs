//! Contexts as programs see them and as the host holds them.
//!
//! A program reads its context at the offsets and widths of the uapi headers. Where a header has a
//! 32-bit field for what is a 64-bit address (`data`, `data_end` and `data_meta` of packet
//! contexts), the host keeps the address in a word behind the structure, and a load of the field
//! gives that word: this is what the kernel's `convert_ctx_access` does by rewriting the load.
//! Which fields there are is data; the verifier holds accesses against the facts, and the virtual
//! machine's checked mode against [`ContextLayout`].

use std::borrow::Cow;
use std::ops::Range;

/// A field that is narrower for the program than for the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WideField {
    /// Where the program reads it, 32 bits wide.
    pub offset: u32,
    /// Which part of the packet it points to.
    pub what: PacketPointer,
}

/// The addresses that packet contexts have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketPointer {
    Data,
    DataEnd,
    Meta,
}

impl PacketPointer {
    /// Which of the words behind the structure holds it.
    pub(crate) const fn word(self) -> usize {
        match self {
            PacketPointer::Data => 0,
            PacketPointer::DataEnd => 1,
            PacketPointer::Meta => 2,
        }
    }
}

/// The number of words behind the structure.
pub(crate) const WIDE_WORDS: usize = 3;

/// How a context looks to a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContextLayout {
    /// Bytes the program may read.
    pub size: u32,
    /// Fields that are wider for the host.
    pub wide: Cow<'static, [WideField]>,
    /// Bytes the program may write; no wide field is among them.
    pub writable: Cow<'static, [Range<u32>]>,
    /// Where the packet's length stands, kept up to date by helpers that change it.
    pub len_field: Option<u32>,
    /// Whether the program may write packet bytes.
    pub packet_writable: bool,
}

impl ContextLayout {
    /// Plain memory, all readable and writable.
    pub const fn plain(size: u32) -> ContextLayout {
        ContextLayout {
            size,
            wide: Cow::Borrowed(&[]),
            writable: Cow::Borrowed(&[]),
            len_field: None,
            packet_writable: false,
        }
    }

    /// `struct xdp_md`.
    pub const fn xdp_md() -> ContextLayout {
        const WIDE: &[WideField] = &[
            WideField { offset: 0, what: PacketPointer::Data },
            WideField { offset: 4, what: PacketPointer::DataEnd },
            WideField { offset: 8, what: PacketPointer::Meta },
        ];
        // Only programs bound to a device may write rx_queue_index, which the verifier judges.
        const WRITABLE: &[Range<u32>] = &[Range { start: 16, end: 20 }];
        ContextLayout {
            size: 24,
            wide: Cow::Borrowed(WIDE),
            writable: Cow::Borrowed(WRITABLE),
            len_field: None,
            packet_writable: true,
        }
    }

    /// `struct __sk_buff`.
    pub const fn sk_buff() -> ContextLayout {
        use sk_buff as f;
        const WIDE: &[WideField] = &[
            WideField { offset: f::DATA, what: PacketPointer::Data },
            WideField { offset: f::DATA_END, what: PacketPointer::DataEnd },
            WideField { offset: f::DATA_META, what: PacketPointer::Meta },
        ];
        // What one of the program types or another may write (reference 6.18).
        const WRITABLE: &[Range<u32>] = &[
            f::MARK..f::MARK + 4,
            f::QUEUE_MAPPING..f::QUEUE_MAPPING + 4,
            f::PRIORITY..f::PRIORITY + 4,
            f::TC_INDEX..f::TC_INDEX + 4,
            f::CB..f::CB + 20,
            f::TC_CLASSID..f::TC_CLASSID + 4,
            f::TSTAMP..f::TSTAMP + 8,
        ];
        ContextLayout {
            size: f::SIZE,
            wide: Cow::Borrowed(WIDE),
            writable: Cow::Borrowed(WRITABLE),
            len_field: Some(f::LEN),
            packet_writable: true,
        }
    }

    /// The wide field at this offset.
    pub fn wide_at(&self, offset: u32) -> Option<&WideField> {
        self.wide.iter().find(|f| f.offset == offset)
    }

    /// Whether the structure has no fields that are wider for the host.
    pub fn is_plain(&self) -> bool {
        self.wide.is_empty()
    }

    /// Where the words behind the structure begin.
    pub(crate) const fn wide_base(&self) -> u32 {
        self.size.next_multiple_of(8)
    }

    /// What an access inside the structure is.
    pub(crate) fn judge(&self, offset: u32, size: u32, write: bool) -> FieldAccess {
        if let Some(f) = self.wide.iter().find(|f| offset < f.offset + 4 && f.offset < offset + size) {
            return match !write && f.offset == offset && size == 4 {
                true => FieldAccess::Wide(f.what),
                false => FieldAccess::Refused,
            };
        }
        let all = self.wide.is_empty() && self.writable.is_empty();
        match !write || all || self.writable.iter().any(|r| r.start <= offset && offset + size <= r.end) {
            true => FieldAccess::Plain,
            false => FieldAccess::Refused,
        }
    }
}

/// What an access inside a context structure is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FieldAccess {
    Plain,
    Wide(PacketPointer),
    Refused,
}

/// Offsets of the fields of `struct __sk_buff`.
pub mod sk_buff {
    pub const LEN: u32 = 0;
    pub const PKT_TYPE: u32 = 4;
    pub const MARK: u32 = 8;
    pub const QUEUE_MAPPING: u32 = 12;
    pub const PROTOCOL: u32 = 16;
    pub const VLAN_PRESENT: u32 = 20;
    pub const VLAN_TCI: u32 = 24;
    pub const VLAN_PROTO: u32 = 28;
    pub const PRIORITY: u32 = 32;
    pub const INGRESS_IFINDEX: u32 = 36;
    pub const IFINDEX: u32 = 40;
    pub const TC_INDEX: u32 = 44;
    pub const CB: u32 = 48;
    pub const HASH: u32 = 68;
    pub const TC_CLASSID: u32 = 72;
    pub const DATA: u32 = 76;
    pub const DATA_END: u32 = 80;
    pub const NAPI_ID: u32 = 84;
    pub const FAMILY: u32 = 88;
    pub const DATA_META: u32 = 140;
    pub const FLOW_KEYS: u32 = 144;
    pub const TSTAMP: u32 = 152;
    pub const WIRE_LEN: u32 = 160;
    pub const GSO_SEGS: u32 = 164;
    pub const SK: u32 = 168;
    pub const GSO_SIZE: u32 = 176;
    pub const TSTAMP_TYPE: u32 = 180;
    pub const HWTSTAMP: u32 = 184;
    pub const SIZE: u32 = 192;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_are_read_whole_and_never_written() {
        let xdp = ContextLayout::xdp_md();
        assert_eq!(xdp.judge(0, 4, false), FieldAccess::Wide(PacketPointer::Data));
        assert_eq!(xdp.judge(4, 4, false), FieldAccess::Wide(PacketPointer::DataEnd));
        for (offset, size) in [(0, 1), (0, 8), (2, 4), (6, 2), (8, 8)] {
            assert_eq!(xdp.judge(offset, size, false), FieldAccess::Refused, "{offset} {size}");
        }
        assert_eq!(xdp.judge(0, 4, true), FieldAccess::Refused);
        assert_eq!(xdp.judge(12, 4, false), FieldAccess::Plain);
        assert_eq!(xdp.judge(12, 4, true), FieldAccess::Refused);
        let skb = ContextLayout::sk_buff();
        assert_eq!(skb.judge(sk_buff::CB + 12, 8, true), FieldAccess::Plain);
        assert_eq!(skb.judge(sk_buff::CB + 16, 8, true), FieldAccess::Refused);
        assert!(ContextLayout::plain(8).judge(0, 8, true) == FieldAccess::Plain);
    }
}
