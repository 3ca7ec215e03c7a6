/* SipHash-2-4 over memory in words of eight bytes, read byte by byte. */
#include "verified.h"

#define ROUND                                                                                      \
	do {                                                                                       \
		v0 += v1; v1 = ROTL64(v1, 13); v1 ^= v0; v0 = ROTL64(v0, 32);                      \
		v2 += v3; v3 = ROTL64(v3, 16); v3 ^= v2;                                           \
		v0 += v3; v3 = ROTL64(v3, 21); v3 ^= v0;                                           \
		v2 += v1; v1 = ROTL64(v1, 17); v1 ^= v2; v2 = ROTL64(v2, 32);                      \
	} while (0)

MEMORY u8 mem[4096] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	u64 k0 = 0x0706050403020100ULL, k1 = 0x0f0e0d0c0b0a0908ULL;
	u64 v0 = k0 ^ 0x736f6d6570736575ULL, v1 = k1 ^ 0x646f72616e646f6dULL;
	u64 v2 = k0 ^ 0x6c7967656e657261ULL, v3 = k1 ^ 0x7465646279746573ULL;

	ROLLED
	for (u32 i = 0; i < sizeof(mem); i += 8) {
		u64 m = le64(mem + i);

		v3 ^= m;
		ROUND;
		ROUND;
		v0 ^= m;
	}
	v3 ^= (u64)sizeof(mem) << 56;
	ROUND;
	ROUND;
	v0 ^= (u64)sizeof(mem) << 56;
	v2 ^= 0xff;
	ROUND;
	ROUND;
	ROUND;
	ROUND;
	return fold(v0 ^ v1 ^ v2 ^ v3);
}
