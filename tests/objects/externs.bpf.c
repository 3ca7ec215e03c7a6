/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Configuration values, kernel functions and variables, and CO-RE. */
#include "bpf.h"

enum libbpf_tristate { TRI_NO, TRI_YES, TRI_MODULE };

extern int CONFIG_HZ __kconfig;
extern _Bool CONFIG_BPF __kconfig __weak;
extern enum libbpf_tristate CONFIG_MODULE __kconfig __weak;
extern char CONFIG_NAME[8] __kconfig __weak;
extern u32 LINUX_KERNEL_VERSION __kconfig;

struct task {
	int pid;
} __core;

extern struct task *current_task(void) __ksym;
extern void missing_function(void) __ksym __weak;
extern const struct task first_task __ksym;
extern const void some_address __ksym;

SEC("socket")
int config(void *ctx)
{
	return CONFIG_HZ + CONFIG_BPF + CONFIG_MODULE + CONFIG_NAME[0] + LINUX_KERNEL_VERSION;
}

SEC("tp_btf/task_newtask")
int kernel(void *ctx)
{
	struct task *t = current_task();

	if (missing_function)
		missing_function();
	return t->pid + first_task.pid;
}

SEC("raw_tp")
u64 address(void *ctx)
{
	return (u64)&some_address;
}

char _license[] SEC("license") = "GPL";
