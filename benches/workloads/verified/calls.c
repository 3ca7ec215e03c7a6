/* Small functions that call each other for every word of memory. */
#include "../calls.h"
#include "verified.h"

MEMORY u64 mem[512] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	u64 h = 1;

	ROLLED
	for (u32 i = 0; i < 512; i++)
		h = pick(h, mem[i]);
	return fold(h);
}
