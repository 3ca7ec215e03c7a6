/* Where the two halves of memory first differ, byte by byte. */
#include "workload.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	u64 half = len / 2, i = 0;
	const u8 *other = mem + half;

	while (i < half && mem[i] == other[i])
		i++;
	return i;
}
