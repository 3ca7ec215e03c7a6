/* The first half of memory to the second, byte by byte. */
#include "workload.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	u64 half = len / 2;
	u8 *to = mem + half;

	for (u64 i = 0; i < half; i++)
		to[i] = mem[i];
	return to[half - 1];
}
