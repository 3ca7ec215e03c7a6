/* SPDX-License-Identifier: MIT OR Apache-2.0
 * Every key of a map definition, inner maps, initial elements, and sections of global data. */
#include "bpf.h"

struct key {
	u32 a, b;
};

struct {
	__uint(type, 1);
	__uint(max_entries, 100);
	__uint(map_flags, 1);
	__uint(numa_node, 0);
	__type(key, struct key);
	__type(value, u64);
	__uint(pinning, 1);
} table SEC(".maps");

struct {
	__uint(type, 30);
	__uint(max_entries, 10);
	__uint(key_size, 0);
	__uint(value_size, 8);
	__ulong(map_extra, 5);
} bloom SEC(".maps");

struct {
	__uint(type, 27);
	__uint(max_entries, 5000);
} ring SEC(".maps");

struct inner {
	__uint(type, 2);
	__uint(max_entries, 3);
	__type(key, u32);
	__type(value, u32);
} first SEC(".maps"), second SEC(".maps");

struct {
	__uint(type, 12);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, struct inner);
} outer SEC(".maps") = { .values = { [1] = &first, [3] = &second } };

int one(void *ctx);
int two(void *ctx);

struct {
	__uint(type, 3);
	__uint(max_entries, 2);
	__type(key, u32);
	__array(values, int(void *));
} jumps SEC(".maps") = { .values = { [0] = (void *)&two, [1] = (void *)&one } };

struct {
	__uint(type, 4);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

int counter = 7;
int zeroed;
static volatile int hidden_counter = 3;
const volatile int limit = 11;
int custom SEC(".data.custom") = 13;

SEC("socket")
int one(void *ctx)
{
	struct key k = { 1, 2 };
	u64 *v = map_lookup_elem(&table, &k);

	counter += limit;
	hidden_counter++;
	zeroed += custom;
	return v ? *v : 0;
}

SEC("?tc")
int two(void *ctx)
{
	u32 k = 0;

	return map_lookup_elem(&outer, &k) || map_lookup_elem(&jumps, &k) || map_lookup_elem(&bloom, &k) ||
	       map_lookup_elem(&events, &k) || map_lookup_elem(&ring, &k);
}

char _license[] SEC("license") = "Dual MIT/GPL";
