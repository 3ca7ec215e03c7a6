//! Renders `isa/facts/*.toml` into `isa/src/kernel/generated/*.rs`.
//!
//! Reading is strict: an unknown key, name or version is an error that names file and record, so a
//! typing error in a fact cannot pass silently. What the facts mean is decided in `oxbpf-isa`.

mod code;
mod contexts;
mod fields;
mod helpers;
mod hooks;
mod kfuncs;
mod limits;
mod maps;
mod progs;
mod sections;
mod select;
mod types;

use std::fmt;
use std::path::{Path, PathBuf};

/// A generated file: its path below the workspace, and its text.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The path, relative to the workspace.
    pub path: PathBuf,
    /// The text.
    pub text: String,
}

/// Why facts could not be rendered.
#[derive(Debug)]
#[non_exhaustive]
pub enum FactError {
    /// A file could not be read or written.
    Io(PathBuf, std::io::Error),
    /// A file is not the TOML that was expected.
    Toml(&'static str, Box<toml::de::Error>),
    /// A record says something impossible.
    Record {
        /// The file.
        file: &'static str,
        /// The record's name.
        record: String,
        /// What is wrong.
        problem: Problem,
    },
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A name is none of those known for this purpose.
    Unknown(&'static str, String),
    /// A version, number or range is malformed.
    Malformed(&'static str, String),
    /// The same thing twice.
    Twice(String),
    /// A record lacks something.
    Missing(&'static str),
}

impl fmt::Display for FactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Toml(file, error) => write!(f, "{file}: {error}"),
            Self::Record { file, record, problem } => match problem {
                Problem::Unknown(what, name) => write!(f, "{file}: {record}: unknown {what} {name:?}"),
                Problem::Malformed(what, text) => write!(f, "{file}: {record}: {text:?} is no {what}"),
                Problem::Twice(what) => write!(f, "{file}: {record}: {what} is given twice"),
                Problem::Missing(what) => write!(f, "{file}: {record}: {what} is missing"),
            },
        }
    }
}

impl std::error::Error for FactError {}

/// The directory of the workspace this crate was built in.
pub fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Renders every generated file from the facts below `root`.
///
/// # Errors
/// When a fact file cannot be read or says something impossible.
pub fn render(root: &Path) -> Result<Vec<Rendered>, FactError> {
    let facts = root.join("isa/facts");
    let read = |file: &'static str| {
        let path = facts.join(file);
        std::fs::read_to_string(&path).map_err(|error| FactError::Io(path, error))
    };
    let groups = select::Groups::read(&read("groups.toml")?)?;
    let generated =
        |name: &str, text: String| Rendered { path: Path::new("isa/src/kernel/generated").join(name), text };
    let helpers = read("helpers.toml")?;
    let names = helpers::names(&helpers)?;
    Ok(vec![
        generated("helpers.rs", helpers::render(&helpers, &groups)?),
        generated("maps.rs", maps::render(&read("maps.toml")?, &groups, &names)?),
        generated("progs.rs", progs::render(&read("progs.toml")?, &groups)?),
        generated("contexts.rs", contexts::render(&read("contexts.toml")?, &groups)?),
        generated("sections.rs", sections::render(&read("sections.toml")?)?),
        generated("kfuncs.rs", kfuncs::render(&read("kfuncs.toml")?, &groups)?),
        generated("fields.rs", fields::render(&read("fields.toml")?)?),
        generated("hooks.rs", hooks::render(&read("hooks.toml")?)?),
        generated("types.rs", types::render(&read("types.toml")?)?),
        generated("limits.rs", limits::render(&read("limits.toml")?, &read("kernels.toml")?)?),
    ])
}

/// Reads one file of facts.
fn parse<'a, T: serde::Deserialize<'a>>(file: &'static str, text: &'a str) -> Result<T, FactError> {
    toml::from_str(text).map_err(|error| FactError::Toml(file, Box::new(error)))
}

/// A place in a fact file, to which problems are attached.
struct Place<'a> {
    file: &'static str,
    record: &'a str,
}

impl Place<'_> {
    fn error(&self, problem: Problem) -> FactError {
        FactError::Record { file: self.file, record: self.record.to_owned(), problem }
    }

    fn unknown(&self, what: &'static str, name: &str) -> FactError {
        self.error(Problem::Unknown(what, name.to_owned()))
    }

    fn malformed(&self, what: &'static str, text: &str) -> FactError {
        self.error(Problem::Malformed(what, text.to_owned()))
    }
}
