/* SipHash-2-4 over memory in words of eight bytes, read byte by byte. */
#include "siphash.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	START;
	u64 i;

	for (i = 0; i + 8 <= len; i += 8) {
		u64 m = le64(mem + i);

		WORD(m);
	}
	END(len);
	return v0 ^ v1 ^ v2 ^ v3;
}
