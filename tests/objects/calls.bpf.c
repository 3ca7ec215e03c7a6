/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Static, global and hidden subprograms, callbacks, and an exception callback. */
#include "bpf.h"

static __noinline int leaf(int x)
{
	asm volatile("" : "+r"(x));
	return x + 1;
}

static __noinline int middle(int x)
{
	asm volatile("" : "+r"(x));
	return leaf(x) * 2;
}

__noinline int shared(int x)
{
	asm volatile("" : "+r"(x));
	return leaf(x) + 5;
}

__hidden __noinline int concealed(int x)
{
	asm volatile("" : "+r"(x));
	return x - 1;
}

static long step(u32 index, void *ctx)
{
	*(u64 *)ctx += index;
	return 0;
}

__noinline int on_throw(u64 cookie)
{
	return cookie & 1;
}

SEC("socket")
int nested(void *ctx)
{
	return shared(middle(1));
}

SEC("socket")
int flat(void *ctx)
{
	return concealed(2);
}

SEC("socket")
int looped(void *ctx)
{
	u64 sum = 0;

	loop(10, step, &sum, 0);
	return sum;
}

SEC("socket")
__tag("exception_callback:on_throw") int thrower(void *ctx)
{
	return 0;
}

char _license[] SEC("license") = "GPL";
