//! The command line: each command reads its arguments, calls the library and says how it ended.
//!
//! Results go to standard output, logs and progress to standard error. Exit codes: 0 done, 1 found or failed, 2 usage.

mod api_key;
mod audit;
mod bounces;
mod demo;
mod export;
mod file;
mod import;
mod keys;
mod ledger;
mod logs;
mod migrate;
mod schema;
mod serve;
mod staff;
mod worker;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Points, memberships and accounts that turn a web shop's first-time buyers into regulars
///
/// Every setting is a flag, an environment variable and a line in `regulars.toml` (or the file that `REGULARS_CONFIG`
/// names), in this order of strength.
#[derive(Debug, Parser)]
#[command(name = "regulars", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    logs: logs::LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the API, and works off jobs unless told not to
    Serve(serve::ServeArgs),
    /// Makes a demo shop on a fresh file and serves it at once
    Demo(demo::DemoArgs),
    /// Works off jobs only
    Worker(worker::WorkerArgs),
    /// Brings the database's schema up to date, takes it back or tells what is missing
    Migrate(migrate::MigrateArgs),
    /// Prints the GraphQL schema
    Schema(schema::SchemaArgs),
    /// Brings a shop's past in
    Import(import::ImportArgs),
    /// Writes what the shop holds as comma-separated values
    Export(export::ExportArgs),
    /// Checks the points ledger
    Ledger(ledger::LedgerArgs),
    /// Checks the audit log
    Audit(audit::AuditArgs),
    /// Takes what mail servers tell of the shop's mail
    Mail(bounces::MailArgs),
    /// Adds the first people of the shop
    Staff(staff::StaffArgs),
    /// Makes, lists, rotates and revokes keys of the shop's servers
    ApiKey(api_key::ApiKeyArgs),
    /// Replaces the keys that sign access tokens
    Keys(keys::KeysArgs),
}

impl Command {
    /// What it logs unless it is told.
    const fn log(&self) -> &'static str {
        match self {
            // Whoever tries the shop has not to read how its tables came about.
            Self::Demo(_) => "info,sea_orm_migration=warn",
            Self::Serve(_)
            | Self::Worker(_)
            | Self::Migrate(_)
            | Self::Schema(_)
            | Self::Import(_)
            | Self::Export(_)
            | Self::Ledger(_)
            | Self::Audit(_)
            | Self::Mail(_)
            | Self::Staff(_)
            | Self::ApiKey(_)
            | Self::Keys(_) => "info",
        }
    }

    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(args) => serve::run(args).await,
            Self::Demo(args) => demo::run(args).await,
            Self::Worker(args) => worker::run(args).await,
            Self::Migrate(args) => migrate::run(args).await,
            Self::Schema(args) => Ok(schema::run(&args)),
            Self::Import(args) => import::run(args).await,
            Self::Export(args) => export::run(args).await,
            Self::Ledger(args) => ledger::run(args).await,
            Self::Audit(args) => audit::run(args).await,
            Self::Mail(args) => bounces::run(args).await,
            Self::Staff(args) => staff::run(args).await,
            Self::ApiKey(args) => api_key::run(args).await,
            Self::Keys(args) => keys::run(args).await,
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let command = match file::defaults(Cli::command()) {
        Ok(command) => command,
        Err(error) => return usage(&error),
    };
    let cli = match command.try_get_matches().and_then(|found| Cli::from_arg_matches(&found)) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Err(error) = cli.logs.install(cli.command.log()) {
        return usage(&error);
    }
    match run(cli.command) {
        Ok(code) => code,
        Err(error) if error.is::<Misconfigured>() => usage(&error),
        Err(error) => {
            eprintln!("regulars: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(command: Command) -> anyhow::Result<ExitCode> {
    command.run().await
}

/// A setting is out of its bounds or a set of them does not go together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misconfigured(String);

/// Validates the settings of a command.
fn config(args: crate::config::ConfigArgs) -> Result<crate::config::Config, Misconfigured> {
    args.try_into().map_err(|error: anyhow::Error| Misconfigured(format!("{error:#}")))
}

fn usage(error: &anyhow::Error) -> ExitCode {
    eprintln!("regulars: {error:#}");
    ExitCode::from(2)
}

/// Waits for the signal that asks the process to stop.
async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(error) => {
                tracing::warn!(%error, "cannot listen for SIGTERM");
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        _ = interrupted => {}
        _ = terminated => {}
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        super::Cli::command().debug_assert();
    }
}
