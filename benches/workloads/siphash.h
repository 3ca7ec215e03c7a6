/* SipHash-2-4 on whole words, with a key of its own. */
#ifndef SIPHASH_H
#define SIPHASH_H
#include "workload.h"

#define ROUND                                                                                      \
	do {                                                                                       \
		v0 += v1; v1 = ROTL64(v1, 13); v1 ^= v0; v0 = ROTL64(v0, 32);                      \
		v2 += v3; v3 = ROTL64(v3, 16); v3 ^= v2;                                           \
		v0 += v3; v3 = ROTL64(v3, 21); v3 ^= v0;                                           \
		v2 += v1; v1 = ROTL64(v1, 17); v1 ^= v2; v2 = ROTL64(v2, 32);                      \
	} while (0)

/* The state before the first word. */
#define START \
	u64 k0 = 0x0706050403020100ULL, k1 = 0x0f0e0d0c0b0a0908ULL; \
	u64 v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL; \
	u64 v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL

#define WORD(m) \
	do { \
		v3 ^= m; \
		ROUND; \
		ROUND; \
		v0 ^= m; \
	} while (0)

/* What comes behind the last word, for so many bytes. */
#define END(len) \
	do { \
		v3 ^= (len) << 56; \
		ROUND; \
		ROUND; \
		v0 ^= (len) << 56; \
		v2 ^= 0xff; \
		ROUND; \
		ROUND; \
		ROUND; \
		ROUND; \
	} while (0)

#endif
