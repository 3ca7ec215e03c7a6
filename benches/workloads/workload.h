/* What the workloads share. Each is one function of memory and its length, compiled for BPF once
 * (build.sh) and for the machine by the benchmark itself. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;

#ifdef __BPF__
#define ENTRY __attribute__((section("socket"), used))
#else
#define ENTRY __attribute__((visibility("default"), used))
#endif
#define NOINLINE __attribute__((noinline))

u64 entry(u8 *mem, u64 len);

#define ROTL32(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
#define ROTR32(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define ROTL64(x, n) (((x) << (n)) | ((x) >> (64 - (n))))

static inline u64 le64(const u8 *p) {
	return (u64)p[0] | (u64)p[1] << 8 | (u64)p[2] << 16 | (u64)p[3] << 24 |
	       (u64)p[4] << 32 | (u64)p[5] << 40 | (u64)p[6] << 48 | (u64)p[7] << 56;
}

static inline u32 be32(const u8 *p) {
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static inline u16 be16(const u8 *p) {
	return (u16)(p[0] << 8 | p[1]);
}

#endif
