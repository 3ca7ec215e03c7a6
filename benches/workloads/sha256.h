/* The rounds of SHA-256, written out. */
#ifndef SHA256_H
#define SHA256_H
#include "workload.h"

#define S0(x) (ROTR32(x, 7) ^ ROTR32(x, 18) ^ (x) >> 3)
#define S1(x) (ROTR32(x, 17) ^ ROTR32(x, 19) ^ (x) >> 10)
#define E0(x) (ROTR32(x, 2) ^ ROTR32(x, 13) ^ ROTR32(x, 22))
#define E1(x) (ROTR32(x, 6) ^ ROTR32(x, 11) ^ ROTR32(x, 25))
#define ROUND(a, b, c, d, e, f, g, h, k, w)                                                       \
	do {                                                                                       \
		u32 t = (h) + E1(e) + (((e) & (f)) ^ (~(e) & (g))) + (k) + (w);                    \
		(d) += t;                                                                          \
		(h) = t + E0(a) + (((a) & (b)) ^ ((a) & (c)) ^ ((b) & (c)));                       \
	} while (0)

/* The hash before the first block. */
#define START \
	u32 h0 = 0x6a09e667u, h1 = 0xbb67ae85u, h2 = 0x3c6ef372u, h3 = 0xa54ff53au; \
	u32 h4 = 0x510e527fu, h5 = 0x9b05688cu, h6 = 0x1f83d9abu, h7 = 0x5be0cd19u

