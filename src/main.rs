//! The `oxbpf` command.

fn main() {}
