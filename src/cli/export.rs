//! `regulars export`: writes what the shop holds to standard output.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::config;
use crate::app::App;
use crate::config::ConfigArgs;
use crate::error::Fault;
use crate::export::{Export, What};

/// What `regulars export` takes.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What is written
    #[arg(value_enum)]
    what: What,
}

pub(super) async fn run(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let app = App::build(config(args.config)?).await?;
    let stopped = |fault: Fault| anyhow::anyhow!("the export could not go on: {}", fault.for_operator());
    let mut export = Export::begin(&app, args.what).await.map_err(stopped)?;
    let mut out = stdout().lock();
    while let Some(part) = export.next().await.map_err(stopped)? {
        out.write_all(&part).context("writing to standard output")?;
    }
    out.flush().context("writing to standard output")?;
    Ok(ExitCode::SUCCESS)
}
