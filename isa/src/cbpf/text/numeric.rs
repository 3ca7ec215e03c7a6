//! The forms that are numbers: `tcpdump -dd`, `tcpdump -ddd` and the one line of xt_bpf.

use super::super::SockFilter;
use super::cursor::Cursor;
use super::{TextError, TextErrorKind};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

pub(super) fn write_c(program: &[SockFilter]) -> String {
    let mut out = String::new();
    for SockFilter { code, jt, jf, k } in program {
        let _ = writeln!(out, "{{ {code:#x}, {jt}, {jf}, {k:#010x} }},");
    }
    // C prints a zero opcode without the prefix "0x" only with the # flag, which tcpdump's format
    // does not use, so every line has it.
    out
}

pub(super) fn write_decimal(program: &[SockFilter]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", program.len());
    for SockFilter { code, jt, jf, k } in program {
        let _ = writeln!(out, "{code} {jt} {jf} {k}");
    }
    out
}

pub(super) fn write_one_line(program: &[SockFilter]) -> String {
    let mut out = program.len().to_string();
    for SockFilter { code, jt, jf, k } in program {
        let _ = write!(out, ",{code} {jt} {jf} {k}");
    }
    out.push('\n');
    out
}

/// Initialisers between braces, with commas and line ends wherever C allows them.
pub(super) fn parse_c(cursor: &mut Cursor<'_>) -> Result<Vec<SockFilter>, TextError> {
    let mut program = Vec::new();
    cursor.space();
    while !cursor.at_end() {
        cursor.expect("{")?;
        program.push(fields(cursor, ",")?);
        cursor.space();
        cursor.accept(",");
        cursor.space();
        cursor.expect("}")?;
        cursor.space();
        if !cursor.accept(",") && !cursor.rest().is_empty() {
            return Err(cursor.expected(","));
        }
        cursor.space();
    }
    Ok(program)
}

/// Four numbers with `separator`, beside blanks, between them.
fn fields(cursor: &mut Cursor<'_>, separator: &'static str) -> Result<SockFilter, TextError> {
    let between = |cursor: &mut Cursor<'_>| {
        cursor.space();
        cursor.expect(separator)?;
        cursor.space();
        Ok(())
    };
    cursor.space();
    let code = cursor.narrow()?;
    between(cursor)?;
    let jt = cursor.narrow()?;
    between(cursor)?;
    let jf = cursor.narrow()?;
    between(cursor)?;
    Ok(SockFilter::new(code, jt, jf, cursor.number()?))
}

pub(super) fn parse_decimal(cursor: &mut Cursor<'_>) -> Result<Vec<SockFilter>, TextError> {
    cursor.space();
    let (start, said) = (cursor.pos(), cursor.number()? as usize);
    cursor.end_of_line()?;
    let mut program = Vec::new();
    cursor.space();
    while !cursor.at_end() {
        program.push(spaced(cursor)?);
        cursor.end_of_line()?;
        cursor.space();
    }
    counted(cursor, start, said, program)
}

pub(super) fn parse_one_line(cursor: &mut Cursor<'_>) -> Result<Vec<SockFilter>, TextError> {
    cursor.space();
    let (start, said) = (cursor.pos(), cursor.number()? as usize);
    let mut program = Vec::new();
    loop {
        cursor.blanks();
        // bpf_asm ends the line with a comma, nfbpf_compile does not.
        let comma = cursor.accept(",");
        cursor.space();
        if cursor.at_end() {
            return counted(cursor, start, said, program);
        }
        if !comma {
            return Err(cursor.expected(","));
        }
        program.push(spaced(cursor)?);
    }
}

/// Four numbers with blanks between them.
fn spaced(cursor: &mut Cursor<'_>) -> Result<SockFilter, TextError> {
    let code = cursor.narrow()?;
    cursor.blanks();
    let jt = cursor.narrow()?;
    cursor.blanks();
    let jf = cursor.narrow()?;
    cursor.blanks();
    Ok(SockFilter::new(code, jt, jf, cursor.number()?))
}

fn counted(
    cursor: &Cursor<'_>,
    start: usize,
    said: usize,
    program: Vec<SockFilter>,
) -> Result<Vec<SockFilter>, TextError> {
    let found = program.len();
    match found == said {
        true => Ok(program),
        false => Err(cursor.error(start, TextErrorKind::Count { said, found })),
    }
}
