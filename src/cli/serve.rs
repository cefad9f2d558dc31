//! `regulars serve`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use tokio::sync::watch;

use super::{config, stop_signal};
use crate::app::App;
use crate::config::ConfigArgs;
use crate::http::Server;
use crate::{throttle, worker};

/// What to serve, and where.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where to listen; port 0 takes any that is free
    #[arg(long, env = "REGULARS_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Leave the jobs to `regulars worker`
    #[arg(long, env = "REGULARS_NO_WORKER", default_value_t = false)]
    no_worker: bool,
}

pub(super) async fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let app = App::build(config(args.config)?).await?;
    serve(app, &args.listen, !args.no_worker, |_| {}).await
}

/// Serves until a signal asks to stop; `ready` is told the address once it is taken.
pub(super) async fn serve(
    app: App,
    listen: &str,
    works: bool,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<ExitCode> {
    let server = Server::bind(app.clone(), listen)?;
    tracing::info!("listening on http://{}", server.address());
    ready(server.address());
    let (stop, stopped) = watch::channel(false);
    let keeping = app.keep_current(works);
    let sharing = tokio::spawn(throttle::share(app.clone()));
    let working = works.then(|| tokio::spawn(worker::run(app.clone(), stopped.clone())));
    let signalled = tokio::spawn(async move {
        stop_signal().await;
        tracing::info!("stopping: what is under way ends first");
        // The receivers may be gone: the server failed by itself.
        let _ = stop.send(true);
    });
    let ended = server.run(stopped).await;
    // Dropping the sender stops the worker as well, should the server have failed.
    signalled.abort();
    if let Some(working) = working {
        working.await?;
    }
    drop(keeping);
    sharing.abort();
    ended?;
    app.db.clone().close().await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
