//! The current task, CPU and attachment, from what the host injected.

use super::{EINVAL, ENOENT, Ret};
use crate::vm::engine::Engine;
use crate::vm::input::Input;
use crate::vm::run::Run;

/// `bpf_get_smp_processor_id()`.
pub(super) fn processor(engine: &Engine, input: &Input<'_>) -> u64 {
    input.cpu_of(engine).into()
}

/// `bpf_get_numa_node_id()`.
pub(super) fn numa_node(engine: &Engine, input: &Input<'_>) -> u64 {
    input.task_of(engine).numa_node.into()
}

/// `bpf_get_current_pid_tgid()`.
pub(super) fn pid_tgid(engine: &Engine, input: &Input<'_>) -> u64 {
    let task = input.task_of(engine);
    u64::from(task.tgid) << 32 | u64::from(task.pid)
}

/// `bpf_get_current_uid_gid()`.
pub(super) fn uid_gid(engine: &Engine, input: &Input<'_>) -> u64 {
    let task = input.task_of(engine);
    u64::from(task.gid) << 32 | u64::from(task.uid)
}

/// `bpf_get_current_comm(buf, size)`: the name, cut to the buffer and padded with nulls.
pub(super) fn comm(run: &mut Run<'_>, [buffer, size, ..]: [u64; 5]) -> Ret {
    let size = size as u32 as usize;
    if size == 0 {
        return Ok(EINVAL);
    }
    let comm = run.task().comm;
    let len = comm.iter().position(|&b| b == 0).unwrap_or(comm.len()).min(size - 1);
    run.zero_bytes(buffer, size as u64)?;
    run.write_bytes(buffer, &comm[..len])?;
    Ok(0)
}

/// `bpf_get_current_task()` and `bpf_get_current_task_btf()`.
pub(super) fn task(engine: &Engine, input: &Input<'_>) -> u64 {
    input.task_of(engine).address
}

/// `bpf_get_current_cgroup_id()`.
pub(super) fn cgroup_id(engine: &Engine, input: &Input<'_>) -> u64 {
    input.task_of(engine).cgroup_id
}

/// `bpf_get_current_ancestor_cgroup_id(level)`; 0 where there is none.
pub(super) fn ancestor_cgroup_id(run: &mut Run<'_>, [level, ..]: [u64; 5]) -> Ret {
    let level = usize::try_from(level as i32).ok();
    Ok(level.and_then(|l| run.task().ancestor_cgroup_ids.get(l)).copied().unwrap_or(0))
}

/// `bpf_get_ns_current_pid_tgid(dev, ino, nsdata, size)`: pid and tgid, as two 32-bit words.
pub(super) fn ns_pid_tgid(run: &mut Run<'_>, [dev, ino, out, size, _]: [u64; 5]) -> Ret {
    let found = run.task().namespace.filter(|n| n.dev == dev && n.ino == ino);
    let size = size as u32 as u64;
    match found {
        Some(ns) if size == 8 => {
            let mut bytes = [0; 8];
            bytes[..4].copy_from_slice(&ns.pid.to_ne_bytes());
            bytes[4..].copy_from_slice(&ns.tgid.to_ne_bytes());
            run.write_bytes(out, &bytes)?;
            Ok(0)
        }
        found => {
            run.zero_bytes(out, size)?;
            Ok(if size != 8 || found.is_some() { EINVAL } else { ENOENT })
        }
    }
}

/// `bpf_get_cgroup_classid(skb)`: no class.
pub(super) fn zero(_: &Engine, _: &Input<'_>) -> u64 {
    0
}

/// `bpf_get_attach_cookie(ctx)`.
pub(super) fn attach_cookie(_: &Engine, input: &Input<'_>) -> u64 {
    input.attach_cookie
}

/// `bpf_get_func_ip(ctx)`.
pub(super) fn func_ip(_: &Engine, input: &Input<'_>) -> u64 {
    input.func_ip
}

/// `bpf_get_retval()`.
pub(super) fn get_retval(_: &Engine, input: &Input<'_>) -> u64 {
    input.ret_value as u64
}

/// `bpf_set_retval(retval)`.
pub(super) fn set_retval(run: &mut Run<'_>, [value, ..]: [u64; 5]) -> Ret {
    run.input.ret_value = value as i32 as i64;
    Ok(0)
}
