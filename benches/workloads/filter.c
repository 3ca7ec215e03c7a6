/* One packet: whether it is a TCP segment over IPv4 to port 80 or 443, not a fragment. */
#include "workload.h"

ENTRY u64 entry(u8 *mem, u64 len) {
	u32 ihl;
	u16 port;

	if (len < 54)
		return 0;
	if (be16(mem + 12) != 0x0800 || mem[23] != 6 || be16(mem + 20) & 0x1fff)
		return 0;
	ihl = (mem[14] & 15) * 4;
	if (14 + ihl + 4 > len)
		return 0;
	port = be16(mem + 14 + ihl + 2);
	return port == 80 || port == 443 ? len : 0;
}
