/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Not a program: the types of a small kernel for the other objects to be fitted to. */
#include "bpf.h"

struct task {
	u64 state;
	u32 flags;
	int pid;
};

struct sample_ops {
	char name[8];
	void (*stop)(void);
	int (*start)(int);
	int (*other)(int);
};

struct bpf_struct_ops_sample_ops {
	u64 common;
	struct sample_ops data;
};

struct task first_task;
struct bpf_struct_ops_sample_ops value;

struct task *current_task(void)
{
	return &first_task;
}

void *keep(void)
{
	return &value;
}
