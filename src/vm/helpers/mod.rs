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

use super::linker::Own::{self, Answer, Run};
use super::linker::OwnFn;
use super::trap::Trap;
#[cfg(feature = "jit")]
pub(crate) use csum::proven_diff;

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
pub(super) const ALL: &[(i32, &str, Own)] = &[
    (1, "map_lookup_elem", Run(map::lookup)),
    (2, "map_update_elem", Run(map::update)),
    (3, "map_delete_elem", Run(map::delete)),
    (4, "probe_read", Run(probe::read)),
    (5, "ktime_get_ns", Answer(time::ktime)),
    (6, "trace_printk", Run(print::trace_printk)),
    (7, "get_prandom_u32", Answer(time::random)),
    (8, "get_smp_processor_id", Answer(current::processor)),
    (9, "skb_store_bytes", Run(packet::skb_store)),
    (10, "l3_csum_replace", Run(csum::l3_replace)),
    (11, "l4_csum_replace", Run(csum::l4_replace)),
    (12, "tail_call", Run(tail::through_register)),
    (13, "clone_redirect", Run(packet::clone_redirect)),
    (14, "get_current_pid_tgid", Answer(current::pid_tgid)),
    (15, "get_current_uid_gid", Answer(current::uid_gid)),
    (16, "get_current_comm", Run(current::comm)),
    (17, "get_cgroup_classid", Answer(current::zero)),
    (18, "skb_vlan_push", Run(packet::vlan_push)),
    (19, "skb_vlan_pop", Run(packet::vlan_pop)),
    (22, "perf_event_read", Run(ringbuf::perf_read)),
    (23, "redirect", Run(packet::redirect)),
    (24, "get_route_realm", Answer(current::zero)),
    (25, "perf_event_output", Run(ringbuf::perf_output)),
    (26, "skb_load_bytes", Run(packet::skb_load)),
    (27, "get_stackid", Run(ringbuf::stackid)),
    (28, "csum_diff", Run(csum::diff)),
    (32, "skb_change_type", Run(packet::skb_change_type)),
    (34, "get_hash_recalc", Run(packet::hash)),
    (35, "get_current_task", Answer(current::task)),
    (36, "probe_write_user", Run(probe::write_user)),
    (38, "skb_change_tail", Run(packet::skb_change_tail)),
    (39, "skb_pull_data", Run(packet::skb_pull)),
    (40, "csum_update", Run(csum::update)),
    (41, "set_hash_invalid", Run(packet::set_hash_invalid)),
    (42, "get_numa_node_id", Answer(current::numa_node)),
    (43, "skb_change_head", Run(packet::skb_change_head)),
    (44, "xdp_adjust_head", Run(packet::xdp_adjust_head)),
    (45, "probe_read_str", Run(probe::read_str)),
    (46, "get_socket_cookie", Answer(current::zero)),
    (47, "get_socket_uid", Run(packet::socket_uid)),
    (48, "set_hash", Run(packet::set_hash)),
    (50, "skb_adjust_room", Run(packet::skb_adjust_room)),
    (51, "redirect_map", Run(packet::redirect_map)),
    (54, "xdp_adjust_meta", Run(packet::xdp_adjust_meta)),
    (55, "perf_event_read_value", Run(ringbuf::perf_read_value)),
    (65, "xdp_adjust_tail", Run(packet::xdp_adjust_tail)),
    (68, "skb_load_bytes_relative", Run(packet::skb_load_relative)),
    (80, "get_current_cgroup_id", Answer(current::cgroup_id)),
    (87, "map_push_elem", Run(map::push)),
    (88, "map_pop_elem", Run(map::pop)),
    (89, "map_peek_elem", Run(map::peek)),
    (93, "spin_lock", Run(lock::lock)),
    (94, "spin_unlock", Run(lock::unlock)),
    (105, "strtol", Run(string::strtol)),
    (106, "strtoul", Run(string::strtoul)),
    (111, "skb_output", Run(ringbuf::perf_output)),
    (112, "probe_read_user", Run(probe::read)),
    (113, "probe_read_kernel", Run(probe::read)),
    (114, "probe_read_user_str", Run(probe::read_str)),
    (115, "probe_read_kernel_str", Run(probe::read_str)),
    (118, "jiffies64", Answer(time::jiffies)),
    (120, "get_ns_current_pid_tgid", Run(current::ns_pid_tgid)),
    (121, "xdp_output", Run(ringbuf::perf_output)),
    (123, "get_current_ancestor_cgroup_id", Run(current::ancestor_cgroup_id)),
    (125, "ktime_get_boot_ns", Answer(time::boot)),
    (126, "seq_printf", Run(print::seq_printf)),
    (127, "seq_write", Run(print::seq_write)),
    (130, "ringbuf_output", Run(ringbuf::output)),
    (131, "ringbuf_reserve", Run(ringbuf::reserve)),
    (132, "ringbuf_submit", Run(ringbuf::submit)),
    (133, "ringbuf_discard", Run(ringbuf::discard)),
    (134, "ringbuf_query", Run(ringbuf::query)),
    (135, "csum_level", Run(csum::level)),
    (148, "copy_from_user", Run(probe::read)),
    (152, "redirect_neigh", Run(packet::redirect_neigh)),
    (155, "redirect_peer", Run(packet::redirect_peer)),
    (158, "get_current_task_btf", Answer(current::task)),
    (160, "ktime_get_coarse_ns", Answer(time::coarse)),
    (164, "for_each_map_elem", Run(map::for_each)),
    (165, "snprintf", Run(print::snprintf)),
    (173, "get_func_ip", Answer(current::func_ip)),
    (174, "get_attach_cookie", Answer(current::attach_cookie)),
    (177, "trace_vprintk", Run(print::trace_vprintk)),
    (181, "loop", Run(control::r#loop)),
    (182, "strncmp", Run(string::strncmp)),
    (186, "get_retval", Answer(current::get_retval)),
    (187, "set_retval", Run(current::set_retval)),
    (188, "xdp_get_buff_len", Run(packet::xdp_len)),
    (189, "xdp_load_bytes", Run(packet::xdp_load)),
    (190, "xdp_store_bytes", Run(packet::xdp_store)),
    (191, "copy_from_user_task", Run(probe::copy_from_task)),
    (195, "map_lookup_percpu_elem", Run(map::lookup_percpu)),
    (197, "dynptr_from_mem", Run(dynptr::from_mem)),
    (198, "ringbuf_reserve_dynptr", Run(ringbuf::reserve_dynptr)),
    (199, "ringbuf_submit_dynptr", Run(ringbuf::submit_dynptr)),
    (200, "ringbuf_discard_dynptr", Run(ringbuf::discard_dynptr)),
    (201, "dynptr_read", Run(dynptr::read)),
    (202, "dynptr_write", Run(dynptr::write)),
    (203, "dynptr_data", Run(dynptr::data)),
    (208, "ktime_get_tai_ns", Answer(time::tai)),
    (209, "user_ringbuf_drain", Run(ringbuf::drain)),
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
