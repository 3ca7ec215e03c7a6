//! What is told of a program: findings and how they came about.

mod catalog;

pub use catalog::{CATALOG, Entry, Errno, Finding, entry};
