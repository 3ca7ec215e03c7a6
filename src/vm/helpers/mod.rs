//! The kernel's helpers that the machine has, by number; one file for each group.
//!
//! A helper takes the five argument registers and gives R0: a value, or an error number negated, as
//! the kernel's does. A trap is for what the kernel's verifier would have refused. What each
//! helper is allowed for and which arguments it takes is a fact of the kernel model.

mod control;
mod csum;
mod current;
mod dynptr;
mod format;
pub(super) mod lock;
pub(super) mod map;
mod packet;
mod print;
mod probe;
pub(super) mod ringbuf;
mod string;
pub(super) mod tail;
mod time;

use super::linker::OwnFn;
use super::trap::Trap;

type Ret = Result<u64, Trap>;

macro_rules! errors {
    ($($name:ident = $number:literal;)+) => { $(const $name: u64 = -($number as i64) as u64;)+ };
}
errors! {
    EPERM = 1;
    ENOENT = 2;
    E2BIG = 7;
    ENOMEM = 12;
    EACCES = 13;
    EFAULT = 14;
    EINVAL = 22;
    ENOSPC = 28;
    ERANGE = 34;
    ENOTSUPP = 524;
}

/// Helpers that take fuel or call functions of the program: `tail_call`, `spin_lock`, `for_each_map_elem`, `loop`
/// and `user_ringbuf_drain`. Machine code hands what is left of its fuel to these alone, so whichever does the
/// same has to stand here.
pub(crate) const NEEDS_FUEL: [i32; 5] = [12, 93, 164, 181, 209];

