//! `oxbpf kernels`: which kernels are known, and what each knows.

use super::style::{Format, Table};
use super::{CliError, Status};
use oxbpf_isa::kernel::{KernelModel, KernelVersion, ProgKind, ProgType};
use oxbpf_verifier::WALKS;
use serde_json::json;
use std::io::Write;

/// List the kernels that programs can be checked for, and what each offers.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Show the helpers that programs of this type may call, per kernel.
    #[arg(long, value_name = "TYPE")]
    helpers: Option<String>,
    /// Only these kernels.
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    kernel: Vec<KernelVersion>,
    /// How to write the results.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Status, CliError> {
    let wanted = |v: KernelVersion| args.kernel.is_empty() || args.kernel.contains(&v);
    let models: Vec<KernelModel> = KernelModel::kernels()
        .iter()
        .filter(|k| wanted(k.version))
        .filter_map(|k| KernelModel::at(k.version))
        .collect();
    if models.is_empty() {
        return Err(CliError::Usage("no such kernel is known; `oxbpf kernels` lists them".to_owned()));
    }
    let (key, table) = match &args.helpers {
        Some(name) => ("helpers", helpers(&models, name)?),
        None => ("kernels", overview(&models)),
    };
    match args.format {
        Format::Human => table.write(out, 0)?,
        Format::Json => writeln!(out, "{:#}", json!({"schema": 1, key: table.json()}))?,
    }
    Ok(Status::Fine)
}

fn overview(models: &[KernelModel]) -> Table {
    let mut table = Table::new(&["kernel", "facts", "verdicts", "helpers"], &[3]);
    for model in models {
        let helpers = (0..model.helper_count()).filter(|&id| model.helper(id).is_some()).count();
        table.row([
            model.version().to_string(),
            format!("{:?}", model.known()).to_lowercase(),
            if WALKS.contains(&model.version()) { "all" } else { "structure" }.to_owned(),
            helpers.to_string(),
        ]);
    }
    table
}

fn helpers(models: &[KernelModel], name: &str) -> Result<Table, CliError> {
    let Some(prog_type) = ProgType::from_name(name) else {
        let known: Vec<&str> = ProgType::ALL.iter().map(|t| t.name()).collect();
        return Err(CliError::Usage(format!(
            "there is no program type {name}; expected one of {}",
            known.join(", ")
        )));
    };
    let mut head = vec!["id", "helper"];
    let versions: Vec<String> = models.iter().map(|m| m.version().to_string()).collect();
    head.extend(versions.iter().map(String::as_str));
    let mut table = Table::new(&head, &[0]);
    let count = models.iter().map(KernelModel::helper_count).max().unwrap_or(0);
    for id in 1..count {
        let kind = ProgKind::new(prog_type);
        let cells: Vec<&str> =
            models.iter().map(|m| if m.helper_for(&kind, id).is_ok() { "yes" } else { "-" }).collect();
        let Some(name) = models.iter().find_map(|m| m.helper_name(id)) else { continue };
        if cells.contains(&"yes") {
            let row = [id.to_string(), format!("bpf_{name}")];
            table.row(row.into_iter().chain(cells.into_iter().map(str::to_owned)));
        }
    }
    Ok(table)
}
