//! Packets: loads and stores, moving their ends, sending them elsewhere.
//!
//! Linux `net/core/filter.c`. A packet here is one piece of memory, so nothing needs to be pulled
//! together first; what a device or a socket would add (offloads, owners) is absent, and helpers
//! answer as for a packet without it. A redirect is recorded for the host, which decides what it
//! means.

use super::{EACCES, EFAULT, EINVAL, ENOMEM, ENOTSUPP, EPERM, Ret};
use crate::vm::Redirect;
use crate::vm::context::sk_buff;
use crate::vm::input::{Packet, Subject};
use crate::vm::run::Run;
use crate::vm::trap::{AccessKind, Trap, TrapKind};
use oxbpf_isa::kernel::ProgType;

/// The largest packet (Linux `BPF_SKB_MAX_LEN`, about: a device's limit and one page).
const MAX_LEN: usize = 1 << 16;

/// The packet of the run; a program that calls packet helpers without one called them wrongly.
fn packet<'r>(run: &'r mut Run<'_>, helper: &'static str) -> Result<&'r mut Packet, Trap> {
    match run.input.packet.as_deref_mut() {
        Some(packet) => Ok(packet),
        None => Err(TrapKind::BadArgument { helper, argument: 1 }.into()),
    }
}

/// Copies packet bytes to the program, or zeros where there are none.
fn load(run: &mut Run<'_>, bytes: Option<Vec<u8>>, to: u64, len: u64, error: u64) -> Ret {
    run.hold(to, len, AccessKind::HelperWrite)?;
    match bytes {
        Some(bytes) => {
            run.write_bytes(to, &bytes)?;
            Ok(0)
        }
        None => {
            run.zero_bytes(to, len)?;
            Ok(error)
        }
    }
}

fn range(start: usize, len: u64) -> Option<std::ops::Range<usize>> {
    Some(start..start.checked_add(usize::try_from(len).ok()?)?)
}

/// `bpf_skb_load_bytes(skb, offset, to, len)`.
pub(super) fn skb_load(run: &mut Run<'_>, [_, offset, to, len, _]: [u64; 5]) -> Ret {
    let (offset, len) = (offset as u32 as usize, len as u32 as u64);
    let packet = packet(run, "skb_load_bytes")?;
    let bytes = range(offset, len).and_then(|r| packet.bytes().get(r)).map(<[u8]>::to_vec);
    load(run, bytes, to, len, EFAULT)
}

/// `bpf_skb_load_bytes_relative(skb, offset, to, len, start_header)`.
pub(super) fn skb_load_relative(run: &mut Run<'_>, [_, offset, to, len, header]: [u64; 5]) -> Ret {
    let (offset, len) = (offset as u32, len as u32 as u64);
    let packet = packet(run, "skb_load_bytes_relative")?;
    let base = match header as u32 {
        0 => Some(packet.mac_offset()),
        1 => Some(packet.network_offset()),
        _ => None,
    };
    let start = base.filter(|_| offset <= 0xffff).and_then(|b| b.checked_add(offset as isize));
    let bytes = start.and_then(|s| packet.from_data(s, len as usize)).map(<[u8]>::to_vec);
    load(run, bytes, to, len, EFAULT)
}

/// `bpf_skb_store_bytes(skb, offset, from, len, flags)`.
pub(super) fn skb_store(run: &mut Run<'_>, [_, offset, from, len, flags]: [u64; 5]) -> Ret {
    const RECOMPUTE_CSUM: u64 = 1;
    const INVALIDATE_HASH: u64 = 2;
    if flags & !(RECOMPUTE_CSUM | INVALIDATE_HASH) != 0 {
        return Ok(EINVAL);
    }
    store(run, "skb_store_bytes", offset, from, len as u32 as u64, EFAULT)
}

fn store(run: &mut Run<'_>, helper: &'static str, offset: u64, from: u64, len: u64, error: u64) -> Ret {
    let bytes = run.copy(from, len)?;
    let target = range(offset as u32 as usize, len);
    let packet = packet(run, helper)?;
    match target.and_then(|r| packet.bytes_mut().get_mut(r)) {
        Some(place) => {
            place.copy_from_slice(&bytes);
            Ok(0)
        }
        None => Ok(error),
    }
}

