/* Where the two halves of memory first differ, byte by byte. */
#include "verified.h"

#define HALF 4096

MEMORY u8 mem[2 * HALF] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	u32 i;

	ROLLED
	for (i = 0; i < HALF; i++)
		if (mem[i] != mem[HALF + i])
			break;
	return i;
}