/* What a block does to the hash. */
#define BLOCK(p) \
	do { \
		u32 a = h0, b = h1, c = h2, d = h3, e = h4, f = h5, g = h6, h = h7; \
		u32 w[64]; \
		_Pragma("clang loop unroll(disable)") \
		for (int i = 0; i < 16; i++) \
			w[i] = be32(p + 4 * i); \
		_Pragma("clang loop unroll(disable)") \
		for (int i = 16; i < 64; i++) \
			w[i] = S1(w[i - 2]) + w[i - 7] + S0(w[i - 15]) + w[i - 16]; \
		ROUND(a, b, c, d, e, f, g, h, 0x428a2f98u, w[0]); \
		ROUND(h, a, b, c, d, e, f, g, 0x71374491u, w[1]); \
		ROUND(g, h, a, b, c, d, e, f, 0xb5c0fbcfu, w[2]); \
		ROUND(f, g, h, a, b, c, d, e, 0xe9b5dba5u, w[3]); \
		ROUND(e, f, g, h, a, b, c, d, 0x3956c25bu, w[4]); \
		ROUND(d, e, f, g, h, a, b, c, 0x59f111f1u, w[5]); \
		ROUND(c, d, e, f, g, h, a, b, 0x923f82a4u, w[6]); \
		ROUND(b, c, d, e, f, g, h, a, 0xab1c5ed5u, w[7]); \
		ROUND(a, b, c, d, e, f, g, h, 0xd807aa98u, w[8]); \
		ROUND(h, a, b, c, d, e, f, g, 0x12835b01u, w[9]); \
		ROUND(g, h, a, b, c, d, e, f, 0x243185beu, w[10]); \
		ROUND(f, g, h, a, b, c, d, e, 0x550c7dc3u, w[11]); \
		ROUND(e, f, g, h, a, b, c, d, 0x72be5d74u, w[12]); \
		ROUND(d, e, f, g, h, a, b, c, 0x80deb1feu, w[13]); \
		ROUND(c, d, e, f, g, h, a, b, 0x9bdc06a7u, w[14]); \
		ROUND(b, c, d, e, f, g, h, a, 0xc19bf174u, w[15]); \
		ROUND(a, b, c, d, e, f, g, h, 0xe49b69c1u, w[16]); \
		ROUND(h, a, b, c, d, e, f, g, 0xefbe4786u, w[17]); \
		ROUND(g, h, a, b, c, d, e, f, 0x0fc19dc6u, w[18]); \
		ROUND(f, g, h, a, b, c, d, e, 0x240ca1ccu, w[19]); \
		ROUND(e, f, g, h, a, b, c, d, 0x2de92c6fu, w[20]); \
		ROUND(d, e, f, g, h, a, b, c, 0x4a7484aau, w[21]); \
		ROUND(c, d, e, f, g, h, a, b, 0x5cb0a9dcu, w[22]); \
		ROUND(b, c, d, e, f, g, h, a, 0x76f988dau, w[23]); \
		ROUND(a, b, c, d, e, f, g, h, 0x983e5152u, w[24]); \
		ROUND(h, a, b, c, d, e, f, g, 0xa831c66du, w[25]); \
		ROUND(g, h, a, b, c, d, e, f, 0xb00327c8u, w[26]); \
		ROUND(f, g, h, a, b, c, d, e, 0xbf597fc7u, w[27]); \
		ROUND(e, f, g, h, a, b, c, d, 0xc6e00bf3u, w[28]); \
		ROUND(d, e, f, g, h, a, b, c, 0xd5a79147u, w[29]); \
		ROUND(c, d, e, f, g, h, a, b, 0x06ca6351u, w[30]); \
		ROUND(b, c, d, e, f, g, h, a, 0x14292967u, w[31]); \
		ROUND(a, b, c, d, e, f, g, h, 0x27b70a85u, w[32]); \
		ROUND(h, a, b, c, d, e, f, g, 0x2e1b2138u, w[33]); \
		ROUND(g, h, a, b, c, d, e, f, 0x4d2c6dfcu, w[34]); \
		ROUND(f, g, h, a, b, c, d, e, 0x53380d13u, w[35]); \
		ROUND(e, f, g, h, a, b, c, d, 0x650a7354u, w[36]); \
		ROUND(d, e, f, g, h, a, b, c, 0x766a0abbu, w[37]); \
		ROUND(c, d, e, f, g, h, a, b, 0x81c2c92eu, w[38]); \
		ROUND(b, c, d, e, f, g, h, a, 0x92722c85u, w[39]); \
		ROUND(a, b, c, d, e, f, g, h, 0xa2bfe8a1u, w[40]); \
		ROUND(h, a, b, c, d, e, f, g, 0xa81a664bu, w[41]); \
		ROUND(g, h, a, b, c, d, e, f, 0xc24b8b70u, w[42]); \
		ROUND(f, g, h, a, b, c, d, e, 0xc76c51a3u, w[43]); \
		ROUND(e, f, g, h, a, b, c, d, 0xd192e819u, w[44]); \
		ROUND(d, e, f, g, h, a, b, c, 0xd6990624u, w[45]); \
		ROUND(c, d, e, f, g, h, a, b, 0xf40e3585u, w[46]); \
		ROUND(b, c, d, e, f, g, h, a, 0x106aa070u, w[47]); \
		ROUND(a, b, c, d, e, f, g, h, 0x19a4c116u, w[48]); \
		ROUND(h, a, b, c, d, e, f, g, 0x1e376c08u, w[49]); \
		ROUND(g, h, a, b, c, d, e, f, 0x2748774cu, w[50]); \
		ROUND(f, g, h, a, b, c, d, e, 0x34b0bcb5u, w[51]); \
		ROUND(e, f, g, h, a, b, c, d, 0x391c0cb3u, w[52]); \
		ROUND(d, e, f, g, h, a, b, c, 0x4ed8aa4au, w[53]); \
		ROUND(c, d, e, f, g, h, a, b, 0x5b9cca4fu, w[54]); \
		ROUND(b, c, d, e, f, g, h, a, 0x682e6ff3u, w[55]); \
		ROUND(a, b, c, d, e, f, g, h, 0x748f82eeu, w[56]); \
		ROUND(h, a, b, c, d, e, f, g, 0x78a5636fu, w[57]); \
		ROUND(g, h, a, b, c, d, e, f, 0x84c87814u, w[58]); \
		ROUND(f, g, h, a, b, c, d, e, 0x8cc70208u, w[59]); \
		ROUND(e, f, g, h, a, b, c, d, 0x90befffau, w[60]); \
		ROUND(d, e, f, g, h, a, b, c, 0xa4506cebu, w[61]); \
		ROUND(c, d, e, f, g, h, a, b, 0xbef9a3f7u, w[62]); \
		ROUND(b, c, d, e, f, g, h, a, 0xc67178f2u, w[63]); \
		h0 += a; h1 += b; h2 += c; h3 += d; \
		h4 += e; h5 += f; h6 += g; h7 += h; \
	} while (0)

#endif
