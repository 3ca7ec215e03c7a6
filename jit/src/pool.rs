//! Constants of a program that its code loads by address.

use std::cell::RefCell;

/// Constants that stay where they are, since code holds their addresses.
pub(crate) type Words = Vec<Box<u64>>;

/// The constants of a program, which live as long as its code.
#[derive(Debug, Default)]
pub(crate) struct Pool(RefCell<Words>);

impl Pool {
    /// Where a constant lies.
    pub fn address(&self, constant: u64) -> u64 {
        let mut words = self.0.borrow_mut();
        let at = words.iter().position(|word| **word == constant).unwrap_or_else(|| {
            words.push(Box::new(constant));
            words.len() - 1
        });
        (&raw const *words[at]).expose_provenance() as u64
    }

    pub fn into_words(self) -> Words {
        self.0.into_inner()
    }
}
