/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Code in .text alone, as for machines in user space. */
#include "bpf.h"

static __noinline u64 twice(u64 x)
{
	asm volatile("" : "+r"(x));
	return x * 2;
}

u64 entry(u64 *ctx)
{
	return twice(*ctx) + 1;
}
