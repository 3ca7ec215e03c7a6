/* The workloads as XDP programs that the kernel's verifier accepts: loops of constant bounds over a map
 * value, or over the packet. */
#ifndef VERIFIED_H
#define VERIFIED_H
#include "../workload.h"

#define SEC(name) __attribute__((section(name), used))

#ifdef __BPF__
struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};
#define XDP SEC("xdp")
#define MEMORY SEC(".data.mem")
SEC("license") char _license[] = "GPL";
#else
struct xdp_md {
	u64 data, data_end;
};
#define XDP __attribute__((visibility("default"), used))
#define MEMORY __attribute__((visibility("default"), used))
#endif

#define ROLLED _Pragma("clang loop unroll(disable)")

/* A result of 64 bits as a program returns it. */
static inline u32 fold(u64 value) {
	return (u32)(value ^ value >> 32);
}

#endif
