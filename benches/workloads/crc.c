/* CRC-32 by a table of 256 words, which the first 1,024 bytes of memory hold. */
#include "workload.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	const u32 *table = (const u32 *)mem;
	u32 crc = ~0u;

	for (u64 i = 1024; i < len; i++)
		crc = table[(crc ^ mem[i]) & 0xff] ^ crc >> 8;
	return (u32)~crc;
}
