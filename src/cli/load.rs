//! What the commands that load programs let their user say about them.

use super::{CliError, input};
use crate::object::{Kconfig, MapChange, ProgramKind};
use std::path::PathBuf;

/// Arguments that fill the gaps of an object, or change it before it is loaded.
#[derive(clap::Args, Debug)]
pub(super) struct LoadArgs {
    /// What the programs of a section are for: a section name that says so, as `myprog=xdp`, or one
    /// name for everything.
    #[arg(long = "type", value_name = "SECTION=TYPE")]
    types: Vec<String>,
    /// Change a map before it is created: NAME=hash,key:4,value:8,entries:100,flags:1, each part
    /// optional. For instructions that hold the descriptor of a map, its number is the name.
    #[arg(long = "map", value_name = "NAME=CHANGES")]
    pub maps: Vec<MapChange>,
    /// The kernel's configuration, for objects that ask for values of it; not compressed.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl LoadArgs {
    /// What programs are for: of a section, or with an empty name of all.
    pub fn kinds(&self) -> Result<Vec<(String, ProgramKind)>, CliError> {
        let kind = |given: &String| {
            let (name, text) = given.split_once('=').unwrap_or(("", given));
            let kind = ProgramKind::parse(text).ok_or_else(|| {
                CliError::Usage(format!(
                    "--type {given}: {text} is neither a program type nor a section's name"
                ))
            })?;
            Ok((name.to_owned(), kind))
        };
        self.types.iter().map(kind).collect()
    }

    pub fn config(&self) -> Result<Option<Kconfig>, CliError> {
        self.config.as_deref().map(input::config).transpose()
    }
}
