/* The sieve of Eratosthenes over bytes of memory; how many primes are below its length. */
#include "verified.h"

MEMORY u8 mem[4096] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	u64 count = 0;

	ROLLED
	for (u32 i = 0; i < sizeof(mem); i++)
		mem[i] = 1;
	ROLLED
	for (u32 i = 2; i < sizeof(mem); i++) {
		if (!mem[i])
			continue;
		count++;
		ROLLED
		for (u32 j = i * i; j < sizeof(mem); j += i)
			mem[j] = 0;
	}
	return count;
}