/// Every helper: number (uapi `enum bpf_func_id`), name, function.
pub(super) const ALL: &[(i32, &str, OwnFn)] = &[
    (1, "map_lookup_elem", map::lookup),
    (2, "map_update_elem", map::update),
    (3, "map_delete_elem", map::delete),
    (4, "probe_read", probe::read),
    (5, "ktime_get_ns", time::ktime),
    (6, "trace_printk", print::trace_printk),
    (7, "get_prandom_u32", time::random),
    (8, "get_smp_processor_id", current::processor),
    (9, "skb_store_bytes", packet::skb_store),
    (10, "l3_csum_replace", csum::l3_replace),
    (11, "l4_csum_replace", csum::l4_replace),
    (12, "tail_call", tail::through_register),
    (13, "clone_redirect", packet::clone_redirect),
    (14, "get_current_pid_tgid", current::pid_tgid),
    (15, "get_current_uid_gid", current::uid_gid),
    (16, "get_current_comm", current::comm),
    (17, "get_cgroup_classid", current::zero),
    (18, "skb_vlan_push", packet::vlan_push),
    (19, "skb_vlan_pop", packet::vlan_pop),
    (22, "perf_event_read", ringbuf::perf_read),
    (23, "redirect", packet::redirect),
    (24, "get_route_realm", current::zero),
    (25, "perf_event_output", ringbuf::perf_output),
    (26, "skb_load_bytes", packet::skb_load),
    (27, "get_stackid", ringbuf::stackid),
    (28, "csum_diff", csum::diff),
    (32, "skb_change_type", packet::skb_change_type),
    (34, "get_hash_recalc", packet::hash),
    (35, "get_current_task", current::task),
    (36, "probe_write_user", probe::write_user),
    (38, "skb_change_tail", packet::skb_change_tail),
    (39, "skb_pull_data", packet::skb_pull),
    (40, "csum_update", csum::update),
    (41, "set_hash_invalid", packet::set_hash_invalid),
    (42, "get_numa_node_id", current::numa_node),
    (43, "skb_change_head", packet::skb_change_head),
    (44, "xdp_adjust_head", packet::xdp_adjust_head),
    (45, "probe_read_str", probe::read_str),
    (46, "get_socket_cookie", current::zero),
    (47, "get_socket_uid", packet::socket_uid),
    (48, "set_hash", packet::set_hash),
    (50, "skb_adjust_room", packet::skb_adjust_room),
    (51, "redirect_map", packet::redirect_map),
    (54, "xdp_adjust_meta", packet::xdp_adjust_meta),
    (55, "perf_event_read_value", ringbuf::perf_read_value),
    (65, "xdp_adjust_tail", packet::xdp_adjust_tail),
    (68, "skb_load_bytes_relative", packet::skb_load_relative),
    (80, "get_current_cgroup_id", current::cgroup_id),
    (87, "map_push_elem", map::push),
    (88, "map_pop_elem", map::pop),
    (89, "map_peek_elem", map::peek),
    (93, "spin_lock", lock::lock),
    (94, "spin_unlock", lock::unlock),
    (105, "strtol", string::strtol),
    (106, "strtoul", string::strtoul),
    (111, "skb_output", ringbuf::perf_output),
    (112, "probe_read_user", probe::read),
    (113, "probe_read_kernel", probe::read),
    (114, "probe_read_user_str", probe::read_str),
    (115, "probe_read_kernel_str", probe::read_str),
    (118, "jiffies64", time::jiffies),
    (120, "get_ns_current_pid_tgid", current::ns_pid_tgid),
    (121, "xdp_output", ringbuf::perf_output),
    (123, "get_current_ancestor_cgroup_id", current::ancestor_cgroup_id),
    (125, "ktime_get_boot_ns", time::boot),
    (126, "seq_printf", print::seq_printf),
    (127, "seq_write", print::seq_write),
    (130, "ringbuf_output", ringbuf::output),
    (131, "ringbuf_reserve", ringbuf::reserve),
    (132, "ringbuf_submit", ringbuf::submit),
    (133, "ringbuf_discard", ringbuf::discard),
    (134, "ringbuf_query", ringbuf::query),
    (135, "csum_level", csum::level),
    (148, "copy_from_user", probe::read),
    (152, "redirect_neigh", packet::redirect_neigh),
    (155, "redirect_peer", packet::redirect_peer),
    (158, "get_current_task_btf", current::task),
    (160, "ktime_get_coarse_ns", time::coarse),
    (164, "for_each_map_elem", map::for_each),
    (165, "snprintf", print::snprintf),
    (173, "get_func_ip", current::func_ip),
    (174, "get_attach_cookie", current::attach_cookie),
    (177, "trace_vprintk", print::trace_vprintk),
    (181, "loop", control::r#loop),
    (182, "strncmp", string::strncmp),
    (186, "get_retval", current::get_retval),
    (187, "set_retval", current::set_retval),
    (188, "xdp_get_buff_len", packet::xdp_len),
    (189, "xdp_load_bytes", packet::xdp_load),
    (190, "xdp_store_bytes", packet::xdp_store),
    (191, "copy_from_user_task", probe::copy_from_task),
    (195, "map_lookup_percpu_elem", map::lookup_percpu),
    (197, "dynptr_from_mem", dynptr::from_mem),
    (198, "ringbuf_reserve_dynptr", ringbuf::reserve_dynptr),
    (199, "ringbuf_submit_dynptr", ringbuf::submit_dynptr),
    (200, "ringbuf_discard_dynptr", ringbuf::discard_dynptr),
    (201, "dynptr_read", dynptr::read),
    (202, "dynptr_write", dynptr::write),
    (203, "dynptr_data", dynptr::data),
    (208, "ktime_get_tai_ns", time::tai),
    (209, "user_ringbuf_drain", ringbuf::drain),
];

/// The kernel functions that the machine has, by name.
pub(super) const KFUNCS: &[(&str, OwnFn)] = &[
    ("bpf_throw", control::throw),
    ("bpf_iter_num_new", control::iter_num_new),
    ("bpf_iter_num_next", control::iter_num_next),
    ("bpf_iter_num_destroy", control::iter_num_destroy),
    ("bpf_rcu_read_lock", control::nothing),
    ("bpf_rcu_read_unlock", control::nothing),
    ("bpf_preempt_disable", control::nothing),
    ("bpf_preempt_enable", control::nothing),
];

/// The name of the kernel's helper with this number, without `bpf_`, whether the machine has it or not.
pub fn name_of(id: i32) -> Option<&'static str> {
    let id = u32::try_from(id).ok()?;
    super::newest().helper(id).map(|record| record.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_named_as_in_the_facts() {
        assert!(ALL.windows(2).all(|w| w[0].0 < w[1].0));
        for &(id, name, _) in ALL {
            assert_eq!(name_of(id), Some(name), "{id}");
        }
    }
}
