/* An open-addressing table in the second half of memory, which the words of the first go into: how
 * often each is there, and how far away it lies. */
#include "workload.h"

struct slot {
	u64 key;
	u64 count;
};

ENTRY u64 entry(u8 *mem, u64 len) {
	u64 half = len / 2, slots = half / sizeof(struct slot), far = 0, sum = 0;
	const u64 *keys = (const u64 *)mem;
	struct slot *table = (struct slot *)(mem + half);

	for (u64 i = 0; i < slots; i++) {
		table[i].key = 0;
		table[i].count = 0;
	}
	for (u64 i = 0; i < half / 8; i++) {
		u64 key = keys[i] % (slots / 2) + 1;
		u64 at = (key * 0x9e3779b97f4a7c15ULL >> 20) & (slots - 1);

		while (table[at].key != key && table[at].key) {
			at = (at + 1) & (slots - 1);
			far++;
		}
		table[at].key = key;
		sum += ++table[at].count;
	}
	return far ^ sum << 16;
}
