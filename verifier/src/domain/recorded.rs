//! What Linux 6.18 answered, against what this domain answers, text for text.
//!
//! `recorded-6.18.tsv` holds one operation or one outcome of a comparison per line.

use alloc::string::{String, ToString};
use alloc::{format, vec::Vec};

use super::range::Range;
use super::{Alu, Arithmetic, Cond, Dialect, Scalar, ScalarOf, Tnum, Width};

const HOW: Arithmetic = Arithmetic::LATEST;
const RECORDED: &str = include_str!("recorded-6.18.tsv");

/// The scalar as a register's value in the log.
fn shown(scalar: &Scalar) -> String {
    let inner = scalar.show(Dialect::Linux6_8);
    if scalar.is_const() { inner.to_string() } else { format!("scalar({inner})") }
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap(),
        None => text.parse::<i64>().unwrap() as u64,
    }
}

/// Reads a register's value in the log back. What is not printed is unbounded.
fn scalar(text: &str) -> Scalar {
    let Some(fields) = text.strip_prefix("scalar(").and_then(|rest| rest.strip_suffix(')')) else {
        return Scalar::constant(number(text));
    };
    let mut read = ScalarOf { bits: Tnum::UNKNOWN, full: Range::FULL, low: Range::FULL };
    for field in fields.split(',').filter(|field| !field.is_empty()) {
        let parts: Vec<&str> = field.split('=').collect();
        let (value, names) = parts.split_last().unwrap();
        for &name in names {
            match name {
                "var_off" => {
                    let (value, mask) = value.trim_matches(['(', ')']).split_once("; ").unwrap();
                    read.bits = Tnum::new(number(value), number(mask));
                }
                "smin" => read.full.smin = number(value),
                "smax" => read.full.smax = number(value),
                "umin" => read.full.umin = number(value),
                "umax" => read.full.umax = number(value),
                "smin32" => read.low.smin = number(value) as u32,
                "smax32" => read.low.smax = number(value) as u32,
                "umin32" => read.low.umin = number(value) as u32,
                "umax32" => read.low.umax = number(value) as u32,
                _ => panic!("unknown field {name}"),
            }
        }
    }
    read
}

fn width(text: &str) -> Width {
    if text == "32" { Width::W32 } else { Width::W64 }
}

fn alu(name: &str) -> Option<Alu> {
    Some(match name {
        "add" => Alu::Add,
        "sub" => Alu::Sub,
        "mul" => Alu::Mul,
        "and" => Alu::And,
        "or" => Alu::Or,
        "xor" => Alu::Xor,
        "lsh" => Alu::Lsh,
        "rsh" => Alu::Rsh,
        "arsh" => Alu::Arsh,
        "div" => Alu::Div,
        "mod" => Alu::Mod,
        "sdiv" => Alu::Sdiv,
        "smod" => Alu::Smod,
        _ => return None,
    })
}

fn cond(name: &str) -> Cond {
    match name {
        "jeq" => Cond::Eq,
        "jne" => Cond::Ne,
        "jgt" => Cond::Gt,
        "jge" => Cond::Ge,
        "jlt" => Cond::Lt,
        "jle" => Cond::Le,
        "jsgt" => Cond::Sgt,
        "jsge" => Cond::Sge,
        "jslt" => Cond::Slt,
        "jsle" => Cond::Sle,
        "jset" => Cond::Set,
        _ => panic!("unknown comparison {name}"),
    }
}

#[test]
fn answers_are_the_kernels() {
    let mut checked = 0;
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            [op, size, a, b, expected] => {
                let (left, bits) = (scalar(a), size.parse::<u32>().unwrap());
                assert_eq!(shown(&left), a);
                let result = match op {
                    "neg" => left.negate(width(size), HOW),
                    "truncate" => left.truncate(bits, HOW),
                    "swap" => left.byte_swap(bits, HOW),
                    "extend" if b == "0" => left.zero_extend(HOW),
                    "extend" => left.sign_extend(width(size), b.parse().unwrap(), HOW),
                    _ => left.alu(alu(op).expect(op), width(size), &scalar(b), HOW),
                };
                assert_eq!(shown(&result), expected, "{line}");
            }
            [jump, size, a, b, outcome, a_after, b_after] => {
                let (cond, width) = (cond(jump), width(size));
                let (left, right) = (scalar(a), scalar(b));
                assert_eq!(cond.decide(width, &left, &right), None, "{line}");
                let (left, right) = cond.assume(width, outcome == "true", &left, &right, HOW);
                assert_eq!(shown(&left), a_after, "{line}");
                if b_after != "-" {
                    assert_eq!(shown(&right), b_after, "{line}");
                }
            }
            _ => panic!("malformed line {line}"),
        }
        checked += 1;
    }
    assert!(checked > 400);
}

#[test]
fn earlier_kernels_print_decimals() {
    let cases = [
        ("scalar()", ""),
        ("-1", "-1"),
        ("0x80000000", "2147483648"),
        (
            "scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))",
            "umax=255,var_off=(0x0; 0xff)",
        ),
        ("scalar(smin=smin32=-16,smax=smax32=7)", "smin=-16,smax=7"),
        (
            "scalar(smin=umin=umin32=8065,smax=umax=umax32=0xffffff81,smin32=0x80001f81,smax32=0x7fffff81,var_off=(0x1f81; 0xffffe000))",
            "umin=8065,umax=4294967169,var_off=(0x1f81; 0xffffe000),s32_min=-2147475583,s32_max=2147483521",
        ),
    ];
    for (new, old) in cases {
        assert_eq!(scalar(new).show(Dialect::Linux6_1).to_string(), old, "{new}");
    }
}
