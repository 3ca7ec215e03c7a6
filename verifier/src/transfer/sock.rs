//! What of a socket can be read.
//!
//! Rules: `bpf_sock_is_valid_access`, `bpf_sock_common_is_valid_access`,
//! `bpf_tcp_sock_is_valid_access` and `bpf_xdp_sock_is_valid_access` of Linux 6.18. Every field can
//! be read at its width and aligned; those of `struct bpf_sock` in part too.

use crate::state::Kind;

/// Fields of `struct bpf_sock`: first byte, one past the last, and bytes of the field.
const SOCK: &[(i32, i32, u32)] = &[
    (4, 8, 4),
    (8, 12, 4),
    (12, 16, 4),
    (24, 28, 4),
    (28, 44, 4),
    (44, 48, 4),
    (52, 56, 4),
    (56, 72, 4),
    (72, 76, 4),
    (76, 80, 4),
];
/// Fields of it that can only be read whole.
const SOCK_WHOLE: &[i32] = &[0, 16, 20];
const SOCK_SIZE: i32 = 80;
const DST_PORT: i32 = 48;
/// Fields of it that only full sockets have.
const FULL_ONLY: core::ops::Range<i32> = 8..24;
const TCP_SOCK_SIZE: i32 = 116;
/// Fields of `struct bpf_tcp_sock` of eight bytes.
const TCP_WIDE: &[i32] = &[80, 88];
const XDP_SOCK_SIZE: i32 = 4;

/// Whether so many bytes can be read there; none where it is not known.
pub(super) fn readable(kind: Kind, off: i32, size: u32) -> Option<bool> {
    let aligned = |limit: i32| off >= 0 && off < limit && off % size as i32 == 0;
    match kind {
        Kind::SockCommon if FULL_ONLY.contains(&off) => Some(false),
        Kind::Socket | Kind::SockCommon => Some(aligned(SOCK_SIZE) && sock(off, size)),
        Kind::TcpSock => Some(aligned(TCP_SOCK_SIZE) && size == if TCP_WIDE.contains(&off) { 8 } else { 4 }),
        Kind::XdpSock => Some(aligned(XDP_SOCK_SIZE) && size == 4),
        _ => None,
    }
}

fn sock(off: i32, size: u32) -> bool {
    if (DST_PORT..DST_PORT + 4).contains(&off) {
        return match off - DST_PORT {
            0 => size <= 2 || size == 4,
            1 => size == 1,
            _ => false,
        };
    }
    if SOCK_WHOLE.contains(&off) {
        return size == 4;
    }
    // A part of a field: a power of two within it.
    SOCK.iter().any(|&(first, end, field)| (first..end).contains(&off) && size <= field)
}
