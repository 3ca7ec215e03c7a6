//! File tests, oracles and corpora: what oxbpf is held against.
//!
//! Nothing of the corpora and tables stands in the project. Where a test needs them it asks
//! [`corpus`] for their place, which comes from the environment, and says why it does nothing where
//! they are absent.

pub mod classic;
pub mod corpus;
pub mod crc32;
pub mod engines;
pub mod facts;
pub mod filetest;
pub mod forms;
pub mod fuzz;
#[cfg(target_os = "linux")]
pub mod harvest;
#[cfg(target_os = "linux")]
pub mod libpcap;
pub mod logs;
#[cfg(target_os = "linux")]
pub mod oracle;
pub mod packets;
pub mod plugin;
pub mod random;
pub mod raw;
#[cfg(target_os = "linux")]
pub mod test_bpf;
pub mod vectors;
