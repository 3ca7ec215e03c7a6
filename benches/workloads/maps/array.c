/* A counter for each value of a byte, in an array. */
#include "maps.h"

#ifndef KIND
#define KIND ARRAY
#endif

struct {
	__uint(type, KIND);
	__type(key, u32);
	__type(value, u64);
	__uint(max_entries, 256);
} counts SEC(".maps");

XDP int prog(struct xdp_md *ctx) {
	u8 *bytes = BYTES(ctx);

	ROLLED
	for (u32 i = 0; i < OPERATIONS; i++) {
		u32 key = bytes[i];
		u64 *count = lookup(&counts, &key);

		if (count)
			*count += 1;
	}
	return 2;
}
