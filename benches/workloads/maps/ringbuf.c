/* Records for whoever reads them. */
#include "maps.h"

struct {
	__uint(type, RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

XDP int prog(struct xdp_md *ctx) {
	u8 *bytes = BYTES(ctx);
	u32 failed = 0;

	ROLLED
	for (u32 i = 0; i < OPERATIONS; i++) {
		u64 record = bytes[i];

		failed += ringbuf_output(&events, &record, sizeof(record), 1) != 0;
	}
	return failed;
}
