/* What packets are counted by. */
#ifndef PARSE_H
#define PARSE_H
#include "workload.h"

/* What is counted. */
#define COUNTERS \
	u64 tcp = 0, udp = 0, other = 0, ports = 0, bytes = 0
#define RESULT (tcp << 48 ^ udp << 36 ^ other << 24 ^ ports ^ bytes)

/* Counts a packet by its protocol and the ports in the header behind. */
#define COUNT(protocol, l4) \
	do { \
		if (protocol == 6) { \
			tcp++; \
			ports ^= be16(l4 + 2) + be32(l4 + 4); \
		} else if (protocol == 17) { \
			udp++; \
			ports += be16(l4 + 2); \
		} else { \
			other++; \
		} \
	} while (0)

#endif
