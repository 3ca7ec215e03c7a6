/* One packet: whether it is a TCP segment over IPv4 to port 80 or 443, not a fragment. */
#include "verified.h"

MEMORY u8 mem[64] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	const u8 *p = (const u8 *)(long)ctx->data, *end = (const u8 *)(long)ctx->data_end, *l4;
	u16 port;

	if (p + 54 > end)
		return 1;
	if (be16(p + 12) != 0x0800 || p[23] != 6 || be16(p + 20) & 0x1fff)
		return 1;
	l4 = p + 14 + (p[14] & 15) * 4;
	if (l4 + 4 > end)
		return 1;
	port = be16(l4 + 2);
	return port == 80 || port == 443 ? 2 : 1;
}
