/* Programs whose work is in maps. Each does it for the first bytes of the packet, one after the other. */
#ifndef MAPS_H
#define MAPS_H
#include "../verified/verified.h"

#define OPERATIONS 48

/* Definitions of maps as loaders read them. */
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name

enum { ARRAY = 2, HASH = 1, PROG_ARRAY = 3, PERCPU_ARRAY = 6, LPM_TRIE = 11, RINGBUF = 27 };

static void *(*lookup)(void *map, const void *key) = (void *)1;
static long (*update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*tail_call)(void *ctx, void *map, u32 index) = (void *)12;
static long (*ringbuf_output)(void *map, void *data, u64 size, u64 flags) = (void *)130;

/* The packet's bytes, or an end of the program. */
#define BYTES(ctx)                                                  \
	({                                                          \
		u8 *_data = (u8 *)(unsigned long)(ctx)->data;       \
		if (_data + OPERATIONS > (u8 *)(unsigned long)(ctx)->data_end) \
			return 0;                                   \
		_data;                                              \
	})

#endif
