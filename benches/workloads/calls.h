/* Small functions that call each other. */
#ifndef CALLS_H
#define CALLS_H
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

#endif
