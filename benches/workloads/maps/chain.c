/* A program that goes on through all slots of an array in turn until the kernel lets it no more. */
#include "maps.h"

struct {
	__uint(type, ARRAY);
	__type(key, u32);
	__type(value, u32);
	__uint(max_entries, 1);
} turn SEC(".maps");

struct {
	__uint(type, PROG_ARRAY);
	__type(key, u32);
	__type(value, u32);
	__uint(max_entries, 8);
} next SEC(".maps");

XDP int prog(struct xdp_md *ctx) {
	u32 zero = 0;
	u32 *slot = lookup(&turn, &zero);
	if (!slot)
		return 0;
	*slot = (*slot + 1) & 7;
	tail_call(ctx, &next, *slot);
	return 2;
}