/// `bpf_skb_pull_data(skb, len)`.
pub(super) fn skb_pull(run: &mut Run<'_>, [_, len, ..]: [u64; 5]) -> Ret {
    let fits = len as u32 as usize <= packet(run, "skb_pull_data")?.len();
    run.update_packet();
    Ok(if fits { 0 } else { ENOMEM })
}

/// `bpf_skb_change_tail(skb, len, flags)`.
pub(super) fn skb_change_tail(run: &mut Run<'_>, [_, len, flags, ..]: [u64; 5]) -> Ret {
    let len = len as u32 as usize;
    let packet = packet(run, "skb_change_tail")?;
    if flags != 0 || len > MAX_LEN || (len as isize) < packet.network_offset() {
        return Ok(EINVAL);
    }
    packet.resize(len);
    run.update_packet();
    Ok(0)
}

/// `bpf_skb_change_head(skb, len, flags)`: zeros before the packet.
pub(super) fn skb_change_head(run: &mut Run<'_>, [_, len, flags, ..]: [u64; 5]) -> Ret {
    let len = len as u32 as usize;
    let packet = packet(run, "skb_change_head")?;
    if flags != 0 || packet.len().saturating_add(len) > MAX_LEN || !packet.splice(0, len as isize) {
        return Ok(EINVAL);
    }
    run.update_packet();
    Ok(0)
}

/// `bpf_skb_adjust_room(skb, len_diff, mode, flags)`: room behind the link-layer header (mode 1) or
/// behind the network header (mode 0).
pub(super) fn skb_adjust_room(run: &mut Run<'_>, [_, diff, mode, flags, _]: [u64; 5]) -> Ret {
    /// What the kernel knows of flags, of which those for offloads change nothing here.
    const FLAGS: u64 = 0x1ff | 0xff << 56;
    let diff = diff as i32;
    let packet = packet(run, "skb_adjust_room")?;
    let version = u16::from_be_bytes(match packet.from_data(packet.network_offset() - 2, 2) {
        Some(b) => [b[0], b[1]],
        None => [0, 0],
    });
    let network_len = match version {
        0x0800 => 20,
        0x86dd => 40,
        _ => return Ok(ENOTSUPP),
    };
    if flags & !FLAGS != 0 {
        return Ok(EINVAL);
    }
    if diff.unsigned_abs() > 0xfff {
        return Ok(EFAULT);
    }
    let link = packet.network_offset().max(0) as usize;
    let at = match mode as u32 {
        0 => link + network_len,
        1 => link,
        _ => return Ok(ENOTSUPP),
    };
    let after = packet.len() as i64 + diff as i64;
    let shrinks_too_far = diff < 0 && (diff.unsigned_abs() as usize) >= packet.len() - at.min(packet.len());
    if shrinks_too_far || after > MAX_LEN as i64 || !packet.splice(at, diff as isize) {
        return Ok(ENOTSUPP);
    }
    run.update_packet();
    Ok(0)
}

/// `bpf_skb_change_type(skb, type)`.
pub(super) fn skb_change_type(run: &mut Run<'_>, [_, to, ..]: [u64; 5]) -> Ret {
    const OTHERHOST: u32 = 3;
    let Subject::Context(context) = &mut run.input.subject else { return Ok(EINVAL) };
    if context.u32_at(sk_buff::PKT_TYPE) > OTHERHOST || to as u32 > OTHERHOST {
        return Ok(EINVAL);
    }
    context.set_u32(sk_buff::PKT_TYPE, to as u32);
    Ok(0)
}

/// `bpf_get_hash_recalc(skb)`: the hash the host gave the packet.
pub(super) fn hash(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    let Subject::Context(context) = &run.input.subject else { return Ok(0) };
    Ok(context.u32_at(sk_buff::HASH) as u64)
}

