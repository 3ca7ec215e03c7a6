/* The sieve of Eratosthenes over bytes of memory; how many primes are below its length. */
#include "workload.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	u64 count = 0;

	for (u64 i = 0; i < len; i++)
		mem[i] = 1;
	for (u64 i = 2; i < len; i++) {
		if (!mem[i])
			continue;
		count++;
		for (u64 j = i * i; j < len; j += i)
			mem[j] = 0;
	}
	return count;
}
