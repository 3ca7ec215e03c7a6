//! What FILTER means: the name of a file or the text itself, a program in some form or an expression.

use super::{Args, Semantics};
use crate::cli::{CliError, input};
use crate::packet::layers;
use oxbpf_isa::cbpf::text::{self, Form};
use oxbpf_isa::cbpf::{SockFilter, expr};
use std::path::Path;

/// A filter that was read.
pub(super) struct Loaded {
    /// What messages call it.
    pub name: String,
    code: Code,
}

enum Code {
    /// A program, the same for every link type.
    Program(Vec<SockFilter>),
    /// An expression, compiled for each link type it meets.
    Expression(String),
}

/// How expressions are compiled.
pub(super) struct Reading {
    /// Where no capture tells.
    pub link_type: u32,
    snaplen: u32,
    optimize: bool,
    netmask: Option<u32>,
    source: expr::Source,
}

impl Reading {
    pub(super) fn new(args: &Args) -> Reading {
        let link_type = args.link.unwrap_or(layers::ETHERNET);
        // Under the kernel's rules it is there to be asked what a file does not tell.
        let source = match args.semantics {
            Some(Semantics::Kernel) => expr::Source::Live,
            _ => expr::Source::File,
        };
        Reading {
            link_type,
            snaplen: args.snaplen,
            optimize: !args.no_optimize,
            netmask: args.netmask.map(u32::from),
            source,
        }
    }
}

/// The filter of the command line: a file if there is one of that name, else the words together. No
/// words at all match everything, where a capture gives them something to match.
pub(super) fn of_words(words: &[String], may_be_empty: bool) -> Result<Loaded, CliError> {
    match words {
        [] if !may_be_empty => Err(CliError::Usage("give a filter".to_owned())),
        [] => Ok(Loaded { name: "filter".to_owned(), code: Code::Expression(String::new()) }),
        [one] => of_text(one),
        words => of_text(&words.join(" ")),
    }
}

/// A filter out of one argument.
pub(super) fn of_text(argument: &str) -> Result<Loaded, CliError> {
    let path = Path::new(argument);
    if argument == "-" || path.is_file() {
        let bytes = input::bytes(path)?;
        let code = parse(&bytes).map_err(|problem| CliError::input(argument, problem))?;
        return Ok(Loaded { name: argument.to_owned(), code });
    }
    let name = "filter".to_owned();
    let code = parse(argument.as_bytes()).map_err(|problem| CliError::input(&name, problem))?;
    Ok(Loaded { name, code })
}

/// Tells a program from an expression. The listings have marks of their own; bpf_asm's grammar starts
/// with a mnemonic or a label, and no expression does.
fn parse(bytes: &[u8]) -> Result<Code, text::TextError> {
    let expression = str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    match (text::read(bytes), expression) {
        (Ok(parsed), _) => Ok(Code::Program(parsed.program)),
        (Err(_), Some(text)) if !looks_like_program(text) => Ok(Code::Expression(text.trim().to_owned())),
        (Err(error), _) => Err(error),
    }
}

/// Whether the error of a program is the one to show.
fn looks_like_program(text: &str) -> bool {
    const MNEMONICS: &[&str] = &[
        "ld", "ldi", "ldh", "ldb", "ldx", "ldxi", "ldxb", "st", "stx", "jmp", "ja", "jeq", "jneq", "jne",
        "jlt", "jle", "jgt", "jge", "jset", "add", "sub", "mul", "div", "mod", "neg", "lsh", "rsh", "xor",
        "ret", "tax", "txa",
    ];
    let text = text.trim_start();
    let word: &str = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
    let rest = text[word.len()..].trim_start();
    match text::detect(text.as_bytes()) {
        Some(Form::Tcpdump) => text.starts_with("(000)"),
        Some(Form::C | Form::SeccompTools) => true,
        Some(Form::OneLine | Form::Decimal) => {
            rest.starts_with(',') || text.lines().next().is_some_and(|line| line.trim() == word)
        }
        // `;` and `/*` start comments, a word and a colon is a label unless more colons follow, as in
        // an address.
        _ => {
            MNEMONICS.contains(&word.to_ascii_lowercase().as_str())
                || text.starts_with([';', '#'])
                || text.starts_with("/*")
                || rest.strip_prefix(':').is_some_and(|rest| rest.starts_with(char::is_whitespace))
        }
    }
}

impl Loaded {
    /// Whether it is an expression.
    pub(super) const fn is_expression(&self) -> bool {
        matches!(self.code, Code::Expression(_))
    }

    /// The program for packets of a link type.
    pub(super) fn program(&self, link_type: u32, reading: &Reading) -> Result<Vec<SockFilter>, CliError> {
        match &self.code {
            Code::Program(program) => Ok(program.clone()),
            Code::Expression(text) => compile(text, link_type, reading),
        }
    }
}

fn compile(text: &str, link_type: u32, reading: &Reading) -> Result<Vec<SockFilter>, CliError> {
    let Some(link) = expr::LinkType::from_number(link_type) else {
        let link = layers::name(link_type).map_or_else(|| link_type.to_string(), str::to_owned);
        return Err(CliError::Usage(format!("expressions are not compiled for link type {link}")));
    };
    let mut options = expr::Options::new(link);
    options.snaplen = reading.snaplen;
    options.optimize = reading.optimize;
    options.netmask = reading.netmask;
    options.source = reading.source;
    expr::compile(text, &options).map_err(|error| CliError::input("expression", error.show(text)))
}
