/* Small functions that call each other for every word of memory. */
#include "verified.h"

MEMORY u64 mem[512] = { 1 };

static NOINLINE u64 mix(u64 a, u64 b) {
	a ^= b;
	return ROTL64(a, 7) * 0x9e3779b97f4a7c15ULL;
}

static NOINLINE u64 step(u64 h, u64 word) {
	return mix(h, word) + mix(word, h);
}

static NOINLINE u64 pick(u64 h, u64 word) {
	return word & 1 ? step(h, word) : mix(h, word);
}

XDP int prog(struct xdp_md *ctx) {
	u64 h = 1;

	ROLLED
	for (u32 i = 0; i < 512; i++)
		h = pick(h, mem[i]);
	return fold(h);
}
