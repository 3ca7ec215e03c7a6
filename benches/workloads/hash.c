/* A multiplicative hash over every byte (FNV-1a), finished by mixing. */
#include "workload.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	u64 h = 0xcbf29ce484222325ULL;

	for (u64 i = 0; i < len; i++)
		h = (h ^ mem[i]) * 0x100000001b3ULL;
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	return h ^ h >> 29;
}
