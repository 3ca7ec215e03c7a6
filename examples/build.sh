#!/bin/sh
# Rebuilds the objects beside the sources; needs a clang that knows the bpf target.
set -eu
cd "$(dirname "$0")"
for source in *.bpf.c; do
	"${CLANG:-clang}" -g -O2 --target=bpf -mcpu=v3 -Wall -Werror -ffile-prefix-map="$PWD"=. \
		-fdebug-compilation-dir=. -c "$source" -o "${source%.c}.o"
	"${STRIP:-llvm-strip}" -g "${source%.c}.o"
done
