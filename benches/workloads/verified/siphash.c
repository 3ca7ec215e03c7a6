/* SipHash-2-4 over memory in words of eight bytes, read byte by byte. */
#include "../siphash.h"
#include "verified.h"

MEMORY u8 mem[4096] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	START;

	ROLLED
	for (u32 i = 0; i < sizeof(mem); i += 8) {
		u64 m = le64(mem + i);

		WORD(m);
	}
	END((u64)sizeof(mem));
	return fold(v0 ^ v1 ^ v2 ^ v3);
}
