//! Scalars as the kernel's log prints them.
//!
//! Rules: `print_scalar_ranges`, `tnum_strn` and the constants of `print_reg_state` in Linux 6.18.
//! A known number is printed alone, in decimal if it fits in 16 signed bits and as 64-bit
//! hexadecimal otherwise. Of the bounds those that say nothing are left out, and those of the same
//! kind (least or greatest) and the same number share one `=`, unless one is a negative signed
//! number and the other is not. Signed bounds are decimal if they fit in 16 signed bits, unsigned
//! ones if they fit in 16 unsigned bits. A negative 32-bit bound that is too large for decimal is
//! printed, and compared, without its sign extension.
//!
//! [`Dialect::Linux6_1`] is the form up to 6.7: all numbers in decimal, the bounds of the low half
//! after the bits and only where they differ from those of the whole.
//!
//! Left to others: the register's type, id, precision and parentheses, which stand around this.

use core::fmt;

use super::scalar::Scalar;
use super::tnum::Tnum;

/// Whose log format to use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// As from 6.8, and so in 6.12 and 6.18.
    #[default]
    Linux6_8,
    /// As in 6.1.
    Linux6_1,
}

/// A scalar to be printed: a number if it is known, or else its bounds and bits with commas
/// between them, which may be nothing at all.
#[derive(Clone, Copy, Debug)]
pub struct Show<'a> {
    scalar: &'a Scalar,
    dialect: Dialect,
}

impl Scalar {
    /// This scalar in the kernel's words.
    pub fn show(&self, dialect: Dialect) -> Show<'_> {
        Show { scalar: self, dialect }
    }
}

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.scalar.const_value(), self.dialect) {
            (Some(value), Dialect::Linux6_8) => write_signed(f, value as i64),
            (Some(value), Dialect::Linux6_1) => write!(f, "{}", value as i64),
            (None, Dialect::Linux6_8) => write_merged(f, self.scalar),
            (None, Dialect::Linux6_1) => write_separate(f, self.scalar),
        }
    }
}

impl fmt::Display for Tnum<u64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_const() {
            return write_unsigned(f, self.value());
        }
        write!(f, "({:#x}; {:#x})", self.value(), self.mask())
    }
}

/// A signed number as the log prints it: decimal if it fits in 16 bits.
pub fn write_signed(f: &mut impl fmt::Write, value: i64) -> fmt::Result {
    match i16::try_from(value) {
        Ok(small) => write!(f, "{small}"),
        Err(_) => write!(f, "{:#x}", value as u64),
    }
}

/// An unsigned number as the log prints it: decimal if it fits in 16 bits.
pub fn write_unsigned(f: &mut impl fmt::Write, value: u64) -> fmt::Result {
    match u16::try_from(value) {
        Ok(small) => write!(f, "{small}"),
        Err(_) => write!(f, "{value:#x}"),
    }
}

/// One bound as the log sees it.
#[derive(Clone, Copy)]
struct Bound {
    name: &'static str,
    signed: bool,
    value: u64,
    shown: bool,
}

impl Bound {
    fn unsigned(name: &'static str, value: u64, idle: u64) -> Self {
        Bound { name, signed: false, value, shown: value != idle }
    }

    fn signed(name: &'static str, value: i64, idle: i64) -> Self {
        Bound { name, signed: true, value: value as u64, shown: value != idle }
    }

    fn signed32(name: &'static str, value: i32, idle: i32) -> Self {
        let printed = match i16::try_from(value) {
            Ok(small) => i64::from(small) as u64,
            Err(_) => u64::from(value as u32),
        };
        Bound { name, signed: true, value: printed, shown: value != idle }
    }

    fn is_negative(self) -> bool {
        self.signed && (self.value as i64) < 0
    }

    fn is_same_number(self, other: Self) -> bool {
        self.value == other.value && self.is_negative() == other.is_negative()
    }
}

