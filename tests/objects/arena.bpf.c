/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Variables in an arena. */
#include "bpf.h"

struct {
	__uint(type, 33);
	__uint(map_flags, 1 << 10);
	__uint(max_entries, 2);
} arena SEC(".maps");

#define __arena __attribute__((address_space(1)))

int __arena first = 1;
int __arena second = 2;

SEC("syscall")
int sum(void *ctx)
{
	return first + second + (((u64)&arena) & 1);
}

char _license[] SEC("license") = "GPL";
