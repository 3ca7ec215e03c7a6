//! File tests, oracles and corpora.

pub mod facts;