/// Writes fields, with commas between them.
struct Fields<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    separator: &'static str,
}

impl Fields<'_, '_> {
    fn field(&mut self, name: &str) -> fmt::Result {
        write!(self.f, "{}{name}=", self.separator)?;
        self.separator = ",";
        Ok(())
    }

    fn bits(&mut self, bits: Tnum) -> fmt::Result {
        self.field("var_off")?;
        write!(self.f, "({:#x}; {:#x})", bits.value(), bits.mask())
    }
}

fn write_merged(f: &mut fmt::Formatter<'_>, scalar: &Scalar) -> fmt::Result {
    let mut bounds = [
        Bound::signed("smin", scalar.smin(), i64::MIN),
        Bound::signed("smax", scalar.smax(), i64::MAX),
        Bound::unsigned("umin", scalar.umin(), 0),
        Bound::unsigned("umax", scalar.umax(), u64::MAX),
        Bound::signed32("smin32", scalar.smin32(), i32::MIN),
        Bound::signed32("smax32", scalar.smax32(), i32::MAX),
        Bound::unsigned("umin32", scalar.umin32().into(), 0),
        Bound::unsigned("umax32", scalar.umax32().into(), u32::MAX.into()),
    ];
    let mut fields = Fields { f, separator: "" };
    for i in 0..bounds.len() {
        let bound = bounds[i];
        if !bound.shown {
            continue;
        }
        fields.field(bound.name)?;
        for other in bounds[i..].iter_mut().step_by(2).skip(1) {
            if other.shown && other.is_same_number(bound) {
                other.shown = false;
                write!(fields.f, "{}=", other.name)?;
            }
        }
        if bound.signed {
            write_signed(fields.f, bound.value as i64)?;
        } else {
            write_unsigned(fields.f, bound.value)?;
        }
    }
    if !scalar.tnum().is_unknown() {
        fields.bits(scalar.tnum())?;
    }
    Ok(())
}

fn write_separate(f: &mut fmt::Formatter<'_>, scalar: &Scalar) -> fmt::Result {
    let mut fields = Fields { f, separator: "" };
    let number = |fields: &mut Fields<'_, '_>, name: &str, value: i128, left_out: [i128; 2]| {
        if left_out.contains(&value) {
            return Ok(());
        }
        fields.field(name)?;
        write!(fields.f, "{value}")
    };
    let (smin, smax) = (i128::from(scalar.smin()), i128::from(scalar.smax()));
    let (umin, umax) = (i128::from(scalar.umin()), i128::from(scalar.umax()));
    // The kernel compares across signs by the 64-bit pattern.
    let pattern = |unsigned: u64| i128::from(unsigned as i64);
    number(&mut fields, "smin", smin, [pattern(scalar.umin()), i64::MIN.into()])?;
    number(&mut fields, "smax", smax, [pattern(scalar.umax()), i64::MAX.into()])?;
    number(&mut fields, "umin", umin, [0; 2])?;
    number(&mut fields, "umax", umax, [u64::MAX.into(); 2])?;
    if !scalar.tnum().is_unknown() {
        fields.bits(scalar.tnum())?;
    }
    let signed = |unsigned: u32| i128::from(unsigned as i32);
    number(&mut fields, "s32_min", scalar.smin32().into(), [smin, i32::MIN.into()])?;
    number(&mut fields, "s32_max", scalar.smax32().into(), [smax, i32::MAX.into()])?;
    // The low half's unsigned bounds were printed as if they were signed.
    if i128::from(scalar.umin32()) != umin && scalar.umin32() != 0 {
        number(&mut fields, "u32_min", signed(scalar.umin32()), [i128::MAX; 2])?;
    }
    if i128::from(scalar.umax32()) != umax && scalar.umax32() != u32::MAX {
        number(&mut fields, "u32_max", signed(scalar.umax32()), [i128::MAX; 2])?;
    }
    Ok(())
}
