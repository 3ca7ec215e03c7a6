#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oxbpf_conformance::fuzz::programs(bytes));
