//! `regulars worker`.

use std::process::ExitCode;

use clap::Args;
use tokio::sync::watch;

use super::{config, stop_signal};
use crate::app::App;
use crate::config::ConfigArgs;
use crate::worker;

/// Whose jobs to work off.
#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) async fn run(args: WorkerArgs) -> anyhow::Result<ExitCode> {
    let app = App::build(config(args.config)?).await?;
    let (stop, stopped) = watch::channel(false);
    let keeping = app.keep_current(true);
    let working = tokio::spawn(worker::run(app.clone(), stopped));
    tracing::info!("working off jobs");
    stop_signal().await;
    tracing::info!("stopping: what is under way ends first");
    // The worker may have ended by itself.
    let _ = stop.send(true);
    working.await?;
    drop(keeping);
    app.db.clone().close().await?;
    Ok(ExitCode::SUCCESS)
}
