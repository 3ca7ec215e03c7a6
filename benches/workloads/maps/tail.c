/* A program that goes to itself until the kernel lets it no more, which is 33 times. */
#include "maps.h"

struct {
	__uint(type, PROG_ARRAY);
	__type(key, u32);
	__type(value, u32);
	__uint(max_entries, 1);
} next SEC(".maps");

XDP int prog(struct xdp_md *ctx) {
	tail_call(ctx, &next, 0);
	return 2;
}
