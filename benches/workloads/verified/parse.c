/* Headers of packets that lie 128 bytes apart: how many are TCP or UDP over IPv4 or IPv6, to which
 * ports, and how long. */
#include "../parse.h"
#include "verified.h"

#define PACKETS 512

MEMORY u8 mem[PACKETS * 128] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	COUNTERS;

	ROLLED
	for (u32 at = 0; at < sizeof(mem); at += 128) {
		const u8 *p = mem + at, *l4;
		u16 type = be16(p + 12);
		u32 net = 14, protocol;

		if (type == 0x8100) {
			type = be16(p + 16);
			net = 18;
		}
		if (type == 0x0800) {
			u32 ihl = (p[net] & 15) * 4;

			if (ihl < 20) {
				other++;
				continue;
			}
			protocol = p[net + 9];
			bytes += be16(p + net + 2);
			l4 = p + net + ihl;
		} else if (type == 0x86dd) {
			protocol = p[net + 6];
			bytes += be16(p + net + 4);
			l4 = p + net + 40;
		} else {
			other++;
			continue;
		}
		COUNT(protocol, l4);
	}
	return fold(RESULT);
}
