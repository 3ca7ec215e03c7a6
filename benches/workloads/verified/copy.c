/* The first half of memory to the second, byte by byte. */
#include "verified.h"

#define HALF 4096

MEMORY u8 mem[2 * HALF] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	ROLLED
	for (u32 i = 0; i < HALF; i++)
		mem[HALF + i] = mem[i];
	return mem[2 * HALF - 1];
}
