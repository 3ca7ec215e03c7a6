/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Structs of kernel callbacks. */
#include "bpf.h"

struct sample_ops {
	int (*start)(int);
	void (*stop)(void);
	char name[8];
};

struct sample_ops___later {
	int (*start)(int);
	int (*later)(int);
};

SEC("struct_ops/start")
int start(u64 *ctx)
{
	return 1;
}

SEC("struct_ops")
void stop(u64 *ctx)
{
}

SEC(".struct_ops.link")
struct sample_ops ops = { .start = (void *)start, .stop = (void *)stop, .name = "sample" };

SEC("?.struct_ops")
struct sample_ops___later optional = { .later = (void *)start };

char _license[] SEC("license") = "GPL";
