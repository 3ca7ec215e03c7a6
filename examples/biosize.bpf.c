// SPDX-License-Identifier: MIT OR Apache-2.0
// How large are block I/O requests? One histogram per direction, in powers of two of KiB.
#include "bpf.h"

enum direction { READ, WRITE, OTHER };

#define MAX_SLOTS 20

struct hist {
	u32 slots[MAX_SLOTS];
};

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 3);
	__type(key, enum direction);
	__type(value, struct hist);
} sizes SEC(".maps");

struct totals {
	u64 requests;
	u64 bytes;
	u64 errors;
};

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct totals);
} totals SEC(".maps");

/* Requests smaller than this many bytes are not counted. */
const volatile u32 min_bytes = 0;

/* The contexts of the two tracepoints, as tracefs describes them. */
struct block_rq_issue {
	u64 common;
	u32 dev;
	u64 sector;
	u32 nr_sector;
	u32 bytes;
	u16 ioprio;
	char rwbs[10];
	char comm[16];
	u32 cmd;
};

struct block_rq_complete {
	u64 common;
	u32 dev;
	u64 sector;
	u32 nr_sector;
	int error;
	u16 ioprio;
	char rwbs[10];
	u32 cmd;
};

static __always_inline u32 log2_u32(u32 v)
{
	u32 r, shift;

	r = (v > 0xffff) << 4;
	v >>= r;
	shift = (v > 0xff) << 3;
	v >>= shift;
	r |= shift;
	shift = (v > 0xf) << 2;
	v >>= shift;
	r |= shift;
	shift = (v > 0x3) << 1;
	v >>= shift;
	r |= shift;
	return r | (v >> 1);
}

static const struct hist empty;

SEC("tracepoint/block/block_rq_issue")
int issue(struct block_rq_issue *ctx)
{
	enum direction key = ctx->rwbs[0] == 'R' ? READ : ctx->rwbs[0] == 'W' ? WRITE : OTHER;
	u32 zero = 0, slot;
	struct totals *total;
	struct hist *hist;

	if (ctx->bytes < min_bytes)
		return 0;

	total = map_lookup_elem(&totals, &zero);
	if (total) {
		__sync_fetch_and_add(&total->requests, 1);
		__sync_fetch_and_add(&total->bytes, ctx->bytes);
	}

	hist = map_lookup_elem(&sizes, &key);
	if (!hist) {
		map_update_elem(&sizes, &key, &empty, NOEXIST);
		hist = map_lookup_elem(&sizes, &key);
		if (!hist)
			return 0;
	}
	slot = log2_u32(ctx->bytes / 1024);
	if (slot >= MAX_SLOTS)
		slot = MAX_SLOTS - 1;
	__sync_fetch_and_add(&hist->slots[slot], 1);
	return 0;
}

SEC("tracepoint/block/block_rq_complete")
int complete(struct block_rq_complete *ctx)
{
	struct totals *total;
	u32 zero = 0;

	if (!ctx->error)
		return 0;
	total = map_lookup_elem(&totals, &zero);
	if (total)
		__sync_fetch_and_add(&total->errors, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
