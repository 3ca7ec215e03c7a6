#!/bin/sh
# Rebuilds the objects beside the sources; needs a clang that knows the bpf target.
set -eu
cd "$(dirname "$0")"
compile() {
	"${CLANG:-clang}" -g -O2 --target="$1" -mcpu="$2" -Wall -Wno-unknown-attributes \
		-ffile-prefix-map="$PWD"=. -fdebug-compilation-dir=. -c "$3" -o "$4"
	"${STRIP:-llvm-strip}" -g "$4"
}
for source in *.bpf.c; do
	compile bpf v3 "$source" "${source%.c}.o"
done
# trace.bpf.o comes from `bpftrace --emit-elf trace.bpf.o trace.bt` (0.17), which needs root.
# The same program for a machine of the other byte order.
compile bpfeb v3 maps.bpf.c maps-big.bpf.o
