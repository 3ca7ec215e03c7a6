//! File tests, oracles and corpora.
