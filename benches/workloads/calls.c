/* Small functions that call each other for every word of memory. */
#include "workload.h"

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

ENTRY u64 entry(u8 *mem, u64 len) {
	const u64 *words = (const u64 *)mem;
	u64 h = 1;

	for (u64 i = 0; i < len / 8; i++)
		h = pick(h, words[i]);
	return h;
}
