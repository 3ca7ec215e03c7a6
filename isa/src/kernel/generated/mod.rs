//! The facts of `isa/facts/*.toml` as constants.
//!
//! Do not edit: `cargo run -p oxbpf-conformance -- facts` writes these files, one record a line
//! as far as that is readable, which is why the formatter leaves them alone.
#![allow(clippy::unreadable_literal, unused_imports, clippy::wildcard_imports)]

#[rustfmt::skip]
pub(super) mod contexts;
#[rustfmt::skip]
pub(super) mod helpers;
#[rustfmt::skip]
pub(super) mod hooks;
#[rustfmt::skip]
pub(super) mod kfuncs;
#[rustfmt::skip]
pub(super) mod limits;
#[rustfmt::skip]
pub(super) mod maps;
#[rustfmt::skip]
pub(super) mod progs;
#[rustfmt::skip]
pub(super) mod sections;
