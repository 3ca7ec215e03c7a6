/* Prints the classic vectors, a record each: name, flags, program, packet, fragment, runs. */
int main(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		struct bpf_test *t = &tests[i];
		struct sock_filter *f = t->u.insns;
		int len = MAX_INSNS;

		if ((t->aux & TEST_TYPE_MASK) != CLASSIC)
			continue;
		if (t->fill_helper) {
			if (t->fill_helper(t))
				return 1;
			f = t->u.ptr.insns;
			len = t->u.ptr.len;
		} else {
			while (len > 1 && !f[len - 1].code && !f[len - 1].k)
				len--;
		}
		printf("test %s\nflags %s%s%s\nprogram ", t->descr, t->aux & FLAG_NO_DATA ? "nodata " : "",
		       t->aux & FLAG_EXPECTED_FAIL ? "fail " : "", t->aux & FLAG_SKB_FRAG ? "frag " : "");
		for (int k = 0; k < len; k++)
			printf("%u %u %u %u%s", f[k].code, f[k].jt, f[k].jf, f[k].k, k + 1 < len ? "," : "\ndata ");
		for (int k = 0; k < MAX_DATA; k++)
			printf("%02x", t->data[k]);
		printf("\nfrag ");
		for (int k = 0; k < MAX_DATA; k++)
			printf("%02x", t->frag_data[k]);
		printf("\n");
		for (int k = 0; k < MAX_SUBTESTS; k++) {
			if (k > 0 && !t->test[k].data_size && !t->test[k].result)
				break;
			printf("run %d %u\n", t->test[k].data_size, t->test[k].result);
		}
	}
	return 0;
}
