//! The abstract domain of scalars: what the verifier knows about a number.
//!
//! A [`Scalar`] is what Linux 6.18 keeps in a register that holds a number: the bits that are
//! known ([`Tnum`]), and bounds of the whole register and of its low half, unsigned and signed.
//! Each operation of the machine has its counterpart here ([`Alu`], [`Scalar::alu`],
//! [`Scalar::negate`], [`Scalar::truncate`], [`Scalar::sign_extend`], [`Scalar::byte_swap`]), and
//! each comparison can be decided ([`Cond::decide`]) and learned from ([`Cond::assume`]).
//! [`Scalar::show`] prints one as the kernel's log does.
//!
//! Registers that are linked by a constant difference are brought up to date by an addition
//! ([`Scalar::alu`]), and the variable offset of a pointer is moved by [`Scalar::pointer_plus`] and
//! [`Scalar::pointer_minus`]. After each operation and each assumption the caller asks for
//! [`Scalar::violation`], as the kernel does.
//!
//! The aim is equality with the kernel, not precision: its log prints these numbers, and how many
//! states it visits depends on them. Soundness is argued in each module and proved by trying
//! everything at small width, where the code is the same, and equality is held by answers recorded
//! from Linux 6.18.44. Earlier kernels find out less; [`Arithmetic`] says what.
//!
//! How a scalar is represented is private: newer kernels keep one circular interval for each width
//! instead of four linear ones, and callers must not care. Identity (`id`), precision and the
//! `off` of linked registers belong to the register, not to the number it holds.

mod alu;
mod arithmetic;
mod branch;
mod deduce;
mod range;
#[cfg(test)]
mod recorded;
mod resize;
mod scalar;
mod show;
#[cfg(test)]
mod small;
#[cfg(test)]
mod soundness;
mod tnum;
mod word;

pub use alu::{Alu, Fork, Width};
pub use arithmetic::Arithmetic;
pub use branch::Cond;
pub use scalar::{Scalar, ScalarOf, Violation};
pub use show::{Dialect, Show, write_signed, write_unsigned};
pub use tnum::Tnum;
pub use word::{Full, Word};
