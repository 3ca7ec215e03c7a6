/* A multiplicative hash over every byte (FNV-1a), finished by mixing. */
#include "verified.h"

MEMORY u8 mem[4096] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	u64 h = 0xcbf29ce484222325ULL;

	ROLLED
	for (u32 i = 0; i < sizeof(mem); i++)
		h = (h ^ mem[i]) * 0x100000001b3ULL;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	return fold(h ^ h >> 29);
}
