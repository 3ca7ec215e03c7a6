/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Map definitions of the time before BTF. */
#include "bpf.h"

struct {
	u32 type, key_size, value_size, max_entries, flags;
} old SEC("maps") = { 2, 4, 8, 16, 0 };

SEC("xdp")
int lookup(void *ctx)
{
	u32 k = 0;

	return map_lookup_elem(&old, &k) ? 2 : 1;
}

u32 _version SEC("version") = 0x01020304;
char _license[] SEC("license") = "GPL";
