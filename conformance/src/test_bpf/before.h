/* What the kernel's test module needs of the kernel, so that its table of vectors compiles as an
 * ordinary program. Included before the module's own text; see mod.rs beside this file. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <stdbool.h>
#include <errno.h>
#include <limits.h>
#undef __BIG_ENDIAN
typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64;
#include <linux/types.h>
#include <linux/filter.h>
#include <linux/bpf.h>
#define ARRAY_SIZE(a) (sizeof(a)/sizeof((a)[0]))
#define BIT(n) (1u<<(n))
#define BITS_PER_LONG 64
#define GFP_KERNEL 0
#define __GFP_NOWARN 0
#define kmalloc_array(n,s,g) calloc(n,s)
#define kmalloc(n,g) calloc(1,n)
#define kfree free
#define vmalloc malloc
#define BUG_ON(x) do{ if(x) abort(); }while(0)
#define BUILD_BUG_ON(x)
#define likely(x) (x)
#define unlikely(x) (x)
#define __init
#define S16_MAX 32767
#define S16_MIN (-32768)
#define S32_MAX INT_MAX
#define S32_MIN INT_MIN
#define S8_MAX 127
#define S8_MIN (-128)
#define U32_MAX UINT_MAX
#define U64_MAX ULLONG_MAX
#define S64_MAX LLONG_MAX
#define S64_MIN LLONG_MIN
#define ETH_P_IP 0x800
#define ETH_P_IPV6 0x86dd
#define ETH_P_ARP 0x806
#define ETH_HLEN 14
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41
#define PACKET_HOST 0
#define VLAN_TAG_PRESENT 0x1000
#define ENOTSUPP 524
#define MAX_BPF_STACK 512
#define __bpf_call_base ((void*)0)
#define BPF_CALL_IMM(x) 0
#define be16_to_cpu(x) __builtin_bswap16(x)
#define cpu_to_be16(x) __builtin_bswap16(x)
#define cpu_to_be32(x) __builtin_bswap32(x)
#define cpu_to_be64(x) __builtin_bswap64(x)
#define cpu_to_le16(x) (x)
#define cpu_to_le32(x) (x)
#define cpu_to_le64(x) (x)
#define min_t(t,a,b) ((t)(a)<(t)(b)?(t)(a):(t)(b))
#define clamp(v,l,h) ((v)<(l)?(l):(v)>(h)?(h):(v))
#define lower_32_bits(n) ((u32)(n))
#define upper_32_bits(n) ((u32)((n)>>32))
#define div64_u64(a,b) ((a)/(b))
#define div64_s64(a,b) ((a)/(b))
#define div64_u64_rem(a,b,r) (*(r)=(a)%(b),(a)/(b))
#define __must_check
#define __aligned(x)
#define fallthrough

/* L'Ecuyer's combined Tausworthe generator taus113, which one vector adds up numbers of. */
struct rnd_state { u32 part[4]; };
static void prandom_seed_state(struct rnd_state *r, u64 seed)
{
	static const u32 least[4] = { 2, 8, 16, 128 };
	u32 start = (u32)((seed >> 32) ^ (seed << 10) ^ seed);

	for (int i = 0; i < 4; i++)
		r->part[i] = start < least[i] ? start + least[i] : start;
}
static u32 prandom_u32_state(struct rnd_state *r)
{
	static const struct { u32 up, down, keep, over; } by[4] = {
		{ 6, 13, ~1u, 18 }, { 2, 27, ~7u, 2 }, { 13, 21, ~15u, 7 }, { 3, 12, ~127u, 13 },
	};
	u32 sum = 0;

	for (int i = 0; i < 4; i++) {
		u32 z = r->part[i];

		r->part[i] = (z & by[i].keep) << by[i].over ^ ((z << by[i].up) ^ z) >> by[i].down;
		sum ^= r->part[i];
	}
	return sum;
}
#define max(a,b) ((a)>(b)?(a):(b))
/* Newer than some headers of user space. */
#ifndef BPF_ADDR_SPACE_CAST
#define BPF_ADDR_SPACE_CAST 1
#endif
#ifndef BPF_MEMSX
#define BPF_MEMSX 0x80
#endif
