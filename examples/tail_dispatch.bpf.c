// SPDX-License-Identifier: MIT OR Apache-2.0
// Hands each packet to the program for its protocol by a tail call; what has none is dropped.
#include "bpf.h"

enum handler { IPV4, IPV6, ARP, HANDLERS };

/* How many packets each handler saw, and at the end those without one. */
u64 seen[HANDLERS + 1];

int on_ipv4(struct xdp_md *ctx);
int on_ipv6(struct xdp_md *ctx);
int on_arp(struct xdp_md *ctx);

struct {
	__uint(type, MAP_PROG_ARRAY);
	__uint(max_entries, HANDLERS);
	__uint(key_size, sizeof(u32));
	__array(values, int(void *));
} handlers SEC(".maps") = {
	.values = {
		[IPV4] = (void *)&on_ipv4,
		[IPV6] = (void *)&on_ipv6,
		[ARP] = (void *)&on_arp,
	},
};

SEC("xdp")
int on_ipv4(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&seen[IPV4], 1);
	return XDP_PASS;
}

SEC("xdp")
int on_ipv6(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&seen[IPV6], 1);
	return XDP_PASS;
}

SEC("xdp")
int on_arp(struct xdp_md *ctx)
{
	__sync_fetch_and_add(&seen[ARP], 1);
	return XDP_TX;
}

SEC("xdp")
int dispatch(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	u32 index = HANDLERS;

	if ((void *)(eth + 1) > end)
		return XDP_ABORTED;
	if (eth->proto == ETH_IP)
		index = IPV4;
	else if (eth->proto == ETH_IPV6)
		index = IPV6;
	else if (eth->proto == ETH_ARP)
		index = ARP;
	tail_call(ctx, &handlers, index);
	__sync_fetch_and_add(&seen[HANDLERS], 1);
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