/// `bpf_set_hash(skb, hash)`.
pub(super) fn set_hash(run: &mut Run<'_>, [_, hash, ..]: [u64; 5]) -> Ret {
    if let Subject::Context(context) = &mut run.input.subject {
        context.set_u32(sk_buff::HASH, hash as u32);
    }
    Ok(0)
}

/// `bpf_set_hash_invalid(skb)`.
pub(super) fn set_hash_invalid(run: &mut Run<'_>, [skb, ..]: [u64; 5]) -> Ret {
    set_hash(run, [skb, 0, 0, 0, 0])
}

/// `bpf_get_socket_uid(skb)`: the overflow id, as for a packet without socket.
pub(super) fn socket_uid(_: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(65534)
}

/// `bpf_xdp_adjust_head(xdp, delta)`.
pub(super) fn xdp_adjust_head(run: &mut Run<'_>, [_, delta, ..]: [u64; 5]) -> Ret {
    let moved = packet(run, "xdp_adjust_head")?.adjust_head(delta as i32);
    run.update_packet();
    Ok(if moved { 0 } else { EINVAL })
}

/// `bpf_xdp_adjust_tail(xdp, delta)`.
pub(super) fn xdp_adjust_tail(run: &mut Run<'_>, [_, delta, ..]: [u64; 5]) -> Ret {
    let moved = packet(run, "xdp_adjust_tail")?.adjust_tail(delta as i32);
    run.update_packet();
    Ok(if moved { 0 } else { EINVAL })
}

/// `bpf_xdp_adjust_meta(xdp, delta)`.
pub(super) fn xdp_adjust_meta(run: &mut Run<'_>, [_, delta, ..]: [u64; 5]) -> Ret {
    let packet = packet(run, "xdp_adjust_meta")?;
    let error = if packet.meta_in_room(delta as i32) { EACCES } else { EINVAL };
    let moved = packet.adjust_meta(delta as i32);
    run.update_packet();
    Ok(if moved { 0 } else { error })
}

/// `bpf_xdp_get_buff_len(xdp)`.
pub(super) fn xdp_len(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    Ok(packet(run, "xdp_get_buff_len")?.len() as u64)
}

/// The most that one load or store of an XDP program may reach.
const XDP_REACH: u64 = 0xffff;

/// `bpf_xdp_load_bytes(xdp, offset, buf, len)`.
pub(super) fn xdp_load(run: &mut Run<'_>, [_, offset, to, len, _]: [u64; 5]) -> Ret {
    let (offset, len) = (offset as u32, len as u32 as u64);
    if offset as u64 > XDP_REACH || len > XDP_REACH {
        return Ok(EFAULT);
    }
    let packet = packet(run, "xdp_load_bytes")?;
    match range(offset as usize, len).and_then(|r| packet.bytes().get(r)).map(<[u8]>::to_vec) {
        Some(bytes) => {
            run.write_bytes(to, &bytes)?;
            Ok(0)
        }
        None => Ok(EINVAL),
    }
}

/// `bpf_xdp_store_bytes(xdp, offset, buf, len)`.
pub(super) fn xdp_store(run: &mut Run<'_>, [_, offset, from, len, _]: [u64; 5]) -> Ret {
    let len = len as u32 as u64;
    if offset as u32 as u64 > XDP_REACH || len > XDP_REACH {
        return Ok(EFAULT);
    }
    store(run, "xdp_store_bytes", offset, from, len, EINVAL)
}

const XDP_ABORTED: u64 = 0;
const XDP_REDIRECT: u64 = 4;
const TC_SHOT: u64 = 2;
const TC_REDIRECT: u64 = 7;

/// `bpf_redirect(ifindex, flags)`: the verdict that carries it out.
pub(super) fn redirect(run: &mut Run<'_>, [ifindex, flags, ..]: [u64; 5]) -> Ret {
    const INGRESS: u64 = 1;
    let xdp = run.prog().prog_type == Some(ProgType::Xdp);
    let allowed = if xdp { 0 } else { INGRESS };
    if flags & !allowed != 0 {
        return Ok(if xdp { XDP_ABORTED } else { TC_SHOT });
    }
    run.redirect = Some(Redirect::Interface { ifindex: ifindex as u32, flags });
    Ok(if xdp { XDP_REDIRECT } else { TC_REDIRECT })
}

