//! The facts of `isa/facts/*.toml` as constants.
//!
//! Do not edit: `cargo run -p oxbpf-conformance -- facts` writes these files, one record a line
//! as far as that is readable; the formatter does not follow modules of a macro. When the shape of a
//! record changes, `bare.rs` gets the renderer built.
#![allow(clippy::unreadable_literal, unused_imports, unexpected_cfgs)]

#[cfg(oxbpf_bare_facts)]
mod bare;
#[cfg(oxbpf_bare_facts)]
pub(super) use bare::*;

macro_rules! tables {
    ($($name:ident)*) => {
        $(#[cfg(not(oxbpf_bare_facts))] pub(super) mod $name;)*
    };
}

tables! { contexts fields helpers hooks kfuncs limits maps progs sections types }
