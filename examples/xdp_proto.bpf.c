// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts packets and bytes per IP protocol, on every CPU for itself.
#include "bpf.h"

struct counter {
	u64 packets;
	u64 bytes;
};

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, u32);
	__type(value, struct counter);
} protocols SEC(".maps");

SEC("xdp")
int count_protocols(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	void *network = eth + 1;
	struct counter *counter;
	u16 proto;
	u32 key;

	if (network > end)
		return XDP_ABORTED;
	proto = eth->proto;
	if (proto == ETH_VLAN) {
		struct vlanhdr *vlan = network;

		if ((void *)(vlan + 1) > end)
			return XDP_ABORTED;
		proto = vlan->proto;
		network = vlan + 1;
	}

	if (proto == ETH_IP) {
		struct iphdr *ip = network;

		if ((void *)(ip + 1) > end)
			return XDP_ABORTED;
		key = ip->protocol;
	} else if (proto == ETH_IPV6) {
		struct ipv6hdr *ip6 = network;

		if ((void *)(ip6 + 1) > end)
			return XDP_ABORTED;
		key = ip6->nexthdr;
	} else {
		return XDP_PASS;
	}

	counter = map_lookup_elem(&protocols, &key);
	if (counter) {
		counter->packets += 1;
		counter->bytes += end - data;
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
