/* Headers of packets that lie 128 bytes apart: how many are TCP or UDP over IPv4 or IPv6, to which
 * ports, and how long. */
#include "parse.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	COUNTERS;

	for (u64 at = 0; at + 128 <= len; at += 128) {
		const u8 *p = mem + at, *end = p + 128, *l4;
		u32 protocol;

		if (p + 34 > end)
			continue;
		u16 type = be16(p + 12);
		const u8 *net = p + 14;

		if (type == 0x8100) {
			type = be16(p + 16);
			net = p + 18;
		}
		if (type == 0x0800) {
			u32 ihl = (net[0] & 15) * 4;

			if (ihl < 20 || net + ihl + 8 > end) {
				other++;
				continue;
			}
			protocol = net[9];
			bytes += be16(net + 2);
			l4 = net + ihl;
		} else if (type == 0x86dd) {
			if (net + 48 > end) {
				other++;
				continue;
			}
			protocol = net[6];
			bytes += be16(net + 4);
			l4 = net + 40;
		} else {
			other++;
			continue;
		}
		COUNT(protocol, l4);
	}
	return RESULT;
}
