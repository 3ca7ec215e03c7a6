/* An open-addressing table in the second half of memory, which the words of the first go into: how
 * often each is there, and how far away it lies. */
#include "verified.h"

#define KEYS 256
#define SLOTS 128
#define PROBES 16

struct slot {
	u64 key;
	u64 count;
};

MEMORY u64 mem[KEYS + 2 * SLOTS] = { 1 };

XDP int prog(struct xdp_md *ctx) {
	struct slot *table = (struct slot *)(mem + KEYS);
	u64 far = 0, sum = 0;

	ROLLED
	for (u32 i = 0; i < SLOTS; i++) {
		table[i].key = 0;
		table[i].count = 0;
	}
	ROLLED
	for (u32 i = 0; i < KEYS; i++) {
		u64 key = mem[i] % (SLOTS / 2) + 1;
		u64 at = key * 0x9e3779b97f4a7c15ULL >> 20;
		struct slot *slot = &table[at & (SLOTS - 1)];

		ROLLED
		for (u32 n = 0; n < PROBES; n++) {
			if (slot->key == key || !slot->key)
				break;
			at++;
			far++;
			slot = &table[at & (SLOTS - 1)];
		}
		slot->key = key;
		sum += ++slot->count;
	}
	return fold(far ^ sum << 16);
}
