#!/bin/sh
# Fills the corpora of the targets with the project's own examples and file tests.
set -eu
cd "$(dirname "$0")"
for target in decode asm btf object cbpf capture expr verify; do mkdir -p "corpus/$target"; done
cp ../examples/*.bpf.o corpus/object/
cp ../examples/*.bpf.o corpus/btf/
cp ../examples/*.bpf.o corpus/decode/
cp ../examples/*.bpf.o corpus/verify/
cp ../examples/packets.pcap corpus/capture/
find ../conformance/filetests -name '*.bpft' -exec cp {} corpus/asm/ \;
printf 'ldh [12]\njne #0x806, drop\nret #-1\ndrop: ret #0\n' > corpus/cbpf/asm
printf '4,40 0 0 12,21 0 1 2048,6 0 0 65535,6 0 0 0' > corpus/cbpf/line
printf '(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n(002) ret      #262144\n(003) ret      #0\n' > corpus/cbpf/tcpdump
# A byte for the link type before each expression; 4 is Ethernet.
grep -v '^#' ../conformance/tests/expr/expressions.txt | awk 'NF { printf "\004%s", $0 > ("corpus/expr/" NR) ; close("corpus/expr/" NR) }'
