//! The Linux BPF verifier's judgement, without the kernel: a program in, a verdict with its proof
//! and its log out.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod domain;
mod explore;
mod helper;
mod kfunc;
mod log;
mod proof;
pub mod report;
mod rules;
mod state;
pub mod structure;
#[cfg(test)]
mod tests;
mod transfer;
mod types;
mod verdict;
mod witness;

pub use proof::{NoProof, Outside, Verified, prove};
pub use rules::{WALKS, counts_are_exact};
pub use types::Kernel;
pub use verdict::{Detail, Feature, Judgement, Stats, Verdict, verify, verify_logged};
pub use witness::{Machine, Outlier, Witness, witness};
