/* SPDX-License-Identifier: MIT OR Apache-2.0
 * What the test objects need: macros in libbpf's conventions. */
#pragma once

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))
#define __tag(text) __attribute__((btf_decl_tag(text)))
#define __core __attribute__((preserve_access_index))

#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define __ulong(name, val) enum { __value_##name = val } name

static void *(*const map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const loop)(u32 count, void *callback, void *ctx, u64 flags) = (void *)181;
