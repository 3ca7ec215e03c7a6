/* Addresses in a trie of prefixes, which the first run fills. */
#include "maps.h"

struct prefix {
	u32 bits;
	u8 address[4];
};

struct {
	__uint(type, LPM_TRIE);
	__uint(map_flags, 1);
	__type(key, struct prefix);
	__type(value, u32);
	__uint(max_entries, 256);
} routes SEC(".maps");

XDP int prog(struct xdp_md *ctx) {
	u8 *bytes = BYTES(ctx);
	struct prefix key = { .bits = 32, .address = { 10, 255, 255, 255 } };
	u32 found = 0;

	if (!lookup(&routes, &key)) {
		ROLLED
		for (u32 i = 0; i < 128; i++) {
			struct prefix route = { .bits = 8 + (i & 15), .address = { i * 2, i * 7, 0, 0 } };

			update(&routes, &route, &i, 0);
		}
		key.bits = 8;
		update(&routes, &key, &found, 0);
		key.bits = 32;
	}
	ROLLED
	for (u32 i = 0; i < OPERATIONS; i++) {
		u8 byte = bytes[i];

		key.address[0] = byte & 0xfe;
		key.address[1] = byte * 7;
		found += lookup(&routes, &key) != 0;
	}
	return found;
}