/// `bpf_clone_redirect(skb, ifindex, flags)`: a copy goes, the packet stays.
pub(super) fn clone_redirect(run: &mut Run<'_>, [_, ifindex, flags, ..]: [u64; 5]) -> Ret {
    if flags & !1 != 0 {
        return Ok(EINVAL);
    }
    run.redirect = Some(Redirect::Interface { ifindex: ifindex as u32, flags });
    Ok(0)
}

/// `bpf_redirect_peer(ifindex, flags)`.
pub(super) fn redirect_peer(run: &mut Run<'_>, [ifindex, flags, ..]: [u64; 5]) -> Ret {
    if flags != 0 {
        return Ok(TC_SHOT);
    }
    run.redirect = Some(Redirect::Peer { ifindex: ifindex as u32 });
    Ok(TC_REDIRECT)
}

/// `bpf_redirect_neigh(ifindex, params, plen, flags)`.
pub(super) fn redirect_neigh(run: &mut Run<'_>, [ifindex, params, len, flags, _]: [u64; 5]) -> Ret {
    let len = len as u32 as u64;
    if (len != 0 && len < 20) || flags != 0 {
        return Ok(TC_SHOT);
    }
    run.bytes(params, len, 0)?;
    run.redirect = Some(Redirect::Neighbour { ifindex: ifindex as u32 });
    Ok(TC_REDIRECT)
}

/// `bpf_redirect_map(map, key, flags)`: the low two bits of the flags are the verdict when the map
/// has nothing there.
pub(super) fn redirect_map(run: &mut Run<'_>, [handle, key, flags, ..]: [u64; 5]) -> Ret {
    const VERDICT: u64 = 3;
    const TO_ALL: u64 = 0b11 << 3;
    let map = run.map(handle)?;
    if flags & !(VERDICT | TO_ALL) != 0 {
        return Ok(XDP_ABORTED);
    }
    let bytes = (key as u32).to_ne_bytes();
    let found = map.head().shape().key_size == 4 && map.lookup(&bytes, run.cpu()).is_some();
    if !found && flags & TO_ALL == 0 {
        return Ok(flags & VERDICT);
    }
    let name = map.head().name().to_owned();
    run.redirect = Some(Redirect::Map { map: name, key: bytes.to_vec(), flags });
    Ok(XDP_REDIRECT)
}

/// `bpf_skb_vlan_push(skb, proto, tci)`: the tag stands beside the packet, as after a device has
/// taken it out.
pub(super) fn vlan_push(run: &mut Run<'_>, [_, proto, tci, ..]: [u64; 5]) -> Ret {
    const PROTO_8021Q: u16 = 0x8100;
    const PROTO_8021AD: u16 = 0x88a8;
    let Subject::Context(context) = &mut run.input.subject else { return Ok(EINVAL) };
    let proto = match u16::from_be(proto as u16) {
        PROTO_8021Q | PROTO_8021AD => proto as u16,
        _ => PROTO_8021Q.to_be(),
    };
    if context.u32_at(sk_buff::VLAN_PRESENT) != 0 {
        // The kernel would write the outer tag into the packet first.
        return Ok(EPERM);
    }
    context.set_u32(sk_buff::VLAN_PRESENT, 1);
    context.set_u32(sk_buff::VLAN_TCI, tci as u16 as u32);
    context.set_u32(sk_buff::VLAN_PROTO, proto as u32);
    Ok(0)
}

/// `bpf_skb_vlan_pop(skb)`.
pub(super) fn vlan_pop(run: &mut Run<'_>, _: [u64; 5]) -> Ret {
    let Subject::Context(context) = &mut run.input.subject else { return Ok(EINVAL) };
    for field in [sk_buff::VLAN_PRESENT, sk_buff::VLAN_TCI, sk_buff::VLAN_PROTO] {
        context.set_u32(field, 0);
    }
    Ok(0)
}
