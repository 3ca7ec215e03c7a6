//! What of a socket can be read.
//!
//! Rules: `bpf_sock_is_valid_access`, `bpf_sock_common_is_valid_access`,
//! `bpf_tcp_sock_is_valid_access` and `bpf_xdp_sock_is_valid_access` of Linux 6.18. Every field can
//! be read at its width and aligned; those of `struct bpf_sock` in part too, some only from their
//! first byte on.

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
/// Fields of it that can be read in part, but only from their first byte on.
const SOCK_FROM_START: &[i32] = &[4, 8, 12, 44, 72, 76];
/// Fields of it that can only be read whole.
const SOCK_WHOLE: &[i32] = &[0, 16, 20];
const SOCK_SIZE: i32 = 80;
const DST_PORT: i32 = 48;
/// Fields of it that only full sockets have.
const FULL_ONLY: core::ops::Range<i32> = 8..24;
const TCP_SOCK_SIZE: i32 = 112;
/// Fields of `struct bpf_tcp_sock` of eight bytes.
const TCP_WIDE: &[i32] = &[80, 88];
const XDP_SOCK_SIZE: i32 = 4;

/// Whether so many bytes can be read there; none where it is not known.
pub(super) fn readable(kind: Kind, off: i32, size: u32) -> Option<bool> {
    let aligned = |limit: i32| off >= 0 && off < limit && off % size as i32 == 0;
    match kind {
        Kind::SockCommon if FULL_ONLY.contains(&off) => Some(false),
        Kind::Socket | Kind::SockCommon => Some(aligned(SOCK_SIZE) && sock(off, size)),
        // The check takes these halves and the rewriting of the access then fails.
        Kind::TcpSock if TCP_WIDE.contains(&(off - 4)) && size == 4 => None,
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
    let within = |&(first, end, field): &(i32, i32, u32)| {
        (first..end).contains(&off) && size <= field && (off == first || !SOCK_FROM_START.contains(&first))
    };
    SOCK.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux 6.18 let a program read: offset, and the sizes allowed there.
    const SOCKET: &str = "0:4 4:1,2,4 8:1,2,4 12:1,2,4 16:4 20:4 24:1,2,4 25:1 26:1,2 27:1 28:1,2,4 29:1 30:1,2 31:1 \
        32:1,2,4 33:1 34:1,2 35:1 36:1,2,4 37:1 38:1,2 39:1 40:1,2,4 41:1 42:1,2 43:1 44:1,2,4 \
        48:1,2,4 49:1 52:1,2,4 53:1 54:1,2 55:1 56:1,2,4 57:1 58:1,2 59:1 60:1,2,4 61:1 62:1,2 \
        63:1 64:1,2,4 65:1 66:1,2 67:1 68:1,2,4 69:1 70:1,2 71:1 72:1,2,4 76:1,2,4";
    const COMMON: &str = "0:4 4:1,2,4 24:1,2,4 25:1 26:1,2 27:1 28:1,2,4 29:1 30:1,2 31:1 32:1,2,4 33:1 34:1,2 35:1 \
        36:1,2,4 37:1 38:1,2 39:1 40:1,2,4 41:1 42:1,2 43:1 44:1,2,4 48:1,2,4 49:1 52:1,2,4 53:1 \
        54:1,2 55:1 56:1,2,4 57:1 58:1,2 59:1 60:1,2,4 61:1 62:1,2 63:1 64:1,2,4 65:1 66:1,2 67:1 \
        68:1,2,4 69:1 70:1,2 71:1 72:1,2,4 76:1,2,4";
    const TCP: &str = "0:4 4:4 8:4 12:4 16:4 20:4 24:4 28:4 32:4 36:4 40:4 44:4 48:4 52:4 56:4 60:4 64:4 68:4 \
        72:4 76:4 80:8 88:8 96:4 100:4 104:4 108:4";

    #[test]
    fn reads_are_what_the_kernel_allows() {
        for (kind, recorded) in [(Kind::Socket, SOCKET), (Kind::SockCommon, COMMON), (Kind::TcpSock, TCP)] {
            let allowed = |off: i32, size: u32| {
                recorded.split_whitespace().any(|entry| {
                    let (at, sizes) = entry.split_once(':').unwrap();
                    at.parse() == Ok(off) && sizes.split(',').any(|s| s.parse() == Ok(size))
                })
            };
            for off in -8..140 {
                for size in [1, 2, 4, 8] {
                    let said = readable(kind, off, size);
                    assert_eq!(said.unwrap_or(false), allowed(off, size), "{kind:?} {off} {size}");
                }
            }
        }
    }
}
