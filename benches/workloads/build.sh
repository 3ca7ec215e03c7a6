#!/bin/sh
# Compiles the workloads for BPF; the objects are kept, so that benchmarks need no compiler for it.
set -e
cd "$(dirname "$0")"
for source in *.c verified/*.c; do
	${CLANG:-clang} -target bpf -mcpu=v3 -O2 -fno-builtin -Wall -Werror -c "$source" -o "${source%.c}.bpf.o"
done
# Loaders want the types of maps.
for source in maps/*.c; do
	object="${source%.c}.bpf.o"
	${CLANG:-clang} -target bpf -mcpu=v3 -O2 -g -fdebug-prefix-map="$PWD=." -fno-builtin -Wall -Werror -c "$source" -o "$object"
	${STRIP:-llvm-strip} -g "$object"
done
