// SPDX-License-Identifier: MIT OR Apache-2.0
// Keeps packets, bytes and times of every IPv4 flow that passes.
#include "bpf.h"

struct flow {
	u32 saddr;
	u32 daddr;
	u16 sport;
	u16 dport;
	u8 protocol;
	u8 pad[3];
};

struct stats {
	u64 packets;
	u64 bytes;
	u64 first_ns;
	u64 last_ns;
};

struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, struct stats);
} flows SEC(".maps");

/* Packets that are no IPv4, or cut short. */
u64 others;

static int parse(struct __sk_buff *skb, struct flow *flow)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ports *ports;

	if ((void *)(ip + 1) > end || eth->proto != ETH_IP || ip->ihl < 5)
		return -1;
	flow->saddr = ip->saddr;
	flow->daddr = ip->daddr;
	flow->protocol = ip->protocol;
	if (ip->protocol != 6 && ip->protocol != 17)
		return 0;
	ports = (void *)ip + ip->ihl * 4;
	if ((void *)(ports + 1) > end)
		return -1;
	flow->sport = ports->source;
	flow->dport = ports->dest;
	return 0;
}

SEC("tc")
int account(struct __sk_buff *skb)
{
	struct flow flow = {};
	struct stats *stats;
	u64 now;

	if (parse(skb, &flow)) {
		__sync_fetch_and_add(&others, 1);
		return TC_ACT_OK;
	}
	now = ktime_get_ns();
	stats = map_lookup_elem(&flows, &flow);
	if (stats) {
		__sync_fetch_and_add(&stats->packets, 1);
		__sync_fetch_and_add(&stats->bytes, skb->len);
		stats->last_ns = now;
	} else {
		struct stats first = { 1, skb->len, now, now };

		map_update_elem(&flows, &flow, &first, ANY);
	}
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
